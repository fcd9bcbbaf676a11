import type { Accepts, Offload } from '../cable/cable.ts';

/*
 * The memory of one cable between the machine thread and the net thread: a block of words, then a ring of bytes each way. A ring is written by one thread and read by
 * the other; `head` and `tail` (Atomics) hand bytes over. The guest cannot address this memory.
 */

/** Bytes of each ring, a power of two: some 170 full frames, or four of 64 KiB. */
export const RING_BYTES = 1 << 18;

/** Int32 words of one direction. */
export const Word = {
  /** Bytes ever written, mod 2^32. Written by the sender. */
  tail: 0,
  /** Bytes ever read. Written by the receiver. */
  head: 1,
  /** 1: the sender found the ring full and waits to be told that half of it is free. */
  wantsRoom: 2,
  /** 1: the sender has unplugged. */
  unplugged: 3,
  /** What the sender accepts in the other direction: ACCEPT_ bits. */
  accepts: 4,
  /** 1: the receiver was woken and has not looked yet. */
  signalled: 5,
} as const;
const DIRECTION_WORDS = 16; // a cache line for each
const CONTROL_BYTES = 2 * DIRECTION_WORDS * 4;

export interface Direction {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

export function createCableMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + 2 * RING_BYTES);
}

export function viewDirection(memory: SharedArrayBuffer, index: 0 | 1): Direction {
  return {
    words: new Int32Array(memory, index * DIRECTION_WORDS * 4, DIRECTION_WORDS),
    bytes: new Uint8Array(memory, CONTROL_BYTES + index * RING_BYTES, RING_BYTES),
  };
}

const ACCEPT_CHECKSUM = 1;
const ACCEPT_TCP4 = 2;
const ACCEPT_TCP6 = 4;

export function acceptsToWord({ checksum, tcp4, tcp6 }: Accepts): number {
  return (checksum ? ACCEPT_CHECKSUM : 0) | (tcp4 ? ACCEPT_TCP4 : 0) | (tcp6 ? ACCEPT_TCP6 : 0);
}

export function wordToAccepts(word: number): Accepts {
  return { checksum: (word & ACCEPT_CHECKSUM) !== 0, tcp4: (word & ACCEPT_TCP4) !== 0, tcp6: (word & ACCEPT_TCP6) !== 0 };
}

/** A record: this header, the frame, padding to 8 bytes. */
export const RECORD_HEADER = 16;
const CUTS = [undefined, 'tcp4', 'tcp6', 'udp'] as const;
const FLAG_OFFLOAD = 4; // above the two bits of the cut
const FLAG_FINISHED = 8;

export function recordBytes(length: number): number {
  return (RECORD_HEADER + length + 7) & ~7;
}

/** Header: length (32 bits), flags (8), checksum offset (8), checksum start, segment, headers (16 each), 16 spare. */
export function writeHeader(view: DataView, length: number, offload: Offload | undefined, finished: boolean): void {
  view.setUint32(0, length, true);
  view.setUint8(4, (finished ? FLAG_FINISHED : 0) | (offload === undefined ? 0 : FLAG_OFFLOAD | CUTS.indexOf(offload.cut?.as)));
  view.setUint8(5, offload?.checksumOffset ?? 0);
  view.setUint16(6, offload?.checksumStart ?? 0, true);
  view.setUint16(8, offload?.cut?.segment ?? 0, true);
  view.setUint16(10, offload?.cut?.headers ?? 0, true);
}

export function readFinished(view: DataView): boolean {
  return (view.getUint8(4) & FLAG_FINISHED) !== 0;
}

export function readOffload(view: DataView): Offload | undefined {
  const flags = view.getUint8(4);
  if ((flags & FLAG_OFFLOAD) === 0) return undefined;
  const checksum = { checksumOffset: view.getUint8(5), checksumStart: view.getUint16(6, true) };
  const as = CUTS[flags & 3];
  return as === undefined ? checksum : { ...checksum, cut: { as, segment: view.getUint16(8, true), headers: view.getUint16(10, true) } };
}
