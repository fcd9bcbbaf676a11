import type { DiskOperation, DiskStatus } from '../../base/disk-backend.ts';

/*
 * The memory that the machine thread and the io thread share to pass disk requests: a fixed number of slots, a ring of slot numbers each
 * way, and counters. Every field has one writer at a time; the counters (Atomics) hand slots over.
 */

export const SLOTS = 256;
/** Pieces of memory one slot can name; requests with more are cut. */
export const SLOT_SEGMENTS = 64;

/** Int32 words of the control block. */
export const Control = {
  /** Slots submitted, ever (mod 2^32). Written by the machine thread. */
  submitted: 0,
  /** Slots completed, ever. Written by the io thread. */
  completed: 1,
  /** 1: the io thread went to sleep and must be kicked. */
  ioSleeps: 2,
  /** Requests held until the host's trouble is over. Written by the io thread. */
  stalled: 3,
  submissions: 16,
  completions: 16 + SLOTS,
} as const;

/** Float64 words of a slot: numbers up to 2^53, and everything is read once, copied, then checked. */
export const Slot = {
  op: 0,
  drive: 1,
  offset: 2,
  length: 3,
  fua: 4,
  status: 5,
  segments: 6,
  /** Then per segment: area, offset in the area, length. */
  list: 7,
} as const;
export const SEGMENT_WORDS = 3;
export const SLOT_WORDS = Slot.list + SLOT_SEGMENTS * SEGMENT_WORDS;

export const operations: readonly DiskOperation[] = ['read', 'write', 'flush', 'discard', 'zero'];
export const statuses: readonly DiskStatus[] = ['ok', 'refused', 'failed'];

const CONTROL_BYTES = (Control.completions + SLOTS) * 4;

/** The ring's two views over one SharedArrayBuffer. */
export interface Ring {
  readonly control: Int32Array;
  readonly slots: Float64Array;
}

export function createRingMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + SLOTS * SLOT_WORDS * 8);
}

export function viewRing(memory: SharedArrayBuffer): Ring {
  return { control: new Int32Array(memory, 0, CONTROL_BYTES / 4), slots: new Float64Array(memory, CONTROL_BYTES) };
}

/** What the machine thread tells the io thread besides the ring: that there is something to do, memory it will name by number, drives whose held requests are to fail. */
export type RingMessage = 'kick' | { readonly area: number; readonly memory: SharedArrayBuffer } | { readonly abandon: number };
