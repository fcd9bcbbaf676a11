import { VmmError } from '../../base/errors.ts';
import { viewOf } from '../formats/bytes.ts';
import { shortNames, type ImagePlan, type Piece, type TreeEntry, type TreeFile, type TreeFolder } from './tree.ts';

/*
 * FAT file systems with long names, from Microsoft's "FAT: General Overview of On-Disk Format" 1.03: FAT16 and FAT32 in the one partition of a hard
 * disk, FAT12 on a diskette of 1.44 MB.
 */

const SECTOR = 512;
const MIB = 1 << 20;
const PARTITION_START = 2048;
const ENTRY = 32;
const Attribute = { LABEL: 0x08, FOLDER: 0x10, ARCHIVE: 0x20, LONG_NAME: 0x0f } as const;
const LARGEST_FILE = 2 ** 32 - 1;
const LAST_OF_CHAIN = 0x0fff_ffff;
/** Characters of a long name, and how many one entry holds. */
const LONGEST_NAME = 255;
const PER_LONG_ENTRY = 13;

/** The file system's shape. All in sectors but where it says. */
interface Volume {
  readonly bits: 12 | 16 | 32;
  readonly start: number;
  readonly sectors: number;
  readonly perCluster: number;
  readonly reserved: number;
  readonly perTable: number;
  /** Entries of the root directory; FAT32: 0, it is a file. */
  readonly rootEntries: number;
  readonly clusters: number;
  readonly media: number;
  readonly geometry: { readonly heads: number; readonly sectors: number };
}

interface FatOptions {
  readonly label: string;
  /** Room for so many more bytes. */
  readonly free: number;
  /** 32 bits, for the volume. */
  readonly serial: number;
}

export function planFatDisk(root: TreeFolder, options: FatOptions): ImagePlan {
  const largest = filesOf(root).find((file) => file.size > LARGEST_FILE);
  if (largest !== undefined)
    throw new VmmError('usage', `${largest.source} is larger than 4 GiB, which a FAT disk cannot hold; make a CD image (iso) instead`);
  for (let wanted = 16 * MIB; ; wanted = Math.ceil((wanted * 1.1) / MIB) * MIB) {
    const volume = hardDisk(wanted / SECTOR);
    const used = clustersFor(root, volume);
    const needed = used + Math.ceil(options.free / (volume.perCluster * SECTOR));
    if (needed <= volume.clusters) return plan(root, volume, options);
    if (wanted > 2 ** 41) throw new VmmError('usage', `${root.name} is too large for a FAT disk`);
    wanted = Math.max(wanted, needed * volume.perCluster * SECTOR);
  }
}

export function planFatFloppy(root: TreeFolder, options: Omit<FatOptions, 'free'>): ImagePlan {
  const volume: Volume = {
    bits: 12,
    start: 0,
    sectors: 2880,
    perCluster: 1,
    reserved: 1,
    perTable: 9,
    rootEntries: 224,
    clusters: 2847,
    media: 0xf0,
    geometry: { heads: 2, sectors: 18 },
  };
  const used = clustersFor(root, volume);
  if (used > volume.clusters) {
    throw new VmmError(
      'usage',
      `${root.name} needs ${used * SECTOR} bytes, more than a diskette of 1.44 MB has (${volume.clusters * SECTOR}); make a disk (fat) or CD (iso) of it`,
    );
  }
  return plan(root, volume, { ...options, free: 0 });
}

function hardDisk(total: number): Volume {
  const sectors = total - PARTITION_START;
  const bytes = sectors * SECTOR;
  const geometry = { heads: 255, sectors: 63 };
  const shared = { start: PARTITION_START, sectors, media: 0xf8, geometry };
  if (bytes <= 510 * MIB) {
    const perCluster = bytes <= 126 * MIB ? 4 : bytes <= 254 * MIB ? 8 : 16;
    const rootEntries = 512;
    const data = sectors - 1 - (rootEntries * ENTRY) / SECTOR;
    const perTable = Math.ceil(((data / perCluster + 2) * 2) / SECTOR);
    const clusters = Math.floor((data - perTable * 2) / perCluster);
    return { ...shared, bits: 16, perCluster, reserved: 1, perTable, rootEntries, clusters };
  }
  const GIB = 1024 * MIB;
  const perCluster = bytes <= 8 * GIB ? 8 : bytes <= 16 * GIB ? 16 : bytes <= 32 * GIB ? 32 : 64;
  const reserved = 32;
  const perTable = Math.ceil((((sectors - reserved) / perCluster + 2) * 4) / SECTOR);
  const clusters = Math.floor((sectors - reserved - perTable * 2) / perCluster);
  return { ...shared, bits: 32, perCluster, reserved, perTable, rootEntries: 0, clusters };
}

