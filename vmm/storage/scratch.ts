import type { HostFile } from './host-file.ts';
import type { BlockNode, Extent } from './node.ts';

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

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.byUnit(offset, into.length, async (place, within, at, length) => {
      const part = into.subarray(at, at + length);
      if (place === undefined || place === ZERO) part.fill(0);
      else await this.#file.read(place * UNIT + within, part);
    });
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.byUnit(offset, from.length, async (known, within, at, length, unit) => {
      let place = known;
      if (place === undefined || place === ZERO) {
        place = this.#free.pop() ?? this.#used++;
        const whole = new Uint8Array(UNIT);
        whole.set(from.subarray(at, at + length), within);
        await this.#file.write(place * UNIT, whole);
        this.#places.set(unit, place);
        return;
      }
      return this.#file.write(place * UNIT + within, from.subarray(at, at + length));
    });
  }

  private async byUnit(
    offset: number,
    length: number,
    work: (place: number | undefined, within: number, at: number, length: number, unit: number) => Promise<void>,
  ): Promise<void> {
    for (let at = 0; at < length;) {
      const unit = Math.floor((offset + at) / UNIT);
      const within = (offset + at) % UNIT;
      const part = Math.min(UNIT - within, length - at);
      await work(this.#places.get(unit), within, at, part, unit);
      at += part;
    }
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
