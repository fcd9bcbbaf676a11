/** UDP between the guest and the host: one socket of the host for each of the guest's ports, and one peer of the guest's for each sender of a forward. */
import { addressKey, formatIp, type IpAddress } from '../wire/address.ts';
import { copyOf } from '../wire/bytes.ts';
import type { HostEndpoint, HostUdp, NetTime } from './host.ts';
import type { NatLink, Path } from './link.ts';
import type { NatLimits, NatSettings } from './settings.ts';
import type { HostNetwork } from './host.ts';

export interface UdpFlowsHost {
  readonly link: NatLink;
  readonly settings: NatSettings;
  readonly limits: NatLimits;
  readonly time: NetTime;
  readonly network: HostNetwork;
  /** Where a guest's datagram goes; undefined: it may not. */
  open(to: HostEndpoint): HostEndpoint | undefined;
}

export interface UdpFlowInfo {
  readonly guest: string;
  /** The latest of those the guest has sent to. */
  readonly remote: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** ms on the network's clock */
  readonly since: number;
}

/** RFC 4787 4.3 asks for two minutes at least; an exchange of one question and one answer needs less. */
const TIMEOUT = 120_000;
const TIMEOUT_ONCE = 20_000;
const SWEEP = 10_000;
/** Remote ends of one of the guest's ports that may answer. */
const MAX_PEERS = 64;
/** Senders of one forward. */
const MAX_SENDERS = 64;
const FIRST_EPHEMERAL = 49_152;

interface Flow {
  readonly guest: HostEndpoint;
  readonly socket: HostUdp;
  /** By the host's view of the address: what the guest calls it. */
  readonly peers: Map<string, HostEndpoint>;
  /** By the guest's view: where it goes. Whether it may was asked when it was new. */
  readonly targets: Map<string, HostEndpoint>;
  last: number;
  readonly since: number;
  latest: HostEndpoint;
  sent: number;
  received: number;
}

/** A sender outside, of which the guest sees the gateway with a port of its own. */
interface Sender {
  readonly reply: (bytes: Uint8Array) => void;
  last: number;
}

export class UdpFlows {
  readonly #host: UdpFlowsHost;
  readonly #flows = new Map<string, Flow>();
  readonly #senders = new Map<string, Sender>();
  #cancelSweep: (() => void) | undefined;
  #nextPort = FIRST_EPHEMERAL;

