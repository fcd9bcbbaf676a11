import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import type { Extent } from '../../node.ts';
import type { CachedTable } from '../table-cache.ts';
import { Mutex, RangeLock } from '../../range-lock.ts';
import { roundUp } from '../bytes.ts';
import { damaged, type FormatHost, type FormatOptions, type ImageNode, type ParentReference } from '../format.ts';
import { Compression, Field, Incompatible, readHeader, type Qcow2Header } from './header.ts';
import { Mapping, SUBCLUSTERS, type Entry } from './mapping.ts';
import { Refcounts } from './refcounts.ts';
import { readSnapshots, type Qcow2Snapshot } from './snapshots.ts';

export interface Qcow2Options extends FormatOptions {
  /** Shows an internal snapshot, by id or name, instead of the present contents; read-only. */
  readonly snapshot?: string;
}

/** Decompressed clusters kept: neighbours of a read are read next. */
const CACHED_CLUSTERS = 8;

/** A run of bytes that are mapped alike. */
interface Run {
  readonly kind: 'data' | 'zero' | 'absent' | 'compressed';
  readonly length: number;
  /** Where data lie in the data file. */
  readonly host: number;
  readonly entry?: Entry;
}

const ALL = 0xffff_ffff;

/**
 * A qcow2 image, version 2 or 3. Data go to the file at once, metadata stay in memory until a flush, which writes in an order that leaves a usable
 * image at any point: data and refcounts, then L2 tables, then the L1 table, then what became free.
 */
export class Qcow2Node implements ImageNode {
  readonly format = 'qcow2';
  readonly name: string;
  readonly readOnly: boolean;
  readonly header: Qcow2Header;
  readonly refcounts: Refcounts;
  readonly mapping: Mapping;
  readonly snapshots: readonly Qcow2Snapshot[];
  readonly parent: ParentReference | undefined;
  readonly clusterSize: number;
  readonly size: number;
  readonly #file: HostFile;
  readonly #data: HostFile;
  readonly #host: FormatHost;
  readonly #lock = new RangeLock();
  readonly #commits = new Mutex();
  #nextFlush: Promise<void> | undefined;
  readonly #decompressed = new Map<number, Uint8Array>();
  /** Nothing was ever written to the data file from here on: it reads as zeros. */
  #dataEnd: number;

  private constructor(parts: {
    file: HostFile;
    data: HostFile;
    host: FormatHost;
    header: Qcow2Header;
    refcounts: Refcounts;
    mapping: Mapping;
    snapshots: readonly Qcow2Snapshot[];
    size: number;
    readOnly: boolean;
    dataEnd: number;
  }) {
    const { file, header } = parts;
    this.name = file.path;
    this.#file = file;
    this.#data = parts.data;
    this.#host = parts.host;
    this.header = header;
    this.refcounts = parts.refcounts;
    this.mapping = parts.mapping;
    this.snapshots = parts.snapshots;
    this.readOnly = parts.readOnly;
    this.clusterSize = 2 ** header.clusterBits;
    this.size = roundUp(parts.size, 512);
    this.#dataEnd = parts.dataEnd;
    if (header.backingFile !== undefined) {
      this.parent = { paths: [header.backingFile], format: formatNames[header.backingFormat ?? ''], recorded: header.base?.text };
    }
  }

  static async open(file: HostFile, host: FormatHost, options: Qcow2Options): Promise<Qcow2Node> {
    const header = await readHeader(file);
    const writable = !options.readOnly && options.snapshot === undefined;
    if (writable && (header.incompatible & Incompatible.CORRUPT) !== 0) {
      throw new VmmError('invalid', `${file.path} is marked as corrupt; repair it with "strate img repair", or open it read-only`, {
        path: file.path,
      });
    }
    if (writable && (header.incompatible & Incompatible.DIRTY) !== 0) {
      throw new VmmError(
        'invalid',
        `${file.path} was not closed (its refcounts are out of date); run "strate img repair" first, or open it read-only`,
        {
          path: file.path,
          repair: true,
        },
      );
    }
    let data = file;
    if ((header.incompatible & Incompatible.DATA_FILE) !== 0) {
      if (header.dataFile === undefined) throw damaged(file, 'the name of the external data file is missing');
      data = await host.open(header.dataFile, !writable);
    }
    try {
      const snapshots = await readSnapshots(file, header);
      const snapshot = snapshots.find((one) => one.id === options.snapshot) ?? snapshots.find((one) => one.name === options.snapshot);
      if (options.snapshot !== undefined && snapshot === undefined)
        throw new VmmError('not-found', `${file.path} has no snapshot "${options.snapshot}"`);
      const refcounts = await Refcounts.open(file, header);
      const mapping = await Mapping.open(file, header, refcounts, snapshot ?? { offset: header.l1Offset, size: header.l1Size });
      // Features that do not survive changes by a program that does not know them (bitmaps) are switched off before the first change.
      if (writable && header.autoclear !== 0) {
        await file.write(Field.autoclear, new Uint8Array(8));
        header.autoclear = 0;
      }
      const dataEnd = roundUp(await data.size(), 2 ** header.clusterBits);
      return new Qcow2Node({
        file,
        data,
        host,
        header,
        refcounts,
        mapping,
        snapshots,
        size: snapshot?.diskSize ?? header.size,
        readOnly: !writable,
        dataEnd,
      });
    } catch (error) {
      if (data !== file) await data.close();
      throw error;
    }
  }

