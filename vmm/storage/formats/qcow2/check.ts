import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import { found, newReport, type CheckReport, type RepairMode } from '../../check-report.ts';
import { getU64be, roundUp, setU64be, viewOf } from '../bytes.ts';
import { Extension, Field, Incompatible, readHeader, type Qcow2Header } from './header.ts';
import { readRefcount, writeRefcount } from './refcounts.ts';
import { readSnapshots } from './snapshots.ts';

const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
const AUTOCLEAR_BITMAPS = 1;
/** Clusters of a file that is checked: 4 bytes of memory each. */
const MOST_CLUSTERS = 2 ** 28;

/** Checks a qcow2 image by counting every reference to every cluster, and repairs it if asked to. The image must not be in use. */
export async function checkQcow2(
  file: HostFile,
  repair: RepairMode = 'none',
  onProgress: (fraction: number) => void = () => undefined,
): Promise<CheckReport> {
  const header = await readHeader(file);
  const check = new Qcow2Check(file, header, await file.size(), onProgress);
  const report = await check.run(repair === 'all');
  if (repair === 'none') return report;
  const damagedFlags = (header.incompatible & (Incompatible.CORRUPT | Incompatible.DIRTY)) !== 0;
  if (repair === 'all' && (report.errorCount > 0 || damagedFlags)) await check.rebuild();
  else if (report.leaked > 0) await check.dropLeaks();
  return report;
}

interface TableReference {
  readonly what: string;
  readonly offset: number;
  readonly size: number;
  /** The table in use, whose entries carry meaningful COPIED flags. */
  readonly active: boolean;
}

class Qcow2Check {
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #clusterSize: number;
  readonly #clusters: number;
  readonly #report = newReport();
  /** References found, by cluster of the file. */
  readonly #wanted: Uint32Array;
  /** Counts the file has. */
  #present: Uint32Array;
  readonly #onProgress: (fraction: number) => void;
  readonly #copiedFixes: { at: number; high: number }[] = [];
  readonly #entrySize: number;

