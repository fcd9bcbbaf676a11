import { VmmError } from '../../base/errors.ts';
import type { HostFile } from '../host-file.ts';
import type { Extent } from '../node.ts';
import type { ImageFormat } from '../probe.ts';
import { Mutex, RangeLock } from '../range-lock.ts';
import { roundUp } from './bytes.ts';
import type { ImageNode, ParentReference } from './format.ts';

/** A run of bytes that are mapped alike. */
export interface Run {
  readonly kind: 'data' | 'zero' | 'absent';
  readonly length: number;
  /** Where data lie in `file`. */
  readonly host: number;
  readonly file?: HostFile | undefined;
}

/** A place for a unit's data in a file. `blank`: it reads as zeros. */
export interface Place {
  readonly file: HostFile;
  readonly host: number;
  readonly blank: boolean;
}

/**
 * What the formats share that map units (blocks, grains) of a disk to places in a file by a table: VDI, VHD, VHDX, VMDK. As with qcow2, data go to
 * the file at once and tables stay in memory until a flush, which makes data durable before what refers to them. A crash leaves unused places at
 * worst.
 */
export abstract class UnitNode implements ImageNode {
  abstract readonly format: ImageFormat;
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly unit: number;
  parent?: ParentReference | undefined;
  identity?: string | undefined;
  protected readonly lock = new RangeLock();
  readonly #commits = new Mutex();
  #nextFlush: Promise<void> | undefined;

  constructor(options: { readonly name: string; readonly size: number; readonly readOnly: boolean; readonly unit: number }) {
    this.name = options.name;
    this.size = roundUp(options.size, 512);
    this.readOnly = options.readOnly;
    this.unit = options.unit;
  }

  /** Bytes below which a write needs what was there before: the unit, or a sector for formats with a bitmap of sectors. */
  get granularity(): number {
    return this.unit;
  }

  abstract describe(): Readonly<Record<string, string | number | boolean>>;

  /** The longest run from `offset` within its unit, or beyond it where that is easy. */
  protected abstract map(offset: number, length: number): Promise<Run> | Run;
  /** Where a unit that has no data of its own gets its place. Nothing refers to the place yet. */
  protected abstract place(unit: number): Promise<Place>;
  /** Bytes [from, to) of the unit were written at its place: maps them, in memory. */
  protected abstract bind(unit: number, place: Place, from: number, to: number): Promise<void> | void;
  /** Takes a unit's data away; it reads as zeros (`zero`), or as absent. False: the format cannot say that. */
  protected abstract unbind(unit: number, zero: boolean): Promise<boolean> | boolean;
  /** Everything was written; makes data and then tables durable. */
  protected abstract commit(): Promise<void>;
  /** Whether the whole unit is mapped once a part of it is written. */
  protected fillsUnit(unit: number): boolean {
    return unit >= 0 && this.granularity === this.unit;
  }
  /** Called before the first change of all. */
  protected beforeChange(): Promise<void> {
    return Promise.resolve();
  }
  #changed: Promise<void> | undefined;

