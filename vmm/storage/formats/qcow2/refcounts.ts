import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import { getU64be, setU64be, viewOf } from '../bytes.ts';
import { Mutex } from '../../range-lock.ts';
import { damaged } from '../format.ts';
import { TableCache, writeTables, type CachedTable, type TableWrite } from '../table-cache.ts';
import { Field, type Qcow2Header } from './header.ts';

/** Refcount blocks kept in memory. */
const CACHED_BLOCKS = 128;
/** Offsets are numbers. */
const LARGEST_OFFSET = 2 ** 53;

/** A reference count of `bits` bits in a refcount block; below a byte they lie from the lowest bit up. */
export function readRefcount(block: Uint8Array, index: number, order: number): number {
  if (order < 3) {
    const [bits, perByte] = [1 << order, 8 >> order];
    return (block[Math.floor(index / perByte)]! >> ((index % perByte) * bits)) & ((1 << bits) - 1);
  }
  // Byte by byte: a view made for each count costs more than the count.
  const bytes = 1 << (order - 3);
  let value = 0;
  for (let at = index * bytes, end = at + bytes; at < end; at++) value = value * 256 + block[at]!;
  return value;
}

export function writeRefcount(block: Uint8Array, index: number, order: number, value: number): void {
  if (order < 3) {
    const [bits, perByte] = [1 << order, 8 >> order];
    const [at, shift] = [Math.floor(index / perByte), (index % perByte) * bits];
    block[at] = (block[at]! & ~(((1 << bits) - 1) << shift)) | (value << shift);
    return;
  }
  const bytes = 1 << (order - 3);
  for (let at = index * bytes + bytes - 1, rest = value; at >= index * bytes; at--, rest = Math.floor(rest / 256)) block[at] = rest % 256;
}

export interface Allocation {
  /** First cluster, and how many in a row. */
  readonly cluster: number;
  readonly count: number;
}

/**
 * Which clusters of the file are in use: the two-level refcount structure. Counts that grow are written before what refers to the clusters
 * (`takeWrites` belongs before the mapping's), counts that fall after nothing refers to them any more (`freeLater`, `settleFrees`): a crash in
 * between leaves clusters unused, never used twice.
 */
export class Refcounts {
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #clusterSize: number;
  readonly #perBlock: number;
  readonly #blocks: TableCache;
  /** Offsets of the refcount blocks; 0: none. */
  #table: Float64Array;
  readonly #newEntries = new Set<number>();
  /** Clusters nothing in memory refers to, but perhaps the file still does. */
  #freed: number[] = [];
  readonly #held = new Set<number>();
  readonly #turn = new Mutex();
  /** No free cluster is below. */
  #hint = 0;
  /** The largest count. */
  readonly most: number;

  /** Clusters of the file, as it was opened and as far as it was allocated since. What lies beyond is nowhere. */
  end: number;

  private constructor(file: HostFile, header: Qcow2Header, table: Float64Array, end: number) {
    this.end = end;
    this.#file = file;
    this.#header = header;
    this.#table = table;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#perBlock = (this.#clusterSize * 8) >> header.refcountOrder;
    this.#blocks = new TableCache(file, this.#clusterSize, CACHED_BLOCKS);
    this.most = header.refcountOrder >= 6 ? 2 ** 53 : 2 ** (1 << header.refcountOrder) - 1;
  }

  static async open(file: HostFile, header: Qcow2Header): Promise<Refcounts> {
    const bytes = new Uint8Array(header.refcountClusters * 2 ** header.clusterBits);
    await file.read(header.refcountOffset, bytes);
    const view = viewOf(bytes);
    const table = new Float64Array(bytes.length / 8);
    for (let index = 0; index < table.length; index++) table[index] = getU64be(view, index * 8);
    return new Refcounts(file, header, table, Math.ceil((await file.size()) / 2 ** header.clusterBits));
  }

