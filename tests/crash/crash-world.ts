import { VmmError } from '../../vmm/base/errors.ts';
import type { HostFile } from '../../vmm/storage/host-file.ts';
import { PagedBytes } from './paged-bytes.ts';

/*
 * A host whose disk can lose power at any moment. Files take every write, truncation, hole and flush, remember when it began and when it was done,
 * and say afterwards what the disk may hold: a write survives for certain only when a flush of its file began after the write was done and was done
 * before the crash. Everything else that had begun may be there, or not, or in part, in any combination.
 */

export type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'punch'; readonly offset: number; readonly length: number }
  | { readonly kind: 'truncate'; readonly size: number };

export interface HostEvent {
  readonly file: CrashFile;
  readonly change: Change | { readonly kind: 'flush' };
  readonly start: number;
  /** Infinity: not done yet. */
  end: number;
}

/** What the host does to the nth of its calls. */
export interface HostFault {
  readonly call: number;
  readonly code: 'EIO' | 'ENOSPC';
  /** So many bytes of a failing write reach the file first. */
  readonly short?: number;
}

export class CrashWorld {
  readonly events: HostEvent[] = [];
  /** Grows with every beginning and end of anything, the guest's requests included. */
  #time = 0;
  calls = 0;
  faults: readonly HostFault[] = [];
  readonly #random: () => number;

  /** `random`: 0 <= x < 1; decides how long calls take. */
  constructor(random: () => number) {
    this.#random = random;
  }

  get time(): number {
    return this.#time;
  }
  tick(): number {
    return ++this.#time;
  }

  file(path: string, contents = new PagedBytes()): CrashFile {
    return new CrashFile(this, path, contents);
  }

  /** A call of the host: takes a while, in which others begin and end. */
  async perform(file: CrashFile, change: HostEvent['change']): Promise<void> {
    const fault = this.faults.find(({ call }) => call === this.calls);
    this.calls++;
    const event: HostEvent = { file, change, start: this.tick(), end: Infinity };
    if (fault !== undefined) {
      const short = fault.short ?? 0;
      if (change.kind === 'write' && short > 0) {
        const part = { ...change, bytes: change.bytes.subarray(0, short) };
        this.events.push({ ...event, change: part, end: this.tick() });
        file.now.write(part.offset, part.bytes);
      }
      throw new VmmError('host', `${file.path}: ${fault.code}`, { path: file.path, code: fault.code });
    }
    this.events.push(event);
    for (let turns = Math.floor(this.#random() * 4); turns > 0; turns--) await Promise.resolve();
    if (change.kind !== 'flush') applyChange(file.now, change);
    event.end = this.tick();
  }
}

export function applyChange(bytes: PagedBytes, change: Change): void {
  if (change.kind === 'write') bytes.write(change.offset, change.bytes);
  else if (change.kind === 'punch') bytes.clear(change.offset, change.length);
  else bytes.truncate(change.size);
}

export class CrashFile implements HostFile {
  readonly path: string;
  readonly readOnly = false;
  readonly #world: CrashWorld;
  /** What was on the disk when the world began. */
  readonly initial: PagedBytes;
  /** What a reader sees. */
  readonly now: PagedBytes;
  /** As with files of Node: after a flush that failed nothing can be made sure any more. */
  #lost: unknown;

  constructor(world: CrashWorld, path: string, contents: PagedBytes) {
    this.#world = world;
    this.path = path;
    this.initial = contents;
    this.now = contents.copy();
  }

  size(): Promise<number> {
    return Promise.resolve(this.now.size);
  }
  read(offset: number, into: Uint8Array): Promise<void> {
    this.now.read(offset, into);
    return Promise.resolve();
  }
  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#world.perform(this, { kind: 'write', offset, bytes: from.slice() });
  }
  truncate(size: number): Promise<void> {
    return this.#world.perform(this, { kind: 'truncate', size });
  }
  async flush(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost as Error;
    try {
      await this.#world.perform(this, { kind: 'flush' });
    } catch (error) {
      this.#lost = error;
      throw error;
    }
  }
  async punch(offset: number, length: number): Promise<boolean> {
    await this.#world.perform(this, { kind: 'punch', offset, length });
    return true;
  }
  nextData(offset: number): Promise<{ start: number; end: number } | undefined> {
    return Promise.resolve(this.now.nextData(offset));
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
