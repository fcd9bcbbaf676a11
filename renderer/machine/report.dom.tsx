import { Download, X } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import * as act from '../commands/actions.dom.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { Switch } from '../ui/field.dom.tsx';

interface Part {
  readonly name: string;
  readonly text: string;
}

/** A report for whoever looks into a crash: read here, part by part, before it is saved. It goes nowhere by itself. */
export function Report({ vm, close }: { vm: VmSummary; close: () => void }) {
  const app = useApp();
  const t = useText();
  const [parts, setParts] = useState<readonly Part[]>([]);
  const [without, setWithout] = useState<ReadonlySet<string>>(new Set());
  const { id } = vm;
  useEffect(() => {
    app.client
      .call('vm.report', { vm: id })
      .then((answer) => setParts(answer.parts))
      .catch((error: unknown) => app.reportError(error));
  }, [app, id]);
  const toggle = (name: string, on: boolean) => setWithout((old) => new Set(on ? [...old].filter((one) => one !== name) : [...old, name]));
  const save = () => {
    const text = parts.filter(({ name }) => !without.has(name)).map(({ name, text: body }) => `== ${name} ==\n\n${body.trimEnd()}\n`);
    act.saveFile(app, 'strate-report.txt', new Blob([text.join('\n')], { type: 'text/plain' }));
  };
  return (
    <section className="page report" aria-label={t('report.title')}>
      <header className="page-head">
        <h1>{t('report.title')}</h1>
        <span className="page-tools">
          <Button icon={X} kind="quiet" onPress={close}>
            {t('report.close')}
          </Button>
          <Button icon={Download} kind="primary" onPress={save} isDisabled={parts.every(({ name }) => without.has(name))}>
            {t('report.save')}
          </Button>
        </span>
      </header>
      <p className="hint">{t('report.hint')}</p>
      {parts.map(({ name, text }) => (
        <section key={name} className="report-part" data-out={without.has(name) ? '' : undefined}>
          <Switch value={!without.has(name)} onChange={(on) => toggle(name, on)}>
            {t('report.part', { name })}
          </Switch>
          <pre tabIndex={0}>{text}</pre>
        </section>
      ))}
    </section>
  );
}