  async get(cluster: number): Promise<number> {
    const block = await this.#block(cluster);
    return block === undefined ? 0 : readRefcount(block.bytes, cluster % this.#perBlock, this.#header.refcountOrder);
  }

  async #block(cluster: number): Promise<CachedTable | undefined> {
    const offset = this.#table[Math.floor(cluster / this.#perBlock)] ?? 0;
    if (offset === 0) return undefined;
    if (offset % this.#clusterSize !== 0 || offset / this.#clusterSize >= this.end) throw damaged(this.#file, `a refcount block lies at ${offset}`);
    return this.#blocks.get(offset);
  }

  async #set(cluster: number, value: number): Promise<void> {
    const block = await this.#block(cluster);
    if (block === undefined) throw damaged(this.#file, `cluster ${cluster} has no refcount block`);
    const index = cluster % this.#perBlock;
    writeRefcount(block.bytes, index, this.#header.refcountOrder, value);
    this.#touch(block, index, 1);
  }

  /** Takes up to `count` free clusters in a row. */
  allocate(count: number): Promise<Allocation> {
    return this.#turn.run(async () => {
      for (;;) {
        const first = await this.#nextFree();
        const index = Math.floor(first / this.#perBlock);
        if (index >= this.#table.length) {
          await this.#growTable();
          continue;
        }
        const block = await this.#block(first);
        if (block === undefined) {
          this.#addBlock(index, first);
          continue;
        }
        const order = this.#header.refcountOrder;
        const start = first % this.#perBlock;
        let got = 0;
        while (got < count && start + got < this.#perBlock && readRefcount(block.bytes, start + got, order) === 0 && !this.#held.has(first + got)) {
          writeRefcount(block.bytes, start + got, order, 1);
          got++;
        }
        this.#touch(block, start, got);
        this.#hint = first + got;
        this.end = Math.max(this.end, first + got);
        return { cluster: first, count: got };
      }
    });
  }

  #touch(block: CachedTable, index: number, count: number): void {
    const order = this.#header.refcountOrder;
    const from = Math.floor((index << order) / 8);
    block.touch(from, Math.floor((((index + count) << order) - 1) / 8) + 1 - from);
  }

