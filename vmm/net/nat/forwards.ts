/** Ports of the host that lead into the guest. */
import { VmmError } from '../../base/errors.ts';
import { formatIp, type IpAddress, parseIp } from '../wire/address.ts';
import type { HostEndpoint, HostNetwork } from './host.ts';
import type { TcpFlows } from './tcp-flows.ts';
import type { UdpFlows } from './udp-flows.ts';

export interface ForwardSpec {
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  /** 0: any that is free */
  readonly hostPort: number;
  readonly guestAddress?: string | undefined;
  readonly guestPort: number;
}

const MAX_FORWARDS = 256;

interface Open {
  readonly spec: ForwardSpec;
  close(): void;
}

export class Forwards {
  readonly #network: HostNetwork;
  readonly #tcp: TcpFlows;
  readonly #udp: UdpFlows;
  /** Where a forward without an address goes. */
  readonly #guest: () => IpAddress;
  readonly #open = new Map<string, Open>();
  readonly #opening = new Set<string>();

  constructor(network: HostNetwork, tcp: TcpFlows, udp: UdpFlows, guest: () => IpAddress) {
    this.#network = network;
    this.#tcp = tcp;
    this.#udp = udp;
    this.#guest = guest;
  }

  /** With the ports that were chosen. */
  get list(): ForwardSpec[] {
    return [...this.#open.values()].map(({ spec }) => spec);
  }

  /** What was opened, its port chosen. @throws VmmError naming the port, when it cannot be had. */
  async add(spec: ForwardSpec): Promise<ForwardSpec> {
    const address = parseIp(spec.hostAddress);
    if (address === undefined) throw new VmmError('usage', `${JSON.stringify(spec.hostAddress)} is no IP address`);
    if (this.#open.size + this.#opening.size >= MAX_FORWARDS) throw new VmmError('usage', `a network has at most ${MAX_FORWARDS} port forwards`);
    const wanted = idOf(spec);
    if (this.#open.has(wanted) || this.#opening.has(wanted))
      throw new VmmError('busy', `${spec.protocol} port ${spec.hostAddress}:${spec.hostPort} is forwarded already; remove that forward first`);
    if (spec.hostPort !== 0) this.#opening.add(wanted);
    try {
      const at = { address, port: spec.hostPort };
      const opened = await (spec.protocol === 'tcp' ? this.#listen(spec, at) : this.#bind(spec, at));
      this.#open.set(idOf(opened.spec), opened);
      return opened.spec;
    } finally {
      this.#opening.delete(wanted);
    }
  }

  /** Connections that came through it go on. @throws VmmError `not-found` */
  remove(protocol: 'tcp' | 'udp', hostPort: number, hostAddress?: string): ForwardSpec {
    const found = [...this.#open].find(
      ([, { spec }]) => spec.protocol === protocol && spec.hostPort === hostPort && (hostAddress === undefined || spec.hostAddress === hostAddress),
    );
    if (found === undefined) throw new VmmError('not-found', `${protocol} port ${hostPort} is not forwarded`);
    const [id, open] = found;
    open.close();
    this.#open.delete(id);
    return open.spec;
  }

  close(): void {
    for (const open of this.#open.values()) open.close();
    this.#open.clear();
  }

  #target({ guestAddress, guestPort }: ForwardSpec): HostEndpoint {
    return { address: (guestAddress === undefined ? undefined : parseIp(guestAddress)) ?? this.#guest(), port: guestPort };
  }

  async #listen(spec: ForwardSpec, at: HostEndpoint): Promise<Open> {
    const listener = await this.#network.listen(at, (socket) => this.#tcp.forward(socket, this.#target(spec)));
    return { spec: { ...spec, hostPort: listener.port }, close: () => listener.close() };
  }

  async #bind(spec: ForwardSpec, at: HostEndpoint): Promise<Open> {
    const id = `${formatIp(at.address)} ${spec.hostPort} ${spec.guestPort}`;
    const socket = await this.#network.bindUdp(at, {
      message: (bytes, from) => this.#udp.forward(from, id, bytes, this.#target(spec), (answer) => socket.send(answer, from)),
      failed: () => undefined,
    });
    return { spec: { ...spec, hostPort: socket.port }, close: () => socket.close() };
  }
}

function idOf({ protocol, hostAddress, hostPort }: ForwardSpec): string {
  return `${protocol} ${hostAddress} ${hostPort}`;
}
