import type { HostFile } from '../../host-file.ts';
import { Mutex } from '../../range-lock.ts';
import { setU64be, viewOf } from '../bytes.ts';
import { damaged } from '../format.ts';
import { putBack, TableCache, writeTables, type CachedTable, type TableWrite } from '../table-cache.ts';
import { Incompatible, type Qcow2Header } from './header.ts';
import type { Refcounts } from './refcounts.ts';

/** Memory for L2 tables: enough to map 64 GiB in clusters of 64 KiB. */
const CACHE_BYTES = 8 << 20;

/** The high half of an L1 or L2 entry. */
const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
/** Bit 0 of an L2 entry: the cluster reads as zeros (version 3). */
const ZERO = 1;
/** Subclusters per cluster, with extended L2 entries. */
export const SUBCLUSTERS = 32;

/** An L2 entry, taken apart. */
export type Entry =
  | { readonly kind: 'normal'; readonly host: number; readonly owned: boolean; readonly allocated: number; readonly zeros: number }
  | { readonly kind: 'compressed'; readonly host: number; readonly length: number }
  /** No cluster; in `zeros` each unit that reads as zeros has a bit. */
  | { readonly kind: 'none'; readonly zeros: number };

const ALL = 0xffff_ffff;

/** Where guest clusters lie in the file: L1 and L2 tables. */
export class Mapping {
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #refcounts: Refcounts;
  readonly #clusterSize: number;
  readonly #entrySize: 8 | 16;
  /** Entries of an L2 table. */
  readonly perTable: number;
  #l1: Float64Array;
  /** L1 entries whose table a snapshot has, too. */
  #l1Shared: Uint8Array;
  readonly #dirtyL1 = new Set<number>();
  readonly #tables: TableCache;
  readonly #turn = new Mutex();

  private constructor(file: HostFile, header: Qcow2Header, refcounts: Refcounts, l1: Float64Array, shared: Uint8Array) {
    this.#file = file;
    this.#header = header;
    this.#refcounts = refcounts;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#entrySize = (header.incompatible & Incompatible.EXTENDED_L2) !== 0 ? 16 : 8;
    this.perTable = this.#clusterSize / this.#entrySize;
    this.#l1 = l1;
    this.#l1Shared = shared;
    this.#tables = new TableCache(file, this.#clusterSize, Math.max(16, Math.floor(CACHE_BYTES / this.#clusterSize)));
  }

  static async open(
    file: HostFile,
    header: Qcow2Header,
    refcounts: Refcounts,
    table: { readonly offset: number; readonly size: number },
  ): Promise<Mapping> {
    const bytes = new Uint8Array(table.size * 8);
    await file.read(table.offset, bytes);
    const view = viewOf(bytes);
    const l1 = new Float64Array(table.size);
    const shared = new Uint8Array(table.size);
    const clusterSize = 2 ** header.clusterBits;
    for (let index = 0; index < table.size; index++) {
      const [high, low] = [view.getUint32(index * 8), view.getUint32(index * 8 + 4)];
      const offset = (high & OFFSET_HIGH) * 2 ** 32 + low;
      if (offset % clusterSize !== 0) throw damaged(file, `L1 entry ${index} is not aligned to a cluster`);
      l1[index] = offset;
      shared[index] = (high & COPIED) === 0 ? 1 : 0;
    }
    return new Mapping(file, header, refcounts, l1, shared);
  }

  get extended(): boolean {
    return this.#entrySize === 16;
  }

  /** Bytes of the smallest part of a cluster that is mapped on its own. */
  get unit(): number {
    return this.extended ? this.#clusterSize / SUBCLUSTERS : this.#clusterSize;
  }

  get l1Size(): number {
    return this.#l1.length;
  }