  constructor(host: UdpFlowsHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#flows.size;
  }
  get list(): UdpFlowInfo[] {
    return [...this.#flows.values()].map(({ guest, latest, sent, received, since }) => ({
      guest: endpoint(guest),
      remote: endpoint(latest),
      sentBytes: sent,
      receivedBytes: received,
      since,
    }));
  }

  /** A datagram from the guest that is for none of the gateway's own services. */
  receive(path: Path, sourcePort: number, destinationPort: number, payload: Uint8Array, packet: Uint8Array): void {
    const sender = this.#senders.get(endpointKey(path.destination, destinationPort));
    if (sender !== undefined) {
      sender.last = this.#host.time.now();
      return sender.reply(copyOf(payload));
    }
    const target = endpointKey(path.destination, destinationPort);
    const known = this.#flows.get(guestKey(path, sourcePort))?.targets.get(target);
    const to = known ?? this.#host.open({ address: path.destination, port: destinationPort });
    if (to === undefined) return this.#host.link.sendUnreachable(packet, path, 'adminProhibited');
    const flow = this.#flowOf(path, sourcePort, destinationPort);
    if (flow === undefined) return;
    if (known === undefined) {
      if (flow.targets.size >= MAX_PEERS) {
        flow.targets.clear();
        flow.peers.clear();
      }
      flow.targets.set(target, to);
      flow.peers.set(endpointKey(to.address, to.port), { address: copyOf(path.destination), port: destinationPort });
    }
    flow.latest = flow.peers.get(endpointKey(to.address, to.port)) ?? flow.latest;
    flow.last = this.#host.time.now();
    flow.sent += payload.length;
    flow.socket.send(copyOf(payload), to);
  }

  /** A datagram from outside that a forward lets in; `reply` sends back what the guest answers. */
  forward(from: HostEndpoint, id: string, bytes: Uint8Array, guest: HostEndpoint, reply: (bytes: Uint8Array) => void): void {
    const { settings, time, link } = this.#host;
    const senderKey = `${id} ${endpointKey(from.address, from.port)}`;
    let port = this.#ports.get(senderKey);
    if (port === undefined) {
      if (this.#ports.size >= MAX_SENDERS) this.#dropSender(this.#ports.keys().next().value!);
      port = this.#nextPort;
      this.#nextPort = port === 65535 ? FIRST_EPHEMERAL : port + 1;
      this.#ports.set(senderKey, port);
      this.#senders.set(endpointKey(settings.gateway, port), { reply, last: 0 });
      this.#armSweep();
    }
    this.#senders.get(endpointKey(settings.gateway, port))!.last = time.now();
    link.sendUdp({ source: settings.gateway, destination: guest.address }, { sourcePort: port, destinationPort: guest.port }, bytes);
  }
  readonly #ports = new Map<string, number>();

  #dropSender(senderKey: string): void {
    const port = this.#ports.get(senderKey);
    if (port === undefined) return;
    this.#ports.delete(senderKey);
    this.#senders.delete(endpointKey(this.#host.settings.gateway, port));
  }

  /** The rules have changed: whether a datagram may leave is asked again. */
  judgeAgain(): void {
    for (const { targets } of this.#flows.values()) targets.clear();
  }

  close(): void {
    this.#cancelSweep?.();
    for (const { socket } of this.#flows.values()) socket.close();
    this.#flows.clear();
    this.#senders.clear();
    this.#ports.clear();
  }

  #flowOf(path: Path, sourcePort: number, destinationPort: number): Flow | undefined {
    const { time, network, link, limits } = this.#host;
    const key = guestKey(path, sourcePort);
    const known = this.#flows.get(key);
    if (known !== undefined) return known;
    if (this.#flows.size >= limits.udpFlows) this.#evict();
    const guest = { address: copyOf(path.source), port: sourcePort };
    const peerOf = (from: HostEndpoint) => this.#flows.get(key)?.peers.get(endpointKey(from.address, from.port));
    const socket = network.openUdp(path.source.length === 4 ? 4 : 6, {
      message: (bytes, from) => {
        const peer = peerOf(from);
        const flow = this.#flows.get(key);
        if (peer === undefined || flow === undefined) return; // the guest has not asked there
        flow.received += bytes.length;
        flow.last = time.now();
        link.sendUdp({ source: peer.address, destination: guest.address }, { sourcePort: peer.port, destinationPort: guest.port }, bytes);
      },
      failed: () => undefined,
    });
    if (socket === undefined) return undefined;
    const latest = { address: copyOf(path.destination), port: destinationPort };
    const flow: Flow = { guest, socket, peers: new Map(), targets: new Map(), last: time.now(), since: time.now(), latest, sent: 0, received: 0 };
    this.#flows.set(key, flow);
    this.#armSweep();
    return flow;
  }

  /** The one that was quiet the longest makes room. */
  #evict(): void {
    let oldest: [string, Flow] | undefined;
    for (const entry of this.#flows) if (oldest === undefined || entry[1].last < oldest[1].last) oldest = entry;
    if (oldest === undefined) return;
    oldest[1].socket.close();
    this.#flows.delete(oldest[0]);
  }

  #armSweep(): void {
    this.#cancelSweep ??= this.#host.time.after(SWEEP, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const now = this.#host.time.now();
    for (const [key, flow] of this.#flows) {
      if (now - flow.last < (flow.received === 0 || flow.sent === 0 ? TIMEOUT_ONCE : TIMEOUT)) continue;
      flow.socket.close();
      this.#flows.delete(key);
    }
    for (const [senderKey, port] of this.#ports) {
      const sender = this.#senders.get(endpointKey(this.#host.settings.gateway, port));
      if (sender === undefined || now - sender.last >= TIMEOUT) this.#dropSender(senderKey);
    }
    if (this.#flows.size + this.#ports.size > 0) this.#armSweep();
  }
}

function guestKey(path: Path, port: number): string {
  return endpointKey(path.source, port);
}

function endpointKey(address: IpAddress, port: number): string {
  return String.fromCharCode(port) + addressKey(address);
}

function endpoint({ address, port }: HostEndpoint): string {
  return address.length === 4 ? `${formatIp(address)}:${port}` : `[${formatIp(address)}]:${port}`;
}