  private change(): Promise<void> {
    if (this.readOnly) return Promise.reject(new VmmError('state', `${this.name} is read-only`));
    this.#changed ??= this.beforeChange().catch((error: unknown) => {
      this.#changed = undefined;
      throw error;
    });
    return this.#changed;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.lock.run(offset, into.length, true, () => this.readLocked(offset, into));
  }

  protected async readLocked(offset: number, into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length;) {
      const run = await this.map(offset + at, into.length - at);
      const part = at === 0 && run.length === into.length ? into : into.subarray(at, at + run.length);
      if (run.kind === 'data') await run.file!.read(run.host, part);
      else part.fill(0);
      at += run.length;
    }
  }

  async readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    const length = into.reduce((sum, piece) => sum + piece.length, 0);
    return this.lock.run(offset, length, true, async () => {
      const run = await this.map(offset, length);
      if (run.kind === 'data' && run.length === length && run.file?.readv !== undefined) return run.file.readv(run.host, into);
      let at = offset;
      for (const piece of into) {
        await this.readLocked(at, piece);
        at += piece.length;
      }
    });
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const first = await this.map(offset, length);
    let at = first.length;
    while (at < length) {
      const next = await this.map(offset + at, length - at);
      if (next.kind !== first.kind) break;
      at += next.length;
    }
    return { offset, length: at, kind: first.kind };
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.change();
    const start = offset - (offset % this.unit);
    const span = roundUp(offset + from.length, this.unit) - start;
    if (await this.lock.run(start, span, true, () => this.overwrite(offset, from))) return;
    await this.lock.run(start, span, false, () => this.writeLocked(offset, from));
  }

  /** Writes in place if everything has one. */
  private async overwrite(offset: number, from: Uint8Array): Promise<boolean> {
    const runs: { run: Run; at: number }[] = [];
    for (let at = 0; at < from.length;) {
      const run = await this.map(offset + at, from.length - at);
      if (run.kind !== 'data') return false;
      runs.push({ run, at });
      at += run.length;
    }
    for (const { run, at } of runs) await run.file!.write(run.host, from.subarray(at, at + run.length));
    return true;
  }

  protected async writeLocked(offset: number, from: Uint8Array): Promise<void> {
    for (let at = 0; at < from.length;) {
      const within = (offset + at) % this.unit;
      const unit = (offset + at - within) / this.unit;
      const length = Math.min(this.unit - within, from.length - at);
      await this.writeUnit(unit, within, from.subarray(at, at + length));
      at += length;
    }
  }

  private async writeUnit(unit: number, within: number, from: Uint8Array): Promise<void> {
    const offset = unit * this.unit + within;
    if (await this.overwrite(offset, from)) return;
    const place = await this.place(unit);
    let [start, data] = [within, from];
    if (this.fillsUnit(unit) && !place.blank && from.length < this.unit) {
      // A place that was used before: the rest of the unit must not show what it held.
      data = new Uint8Array(this.unit);
      data.set(from, within);
      start = 0;
    }
    await place.file.write(place.host + start, data);
    await this.bind(unit, place, start, start + data.length);
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.clear(offset, length, true);
  }

  async discard(offset: number, length: number): Promise<void> {
    const start = roundUp(offset, this.unit);
    const end = offset + length === this.size ? this.size : offset + length - ((offset + length) % this.unit);
    if (end > start) await this.clear(start, end - start, false);
  }

  private async clear(offset: number, length: number, zeros: boolean): Promise<void> {
    await this.change();
    const end = offset + length;
    const start = offset - (offset % this.unit);
    await this.lock.run(start, roundUp(end, this.unit) - start, false, async () => {
      for (let at = offset; at < end;) {
        const unit = Math.floor(at / this.unit);
        const unitEnd = Math.min((unit + 1) * this.unit, this.size);
        const partEnd = Math.min(end, unitEnd);
        const whole = at === unit * this.unit && partEnd === unitEnd;
        const hides = zeros && this.parent !== undefined;
        if (!(await this.isClear(at, partEnd - at, hides)) && !(whole && (await this.unbind(unit, hides)))) {
          await this.writeLocked(at, new Uint8Array(partEnd - at));
        }
        at = partEnd;
      }
    });
  }

  /** Whether the range reads as zeros from this image, whatever lies below. */
  private async isClear(offset: number, length: number, hides: boolean): Promise<boolean> {
    for (let at = 0; at < length;) {
      const run = await this.map(offset + at, length - at);
      if (run.kind === 'data' || (hides && run.kind === 'absent')) return false;
      at += run.length;
    }
    return true;
  }

  /** Callers that come before a commit has begun share it. */
  flush(): Promise<void> {
    if (this.readOnly) return Promise.resolve();
    if (this.#nextFlush === undefined) {
      const mine = this.#commits.run(() => {
        if (this.#nextFlush === mine) this.#nextFlush = undefined;
        return this.commit();
      });
      this.#nextFlush = mine;
    }
    return this.#nextFlush;
  }

  abstract close(): Promise<void>;
}

/** Places of one size in a file: those that were given back are used first, and only once nothing durable refers to them. */
export class Places {
  readonly #file: HostFile;
  readonly #size: number;
  #free: number[];
  #freed: number[] = [];
  /** Where the next place at the end of the file is. */
  end: number;
  /** From here on the file was never written. A crash may have left data behind the last place that is in use. */
  readonly #blankFrom: number;

  /** `used`: offsets in use, `first`: where places begin, `fileEnd`: where the file ends now. */
  constructor(file: HostFile, size: number, first: number, used: Iterable<number>, fileEnd: number) {
    this.#file = file;
    this.#size = size;
    this.#blankFrom = fileEnd;
    const taken = new Set<number>(used);
    this.end = first;
    for (const offset of taken) this.end = Math.max(this.end, offset + size);
    this.#free = [];
    const step = (offset: number) => (offset - first) % size === 0;
    if ([...taken].every(step)) for (let offset = first; offset < this.end; offset += size) if (!taken.has(offset)) this.#free.push(offset);
    this.#free.reverse();
  }

  take(): Place {
    const reused = this.#free.pop();
    if (reused !== undefined) return { file: this.#file, host: reused, blank: false };
    const host = this.end;
    this.end += this.#size;
    return { file: this.#file, host, blank: host >= this.#blankFrom };
  }

  /** Nothing in memory refers to the place any more. */
  giveBack(host: number): void {
    this.#freed.push(host);
  }

  /** What was given back so far; `settle` it when that is durable. */
  takeFreed(): number[] {
    return this.#freed.splice(0);
  }

  async settle(freed: readonly number[]): Promise<void> {
    this.#free.push(...freed);
    for (const host of freed) await this.#file.punch(host, this.#size);
  }

  putBack(freed: readonly number[]): void {
    this.#freed.push(...freed);
  }

  get hasFreed(): boolean {
    return this.#freed.length > 0;
  }
}