  constructor(file: HostFile, header: Qcow2Header, fileSize: number, onProgress: (fraction: number) => void) {
    this.#file = file;
    this.#header = header;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#clusters = Math.ceil(fileSize / this.#clusterSize);
    if (this.#clusters > MOST_CLUSTERS) throw new VmmError('unsupported', `${file.path} has too many clusters to be checked (${this.#clusters})`);
    this.#wanted = new Uint32Array(this.#clusters);
    this.#present = new Uint32Array(this.#clusters);
    this.#onProgress = onProgress;
    this.#entrySize = (header.incompatible & Incompatible.EXTENDED_L2) !== 0 ? 16 : 8;
  }

  async run(repair: boolean): Promise<CheckReport> {
    const header = this.#header;
    this.#count(0, this.#clusterSize, 'the header');
    await this.#countRefcounts();
    this.#count(header.l1Offset, header.l1Size * 8, 'the L1 table');
    const tables: TableReference[] = [{ what: 'the L1 table', offset: header.l1Offset, size: header.l1Size, active: true }];
    if (header.snapshotCount > 0) {
      const snapshots = await readSnapshots(this.#file, header);
      this.#count(header.snapshotOffset, await this.#snapshotTableBytes(), 'the snapshot table');
      for (const snapshot of snapshots) {
        const what = `the L1 table of snapshot "${snapshot.name}"`;
        this.#count(snapshot.offset, snapshot.size * 8, what);
        tables.push({ what, offset: snapshot.offset, size: snapshot.size, active: false });
      }
    }
    if ((header.autoclear & AUTOCLEAR_BITMAPS) !== 0) await this.#countBitmaps();
    for (const [index, table] of tables.entries()) await this.#countTable(table, (fraction) => this.#onProgress((index + fraction) / tables.length));
    this.#compare();
    for (const table of tables.filter((one) => one.active)) await this.#checkCopied(table, repair);
    return this.#report;
  }

  /** One reference to each cluster of [offset, offset + length). False: it is not all in the file. */
  #count(offset: number, length: number, what: string, aligned = true): boolean {
    if (aligned && offset % this.#clusterSize !== 0) {
      found(this.#report, `${what} is not aligned to a cluster (${offset})`);
      return false;
    }
    const [first, last] = [Math.floor(offset / this.#clusterSize), Math.floor((offset + Math.max(1, length) - 1) / this.#clusterSize)];
    if (last >= this.#clusters) {
      found(this.#report, `${what} lies beyond the end of the file (${offset})`);
      return false;
    }
    for (let cluster = first; cluster <= last; cluster++) this.#wanted[cluster]!++;
    return true;
  }

  async #countRefcounts(): Promise<void> {
    const { refcountOffset, refcountClusters, refcountOrder } = this.#header;
    if (!this.#count(refcountOffset, refcountClusters * this.#clusterSize, 'the refcount table')) return;
    const table = await this.#read(refcountOffset, refcountClusters * this.#clusterSize);
    const view = viewOf(table);
    const perBlock = (this.#clusterSize * 8) >> refcountOrder;
    for (let index = 0; index * 8 < table.length; index++) {
      const offset = getU64be(view, index * 8);
      if (offset === 0 || !this.#count(offset, this.#clusterSize, `refcount block ${index}`)) continue;
      const block = await this.#read(offset, this.#clusterSize);
      for (let i = 0; i < perBlock; i++) {
        const count = readRefcount(block, i, refcountOrder);
        const cluster = index * perBlock + i;
        if (cluster < this.#clusters) this.#present[cluster] = Math.min(count, 0xffff_ffff);
        else if (count > 0) this.#report.leaked += this.#clusterSize;
      }
    }
  }

  async #snapshotTableBytes(): Promise<number> {
    const head = new Uint8Array(40);
    let at = 0;
    for (let index = 0; index < this.#header.snapshotCount; index++) {
      await this.#file.read(this.#header.snapshotOffset + at, head);
      const view = viewOf(head);
      at = (at + 40 + view.getUint32(36) + view.getUint16(12) + view.getUint16(14) + 7) & ~7;
    }
    return at;
  }

  async #countTable(table: TableReference, onProgress: (fraction: number) => void): Promise<void> {
    const l1 = viewOf(await this.#read(table.offset, table.size * 8));
    const perTable = this.#clusterSize / this.#entrySize;
    for (let index = 0; index < table.size; index++) {
      const offset = offsetOf(l1, index * 8);
      if (index % 16 === 0) onProgress(index / table.size);
      if (offset === 0 || !this.#count(offset, this.#clusterSize, `L2 table ${index} of ${table.what}`)) continue;
      const l2 = viewOf(await this.#read(offset, this.#clusterSize));
      for (let i = 0; i < perTable; i++) this.#countEntry(l2, i * this.#entrySize, index * perTable + i, table.active);
    }
  }

  #countEntry(l2: DataView, at: number, guest: number, active: boolean): void {
    const [high, low] = [l2.getUint32(at), l2.getUint32(at + 4)];
    const what = `guest cluster ${guest}`;
    if ((high & COMPRESSED) !== 0) {
      const entry = l2.getBigUint64(at);
      const bits = BigInt(62 - (this.#header.clusterBits - 8));
      const host = Number(entry & ((1n << bits) - 1n));
      const sectors = Number((entry >> bits) & ((1n << (62n - bits)) - 1n)) + 1;
      if ((high & COPIED) !== 0) found(this.#report, `${what} is compressed and says it is owned`);
      // Compressed data end anywhere in their last sector; that sector need not all be in the file.
      if (this.#count(host, sectors * 512 - (host % 512), what, false) && active) this.#report.allocated += this.#clusterSize;
      return;
    }
    const host = (high & OFFSET_HIGH) * 2 ** 32 + ((low & 0xffff_fe00) >>> 0);
    if (host === 0 || (this.#header.incompatible & Incompatible.DATA_FILE) !== 0) return;
    if (host % this.#clusterSize !== 0) {
      found(this.#report, `${what} is not aligned to a cluster (${host})`);
      return;
    }
    // A cluster may be mapped before it was written: the file is then shorter, and it reads as zeros.
    if (host / this.#clusterSize >= this.#clusters) {
      found(this.#report, `${what} lies beyond the end of the file (${host})`);
      return;
    }
    this.#wanted[host / this.#clusterSize]!++;
    if (active) this.#report.allocated += this.#clusterSize;
  }

  /** Section "Bitmaps": the directory, each bitmap's table, and the clusters it names. */
  async #countBitmaps(): Promise<void> {
    const head = await this.#read(0, Math.min(this.#clusterSize, 65536));
    const view = viewOf(head);
    for (let at = view.getUint32(100); at + 8 <= head.length;) {
      const [type, length] = [view.getUint32(at), view.getUint32(at + 4)];
      if (type === Extension.END) return;
      if (type === Extension.BITMAPS && length >= 24) {
        const [size, offset] = [getU64be(view, at + 16), getU64be(view, at + 24)];
        if (size < 1 << 20 && this.#count(offset, size, 'the bitmap directory')) await this.#countBitmapDirectory(await this.#read(offset, size));
      }
      at += 8 + ((length + 7) & ~7);
    }
  }

  async #countBitmapDirectory(directory: Uint8Array): Promise<void> {
    const view = viewOf(directory);
    for (let at = 0; at + 24 <= directory.length;) {
      const [offset, entries] = [getU64be(view, at), view.getUint32(at + 8)];
      if (entries < 1 << 22 && this.#count(offset, entries * 8, 'a bitmap table')) {
        const table = viewOf(await this.#read(offset, entries * 8));
        for (let i = 0; i < entries; i++) {
          const cluster = offsetOf(table, i * 8);
          if (cluster !== 0) this.#count(cluster, this.#clusterSize, 'a bitmap cluster');
        }
      }
      at += (24 + view.getUint16(at + 18) + view.getUint32(at + 20) + 7) & ~7;
    }
  }

  #compare(): void {
    for (let cluster = 0; cluster < this.#clusters; cluster++) {
      const [wanted, present] = [this.#wanted[cluster]!, this.#present[cluster]!];
      if (present > wanted) this.#report.leaked += wanted === 0 ? this.#clusterSize : 0;
      if (present < wanted) found(this.#report, `cluster ${cluster} of the file is used ${wanted} times, but counted ${present} times`);
      else if (present > wanted && wanted > 0) this.#report.leaked += 1;
    }
  }

  /** COPIED has to say whether the refcount is one: a cluster that two tables share would be overwritten in place. */
  async #checkCopied(table: TableReference, collect: boolean): Promise<void> {
    const l1 = viewOf(await this.#read(table.offset, table.size * 8));
    const perTable = this.#clusterSize / this.#entrySize;
    const look = (view: DataView, at: number, place: number, what: string) => {
      const high = view.getUint32(at);
      const host = offsetOf(view, at);
      if (host === 0 || (high & COMPRESSED) !== 0 || host / this.#clusterSize >= this.#clusters) return false;
      const single = this.#wanted[host / this.#clusterSize] === 1;
      if (((high & COPIED) !== 0) === single) return true;
      if (!single) found(this.#report, `${what} is shared and says it is owned`);
      if (collect) this.#copiedFixes.push({ at: place, high: single ? (high | COPIED) >>> 0 : (high & ~COPIED) >>> 0 });
      return true;
    };
    for (let index = 0; index < table.size; index++) {
      if (!look(l1, index * 8, table.offset + index * 8, `L2 table ${index}`)) continue;
      const offset = offsetOf(l1, index * 8);
      if ((this.#header.incompatible & Incompatible.DATA_FILE) !== 0) continue;
      const l2 = viewOf(await this.#read(offset, this.#clusterSize));
      for (let i = 0; i < perTable; i++) look(l2, i * this.#entrySize, offset + i * this.#entrySize, `guest cluster ${index * perTable + i}`);
    }
  }

  /** Lowers counts that are too high, in place. */
  async dropLeaks(): Promise<void> {
    const { refcountOffset, refcountClusters, refcountOrder } = this.#header;
    const table = viewOf(await this.#read(refcountOffset, refcountClusters * this.#clusterSize));
    const perBlock = (this.#clusterSize * 8) >> refcountOrder;
    for (let index = 0; index * 8 < table.byteLength; index++) {
      const offset = getU64be(table, index * 8);
      if (offset === 0 || offset / this.#clusterSize >= this.#clusters) continue;
      const block = await this.#read(offset, this.#clusterSize);
      let changed = false;
      for (let i = 0; i < perBlock; i++) {
        const wanted = this.#wanted[index * perBlock + i] ?? 0;
        if (readRefcount(block, i, refcountOrder) <= wanted) continue;
        writeRefcount(block, i, refcountOrder, wanted);
        changed = true;
      }
      if (changed) await this.#file.write(offset, block);
    }
    await this.#file.flush();
    this.#report.repaired.push(`${this.#report.leaked} bytes that nothing uses were given back`);
    this.#report.leaked = 0;
  }

  /** A new refcount structure behind the present end of the file, made of what was counted; then the header points to it. */
  async rebuild(): Promise<void> {
    const { refcountOrder } = this.#header;
    const perBlock = (this.#clusterSize * 8) >> refcountOrder;
    const most = refcountOrder >= 5 ? 0xffff_ffff : 2 ** (1 << refcountOrder) - 1;
    const old = { offset: this.#header.refcountOffset, clusters: this.#header.refcountClusters };
    await this.#forgetOldRefcounts(old);

    const start = this.#clusters;
    let [blocks, tableClusters] = [0, 0];
    for (;;) {
      const total = start + blocks + tableClusters;
      const needed = Math.ceil(total / perBlock);
      const table = Math.ceil((needed * 8) / this.#clusterSize);
      if (needed === blocks && table === tableClusters) break;
      [blocks, tableClusters] = [needed, table];
    }
    const total = start + blocks + tableClusters;
    const table = new Uint8Array(tableClusters * this.#clusterSize);
    for (let index = 0; index < blocks; index++) {
      const block = new Uint8Array(this.#clusterSize);
      for (let i = 0; i < perBlock && index * perBlock + i < total; i++) {
        const cluster = index * perBlock + i;
        writeRefcount(block, i, refcountOrder, Math.min(most, cluster < start ? this.#wanted[cluster]! : 1));
      }
      const offset = (start + tableClusters + index) * this.#clusterSize;
      setU64be(viewOf(table), index * 8, offset);
      await this.#file.write(offset, block);
    }
    await this.#file.write(start * this.#clusterSize, table);
    for (const { at, high } of this.#copiedFixes) {
      const word = new Uint8Array(4);
      viewOf(word).setUint32(0, high);
      await this.#file.write(at, word);
    }
    await this.#file.flush();
    const fields = new Uint8Array(12);
    setU64be(viewOf(fields), 0, start * this.#clusterSize);
    viewOf(fields).setUint32(8, tableClusters);
    await this.#file.write(Field.refcountOffset, fields);
    await this.#clearFlags();
    await this.#file.flush();
    this.#report.repaired.push(`the reference counts of ${this.#clusters} clusters were made anew`);
    this.#report.leaked = 0;
  }

  /** The old table and blocks are free in the new structure. */
  async #forgetOldRefcounts(old: { offset: number; clusters: number }): Promise<void> {
    const table = viewOf(await this.#read(old.offset, old.clusters * this.#clusterSize));
    const drop = (offset: number) => {
      const cluster = offset / this.#clusterSize;
      if (Number.isInteger(cluster) && cluster < this.#clusters && this.#wanted[cluster]! > 0) this.#wanted[cluster]!--;
    };
    for (let i = 0; i < old.clusters; i++) drop(old.offset + i * this.#clusterSize);
    for (let at = 0; at < table.byteLength; at += 8) if (getU64be(table, at) !== 0) drop(getU64be(table, at));
  }

  async #clearFlags(): Promise<void> {
    if (this.#header.version === 2) return;
    const flags = new Uint8Array(8);
    viewOf(flags).setUint32(4, this.#header.incompatible & ~(Incompatible.DIRTY | Incompatible.CORRUPT));
    await this.#file.write(Field.incompatible, flags);
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(roundUp(length, 8));
    await this.#file.read(offset, bytes);
    return bytes;
  }
}

/** The offset part of an L1 or uncompressed L2 entry. */
function offsetOf(view: DataView, at: number): number {
  return (view.getUint32(at) & OFFSET_HIGH) * 2 ** 32 + ((view.getUint32(at + 4) & 0xffff_fe00) >>> 0);
}
