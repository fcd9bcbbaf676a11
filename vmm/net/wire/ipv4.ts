/** IPv4 (RFC 791). */
import type { IpAddress } from './address.ts';
import { get16, put16 } from './bytes.ts';
import { addBytes, checksumOf, fold } from './checksum.ts';
import { copyOf } from './bytes.ts';

export const IPV4_HEADER = 20;
export const ipProtocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

export interface Ipv4Repr {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  readonly ttl: number;
  readonly payloadLength: number;
  /** Differentiated services and ECN, one byte. */
  readonly trafficClass: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** Bytes, a multiple of 8. */
  readonly fragmentOffset: number;
  /** As on the wire, a multiple of four bytes; NAT neither needs nor makes any. */
  readonly options: Uint8Array;
}

export class Ipv4Packet {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Undefined: not version 4, or lengths that do not fit together. What follows the packet (Ethernet's padding) is left out. */
  static of(bytes: Uint8Array): Ipv4Packet | undefined {
    if (bytes.length < IPV4_HEADER || bytes[0]! >> 4 !== 4) return undefined;
    const header = (bytes[0]! & 15) * 4;
    const total = get16(bytes, 2);
    if (header < IPV4_HEADER || total < header || total > bytes.length) return undefined;
    return new Ipv4Packet(bytes.subarray(0, total));
  }

  get headerLength(): number {
    return (this.bytes[0]! & 15) * 4;
  }
  get trafficClass(): number {
    return this.bytes[1]!;
  }
  get identification(): number {
    return get16(this.bytes, 4);
  }
  get dontFragment(): boolean {
    return (this.bytes[6]! & 0x40) !== 0;
  }
  get moreFragments(): boolean {
    return (this.bytes[6]! & 0x20) !== 0;
  }
  get fragmentOffset(): number {
    return (get16(this.bytes, 6) & 0x1fff) * 8;
  }
  get isFragment(): boolean {
    return (get16(this.bytes, 6) & 0x3fff) !== 0;
  }
  get ttl(): number {
    return this.bytes[8]!;
  }
  get protocol(): number {
    return this.bytes[9]!;
  }
  get checksumOk(): boolean {
    return fold(addBytes(0, this.bytes, 0, this.headerLength)) === 0xffff;
  }
  get source(): IpAddress {
    return this.bytes.subarray(12, 16);
  }
  get destination(): IpAddress {
    return this.bytes.subarray(16, 20);
  }
  get options(): Uint8Array {
    return this.bytes.subarray(IPV4_HEADER, this.headerLength);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(this.headerLength);
  }
}

export function parseIpv4Packet(packet: Ipv4Packet): Ipv4Repr {
  return {
    source: copyOf(packet.source),
    destination: copyOf(packet.destination),
    protocol: packet.protocol,
    ttl: packet.ttl,
    payloadLength: packet.payload.length,
    trafficClass: packet.trafficClass,
    identification: packet.identification,
    dontFragment: packet.dontFragment,
    moreFragments: packet.moreFragments,
    fragmentOffset: packet.fragmentOffset,
    options: copyOf(packet.options),
  };
}

const NO_OPTIONS = new Uint8Array(0);

/** A whole packet as hosts send them. */
export function ipv4Repr(fields: Pick<Ipv4Repr, 'source' | 'destination' | 'protocol' | 'payloadLength'> & Partial<Ipv4Repr>): Ipv4Repr {
  return {
    ttl: 64,
    trafficClass: 0,
    identification: 0,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    options: NO_OPTIONS,
    ...fields,
  };
}

export function ipv4Length(repr: Ipv4Repr): number {
  return IPV4_HEADER + repr.options.length;
}

/** Writes the header with its checksum; the payload follows at `ipv4Length`. */
export function emitIpv4(repr: Ipv4Repr, bytes: Uint8Array): void {
  const header = ipv4Length(repr);
  bytes[0] = 0x40 | (header / 4);
  bytes[1] = repr.trafficClass;
  put16(bytes, 2, header + repr.payloadLength);
  put16(bytes, 4, repr.identification);
  put16(bytes, 6, (repr.dontFragment ? 0x4000 : 0) | (repr.moreFragments ? 0x2000 : 0) | (repr.fragmentOffset / 8));
  bytes[8] = repr.ttl;
  bytes[9] = repr.protocol;
  put16(bytes, 10, 0);
  bytes.set(repr.source, 12);
  bytes.set(repr.destination, 16);
  bytes.set(repr.options, IPV4_HEADER);
  put16(bytes, 10, checksumOf(addBytes(0, bytes, 0, header)));
}
