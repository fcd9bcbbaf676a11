/**
 * Finishing what a sender left to the receiver (`Offload`): transport checksums, and cutting long segments into frames. Everything here comes from a guest: what does
 * not hold together is not sent.
 */
import type { Accepts, Offload } from './cable.ts';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const VLAN_TAGS = new Set([0x8100, 0x88a8]); // IEEE 802.1Q, 802.1ad
const ETHERNET_HEADER = 14;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const TCP_HEADER = 20;
const UDP_HEADER = 8;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const TCP_FLAGS = 13;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;

const get16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
};

/** Sum of 16-bit words, big-endian, the last byte padded with zero (RFC 1071), modulo 65535: taken four bytes at a time, since 2^16 is 1 there. Not folded. */
function sumWords(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = initial;
  let at = start;
  for (; at + 4 <= end; at += 4) sum += view.getUint32(at);
  if (at + 2 <= end) {
    sum += view.getUint16(at);
    at += 2;
  }
  return at < end ? sum + (bytes[at]! << 8) : sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return folded;
}

/** The Internet checksum of `bytes[start..end)`, on top of `initial`. */
export function internetChecksum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  return ~fold(sumWords(bytes, start, end, initial)) & 0xffff;
}

/** Where the network header begins, behind VLAN tags, and its type; undefined when the frame is too short. */
export function networkHeader(frame: Uint8Array): { readonly at: number; readonly type: number } | undefined {
  let at = ETHERNET_HEADER;
  while (at + 2 <= frame.length && VLAN_TAGS.has(get16(frame, at - 2))) at += 4;
  return at > frame.length ? undefined : { at, type: get16(frame, at - 2) };
}

/** Whether the numbers of an offload lie within the frame and mean something. */
export function isSound(frame: Uint8Array, { checksumStart, checksumOffset, cut }: Offload): boolean {
  if (checksumStart < ETHERNET_HEADER || checksumStart + checksumOffset + 2 > frame.length) return false;
  return cut === undefined || (cut.segment > 0 && cut.headers < frame.length && checksumStart + checksumOffset + 2 <= cut.headers);
}

export function accepted({ cut }: Offload, accepts: Accepts): boolean {
  if (cut === undefined) return accepts.checksum;
  return cut.as === 'tcp4' ? accepts.tcp4 : cut.as === 'tcp6' ? accepts.tcp6 : false;
}

/** Bytes that the finished frames take, each counted by `cost`; undefined when the frame's headers are not what its offload says. */
export function finishedSize(frame: Uint8Array, { cut }: Offload, cost: (length: number) => number): number | undefined {
  if (cut === undefined) return cost(frame.length);
  if (layoutOf(frame, cut) === undefined) return undefined;
  const payload = frame.length - cut.headers;
  const whole = Math.floor(payload / cut.segment);
  const rest = payload % cut.segment;
  return whole * cost(cut.headers + cut.segment) + (rest > 0 ? cost(cut.headers + rest) : 0);
}

/** Hands over the finished frames in order; each is valid during the call only. The frame itself is not changed. */
export function cutFrames(frame: Uint8Array, offload: Offload, emit: (frame: Uint8Array) => void): void {
  const { cut } = offload;
  if (cut === undefined) return emit(withChecksum(frame, offload));
  const layout = layoutOf(frame, cut);
  if (layout === undefined) return;
  const buffer = new Uint8Array(cut.headers + Math.min(cut.segment, frame.length - cut.headers));
  for (let at = cut.headers, index = 0; at < frame.length; at += cut.segment, index++) {
    const part = frame.subarray(at, at + cut.segment);
    const one = buffer.subarray(0, cut.headers + part.length);
    one.set(frame.subarray(0, cut.headers));
    one.set(part, cut.headers);
    fixHeaders(one, layout, index, at - cut.headers, at + part.length === frame.length);
    emit(one);
  }
}

/** A copy with its checksum computed. */
function withChecksum(frame: Uint8Array, { checksumStart, checksumOffset }: Offload): Uint8Array {
  const copy = frame.slice();
  const field = checksumStart + checksumOffset;
  const checksum = internetChecksum(copy, checksumStart, copy.length); // the pseudo header's sum is in the field
  put16(copy, field, checksum === 0 && checksumOffset === UDP_CHECKSUM ? 0xffff : checksum); // RFC 768: zero would mean "none"
  return copy;
}

interface Layout {
  readonly version: 4 | 6;
  readonly network: number;
  readonly transport: number;
  readonly protocol: typeof PROTOCOL_TCP | typeof PROTOCOL_UDP;
}

function layoutOf(frame: Uint8Array, { as, headers }: NonNullable<Offload['cut']>): Layout | undefined {
  const network = networkHeader(frame);
  if (network === undefined) return undefined;
  const { at, type } = network;
  const version = type === ETHERTYPE_IPV4 ? 4 : type === ETHERTYPE_IPV6 ? 6 : undefined;
  if (version === undefined || (as === 'tcp4' && version !== 4) || (as === 'tcp6' && version !== 6)) return undefined;
  const protocol = as === 'udp' ? PROTOCOL_UDP : PROTOCOL_TCP;
  // IPv6 extension headers: the transport header is what `headers` leaves at the end, as the sender has measured it.
  const ipLength = version === 4 ? (frame[at]! & 15) * 4 : IPV6_HEADER;
  const transport = at + ipLength;
  const least = protocol === PROTOCOL_TCP ? TCP_HEADER : UDP_HEADER;
  if (ipLength < (version === 4 ? IPV4_HEADER : IPV6_HEADER) || transport + least > headers) return undefined;
  if (frame[at + (version === 4 ? 9 : 6)] !== protocol) return undefined;
  return { version, network: at, transport, protocol };
}

function fixHeaders(frame: Uint8Array, { version, network, transport, protocol }: Layout, index: number, offset: number, last: boolean): void {
  if (version === 4) {
    put16(frame, network + 2, frame.length - network);
    put16(frame, network + 4, get16(frame, network + 4) + index);
    put16(frame, network + 10, 0);
    put16(frame, network + 10, internetChecksum(frame, network, transport));
  } else put16(frame, network + 4, frame.length - transport);
  if (protocol === PROTOCOL_TCP) {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    view.setUint32(transport + 4, (view.getUint32(transport + 4) + offset) >>> 0);
    let flags = frame[transport + TCP_FLAGS]!;
    if (!last) flags &= ~(TCP_FIN | TCP_PSH);
    if (index > 0) flags &= ~TCP_CWR;
    frame[transport + TCP_FLAGS] = flags;
  } else put16(frame, transport + 4, frame.length - transport);
  const field = transport + (protocol === PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
  put16(frame, field, 0);
  const addresses = version === 4 ? sumWords(frame, network + 12, network + 20) : sumWords(frame, network + 8, network + 40);
  const checksum = internetChecksum(frame, transport, frame.length, addresses + protocol + (frame.length - transport));
  put16(frame, field, checksum === 0 && protocol === PROTOCOL_UDP ? 0xffff : checksum);
}
