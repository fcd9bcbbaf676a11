import type { HostFile } from '../../host-file.ts';
import { getU64be, setU64be, textAt, viewOf } from '../bytes.ts';
import { damaged, unsupported } from '../format.ts';

/*
 * The QCOW2 image header. Section names refer to docs/interop/qcow2.rst of QEMU, the format's specification.
 */

export const QCOW_MAGIC = 0x514649fb;
export const Incompatible = { DIRTY: 1, CORRUPT: 2, DATA_FILE: 4, COMPRESSION: 8, EXTENDED_L2: 16 } as const;
const KNOWN_INCOMPATIBLE = 31;
/** BASE is Strate's own: what the backing file looked like when the image was made, as JSON. Others leave what they do not know alone. */
export const Extension = {
  END: 0,
  BASE: 0x53547262,
  BACKING_FORMAT: 0xe2792aca,
  FEATURE_NAMES: 0x6803f857,
  BITMAPS: 0x23852875,
  DATA_FILE: 0x44415441,
} as const;

export const Compression = { ZLIB: 0, ZSTD: 1 } as const;

/** Limits that keep a lying header from having anything large allocated; QEMU's, so that what it makes is taken. */
const MOST_L1_BYTES = 32 << 20;
const MOST_REFCOUNT_TABLE_BYTES = 8 << 20;
const MOST_SNAPSHOTS = 65536;
const MOST_BACKING_NAME = 1023;
const MOST_HEADER = 1 << 16;

const FIELDS_BYTES = 112;
/** Byte offsets of fields that are written on their own. */
export const Field = {
  l1Size: 36,
  l1Offset: 40,
  refcountOffset: 48,
  refcountClusters: 56,
  snapshotCount: 60,
  snapshotOffset: 64,
  incompatible: 72,
  autoclear: 88,
  size: 24,
} as const;

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Virtual size, bytes. */
  size: number;
  /** Entries. */
  l1Size: number;
  l1Offset: number;
  refcountOffset: number;
  refcountClusters: number;
  /** Refcounts are 1 << refcountOrder bits wide. */
  readonly refcountOrder: number;
  snapshotCount: number;
  snapshotOffset: number;
  /** The low 32 feature bits; none above are defined. */
  incompatible: number;
  readonly compatible: number;
  autoclear: number;
  readonly compression: number;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly dataFile: string | undefined;
  /** The text of extension BASE, and where it is in the file. */
  readonly base?: { readonly text: string; readonly offset: number; readonly length: number } | undefined;
}

export async function readHeader(file: HostFile): Promise<Qcow2Header> {
  const fileSize = await file.size();
  const bytes = new Uint8Array(MOST_HEADER);
  await file.read(0, bytes);
  const view = viewOf(bytes);
  if (view.getUint32(0) !== QCOW_MAGIC) throw damaged(file, 'is not a qcow2 image (the magic number is missing)');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw unsupported(file, `qcow version ${version} is not supported; convert it with "qemu-img convert" first`);
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw damaged(file, `cluster_bits is ${clusterBits}, not 9 to 21`);
  if (view.getUint32(32) !== 0) throw unsupported(file, 'the image is encrypted, which is not supported; decrypt it with "qemu-img convert" first');

  const clusterSize = 2 ** clusterBits;
  const headerLength = version === 2 ? 72 : view.getUint32(100);
  if (version === 3 && (headerLength < 104 || headerLength > clusterSize || headerLength % 8 !== 0))
    throw damaged(file, `header_length is ${headerLength}`);
  const incompatible = version === 2 ? 0 : view.getUint32(76);
  const extensions = readExtensions(file, bytes.subarray(0, Math.min(clusterSize, MOST_HEADER)), headerLength);
  if (version === 3 && (view.getUint32(72) !== 0 || (incompatible & ~KNOWN_INCOMPATIBLE) !== 0)) {
    throw unsupported(
      file,
      `the image uses ${unknownFeatures(incompatible, extensions.featureNames)}, which is not supported; convert it with "qemu-img convert" first`,
    );
  }

  const header: Qcow2Header = {
    version,
    clusterBits,
    size: getU64be(view, 24),
    l1Size: view.getUint32(36),
    l1Offset: getU64be(view, 40),
    refcountOffset: getU64be(view, 48),
    refcountClusters: view.getUint32(56),
    snapshotCount: view.getUint32(60),
    snapshotOffset: getU64be(view, 64),
    incompatible,
    compatible: version === 2 ? 0 : view.getUint32(84),
    autoclear: version === 2 ? 0 : view.getUint32(92),
    refcountOrder: version === 2 ? 4 : view.getUint32(96),
    compression: headerLength > 104 && (incompatible & Incompatible.COMPRESSION) !== 0 ? bytes[104]! : Compression.ZLIB,
    backingFile: readBackingName(file, bytes, getU64be(view, 8), view.getUint32(16), clusterSize),
    backingFormat: extensions.backingFormat,
    dataFile: extensions.dataFile,
    base: extensions.base,
  };
  validate(file, header, fileSize);
  return header;
}

