import type { HostFile } from '../host-file.ts';
import { viewOf } from './bytes.ts';

const SECTOR = 512;

/** A table of an image in memory, with what was changed since it was last written, by sector of the disk. */
export class CachedTable {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #dirty = new Set<number>();
  /** Writes that are under way: the file does not have them yet. */
  writing = 0;

  constructor(offset: number, bytes: Uint8Array) {
    this.offset = offset;
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Bytes [at, at + length) were changed. */
  touch(at: number, length: number): void {
    for (let sector = Math.floor(at / SECTOR); sector * SECTOR < at + length; sector++) this.#dirty.add(sector);
  }

  touchAll(): void {
    this.touch(0, this.bytes.length);
  }

  /** Copies of the changed runs, for `writeTables`. */
  take(): TableWrite[] {
    const sectors = [...this.#dirty].sort((a, b) => a - b);
    this.#dirty.clear();
    const writes: TableWrite[] = [];
    for (let i = 0; i < sectors.length;) {
      let end = i + 1;
      while (end < sectors.length && sectors[end] === sectors[end - 1]! + 1) end++;
      const [from, to] = [sectors[i]! * SECTOR, Math.min((sectors[end - 1]! + 1) * SECTOR, this.bytes.length)];
      this.writing++;
      writes.push({ table: this, at: from, bytes: this.bytes.slice(from, to) });
      i = end;
    }
    return writes;
  }
}

/** A changed run of a table, as it was when it was taken. */
export interface TableWrite {
  readonly table: CachedTable;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Writes what was taken. What could not be written counts as changed again. */
export async function writeTables(file: HostFile, writes: readonly TableWrite[]): Promise<void> {
  let done = 0;
  try {
    for (const { table, at, bytes } of writes) {
      await file.write(table.offset + at, bytes);
      done++;
    }
  } finally {
    writes.forEach(({ table, at, bytes }, index) => {
      table.writing--;
      if (index >= done) table.touch(at, bytes.length);
    });
  }
}

/** Gives up on what was taken: it counts as changed again. */
export function putBack(writes: readonly TableWrite[]): void {
  for (const { table, at, bytes } of writes) {
    table.writing--;
    table.touch(at, bytes.length);
  }
}

/** Tables of one size by their offset in the file, the least recently used forgotten first. Changed ones stay until they are written. */
export class TableCache {
  readonly #file: HostFile;
  readonly #tableBytes: number;
  readonly #most: number;
  readonly #tables = new Map<number, CachedTable>();
  readonly #loading = new Map<number, Promise<CachedTable>>();

  constructor(file: HostFile, tableBytes: number, most: number) {
    this.#file = file;
    this.#tableBytes = tableBytes;
    this.#most = most;
  }

  /** The table, if it is in memory. */
  peek(offset: number): CachedTable | undefined {
    return this.#tables.get(offset);
  }

  /** The table, if it is in memory, as the last one used. */
  use(offset: number): CachedTable | undefined {
    const known = this.#tables.get(offset);
    if (known === undefined || known === this.#last) return known;
    this.#tables.delete(offset);
    this.#tables.set(offset, known);
    this.#last = known;
    return known;
  }
  #last: CachedTable | undefined;

  async get(offset: number): Promise<CachedTable> {
    const known = this.use(offset);
    if (known !== undefined) return known;
    let loading = this.#loading.get(offset);
    if (loading === undefined) {
      loading = this.#load(offset).finally(() => this.#loading.delete(offset));
      this.#loading.set(offset, loading);
    }
    return loading;
  }

  async #load(offset: number): Promise<CachedTable> {
    const bytes = new Uint8Array(this.#tableBytes);
    await this.#file.read(offset, bytes);
    return this.add(offset, bytes);
  }

  /** A table that is new, or was read otherwise. */
  add(offset: number, bytes: Uint8Array): CachedTable {
    this.#evict(); // before: the new one is about to be used
    const table = new CachedTable(offset, bytes);
    this.#last = undefined;
    this.#tables.set(offset, table);
    return table;
  }

  forget(offset: number): void {
    this.#last = undefined;
    this.#tables.delete(offset);
  }

  #evict(): void {
    for (const [offset, table] of this.#tables) {
      if (this.#tables.size < this.#most) return;
      if (!table.isDirty && table.writing === 0) this.#tables.delete(offset);
    }
  }

  /** Those that the file does not have as they are. */
  get unwritten(): CachedTable[] {
    return [...this.#tables.values()].filter((table) => table.isDirty || table.writing > 0);
  }

  /** More changed tables than the cache should hold: time to write them. */
  get isFull(): boolean {
    return this.dirty.length > this.#most / 2;
  }

  get dirty(): CachedTable[] {
    return [...this.#tables.values()].filter((table) => table.isDirty);
  }
}
