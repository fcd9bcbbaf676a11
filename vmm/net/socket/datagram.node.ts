import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { NetBackend } from '../cable/cable.ts';
import type { NetworkHost, OpenNetwork } from '../open.node.ts';

/** Datagrams given to the system and not yet sent: beyond that the cable waits. */
const MOST_IN_FLIGHT = 64;

interface HostPort {
  readonly host: string;
  readonly port: number;
}

const typeOf = (host: string) => (isIPv6(host) ? 'udp6' : 'udp4');

function bind(socket: Socket, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(new VmmError('host', `cannot use UDP ${host}:${port}: ${messageOf(error)}`, {}, error)));
    socket.bind(port, host, () => resolve());
  });
}

function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

/** Each frame is a datagram to `to` on `sender`; what `receiver` gets are frames, unless `own` says that we sent them. */
function join(cable: NetBackend, sender: Socket, receiver: Socket, to: HostPort, host: NetworkHost, own: (port: number) => boolean): void {
  let inFlight = 0;
  receiver.on('message', (frame, { port }) => {
    if (!own(port)) cable.send(frame); // full: lost, as datagrams are
  });
  for (const socket of new Set([sender, receiver])) socket.on('error', (error) => host.log.info(messageOf(error)));
  cable.attach({
    frame(bytes) {
      if (inFlight >= MOST_IN_FLIGHT) return false;
      inFlight++;
      sender.send(bytes.slice(), to.port, to.host, () => {
        if (inFlight-- === MOST_IN_FLIGHT) cable.ready();
      });
      return true;
    },
  });
}

/** QEMU's `-netdev socket,udp=,localaddr=` and `-netdev dgram`: one peer, whose remote address is our local one. */
export async function openUdp(remote: HostPort, local: HostPort, cable: NetBackend, host: NetworkHost): Promise<OpenNetwork> {
  const socket = createSocket(typeOf(remote.host));
  await bind(socket, local);
  join(cable, socket, socket, remote, host, () => false);
  return { close: () => close(socket) };
}

/** QEMU's `-netdev socket,mcast=`: a bus for all who use the group. It stays on this host. */
export async function openMulticast(group: HostPort, cable: NetBackend, host: NetworkHost): Promise<OpenNetwork> {
  const receiver = createSocket({ type: typeOf(group.host), reuseAddr: true });
  const sender = createSocket(typeOf(group.host)); // with a port of its own, by which we know our frames when they come back
  try {
    await bind(receiver, group);
    await bind(sender, { host: isIPv6(group.host) ? '::' : '0.0.0.0', port: 0 });
    receiver.addMembership(group.host, isIPv6(group.host) ? undefined : '127.0.0.1');
    if (!isIPv6(group.host)) sender.setMulticastInterface('127.0.0.1');
    sender.setMulticastTTL(0);
    sender.setMulticastLoopback(true);
  } catch (error) {
    await Promise.allSettled([close(receiver), close(sender)]);
    throw error instanceof VmmError ? error : new VmmError('host', `cannot join ${group.host}: ${messageOf(error)}`, {}, error);
  }
  const own = sender.address().port;
  join(cable, sender, receiver, group, host, (port) => port === own);
  return {
    close: async () => {
      await Promise.all([close(receiver), close(sender)]);
    },
  };
}