function validate(file: HostFile, header: Qcow2Header, fileSize: number): void {
  const clusterSize = 2 ** header.clusterBits;
  const aligned = (offset: number) => offset % clusterSize === 0 && offset < 2 ** 56;
  if (header.refcountOrder > 6) throw damaged(file, `refcount_order is ${header.refcountOrder}, not 0 to 6`);
  if (header.l1Size * 8 > MOST_L1_BYTES) throw damaged(file, `l1_size is ${header.l1Size}, more than an image can have`);
  const entrySize = (header.incompatible & Incompatible.EXTENDED_L2) !== 0 ? 16 : 8;
  if (entrySize === 16 && header.clusterBits < 14) throw damaged(file, 'extended L2 entries need clusters of at least 16 KiB');
  const perL1 = clusterSize * (clusterSize / entrySize);
  if (header.size > 2 ** 53 || header.l1Size < Math.ceil(header.size / perL1))
    throw damaged(file, `size is ${header.size} bytes, more than the L1 table maps`);
  if (!aligned(header.l1Offset) || (header.l1Size > 0 && header.l1Offset + header.l1Size * 8 > fileSize))
    throw damaged(file, 'l1_table_offset is outside the file');
  if (!aligned(header.refcountOffset) || header.refcountOffset === 0 || header.refcountOffset >= fileSize) {
    throw damaged(file, 'refcount_table_offset is outside the file');
  }
  if (header.refcountClusters === 0 || header.refcountClusters * clusterSize > Math.max(MOST_REFCOUNT_TABLE_BYTES, clusterSize)) {
    throw damaged(file, `refcount_table_clusters is ${header.refcountClusters}`);
  }
  if (header.snapshotCount > MOST_SNAPSHOTS) throw damaged(file, `nb_snapshots is ${header.snapshotCount}`);
  if (header.snapshotCount > 0 && (!aligned(header.snapshotOffset) || header.snapshotOffset >= fileSize))
    throw damaged(file, 'snapshots_offset is outside the file');
  if (header.compression > Compression.ZSTD) throw unsupported(file, `compression type ${header.compression} is not supported`);
}

function readBackingName(file: HostFile, bytes: Uint8Array, offset: number, length: number, clusterSize: number): string | undefined {
  if (offset === 0) return undefined;
  if (length > MOST_BACKING_NAME || offset + length > Math.min(clusterSize, MOST_HEADER))
    throw damaged(file, `the name of the backing file is ${length} bytes at ${offset}`);
  return textAt(bytes, offset, length);
}

interface Extensions {
  backingFormat: string | undefined;
  dataFile: string | undefined;
  base: Qcow2Header['base'];
  /** Names of incompatible features, by bit. */
  readonly featureNames: Map<number, string>;
}

