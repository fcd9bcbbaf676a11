import type { ReactNode } from 'react';
import type { Network } from '../../vmm/protocol/network-methods.ts';
import { bytes, clock } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { speed } from './picture.dom.tsx';
import { connectionKey, type Rate } from './rates.ts';

/** Connections shown; a guest may have a thousand. The busiest first. */
const MOST_SHOWN = 100;

/** A table that may be wider than its place: it scrolls, by keyboard too. */
export function WideTable({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <div className="scroll-x" role="region" aria-label={label} tabIndex={0}>
      <table className="network-table">{children}</table>
    </div>
  );
}

export function Leases({ network }: { readonly network: Network }) {
  const t = useText();
  return (
    <div className="network-part">
      <h3>{t('network.leases')}</h3>
      {network.leases.length === 0 ? (
        <p className="hint">{t('network.noLeases')}</p>
      ) : (
        <ul className="lease-list">
          {network.leases.map(({ mac, address, hostName, remaining }) => (
            <li key={mac}>
              <span className="mono">{address}</span> {hostName !== undefined && <span>{hostName}</span>}
              <span className="hint">{t('network.leaseLeft', { time: clock(remaining * 1000) })}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

export function Connections({ network, rates }: { readonly network: Network; readonly rates: ReadonlyMap<string, Rate> }) {
  const t = useText();
  const rateOf = (key: string) => rates.get(key) ?? { sent: 0, received: 0 };
  const busy = (key: string) => rateOf(key).sent + rateOf(key).received;
  const rows = network.connections
    .map((connection) => ({ connection, key: connectionKey(network.nic, connection) }))
    .sort((a, b) => busy(b.key) - busy(a.key) || a.connection.age - b.connection.age);
  return (
    <div className="network-part">
      <h3>{t('network.connections')}</h3>
      {rows.length === 0 && <p className="hint">{t('network.noConnections')}</p>}
      {rows.length > 0 && (
        <WideTable label={t('network.connections')}>
          <thead>
            <tr>
              <th scope="col">{t('network.remote')}</th>
              <th scope="col">{t('network.guest')}</th>
              <th scope="col">{t('network.connectionState')}</th>
              <th scope="col">{t('network.sent')}</th>
              <th scope="col">{t('network.received')}</th>
              <th scope="col">{t('network.now')}</th>
              <th scope="col">{t('network.age')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MOST_SHOWN).map(({ connection, key }) => (
              <tr key={key}>
                <td className="mono">
                  {connection.direction === 'in' ? '← ' : '→ '}
                  {connection.name === undefined ? connection.remote : `${connection.name} (${connection.remote})`}
                </td>
                <td className="mono">{connection.guest}</td>
                <td>
                  {connection.protocol.toUpperCase()} {connection.state}
                </td>
                <td className="numeric">{bytes(connection.sentBytes)}</td>
                <td className="numeric">{bytes(connection.receivedBytes)}</td>
                <td className="numeric">
                  ↑ {speed(rateOf(key).sent)} ↓ {speed(rateOf(key).received)}
                </td>
                <td className="numeric">{clock(connection.age * 1000)}</td>
              </tr>
            ))}
          </tbody>
        </WideTable>
      )}
      {rows.length > MOST_SHOWN && <p className="hint">{t('network.more', { count: rows.length - MOST_SHOWN })}</p>}
      {network.refused > 0 && <p className="hint">{t('network.refused', { count: network.refused })}</p>}
    </div>
  );
}
