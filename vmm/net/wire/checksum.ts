/** The Internet checksum (RFC 1071): sums are kept unfolded, so that parts of a packet can be added one after the other. */
import { get16 } from './bytes.ts';

/** Words that can be added to a 16-bit value without leaving 31 bits: sums stay small integers, which is what makes the loop fast. */
const WORDS_BEFORE_FOLD = 16384;

/** Adds `bytes[start..end)` to `sum`; a part of odd length must be the last. */
export function addBytes(sum: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  let at = start;
  let total = fold(sum);
  while (end - at >= 2) {
    const stop = Math.min(end - 1, at + 2 * WORDS_BEFORE_FOLD);
    for (; at < stop; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
    total = fold(total);
  }
  return at < end ? total + (bytes[at]! << 8) : total;
}

export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

/** What goes into a header's checksum field. */
export function checksumOf(sum: number): number {
  return ~fold(sum) & 0xffff;
}

/** Of TCP, UDP and ICMPv6 (RFC 793 3.1, RFC 8200 8.1): both addresses, the length and the protocol. */
export function pseudoHeader(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  let sum = protocol + (length & 0xffff) + (length >>> 16);
  for (let at = 0; at < source.length; at += 2) sum += get16(source, at) + get16(destination, at);
  return sum;
}