  async #nextFree(): Promise<number> {
    const order = this.#header.refcountOrder;
    for (let cluster = this.#hint; cluster < LARGEST_OFFSET / this.#clusterSize;) {
      const block = await this.#block(cluster);
      const end = (Math.floor(cluster / this.#perBlock) + 1) * this.#perBlock;
      for (; cluster < end; cluster++) {
        if (this.#held.has(cluster)) continue;
        if (block !== undefined && readRefcount(block.bytes, cluster % this.#perBlock, order) !== 0) continue;
        this.#hint = cluster;
        return cluster;
      }
    }
    throw new VmmError('host', `${this.#file.path}: no cluster is free`);
  }

  /** A new refcount block in the free cluster `at`, which it covers itself. */
  #addBlock(index: number, at: number): void {
    const offset = at * this.#clusterSize;
    const block = this.#blocks.add(offset, new Uint8Array(this.#clusterSize));
    writeRefcount(block.bytes, at % this.#perBlock, this.#header.refcountOrder, 1);
    block.touchAll();
    this.#table[index] = offset;
    this.end = Math.max(this.end, at + 1);
    this.#newEntries.add(index);
    this.#hint = at + 1;
  }

  /**
   * A larger refcount table, in clusters of the first range that has no block yet, behind the block for that range. It takes the old one's
   * place at once: everything is durable before the header names it.
   */
  async #growTable(): Promise<void> {
    const old = { offset: this.#header.refcountOffset, clusters: this.#header.refcountClusters };
    const clusters = Math.ceil(old.clusters * 1.5) + 1;
    const index = this.#table.length;
    const start = index * this.#perBlock;
    if (clusters + 1 > this.#perBlock)
      throw new VmmError('host', `${this.#file.path}: the image has reached the size its clusters allow; convert it to one with larger clusters`);
    const table = new Float64Array((clusters * this.#clusterSize) / 8);
    table.set(this.#table);
    table[index] = start * this.#clusterSize;

    const block = new Uint8Array(this.#clusterSize);
    for (let i = 0; i <= clusters; i++) writeRefcount(block, i, this.#header.refcountOrder, 1);
    const bytes = new Uint8Array(table.length * 8);
    const view = viewOf(bytes);
    table.forEach((offset, at) => setU64be(view, at * 8, offset));
    const offset = (start + 1) * this.#clusterSize;
    await this.#writeAll();
    await this.#file.write(start * this.#clusterSize, block);
    await this.#file.write(offset, bytes);
    await this.#file.flush();
    const fields = new Uint8Array(12);
    setU64be(viewOf(fields), 0, offset);
    viewOf(fields).setUint32(8, clusters);
    await this.#file.write(Field.refcountOffset, fields);
    await this.#file.flush();

    this.#table = table;
    this.end = start + clusters + 1;
    this.#blocks.add(start * this.#clusterSize, block);
    this.#newEntries.clear();
    Object.assign(this.#header, { refcountOffset: offset, refcountClusters: clusters });
    for (let i = 0; i < old.clusters; i++) await this.#set(old.offset / this.#clusterSize + i, 0);
    this.#hint = Math.min(this.#hint, old.offset / this.#clusterSize);
  }

  /** Blocks as they are now, also those that a commit has taken and not written yet: the new table names them all. */
  async #writeAll(): Promise<void> {
    for (const block of this.#blocks.unwritten) await this.#file.write(block.offset, block.bytes.slice());
  }

  /** One reference less, once what refers to the cluster is gone from the file. */
  freeLater(cluster: number): void {
    this.#freed.push(cluster);
    this.#held.add(cluster);
  }

  /** One reference more. */
  retain(cluster: number): Promise<void> {
    return this.#turn.run(async () => {
      const count = await this.get(cluster);
      if (count >= this.most)
        throw new VmmError('state', `${this.#file.path}: cluster ${cluster} is referred to more often than its refcount can say`);
      await this.#set(cluster, count + 1);
    });
  }

  /** Undoes an allocation nothing refers to yet. */
  release(cluster: number, count: number): Promise<void> {
    return this.#turn.run(async () => {
      for (let i = 0; i < count; i++) await this.#set(cluster + i, 0);
      this.#hint = Math.min(this.#hint, cluster);
    });
  }

  get hasFreed(): boolean {
    return this.#freed.length > 0;
  }

  /** The clusters that were freed so far, to be given to `settleFrees` when the mapping without them is durable. */
  takeFreed(): number[] {
    const freed = this.#freed;
    this.#freed = [];
    return freed;
  }

  putBackFreed(freed: readonly number[]): void {
    this.#freed.push(...freed);
  }

  /** Lowers the counts. Returns the clusters that nothing refers to now. */
  settleFrees(freed: readonly number[]): Promise<number[]> {
    return this.#turn.run(async () => {
      const unused: number[] = [];
      for (const cluster of freed) {
        const count = await this.get(cluster);
        if (count > 0) await this.#set(cluster, count - 1);
        if (count !== 1) continue;
        unused.push(cluster);
        this.#hint = Math.min(this.#hint, cluster);
      }
      for (const cluster of freed) this.#held.delete(cluster);
      return unused;
    });
  }

  get isDirty(): boolean {
    return this.#newEntries.size > 0 || this.#blocks.dirty.length > 0;
  }

  get isFull(): boolean {
    return this.#blocks.isFull;
  }

  /** Everything that changed, as it is now. */
  takeWrites(): RefcountWrites {
    const writes = { blocks: this.#blocks.dirty.flatMap((block) => block.take()), entries: [...this.#newEntries] };
    this.#newEntries.clear();
    return writes;
  }

  /** Writes blocks, then the table's entries for new ones. A flush has to follow. */
  async write(writes: RefcountWrites): Promise<void> {
    try {
      await writeTables(this.#file, writes.blocks);
      if (writes.entries.length > 0) await this.#file.flush();
      const entry = new Uint8Array(8);
      for (const index of writes.entries) {
        setU64be(viewOf(entry), 0, this.#table[index]!);
        await this.#file.write(this.#header.refcountOffset + index * 8, entry.slice());
      }
    } catch (error) {
      for (const index of writes.entries) this.#newEntries.add(index);
      throw error;
    }
  }

  /** What was written counts as changed again: the host may have lost it. */
  retouch(writes: RefcountWrites): void {
    for (const { table, at, bytes } of writes.blocks) table.touch(at, bytes.length);
    for (const index of writes.entries) this.#newEntries.add(index);
  }

  async writeNow(): Promise<void> {
    if (this.isDirty) await this.write(this.takeWrites());
  }
}

export interface RefcountWrites {
  readonly blocks: readonly TableWrite[];
  readonly entries: readonly number[];
}
