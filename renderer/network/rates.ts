import type { Connection, Network } from '../../vmm/protocol/network-methods.ts';

/** Bytes a second, as the guest counts: what it sent, what it received. */
export interface Rate {
  readonly sent: number;
  readonly received: number;
}

/** What was counted at a time (ms). */
export interface Sample {
  readonly at: number;
  readonly networks: readonly Network[];
}

export const connectionKey = (nic: string, { protocol, guest, remote }: Connection) => `${nic} ${protocol} ${guest} ${remote}`;

type Counted = Readonly<{ sentBytes: number; receivedBytes: number }>;

function counters({ networks }: Sample): Map<string, Counted> {
  return new Map<string, Counted>(
    networks.flatMap((network) => [[network.nic, network], ...network.connections.map((one) => [connectionKey(network.nic, one), one] as const)]),
  );
}

/** By NIC and by connection. A connection that was not there before began at nothing; a counter that went back is another connection's. */
export function ratesBetween(before: Sample | undefined, after: Sample): ReadonlyMap<string, Rate> {
  const seconds = before === undefined ? 0 : (after.at - before.at) / 1000;
  if (before === undefined || seconds <= 0) return new Map();
  const old = counters(before);
  const nics = new Set(before.networks.map(({ nic }) => nic));
  return new Map(
    [...counters(after)].flatMap(([key, now]) => {
      const then = old.get(key) ?? (nics.has(key.split(' ')[0]!) ? { sentBytes: 0, receivedBytes: 0 } : now);
      const since = (a: number, b: number) => (a >= b ? a - b : a) / seconds;
      return [[key, { sent: since(now.sentBytes, then.sentBytes), received: since(now.receivedBytes, then.receivedBytes) }] as const];
    }),
  );
}
