/** ICMP (RFC 792): echo, and the errors that tell a sender what became of its packet. */
import { copyOf, get16, put16, put32 } from './bytes.ts';
import { addBytes, checksumOf, fold } from './checksum.ts';

export const ICMP_HEADER = 8;
const types = { echoReply: 0, unreachable: 3, echoRequest: 8, timeExceeded: 11 } as const;

/** RFC 792, RFC 1812 5.2.7.1 */
export const unreachableCodes = { net: 0, host: 1, protocol: 2, port: 3, fragmentationNeeded: 4, adminProhibited: 13 } as const;

export type Icmpv4Repr =
  | { readonly type: 'echoRequest' | 'echoReply'; readonly identifier: number; readonly sequence: number; readonly data: Uint8Array }
  /** `original`: the IP header and the first bytes of what could not be delivered. `mtu`: for fragmentationNeeded (RFC 1191). */
  | { readonly type: 'unreachable'; readonly code: number; readonly mtu: number; readonly original: Uint8Array }
  | { readonly type: 'timeExceeded'; readonly code: number; readonly original: Uint8Array };

export class Icmpv4Packet {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static of(bytes: Uint8Array): Icmpv4Packet | undefined {
    return bytes.length < ICMP_HEADER ? undefined : new Icmpv4Packet(bytes);
  }

  get type(): number {
    return this.bytes[0]!;
  }
  get code(): number {
    return this.bytes[1]!;
  }
  get checksumOk(): boolean {
    return fold(addBytes(0, this.bytes)) === 0xffff;
  }
  get body(): Uint8Array {
    return this.bytes.subarray(ICMP_HEADER);
  }
}

/** Undefined: a message nobody here needs. */
export function parseIcmpv4(packet: Icmpv4Packet): Icmpv4Repr | undefined {
  const { type, code, bytes } = packet;
  if ((type === types.echoRequest || type === types.echoReply) && code === 0) {
    const name = type === types.echoRequest ? 'echoRequest' : 'echoReply';
    return { type: name, identifier: get16(bytes, 4), sequence: get16(bytes, 6), data: copyOf(packet.body) };
  }
  if (type === types.unreachable) return { type: 'unreachable', code, mtu: get16(bytes, 6), original: copyOf(packet.body) };
  if (type === types.timeExceeded) return { type: 'timeExceeded', code, original: copyOf(packet.body) };
  return undefined;
}

export function icmpv4Length(repr: Icmpv4Repr): number {
  return ICMP_HEADER + ('data' in repr ? repr.data : repr.original).length;
}

export function emitIcmpv4(repr: Icmpv4Repr, bytes: Uint8Array): void {
  bytes[0] = types[repr.type];
  bytes[1] = 'code' in repr ? repr.code : 0;
  put16(bytes, 2, 0);
  put32(bytes, 4, 0);
  if ('data' in repr) {
    put16(bytes, 4, repr.identifier);
    put16(bytes, 6, repr.sequence);
    bytes.set(repr.data, ICMP_HEADER);
  } else {
    if (repr.type === 'unreachable') put16(bytes, 6, repr.mtu);
    bytes.set(repr.original, ICMP_HEADER);
  }
  put16(bytes, 2, checksumOf(addBytes(0, bytes)));
}
