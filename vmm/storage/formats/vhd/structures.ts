import type { HostFile } from '../../host-file.ts';
import { getU64be, setU64be, viewOf } from '../bytes.ts';
import { damaged, unsupported } from '../format.ts';
import { formatUuid, parseUuid } from '../uuid.ts';

/*
 * Virtual Hard Disk Image Format Specification 1.0 (Microsoft, 2006). All fields are big-endian.
 */

export const FOOTER_BYTES = 512;
export const HEADER_BYTES = 1024;
export const DiskType = { FIXED: 2, DYNAMIC: 3, DIFFERENCING: 4 } as const;
export const UNUSED = 0xffff_ffff;
const COOKIE = 'conectix';
const HEADER_COOKIE = 'cxsparse';
const FORMAT_VERSION = 0x0001_0000;
/** Seconds from 1970 to 2000, from which VHD counts. */
const EPOCH = 946_684_800;
/** The largest disk: 2040 GiB, and as many 512-byte sectors as the table can address. */
const MOST_SECTORS = 0xffff_ffff;

export interface Footer {
  readonly dataOffset: number;
  /** Bytes. */
  readonly size: number;
  readonly type: number;
  readonly uuid: string;
  readonly timestamp: number;
  readonly creator: string;
  readonly geometry: { readonly cylinders: number; readonly heads: number; readonly sectors: number };
  /** As it is in the file. */
  readonly bytes: Uint8Array;
}

function checksumOf(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index++) if (index < at || index >= at + 4) sum += bytes[index]!;
  return ~sum >>> 0;
}

function cookieAt(bytes: Uint8Array, cookie: string): boolean {
  return new TextEncoder().encode(cookie).every((byte, index) => bytes[index] === byte);
}

/** The footer at the end of the file, or its copy at the start of a dynamic one. */
export async function readFooter(file: HostFile): Promise<Footer> {
  const fileSize = await file.size();
  const bytes = new Uint8Array(FOOTER_BYTES);
  // Virtual PC before 2004 wrote 511 bytes.
  for (const offset of [fileSize - FOOTER_BYTES, fileSize - 511, 0]) {
    if (offset < 0) continue;
    await file.read(offset, bytes);
    if (cookieAt(bytes, COOKIE) && viewOf(bytes).getUint32(64) === checksumOf(bytes, 64)) return parseFooter(file, bytes);
  }
  throw damaged(file, 'is not a VHD image (there is no footer with a valid checksum)');
}

function parseFooter(file: HostFile, bytes: Uint8Array): Footer {
  const view = viewOf(bytes);
  const version = view.getUint32(12);
  if (version >>> 16 !== 1) throw unsupported(file, `VHD version ${version >>> 16} is not supported`);
  const geometry = { cylinders: view.getUint16(56), heads: bytes[58]!, sectors: bytes[59]! };
  const creator = String.fromCharCode(...bytes.subarray(28, 32));
  const current = getU64be(view, 48);
  const byGeometry = geometry.cylinders * geometry.heads * geometry.sectors * 512;
  // Virtual PC, and qemu-img by default, make disks as large as their geometry; for all others the size field counts.
  const useGeometry = ['vpc ', 'qemu'].includes(creator) && byGeometry > 0 && byGeometry < 65535 * 16 * 255 * 512;
  const type = view.getUint32(60);
  if (type !== DiskType.FIXED && type !== DiskType.DYNAMIC && type !== DiskType.DIFFERENCING)
    throw unsupported(file, `VHD images of type ${type} are not supported`);
  const size = useGeometry ? byGeometry : current;
  if (size > MOST_SECTORS * 512 || size === 0) throw damaged(file, `the size is ${size} bytes`);
  return {
    dataOffset: getU64be(view, 16),
    size,
    type,
    uuid: formatUuid(bytes.subarray(68, 84)),
    timestamp: view.getUint32(24),
    creator,
    geometry,
    bytes: bytes.slice(),
  };
}

export interface NewFooter {
  readonly size: number;
  readonly type: number;
  readonly uuid: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
}

export function encodeFooter(footer: NewFooter): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(COOKIE));
  view.setUint32(8, 2); // features: reserved, always set
  view.setUint32(12, FORMAT_VERSION);
  if (footer.type === DiskType.FIXED) bytes.fill(0xff, 16, 24);
  else setU64be(view, 16, FOOTER_BYTES);
  view.setUint32(24, Math.max(0, Math.floor(footer.time - EPOCH)));
  // Readers take the size from the geometry unless the creator is one of those they know: this is Windows's.
  bytes.set(new TextEncoder().encode('win '), 28);
  view.setUint32(32, 0x000a_0000);
  bytes.set(new TextEncoder().encode('Wi2k'), 36);
  setU64be(view, 40, footer.size);
  setU64be(view, 48, footer.size);
  const { cylinders, heads, sectors } = geometryOf(footer.size / 512);
  view.setUint16(56, cylinders);
  bytes[58] = heads;
  bytes[59] = sectors;
  view.setUint32(60, footer.type);
  bytes.set(footer.uuid, 68);
  view.setUint32(64, checksumOf(bytes, 64));
  return bytes;
}

