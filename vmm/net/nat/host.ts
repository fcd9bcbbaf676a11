/** What the NAT asks of the host. A fake one in tests, sockets of Node in the product: nothing else here knows which. */
import type { IpAddress, IpVersion } from '../wire/address.ts';

/** Why the host's side of a connection ended. */
export type HostFailure = 'refused' | 'unreachable' | 'timeout' | 'reset' | 'denied' | 'exhausted' | 'failed';

export interface HostTcpEvents {
  connected(): void;
  /** Belongs to the listener from now on. */
  data(bytes: Uint8Array): void;
  /** The other side sends no more. */
  end(): void;
  /** Both directions are over, or it failed. Called once, nothing follows. */
  closed(failure?: HostFailure): void;
}

export interface HostTcp {
  /** Keeps the bytes. `done` when the host has taken them: until then they wait here, and count. */
  write(bytes: Uint8Array, done: () => void): void;
  /** No more is written. */
  end(): void;
  /** Ends it now; `closed` does not follow. `reset`: the other side is to see a failure. */
  destroy(reset: boolean): void;
  pause(): void;
  resume(): void;
}

export interface HostEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export interface HostUdp {
  /** The port it is bound to. */
  readonly port: number;
  send(bytes: Uint8Array, to: HostEndpoint): void;
  close(): void;
}

export interface HostUdpEvents {
  message(bytes: Uint8Array, from: HostEndpoint): void;
  /** What was sent came back as an error: nobody listens there. */
  failed(failure: HostFailure): void;
}

export interface HostListener {
  readonly port: number;
  close(): void;
}

/** A file that TFTP serves. */
export interface HostFile {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}

export interface HostNetwork {
  connect(to: HostEndpoint, events: HostTcpEvents): HostTcp;
  /** @throws VmmError naming the port, when it cannot be had. `accept` is given each connection, already connected; undefined refuses it. */
  listen(at: HostEndpoint, accept: (socket: HostTcp, from: HostEndpoint) => HostTcpEvents | undefined): Promise<HostListener>;
  /** A socket at a port that the host chooses. Undefined: the host has no more. */
  openUdp(version: IpVersion, events: HostUdpEvents): HostUdp | undefined;
  /** @throws VmmError naming the port, when it cannot be had. */
  bindUdp(at: HostEndpoint, events: HostUdpEvents): Promise<HostUdp>;
  /** Sends an echo request; `reply` is called when it is answered, within some seconds or never. False: this host lets nobody ping without privilege. */
  ping(to: IpAddress, data: Uint8Array, reply: (data: Uint8Array) => void): boolean;
  /** The host's name servers, the best first. */
  resolvers(): readonly HostEndpoint[];
  /** A regular file below the directory that TFTP serves; undefined: there is none of that name. */
  openFile(name: string): Promise<HostFile | undefined>;
}

/** Clock and timers of the net thread. */
export interface NetTime {
  /** ms, only grows */
  now(): number;
  /** Calls once; returns what cancels it. */
  after(milliseconds: number, call: () => void): () => void;
  /** Calls when what is being done now is done: at the end of a burst of frames. */
  soon(call: () => void): void;
}
