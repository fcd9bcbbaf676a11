import type { HostFile } from '../../host-file.ts';
import { getU64le, setU64le, viewOf } from '../bytes.ts';
import { crcWithout } from '../crc32c.ts';
import { damaged, unsupported } from '../format.ts';
import { formatUuid, parseUuid } from '../uuid.ts';

/*
 * MS-VHDX 7.0. Little-endian; section numbers refer to it.
 */

export const MIB = 1 << 20;
export const IDENTIFIER = 'vhdxfile';
const HEADER_OFFSETS = [0x1_0000, 0x2_0000] as const;
const REGION_OFFSETS = [0x3_0000, 0x4_0000] as const;
const HEADER_BYTES = 4096;
const REGION_BYTES = 65536;
const HEADER_SIGNATURE = 0x6461_6568; // "head"
const REGION_SIGNATURE = 0x6967_6572; // "regi"
const METADATA_SIGNATURE = 'metadata';
const REQUIRED = 1;
export const NO_LOG = '00000000-0000-0000-0000-000000000000';

const Region = { BAT: '2dc27766-f623-4200-9d64-115e9bfd4a08', METADATA: '8b7ca206-4790-4b9a-b8fe-575f050f886e' } as const;
const Item = {
  FILE_PARAMETERS: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  DISK_SIZE: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  DISK_ID: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  LOGICAL_SECTOR: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  PHYSICAL_SECTOR: 'cda348c7-445d-4471-9cc9-e9885251c556',
  PARENT_LOCATOR: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;
const LOCATOR_VHDX = 'b04aefb7-d19e-4a81-b789-25b8e9445913';
/** Bits of a metadata entry (2.6.1.2) and of the file parameters (2.6.2.1). */
const ENTRY_REQUIRED = 4;
const IS_VIRTUAL_DISK = 2;
const LEAVE_ALLOCATED = 1;
const HAS_PARENT = 2;

export interface VhdxHeader {
  /** 0 or 1: which of the two copies this is. */
  readonly slot: number;
  readonly sequence: number;
  readonly fileWriteId: string;
  readonly dataWriteId: string;
  readonly logId: string;
  readonly logOffset: number;
  readonly logLength: number;
}

/** The valid header with the higher sequence number is the present one (2.2.2). */
export async function readHeader(file: HostFile): Promise<VhdxHeader> {
  let best: VhdxHeader | undefined;
  for (const [slot, offset] of HEADER_OFFSETS.entries()) {
    const bytes = new Uint8Array(HEADER_BYTES);
    await file.read(offset, bytes);
    const view = viewOf(bytes);
    if (view.getUint32(0, true) !== HEADER_SIGNATURE || view.getUint32(4, true) !== crcWithout(bytes, 4)) continue;
    if (view.getUint16(66, true) !== 1) throw unsupported(file, `VHDX version ${view.getUint16(66, true)} is not supported`);
    const header: VhdxHeader = {
      slot,
      sequence: getU64le(view, 8),
      fileWriteId: formatUuid(bytes.subarray(16, 32), 'mixed'),
      dataWriteId: formatUuid(bytes.subarray(32, 48), 'mixed'),
      logId: formatUuid(bytes.subarray(48, 64), 'mixed'),
      logLength: view.getUint32(68, true),
      logOffset: getU64le(view, 72),
    };
    if (best === undefined || header.sequence > best.sequence) best = header;
  }
  if (best === undefined) throw damaged(file, 'is not a VHDX image (neither header has a valid checksum)');
  return best;
}

/** Writes the header that comes after `header` into the other slot (2.2.2.1). The caller flushes. */
export async function writeHeader(file: HostFile, header: VhdxHeader): Promise<VhdxHeader> {
  const next = { ...header, slot: 1 - header.slot, sequence: header.sequence + 1 };
  await file.write(HEADER_OFFSETS[next.slot]!, encodeHeader(next));
  return next;
}

export function encodeHeader(header: VhdxHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, HEADER_SIGNATURE, true);
  setU64le(view, 8, header.sequence);
  bytes.set(parseUuid(header.fileWriteId, 'mixed'), 16);
  bytes.set(parseUuid(header.dataWriteId, 'mixed'), 32);
  bytes.set(parseUuid(header.logId, 'mixed'), 48);
  view.setUint16(66, 1, true);
  view.setUint32(68, header.logLength, true);
  setU64le(view, 72, header.logOffset);
  view.setUint32(4, crcWithout(bytes, 4), true);
  return bytes;
}