/** Header extensions: type, length, data padded to 8 bytes; unknown ones are left alone. */
function readExtensions(file: HostFile, bytes: Uint8Array, start: number): Extensions {
  const found: Extensions = { backingFormat: undefined, dataFile: undefined, base: undefined, featureNames: new Map() };
  const view = viewOf(bytes);
  for (let at = start; at + 8 <= bytes.length;) {
    const [type, length] = [view.getUint32(at), view.getUint32(at + 4)];
    at += 8;
    if (type === Extension.END) break;
    if (at + length > bytes.length) throw damaged(file, `a header extension (${type.toString(16)}) is ${length} bytes long`);
    if (type === Extension.BACKING_FORMAT) found.backingFormat = textAt(bytes, at, length);
    else if (type === Extension.DATA_FILE) found.dataFile = textAt(bytes, at, length);
    else if (type === Extension.BASE) found.base = { text: textAt(bytes, at, length).trimEnd(), offset: at, length };
    else if (type === Extension.FEATURE_NAMES) {
      for (let entry = at; entry + 48 <= at + length; entry += 48) {
        if (bytes[entry] === 0) found.featureNames.set(bytes[entry + 1]!, textAt(bytes, entry + 2, 46));
      }
    }
    at += (length + 7) & ~7;
  }
  return found;
}

/** More than these are the sign of a damaged header. */
const MOST_NAMED = 3;

function unknownFeatures(bits: number, names: ReadonlyMap<number, string>): string {
  const unknown = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => ((bits & ~KNOWN_INCOMPATIBLE) >>> bit) & 1);
  const named = unknown.slice(0, MOST_NAMED).map((bit) => `"${names.get(bit) ?? `feature ${bit}`}"`);
  if (unknown.length > MOST_NAMED) named.push(`${unknown.length - MOST_NAMED} more`);
  return named.join(', ') || 'an unknown feature';
}

export interface NewHeader extends Omit<Qcow2Header, 'snapshotCount' | 'snapshotOffset' | 'autoclear' | 'dataFile' | 'base'> {
  readonly autoclear?: number;
  readonly base?: string | undefined;
}

/** The first cluster of a new image: header, extensions and the name of the backing file. */
export function encodeHeader(header: NewHeader): Uint8Array {
  const bytes = new Uint8Array(2 ** header.clusterBits);
  const view = viewOf(bytes);
  view.setUint32(0, QCOW_MAGIC);
  view.setUint32(4, header.version);
  view.setUint32(20, header.clusterBits);
  setU64be(view, 24, header.size);
  view.setUint32(36, header.l1Size);
  setU64be(view, 40, header.l1Offset);
  setU64be(view, 48, header.refcountOffset);
  view.setUint32(56, header.refcountClusters);
  let at = 72;
  if (header.version === 3) {
    view.setUint32(76, header.incompatible);
    view.setUint32(84, header.compatible);
    view.setUint32(96, header.refcountOrder);
    view.setUint32(100, FIELDS_BYTES);
    bytes[104] = header.compression;
    at = FIELDS_BYTES;
  }
  const extension = (type: number, data: Uint8Array) => {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + ((data.length + 7) & ~7);
  };
  const encoder = new TextEncoder();
  if (header.backingFormat !== undefined) extension(Extension.BACKING_FORMAT, encoder.encode(header.backingFormat));
  if (header.base !== undefined) extension(Extension.BASE, encoder.encode(header.base.padEnd(BASE_BYTES)));
  if (header.version === 3 && header.clusterBits > 9) extension(Extension.FEATURE_NAMES, featureNameTable());
  at += 8; // END: type and length 0
  if (header.backingFile !== undefined) {
    const name = encoder.encode(header.backingFile);
    setU64be(view, 8, at);
    view.setUint32(16, name.length);
    bytes.set(name, at);
  }
  return bytes;
}

/** Room for the text, so that it can be replaced. */
const BASE_BYTES = 160;

/** So that programs which do not know a feature can name it. */
function featureNameTable(): Uint8Array {
  const entries: readonly (readonly [type: number, bit: number, name: string])[] = [
    [0, 0, 'dirty bit'],
    [0, 1, 'corrupt bit'],
    [0, 2, 'external data file'],
    [0, 3, 'compression type'],
    [0, 4, 'extended L2 entries'],
    [1, 0, 'lazy refcounts'],
    [2, 0, 'bitmaps'],
    [2, 1, 'raw external data'],
  ];
  const table = new Uint8Array(entries.length * 48);
  entries.forEach(([type, bit, name], index) => {
    table.set([type, bit, ...new TextEncoder().encode(name)], index * 48);
  });
  return table;
}
