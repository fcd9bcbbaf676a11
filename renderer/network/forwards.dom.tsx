import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import { useText } from '../i18n/i18n.ts';
import { useApp } from '../state/context.dom.tsx';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { ErrorLine, NumberField, Select, TextField } from '../ui/field.dom.tsx';
import type { CardProps } from './network-view.dom.tsx';
import * as work from './network-work.dom.ts';

const LOOPBACK = '127.0.0.1';
const fresh: work.Forward = { protocol: 'tcp', hostAddress: LOOPBACK, hostPort: 2222, guestPort: 22 };

/** Ports of this computer that lead into the guest; one more is a line, not a dialog. */
export function Forwards({ vm, session, network, refresh }: CardProps) {
  const t = useText();
  const app = useApp();
  const [draft, setDraft] = useState(fresh);
  const [problem, setProblem] = useState<string>();
  const run = (call: Promise<unknown>) =>
    void call
      .then(
        () => setProblem(undefined),
        (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
      )
      .then(refresh);
  const edit = (change: Partial<work.Forward>) => setDraft((old) => ({ ...old, ...change }));
  const whole = [draft.hostPort, draft.guestPort].every((port) => port >= 0 && port <= 65535) && draft.guestPort > 0;
  return (
    <div className="network-part">
      <h3>{t('network.forwards')}</h3>
      {network.forwards.length > 0 && (
        <ul className="forward-list">
          {network.forwards.map((forward) => {
            const from = `${forward.hostAddress}:${forward.hostPort}`;
            return (
              <li key={`${forward.protocol} ${from}`}>
                <span className="mono">
                  {forward.protocol} {from} → {forward.guestAddress ?? ''}:{forward.guestPort}
                </span>
                {forward.hostAddress !== LOOPBACK && <span className="tag">{t('network.openToAll')}</span>}
                <IconButton
                  icon={X}
                  size="s"
                  label={t('network.removeForward', { from })}
                  onPress={() => run(work.removeForward(app, session, vm, network.nic, forward))}
                />
              </li>
            );
          })}
        </ul>
      )}
      <form
        className="forward"
        aria-label={t('forward.add')}
        onSubmit={(event) => {
          event.preventDefault();
          if (whole) run(work.addForward(app, session, vm, network.nic, draft));
        }}
      >
        <Select
          label={t('forward.protocol')}
          value={draft.protocol}
          choices={(['tcp', 'udp'] as const).map((id) => ({ id, title: id.toUpperCase() }))}
          onChange={(protocol) => edit({ protocol })}
        />
        <TextField label={t('forward.hostAddress')} value={draft.hostAddress} onChange={(hostAddress) => edit({ hostAddress })} mono />
        <NumberField label={t('forward.hostPort')} value={draft.hostPort} min={0} max={65535} onChange={(hostPort) => edit({ hostPort })} />
        <NumberField label={t('forward.guestPort')} value={draft.guestPort} min={1} max={65535} onChange={(guestPort) => edit({ guestPort })} />
        <Button type="submit" icon={Plus} isDisabled={!whole}>
          {t('forward.add')}
        </Button>
      </form>
      {problem !== undefined && <ErrorLine>{problem}</ErrorLine>}
    </div>
  );
}