function filesOf(folder: TreeFolder): TreeFile[] {
  return folder.entries.flatMap((entry) => (entry.kind === 'file' ? [entry] : filesOf(entry)));
}

// Directories

/** What a long name becomes: characters that FAT has no place for are underscores. */
function longName(name: string): string {
  const clean = name.replaceAll(/[\p{Cc}"*/:<>?\\|]/gu, '_').replace(/[. ]+$/, '');
  return (clean === '' ? '_' : clean).slice(0, LONGEST_NAME);
}

function entriesFor(entry: TreeEntry, short: { readonly base: string; readonly extension: string }): number {
  const name = longName(entry.name);
  const plain = short.extension === '' ? short.base : `${short.base}.${short.extension}`;
  return name === plain ? 1 : 1 + Math.ceil(name.length / PER_LONG_ENTRY);
}

const SHORT_CHARACTERS = "!#$%&'()-@^_`{}~";

function directoryEntries(folder: TreeFolder, isRoot: boolean): number {
  const names = shortNames(folder.entries, SHORT_CHARACTERS);
  return folder.entries.reduce((sum, entry) => sum + entriesFor(entry, names.get(entry)!), isRoot ? 1 : 2);
}

function clustersFor(root: TreeFolder, volume: Volume): number {
  const clusterBytes = volume.perCluster * SECTOR;
  const of = (bytes: number) => Math.ceil(bytes / clusterBytes);
  const folders = (folder: TreeFolder, isRoot: boolean): number => {
    const entries = directoryEntries(folder, isRoot);
    if (isRoot && volume.rootEntries > 0 && entries > volume.rootEntries) {
      throw new VmmError(
        'usage',
        `${folder.name} has too many entries at its top (${entries}) for this kind of disk (${volume.rootEntries}); put some into a folder`,
      );
    }
    const own = isRoot && volume.rootEntries > 0 ? 0 : Math.max(1, of(entries * ENTRY));
    return folder.entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? of(entry.size) : folders(entry, false)), own);
  };
  return folders(root, true);
}

