import { ArchiveRestore, Trash2 } from 'lucide-react';
import * as act from '../commands/actions.dom.ts';
import { ago, bytes } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';

/** Deleted machines: restored with one press, gone for ever after one question. */
export function Trash() {
  const app = useApp();
  const t = useText();
  const trash = useLibrary((s) => s.trash);
  const now = Date.now();
  const run = (work: Promise<unknown>) => void work.catch((error: unknown) => app.reportError(error));
  return (
    <div className="page narrow">
      <header className="page-head">
        <h1>{t('tabs.trash')}</h1>
        {trash.length > 0 && (
          <Button icon={Trash2} onPress={() => act.purge(app, undefined)}>
            {t('trash.empty')}
          </Button>
        )}
      </header>
      {trash.length === 0 && <p className="empty-line">{t('trash.nothing')}</p>}
      <ul className="rows">
        {trash.map((vm) => (
          <li key={vm.id} className="row">
            <div className="row-text">
              <p className="vm-name">{vm.name}</p>
              <p className="hint">
                {t('trash.deleted', { when: ago(vm.deleted, now) })}
                {vm.bytes !== undefined && ` · ${bytes(vm.bytes)}`}
              </p>
            </div>
            <Button icon={ArchiveRestore} onPress={() => run(act.restoreVm(app, vm.id))} aria-label={t('trash.restoreNamed', { name: vm.name })}>
              {t('trash.restore')}
            </Button>
            <Button kind="quiet" onPress={() => act.purge(app, vm)} aria-label={t('trash.purgeNamed', { name: vm.name })}>
              {t('trash.purge')}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
