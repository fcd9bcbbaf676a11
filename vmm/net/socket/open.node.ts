/** Socket networks as QEMU has them, so that its guests and ours share a cable. */
import { resolve } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import type { NetBackend } from '../cable/cable.ts';
import type { NetworkHost, OpenNetwork } from '../open.node.ts';
import { parseSocketAddress } from './address.ts';
import { openMulticast, openUdp } from './datagram.node.ts';
import { connectStream, listenStream } from './stream.node.ts';

export interface SocketSpec {
  readonly mode: 'listen' | 'connect' | 'mcast' | 'udp';
  readonly address: string;
  /** Of `udp`: where frames are received. */
  readonly localAddress?: string | undefined;
}

export async function openSocketNetwork(spec: SocketSpec, cable: NetBackend, host: NetworkHost): Promise<OpenNetwork> {
  const parsed = parseSocketAddress(spec.address);
  const address = 'path' in parsed ? { path: resolve(host.directory, parsed.path) } : parsed;
  if (spec.mode === 'listen') return listenStream(address, cable, host);
  if (spec.mode === 'connect') return connectStream(address, cable, host);
  if (spec.mode === 'mcast') return openMulticast(hostPort(spec.address), cable, host);
  if (spec.localAddress === undefined) {
    throw new VmmError('usage', 'a socket network with udp= needs localaddr=HOST:PORT, where the other side sends its frames to');
  }
  return openUdp(hostPort(spec.address), hostPort(spec.localAddress), cable, host);
}

function hostPort(text: string): { host: string; port: number } {
  const address = parseSocketAddress(text);
  if ('path' in address) throw new VmmError('usage', `datagram networks need HOST:PORT, not ${JSON.stringify(text)}`);
  return address;
}
