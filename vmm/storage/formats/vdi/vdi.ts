import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import { getU64le, roundUp, setU64le, viewOf } from '../bytes.ts';
import { damaged, unsupported, type FormatHost, type FormatOptions } from '../format.ts';
import { Places, UnitNode, type Place, type Run } from '../unit-node.ts';
import { formatUuid, parseUuid } from '../uuid.ts';

/*
 * VirtualBox disk image 1.1: a header, a table of 32-bit block numbers, blocks. Field names as in VirtualBox's documentation of the format.
 */

export const VDI_SIGNATURE = 0xbeda107f;
const VERSION_1_1 = 0x0001_0001;
const HEADER_BYTES = 512;
const HEADER_SIZE_FIELD = 400;
const Type = { DYNAMIC: 1, FIXED: 2, UNDO: 3, DIFFERENCING: 4 } as const;
/** A block that was never written (in a differencing image: the parent's), and one that reads as zeros. */
const FREE = 0xffff_ffff;
const ZERO = 0xffff_fffe;
const DEFAULT_BLOCK = 1 << 20;
const MOST_BLOCKS = 1 << 26;
const At = {
  blocks: 340,
  data: 344,
  size: 368,
  blockSize: 376,
  blockExtra: 380,
  count: 384,
  allocated: 388,
  uuid: 392,
  modified: 408,
  parent: 424,
  parentModified: 440,
} as const;
const GRAIN = 512;

export class VdiNode extends UnitNode {
  readonly format = 'vdi';
  readonly #file: HostFile;
  readonly #header: Uint8Array;
  readonly #table: Uint32Array;
  readonly #host: FormatHost;
  readonly #tableOffset: number;
  readonly #dataOffset: number;
  readonly #blockBytes: number;
  readonly #dirty = new Set<number>();
  readonly #places: Places;
  readonly #type: number;

  private constructor(file: HostFile, host: FormatHost, header: Uint8Array, table: Uint32Array, fileSize: number, readOnly: boolean) {
    const view = viewOf(header);
    super({ name: file.path, size: getU64le(view, At.size), readOnly, unit: view.getUint32(At.blockSize, true) });
    this.#file = file;
    this.#host = host;
    this.#header = header;
    this.#table = table;
    this.#tableOffset = view.getUint32(At.blocks, true);
    this.#dataOffset = view.getUint32(At.data, true);
    this.#blockBytes = this.unit + view.getUint32(At.blockExtra, true);
    this.#type = view.getUint32(76, true);
    this.identity = formatUuid(header.subarray(At.modified, At.modified + 16));
    if (this.#type === Type.DIFFERENCING)
      this.parent = { paths: [], format: 'vdi', identity: formatUuid(header.subarray(At.parentModified, At.parentModified + 16)) };
    const used = [...table].filter((entry) => entry < ZERO).map((entry) => this.#dataOffset + entry * this.#blockBytes);
    this.#places = new Places(file, this.#blockBytes, this.#dataOffset, used, fileSize);
  }

  static async open(file: HostFile, host: FormatHost, options: FormatOptions): Promise<VdiNode> {
    const header = new Uint8Array(HEADER_BYTES);
    await file.read(0, header);
    const view = viewOf(header);
    if (view.getUint32(64, true) !== VDI_SIGNATURE) throw damaged(file, 'is not a VDI image (the signature is missing)');
    const version = view.getUint32(68, true);
    if (version !== VERSION_1_1)
      throw unsupported(file, `VDI version ${version >>> 16}.${version & 0xffff} is not supported; convert it with VirtualBox first`);
    const type = view.getUint32(76, true);
    if (type === Type.UNDO || type < Type.DYNAMIC || type > Type.DIFFERENCING)
      throw unsupported(file, `VDI images of type ${type} are not supported`);
    const blockSize = view.getUint32(At.blockSize, true);
    if (blockSize < GRAIN || blockSize > 1 << 28 || (blockSize & (blockSize - 1)) !== 0) throw damaged(file, `the block size is ${blockSize}`);
    const [count, size] = [view.getUint32(At.count, true), getU64le(view, At.size)];
    if (count > MOST_BLOCKS || size > count * blockSize)
      throw damaged(file, `${count} blocks of ${blockSize} bytes do not hold a disk of ${size} bytes`);
    const fileSize = await file.size();
    const tableOffset = view.getUint32(At.blocks, true);
    if (tableOffset + count * 4 > fileSize) throw damaged(file, 'the block table is not all in the file');
    const dataOffset = view.getUint32(At.data, true);
    if (tableOffset % GRAIN !== 0 || dataOffset % GRAIN !== 0 || tableOffset < GRAIN || dataOffset < tableOffset + count * 4)
      throw damaged(file, 'the offsets of table and data overlap');
    const bytes = new Uint8Array(count * 4);
    await file.read(tableOffset, bytes);
    const tableView = viewOf(bytes);
    const table = Uint32Array.from({ length: count }, (_, index) => tableView.getUint32(index * 4, true));
    const blockBytes = blockSize + view.getUint32(At.blockExtra, true);
    const seen = new Set<number>();
    for (const [index, entry] of table.entries()) {
      if (entry >= ZERO) continue;
      if (dataOffset + entry * blockBytes >= fileSize) throw damaged(file, `block ${index} lies beyond the end of the file`);
      if (seen.has(entry) && !options.readOnly) throw damaged(file, `block ${index} has the same place as another`);
      seen.add(entry);
    }
    return new VdiNode(file, host, header, table, fileSize, options.readOnly);
  }

  /** Where a block's data are: behind what else it may hold. */
  #offset(block: number): number {
    return this.#dataOffset + block * this.#blockBytes + this.#extra;
  }

  get #extra(): number {
    return this.#blockBytes - this.unit;
  }

