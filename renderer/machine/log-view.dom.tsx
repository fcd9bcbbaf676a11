import { useEffect, useRef, useState } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { stopped } from '../../vmm/protocol/states.ts';
import { useText } from '../i18n/i18n.ts';
import { FileText } from 'lucide-react';
import { useApp } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';
import { Report } from './report.dom.tsx';

const REFRESH = 2000;
const LINES = 1000;

/** The end of the last run's log; followed while the machine runs. Lines are text, whatever a guest writes. */
export function useLog(vm: VmSummary, lines: number): { lines: readonly string[]; problem: string | undefined } {
  const app = useApp();
  const [log, setLog] = useState<{ lines: readonly string[]; problem: string | undefined }>({ lines: [], problem: undefined });
  const { id, state } = vm;
  useEffect(() => {
    let current = true;
    const read = () =>
      void app.client
        .call('vm.log', { vm: id, lines })
        .then((answer) => current && setLog({ lines: answer.lines, problem: undefined }))
        .catch((error: unknown) => current && setLog((old) => ({ ...old, problem: error instanceof Error ? error.message : String(error) })));
    read();
    const timer = stopped.includes(state) ? undefined : setInterval(read, REFRESH);
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [app, id, state, lines]);
  return log;
}

export function LogView({ vm }: { vm: VmSummary }) {
  const t = useText();
  const { lines, problem } = useLog(vm, LINES);
  const [report, setReport] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  if (report) return <Report vm={vm} close={() => setReport(false)} />;
  return (
    <div className="log-page">
      <div className="serial-bar">
        <span className="hint">{t('log.last')}</span>
        <span className="spring" />
        <Button size="s" icon={FileText} onPress={() => setReport(true)}>
          {t('report.prepare')}
        </Button>
      </div>
      <div
        className="log-view"
        ref={box}
        tabIndex={0}
        role="region"
        aria-label={t('view.log')}
        onScroll={({ currentTarget: el }) => {
          atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 24;
        }}
      >
        {problem !== undefined && <Notice tone="bad" title={problem} />}
        {lines.length === 0 ? <p className="empty-line">{t('log.nothing')}</p> : <pre>{lines.join('\n')}</pre>}
      </div>
    </div>
  );
}
