import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import type { Extent } from '../../node.ts';
import { RawNode } from '../../raw.ts';
import { roundUp, viewOf } from '../bytes.ts';
import { damaged, type FormatHost, type FormatOptions, type ImageNode } from '../format.ts';
import { Places, UnitNode, type Place, type Run } from '../unit-node.ts';
import {
  DiskType,
  encodeDynamicHeader,
  encodeFooter,
  encodeLocator,
  FOOTER_BYTES,
  HEADER_BYTES,
  readDynamicHeader,
  readFooter,
  UNUSED,
  type DynamicHeader,
  type Footer,
} from './structures.ts';

const SECTOR = 512;
const DEFAULT_BLOCK = 2 << 20;
const LARGEST = 2040 * 2 ** 30;

export async function openVhd(file: HostFile, _host: FormatHost, options: FormatOptions): Promise<ImageNode> {
  const footer = await readFooter(file);
  if (footer.type === DiskType.FIXED) {
    if (footer.size + 511 > (await file.size())) throw damaged(file, `the footer says ${footer.size} bytes, more than the file holds`);
    return new FixedVhd(await RawNode.open(file, { length: footer.size, readOnly: options.readOnly }), footer);
  }
  const header = await readDynamicHeader(file, footer);
  const bytes = new Uint8Array(header.entries * 4);
  await file.read(header.tableOffset, bytes);
  const view = viewOf(bytes);
  const table = Uint32Array.from({ length: header.entries }, (_, index) => view.getUint32(index * 4));
  const fileSectors = Math.ceil((await file.size()) / SECTOR);
  const seen = new Set<number>();
  for (const [index, entry] of table.entries()) {
    if (entry === UNUSED) continue;
    if (entry >= fileSectors) throw damaged(file, `block ${index} lies beyond the end of the file`);
    if (seen.has(entry) && !options.readOnly) throw damaged(file, `block ${index} has the same place as another`);
    seen.add(entry);
  }
  return new DynamicVhd(file, footer, header, table, fileSectors * SECTOR, options.readOnly);
}

/** The disk as it is, followed by the footer. */
class FixedVhd implements ImageNode {
  readonly format = 'vhd';
  readonly #disk: RawNode;
  readonly #footer: Footer;

  constructor(disk: RawNode, footer: Footer) {
    this.#disk = disk;
    this.#footer = footer;
  }
  get name(): string {
    return this.#disk.name;
  }
  get size(): number {
    return this.#disk.size;
  }
  get readOnly(): boolean {
    return this.#disk.readOnly;
  }
  get granularity(): number {
    return this.#disk.granularity;
  }
  get identity(): string {
    return this.#footer.uuid;
  }
  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#disk.read(offset, into);
  }
  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#disk.write(offset, from);
  }
  readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    return this.#disk.readv(offset, into);
  }
  writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    return this.#disk.writev(offset, from);
  }
  flush(): Promise<void> {
    return this.#disk.flush();
  }
  extent(offset: number, length: number): Promise<Extent> {
    return this.#disk.extent(offset, length);
  }
  zero(offset: number, length: number): Promise<void> {
    return this.#disk.zero(offset, length);
  }
  discard(offset: number, length: number): Promise<void> {
    return this.#disk.discard(offset, length);
  }
  close(): Promise<void> {
    return this.#disk.close();
  }
  describe(): Record<string, string> {
    return { type: 'fixed', uuid: this.#footer.uuid };
  }
}

/** A block's bitmap in memory: a bit per sector, from the highest bit of the first byte on. */
interface Bitmap {
  readonly bits: Uint8Array;
  dirty: boolean;
}

/** Dynamic and differencing disks: blocks of usually 2 MiB, each behind a bitmap of its sectors, found by a table of sector numbers. */
class DynamicVhd extends UnitNode {
  readonly format = 'vhd';
  readonly #file: HostFile;
  readonly #footer: Footer;
  readonly #header: DynamicHeader;
  readonly #table: Uint32Array;
  /** Entries the file does not have as they are. */
  readonly #dirty = new Set<number>();
  /** Blocks the file's table does not refer to yet. */
  readonly #new = new Set<number>();
  readonly #bitmaps = new Map<number, Bitmap>();
  readonly #bitmapBytes: number;
  readonly #places: Places;
  /** Where the footer at the end is, or further ahead. */
  #footerAt: number;
  readonly #differencing: boolean;

