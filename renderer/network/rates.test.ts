import type { Network } from '../../vmm/protocol/network-methods.ts';
import { ratesBetween, type Sample } from './rates.ts';

const connection = (remote: string, sentBytes: number, receivedBytes: number) => ({
  protocol: 'tcp' as const,
  direction: 'out' as const,
  guest: '10.0.2.15:40000',
  remote,
  state: 'established',
  sentBytes,
  receivedBytes,
  age: 1,
});
const sample = (at: number, sentBytes: number, connections: Network['connections']): Sample => ({
  at,
  networks: [{ nic: 'net0', sentBytes, receivedBytes: 0, connections } as unknown as Network],
});

it('divides what was added by the time it took', () => {
  const rates = ratesBetween(sample(1000, 500, [connection('a:80', 10, 100)]), sample(3000, 2500, [connection('a:80', 20, 4100)]));
  expect(rates.get('net0')).toEqual({ sent: 1000, received: 0 });
  expect(rates.get('net0 tcp 10.0.2.15:40000 a:80')).toEqual({ sent: 5, received: 2000 });
});

it('counts a new connection from nothing, and one that took an old one’s place', () => {
  const rates = ratesBetween(sample(0, 0, [connection('b:80', 900, 0)]), sample(1000, 0, [connection('a:80', 70, 0), connection('b:80', 30, 0)]));
  expect(rates.get('net0 tcp 10.0.2.15:40000 a:80')?.sent).toBe(70);
  expect(rates.get('net0 tcp 10.0.2.15:40000 b:80')?.sent).toBe(30);
});

it('knows none before there are two samples, nor of a NIC that was not there', () => {
  expect(ratesBetween(undefined, sample(0, 5, [])).size).toBe(0);
  expect(ratesBetween({ at: 0, networks: [] }, sample(1000, 5, [])).get('net0')).toEqual({ sent: 0, received: 0 });
});
