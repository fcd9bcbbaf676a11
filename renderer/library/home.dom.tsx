import { FileUp, Plus } from 'lucide-react';
import * as act from '../commands/actions.dom.ts';
import { runCommand } from '../commands/command.ts';
import { useCommandContext } from '../commands/context.dom.ts';
import { command } from '../commands/table.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';
import { Machines } from './machines.dom.tsx';
import { TryGuests } from './try-guests.dom.tsx';

/** The library tab: on the first day one drop zone and something to try; from then on the machines. */
export function Home() {
  const t = useText();
  const empty = useLibrary((s) => s.vms.size === 0);
  const link = useLibrary((s) => s.link);
  const host = useLibrary((s) => s.host);
  return (
    <div className="page home">
      {host !== undefined && host.firmware === null && (
        <Notice tone="warn" title={t('home.noFirmware')}>
          {host.firmwareHelp}
        </Notice>
      )}
      {link === 'connecting' ? <p className="home-wait">{t('link.connecting')}</p> : empty ? <FirstRun /> : <Machines />}
    </div>
  );
}

function FirstRun() {
  const app = useApp();
  const t = useText();
  const context = useCommandContext();
  return (
    <div className="first-run">
      <div className="drop-zone">
        <DropPicture />
        <h1>{t('first.title')}</h1>
        <p>{t('first.body')}</p>
        <div className="first-actions">
          <Button kind="primary" size="l" icon={FileUp} onPress={() => act.pickFiles(app)}>
            {t('command.openFile')}
          </Button>
          <Button size="l" icon={Plus} onPress={() => void runCommand(command('new'), context)}>
            {t('command.new')}
          </Button>
        </div>
      </div>
      <TryGuests most={1} title={t('first.try')} />
    </div>
  );
}

/** A disk falling into a screen: what the page is for, without a word. */
function DropPicture() {
  return (
    <svg className="drop-picture" viewBox="0 0 168 112" width="168" height="112" aria-hidden>
      <rect x="34" y="30" width="100" height="68" rx="7" fill="var(--surface)" stroke="var(--line-strong)" strokeWidth="1.5" />
      <rect x="41" y="37" width="86" height="54" rx="3" fill="var(--screen-off)" />
      <path d="M68 106h32M84 98v8" stroke="var(--line-strong)" strokeWidth="1.5" strokeLinecap="round" />
      <text x="48" y="84" fontFamily="var(--mono)" fontSize="9" fill="oklch(0.83 0.1 182)">
        A:\&gt;
      </text>
      <g className="drop-disk">
        <path
          d="M63 8h36l6 6v32a3 3 0 0 1-3 3H66a3 3 0 0 1-3-3z"
          fill="var(--raised)"
          stroke="var(--accent)"
          strokeWidth="1.5"
          strokeLinejoin="round"
        />
        <path d="M73 8v12h20V8M72 49V33h24v16" fill="var(--accent-wash)" stroke="var(--accent)" strokeWidth="1.5" strokeLinejoin="round" />
        <path d="M88 11v5" stroke="var(--accent)" strokeWidth="1.5" />
      </g>
    </svg>
  );
}
