import type { SackBlock } from '../wire/tcp.ts';
import { distance, later } from './sequence.ts';

/** A peer that acknowledges every other byte is not honest: more ranges than this are not remembered. */
const MAX_RANGES = 64;

/** What a peer has received beyond the acknowledged (RFC 2018, 6675): ranges in order, apart from each other. */
export class Ranges {
  #ranges: SackBlock[] = [];

  get list(): readonly SackBlock[] {
    return this.#ranges;
  }
  get bytes(): number {
    return this.#ranges.reduce((sum, { start, end }) => sum + distance(start, end), 0);
  }
  /** The end of the last; undefined: there is none. */
  get top(): number | undefined {
    return this.#ranges[this.#ranges.length - 1]?.end;
  }

  /** True: something was new. */
  add(block: SackBlock): boolean {
    let { start, end } = block;
    if (!later(end, start)) return false;
    if (this.#ranges.some((range) => !later(range.start, start) && !later(end, range.end))) return false;
    const apart = this.#ranges.filter((range) => {
      if (later(range.start, end) || later(start, range.end)) return true;
      if (later(start, range.start)) start = range.start;
      if (later(range.end, end)) end = range.end;
      return false;
    });
    if (apart.length >= MAX_RANGES) return false;
    const at = apart.findIndex((range) => later(range.start, start));
    apart.splice(at < 0 ? apart.length : at, 0, { start, end });
    this.#ranges = apart;
    return true;
  }

  /** All before `sequence` is acknowledged. */
  dropBefore(sequence: number): void {
    if (this.#ranges.length === 0) return;
    this.#ranges = this.#ranges
      .filter(({ end }) => later(end, sequence))
      .map((range) => (later(sequence, range.start) ? { start: sequence, end: range.end } : range));
  }

  /** The first hole at or after `from` that has something received behind it. */
  hole(from: number): SackBlock | undefined {
    let start = from;
    for (const range of this.#ranges) {
      if (later(range.start, start)) return { start, end: range.start };
      if (later(range.end, start)) start = range.end;
    }
    return undefined;
  }

  /** Bytes from `start` to `end` that are in a range. */
  within(start: number, end: number): number {
    let bytes = 0;
    for (const range of this.#ranges) {
      const from = later(range.start, start) ? range.start : start;
      const to = later(range.end, end) ? end : range.end;
      if (later(to, from)) bytes += distance(from, to);
    }
    return bytes;
  }

  clear(): void {
    this.#ranges = [];
  }
}