  /** For changes of the image as a whole. */
  get file(): HostFile {
    return this.#file;
  }

  get granularity(): number {
    return this.mapping.unit;
  }

  // Reading

  /** The longest run from `offset` within one L2 table that is mapped alike. */
  async #map(offset: number, length: number): Promise<Run> {
    const table = await this.mapping.table(Math.floor(offset / this.clusterSize));
    return this.#mapIn(table, offset, length);
  }

  /** The same at once, where the table is in memory. */
  #mapNow(offset: number, length: number): Run | undefined {
    const table = this.mapping.tableNow(Math.floor(offset / this.clusterSize));
    return table === undefined ? undefined : this.#mapIn(table === 'none' ? undefined : table, offset, length);
  }

  #mapIn(table: CachedTable | undefined, offset: number, length: number): Run {
    const { clusterSize, mapping } = this;
    const cluster = Math.floor(offset / clusterSize);
    const tableEnd = (Math.floor(cluster / mapping.perTable) + 1) * mapping.perTable * clusterSize;
    if (table === undefined) return { kind: 'absent', length: Math.min(length, tableEnd - offset), host: 0 };
    const end = Math.min(offset + length, tableEnd);
    const first = this.#unit(mapping.entryIn(table, cluster), offset);
    let at = Math.min(end, this.#unitEnd(offset, first));
    while (at < end) {
      const next = this.#unit(mapping.entryIn(table, Math.floor(at / clusterSize)), at);
      if (next.kind !== first.kind || next.kind === 'compressed' || (next.kind === 'data' && next.host !== first.host + at - offset)) break;
      at = Math.min(end, this.#unitEnd(at, next));
    }
    return { ...first, length: at - offset };
  }

  /** How a single byte is mapped. */
  #unit(entry: Entry, offset: number): Omit<Run, 'length'> {
    const within = offset % this.clusterSize;
    if (entry.kind === 'compressed') return { kind: 'compressed', host: entry.host, entry };
    const bit = this.mapping.extended ? 2 ** Math.floor(within / this.mapping.unit) : 1;
    if ((entry.zeros & bit) >>> 0 !== 0) return { kind: 'zero', host: 0 };
    if (entry.kind === 'none' || (entry.allocated & bit) >>> 0 === 0) return { kind: 'absent', host: 0 };
    return { kind: 'data', host: entry.host + within };
  }

  #unitEnd(offset: number, run: Omit<Run, 'length'>): number {
    const unit = run.kind === 'compressed' ? this.clusterSize : this.mapping.unit;
    return offset - (offset % unit) + unit;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#lock.run(offset, into.length, true, () => {
      const run = this.#mapNow(offset, into.length);
      return run?.kind === 'data' && run.length === into.length ? this.#data.read(run.host, into) : this.#read(offset, into);
    });
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length;) {
      const run = this.#mapNow(offset + at, into.length - at) ?? (await this.#map(offset + at, into.length - at));
      const part = at === 0 && run.length === into.length ? into : into.subarray(at, at + run.length);
      if (run.kind === 'data') await this.#data.read(run.host, part);
      else if (run.kind === 'compressed') {
        const cluster = await this.#decompress(Math.floor((offset + at) / this.clusterSize), run.entry);
        const within = (offset + at) % this.clusterSize;
        part.set(cluster.subarray(within, within + part.length));
      } else part.fill(0);
      at += run.length;
    }
  }

  async readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    const length = into.reduce((sum, piece) => sum + piece.length, 0);
    return this.#lock.run(offset, length, true, async () => {
      const run = this.#mapNow(offset, length) ?? (await this.#map(offset, length));
      if (run.kind === 'data' && run.length === length && this.#data.readv !== undefined) return this.#data.readv(run.host, into);
      let at = offset;
      for (const piece of into) {
        await this.#read(at, piece);
        at += piece.length;
      }
    });
  }

  async #decompress(cluster: number, entry: Entry | undefined): Promise<Uint8Array> {
    const known = this.#decompressed.get(cluster);
    if (known !== undefined) return known;
    if (entry?.kind !== 'compressed') throw new VmmError('internal', 'not a compressed cluster');
    const packed = new Uint8Array(Math.min(entry.length, this.clusterSize * 2));
    await this.#file.read(entry.host, packed);
    const { codecs } = this.#host;
    let plain: Uint8Array;
    try {
      plain = this.header.compression === Compression.ZSTD ? codecs.unzstd(packed, this.clusterSize) : codecs.inflateRaw(packed, this.clusterSize);
    } catch (cause) {
      throw new VmmError(
        'invalid',
        `${this.name}: the compressed data of cluster ${cluster} are damaged; try "strate img check"`,
        { path: this.name },
        cause,
      );
    }
    if (plain.length < this.clusterSize) {
      const whole = new Uint8Array(this.clusterSize);
      whole.set(plain);
      plain = whole;
    }
    this.#decompressed.set(cluster, plain);
    if (this.#decompressed.size > CACHED_CLUSTERS) this.#decompressed.delete(this.#decompressed.keys().next().value!);
    return plain;
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const kindOf = (run: Run) => (run.kind === 'compressed' ? 'data' : run.kind);
    const first = await this.#map(offset, length);
    let at = first.length;
    while (at < length) {
      const next = await this.#map(offset + at, length - at);
      if (kindOf(next) !== kindOf(first)) break;
      at += next.length;
    }
    return { offset, length: at, kind: kindOf(first) };
  }

  // Writing

  async write(offset: number, from: Uint8Array): Promise<void> {
    return this.writev(offset, [from]);
  }

  async writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
    const length = from.reduce((sum, piece) => sum + piece.length, 0);
    if (length === 0) return;
    const start = offset - (offset % this.clusterSize);
    const span = roundUp(offset + length, this.clusterSize) - start;
    if (await this.#lock.run(start, span, true, () => this.#overwrite(offset, length, from))) return;
    const whole = from.length === 1 ? from[0]! : join(from, length);
    await this.#lock.run(start, span, false, () => this.#writeAllocating(offset, whole));
    if (this.mapping.isFull || this.refcounts.isFull) await this.flush();
  }

  /** Writes in place if all of the range belongs to this image alone. */
  async #overwrite(offset: number, length: number, from: readonly Uint8Array[]): Promise<boolean> {
    const runs: { readonly host: number; readonly at: number; readonly length: number }[] = [];
    for (let at = 0; at < length;) {
      const run = this.#mapNow(offset + at, length - at) ?? (await this.#map(offset + at, length - at));
      if (run.kind !== 'data' || !(await this.#ownsAll(offset + at, run.length))) return false;
      runs.push({ host: run.host, at, length: run.length });
      at += run.length;
    }
    if (runs.length === 1 && from.length > 1 && this.#data.writev !== undefined) {
      await this.#data.writev(runs[0]!.host, from);
      return true;
    }
    const whole = from.length === 1 ? from[0]! : join(from, length);
    for (const run of runs) await this.#data.write(run.host, whole.subarray(run.at, run.at + run.length));
    return true;
  }

  async #ownsAll(offset: number, length: number): Promise<boolean> {
    const first = Math.floor(offset / this.clusterSize);
    const now = this.mapping.tableNow(first);
    const table = now === undefined ? await this.mapping.table(first) : now === 'none' ? undefined : now;
    if (table === undefined) return false;
    for (let at = offset - (offset % this.clusterSize); at < offset + length; at += this.clusterSize) {
      const entry = this.mapping.entryIn(table, at / this.clusterSize);
      if (entry.kind !== 'normal' || !entry.owned) return false;
    }
    return true;
  }

  async #entry(cluster: number): Promise<Entry> {
    const table = await this.mapping.table(cluster);
    return table === undefined ? { kind: 'none', zeros: 0 } : this.mapping.entryIn(table, cluster);
  }

  async #writeAllocating(offset: number, from: Uint8Array): Promise<void> {
    const { clusterSize } = this;
    const end = offset + from.length;
    for (let at = offset; at < end;) {
      const cluster = Math.floor(at / clusterSize);
      const entry = await this.#entry(cluster);
      if (entry.kind === 'normal' && entry.owned && (entry.allocated !== 0 || this.mapping.extended)) {
        const partEnd = Math.min(end, (cluster + 1) * clusterSize);
        await this.#writeOwned(cluster, entry, at, from.subarray(at - offset, partEnd - offset));
        at = partEnd;
        continue;
      }
      // A run of clusters that need a place: one allocation, and one write for those that are written as a whole.
      let last = cluster;
      while ((last + 1) * clusterSize < end && last - cluster < MOST_AT_ONCE) {
        const next = await this.#entry(last + 1);
        if (next.kind === 'normal' && next.owned && (next.allocated !== 0 || this.mapping.extended)) break;
        last++;
      }
      const partEnd = Math.min(end, (last + 1) * clusterSize);
      at += await this.#writeNew(cluster, last - cluster + 1, at, from.subarray(at - offset, partEnd - offset));
    }
  }

  /** Writes into a cluster that has its place; subclusters that had no data before are filled up with zeros. */
  async #writeOwned(cluster: number, entry: Entry & { kind: 'normal' }, offset: number, from: Uint8Array): Promise<void> {
    const within = offset % this.clusterSize;
    if (entry.allocated === ALL) return this.#writeData(entry.host + within, from);
    const { unit } = this.mapping;
    const [first, last] = [Math.floor(within / unit), Math.floor((within + from.length - 1) / unit)];
    const holds = (index: number) => ((entry.allocated >>> index) & 1) !== 0;
    const start = holds(first) ? within : first * unit;
    const end = holds(last) ? within + from.length : (last + 1) * unit;
    const padded = new Uint8Array(end - start);
    padded.set(from, within - start);
    await this.#writeData(entry.host + start, padded);
    const bits = bitRange(first, last);
    await this.mapping.set(cluster, entry.host, (entry.allocated | bits) >>> 0, (entry.zeros & ~bits) >>> 0);
  }

  /** Gives up to `count` clusters a new place and writes `from`, which starts in the first and covers them. Returns how many bytes it wrote. */
  async #writeNew(cluster: number, count: number, offset: number, from: Uint8Array): Promise<number> {
    const { clusterSize } = this;
    const place = await this.#allocate(cluster, count);
    const host = place.cluster * clusterSize;
    const length = Math.min(from.length, (cluster + place.count) * clusterSize - offset);
    const head = offset - cluster * clusterSize;
    const entries: Entry[] = [];
    for (let i = 0; i < place.count; i++) entries.push(await this.#entry(cluster + i));
    try {
      const wholeStart = head === 0 ? 0 : clusterSize;
      const wholeEnd = head + length - ((head + length) % clusterSize);
      if (head > 0) await this.#writePartial(cluster, entries[0]!, host, head, from.subarray(0, Math.min(length, clusterSize - head)));
      if (wholeEnd > wholeStart) await this.#writeData(host + wholeStart, from.subarray(wholeStart - head, wholeEnd - head));
      const tail = head + length - wholeEnd;
      if (tail > 0 && (wholeEnd > 0 || head === 0)) {
        const index = wholeEnd / clusterSize;
        await this.#writePartial(cluster + index, entries[index]!, host + wholeEnd, 0, from.subarray(length - tail, length));
      }
    } catch (error) {
      if (this.#data === this.#file) await this.refcounts.release(place.cluster, place.count);
      throw error;
    }
    for (let i = 0; i < place.count; i++) {
      const [from_, to] = [Math.max(0, head - i * clusterSize), Math.min(clusterSize, head + length - i * clusterSize)];
      await this.#remap(cluster + i, entries[i]!, host + i * clusterSize, from_, to);
    }
    return length;
  }

  /** With an external data file every cluster has the place its guest address says. */
  #allocate(cluster: number, count: number): Promise<{ readonly cluster: number; readonly count: number }> {
    return this.#data === this.#file ? this.refcounts.allocate(count) : Promise.resolve({ cluster, count });
  }

  /** A cluster that is written in part: with what it held before, or zeros. */
  async #writePartial(cluster: number, old: Entry, host: number, within: number, from: Uint8Array): Promise<void> {
    const holdsNothing = old.kind === 'none' || (old.kind === 'normal' && old.allocated === 0);
    // Where the file was never written it reads as zeros already.
    if (holdsNothing && host >= this.#dataEnd) return this.#writeData(host + within, from, host + this.clusterSize);
    const whole = new Uint8Array(this.clusterSize);
    if (!holdsNothing) await this.#read(cluster * this.clusterSize, whole);
    whole.set(from, within);
    await this.#writeData(host, whole);
  }

  async #writeData(host: number, from: Uint8Array, end = host + from.length): Promise<void> {
    this.#dataEnd = Math.max(this.#dataEnd, end); // before: a write that fails may have written a part
    await this.#data.write(host, from);
  }

  /** Maps a cluster to its new place, of which bytes [from, to) are new, and lets go of the old one. */
  async #remap(cluster: number, old: Entry, host: number, from: number, to: number): Promise<void> {
    if (!this.mapping.extended) await this.mapping.set(cluster, host);
    else {
      const bits = bitRange(Math.floor(from / this.mapping.unit), Math.floor((to - 1) / this.mapping.unit));
      const before = old.kind === 'compressed' ? ALL : old.kind === 'normal' ? old.allocated : 0;
      const zeros = old.kind === 'compressed' ? 0 : old.zeros;
      await this.mapping.set(cluster, host, (before | bits) >>> 0, (zeros & ~bits) >>> 0);
    }
    this.#decompressed.delete(cluster);
    this.#release(old);
  }

  #release(old: Entry): void {
    if (old.kind === 'none' || this.#data !== this.#file) return;
    const first = Math.floor(old.host / this.clusterSize);
    const last = old.kind === 'normal' ? first : Math.floor((old.host + old.length - 1) / this.clusterSize);
    for (let cluster = first; cluster <= last; cluster++) this.refcounts.freeLater(cluster);
  }

  /** Writes a whole cluster that is not mapped yet, compressed if that saves something: for images that are made once. */
  async writeCompressed(offset: number, from: Uint8Array): Promise<void> {
    const { codecs } = this.#host;
    const packed = this.header.compression === Compression.ZSTD ? codecs.zstd(from) : codecs.deflateRaw(from);
    if (packed.length >= this.clusterSize || this.#data !== this.#file) return this.write(offset, from);
    const cluster = offset / this.clusterSize;
    await this.#lock.run(offset, this.clusterSize, false, async () => {
      const host = await this.#placeCompressed(packed.length);
      await this.#file.write(host, packed);
      this.#dataEnd = Math.max(this.#dataEnd, roundUp(host + packed.length, this.clusterSize));
      await this.mapping.setCompressed(cluster, host, packed.length);
    });
  }
  /** Where the next compressed data go: they share clusters. */
  #packedAt = 0;

  async #placeCompressed(length: number): Promise<number> {
    const room = roundUp(this.#packedAt, this.clusterSize) - this.#packedAt;
    let host = this.#packedAt;
    if (room >= length) await this.refcounts.retain(Math.floor(host / this.clusterSize));
    else host = (await this.refcounts.allocate(1)).cluster * this.clusterSize;
    this.#packedAt = host + length;
    return host;
  }

  // Zeros and discards

  async zero(offset: number, length: number): Promise<void> {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
    return this.#clear(offset, length, true);
  }

  async discard(offset: number, length: number): Promise<void> {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
    const { unit } = this.mapping;
    const start = roundUp(offset, unit);
    const end = offset + length === this.size ? this.size : offset + length - ((offset + length) % unit);
    if (end > start) await this.#clear(start, end - start, false);
  }

  async #clear(offset: number, length: number, zeros: boolean): Promise<void> {
    const { clusterSize } = this;
    const end = offset + length;
    const start = offset - (offset % clusterSize);
    await this.#lock.run(start, roundUp(end, clusterSize) - start, false, async () => {
      for (let at = offset; at < end;) {
        const cluster = Math.floor(at / clusterSize);
        const clusterEnd = Math.min((cluster + 1) * clusterSize, this.size);
        const partEnd = Math.min(end, clusterEnd);
        const whole = at % clusterSize === 0 && partEnd === clusterEnd;
        if (!whole) await this.#writeAllocating(at, new Uint8Array(partEnd - at));
        else if ((await this.mapping.table(cluster)) !== undefined || (zeros && this.parent !== undefined)) await this.#clearCluster(cluster, zeros);
        else {
          at = Math.min(end, (Math.floor(cluster / this.mapping.perTable) + 1) * this.mapping.perTable * clusterSize);
          continue;
        }
        at = partEnd;
      }
    });
    if (this.mapping.isFull || this.refcounts.isFull) await this.flush();
  }

  async #clearCluster(cluster: number, zeros: boolean): Promise<void> {
    const old = await this.#entry(cluster);
    const hides = zeros && this.parent !== undefined;
    if (old.kind === 'none' && (!hides || old.zeros === ALL)) return;
    if (hides && this.header.version === 2)
      return this.#writeAllocating(cluster * this.clusterSize, new Uint8Array(Math.min(this.clusterSize, this.size - cluster * this.clusterSize)));
    await this.mapping.set(cluster, 0, 0, hides ? ALL : 0);
    this.#decompressed.delete(cluster);
    this.#release(old);
  }

  // Durability

  /** Callers that come before a commit has begun share it. */
  flush(): Promise<void> {
    if (this.readOnly) return Promise.resolve();
    if (this.#nextFlush === undefined) {
      const mine = this.#commits.run(() => {
        if (this.#nextFlush === mine) this.#nextFlush = undefined;
        return this.#commit();
      });
      this.#nextFlush = mine;
    }
    return this.#nextFlush;
  }

  async #commit(): Promise<void> {
    const freed = this.refcounts.takeFreed();
    const refcounts = this.refcounts.takeWrites();
    const mapping = this.mapping.takeWrites();
    const remaps = mapping.tables.length > 0 || mapping.l1.length > 0;
    let stage: 1 | 2 = 1;
    try {
      await this.refcounts.write(refcounts);
      await this.#file.flush();
      if (this.#data !== this.#file) await this.#data.flush();
      if (!remaps && freed.length === 0) return;
      stage = 2;
      await this.mapping.write(mapping);
      await this.#file.flush();
    } catch (error) {
      // After a failed flush nobody knows what the host still has: all of it counts as unwritten.
      this.refcounts.retouch(refcounts);
      if (stage === 1) this.mapping.putBack(mapping);
      else this.mapping.retouch(mapping);
      this.refcounts.putBackFreed(freed);
      throw error;
    }
    const unused = await this.refcounts.settleFrees(freed);
    await this.#giveBack(unused);
  }

  /** Returns the space of clusters that are free now to the host, in runs. */
  async #giveBack(unused: readonly number[]): Promise<void> {
    const sorted = [...unused].sort((a, b) => a - b);
    for (let i = 0; i < sorted.length;) {
      let end = i + 1;
      while (end < sorted.length && sorted[end] === sorted[end - 1]! + 1) end++;
      await this.#file.punch(sorted[i]! * this.clusterSize, (end - i) * this.clusterSize);
      i = end;
    }
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly && (this.mapping.isDirty || this.refcounts.isDirty || this.refcounts.hasFreed)) {
        await this.flush();
        await this.refcounts.writeNow(); // what the flush made free
      }
    } finally {
      await this.#file.close();
      if (this.#data !== this.#file) await this.#data.close();
    }
  }

  describe(): Record<string, string | number | boolean> {
    const { header } = this;
    return {
      version: header.version,
      'cluster size': this.clusterSize,
      'refcount bits': 1 << header.refcountOrder,
      compression: header.compression === Compression.ZSTD ? 'zstd' : 'zlib',
      ...(this.mapping.extended ? { 'extended L2': true } : {}),
      ...(header.dataFile !== undefined ? { 'data file': header.dataFile } : {}),
      ...(header.compatible !== 0 ? { 'lazy refcounts': true } : {}),
      ...((header.incompatible & Incompatible.DIRTY) !== 0 ? { dirty: true } : {}),
      ...((header.incompatible & Incompatible.CORRUPT) !== 0 ? { corrupt: true } : {}),
      ...(this.snapshots.length > 0 ? { snapshots: this.snapshots.length } : {}),
    };
  }
}

/** Clusters per allocation. */
const MOST_AT_ONCE = 256;

const formatNames: Readonly<Record<string, 'raw' | 'qcow2' | 'vmdk' | 'vhd' | 'vhdx' | 'vdi'>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
  vpc: 'vhd',
  vhdx: 'vhdx',
  vdi: 'vdi',
};

function bitRange(first: number, last: number): number {
  let bits = 0;
  for (let bit = first; bit <= last && bit < SUBCLUSTERS; bit++) bits |= 1 << bit;
  return bits >>> 0;
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
