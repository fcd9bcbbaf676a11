import type { Terminal } from '@xterm/xterm';
import { Download, Eraser, FileUp } from 'lucide-react';
import { useCallback, useRef, useState } from 'react';
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import * as act from '../commands/actions.dom.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useSession, useSessionState } from '../state/context.dom.tsx';
import type { MachineSession } from '../state/session.dom.ts';
import { IconButton } from '../ui/button.dom.tsx';
import { SearchField } from '../ui/field.dom.tsx';
import { TerminalPane, terminalText, type TerminalTools } from './terminal-pane.dom.tsx';

export function SerialView({ vm }: { vm: VmSummary }) {
  const t = useText();
  const session = useSession(vm.id);
  if (session === undefined) return <p className="page empty-line">{t('serial.off')}</p>;
  return <SerialPorts vm={vm} session={session} />;
}

function SerialPorts({ vm, session }: { vm: VmSummary; session: MachineSession }) {
  const t = useText();
  const count = useSessionState(session, (s) => s.status?.serialPorts);
  const [port, setPort] = useState(0);
  if (count === undefined) return null;
  if (count === 0) return <p className="page empty-line">{t('serial.none')}</p>;
  return (
    <div className="serial">
      <SerialTerminal key={port} vm={vm} session={session} port={port}>
        {count > 1 && (
          <ToggleButtonGroup
            className="segments"
            aria-label={t('serial.port')}
            selectionMode="single"
            disallowEmptySelection
            selectedKeys={[String(port)]}
            onSelectionChange={(keys) => setPort(Number([...keys][0] ?? 0))}
          >
            {Array.from({ length: count }, (_, n) => (
              <ToggleButton key={n} id={String(n)} className="segment">
                COM{n + 1}
              </ToggleButton>
            ))}
          </ToggleButtonGroup>
        )}
      </SerialTerminal>
    </div>
  );
}

function SerialTerminal({ vm, session, port, children }: { vm: VmSummary; session: MachineSession; port: number; children: React.ReactNode }) {
  const app = useApp();
  const t = useText();
  const tools = useRef<TerminalTools | undefined>(undefined);
  const [query, setQuery] = useState('');
  const report = useRef((error: unknown) => app.reportError(error, vm));

  const join = useCallback(
    (terminal: Terminal) => {
      const typed = terminal.onData((data) => {
        if (session.isOpen) void session.client.call('serial.write', { port, data }).catch(report.current);
      });
      const unlisten = session.listenSerial(port, (data) => terminal.write(data));
      return () => {
        unlisten();
        typed.dispose();
      };
    },
    [session, port],
  );

  const save = () => {
    const { terminal } = tools.current ?? {};
    if (terminal) act.saveFile(app, `${vm.name} COM${port + 1}.txt`, new Blob([terminalText(terminal)], { type: 'text/plain' }));
  };
  const send = () =>
    act.chooseFiles(app, false, ([file]) => {
      if (file) void sendFile(session, port, file).catch(report.current);
    });

  return (
    <>
      <div className="serial-bar">
        {children}
        <SearchField
          label={t('serial.search')}
          placeholder={t('serial.search')}
          clear={t('action.clear')}
          value={query}
          onChange={(value) => {
            setQuery(value);
            if (value === '') tools.current?.search.clearDecorations();
            else tools.current?.search.findPrevious(value, { incremental: true });
          }}
        />
        <span className="spring" />
        <IconButton icon={FileUp} label={t('serial.send')} onPress={send} />
        <IconButton icon={Download} label={t('serial.save')} onPress={save} />
        <IconButton icon={Eraser} label={t('serial.clear')} onPress={() => tools.current?.terminal.clear()} />
      </div>
      <TerminalPane label={t('serial.label', { port: `COM${port + 1}` })} join={join} tools={tools} />
    </>
  );
}

/** Bytes per message: the server answers when the port has taken them, so a slow guest slows the sender. */
const CHUNK = 4096;

async function sendFile(session: MachineSession, port: number, file: File): Promise<void> {
  for (let at = 0; at < file.size; at += CHUNK) {
    const bytes = new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer());
    const data = btoa(String.fromCharCode(...bytes));
    await session.client.call('serial.write', { port, data, encoding: 'base64' });
  }
}