  protected map(offset: number, length: number): Run {
    const within = offset % this.unit;
    const block = (offset - within) / this.unit;
    const entry = this.#table[block]!;
    const kind = entry === FREE ? 'absent' : entry === ZERO ? 'zero' : 'data';
    let run = this.unit - within;
    for (let next = block + 1; run < length; next++, run += this.unit) {
      const follows = kind === 'data' ? this.#blockBytes === this.unit && this.#table[next] === entry + next - block : this.#table[next] === entry;
      if (!follows) break;
    }
    return { kind, length: Math.min(run, length), host: kind === 'data' ? this.#offset(entry) + within : 0, file: this.#file };
  }

  protected place(): Promise<Place> {
    const place = this.#places.take();
    return Promise.resolve({ ...place, host: place.host + this.#extra });
  }

  protected bind(unit: number, place: Place): void {
    this.#table[unit] = (place.host - this.#extra - this.#dataOffset) / this.#blockBytes;
    this.#dirty.add(unit);
  }

  protected unbind(unit: number, zero: boolean): boolean {
    const entry = this.#table[unit]!;
    if (entry < ZERO) this.#places.giveBack(this.#dataOffset + entry * this.#blockBytes);
    this.#table[unit] = zero ? ZERO : FREE;
    this.#dirty.add(unit);
    return true;
  }

  /** A new modification id: children of this image are no longer its children. */
  protected override async beforeChange(): Promise<void> {
    this.#header.set(this.#host.uuid(), At.modified);
    this.identity = formatUuid(this.#header.subarray(At.modified, At.modified + 16));
    await this.#file.write(0, this.#header);
  }

  protected async commit(): Promise<void> {
    const entries = [...this.#dirty].sort((a, b) => a - b).map((unit) => ({ unit, value: this.#table[unit]! }));
    const freed = this.#places.takeFreed();
    this.#dirty.clear();
    try {
      await this.#file.flush();
      if (entries.length === 0) return;
      await this.#writeEntries(entries);
      viewOf(this.#header).setUint32(At.allocated, (this.#places.end - this.#dataOffset) / this.#blockBytes, true);
      await this.#file.write(0, this.#header);
      await this.#file.flush();
    } catch (error) {
      for (const { unit } of entries) this.#dirty.add(unit);
      this.#places.putBack(freed);
      throw error;
    }
    await this.#places.settle(freed);
  }

  /** Runs of entries in one write each. */
  async #writeEntries(entries: readonly { readonly unit: number; readonly value: number }[]): Promise<void> {
    for (let i = 0; i < entries.length;) {
      let end = i + 1;
      while (end < entries.length && entries[end]!.unit === entries[end - 1]!.unit + 1) end++;
      const bytes = new Uint8Array((end - i) * 4);
      for (let n = i; n < end; n++) viewOf(bytes).setUint32((n - i) * 4, entries[n]!.value, true);
      await this.#file.write(this.#tableOffset + entries[i]!.unit * 4, bytes);
      i = end;
    }
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly && (this.#dirty.size > 0 || this.#places.hasFreed)) await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  describe(): Record<string, string | number | boolean> {
    return {
      type: this.#type === Type.FIXED ? 'fixed' : this.#type === Type.DIFFERENCING ? 'differencing' : 'dynamic',
      'block size': this.unit,
      uuid: formatUuid(this.#header.subarray(At.uuid, At.uuid + 16)),
    };
  }
}

export interface VdiCreateOptions {
  /** Bytes. */
  readonly size: number;
  readonly fixed?: boolean;
  /** The image it is a difference to. */
  readonly parent?: VdiIds | undefined;
}

/** By what a difference knows its parent: the image's id, and one that changes when its contents do. Where it lies is not written down. */
export interface VdiIds {
  readonly uuid: string;
  readonly modified: string;
}

/** undefined: it is no VDI image. */
export async function readVdiIds(file: HostFile): Promise<VdiIds | undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  await file.read(0, header);
  if (viewOf(header).getUint32(64, true) !== VDI_SIGNATURE) return undefined;
  const idAt = (at: number) => formatUuid(header.subarray(at, at + 16));
  return { uuid: idAt(At.uuid), modified: idAt(At.modified) };
}

export async function createVdi(file: HostFile, host: FormatHost, options: VdiCreateOptions): Promise<void> {
  const size = roundUp(options.size, 512);
  const count = Math.ceil(size / DEFAULT_BLOCK);
  if (count > MOST_BLOCKS) throw new VmmError('usage', `${file.path}: a VDI image holds at most ${MOST_BLOCKS * DEFAULT_BLOCK} bytes`);
  const header = new Uint8Array(HEADER_BYTES);
  const view = viewOf(header);
  header.set(new TextEncoder().encode('<<< Oracle VM VirtualBox Disk Image >>>\n'));
  view.setUint32(64, VDI_SIGNATURE, true);
  view.setUint32(68, VERSION_1_1, true);
  view.setUint32(72, HEADER_SIZE_FIELD, true);
  if (options.parent !== undefined && options.fixed === true)
    throw new VmmError('usage', `${file.path}: an image that is a difference to another cannot have all its space from the start`);
  view.setUint32(76, options.parent !== undefined ? Type.DIFFERENCING : options.fixed === true ? Type.FIXED : Type.DYNAMIC, true);
  const dataOffset = roundUp(DEFAULT_BLOCK + count * 4, DEFAULT_BLOCK);
  view.setUint32(At.blocks, DEFAULT_BLOCK, true);
  view.setUint32(At.data, dataOffset, true);
  view.setUint32(360, 512, true); // sector size
  setU64le(view, At.size, size);
  view.setUint32(At.blockSize, DEFAULT_BLOCK, true);
  view.setUint32(At.count, count, true);
  view.setUint32(At.allocated, options.fixed === true ? count : 0, true);
  header.set(host.uuid(), At.uuid);
  header.set(host.uuid(), At.modified);
  if (options.parent !== undefined) {
    header.set(parseUuid(options.parent.uuid), At.parent);
    header.set(parseUuid(options.parent.modified), At.parentModified);
  }
  const table = new Uint8Array(count * 4);
  for (let index = 0; index < count; index++) viewOf(table).setUint32(index * 4, options.fixed === true ? index : FREE, true);
  await file.write(DEFAULT_BLOCK, table);
  await file.truncate(dataOffset + (options.fixed === true ? count * DEFAULT_BLOCK : 0));
  await file.flush();
  await file.write(0, header);
  await file.flush();
}
