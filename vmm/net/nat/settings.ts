import { type IpAddress, type MacAddress, parseIp } from '../wire/address.ts';

/** The network that a guest sees. Addresses are those of QEMU's user network, which images and habits expect; IPv6 has a prefix of its own. */
export interface NatSettings {
  /** a /24 */
  readonly network: IpAddress;
  readonly prefixLength: number;
  readonly gateway: IpAddress;
  readonly dns: IpAddress;
  readonly firstLease: IpAddress;
  /** a /64 of unique local addresses (RFC 4193): guests prefer IPv4 to it for the world outside (RFC 6724). */
  readonly network6: IpAddress;
  readonly gateway6: IpAddress;
  readonly dns6: IpAddress;
  readonly mac: MacAddress;
  readonly mtu: number;
}

const ip = (text: string) => parseIp(text)!;

export const defaultSettings: NatSettings = {
  network: ip('10.0.2.0'),
  prefixLength: 24,
  gateway: ip('10.0.2.2'),
  dns: ip('10.0.2.3'),
  firstLease: ip('10.0.2.15'),
  network6: ip('fd53:7472:6174:6500::'),
  gateway6: ip('fd53:7472:6174:6500::2'),
  dns6: ip('fd53:7472:6174:6500::3'),
  mac: Uint8Array.of(0x52, 0x55, 10, 0, 2, 2),
  mtu: 1500,
};

/** What one guest may use of the host. A guest that wants more waits or is refused; it never makes the host poorer. */
export interface NatLimits {
  readonly tcpFlows: number;
  /** TCP connections that the host has not answered yet. */
  readonly connecting: number;
  readonly udpFlows: number;
  readonly pings: number;
  /** Bytes that wait in one direction of a TCP connection. */
  readonly receiveBuffer: number;
  readonly sendBuffer: number;
  /** Bytes that may wait in each direction of all TCP connections: each new one gets a fair share of it as its buffer. */
  readonly buffered: number;
  readonly dnsQueries: number;
  readonly tftpTransfers: number;
}

export const defaultLimits: NatLimits = {
  tcpFlows: 1024,
  connecting: 128,
  udpFlows: 256,
  pings: 32,
  receiveBuffer: 1 << 20,
  sendBuffer: 1 << 20,
  buffered: 32 << 20,
  dnsQueries: 128,
  tftpTransfers: 16,
};
