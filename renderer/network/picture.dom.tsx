import { Globe, Laptop, Network as Card, Router, Split, Unplug } from 'lucide-react';
import type { Network } from '../../vmm/protocol/network-methods.ts';
import { bytes, number } from '../i18n/format.ts';
import { type TextKey, useText } from '../i18n/i18n.ts';
import { type Rate } from './rates.ts';

/** Network cards that are plugged into the same thing. */
interface Hub {
  readonly key: string;
  readonly backend: string;
  readonly name: string | undefined;
  readonly nics: readonly Network[];
}

function hubsOf(networks: readonly Network[]): Hub[] {
  const hubs = new Map<string, Hub>();
  for (const network of networks) {
    const { backend, name, nic } = network;
    const key = backend === 'internal' ? `internal ${name ?? ''}` : nic;
    hubs.set(key, { key, backend, name, nics: [...(hubs.get(key)?.nics ?? []), network] });
  }
  return [...hubs.values()];
}

export const isUnplugged = ({ link, backend }: Network) => !link || backend === 'none';

export function speed(rate: number): string {
  return `${bytes(rate)}/s`;
}

/** Cards, cables, what they lead to, and what is behind that. */
export function Picture({ networks, rates }: { readonly networks: readonly Network[]; readonly rates: ReadonlyMap<string, Rate> }) {
  const t = useText();
  return (
    <ul className="wiring" aria-label={t('network.picture')}>
      {hubsOf(networks).map((hub) => (
        <li key={hub.key} className="wiring-hub">
          <ul className="wiring-cards">
            {hub.nics.map((network) => (
              <li key={network.nic} className="wiring-row" data-unplugged={isUnplugged(network) || undefined}>
                <div className="wiring-node">
                  <Card aria-hidden />
                  <p>
                    <span className="mono">{network.nic}</span> <span className="hint">{network.model}</span>
                  </p>
                  <p className="hint mono">{network.leases[0]?.address ?? network.mac}</p>
                </div>
                <Wire network={network} rate={rates.get(network.nic)} />
              </li>
            ))}
          </ul>
          <div className="wiring-node" data-kind={hub.backend}>
            {hub.backend === 'internal' ? <Split aria-hidden /> : <Router aria-hidden />}
            <p>{t(`network.hub.${hub.backend}` as TextKey)}</p>
            {hub.name !== undefined && <p className="hint mono">{hub.name}</p>}
          </div>
          {hub.backend === 'user' && (
            <>
              <span className="wire-line" aria-hidden />
              <Beyond network={hub.nics[0]!} />
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

/** A cable: what runs through it, what is wrong with it. */
function Wire({ network, rate }: { readonly network: Network; readonly rate: Rate | undefined }) {
  const t = useText();
  const { faults } = network;
  const worse = [
    faults.delay > 0 && `+${number(faults.delay)} ms`,
    faults.loss > 0 && t('network.lossOf', { percent: number(faults.loss * 100, 1) }),
    faults.rate > 0 && t('network.atMost', { rate: bits(faults.rate) }),
  ].filter((one) => one !== false);
  return (
    <div className="wire">
      <span className="wire-line" aria-hidden />
      {isUnplugged(network) ? (
        <span className="wire-label">
          <Unplug size={14} aria-hidden /> {t('network.unplugged')}
        </span>
      ) : (
        <span className="wire-label numeric">
          ↑ {speed(rate?.sent ?? 0)} ↓ {speed(rate?.received ?? 0)}
        </span>
      )}
      {worse.length > 0 && <span className="wire-label wire-worse">{worse.join(' · ')}</span>}
    </div>
  );
}

/** Behind the NAT: the world, and the ports of this computer that lead in. */
function Beyond({ network }: { readonly network: Network }) {
  const t = useText();
  return (
    <ul className="wiring-beyond">
      <li>
        <span className="wire-line" aria-hidden />
        <div className="wiring-node">
          <Globe aria-hidden />
          <p>{t('network.world')}</p>
          <p className="hint">{t('network.connectionCount', { count: network.connections.length })}</p>
        </div>
      </li>
      {network.forwards.length > 0 && (
        <li>
          <span className="wire-line" aria-hidden />
          <div className="wiring-node">
            <Laptop aria-hidden />
            <p>{t('network.thisComputer')}</p>
            {network.forwards.map((forward) => (
              <p key={`${forward.protocol} ${forward.hostAddress}:${forward.hostPort}`} className="hint mono">
                {forward.hostAddress}:{forward.hostPort} → :{forward.guestPort}
              </p>
            ))}
          </div>
        </li>
      )}
    </ul>
  );
}

/** Bits a second in decimal multiples, as links are sold. */
export function bits(rate: number): string {
  if (rate >= 1e6) return `${number(rate / 1e6, 1)} Mbit/s`;
  return rate >= 1e3 ? `${number(rate / 1e3, 1)} kbit/s` : `${number(rate)} bit/s`;
}