  constructor(file: HostFile, footer: Footer, header: DynamicHeader, table: Uint32Array, fileSize: number, readOnly: boolean) {
    super({ name: file.path, size: footer.size, readOnly, unit: header.blockSize });
    this.#file = file;
    this.#footer = footer;
    this.#header = header;
    this.#table = table;
    this.#bitmapBytes = roundUp(Math.ceil(header.blockSize / SECTOR / 8), SECTOR);
    this.#differencing = footer.type === DiskType.DIFFERENCING;
    this.identity = footer.uuid;
    if (this.#differencing) this.parent = { paths: header.parentPaths, identity: header.parentUuid };
    // Blocks begin where the first one is, or where the footer is while there is none: locators may lie between the table and them.
    const used = [...table].filter((entry) => entry !== UNUSED).map((entry) => entry * SECTOR);
    const least = Math.max(roundUp(header.tableOffset + header.entries * 4, SECTOR), footer.dataOffset + HEADER_BYTES);
    const first = used.length > 0 ? used.reduce((a, b) => Math.min(a, b)) : Math.max(least, fileSize - FOOTER_BYTES);
    // The footer at the end of the file is where the next block's bitmap will be.
    this.#places = new Places(file, this.#blockBytes, first, used, fileSize - FOOTER_BYTES);
    this.#footerAt = first;
  }

  get #blockBytes(): number {
    return this.#bitmapBytes + this.unit;
  }

  /** Only differencing disks look at the bitmaps: in dynamic ones the sectors of a block that were never written are zeros anyway. */
  override get granularity(): number {
    return this.#differencing ? SECTOR : this.unit;
  }