export interface Regions {
  readonly batOffset: number;
  readonly batLength: number;
  readonly metadataOffset: number;
  readonly metadataLength: number;
}

export async function readRegions(file: HostFile): Promise<Regions> {
  const fileSize = await file.size();
  for (const offset of REGION_OFFSETS) {
    const bytes = new Uint8Array(REGION_BYTES);
    await file.read(offset, bytes);
    const view = viewOf(bytes);
    if (view.getUint32(0, true) !== REGION_SIGNATURE || view.getUint32(4, true) !== crcWithout(bytes, 4)) continue;
    const found = new Map<string, { offset: number; length: number }>();
    const count = Math.min(view.getUint32(8, true), 2047);
    for (let at = 16; at < 16 + count * 32; at += 32) {
      const id = formatUuid(bytes.subarray(at, at + 16), 'mixed');
      const region = { offset: getU64le(view, at + 16), length: view.getUint32(at + 24, true) };
      if (id !== Region.BAT && id !== Region.METADATA) {
        if ((view.getUint32(at + 28, true) & REQUIRED) !== 0) throw unsupported(file, `region ${id} is required and not known here`);
        continue;
      }
      if (region.offset % MIB !== 0 || region.offset < MIB || region.offset + region.length > fileSize + MIB || region.length === 0)
        throw damaged(file, `region ${id} is not in the file`);
      found.set(id, region);
    }
    const [bat, metadata] = [found.get(Region.BAT), found.get(Region.METADATA)];
    if (bat === undefined || metadata === undefined) throw damaged(file, 'the region table names no block allocation table or no metadata');
    return { batOffset: bat.offset, batLength: bat.length, metadataOffset: metadata.offset, metadataLength: metadata.length };
  }
  throw damaged(file, 'neither region table has a valid checksum');
}

export interface Metadata {
  readonly blockSize: number;
  /** Bytes. */
  readonly size: number;
  readonly logicalSector: number;
  readonly fixed: boolean;
  readonly hasParent: boolean;
  readonly diskId: string;
  readonly parentPaths: readonly string[];
  /** The data write id the parent had. */
  readonly parentId: string | undefined;
}

