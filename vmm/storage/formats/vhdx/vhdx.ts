import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import { getU64le, roundUp, setU64le, viewOf } from '../bytes.ts';
import { damaged, type FormatHost, type FormatOptions } from '../format.ts';
import { Places, UnitNode, type Place, type Run } from '../unit-node.ts';
import { formatUuid } from '../uuid.ts';
import { applyLog, readLog, ReplayedFile } from './log.ts';
import {
  encodeFirstMib,
  encodeMetadata,
  MIB,
  NO_LOG,
  readHeader,
  readMetadata,
  readRegions,
  writeHeader,
  type Metadata,
  type Regions,
  type VhdxHeader,
} from './structures.ts';

const SECTOR = 512;
/** States of a payload block (2.5.1.1). */
const State = { NOT_PRESENT: 0, UNDEFINED: 1, ZERO: 2, UNMAPPED: 3, FULLY_PRESENT: 6, PARTIALLY_PRESENT: 7 } as const;
const BITMAP_PRESENT = 6;
const MOST_BAT = 256 * MIB;
const BITMAP_BYTES = MIB;

/** The part of a chunk's sector bitmap that is a block's. */
interface BlockBitmap {
  readonly bits: Uint8Array;
  readonly offset: number;
  dirty: boolean;
}

export class VhdxNode extends UnitNode {
  readonly format = 'vhdx';
  readonly #file: HostFile;
  readonly #host: FormatHost;
  readonly #regions: Regions;
  readonly #metadata: Metadata;
  #header: VhdxHeader;
  /** The block allocation table: offset and state, by entry. */
  readonly #offsets: Float64Array;
  readonly #states: Uint8Array;
  readonly #dirty = new Set<number>();
  readonly #bitmaps = new Map<number, BlockBitmap>();
  /** Payload blocks between two sector bitmap entries (2.5). */
  readonly #chunkRatio: number;
  readonly #places: Places;

  private constructor(
    file: HostFile,
    host: FormatHost,
    header: VhdxHeader,
    regions: Regions,
    metadata: Metadata,
    bat: { offsets: Float64Array; states: Uint8Array },
    fileSize: number,
    readOnly: boolean,
  ) {
    super({ name: file.path, size: metadata.size, readOnly, unit: metadata.blockSize });
    this.#file = file;
    this.#host = host;
    this.#header = header;
    this.#regions = regions;
    this.#metadata = metadata;
    this.#offsets = bat.offsets;
    this.#states = bat.states;
    this.#chunkRatio = chunkRatio(metadata);
    this.identity = header.dataWriteId;
    if (metadata.hasParent) this.parent = { paths: metadata.parentPaths, identity: metadata.parentId };
    this.#places = new Places(file, this.unit, roundUp(fileSize, MIB), [], fileSize);
  }

  static async open(given: HostFile, host: FormatHost, options: FormatOptions): Promise<VhdxNode> {
    let file = given;
    const identifier = new Uint8Array(8);
    await file.read(0, identifier);
    if (new TextDecoder().decode(identifier) !== 'vhdxfile') throw damaged(file, 'is not a VHDX image (the identifier is missing)');
    let header = await readHeader(file);
    const replay = await readLog(file, header);
    if (replay !== undefined && options.readOnly) file = new ReplayedFile(file, replay);
    else if (replay !== undefined) {
      await applyLog(file, replay);
      header = await writeHeader(file, { ...header, logId: NO_LOG });
      await file.flush();
    }
    const regions = await readRegions(file);
    const metadata = await readMetadata(file, regions);
    const blocks = Math.ceil(metadata.size / metadata.blockSize);
    const ratio = chunkRatio(metadata);
    const entries = metadata.hasParent ? Math.ceil(blocks / ratio) * (ratio + 1) : blocks + Math.floor((blocks - 1) / ratio);
    if (entries * 8 > regions.batLength || entries * 8 > MOST_BAT)
      throw damaged(file, `the block allocation table is too short for ${blocks} blocks`);
    const fileSize = await file.size();
    if (regions.batOffset + entries * 8 > fileSize) throw damaged(file, 'the block allocation table is not all in the file');
    const bat = await readBat(file, regions, entries, ratio, fileSize, !options.readOnly);
    return new VhdxNode(file, host, header, regions, metadata, bat, fileSize, options.readOnly);
  }