  protected map(offset: number, length: number): Run | Promise<Run> {
    const within = offset % this.unit;
    const block = (offset - within) / this.unit;
    const entry = this.#table[block]!;
    const rest = Math.min(length, this.unit - within);
    if (entry === UNUSED) {
      let run = this.unit - within;
      for (let next = block + 1; run < length && this.#table[next] === UNUSED; next++) run += this.unit;
      return { kind: 'absent', length: Math.min(run, length), host: 0 };
    }
    const host = entry * SECTOR + this.#bitmapBytes + within;
    return this.#differencing ? this.#mapBySector(block, within, rest, host) : { kind: 'data', length: rest, host, file: this.#file };
  }

  async #mapBySector(block: number, within: number, length: number, host: number): Promise<Run> {
    const { bits } = await this.#bitmap(block);
    const present = (sector: number) => (bits[sector >> 3]! & (0x80 >> (sector & 7))) !== 0;
    const first = Math.floor(within / SECTOR);
    const kind = present(first) ? 'data' : 'absent';
    let end = first + 1;
    while (end * SECTOR < within + length && present(end) === (kind === 'data')) end++;
    return { kind, length: Math.min(length, end * SECTOR - within), host, file: this.#file };
  }

  async #bitmap(block: number): Promise<Bitmap> {
    const known = this.#bitmaps.get(block);
    if (known !== undefined) return known;
    const bits = new Uint8Array(this.#bitmapBytes);
    await this.#file.read(this.#table[block]! * SECTOR, bits);
    const loaded = this.#bitmaps.get(block) ?? { bits, dirty: false };
    this.#bitmaps.set(block, loaded);
    return loaded;
  }

  protected async place(unit: number): Promise<Place> {
    const entry = this.#table[unit]!;
    if (entry !== UNUSED) return { file: this.#file, host: entry * SECTOR + this.#bitmapBytes, blank: false };
    const place = this.#places.take();
    // The footer moves to the new end before the block takes its place. (A copy of it is at the start, besides.)
    if (this.#places.end > this.#footerAt) {
      this.#footerAt = this.#places.end;
      await this.#file.write(this.#footerAt, this.#footer.bytes);
    }
    return { ...place, host: place.host + this.#bitmapBytes };
  }

  protected async bind(unit: number, place: Place, from: number, to: number): Promise<void> {
    let bitmap: Bitmap;
    if (this.#table[unit] === UNUSED) {
      bitmap = { bits: new Uint8Array(this.#bitmapBytes), dirty: true };
      if (!this.#differencing) bitmap.bits.fill(0xff, 0, Math.ceil(this.unit / SECTOR / 8));
      this.#bitmaps.set(unit, bitmap);
      this.#new.add(unit);
      this.#table[unit] = (place.host - this.#bitmapBytes) / SECTOR;
      this.#dirty.add(unit);
    } else bitmap = await this.#bitmap(unit);
    if (!this.#differencing) return;
    for (let sector = Math.floor(from / SECTOR); sector * SECTOR < to; sector++) bitmap.bits[sector >> 3]! |= 0x80 >> (sector & 7);
    bitmap.dirty = true;
  }

  /** Only a disk without a parent can lose a block: in others there is no way to say "zeros". */
  protected unbind(unit: number, zero: boolean): boolean {
    if (zero || this.#differencing) return false;
    const entry = this.#table[unit]!;
    if (entry === UNUSED) return true;
    this.#places.giveBack(entry * SECTOR);
    this.#table[unit] = UNUSED;
    this.#dirty.add(unit);
    this.#bitmaps.delete(unit);
    this.#new.delete(unit);
    return true;
  }

  protected async commit(): Promise<void> {
    const entries = [...this.#dirty].map((unit) => ({ unit, value: this.#table[unit]! }));
    const bitmaps = [...this.#bitmaps]
      .filter(([, bitmap]) => bitmap.dirty)
      .map(([unit, bitmap]) => ({ unit, bitmap, offset: this.#table[unit]! * SECTOR, bits: bitmap.bits.slice(), isNew: this.#new.has(unit) }));
    const freed = this.#places.takeFreed();
    this.#dirty.clear();
    for (const { bitmap } of bitmaps) bitmap.dirty = false;
    try {
      // The bitmaps of blocks nothing refers to yet become durable together with their data; those of others, and the table, after the data.
      for (const one of bitmaps) if (one.isNew) await this.#file.write(one.offset, one.bits);
      await this.#file.flush();
      if (entries.length === 0 && bitmaps.every((one) => one.isNew)) return;
      for (const one of bitmaps) if (!one.isNew) await this.#file.write(one.offset, one.bits);
      const word = new Uint8Array(4);
      for (const { unit, value } of entries) {
        viewOf(word).setUint32(0, value);
        await this.#file.write(this.#header.tableOffset + unit * 4, word.slice());
      }
      await this.#file.flush();
    } catch (error) {
      for (const { unit } of entries) this.#dirty.add(unit);
      for (const { bitmap } of bitmaps) bitmap.dirty = true;
      this.#places.putBack(freed);
      throw error;
    }
    for (const { unit, value } of entries) if (this.#table[unit] === value) this.#new.delete(unit);
    await this.#places.settle(freed);
    this.#forgetBitmaps();
  }

  #forgetBitmaps(): void {
    for (const [unit, bitmap] of this.#bitmaps) {
      if (this.#bitmaps.size <= MOST_BITMAPS) return;
      if (!bitmap.dirty) this.#bitmaps.delete(unit);
    }
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly && (this.#dirty.size > 0 || this.#places.hasFreed || [...this.#bitmaps.values()].some((one) => one.dirty)))
        await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  describe(): Record<string, string | number | boolean> {
    return {
      type: this.#differencing ? 'differencing' : 'dynamic',
      'block size': this.unit,
      uuid: this.#footer.uuid,
      creator: this.#footer.creator.trim(),
    };
  }
}

/** Bitmaps of a differencing disk kept in memory; 512 bytes each, usually. */
const MOST_BITMAPS = 16384;

export interface VhdCreateOptions {
  /** Bytes. */
  readonly size: number;
  readonly fixed?: boolean;
  readonly blockSize?: number;
  /** Of a differencing disk; `path` relative to the new image's folder. */
  readonly parent?: { readonly path: string; readonly identity: string } | undefined;
}

export async function createVhd(file: HostFile, host: FormatHost, options: VhdCreateOptions): Promise<void> {
  const size = roundUp(options.size, SECTOR);
  if (size > LARGEST) throw new VmmError('usage', `${file.path}: a VHD image holds at most ${LARGEST} bytes (2040 GiB); use vhdx or qcow2`);
  const type = options.fixed === true ? DiskType.FIXED : options.parent === undefined ? DiskType.DYNAMIC : DiskType.DIFFERENCING;
  const footer = encodeFooter({ size, type, uuid: host.uuid(), time: host.time() });
  if (type === DiskType.FIXED) {
    await file.truncate(size);
    await file.write(size, footer);
    return file.flush();
  }
  const blockSize = options.blockSize ?? DEFAULT_BLOCK;
  const entries = Math.ceil(size / blockSize);
  const tableOffset = FOOTER_BYTES + HEADER_BYTES;
  const tableBytes = roundUp(entries * 4, SECTOR);
  const locatorOffset = tableOffset + tableBytes;
  const parent = options.parent && { uuid: options.parent.identity, timestamp: 0, path: options.parent.path, locatorOffset };
  const locator = options.parent === undefined ? new Uint8Array(0) : encodeLocator(options.parent.path);
  const end = locatorOffset + roundUp(locator.length, SECTOR);
  await file.write(FOOTER_BYTES, encodeDynamicHeader({ tableOffset, entries, blockSize, ...(parent && { parent }) }));
  await file.write(tableOffset, new Uint8Array(tableBytes).fill(0xff));
  if (locator.length > 0) await file.write(locatorOffset, locator);
  await file.write(end, footer);
  await file.flush();
  await file.write(0, footer);
  await file.flush();
}
