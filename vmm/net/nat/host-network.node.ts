/** The host's sockets as Node has them. */
import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { connect, createServer, type Socket } from 'node:net';
import { VmmError } from '../../base/errors.ts';
import { formatIp, type IpVersion, parseIp, versionOf } from '../wire/address.ts';
import type { HostEndpoint, HostFailure, HostListener, HostNetwork, HostTcp, HostTcpEvents, HostUdp, HostUdpEvents, NetTime } from './host.ts';
import { openPings } from './ping.node.ts';
import { openBelow } from './served-directory.node.ts';

const CONNECT_TIMEOUT = 30_000;
/** Datagrams of one socket that the host has not taken yet; more are lost, as UDP may be. */
const MAX_UNSENT = 64;
/** Read again after so long, ms: a laptop changes networks. */
const RESOLVERS_AGE = 10_000;

const failures: Readonly<Record<string, HostFailure>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  EACCES: 'denied',
  EPERM: 'denied',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  ENOBUFS: 'exhausted',
};
const failureOf = (error: unknown): HostFailure => failures[(error as NodeJS.ErrnoException).code ?? ''] ?? 'failed';

export interface HostNetworkOptions {
  readonly time: NetTime;
  /** What TFTP serves; absent: nothing. */
  readonly served?: string;
  /** Instead of the host's own. */
  readonly resolvers?: readonly HostEndpoint[];
}

export function hostNetwork(options: HostNetworkOptions): HostNetwork {
  const { time, served } = options;
  const pings = openPings(time);
  let resolvers: { readonly at: number; readonly list: readonly HostEndpoint[] } | undefined;
  return {
    connect: (to, events) => {
      const socket = connect({ host: formatIp(to.address), port: to.port, noDelay: true, allowHalfOpen: true });
      const patience = setTimeout(() => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), CONNECT_TIMEOUT);
      socket.once('connect', () => clearTimeout(patience)).once('close', () => clearTimeout(patience));
      return tcpOf(socket, events);
    },
    listen,
    openUdp: (version, events) => udpOf(createSocket(version === 4 ? 'udp4' : 'udp6'), version, events),
    bindUdp,
    ping: (to, data, reply) => pings?.ping(to, data, reply) ?? false,
    resolvers() {
      if (options.resolvers !== undefined) return options.resolvers;
      if (resolvers === undefined || time.now() - resolvers.at > RESOLVERS_AGE)
        resolvers = { at: time.now(), list: getServers().flatMap(endpointOf) };
      return resolvers.list;
    },
    openFile: (name) => (served === undefined ? Promise.resolve(undefined) : openBelow(served, name)),
  };
}

/** `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`; a zone (fe80::1%eth0) cannot be kept. */
function endpointOf(text: string): HostEndpoint[] {
  const match = /^\[([^\]]+)\](?::(\d+))?$|^([0-9.]+)(?::(\d+))?$|^([0-9a-f:.]+)$/i.exec(text);
  const address = parseIp(match?.[1] ?? match?.[3] ?? match?.[5] ?? '');
  return address === undefined ? [] : [{ address, port: Number(match?.[2] ?? match?.[4] ?? 53) }];
}

function tcpOf(socket: Socket, events: HostTcpEvents): HostTcp {
  let failure: HostFailure | undefined;
  let destroyed = false;
  socket.on('connect', () => events.connected());
  socket.on('data', (bytes: Buffer) => events.data(bytes));
  socket.on('end', () => events.end());
  socket.on('error', (error) => (failure = failureOf(error)));
  socket.on('close', () => {
    if (!destroyed) events.closed(failure);
  });
  return {
    write: (bytes, done) => void socket.write(bytes, (error) => error ?? done()),
    end: () => void socket.end(),
    destroy(reset) {
      destroyed = true;
      if (reset && !socket.connecting) socket.resetAndDestroy();
      else socket.destroy();
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

function listen(at: HostEndpoint, accept: (socket: HostTcp, from: HostEndpoint) => HostTcpEvents | undefined): Promise<HostListener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    // The listener of events is known only once it was asked for with the socket.
    const known: { events?: HostTcpEvents | undefined } = {};
    const tcp = tcpOf(socket, {
      connected: () => undefined,
      data: (bytes) => known.events?.data(bytes),
      end: () => known.events?.end(),
      closed: (failure) => known.events?.closed(failure),
    });
    known.events = accept(tcp, { address: parseIp(socket.remoteAddress ?? '') ?? at.address, port: socket.remotePort ?? 0 });
    if (known.events === undefined) tcp.destroy(true);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotBind('TCP', at, error)));
    server.listen({ host: formatIp(at.address), port: at.port }, () => {
      const bound = server.address();
      resolve({ port: typeof bound === 'object' && bound !== null ? bound.port : at.port, close: () => void server.close() });
    });
  });
}

function udpOf(socket: DatagramSocket, version: IpVersion, events: HostUdpEvents): HostUdp {
  let closed = false;
  let unsent = 0;
  socket.on('message', (bytes, { address, port }) => {
    const from = parseIp(address.split('%')[0]!);
    if (from !== undefined) events.message(bytes, { address: from, port });
  });
  socket.on('error', (error) => events.failed(failureOf(error)));
  return {
    get port() {
      return socket.address().port;
    },
    send(bytes, { address, port }) {
      if (closed || versionOf(address) !== version || port === 0 || unsent >= MAX_UNSENT) return;
      unsent++;
      socket.send(bytes, port, formatIp(address), (error) => {
        unsent--;
        if (error !== null && !closed) events.failed(failureOf(error));
      });
    },
    close() {
      if (closed) return;
      closed = true;
      socket.close();
    },
  };
}

function bindUdp(at: HostEndpoint, events: HostUdpEvents): Promise<HostUdp> {
  const version = versionOf(at.address);
  const socket = createSocket(version === 4 ? 'udp4' : 'udp6');
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      socket.close();
      reject(cannotBind('UDP', at, error));
    };
    socket.once('error', failed);
    socket.bind(at.port, formatIp(at.address), () => {
      socket.off('error', failed);
      resolve(udpOf(socket, version, events));
    });
  });
}

function cannotBind(protocol: string, { address, port }: HostEndpoint, error: unknown): VmmError {
  const { code } = error as NodeJS.ErrnoException;
  const where = `${protocol} port ${port} of ${formatIp(address)}`;
  if (code === 'EADDRINUSE') return new VmmError('busy', `${where} is in use by another program; choose another port`, {}, error);
  if (code === 'EACCES') return new VmmError('host', `${where} needs privilege; choose a port above 1023`, {}, error);
  if (code === 'EADDRNOTAVAIL') return new VmmError('usage', `${formatIp(address)} is no address of this host`, {}, error);
  return new VmmError('host', `${where} cannot be opened: ${String(code)}`, {}, error);
}
