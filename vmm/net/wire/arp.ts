/** Address resolution (RFC 826) of IPv4 over Ethernet. */
import type { IpAddress, MacAddress } from './address.ts';
import { copyOf, get16, put32 } from './bytes.ts';
import { etherTypes } from './ethernet.ts';

export const ARP_LENGTH = 28;
export const arpOperations = { request: 1, reply: 2 } as const;

export interface ArpRepr {
  readonly operation: number;
  readonly senderMac: MacAddress;
  readonly senderIp: IpAddress;
  readonly targetMac: MacAddress;
  readonly targetIp: IpAddress;
}

export class ArpPacket {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Undefined: short, or not IPv4 over Ethernet. */
  static of(bytes: Uint8Array): ArpPacket | undefined {
    if (bytes.length < ARP_LENGTH) return undefined;
    const known = get16(bytes, 0) === 1 && get16(bytes, 2) === etherTypes.ipv4 && get16(bytes, 4) === 0x0604;
    return known ? new ArpPacket(bytes) : undefined;
  }

  get operation(): number {
    return get16(this.bytes, 6);
  }
  get senderMac(): MacAddress {
    return this.bytes.subarray(8, 14);
  }
  get senderIp(): IpAddress {
    return this.bytes.subarray(14, 18);
  }
  get targetMac(): MacAddress {
    return this.bytes.subarray(18, 24);
  }
  get targetIp(): IpAddress {
    return this.bytes.subarray(24, 28);
  }
}

export function parseArp(packet: ArpPacket): ArpRepr {
  return {
    operation: packet.operation,
    senderMac: copyOf(packet.senderMac),
    senderIp: copyOf(packet.senderIp),
    targetMac: copyOf(packet.targetMac),
    targetIp: copyOf(packet.targetIp),
  };
}

export function emitArp(repr: ArpRepr, bytes: Uint8Array): void {
  put32(bytes, 0, (1 << 16) | etherTypes.ipv4);
  put32(bytes, 4, (0x0604 << 16) | repr.operation);
  bytes.set(repr.senderMac, 8);
  bytes.set(repr.senderIp, 14);
  bytes.set(repr.targetMac, 18);
  bytes.set(repr.targetIp, 24);
}