  /** The L2 table of a cluster; undefined: it has none, so nothing is mapped in the clusters up to the next table. */
  async table(cluster: number): Promise<CachedTable | undefined> {
    const offset = this.#l1[Math.floor(cluster / this.perTable)] ?? 0;
    if (offset === 0) return undefined;
    if (offset / this.#clusterSize >= this.#refcounts.end)
      throw damaged(this.#file, `the L2 table of cluster ${cluster} lies beyond the end of the file`);
    return this.#tables.get(offset);
  }

  /** The same at once, where it is in memory: undefined: it is not, `none`: there is none. */
  tableNow(cluster: number): CachedTable | 'none' | undefined {
    const offset = this.#l1[Math.floor(cluster / this.perTable)] ?? 0;
    return offset === 0 ? 'none' : this.#tables.use(offset);
  }

  entryIn(table: CachedTable, cluster: number): Entry {
    const at = (cluster % this.perTable) * this.#entrySize;
    const [high, low] = [table.view.getUint32(at), table.view.getUint32(at + 4)];
    if ((high & COMPRESSED) !== 0) return this.#compressed(table.view.getBigUint64(at), cluster);
    const host = (high & OFFSET_HIGH) * 2 ** 32 + ((low & 0xffff_fe00) >>> 0);
    if (host % this.#clusterSize !== 0) throw damaged(this.#file, `the L2 entry of cluster ${cluster} is not aligned (${host})`);
    if (host / this.#clusterSize >= this.#refcounts.end && (this.#header.incompatible & Incompatible.DATA_FILE) === 0) {
      throw damaged(this.#file, `cluster ${cluster} lies beyond the end of the file (${host})`);
    }
    let [allocated, zeros] = [ALL, 0];
    if (this.extended) {
      zeros = table.view.getUint32(at + 8);
      allocated = (table.view.getUint32(at + 12) & ~zeros) >>> 0;
    } else if ((low & ZERO) !== 0 && this.#header.version === 3) [allocated, zeros] = [0, ALL];
    if (host === 0 && !(this.#header.incompatible & Incompatible.DATA_FILE && (high & COPIED) !== 0)) return { kind: 'none', zeros };
    return { kind: 'normal', host, owned: (high & COPIED) !== 0, allocated, zeros };
  }

  /** Compressed cluster descriptor: x bits of offset, then how many sectors after the first the data touch. */
  #compressed(entry: bigint, cluster: number): Entry {
    const offsetBits = BigInt(62 - (this.#header.clusterBits - 8));
    const host = Number(entry & ((1n << offsetBits) - 1n));
    const sectors = Number((entry >> offsetBits) & ((1n << (62n - offsetBits)) - 1n)) + 1;
    if (host / this.#clusterSize >= this.#refcounts.end) throw damaged(this.#file, `the compressed data of cluster ${cluster} lie at ${host}`);
    return { kind: 'compressed', host, length: sectors * 512 - (host % 512) };
  }

  /** Maps `cluster` to `host` in memory; `allocated` and `zeros` by subcluster where there are some. */
  async set(cluster: number, host: number, allocated = ALL, zeros = 0): Promise<void> {
    const table = await this.#tableForWriting(cluster);
    const at = (cluster % this.perTable) * this.#entrySize;
    const flag = !this.extended && zeros !== 0 ? ZERO : 0;
    table.view.setUint32(at, (host === 0 && !this.#usesDataFile(allocated) ? 0 : COPIED) + Math.floor(host / 2 ** 32));
    table.view.setUint32(at + 4, (host % 2 ** 32) + flag);
    if (this.extended) {
      table.view.setUint32(at + 8, zeros);
      table.view.setUint32(at + 12, allocated);
    }
    table.touch(at, this.#entrySize);
  }

  #usesDataFile(allocated: number): boolean {
    return (this.#header.incompatible & Incompatible.DATA_FILE) !== 0 && allocated !== 0;
  }

  /** Maps `cluster` to compressed data. */
  async setCompressed(cluster: number, host: number, length: number): Promise<void> {
    const table = await this.#tableForWriting(cluster);
    const offsetBits = BigInt(62 - (this.#header.clusterBits - 8));
    const sectors = Math.ceil(((host % 512) + length) / 512) - 1;
    const at = (cluster % this.perTable) * this.#entrySize;
    table.view.setBigUint64(at, (1n << 62n) | (BigInt(sectors) << offsetBits) | BigInt(host));
    table.touch(at, this.#entrySize);
  }

  /** The L2 table of a cluster, made if there is none, copied if a snapshot has it, too. */
  async #tableForWriting(cluster: number): Promise<CachedTable> {
    const index = Math.floor(cluster / this.perTable);
    const present = this.#l1[index]!;
    if (present !== 0 && this.#l1Shared[index] === 0) return (await this.table(cluster))!;
    await this.#turn.run(async () => {
      const old = this.#l1[index]!;
      if (old !== 0 && this.#l1Shared[index] === 0) return; // somebody was faster
      const bytes = old === 0 ? new Uint8Array(this.#clusterSize) : (await this.table(cluster))!.bytes.slice();
      const { cluster: place } = await this.#refcounts.allocate(1);
      const table = this.#tables.add(place * this.#clusterSize, bytes);
      table.touchAll();
      this.#l1[index] = table.offset;
      this.#l1Shared[index] = 0;
      this.#dirtyL1.add(index);
      if (old !== 0) this.#refcounts.freeLater(old / this.#clusterSize);
    });
    return this.#tables.get(this.#l1[index]!);
  }

  get isDirty(): boolean {
    return this.#dirtyL1.size > 0 || this.#tables.dirty.length > 0;
  }

  get isFull(): boolean {
    return this.#tables.isFull;
  }

  /** Everything that changed, as it is now. */
  takeWrites(): MappingWrites {
    const writes = {
      tables: this.#tables.dirty.flatMap((table) => table.take()),
      l1: [...this.#dirtyL1].map((index) => ({ index, offset: this.#l1[index]! })),
    };
    this.#dirtyL1.clear();
    return writes;
  }

  /** Writes tables, then what names new ones. A flush comes before (data, refcounts) and has to follow. */
  async write(writes: MappingWrites): Promise<void> {
    try {
      await writeTables(this.#file, writes.tables);
      if (writes.l1.length > 0) await this.#file.flush();
      for (const { index, offset } of writes.l1) {
        const entry = new Uint8Array(8);
        setU64be(viewOf(entry), 0, offset);
        entry[0] = COPIED >>> 24; // not added: it lies beyond what a number holds exactly
        await this.#file.write(this.#header.l1Offset + index * 8, entry);
      }
    } catch (error) {
      for (const { index } of writes.l1) this.#dirtyL1.add(index);
      throw error;
    }
  }

  putBack(writes: MappingWrites): void {
    putBack(writes.tables);
    for (const { index } of writes.l1) this.#dirtyL1.add(index);
  }

  /** What was written counts as changed again: the host may have lost it. */
  retouch(writes: MappingWrites): void {
    for (const { table, at, bytes } of writes.tables) table.touch(at, bytes.length);
    for (const { index } of writes.l1) this.#dirtyL1.add(index);
  }

  /** Another L1 table, after a resize or a snapshot. */
  replaceL1(l1: Float64Array, shared: Uint8Array): void {
    this.#l1 = l1;
    this.#l1Shared = shared;
  }

  /** The L1 table as it is now. */
  get l1(): { readonly offsets: Float64Array; readonly shared: Uint8Array } {
    return { offsets: this.#l1, shared: this.#l1Shared };
  }
}

export interface MappingWrites {
  readonly tables: readonly TableWrite[];
  readonly l1: readonly { readonly index: number; readonly offset: number }[];
}
