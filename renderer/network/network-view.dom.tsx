import { useState } from 'react';
import type { Network } from '../../vmm/protocol/network-methods.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { useText } from '../i18n/i18n.ts';
import { useConfig } from '../machine/inspector.dom.tsx';
import { useApp, useSession } from '../state/context.dom.tsx';
import { showView } from '../state/layout-store.ts';
import type { MachineSession } from '../state/session.dom.ts';
import { Button } from '../ui/button.dom.tsx';
import { ErrorLine, NumberField, Switch } from '../ui/field.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';
import { Connections, Leases } from './connections.dom.tsx';
import { Forwards } from './forwards.dom.tsx';
import * as work from './network-work.dom.ts';
import { Picture } from './picture.dom.tsx';
import type { Rate } from './rates.ts';
import { Traffic } from './traffic.dom.tsx';
import { useNetworks } from './use-networks.dom.ts';

/** The machine's network cards: what they are plugged into, what runs through, and what may be done about it. */
export function NetworkView({ vm }: { vm: VmSummary }) {
  const t = useText();
  const session = useSession(vm.id);
  return (
    <div className="page network">
      <header className="page-head">
        <h1>{t('view.network')}</h1>
      </header>
      {session ? <Live vm={vm} session={session} /> : <Off vm={vm} />}
    </div>
  );
}

/** Switched off: the same picture from the configuration. */
function Off({ vm }: { vm: VmSummary }) {
  const t = useText();
  const app = useApp();
  const config = useConfig(vm);
  if (config === undefined) return null;
  const networks = config.nics.map((nic): Network => ({
    nic: nic.id,
    model: nic.model,
    mac: nic.mac ?? '',
    backend: nic.backend.type,
    ...('name' in nic.backend && { name: nic.backend.name }),
    link: nic.link,
    faults: nic.faults ?? { delay: 0, loss: 0, rate: 0 },
    lost: 0,
    capture: null,
    sentBytes: 0,
    receivedBytes: 0,
    leases: [],
    connections: [],
    forwards: nic.forwards,
    allow: nic.allow,
    block: nic.block,
    refused: 0,
  }));
  return (
    <>
      {networks.length === 0 ? <p className="empty-line">{t('inspector.noNetwork')}</p> : <Picture networks={networks} rates={new Map()} />}
      <p className="hint">{t('network.off')}</p>
      <div>
        <Button onPress={() => app.layout.setState((layout) => showView(layout, vm.id, 'hardware'), true)}>{t('network.toHardware')}</Button>
      </div>
    </>
  );
}

function Live({ vm, session }: { readonly vm: VmSummary; readonly session: MachineSession }) {
  const t = useText();
  const { networks, rates, problem, refresh } = useNetworks(session);
  return (
    <>
      {problem !== undefined && <Notice tone="bad" title={problem} />}
      {networks?.length === 0 && <p className="empty-line">{t('inspector.noNetwork')}</p>}
      {networks !== undefined && networks.length > 0 && <Picture networks={networks} rates={rates} />}
      {networks?.map((network) => (
        <Card key={network.nic} {...{ vm, session, network, rates, refresh }} />
      ))}
    </>
  );
}

export interface CardProps {
  readonly vm: VmSummary;
  readonly session: MachineSession;
  readonly network: Network;
  readonly rates: ReadonlyMap<string, Rate>;
  readonly refresh: () => void;
}

/** One network card. */
function Card(props: CardProps) {
  const { network, rates } = props;
  return (
    <section className="network-card" aria-label={network.nic}>
      <header>
        <h2 className="mono">{network.nic}</h2>
        <span className="hint mono">
          {network.model} · {network.mac}
        </span>
      </header>
      <CableControls {...props} />
      {network.backend === 'user' && (
        <>
          <Forwards {...props} />
          <Leases network={network} />
          <Connections network={network} rates={rates} />
          <Traffic {...props} />
        </>
      )}
    </section>
  );
}

/** The plug, the capture, and what makes the cable worse. */
function CableControls({ vm, session, network, refresh }: CardProps) {
  const t = useText();
  const app = useApp();
  const [problem, setProblem] = useState<string>();
  const { nic, faults, capture } = network;
  const run = (call: Promise<unknown>) =>
    void call.then(
      () => {
        setProblem(undefined);
        refresh();
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  const setFaults = (change: Partial<Network['faults']>) => {
    const { delay, loss, rate } = { ...faults, ...change };
    run(session.client.call('network.setFaults', { nic, delay, loss, rate }));
  };
  return (
    <div className="cable-controls">
      <Switch value={network.link} onChange={(up) => run(session.client.call('network.setLink', { nic, up }))}>
        {t('network.plugged')}
      </Switch>
      <NumberField
        label={t('network.delay')}
        value={faults.delay}
        min={0}
        max={60_000}
        unit="ms"
        onChange={(delay) => setFaults({ delay: Number.isNaN(delay) ? 0 : delay })}
      />
      <NumberField
        label={t('network.loss')}
        value={Math.round(faults.loss * 1000) / 10}
        min={0}
        max={100}
        unit="%"
        onChange={(loss) => setFaults({ loss: Number.isNaN(loss) ? 0 : loss / 100 })}
      />
      <NumberField
        label={t('network.rate')}
        value={faults.rate / 1000}
        min={0}
        max={1e9}
        unit="kbit/s"
        hint={t('network.rateHint')}
        onChange={(rate) => setFaults({ rate: Number.isNaN(rate) ? 0 : rate * 1000 })}
      />
      <div className="capture">
        {capture === null ? (
          <Button onPress={() => work.startCapture(app, session, vm, nic, refresh)}>{t('network.capture')}</Button>
        ) : (
          <>
            <Button kind="danger" onPress={() => run(session.client.call('network.capture', { nic, file: null }))}>
              {t('network.captureStop')}
            </Button>
            <p className="hint">
              <span className="mono">{capture.file.replace(/^.*[/\\]/, '')}</span> · {t('network.frames', { count: capture.frames })}
            </p>
          </>
        )}
      </div>
      {network.lost > 0 && <p className="hint">{t('network.lostFrames', { count: network.lost })}</p>}
      {problem !== undefined && <ErrorLine>{problem}</ErrorLine>}
    </div>
  );
}