function plan(root: TreeFolder, volume: Volume, options: FatOptions): ImagePlan {
  const table = new Uint32Array(volume.clusters + 2);
  table[0] = 0x0fff_ff00 | volume.media;
  table[1] = LAST_OF_CHAIN;
  let next = 2;
  const take = (bytes: number): number => {
    const count = Math.ceil(bytes / (volume.perCluster * SECTOR));
    if (count === 0) return 0;
    const first = next;
    for (let i = 1; i < count; i++) table[next++] = next;
    table[next++] = LAST_OF_CHAIN;
    return first;
  };
  const rootStart = volume.reserved + volume.perTable * 2;
  const dataStart = rootStart + Math.ceil((volume.rootEntries * ENTRY) / SECTOR);
  const offsetOf = (cluster: number) => (volume.start + dataStart + (cluster - 2) * volume.perCluster) * SECTOR;
  const pieces: Piece[] = [];

  // Folders get their clusters before what is in them, so that the image is written nearly from front to back.
  const lay = (folder: TreeFolder, own: number, parent: number, isRoot: boolean): void => {
    const bytes = new Uint8Array(directoryEntries(folder, isRoot) * ENTRY);
    let at = 0;
    const put = (entry: Uint8Array) => {
      bytes.set(entry, at);
      at += entry.length;
    };
    if (isRoot) put(shortEntry(padded(options.label.toUpperCase().replaceAll(/[^A-Z0-9 _-]/g, '_'), 11), Attribute.LABEL, 0, 0, folder.modified));
    else {
      put(shortEntry(padded('.', 11), Attribute.FOLDER, own, 0, folder.modified));
      put(shortEntry(padded('..', 11), Attribute.FOLDER, parent, 0, folder.modified));
    }
    const names = shortNames(folder.entries, SHORT_CHARACTERS);
    const below: (() => void)[] = [];
    for (const entry of folder.entries) {
      const { base, extension } = names.get(entry)!;
      const short = padded(base, 8) + padded(extension, 3);
      const long = longName(entry.name);
      if (entriesFor(entry, names.get(entry)!) > 1) put(longEntries(long, short));
      if (entry.kind === 'file') {
        const cluster = take(entry.size);
        if (entry.size > 0) pieces.push({ offset: offsetOf(cluster), content: entry });
        put(shortEntry(short, Attribute.ARCHIVE, cluster, entry.size, entry.modified));
      } else {
        const cluster = take(Math.max(1, directoryEntries(entry, false) * ENTRY));
        put(shortEntry(short, Attribute.FOLDER, cluster, 0, entry.modified));
        // ".." of a folder in the root says 0, also where the root is a file (FAT32).
        below.push(() => lay(entry, cluster, isRoot ? 0 : own, false));
      }
    }
    const offset = isRoot && volume.rootEntries > 0 ? (volume.start + rootStart) * SECTOR : offsetOf(own);
    pieces.push({ offset, content: bytes });
    for (const work of below) work();
  };
  lay(root, volume.bits === 32 ? take(directoryEntries(root, true) * ENTRY) : 0, 0, true);

  if (volume.start > 0) pieces.push({ offset: 0, content: partitionTable(volume, options.serial) });
  const boot = bootSector(volume, options);
  pieces.push({ offset: volume.start * SECTOR, content: boot });
  if (volume.bits === 32) {
    pieces.push({ offset: (volume.start + 6) * SECTOR, content: boot });
    for (const at of [1, 7]) pieces.push({ offset: (volume.start + at) * SECTOR, content: infoSector(volume.clusters - (next - 2), next) });
  }
  const encoded = encodeTable(table, volume, next);
  for (const copy of [0, 1]) pieces.push({ offset: (volume.start + volume.reserved + copy * volume.perTable) * SECTOR, content: encoded });
  return { size: (volume.start + volume.sectors) * SECTOR, pieces: pieces.sort((a, b) => a.offset - b.offset) };
}

function padded(text: string, length: number): string {
  return text.padEnd(length).slice(0, length);
}

function dosTime(date: Date): { time: number; day: number } {
  const year = Math.min(127, Math.max(0, date.getFullYear() - 1980));
  return {
    time: (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1),
    day: (year << 9) | ((date.getMonth() + 1) << 5) | date.getDate(),
  };
}

function shortEntry(name: string, attribute: number, cluster: number, size: number, modified: Date): Uint8Array {
  const bytes = new Uint8Array(ENTRY);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(name));
  bytes[11] = attribute;
  const { time, day } = dosTime(modified);
  view.setUint16(14, time, true);
  view.setUint16(16, day, true);
  view.setUint16(18, day, true);
  view.setUint16(20, cluster >>> 16, true);
  view.setUint16(22, time, true);
  view.setUint16(24, day, true);
  view.setUint16(26, cluster & 0xffff, true);
  view.setUint32(28, size, true);
  return bytes;
}

/** Places of the characters in an entry of a long name. */
const CHARACTER_PLACES = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/** The last part comes first; after the name come a zero and then ones. */
function longEntries(name: string, short: string): Uint8Array {
  let sum = 0;
  for (const byte of new TextEncoder().encode(short)) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  const count = Math.ceil(name.length / PER_LONG_ENTRY);
  const bytes = new Uint8Array(count * ENTRY);
  const view = viewOf(bytes);
  for (let part = 0; part < count; part++) {
    const at = (count - 1 - part) * ENTRY;
    bytes[at] = (part + 1) | (part === count - 1 ? 0x40 : 0);
    bytes[at + 11] = Attribute.LONG_NAME;
    bytes[at + 13] = sum;
    CHARACTER_PLACES.forEach((place, index) => {
      const character = part * PER_LONG_ENTRY + index;
      view.setUint16(at + place, character < name.length ? name.charCodeAt(character) : character === name.length ? 0 : 0xffff, true);
    });
  }
  return bytes;
}

