/** Sequence numbers (RFC 9293 3.4): 32 bits that wrap; of two, the later is the one less than half the circle ahead. */
export function later(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}
/** Bytes from `from` to `to`; negative when `to` is earlier. */
export function distance(from: number, to: number): number {
  return (to - from) | 0;
}
export function advance(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}
