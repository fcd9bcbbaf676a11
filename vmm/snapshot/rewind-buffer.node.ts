/**
 * The last minutes of a machine's memory, compressed, in memory: points in time, and between each two of them the pages that differ. A difference works both ways:
 * applied, it takes out what it puts in, so that one can go back and forth.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { SavedMachine } from '../machine/machine.ts';
import { decodePlain, encodePlain } from './plain-data.ts';
import { PAGE_BYTES } from './pack.node.ts';

export interface RewindPoint {
  readonly number: number;
  /** Guest time, ns */
  readonly time: number;
}

/** Pages as they were before an epoch changed them. */
export interface PageDelta {
  /** Numbers of pages, in guest memory. */
  readonly pages: Int32Array;
  /** Their contents, one after the other, in pieces that hold whole pages. */
  readonly pieces: readonly Uint8Array[];
}

interface Packed {
  readonly pages: Int32Array;
  readonly pieces: Uint8Array[];
  readonly bytes: number;
}

interface Kept extends RewindPoint {
  readonly saved: Uint8Array;
  /** Leads to the point before this one. */
  delta: Packed;
}

const squeeze = (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });

export class RewindBuffer {
  readonly #memory: Uint8Array;
  #points: Kept[] = [];
  /** Which point memory is at: the last, but while one goes back and forth. */
  #at = -1;

  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  get points(): readonly RewindPoint[] {
    return this.#points;
  }

  get bytes(): number {
    return this.#points.reduce((sum, { saved, delta }) => sum + saved.length + delta.bytes, 0);
  }

  /** The newest point, and what has changed since the one before. What lay after the point that one went back to has not happened. */
  add({ number, time }: RewindPoint, saved: SavedMachine, { pages, pieces }: PageDelta): void {
    this.#points.length = this.#at + 1;
    const delta = this.#points.length === 0 ? packed(new Int32Array(), []) : packed(pages, pieces.map(squeeze));
    this.#points.push({ number, time, saved: squeeze(Buffer.from(encodePlain(saved))), delta });
    this.#at = this.#points.length - 1;
  }

  /** Forgets the oldest points until what is left takes no more than `bytes`; the newest stays. */
  shrink(bytes: number, since: number): void {
    let sum = this.bytes;
    while (this.#points.length > 1 && this.#at > 0 && (sum > bytes || this.#points[0]!.number < since)) {
      const [gone] = this.#points.splice(0, 1);
      sum -= gone!.saved.length + gone!.delta.bytes;
      const [first] = this.#points;
      sum -= first!.delta.bytes; // it leads nowhere
      first!.delta = packed(new Int32Array(), []);
      this.#at--;
    }
  }

  clear(): void {
    this.#points = [];
    this.#at = -1;
  }

  savedAt(number: number): SavedMachine {
    const point = this.#points.find((one) => one.number === number);
    if (point === undefined) throw new RangeError(`point ${number} is not kept`);
    return decodePlain(zstdDecompressSync(point.saved).toString('utf8')) as SavedMachine;
  }

  /** Makes memory what it was at a point. `touched` is told every page that changes. */
  go(number: number, touched: (page: number) => void): void {
    const target = this.#points.findIndex((one) => one.number === number);
    if (target < 0) throw new RangeError(`point ${number} is not kept`);
    while (this.#at > target) this.#exchange(this.#points[this.#at--]!, touched);
    while (this.#at < target) this.#exchange(this.#points[++this.#at]!, touched);
  }

  #exchange(point: Kept, touched: (page: number) => void): void {
    const { pages } = point.delta;
    let next = 0;
    const pieces = point.delta.pieces.map((piece) => {
      const bytes = zstdDecompressSync(piece);
      const other = new Uint8Array(bytes.length);
      for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
        const page = pages[next++]!;
        const memory = this.#memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        other.set(memory, at);
        memory.set(bytes.subarray(at, at + PAGE_BYTES));
        touched(page);
      }
      return squeeze(other);
    });
    point.delta = packed(pages, pieces);
  }
}

function packed(pages: Int32Array, pieces: Uint8Array[]): Packed {
  return { pages, pieces, bytes: pages.byteLength + pieces.reduce((sum, { length }) => sum + length, 0) };
}