  get #differencing(): boolean {
    return this.#metadata.hasParent;
  }

  override get granularity(): number {
    return this.#differencing ? SECTOR : this.unit;
  }

  #entry(block: number): number {
    return block + Math.floor(block / this.#chunkRatio);
  }

  #bitmapEntry(block: number): number {
    const chunk = Math.floor(block / this.#chunkRatio);
    return chunk * (this.#chunkRatio + 1) + this.#chunkRatio;
  }

  #kind(block: number): 'data' | 'zero' | 'absent' | 'partial' {
    switch (this.#states[this.#entry(block)]) {
      case State.FULLY_PRESENT:
        return 'data';
      case State.PARTIALLY_PRESENT:
        return this.#differencing ? 'partial' : 'data';
      case State.NOT_PRESENT:
        return 'absent';
      default:
        return 'zero';
    }
  }

  protected map(offset: number, length: number): Run | Promise<Run> {
    const within = offset % this.unit;
    const block = (offset - within) / this.unit;
    const kind = this.#kind(block);
    const host = this.#offsets[this.#entry(block)]! + within;
    if (kind === 'partial') return this.#mapBySector(block, within, Math.min(length, this.unit - within), host);
    let run = this.unit - within;
    if (kind !== 'data') for (let next = block + 1; run < length && this.#kind(next) === kind; next++) run += this.unit;
    return { kind, length: Math.min(run, length), host, file: this.#file };
  }

  async #mapBySector(block: number, within: number, length: number, host: number): Promise<Run> {
    const { bits } = await this.#bitmap(block);
    const present = (sector: number) => (bits[sector >> 3]! & (1 << (sector & 7))) !== 0;
    const first = Math.floor(within / SECTOR);
    const kind = present(first) ? 'data' : 'absent';
    let end = first + 1;
    while (end * SECTOR < within + length && present(end) === (kind === 'data')) end++;
    return { kind, length: Math.min(length, end * SECTOR - within), host, file: this.#file };
  }

  async #bitmap(block: number): Promise<BlockBitmap> {
    const known = this.#bitmaps.get(block);
    if (known !== undefined) return known;
    const entry = this.#bitmapEntry(block);
    if (this.#states[entry] !== BITMAP_PRESENT) throw damaged(this.#file, `block ${block} is partially present and has no sector bitmap`);
    const bits = new Uint8Array(this.unit / SECTOR / 8);
    const offset = this.#offsets[entry]! + (block % this.#chunkRatio) * bits.length;
    await this.#file.read(offset, bits);
    const loaded = this.#bitmaps.get(block) ?? { bits, offset, dirty: false };
    this.#bitmaps.set(block, loaded);
    return loaded;
  }

  /** What was zeros as a whole, or is not a difference, is present as a whole from then on. */
  protected override fillsUnit(unit: number): boolean {
    return !this.#differencing || this.#kind(unit) === 'zero';
  }

  protected place(unit: number): Promise<Place> {
    const entry = this.#entry(unit);
    if (this.#kind(unit) === 'partial') return Promise.resolve({ file: this.#file, host: this.#offsets[entry]!, blank: false });
    return Promise.resolve(this.#places.take());
  }

  protected async bind(unit: number, place: Place, from: number, to: number): Promise<void> {
    const entry = this.#entry(unit);
    const fills = this.fillsUnit(unit);
    if (!fills) await this.#setBits(unit, from, to, this.#kind(unit) !== 'partial');
    // A block that was unmapped may have kept its place: nothing needs it any more.
    const old = this.#offsets[entry]!;
    if (old !== 0 && old !== place.host) this.#places.giveBack(old);
    this.#offsets[entry] = place.host;
    this.#states[entry] = fills ? State.FULLY_PRESENT : State.PARTIALLY_PRESENT;
    this.#dirty.add(entry);
  }

  /** `fresh`: the block was not present, and its bits, whatever they are, mean nothing. */
  async #setBits(block: number, from: number, to: number, fresh: boolean): Promise<void> {
    const entry = this.#bitmapEntry(block);
    if (this.#states[entry] !== BITMAP_PRESENT) {
      this.#offsets[entry] = this.#places.end;
      this.#places.end += BITMAP_BYTES;
      this.#states[entry] = BITMAP_PRESENT;
      this.#dirty.add(entry);
    }
    const bitmap = await this.#bitmap(block);
    if (fresh) bitmap.bits.fill(0);
    for (let sector = Math.floor(from / SECTOR); sector * SECTOR < to; sector++) bitmap.bits[sector >> 3]! |= 1 << (sector & 7);
    bitmap.dirty = true;
  }

  protected unbind(unit: number, zero: boolean): boolean {
    const entry = this.#entry(unit);
    const old = this.#offsets[entry]!;
    if (old !== 0) this.#places.giveBack(old);
    this.#offsets[entry] = 0;
    this.#states[entry] = zero ? State.ZERO : State.NOT_PRESENT;
    this.#bitmaps.delete(unit);
    this.#dirty.add(entry);
    return true;
  }

  /** 2.2.2: new write ids before the first change; children of the old content notice. */
  protected override async beforeChange(): Promise<void> {
    const id = () => formatUuid(this.#host.uuid(), 'mixed');
    this.#header = await writeHeader(this.#file, { ...this.#header, fileWriteId: id(), dataWriteId: id() });
    this.identity = this.#header.dataWriteId;
    await this.#file.flush();
  }

  protected async commit(): Promise<void> {
    const entries = [...this.#dirty].sort((a, b) => a - b).map((entry) => ({ entry, offset: this.#offsets[entry]!, state: this.#states[entry]! }));
    const bitmaps = [...this.#bitmaps.values()].filter((bitmap) => bitmap.dirty).map((bitmap) => ({ bitmap, bits: bitmap.bits.slice() }));
    const freed = this.#places.takeFreed();
    this.#dirty.clear();
    for (const { bitmap } of bitmaps) bitmap.dirty = false;
    try {
      // Every place is in the file before the table names it.
      if ((await this.#file.size()) < this.#places.end) await this.#file.truncate(this.#places.end);
      await this.#file.flush();
      if (entries.length === 0 && bitmaps.length === 0) return;
      for (const { bitmap, bits } of bitmaps) await this.#file.write(bitmap.offset, bits);
      // Bits say what a partially present block holds: they, and their place, are there before the table says that it is.
      const isBitmap = (entry: number) => entry % (this.#chunkRatio + 1) === this.#chunkRatio;
      await this.#writeEntries(entries.filter(({ entry }) => isBitmap(entry)));
      if (bitmaps.length > 0) await this.#file.flush();
      await this.#writeEntries(entries.filter(({ entry }) => !isBitmap(entry)));
      await this.#file.flush();
    } catch (error) {
      for (const { entry } of entries) this.#dirty.add(entry);
      for (const { bitmap } of bitmaps) bitmap.dirty = true;
      this.#places.putBack(freed);
      throw error;
    }
    await this.#places.settle(freed);
  }

  async #writeEntries(entries: readonly { readonly entry: number; readonly offset: number; readonly state: number }[]): Promise<void> {
    for (const { entry, offset, state } of entries) {
      const word = new Uint8Array(8);
      setU64le(viewOf(word), 0, offset + state);
      await this.#file.write(this.#regions.batOffset + entry * 8, word);
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
    const type = this.#differencing ? 'differencing' : this.#metadata.fixed ? 'fixed' : 'dynamic';
    return { type, 'block size': this.unit, 'sector size': this.#metadata.logicalSector, id: this.#metadata.diskId };
  }
}

function chunkRatio(metadata: Metadata): number {
  return (2 ** 23 * metadata.logicalSector) / metadata.blockSize;
}

async function readBat(
  file: HostFile,
  regions: Regions,
  entries: number,
  ratio: number,
  fileSize: number,
  writable: boolean,
): Promise<{ offsets: Float64Array; states: Uint8Array }> {
  const bytes = new Uint8Array(entries * 8);
  await file.read(regions.batOffset, bytes);
  const view = viewOf(bytes);
  const offsets = new Float64Array(entries);
  const states = new Uint8Array(entries);
  const seen = new Set<number>();
  for (let entry = 0; entry < entries; entry++) {
    const value = view.getUint32(entry * 8, true);
    states[entry] = value & 7;
    offsets[entry] = getU64le(view, entry * 8) - (value & 0xf_ffff);
    const isBitmap = entry % (ratio + 1) === ratio;
    const used = states[entry] === State.FULLY_PRESENT || (states[entry] === State.PARTIALLY_PRESENT && !isBitmap);
    if (states[entry] === 4 || states[entry] === 5) throw damaged(file, `entry ${entry} of the block allocation table has state ${states[entry]}`);
    if (!used) continue;
    const offset = offsets[entry]!;
    if (offset < MIB || offset >= fileSize) throw damaged(file, `entry ${entry} of the block allocation table lies outside the file`);
    if (writable && seen.has(offset)) throw damaged(file, `entry ${entry} of the block allocation table has the same place as another`);
    seen.add(offset);
  }
  return { offsets, states };
}

const DEFAULT_BLOCK = 32 * MIB;
const LARGEST = 64 * 2 ** 40;

export interface VhdxCreateOptions {
  /** Bytes. */
  readonly size: number;
  readonly fixed?: boolean;
  readonly blockSize?: number;
  readonly parent?: { readonly path: string; readonly identity: string } | undefined;
}

export async function createVhdx(file: HostFile, host: FormatHost, options: VhdxCreateOptions): Promise<void> {
  const size = roundUp(options.size, SECTOR);
  if (size > LARGEST) throw new VmmError('usage', `${file.path}: a VHDX image holds at most ${LARGEST} bytes (64 TiB)`);
  const blockSize = options.blockSize ?? (options.parent === undefined ? DEFAULT_BLOCK : 2 * MIB);
  const blocks = Math.ceil(size / blockSize);
  const ratio = (2 ** 23 * SECTOR) / blockSize;
  const entries = options.parent === undefined ? blocks + Math.floor((blocks - 1) / ratio) : Math.ceil(blocks / ratio) * (ratio + 1);
  const batLength = roundUp(entries * 8, MIB);
  const regions: Regions = { metadataOffset: 2 * MIB, metadataLength: MIB, batOffset: 3 * MIB, batLength };
  const id = () => formatUuid(host.uuid(), 'mixed');
  const first = regions.batOffset + batLength;
  if (options.fixed === true) {
    const bat = new Uint8Array(entries * 8);
    for (let block = 0; block < blocks; block++) {
      setU64le(viewOf(bat), (block + Math.floor(block / ratio)) * 8, first + block * blockSize + State.FULLY_PRESENT);
    }
    await file.write(regions.batOffset, bat);
  }
  await file.truncate(first + (options.fixed === true ? blocks * blockSize : 0));
  await file.write(
    regions.metadataOffset,
    encodeMetadata({ blockSize, size, fixed: options.fixed === true, diskId: host.uuid(), parent: options.parent }),
  );
  await file.flush();
  const header: VhdxHeader = { slot: 0, sequence: 1, fileWriteId: id(), dataWriteId: id(), logId: NO_LOG, logOffset: MIB, logLength: MIB };
  await file.write(0, encodeFirstMib(header, regions));
  await file.flush();
}