export async function readMetadata(file: HostFile, regions: Regions): Promise<Metadata> {
  const table = new Uint8Array(65536);
  await file.read(regions.metadataOffset, table);
  const view = viewOf(table);
  if (new TextDecoder().decode(table.subarray(0, 8)) !== METADATA_SIGNATURE) throw damaged(file, 'the metadata have no signature');
  const items = new Map<string, Uint8Array>();
  const count = Math.min(view.getUint16(10, true), 2047);
  const known: readonly string[] = Object.values(Item);
  for (let at = 32; at < 32 + count * 32; at += 32) {
    const id = formatUuid(table.subarray(at, at + 16), 'mixed');
    const [offset, length, flags] = [view.getUint32(at + 16, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    if (!known.includes(id)) {
      if ((flags & ENTRY_REQUIRED) !== 0) throw unsupported(file, `metadata item ${id} is required and not known here`);
      continue;
    }
    if (length > MIB || offset < 65536 || offset + length > regions.metadataLength) throw damaged(file, `metadata item ${id} is not in its region`);
    const item = new Uint8Array(length);
    await file.read(regions.metadataOffset + offset, item);
    items.set(id, item);
  }
  const need = (id: string, length: number, what: string) => {
    const item = items.get(id);
    if (item === undefined || item.length < length) throw damaged(file, `the metadata do not say the ${what}`);
    return item;
  };
  const parameters = viewOf(need(Item.FILE_PARAMETERS, 8, 'block size'));
  const [blockSize, flags] = [parameters.getUint32(0, true), parameters.getUint32(4, true)];
  if (blockSize < MIB || blockSize > 256 * MIB || (blockSize & (blockSize - 1)) !== 0) throw damaged(file, `the block size is ${blockSize}`);
  const size = getU64le(viewOf(need(Item.DISK_SIZE, 8, 'size of the disk')), 0);
  if (size === 0 || size > 64 * 2 ** 40 || size % 512 !== 0) throw damaged(file, `the size is ${size} bytes`);
  const logicalSector = viewOf(need(Item.LOGICAL_SECTOR, 4, 'sector size')).getUint32(0, true);
  if (logicalSector !== 512 && logicalSector !== 4096) throw damaged(file, `the sector size is ${logicalSector}`);
  const hasParent = (flags & HAS_PARENT) !== 0;
  const locator = hasParent ? readLocator(file, need(Item.PARENT_LOCATOR, 20, 'parent')) : new Map<string, string>();
  return {
    blockSize,
    size,
    logicalSector,
    fixed: (flags & LEAVE_ALLOCATED) !== 0,
    hasParent,
    diskId: formatUuid(items.get(Item.DISK_ID) ?? new Uint8Array(16), 'mixed'),
    parentPaths: ['relative_path', 'volume_path', 'absolute_win32_path'].flatMap((key) => {
      const path = locator.get(key);
      return path === undefined ? [] : [path.replaceAll('\\', '/').replace(/^\.\//, '')];
    }),
    parentId: locator.get('parent_linkage')?.replaceAll(/[{}]/g, '').toLowerCase(),
  };
}

/** 2.6.2.6: keys and values in UTF-16. */
function readLocator(file: HostFile, item: Uint8Array): Map<string, string> {
  const view = viewOf(item);
  if (formatUuid(item.subarray(0, 16), 'mixed') !== LOCATOR_VHDX) throw unsupported(file, 'the parent is named in an unknown way');
  const values = new Map<string, string>();
  const text = (offset: number, length: number) => new TextDecoder('utf-16le').decode(item.subarray(offset, offset + length));
  const count = Math.min(view.getUint16(18, true), 64);
  for (let at = 20; at + 12 <= 20 + count * 12 && at + 12 <= item.length; at += 12) {
    values.set(text(view.getUint32(at, true), view.getUint16(at + 8, true)), text(view.getUint32(at + 4, true), view.getUint16(at + 10, true)));
  }
  return values;
}

export interface NewMetadata {
  readonly blockSize: number;
  readonly size: number;
  readonly fixed: boolean;
  readonly diskId: Uint8Array;
  readonly parent?: { readonly path: string; readonly identity: string } | undefined;
}

export function encodeMetadata(metadata: NewMetadata): Uint8Array {
  const bytes = new Uint8Array(MIB);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(METADATA_SIGNATURE));
  let [entry, place] = [32, 65536];
  const add = (id: string, item: Uint8Array, flags: number) => {
    bytes.set(parseUuid(id, 'mixed'), entry);
    view.setUint32(entry + 16, place, true);
    view.setUint32(entry + 20, item.length, true);
    view.setUint32(entry + 24, flags, true);
    bytes.set(item, place);
    entry += 32;
    place += (item.length + 7) & ~7;
    view.setUint16(10, (entry - 32) / 32, true);
  };
  const words = (...values: number[]) => {
    const item = new Uint8Array(values.length * 4);
    values.forEach((value, index) => viewOf(item).setUint32(index * 4, value, true));
    return item;
  };
  add(
    Item.FILE_PARAMETERS,
    words(metadata.blockSize, (metadata.fixed ? LEAVE_ALLOCATED : 0) | (metadata.parent === undefined ? 0 : HAS_PARENT)),
    ENTRY_REQUIRED,
  );
  add(Item.DISK_SIZE, words(metadata.size % 2 ** 32, Math.floor(metadata.size / 2 ** 32)), ENTRY_REQUIRED | IS_VIRTUAL_DISK);
  add(Item.DISK_ID, metadata.diskId, ENTRY_REQUIRED | IS_VIRTUAL_DISK);
  add(Item.LOGICAL_SECTOR, words(512), ENTRY_REQUIRED | IS_VIRTUAL_DISK);
  add(Item.PHYSICAL_SECTOR, words(4096), ENTRY_REQUIRED | IS_VIRTUAL_DISK);
  if (metadata.parent !== undefined) add(Item.PARENT_LOCATOR, encodeLocator(metadata.parent.path, metadata.parent.identity), ENTRY_REQUIRED);
  return bytes;
}

function encodeLocator(path: string, identity: string): Uint8Array {
  const utf16 = (text: string) => {
    const bytes = new Uint8Array(text.length * 2);
    for (let index = 0; index < text.length; index++) viewOf(bytes).setUint16(index * 2, text.charCodeAt(index), true);
    return bytes;
  };
  const key = path.startsWith('/') ? 'absolute_win32_path' : 'relative_path';
  const pairs = [
    ['parent_linkage', `{${identity}}`],
    [key, (path.startsWith('/') ? path : `./${path}`).replaceAll('/', '\\')],
  ].map(([name, value]) => [utf16(name!), utf16(value!)] as const);
  const start = 20 + pairs.length * 12;
  const item = new Uint8Array(start + pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0));
  const view = viewOf(item);
  item.set(parseUuid(LOCATOR_VHDX, 'mixed'));
  view.setUint16(18, pairs.length, true);
  let place = start;
  pairs.forEach(([name, value], index) => {
    const at = 20 + index * 12;
    view.setUint32(at, place, true);
    view.setUint16(at + 8, name.length, true);
    item.set(name, place);
    place += name.length;
    view.setUint32(at + 4, place, true);
    view.setUint16(at + 10, value.length, true);
    item.set(value, place);
    place += value.length;
  });
  return item;
}

/** Identifier, both headers, both region tables: the first MiB of a new file. */
export function encodeFirstMib(header: VhdxHeader, regions: Regions): Uint8Array {
  const bytes = new Uint8Array(MIB);
  bytes.set(new TextEncoder().encode(IDENTIFIER));
  for (let index = 0; index < 'Strate'.length; index++) viewOf(bytes).setUint16(8 + index * 2, 'Strate'.charCodeAt(index), true);
  bytes.set(encodeHeader(header), HEADER_OFFSETS[0]);
  bytes.set(encodeHeader({ ...header, slot: 1, sequence: header.sequence + 1 }), HEADER_OFFSETS[1]);
  const table = new Uint8Array(REGION_BYTES);
  const view = viewOf(table);
  view.setUint32(0, REGION_SIGNATURE, true);
  view.setUint32(8, 2, true);
  const entries = [
    [Region.BAT, regions.batOffset, regions.batLength],
    [Region.METADATA, regions.metadataOffset, regions.metadataLength],
  ] as const;
  entries.forEach(([id, offset, length], index) => {
    const at = 16 + index * 32;
    table.set(parseUuid(id, 'mixed'), at);
    setU64le(view, at + 16, offset);
    view.setUint32(at + 24, length, true);
    view.setUint32(at + 28, REQUIRED, true);
  });
  view.setUint32(4, crcWithout(table, 4), true);
  for (const offset of REGION_OFFSETS) bytes.set(table, offset);
  return bytes;
}
