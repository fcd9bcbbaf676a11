import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import { Mutex } from '../../range-lock.ts';
import { getU64le, roundUp, setU64le, viewOf } from '../bytes.ts';
import { damaged, unsupported, type FormatHost } from '../format.ts';
import { TableCache, putBack, writeTables, type CachedTable, type TableWrite } from '../table-cache.ts';
import { Places, UnitNode, type Place, type Run } from '../unit-node.ts';

/*
 * Hosted sparse extents (VMware Virtual Disk Format 1.1): a grain directory, grain tables (both twice), grains. Numbers are little-endian, places in
 * sectors.
 */

export const VMDK_MAGIC = 0x564d444b;
const SECTOR = 512;
export const HEADER_BYTES = 512;
const Flag = { REDUNDANT: 0x2, ZERO_GRAINS: 0x4, COMPRESSED: 0x1_0000, MARKERS: 0x2_0000 } as const;
const AT_END = 0xffff_ffff_ffff_ffffn;
const DEFLATE = 1;
const ZERO_ENTRY = 1;
const MOST_DIRECTORY = 1 << 22;
const CACHED_TABLES = 2048;
const CACHED_GRAINS = 8;

export interface SparseHeader {
  readonly version: number;
  readonly flags: number;
  /** Bytes. */
  readonly capacity: number;
  readonly grain: number;
  readonly descriptorOffset: number;
  readonly descriptorLength: number;
  readonly entriesPerTable: number;
  readonly redundantOffset: number;
  readonly directoryOffset: number;
}

export async function readSparseHeader(file: HostFile): Promise<SparseHeader> {
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(0, bytes);
  let view = viewOf(bytes);
  if (view.getUint32(0, true) !== VMDK_MAGIC) throw damaged(file, 'is not a sparse VMDK extent (the magic number is missing)');
  if (view.getBigUint64(56, true) === AT_END) {
    // A stream-optimised extent: a second header, with the directory's place, is before the end-of-stream marker.
    await file.read((await file.size()) - 2 * SECTOR, bytes);
    view = viewOf(bytes);
    if (view.getUint32(0, true) !== VMDK_MAGIC) throw damaged(file, 'the footer of the stream-optimised extent is missing: the file is cut short');
  }
  const version = view.getUint32(4, true);
  if (version < 1 || version > 3) throw unsupported(file, `sparse extents of version ${version} are not supported`);
  const header: SparseHeader = {
    version,
    flags: view.getUint32(8, true),
    capacity: getU64le(view, 12) * SECTOR,
    grain: getU64le(view, 20) * SECTOR,
    descriptorOffset: getU64le(view, 28) * SECTOR,
    descriptorLength: getU64le(view, 36) * SECTOR,
    entriesPerTable: view.getUint32(44, true),
    redundantOffset: getU64le(view, 48) * SECTOR,
    directoryOffset: getU64le(view, 56) * SECTOR,
  };
  const { grain, entriesPerTable, capacity } = header;
  if (grain < SECTOR || grain > 1 << 24 || (grain & (grain - 1)) !== 0) throw damaged(file, `the grain size is ${grain} bytes`);
  if (entriesPerTable === 0 || entriesPerTable > 65536) throw damaged(file, `a grain table has ${entriesPerTable} entries`);
  if (capacity === 0 || capacity > 2 ** 52 || capacity / grain / entriesPerTable > MOST_DIRECTORY)
    throw damaged(file, `the capacity is ${capacity} bytes`);
  if ((header.flags & Flag.COMPRESSED) !== 0 && view.getUint16(77, true) !== DEFLATE)
    throw unsupported(file, 'grains are compressed in an unknown way');
  if (header.directoryOffset >= (await file.size())) throw damaged(file, 'the grain directory lies beyond the end of the file');
  return header;
}

export class SparseExtent extends UnitNode {
  readonly format = 'vmdk';
  readonly #file: HostFile;
  readonly #host: FormatHost;
  readonly #header: SparseHeader;
  /** Byte offsets of the grain tables, and of their copies. */
  readonly #directory: Float64Array;
  readonly #copies: Float64Array | undefined;
  readonly #tables: TableCache;
  readonly #dirtyDirectory = new Set<number>();
  readonly #places: Places;
  readonly #turn = new Mutex();
  readonly #decompressed = new Map<number, Uint8Array>();
  readonly #limit: () => number;
  readonly #onChange: () => Promise<void>;

