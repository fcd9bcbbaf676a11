/** TCP between the guest and the host: each guest's connection ends here, and goes on as a socket of the host. */
import { TcpConnection, type TcpEnd, type TcpOptions } from '../tcp/connection.ts';
import { addressKey, formatIp, type IpAddress } from '../wire/address.ts';
import { copyOf } from '../wire/bytes.ts';
import { IPV4_HEADER } from '../wire/ipv4.ts';
import { IPV6_HEADER } from '../wire/ipv6.ts';
import { parseTcp, TCP_HEADER, tcpFlags, type TcpPacket, type TcpRepr } from '../wire/tcp.ts';
import type { HostEndpoint, HostFailure, HostTcp, HostTcpEvents, NetTime } from './host.ts';
import type { NatLink, Path } from './link.ts';
import type { NatLimits, NatSettings } from './settings.ts';

export interface TcpFlowsHost {
  readonly link: NatLink;
  readonly settings: NatSettings;
  readonly limits: NatLimits;
  readonly time: NetTime;
  random(): number;
  /** Where a guest's connection goes; undefined: it may not. */
  open(to: HostEndpoint): ((events: HostTcpEvents) => HostTcp) | undefined;
}

export interface TcpFlowInfo {
  readonly guest: string;
  readonly remote: string;
  readonly direction: 'out' | 'in';
  readonly state: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** ms on the network's clock */
  readonly since: number;
}

/** Payload of one piece handed to the cable: some 40 segments, few enough for a ring of 256 KiB. */
const LARGE_SEGMENTS = 61_320;
const LEAST_BUFFER = 32_768;
const FIRST_EPHEMERAL = 49_152;

export class TcpFlows {
  readonly #host: TcpFlowsHost;
  readonly #flows = new Map<string, TcpFlow>();
  readonly #dirty = new Set<TcpFlow>();
  #last: { readonly key: string; readonly flow: TcpFlow } | undefined;
  #soon = false;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #nextPort = FIRST_EPHEMERAL;
  /** Connections that were not begun because the guest has too many. */
  refused = 0;

