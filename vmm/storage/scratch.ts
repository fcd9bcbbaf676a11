import { readPieces, writePieces, type HostFile } from './host-file.ts';
import { cutSegments, lengthOf, type BlockNode, type Extent } from './node.ts';

const UNIT = 65536;
/** The place of a unit that reads as zeros and hides the parent's. */
const ZERO = -1;

/**
 * An empty disk that grows into a temporary file (or memory) as it is written, and is forgotten when closed: the top of `--discard-writes`.
 * Where a unit lies in the file is kept in memory only.
 */
export class ScratchNode implements BlockNode {
  readonly name: string;
  readonly size: number;
  readonly readOnly = false;
  readonly granularity = UNIT;
  readonly #file: HostFile;
  /** Unit of the disk -> unit of the file, or ZERO. */
  readonly #places = new Map<number, number>();
  readonly #free: number[] = [];
  #used = 0;

  constructor(file: HostFile, size: number, name = 'discarded writes') {
    this.#file = file;
    this.size = size;
    this.name = name;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.readv(offset, [into]);
  }

  async readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    for (const { at, length, host } of this.runs(offset, lengthOf(into), (unit) => this.#places.get(unit) ?? ZERO)) {
      const part = cutSegments(into, at, length);
      if (host === ZERO) for (const piece of part) piece.fill(0);
      else await readPieces(this.#file, host, part);
    }
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.writev(offset, [from]);
  }

  async writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    const total = lengthOf(from);
    const fresh = new Map<number, number>();
    const runs = this.runs(offset, total, (unit) => {
      const known = this.#places.get(unit) ?? ZERO;
      if (known !== ZERO) return known;
      const place = this.#free.pop() ?? this.#used++;
      fresh.set(unit, place);
      return place;
    });
    try {
      for (const [unit, place] of fresh) {
        const whole = offset <= unit * UNIT && (unit + 1) * UNIT <= offset + total;
        if (!whole) await this.#file.write(place * UNIT, new Uint8Array(UNIT)); // what the place held before must not show
      }
      for (const { at, length, host } of runs) await writePieces(this.#file, host, cutSegments(from, at, length));
    } catch (error) {
      this.#free.push(...fresh.values());
      throw error;
    }
    for (const [unit, place] of fresh) this.#places.set(unit, place);
  }

  /** What lies together in the file is one run. `placeOf`: where a unit is in it, or ZERO. */
  private runs(offset: number, length: number, placeOf: (unit: number) => number): { at: number; length: number; host: number }[] {
    const runs: { at: number; length: number; host: number }[] = [];
    for (let at = 0; at < length;) {
      const within = (offset + at) % UNIT;
      const part = Math.min(UNIT - within, length - at);
      const place = placeOf((offset + at - within) / UNIT);
      const host = place === ZERO ? ZERO : place * UNIT + within;
      const last = runs[runs.length - 1];
      if (last !== undefined && (host === ZERO ? last.host === ZERO : last.host !== ZERO && last.host + last.length === host)) last.length += part;
      else runs.push({ at, length: part, host });
      at += part;
    }
    return runs;
  }

  zero(offset: number, length: number): Promise<void> {
    for (let unit = Math.ceil(offset / UNIT); Math.min((unit + 1) * UNIT, this.size) <= offset + length && unit * UNIT < this.size; unit++) {
      const place = this.#places.get(unit);
      if (place !== undefined && place !== ZERO) this.#free.push(place);
      this.#places.set(unit, ZERO);
    }
    return Promise.resolve();
  }

  extent(offset: number, length: number): Promise<Extent> {
    const kindAt = (unit: number) => {
      const place = this.#places.get(unit);
      return place === undefined ? 'absent' : place === ZERO ? 'zero' : 'data';
    };
    const first = Math.floor(offset / UNIT);
    const kind = kindAt(first);
    let end = (first + 1) * UNIT;
    while (end < offset + length && kindAt(end / UNIT) === kind) end += UNIT;
    return Promise.resolve({ offset, length: Math.min(end - offset, length), kind });
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