  private constructor(
    file: HostFile,
    host: FormatHost,
    header: SparseHeader,
    directory: Float64Array,
    copies: Float64Array | undefined,
    fileSize: number,
    readOnly: boolean,
    onChange: () => Promise<void>,
  ) {
    super({ name: file.path, size: header.capacity, readOnly, unit: header.grain });
    this.#file = file;
    this.#host = host;
    this.#header = header;
    this.#directory = directory;
    this.#copies = copies;
    this.#tables = new TableCache(file, header.entriesPerTable * 4, CACHED_TABLES);
    this.#places = new Places(file, header.grain, roundUp(fileSize, header.grain), [], fileSize);
    this.#limit = () => this.#places.end;
    this.#onChange = onChange;
  }

  /** `onChange` is called before the first write. */
  static async open(
    file: HostFile,
    host: FormatHost,
    readOnly: boolean,
    onChange: () => Promise<void> = () => Promise.resolve(),
  ): Promise<SparseExtent> {
    const header = await readSparseHeader(file);
    if ((header.flags & Flag.COMPRESSED) !== 0 && !readOnly) {
      throw new VmmError(
        'unsupported',
        `${file.path} is stream-optimised, which cannot be written; open it read-only, or convert it to another kind`,
        { path: file.path },
      );
    }
    const entries = Math.ceil(header.capacity / header.grain / header.entriesPerTable);
    const fileSize = await file.size();
    const read = async (offset: number) => {
      if (offset + entries * 4 > fileSize) throw damaged(file, `the grain directory has ${entries} entries, more than the file holds`);
      const bytes = new Uint8Array(entries * 4);
      await file.read(offset, bytes);
      return Float64Array.from({ length: entries }, (_, index) => viewOf(bytes).getUint32(index * 4, true) * SECTOR);
    };
    const directory = await read(header.directoryOffset);
    const copies = (header.flags & Flag.REDUNDANT) !== 0 && header.redundantOffset > 0 ? await read(header.redundantOffset) : undefined;
    for (const [index, offset] of [...directory, ...(copies ?? [])].entries())
      if (offset >= fileSize) throw damaged(file, `grain table ${index % entries} lies beyond the end of the file`);
    return new SparseExtent(file, host, header, directory, copies, fileSize, readOnly, onChange);
  }

  get #compressed(): boolean {
    return (this.#header.flags & Flag.COMPRESSED) !== 0;
  }

  async #entry(grain: number): Promise<number> {
    const table = await this.#table(grain);
    return table === undefined ? 0 : table.view.getUint32((grain % this.#header.entriesPerTable) * 4, true);
  }

  #table(grain: number): Promise<CachedTable> | undefined {
    const offset = this.#directory[Math.floor(grain / this.#header.entriesPerTable)] ?? 0;
    return offset === 0 ? undefined : this.#tables.get(offset);
  }

