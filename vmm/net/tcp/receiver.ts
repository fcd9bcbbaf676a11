import type { SackBlock } from '../wire/tcp.ts';
import { advance, distance, later } from './sequence.ts';

/** Segments that wait for one before them: more are dropped, the peer sends them again. */
const MAX_WAITING = 64;

interface Waiting {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** The receiving half: puts segments in order, and says how much more may come. */
export class Receiver {
  readonly #limit: number;
  readonly #deliver: (bytes: Uint8Array) => void;
  #next = 0;
  /** The window's right edge, as advertised: it never moves back (RFC 9293 3.8.6). */
  #edge = 0;
  /** Delivered and not yet consumed. */
  #held = 0;
  #waiting: Waiting[] = [];
  /** Where the peer's FIN is, once seen. */
  #fin: number | undefined;
  #finished = false;
  #lastArrived = 0;

  constructor(limit: number, deliver: (bytes: Uint8Array) => void) {
    this.#limit = limit;
    this.#deliver = deliver;
  }

  start(next: number): void {
    this.#next = next;
    this.#edge = next;
  }

  /** RCV.NXT: what is expected next, FIN included. */
  get next(): number {
    return this.#next;
  }
  /** The peer has sent all it will, and it was delivered. */
  get finished(): boolean {
    return this.#finished;
  }
  get hasGap(): boolean {
    return this.#waiting.length > 0 || (this.#fin !== undefined && !this.#finished);
  }
  /** Bytes that may come now. */
  get space(): number {
    return Math.max(0, this.#limit - this.#held);
  }
  /** The window that the peer knows of. */
  get window(): number {
    return Math.max(0, distance(this.#next, this.#edge));
  }
  /** Memory that waits for a gap to be filled. */
  get waitingBytes(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** What to advertise now: a multiple of `unit` (the window scale's step), at most `most` (what the field can say). */
  advertise(unit: number, most: number): number {
    const window = Math.max(this.window, Math.min(most, Math.floor(this.space / unit) * unit));
    this.#edge = advance(this.#next, window);
    return window;
  }

  consumed(count: number): void {
    this.#held = Math.max(0, this.#held - count);
  }

  /** RFC 9293 3.10.7.4, first check: some of the segment is in the window. */
  accepts(sequence: number, length: number): boolean {
    const { window } = this;
    const start = distance(this.#next, sequence);
    if (length === 0) return window === 0 ? start === 0 : start >= 0 && start < window;
    const last = start + length - 1;
    return window > 0 && ((start >= 0 && start < window) || (last >= 0 && last < window));
  }

  /** True: it was in order, or filled a gap. False: old, or waits. */
  take(sequence: number, payload: Uint8Array, fin: boolean): boolean {
    const before = this.#next;
    if (fin && this.#fin === undefined && distance(this.#next, sequence) + payload.length <= this.window)
      this.#fin = advance(sequence, payload.length);
    const skip = Math.max(0, distance(sequence, this.#next));
    const start = advance(sequence, skip);
    let bytes = payload.subarray(Math.min(skip, payload.length));
    const room = this.window - distance(this.#next, start);
    if (bytes.length > room) bytes = bytes.subarray(0, Math.max(0, room));
    if (this.#fin !== undefined && bytes.length > 0) bytes = bytes.subarray(0, Math.max(0, Math.min(bytes.length, distance(start, this.#fin))));
    if (bytes.length > 0) {
      if (start === this.#next) {
        this.#pass(bytes);
        this.#drain();
      } else this.#wait(start, bytes);
    }
    if (this.#fin === this.#next && !this.#finished) {
      this.#finished = true;
      this.#next = advance(this.#next, 1);
      this.#waiting = [];
    }
    return this.#next !== before;
  }

  /** What was received beyond a gap; the block with the latest arrival first (RFC 2018 4). */
  sack(room: number): SackBlock[] {
    const blocks: { start: number; end: number }[] = [];
    for (const { start, bytes } of this.#waiting) {
      const end = advance(start, bytes.length);
      const last = blocks[blocks.length - 1];
      if (last !== undefined && !later(start, last.end)) {
        if (later(end, last.end)) last.end = end;
      } else blocks.push({ start, end });
    }
    const latest = blocks.findIndex(({ start, end }) => !later(start, this.#lastArrived) && later(end, this.#lastArrived));
    if (latest > 0) blocks.unshift(...blocks.splice(latest, 1));
    return blocks.slice(0, room);
  }

  #pass(bytes: Uint8Array): void {
    this.#next = advance(this.#next, bytes.length);
    this.#held += bytes.length;
    this.#deliver(bytes);
  }

  #drain(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined || later(first.start, this.#next)) return;
      this.#waiting.shift();
      const rest = first.bytes.subarray(Math.min(first.bytes.length, distance(first.start, this.#next)));
      if (rest.length > 0) this.#pass(rest);
    }
  }

  /** Kept in order of their start; what an earlier one covers wholly is not kept. */
  #wait(start: number, bytes: Uint8Array): void {
    this.#lastArrived = start;
    const end = advance(start, bytes.length);
    if (this.#waiting.some((one) => !later(one.start, start) && !later(end, advance(one.start, one.bytes.length)))) return;
    const kept = this.#waiting.filter((one) => later(start, one.start) || later(advance(one.start, one.bytes.length), end));
    if (kept.length >= MAX_WAITING) return;
    const at = kept.findIndex((one) => later(one.start, start));
    kept.splice(at < 0 ? kept.length : at, 0, { start, bytes: bytes.slice() });
    this.#waiting = kept;
  }
}