function encodeTable(table: Uint32Array, { bits }: Volume, used: number): Uint8Array {
  if (bits === 12) {
    const bytes = new Uint8Array(Math.ceil((used * 3) / 2));
    for (let cluster = 0; cluster < used; cluster++) {
      const at = Math.floor((cluster * 3) / 2);
      const value = table[cluster]! & 0xfff;
      if (cluster % 2 === 0) {
        bytes[at] = value & 0xff;
        bytes[at + 1] = value >> 8;
      } else {
        bytes[at] = bytes[at]! | ((value & 15) << 4);
        bytes[at + 1] = value >> 4;
      }
    }
    return bytes;
  }
  const bytes = new Uint8Array(used * (bits / 8));
  const view = viewOf(bytes);
  for (let cluster = 0; cluster < used; cluster++) {
    if (bits === 16) view.setUint16(cluster * 2, table[cluster]! & 0xffff, true);
    else view.setUint32(cluster * 4, table[cluster]!, true);
  }
  return bytes;
}

/** Says that there is nothing to boot from, and waits: int 10h for each character of the text behind. */
const NO_SYSTEM = [
  0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0xfc, 0xbe, 0x00, 0x00, 0xac, 0x08, 0xc0, 0x74, 0x06, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf5, 0xf4, 0xeb, 0xfd,
];
const NO_SYSTEM_TEXT = 'This disk holds files and no system.\r\n';

function bootSector(volume: Volume, { label, serial }: FatOptions): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = viewOf(bytes);
  const text = (at: number, value: string) => bytes.set(new TextEncoder().encode(value), at);
  const codeAt = volume.bits === 32 ? 90 : 62;
  bytes.set([0xeb, codeAt - 2, 0x90]);
  text(3, 'MSDOS5.0');
  view.setUint16(11, SECTOR, true);
  bytes[13] = volume.perCluster;
  view.setUint16(14, volume.reserved, true);
  bytes[16] = 2;
  view.setUint16(17, volume.rootEntries, true);
  if (volume.sectors < 65536 && volume.bits !== 32) view.setUint16(19, volume.sectors, true);
  else view.setUint32(32, volume.sectors, true);
  bytes[21] = volume.media;
  if (volume.bits !== 32) view.setUint16(22, volume.perTable, true);
  view.setUint16(24, volume.geometry.sectors, true);
  view.setUint16(26, volume.geometry.heads, true);
  view.setUint32(28, volume.start, true);
  if (volume.bits === 32) {
    view.setUint32(36, volume.perTable, true);
    view.setUint32(44, 2, true); // the root's cluster
    view.setUint16(48, 1, true); // information sector
    view.setUint16(50, 6, true); // copy of this sector
  }
  const tail = volume.bits === 32 ? 64 : 36;
  bytes[tail] = volume.start > 0 ? 0x80 : 0;
  bytes[tail + 2] = 0x29;
  view.setUint32(tail + 3, serial, true);
  text(tail + 7, padded(label.toUpperCase().replaceAll(/[^A-Z0-9 _-]/g, '_'), 11));
  text(tail + 18, `FAT${volume.bits}   `);
  bytes.set(NO_SYSTEM, codeAt);
  view.setUint16(codeAt + 7, 0x7c00 + codeAt + NO_SYSTEM.length, true);
  text(codeAt + NO_SYSTEM.length, NO_SYSTEM_TEXT);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

function infoSector(free: number, next: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = viewOf(bytes);
  view.setUint32(0, 0x4161_5252, true);
  view.setUint32(484, 0x6141_7272, true);
  view.setUint32(488, free, true);
  view.setUint32(492, next, true);
  view.setUint32(508, 0xaa55_0000, true);
  return bytes;
}

function partitionTable(volume: Volume, serial: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = viewOf(bytes);
  bytes.set(NO_SYSTEM);
  view.setUint16(7, 0x7c00 + NO_SYSTEM.length, true);
  bytes.set(new TextEncoder().encode(NO_SYSTEM_TEXT), NO_SYSTEM.length);
  view.setUint32(440, serial, true);
  const chs = (sector: number) => {
    const { heads, sectors } = volume.geometry;
    const cylinder = Math.floor(sector / (heads * sectors));
    if (cylinder > 1023) return [254, 0xff, 0xff];
    return [Math.floor(sector / sectors) % heads, ((sector % sectors) + 1) | ((cylinder >> 8) << 6), cylinder & 0xff];
  };
  const type = volume.bits === 32 ? 0x0c : volume.sectors < 65536 ? 0x04 : 0x06;
  bytes.set([0, ...chs(volume.start), type, ...chs(volume.start + volume.sectors - 1)], 446);
  view.setUint32(454, volume.start, true);
  view.setUint32(458, volume.sectors, true);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}