  protected async map(offset: number, length: number): Promise<Run> {
    const within = offset % this.unit;
    const grain = (offset - within) / this.unit;
    const { entriesPerTable } = this.#header;
    const table = await this.#table(grain);
    const tableEnd = (Math.floor(grain / entriesPerTable) + 1) * entriesPerTable;
    if (table === undefined) return { kind: 'absent', length: Math.min(length, tableEnd * this.unit - offset), host: 0 };
    const entryOf = (index: number) => table.view.getUint32((index % entriesPerTable) * 4, true);
    const kindOf = (value: number) =>
      value === 0 ? 'absent' : value === ZERO_ENTRY && (this.#header.flags & Flag.ZERO_GRAINS) !== 0 ? 'zero' : 'data';
    const entry = entryOf(grain);
    const kind = kindOf(entry);
    let run = this.unit - within;
    if (kind === 'data' && entry * SECTOR >= this.#limit()) throw damaged(this.#file, `grain ${grain} lies beyond the end of the file`);
    for (let next = grain + 1; run < length && next < tableEnd && !this.#compressed; next++, run += this.unit) {
      const other = entryOf(next);
      if (kindOf(other) !== kind || (kind === 'data' && other !== entry + ((next - grain) * this.unit) / SECTOR)) break;
    }
    return { kind, length: Math.min(run, length), host: entry * SECTOR + (this.#compressed ? 0 : within), file: this.#file };
  }

  protected override async readLocked(offset: number, into: Uint8Array): Promise<void> {
    if (!this.#compressed) return super.readLocked(offset, into);
    for (let at = 0; at < into.length;) {
      const run = await this.map(offset + at, into.length - at);
      const part = into.subarray(at, at + run.length);
      const within = (offset + at) % this.unit;
      if (run.kind === 'data')
        part.set((await this.#decompress((offset + at - within) / this.unit, run.host)).subarray(within, within + part.length));
      else part.fill(0);
      at += run.length;
    }
  }

  override async readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    if (!this.#compressed) return super.readv(offset, into);
    let at = offset;
    for (const piece of into) {
      await this.read(at, piece);
      at += piece.length;
    }
  }

  /** A grain marker: first sector, length, deflated data. */
  async #decompress(grain: number, host: number): Promise<Uint8Array> {
    const known = this.#decompressed.get(grain);
    if (known !== undefined) return known;
    const marker = new Uint8Array(12);
    await this.#file.read(host, marker);
    const hasMarker = (this.#header.flags & Flag.MARKERS) !== 0;
    const length = viewOf(marker).getUint32(hasMarker ? 8 : 0, true);
    if (length > this.unit * 2 + SECTOR) throw damaged(this.#file, `grain ${grain} has ${length} bytes of compressed data`);
    const packed = new Uint8Array(length);
    await this.#file.read(host + (hasMarker ? 12 : 4), packed);
    let plain: Uint8Array;
    try {
      plain = this.#host.codecs.inflate(packed, this.unit);
    } catch (cause) {
      throw new VmmError('invalid', `${this.name}: the compressed data of grain ${grain} are damaged`, { path: this.name }, cause);
    }
    const whole = new Uint8Array(this.unit);
    whole.set(plain);
    this.#decompressed.set(grain, whole);
    if (this.#decompressed.size > CACHED_GRAINS) this.#decompressed.delete(this.#decompressed.keys().next().value!);
    return whole;
  }

  protected place(): Promise<Place> {
    return Promise.resolve(this.#places.take());
  }

  protected async bind(unit: number, place: Place): Promise<void> {
    await this.#set(unit, place.host / SECTOR);
  }

  protected async unbind(unit: number, zero: boolean): Promise<boolean> {
    if (zero && (this.#header.flags & Flag.ZERO_GRAINS) === 0) return false;
    const entry = await this.#entry(unit);
    if (entry > ZERO_ENTRY) this.#places.giveBack(entry * SECTOR);
    await this.#set(unit, zero ? ZERO_ENTRY : 0);
    return true;
  }

  async #set(grain: number, value: number): Promise<void> {
    const { entriesPerTable } = this.#header;
    const index = Math.floor(grain / entriesPerTable);
    if (this.#directory[index] === 0) await this.#addTables(index);
    const at = (grain % entriesPerTable) * 4;
    for (const directory of this.#copies === undefined ? [this.#directory] : [this.#directory, this.#copies]) {
      const offset = directory[index]!;
      if (offset === 0) continue;
      const table = await this.#tables.get(offset);
      table.view.setUint32(at, value, true);
      table.touch(at, 4);
    }
  }

  /** Grain tables, and their copies, for a part of the disk that had none. */
  #addTables(index: number): Promise<void> {
    return this.#turn.run(() => {
      if (this.#directory[index] !== 0) return Promise.resolve();
      const bytes = this.#header.entriesPerTable * 4;
      const place = this.#places.end;
      const both = this.#copies === undefined ? 1 : 2;
      this.#places.end += roundUp(bytes * both, this.unit);
      for (let copy = 0; copy < both; copy++) this.#tables.add(place + copy * bytes, new Uint8Array(bytes)).touchAll();
      this.#directory[index] = place;
      if (this.#copies !== undefined) this.#copies[index] = place + bytes;
      this.#dirtyDirectory.add(index);
      return Promise.resolve();
    });
  }

  protected override beforeChange(): Promise<void> {
    return this.#onChange();
  }

  protected async commit(): Promise<void> {
    const freed = this.#places.takeFreed();
    const writes: TableWrite[] = this.#tables.dirty.flatMap((table) => table.take());
    const entries = [...this.#dirtyDirectory].map((index) => ({ index, offset: this.#directory[index]!, copy: this.#copies?.[index] }));
    this.#dirtyDirectory.clear();
    let written = false;
    try {
      await this.#file.flush();
      if (writes.length === 0 && entries.length === 0) return;
      written = true;
      await writeTables(this.#file, writes);
      if (entries.length > 0) await this.#file.flush();
      for (const { index, offset, copy } of entries) {
        await this.#writeWord(this.#header.directoryOffset + index * 4, offset / SECTOR);
        if (copy !== undefined) await this.#writeWord(this.#header.redundantOffset + index * 4, copy / SECTOR);
      }
      await this.#file.flush();
    } catch (error) {
      if (written) for (const { table, at, bytes } of writes) table.touch(at, bytes.length);
      else putBack(writes);
      for (const { index } of entries) this.#dirtyDirectory.add(index);
      this.#places.putBack(freed);
      throw error;
    }
    await this.#places.settle(freed);
  }

  async #writeWord(at: number, value: number): Promise<void> {
    const word = new Uint8Array(4);
    viewOf(word).setUint32(0, value, true);
    await this.#file.write(at, word);
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly && (this.#tables.dirty.length > 0 || this.#dirtyDirectory.size > 0 || this.#places.hasFreed)) await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  describe(): Record<string, string | number | boolean> {
    return { 'grain size': this.unit, ...(this.#compressed ? { compressed: true } : {}) };
  }
}

const DEFAULT_GRAIN = 65536;
const DEFAULT_ENTRIES = 512;
const DESCRIPTOR_SECTORS = 20;

export interface NewSparseExtent {
  /** Bytes, a multiple of 512. */
  readonly size: number;
  readonly grain?: number;
  /** Embedded; absent in the extents of a split image. */
  readonly descriptor?: string;
}

/** Writes an empty sparse extent: header, descriptor, both directories, all grain tables. */
export async function createSparseExtent(file: HostFile, options: NewSparseExtent): Promise<void> {
  const { size, grain = DEFAULT_GRAIN, descriptor } = options;
  const tables = Math.ceil(size / grain / DEFAULT_ENTRIES);
  const [tableSectors, directorySectors] = [(DEFAULT_ENTRIES * 4) / SECTOR, Math.ceil((tables * 4) / SECTOR)];
  const descriptorSectors = descriptor === undefined ? 0 : DESCRIPTOR_SECTORS;
  const redundant = 1 + descriptorSectors;
  const directory = redundant + directorySectors + tables * tableSectors;
  const overhead = roundUp(directory + directorySectors + tables * tableSectors, grain / SECTOR);
  for (const start of [redundant, directory]) {
    const bytes = new Uint8Array(directorySectors * SECTOR);
    for (let index = 0; index < tables; index++) viewOf(bytes).setUint32(index * 4, start + directorySectors + index * tableSectors, true);
    await file.write(start * SECTOR, bytes);
  }
  await file.truncate(overhead * SECTOR);
  if (descriptor !== undefined) {
    const bytes = new Uint8Array(DESCRIPTOR_SECTORS * SECTOR);
    bytes.set(new TextEncoder().encode(descriptor));
    await file.write(SECTOR, bytes);
  }
  await file.flush();
  await file.write(
    0,
    encodeSparseHeader({
      size,
      grain,
      flags: 0x3,
      version: 1,
      descriptorOffset: descriptorSectors > 0 ? 1 : 0,
      descriptorSectors,
      redundant,
      directory,
      overhead,
    }),
  );
  await file.flush();
}

export interface SparseHeaderFields {
  readonly size: number;
  readonly grain: number;
  readonly flags: number;
  readonly version: number;
  /** All in sectors. */
  readonly descriptorOffset: number;
  readonly descriptorSectors: number;
  readonly redundant: number;
  readonly directory: number | 'at-end';
  readonly overhead: number;
  readonly compressed?: boolean;
}

export function encodeSparseHeader(fields: SparseHeaderFields): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, VMDK_MAGIC, true);
  view.setUint32(4, fields.version, true);
  view.setUint32(8, fields.flags, true);
  setU64le(view, 12, fields.size / SECTOR);
  setU64le(view, 20, fields.grain / SECTOR);
  setU64le(view, 28, fields.descriptorOffset);
  setU64le(view, 36, fields.descriptorSectors);
  view.setUint32(44, DEFAULT_ENTRIES, true);
  setU64le(view, 48, fields.redundant);
  if (fields.directory === 'at-end') view.setBigUint64(56, AT_END, true);
  else setU64le(view, 56, fields.directory);
  setU64le(view, 64, fields.overhead);
  bytes.set([0x0a, 0x20, 0x0d, 0x0a], 73); // characters by which a transfer as text is noticed
  view.setUint16(77, fields.compressed === true ? DEFLATE : 0, true);
  return bytes;
}
