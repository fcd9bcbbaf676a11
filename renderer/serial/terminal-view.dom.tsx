import type { Terminal } from '@xterm/xterm';
import { Plug, Plus, RotateCcw } from 'lucide-react';
import { useCallback, useState } from 'react';
import { Form } from 'react-aria-components';
import { decodeSerial, kindOf } from '../../vmm/protocol/frames.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { useText } from '../i18n/i18n.ts';
import { useConfig } from '../machine/inspector.dom.tsx';
import { useApp } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { TextField } from '../ui/field.dom.tsx';
import { TerminalPane } from './terminal-pane.dom.tsx';

const SSH_PORT = 22;
const FIRST_PORT = 2222;

/** A terminal in the guest: `ssh` of this computer, through the forward that leads to it. */
export function TerminalView({ vm }: { vm: VmSummary }) {
  const app = useApp();
  const t = useText();
  const config = useConfig(vm);
  const [user, setUser] = useState('root');
  const [connected, setConnected] = useState(0);
  const [added, setAdded] = useState(false);
  if (config === undefined) return null;
  const nic = config.nics.find(({ backend }) => backend.type === 'user');
  const forwarded = config.nics.some(({ forwards }) => forwards.some(({ protocol, guestPort }) => protocol === 'tcp' && guestPort === SSH_PORT));
  if (connected > 0) return <SshTerminal key={connected} vm={vm} user={user} again={() => setConnected((n) => n + 1)} />;

  const forward = async () => {
    const nics = config.nics.map((one) =>
      one === nic
        ? { ...one, forwards: [...one.forwards, { protocol: 'tcp' as const, hostAddress: '127.0.0.1', hostPort: FIRST_PORT, guestPort: SSH_PORT }] }
        : one,
    );
    const { nextStart } = await app.client.call('vm.configure', { vm: vm.id, changes: { nics } });
    setAdded(nextStart.includes('nics'));
  };
  return (
    <div className="page terminal-start">
      <h1>{t('ssh.title')}</h1>
      {vm.state !== 'running' && <p>{t('ssh.off')}</p>}
      {!forwarded && <p>{t('ssh.noForward')}</p>}
      {added && <p className="hint">{t('ssh.added')}</p>}
      {!forwarded && nic && (
        <div>
          <Button icon={Plus} onPress={() => void forward().catch((error: unknown) => app.reportError(error, vm))}>
            {t('ssh.addForward', { port: FIRST_PORT })}
          </Button>
        </div>
      )}
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          setConnected(1);
        }}
      >
        <TextField label={t('ssh.user')} value={user} onChange={setUser} />
        <Button kind="primary" icon={Plug} type="submit" isDisabled={vm.state !== 'running' || !forwarded || user === ''}>
          {t('ssh.connect')}
        </Button>
      </Form>
    </div>
  );
}

function SshTerminal({ vm, user, again }: { vm: VmSummary; user: string; again: () => void }) {
  const app = useApp();
  const t = useText();
  const [ended, setEnded] = useState<number | string>();
  const { id } = vm;
  const join = useCallback(
    (terminal: Terminal) => {
      const { client } = app;
      let number: number | undefined;
      let left = false;
      const stops = [
        client.onBinary((message) => {
          if (kindOf(message) !== 'serial') return;
          const { port, data } = decodeSerial(message);
          if (port === number) terminal.write(data);
        }),
        client.on('terminal.ended', ({ terminal: which, status }) => {
          if (which !== number) return;
          number = undefined;
          setEnded(status);
        }),
      ];
      const typed = terminal.onData((data) => number !== undefined && client.notify('terminal.write', { terminal: number, data }));
      const resized = terminal.onResize(
        ({ cols, rows }) => number !== undefined && client.notify('terminal.resize', { terminal: number, columns: cols, rows }),
      );
      const close = (which: number) => void client.call('terminal.close', { terminal: which }).catch(() => undefined);
      client.call('terminal.open', { vm: id, user, columns: terminal.cols, rows: terminal.rows }).then(
        (answer) => {
          if (left) close(answer.terminal);
          else number = answer.terminal;
        },
        (error: unknown) => setEnded(error instanceof Error ? error.message : String(error)),
      );
      return () => {
        left = true;
        for (const stop of stops) stop();
        typed.dispose();
        resized.dispose();
        if (number !== undefined) close(number);
      };
    },
    [app, id, user],
  );
  return (
    <div className="serial">
      {ended === undefined ? (
        <span />
      ) : (
        <div className="serial-bar" role="status">
          <span>{typeof ended === 'string' ? ended : t('ssh.ended', { status: ended })}</span>
          <span className="spring" />
          <Button size="s" icon={RotateCcw} onPress={again}>
            {t('ssh.again')}
          </Button>
        </div>
      )}
      <TerminalPane label={t('ssh.title')} join={join} />
    </div>
  );
}
