import { Play, ScrollText } from 'lucide-react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { runCommand } from '../commands/command.ts';
import { useCommandContext } from '../commands/context.dom.ts';
import { command } from '../commands/table.ts';
import { ago } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { Thumbnail } from '../library/thumbnail.dom.tsx';
import { useLog } from '../machine/log-view.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';

/** A machine that does not run: its last picture, dimmed, and one button. */
export function OffScreen({ vm }: { vm: VmSummary }) {
  const t = useText();
  const context = useCommandContext(vm.id);
  const start = command('start');
  return (
    <div className="stage off" data-state={vm.state}>
      {vm.state === 'crashed' ? <Crash vm={vm} /> : vm.problem !== undefined && <Notice tone="bad" title={vm.problem} />}
      <div className="off-screen">
        <Thumbnail vm={vm} />
        <div className="off-body">
          {vm.state === 'starting' ? (
            <p className="off-state" role="status">
              {t('state.starting')}…
            </p>
          ) : (
            <>
              <Button
                kind="primary"
                size="l"
                icon={Play}
                isDisabled={!start.enabled(context)}
                onPress={() => void runCommand(start, context)}
                autoFocus
              >
                {t('command.start')}
              </Button>
              <p className="off-when">{vm.lastStarted === undefined ? t('off.never') : t('off.last', { when: ago(vm.lastStarted, Date.now()) })}</p>
            </>
          )}
        </div>
      </div>
    </div>
  );
}

/** A process that died by itself: said plainly, with the last lines that it wrote. */
function Crash({ vm }: { vm: VmSummary }) {
  const t = useText();
  const { lines } = useLog(vm, 8);
  const context = useCommandContext(vm.id);
  return (
    <div className="crash">
      <Notice
        tone="bad"
        title={t('crash.title')}
        actions={
          <Button size="s" icon={ScrollText} onPress={() => void runCommand(command('view-log'), context)}>
            {t('command.viewLog')}
          </Button>
        }
      >
        <p>{vm.problem ?? t('crash.body')}</p>
        {lines.length > 0 && (
          <pre className="crash-log" tabIndex={0}>
            {lines.join('\n')}
          </pre>
        )}
      </Notice>
    </div>
  );
}