/** The specification's appendix: CHS calculation. */
export function geometryOf(totalSectors: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(totalSectors, 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return { cylinders: Math.floor(Math.floor(total / 255) / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let cylinderTimesHeads = Math.floor(total / sectors);
  let heads = Math.max(4, Math.floor((cylinderTimesHeads + 1023) / 1024));
  if (cylinderTimesHeads >= heads * 1024 || heads > 16) {
    [sectors, heads] = [31, 16];
    cylinderTimesHeads = Math.floor(total / sectors);
  }
  if (cylinderTimesHeads >= heads * 1024) {
    [sectors, heads] = [63, 16];
    cylinderTimesHeads = Math.floor(total / sectors);
  }
  return { cylinders: Math.floor(cylinderTimesHeads / heads), heads, sectors };
}

export interface DynamicHeader {
  readonly tableOffset: number;
  /** Entries of the block allocation table. */
  readonly entries: number;
  readonly blockSize: number;
  readonly parentUuid: string;
  readonly parentPaths: readonly string[];
}

export async function readDynamicHeader(file: HostFile, footer: Footer): Promise<DynamicHeader> {
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(footer.dataOffset, bytes);
  const view = viewOf(bytes);
  if (!cookieAt(bytes, HEADER_COOKIE) || view.getUint32(36) !== checksumOf(bytes, 36))
    throw damaged(file, 'the dynamic disk header has no valid checksum');
  const [tableOffset, entries, blockSize] = [getU64be(view, 16), view.getUint32(28), view.getUint32(32)];
  if (blockSize < 512 || blockSize > 1 << 28 || (blockSize & (blockSize - 1)) !== 0) throw damaged(file, `the block size is ${blockSize}`);
  if (entries < Math.ceil(footer.size / blockSize)) throw damaged(file, `the block allocation table has ${entries} entries, too few for the disk`);
  if (tableOffset % 512 !== 0 || tableOffset + entries * 4 > (await file.size()))
    throw damaged(file, 'the block allocation table is not all in the file');
  return { tableOffset, entries, blockSize, parentUuid: formatUuid(bytes.subarray(40, 56)), parentPaths: await readParentPaths(file, bytes) };
}

const MOST_PATH = 4096;

/** Locators in order of preference: relative, absolute; then the bare name. Paths are Windows's. */
async function readParentPaths(file: HostFile, header: Uint8Array): Promise<string[]> {
  const view = viewOf(header);
  const found = new Map<string, string>();
  for (let entry = 576; entry < 576 + 8 * 24; entry += 24) {
    const [code, length, offset] = [String.fromCharCode(...header.subarray(entry, entry + 4)), view.getUint32(entry + 8), getU64be(view, entry + 16)];
    if ((code !== 'W2ru' && code !== 'W2ku') || length === 0 || length > MOST_PATH) continue;
    const bytes = new Uint8Array(length);
    await file.read(offset, bytes);
    found.set(code, hostPath(new TextDecoder('utf-16le').decode(bytes)));
  }
  const name = hostPath(new TextDecoder('utf-16be').decode(header.subarray(64, 576)));
  return [found.get('W2ru'), found.get('W2ku'), name].filter((path): path is string => path !== undefined && path !== '');
}

function hostPath(path: string): string {
  return path.replaceAll('\0', '').replaceAll('\\', '/').replace(/^\.\//, '');
}

export interface NewDynamicHeader {
  readonly tableOffset: number;
  readonly entries: number;
  readonly blockSize: number;
  readonly parent?: { readonly uuid: string; readonly timestamp: number; readonly path: string; readonly locatorOffset: number };
}

/** UTF-16LE, as the locators hold paths. */
export function encodeLocator(path: string): Uint8Array {
  const text = (path.startsWith('/') ? path : `./${path}`).replaceAll('/', '\\');
  const bytes = new Uint8Array(text.length * 2);
  for (let index = 0; index < text.length; index++) viewOf(bytes).setUint16(index * 2, text.charCodeAt(index), true);
  return bytes;
}

export function encodeDynamicHeader(header: NewDynamicHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(HEADER_COOKIE));
  bytes.fill(0xff, 8, 16);
  setU64be(view, 16, header.tableOffset);
  view.setUint32(24, FORMAT_VERSION);
  view.setUint32(28, header.entries);
  view.setUint32(32, header.blockSize);
  const { parent } = header;
  if (parent !== undefined) {
    bytes.set(parseUuid(parent.uuid), 40);
    view.setUint32(56, parent.timestamp);
    const name = parent.path.slice(parent.path.lastIndexOf('/') + 1);
    for (let index = 0; index < Math.min(255, name.length); index++) view.setUint16(64 + index * 2, name.charCodeAt(index));
    const locator = encodeLocator(parent.path);
    bytes.set(new TextEncoder().encode(parent.path.startsWith('/') ? 'W2ku' : 'W2ru'), 576);
    view.setUint32(580, Math.ceil(locator.length / 512) * 512);
    view.setUint32(584, locator.length);
    setU64be(view, 592, parent.locatorOffset);
  }
  view.setUint32(36, checksumOf(bytes, 36));
  return bytes;
}
