/** Ethernet II frames (IEEE 802.3) with one optional VLAN tag (802.1Q), without the frame check sequence. */
import type { MacAddress } from './address.ts';
import { copyOf, get16, put16 } from './bytes.ts';

export const ETHERNET_HEADER = 14;
/** A frame's least length on the wire; NICs pad. */
const VLAN_TAG = 4;

export const etherTypes = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;

export interface EthernetRepr {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  /** Tag control information: priority 15..13, drop eligible 12, VLAN id 11..0. */
  readonly vlan?: number;
  readonly etherType: number;
}

export class EthernetFrame {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Undefined: too short for its header. */
  static of(bytes: Uint8Array): EthernetFrame | undefined {
    if (bytes.length < ETHERNET_HEADER) return undefined;
    if (get16(bytes, 12) === etherTypes.vlan && bytes.length < ETHERNET_HEADER + VLAN_TAG) return undefined;
    return new EthernetFrame(bytes);
  }

  get destination(): MacAddress {
    return this.bytes.subarray(0, 6);
  }
  get source(): MacAddress {
    return this.bytes.subarray(6, 12);
  }
  get isTagged(): boolean {
    return get16(this.bytes, 12) === etherTypes.vlan;
  }
  get vlan(): number | undefined {
    return this.isTagged ? get16(this.bytes, 14) : undefined;
  }
  get headerLength(): number {
    return this.isTagged ? ETHERNET_HEADER + VLAN_TAG : ETHERNET_HEADER;
  }
  get etherType(): number {
    return get16(this.bytes, this.headerLength - 2);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(this.headerLength);
  }
}

export function parseEthernet(frame: EthernetFrame): EthernetRepr {
  const { vlan } = frame;
  return {
    destination: copyOf(frame.destination),
    source: copyOf(frame.source),
    etherType: frame.etherType,
    ...(vlan !== undefined && { vlan }),
  };
}

export function ethernetLength(repr: EthernetRepr): number {
  return repr.vlan === undefined ? ETHERNET_HEADER : ETHERNET_HEADER + VLAN_TAG;
}

/** Writes the header; the payload follows at `ethernetLength`. */
export function emitEthernet(repr: EthernetRepr, bytes: Uint8Array): void {
  bytes.set(repr.destination, 0);
  bytes.set(repr.source, 6);
  let at = 12;
  if (repr.vlan !== undefined) {
    put16(bytes, 12, etherTypes.vlan);
    put16(bytes, 14, repr.vlan);
    at = 16;
  }
  put16(bytes, at, repr.etherType);
}
