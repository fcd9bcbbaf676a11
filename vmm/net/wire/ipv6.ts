/** IPv6 (RFC 8200). Extension headers are walked over, never made. */
import type { IpAddress } from './address.ts';
import { copyOf, get16, put16, put32 } from './bytes.ts';

export const IPV6_HEADER = 40;
const extensions = { hopByHop: 0, routing: 43, fragment: 44, destinationOptions: 60 } as const;
/** A packet with more of them is not an honest one. */
const MAX_EXTENSIONS = 8;

export interface Ipv6Repr {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly payloadLength: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
}

export interface Ipv6Upper {
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** The packet is one fragment of a datagram. */
  readonly fragment?: { readonly offset: number; readonly more: boolean; readonly identification: number };
}

export class Ipv6Packet {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Undefined: not version 6, or shorter than it says. */
  static of(bytes: Uint8Array): Ipv6Packet | undefined {
    if (bytes.length < IPV6_HEADER || bytes[0]! >> 4 !== 6) return undefined;
    const total = IPV6_HEADER + get16(bytes, 4);
    return total > bytes.length ? undefined : new Ipv6Packet(bytes.subarray(0, total));
  }

  get trafficClass(): number {
    return (get16(this.bytes, 0) >> 4) & 0xff;
  }
  get flowLabel(): number {
    return ((this.bytes[1]! & 15) << 16) | get16(this.bytes, 2);
  }
  get nextHeader(): number {
    return this.bytes[6]!;
  }
  get hopLimit(): number {
    return this.bytes[7]!;
  }
  get source(): IpAddress {
    return this.bytes.subarray(8, 24);
  }
  get destination(): IpAddress {
    return this.bytes.subarray(24, 40);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(IPV6_HEADER);
  }

  /** What is above the extension headers; undefined when they do not end within the packet. */
  get upper(): Ipv6Upper | undefined {
    let protocol = this.nextHeader;
    let at = IPV6_HEADER;
    let fragment: Ipv6Upper['fragment'];
    for (let count = 0; count < MAX_EXTENSIONS; count++) {
      const isFragment = protocol === extensions.fragment;
      const isExtension = protocol === extensions.hopByHop || protocol === extensions.routing || protocol === extensions.destinationOptions;
      if (!isFragment && !isExtension) return { protocol, payload: this.bytes.subarray(at), ...(fragment && { fragment }) };
      if (this.bytes.length < at + 8) return undefined;
      if (isFragment) {
        const word = get16(this.bytes, at + 2);
        fragment = { offset: word & 0xfff8, more: (word & 1) !== 0, identification: get16(this.bytes, at + 4) * 65536 + get16(this.bytes, at + 6) };
      }
      protocol = this.bytes[at]!;
      at += isFragment ? 8 : 8 * (this.bytes[at + 1]! + 1);
      if (at > this.bytes.length) return undefined;
      if (fragment !== undefined) return { protocol, payload: this.bytes.subarray(at), fragment };
    }
    return undefined;
  }
}

export function parseIpv6Packet(packet: Ipv6Packet): Ipv6Repr {
  return {
    source: copyOf(packet.source),
    destination: copyOf(packet.destination),
    nextHeader: packet.nextHeader,
    hopLimit: packet.hopLimit,
    payloadLength: packet.payload.length,
    trafficClass: packet.trafficClass,
    flowLabel: packet.flowLabel,
  };
}

export function ipv6Repr(fields: Pick<Ipv6Repr, 'source' | 'destination' | 'nextHeader' | 'payloadLength'> & Partial<Ipv6Repr>): Ipv6Repr {
  return { hopLimit: 64, trafficClass: 0, flowLabel: 0, ...fields };
}

/** Writes the header; the payload follows at IPV6_HEADER. */
export function emitIpv6(repr: Ipv6Repr, bytes: Uint8Array): void {
  put32(bytes, 0, (6 << 28) | (repr.trafficClass << 20) | repr.flowLabel);
  put16(bytes, 4, repr.payloadLength);
  bytes[6] = repr.nextHeader;
  bytes[7] = repr.hopLimit;
  bytes.set(repr.source, 8);
  bytes.set(repr.destination, 24);
}