  constructor(host: TcpFlowsHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#flows.size;
  }
  get connecting(): number {
    let count = 0;
    for (const { connection } of this.#flows.values()) if (connection.state === 'held') count++;
    return count;
  }
  get bufferedBytes(): number {
    let bytes = 0;
    for (const flow of this.#flows.values()) bytes += flow.bufferedBytes;
    return bytes;
  }
  get list(): TcpFlowInfo[] {
    return [...this.#flows.values()].map((flow) => flow.info);
  }

  /** A segment from the guest; `packet` is the whole IP packet, for errors. */
  receive(path: Path, segment: TcpPacket, packet: Uint8Array): void {
    const key = flowKey(path, segment.sourcePort, segment.destinationPort);
    const flow = this.#last?.key === key ? this.#last.flow : this.#flows.get(key);
    const header = parseTcp(segment);
    if (flow !== undefined && !(isSyn(header) && !flow.connection.isOpen)) {
      this.#last = { key, flow };
      flow.input(header, segment.payload);
      return this.touch(flow);
    }
    if (header.flags & tcpFlags.rst) return;
    if (isSyn(header)) this.#begin(key, path, header, packet);
    else this.#reset(path, header, segment.payload.length);
  }

  /** A connection from outside, that a forward lets in. */
  forward(socket: HostTcp, guest: HostEndpoint): HostTcpEvents | undefined {
    if (!this.#makeRoom()) return undefined;
    const { gateway } = this.#host.settings;
    const path = { source: guest.address, destination: gateway };
    const port = this.#freePort(path, guest.port);
    if (port === undefined) return undefined;
    const flow = new TcpFlow(this, this.#host, flowKey(path, guest.port, port), copyPath(path), 'in');
    flow.begin(TcpConnection.connect(this.#options(path, port, guest.port), flow, flow.output), port, guest.port);
    flow.socket = socket;
    this.#flows.set(flow.key, flow);
    this.touch(flow);
    return flow.hostEvents;
  }

  /** Something may be due: looked at when the present burst is over. */
  touch(flow: TcpFlow): void {
    this.#dirty.add(flow);
    if (this.#soon) return;
    this.#soon = true;
    this.#host.time.soon(() => {
      this.#soon = false;
      this.flush();
    });
  }

  /** Sends what is due. Stops when the cable is full; the rest goes when there is room. */
  flush(): void {
    for (const flow of this.#dirty) {
      flow.passOn();
      const sent = flow.connection.poll(this.#host.time.now());
      if (!sent) return;
      this.#dirty.delete(flow);
      flow.settle();
      if (flow.connection.state === 'closed') this.#drop(flow);
      else if (flow.connection.deadline !== undefined) this.#wakeAt(flow.connection.deadline);
    }
  }

  close(): void {
    this.#timer?.cancel();
    for (const flow of this.#flows.values()) flow.destroy();
    this.#flows.clear();
    this.#dirty.clear();
    this.#last = undefined;
  }

  #begin(key: string, path: Path, syn: TcpRepr, packet: Uint8Array): void {
    const old = this.#flows.get(key);
    if (old !== undefined) this.#drop(old);
    const make = this.#host.open({ address: path.destination, port: syn.destinationPort });
    if (make === undefined) return this.#host.link.sendUnreachable(packet, path, 'adminProhibited');
    if (!this.#makeRoom()) return;
    const flow = new TcpFlow(this, this.#host, key, copyPath(path), 'out');
    flow.begin(
      TcpConnection.hold(this.#options(path, syn.destinationPort, syn.sourcePort), syn, flow, flow.output),
      syn.destinationPort,
      syn.sourcePort,
    );
    flow.syn = packet.slice(0, 128);
    this.#flows.set(key, flow);
    flow.socket = make(flow.hostEvents);
  }

  /** False: the guest has as many connections as it may. One that is over makes room. */
  #makeRoom(): boolean {
    const { limits } = this.#host;
    if (this.#flows.size >= limits.tcpFlows) {
      const over = [...this.#flows.values()].find(({ connection }) => !connection.isOpen);
      if (over !== undefined) this.#drop(over);
    }
    if (this.#flows.size < limits.tcpFlows && this.connecting < limits.connecting) return true;
    this.refused++;
    return false;
  }

  #drop(flow: TcpFlow): void {
    flow.destroy();
    if (this.#flows.get(flow.key) === flow) this.#flows.delete(flow.key);
    this.#dirty.delete(flow);
    if (this.#last?.flow === flow) this.#last = undefined;
  }

  #options(path: Path, localPort: number, remotePort: number): TcpOptions {
    const { settings, limits } = this.#host;
    const share = Math.max(LEAST_BUFFER, Math.floor(limits.buffered / (4 * (this.#flows.size + 1))));
    return {
      localPort,
      remotePort,
      initialSequence: this.#host.random(),
      linkMss: settings.mtu - (path.source.length === 4 ? IPV4_HEADER : IPV6_HEADER) - TCP_HEADER,
      largeSegments: LARGE_SEGMENTS,
      receiveBuffer: Math.min(limits.receiveBuffer, share),
      sendBuffer: Math.min(limits.sendBuffer, share),
    };
  }

  #freePort(path: Path, guestPort: number): number | undefined {
    for (let tries = 0; tries < 65536 - FIRST_EPHEMERAL; tries++) {
      const port = this.#nextPort;
      this.#nextPort = port === 65535 ? FIRST_EPHEMERAL : port + 1;
      if (!this.#flows.has(flowKey(path, guestPort, port))) return port;
    }
    return undefined;
  }

  /** RFC 9293 3.10.7.1: a segment of a connection that does not exist. */
  #reset(path: Path, header: TcpRepr, length: number): void {
    const acks = (header.flags & tcpFlags.ack) !== 0;
    const end = (header.sequence + length + (header.flags & tcpFlags.fin ? 1 : 0)) >>> 0;
    this.#host.link.sendTcp(
      { source: path.destination, destination: path.source },
      {
        sourcePort: header.destinationPort,
        destinationPort: header.sourcePort,
        sequence: acks ? header.acknowledgment : 0,
        acknowledgment: acks ? 0 : end,
        flags: acks ? tcpFlags.rst : tcpFlags.rst | tcpFlags.ack,
        window: 0,
        urgent: 0,
      },
      1,
      undefined,
      0,
      0,
    );
  }

  #wakeAt(at: number): void {
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const wait = Math.max(0, at - this.#host.time.now());
    this.#timer = { at, cancel: this.#host.time.after(wait, () => this.#tick()) };
  }

  #tick(): void {
    this.#timer = undefined;
    const now = this.#host.time.now();
    let next = Number.POSITIVE_INFINITY;
    for (const flow of this.#flows.values()) {
      const { deadline } = flow.connection;
      if (deadline === undefined) continue;
      if (deadline <= now) this.#dirty.add(flow);
      else next = Math.min(next, deadline);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#wakeAt(next);
    this.flush();
  }
}

function isSyn(header: TcpRepr): boolean {
  return (header.flags & (tcpFlags.syn | tcpFlags.ack | tcpFlags.rst)) === tcpFlags.syn;
}

function copyPath({ source, destination }: Path): Path {
  return { source: copyOf(source), destination: copyOf(destination) };
}

/** Guest and remote ends of a connection. */
function flowKey({ source, destination }: Path, sourcePort: number, destinationPort: number): string {
  return String.fromCharCode(sourcePort, destinationPort) + addressKey(source) + addressKey(destination);
}

/** One connection: the TCP state towards the guest, and the host's socket. */
class TcpFlow {
  readonly key: string;
  readonly #flows: TcpFlows;
  readonly #host: TcpFlowsHost;
  /** From the guest to the other side. */
  readonly #path: Path;
  readonly #back: Path;
  readonly #direction: 'out' | 'in';
  readonly #since: number;
  connection!: TcpConnection;
  #remotePort = 0;
  #guestPort = 0;
  socket: HostTcp | undefined;
  /** The packet that began it, until the host has answered. */
  syn: Uint8Array | undefined;
  #paused = false;
  #ending = false;
  #gone = false;
  /** From the guest, not yet given to the host; and how much of a burst to expect. */
  #chunk: Uint8Array | undefined;
  #filled = 0;
  #burst = 0;
  /** Given to the host, not yet taken by it. */
  #waiting = 0;
  #sent = 0;
  #received = 0;

  constructor(flows: TcpFlows, host: TcpFlowsHost, key: string, path: Path, direction: 'out' | 'in') {
    this.#flows = flows;
    this.#host = host;
    this.key = key;
    this.#path = path;
    this.#back = { source: path.destination, destination: path.source };
    this.#direction = direction;
    this.#since = host.time.now();
  }

  begin(connection: TcpConnection, remotePort: number, guestPort: number): void {
    this.connection = connection;
    this.#remotePort = remotePort;
    this.#guestPort = guestPort;
  }

  get bufferedBytes(): number {
    return this.connection.bufferedBytes + this.#waiting + this.#filled;
  }

  get info(): TcpFlowInfo {
    return {
      guest: endpoint(this.#path.source, this.#guestPort),
      remote: endpoint(this.#path.destination, this.#remotePort),
      direction: this.#direction,
      state: this.connection.state === 'held' ? 'connecting' : this.connection.state,
      sentBytes: this.#sent,
      receivedBytes: this.#received,
      since: this.#since,
    };
  }

  readonly output = (header: TcpRepr, mss: number, payload: Parameters<NatLink['sendTcp']>[3], offset: number, length: number): boolean =>
    this.#host.link.sendTcp(this.#back, header, mss, payload, offset, length);

  input(header: TcpRepr, payload: Uint8Array): void {
    this.connection.input(header, payload, this.#host.time.now());
  }

  // What the guest does

  established(): void {
    this.socket?.resume();
  }

  data(bytes: Uint8Array): void {
    this.#sent += bytes.length;
    if (this.#chunk !== undefined && this.#filled + bytes.length > this.#chunk.length) this.#write();
    this.#chunk ??= new Uint8Array(Math.max(bytes.length, Math.min(65536, this.#burst)));
    this.#chunk.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  end(): void {
    this.#ending = true;
  }

  closed(how: TcpEnd): void {
    if (how === 'done') return;
    this.#gone = true;
    this.socket?.destroy(true);
  }

  /** Gives the host what the guest has sent in this burst. */
  passOn(): void {
    this.#burst = this.#filled;
    if (this.#filled > 0) this.#write();
    if (!this.#ending) return;
    this.#ending = false;
    this.socket?.end();
  }

  #write(): void {
    const bytes = this.#chunk!.subarray(0, this.#filled);
    const count = this.#filled;
    this.#burst = Math.max(this.#burst, count);
    this.#chunk = undefined;
    this.#filled = 0;
    this.#waiting += count;
    this.socket?.write(bytes, () => {
      this.#waiting -= count;
      this.connection.consumed(count);
      this.#flows.touch(this);
    });
  }

  /** After a poll: reads on from the host when there is room. */
  settle(): void {
    if (!this.#paused || this.connection.space < LEAST_BUFFER / 2) return;
    this.#paused = false;
    this.socket?.resume();
  }

  destroy(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.connection.state !== 'closed' || !this.#socketOver) this.socket?.destroy(this.connection.state !== 'closed');
  }
  #socketOver = false;

  // What the host does

  readonly hostEvents: HostTcpEvents = {
    connected: () => {
      this.syn = undefined;
      this.connection.accept();
      this.#flows.touch(this);
    },
    data: (bytes) => {
      this.#received += bytes.length;
      this.connection.write(bytes);
      if (this.connection.space === 0 && !this.#paused) {
        this.#paused = true;
        this.socket?.pause();
      }
      this.#flows.touch(this);
    },
    end: () => {
      this.connection.end();
      this.#flows.touch(this);
    },
    closed: (failure) => {
      this.#socketOver = true;
      this.#failed(failure);
      this.#flows.touch(this);
    },
  };

  #failed(failure: HostFailure | undefined): void {
    if (failure === undefined) return this.connection.end();
    if (this.connection.state !== 'held') return this.connection.abort();
    if (this.syn !== undefined && failure !== 'refused')
      this.#host.link.sendUnreachable(this.syn, this.#path, failure === 'denied' ? 'adminProhibited' : 'host');
    this.connection.refuse();
  }
}

function endpoint(address: IpAddress, port: number): string {
  return address.length === 4 ? `${formatIp(address)}:${port}` : `[${formatIp(address)}]:${port}`;
}
