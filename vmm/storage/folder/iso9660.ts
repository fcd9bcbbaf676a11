import { VmmError } from '../../base/errors.ts';
import { viewOf } from '../formats/bytes.ts';
import { shortNames, type ImagePlan, type Piece, type TreeEntry, type TreeFile, type TreeFolder } from './tree.ts';

/*
 * ISO 9660 (ECMA-119) with the Joliet extension: two trees of directories, one with short names in capitals for DOS, one with long names in UCS-2, over
 * the same files.
 */

const BLOCK = 2048;
const FIRST_DESCRIPTOR = 16;
/** The longest extent: larger files are several, all but the last marked (6.5.1). */
const LARGEST_EXTENT = 2 ** 32 - BLOCK;
const Flag = { DIRECTORY: 2, MORE: 0x80 } as const;
/** Characters of a Joliet name. */
const LONGEST_NAME = 64;

/** A directory of one of the two trees. */
interface Directory {
  readonly folder: TreeFolder;
  readonly parent: Directory | undefined;
  /** Of the path table, from 1. */
  number: number;
  readonly identifier: Uint8Array;
  readonly children: readonly { readonly entry: TreeEntry; readonly identifier: Uint8Array }[];
  readonly subfolders: Directory[];
  block: number;
  bytes: number;
}

export function planIso(root: TreeFolder, options: { readonly label: string; readonly now: Date }): ImagePlan {
  const trees = [primaryNames, jolietNames].map((name) => directoriesOf(root, name));
  // Descriptors, then of each tree its path tables and directories, then the files.
  let next = FIRST_DESCRIPTOR + 3;
  const layouts = trees.map((directories) => {
    const table = pathTableBytes(directories);
    const tableBlocks = Math.ceil(table / BLOCK);
    const [little, big] = [next, next + tableBlocks];
    next += tableBlocks * 2;
    for (const directory of directories) {
      directory.block = next;
      directory.bytes = directoryBytes(directory);
      next += directory.bytes / BLOCK;
    }
    return { directories, table, little, big };
  });
  const places = new Map<TreeFile, number>();
  const contents: Piece[] = [];
  for (const file of filesOf(root)) {
    places.set(file, file.size === 0 ? 0 : next);
    if (file.size > 0) contents.push({ offset: next * BLOCK, content: file });
    next += Math.ceil(file.size / BLOCK);
  }
  if (next > 2 ** 32 - 1) throw new VmmError('usage', `${root.name} is too large for a CD image`);

  const pieces: Piece[] = [];
  const put = (block: number, content: Uint8Array) => pieces.push({ offset: block * BLOCK, content });
  layouts.forEach((layout, index) => {
    put(FIRST_DESCRIPTOR + index, volumeDescriptor(index === 1, layout, next, options));
  });
  put(FIRST_DESCRIPTOR + 2, terminator());
  for (const { directories, little, big } of layouts) {
    put(little, pathTable(directories, true));
    put(big, pathTable(directories, false));
    for (const directory of directories) put(directory.block, encodeDirectory(directory, places));
  }
  return { size: next * BLOCK, pieces: [...pieces, ...contents] };
}

type Namer = (entries: readonly TreeEntry[]) => Map<TreeEntry, Uint8Array>;

/** File identifiers have a version (7.5.1), directories none. */
const primaryNames: Namer = (entries) =>
  new Map(
    [...shortNames(entries, '_')].map(([entry, { base, extension }]) => [
      entry,
      new TextEncoder().encode(entry.kind === 'folder' ? base : `${base}.${extension};1`),
    ]),
  );

const jolietNames: Namer = (entries) => {
  const taken = new Set<string>();
  return new Map(
    entries.map((entry) => {
      const clean = entry.name.replaceAll(/[\p{Cc}*/:;?\\]/gu, '_');
      let name = clean.slice(0, LONGEST_NAME);
      for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${clean.slice(0, LONGEST_NAME - 5)}~${n}`;
      taken.add(name.toLowerCase());
      return [entry, ucs2(name)];
    }),
  );
};

function ucs2(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let at = 0; at < text.length; at++) viewOf(bytes).setUint16(at * 2, text.charCodeAt(at));
  return bytes;
}

/** In the order of the path table (6.9.1): by level, by the parent's number, by name. */
function directoriesOf(root: TreeFolder, names: Namer): Directory[] {
  const make = (folder: TreeFolder, parent: Directory | undefined, identifier: Uint8Array): Directory => {
    const identifiers = names(folder.entries);
    const children = folder.entries
      .map((entry) => ({ entry, identifier: identifiers.get(entry)! }))
      .sort((a, b) => compare(a.identifier, b.identifier));
    return { folder, parent, number: 0, identifier, children, subfolders: [], block: 0, bytes: 0 };
  };
  const all = [make(root, undefined, Uint8Array.of(0))];
  for (let index = 0; index < all.length; index++) {
    const directory = all[index]!;
    directory.number = index + 1;
    for (const { entry, identifier } of directory.children) {
      if (entry.kind !== 'folder') continue;
      const child = make(entry, directory, identifier);
      directory.subfolders.push(child);
      all.push(child);
    }
  }
  if (all.length > 65535) throw new VmmError('usage', `${root.name} has more than 65535 folders, which a CD cannot hold`);
  return all;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}

function* filesOf(folder: TreeFolder): Generator<TreeFile> {
  for (const entry of folder.entries) {
    if (entry.kind === 'file') yield entry;
    else yield* filesOf(entry);
  }
}

// Directory records (9.1)

const recordBytes = (identifier: Uint8Array) => 33 + identifier.length + (identifier.length % 2 === 0 ? 1 : 0);

/** A record does not cross a block. */
function* recordsOf(
  directory: Directory,
): Generator<{ readonly identifier: Uint8Array; readonly entry: TreeEntry | 'self' | 'parent'; readonly part: number; readonly at: number }> {
  let at = 0;
  const place = (identifier: Uint8Array) => {
    const length = recordBytes(identifier);
    if ((at % BLOCK) + length > BLOCK) at = Math.ceil(at / BLOCK) * BLOCK;
    at += length;
    return at - length;
  };
  for (const [value, entry] of [
    [0, 'self'],
    [1, 'parent'],
  ] as const)
    yield { identifier: Uint8Array.of(value), entry, part: 0, at: place(Uint8Array.of(value)) };
  for (const { entry, identifier } of directory.children) {
    const parts = entry.kind === 'file' ? Math.max(1, Math.ceil(entry.size / LARGEST_EXTENT)) : 1;
    for (let part = 0; part < parts; part++) yield { identifier, entry, part, at: place(identifier) };
  }
}

function directoryBytes(directory: Directory): number {
  let end = 0;
  for (const { identifier, at } of recordsOf(directory)) end = at + recordBytes(identifier);
  return Math.ceil(end / BLOCK) * BLOCK;
}

function encodeDirectory(directory: Directory, places: ReadonlyMap<TreeFile, number>): Uint8Array {
  const bytes = new Uint8Array(directory.bytes);
  const subfolders = new Map<TreeEntry, Directory>(directory.subfolders.map((one) => [one.folder, one]));
  for (const { identifier, entry, part, at } of recordsOf(directory)) {
    if (entry === 'self' || entry === 'parent' || entry.kind === 'folder') {
      const named = entry === 'self' ? directory : entry === 'parent' ? (directory.parent ?? directory) : subfolders.get(entry)!;
      encodeRecord(bytes, at, { identifier, block: named.block, length: named.bytes, flags: Flag.DIRECTORY, date: named.folder.modified });
    } else {
      const start = part * LARGEST_EXTENT;
      const length = Math.min(LARGEST_EXTENT, entry.size - start);
      const flags = start + length < entry.size ? Flag.MORE : 0;
      encodeRecord(bytes, at, { identifier, block: places.get(entry)! + start / BLOCK, length, flags, date: entry.modified });
    }
  }
  return bytes;
}

interface RecordFields {
  readonly identifier: Uint8Array;
  readonly block: number;
  readonly length: number;
  readonly flags: number;
  readonly date: Date;
}

function encodeRecord(bytes: Uint8Array, at: number, { identifier, block, length, flags, date }: RecordFields): void {
  bytes[at] = recordBytes(identifier);
  both32(bytes, at + 2, block);
  both32(bytes, at + 10, length);
  const year = Math.min(255, Math.max(0, date.getUTCFullYear() - 1900));
  bytes.set([year, date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(), 0], at + 18);
  bytes[at + 25] = flags;
  both16(bytes, at + 28, 1); // volume sequence number
  bytes[at + 32] = identifier.length;
  bytes.set(identifier, at + 33);
}

/** Both byte orders, one behind the other (7.2.3, 7.3.3). */
function both16(bytes: Uint8Array, at: number, value: number): void {
  const view = viewOf(bytes);
  view.setUint16(at, value, true);
  view.setUint16(at + 2, value);
}
function both32(bytes: Uint8Array, at: number, value: number): void {
  const view = viewOf(bytes);
  view.setUint32(at, value, true);
  view.setUint32(at + 4, value);
}

// Path tables (9.4)

const pathEntryBytes = ({ identifier }: Directory) => 8 + identifier.length + (identifier.length % 2);

function pathTableBytes(directories: readonly Directory[]): number {
  return directories.reduce((sum, directory) => sum + pathEntryBytes(directory), 0);
}

function pathTable(directories: readonly Directory[], little: boolean): Uint8Array {
  const bytes = new Uint8Array(pathTableBytes(directories));
  const view = viewOf(bytes);
  let at = 0;
  for (const directory of directories) {
    bytes[at] = directory.identifier.length;
    view.setUint32(at + 2, directory.block, little);
    view.setUint16(at + 6, directory.parent?.number ?? 1, little);
    bytes.set(directory.identifier, at + 8);
    at += pathEntryBytes(directory);
  }
  return bytes;
}

// Volume descriptors (8.4, 8.5)

interface Layout {
  readonly directories: readonly Directory[];
  readonly table: number;
  readonly little: number;
  readonly big: number;
}

function volumeDescriptor(
  joliet: boolean,
  { directories, table, little, big }: Layout,
  blocks: number,
  { label, now }: { label: string; now: Date },
): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const view = viewOf(bytes);
  const text = (at: number, length: number, value: string) => {
    if (joliet) {
      bytes.set(ucs2(value.padEnd(length >> 1).slice(0, length >> 1)), at);
      return;
    }
    bytes.set(new TextEncoder().encode(value.padEnd(length).slice(0, length)), at);
  };
  bytes[0] = joliet ? 2 : 1;
  bytes.set(new TextEncoder().encode('CD001'), 1);
  bytes[6] = 1;
  text(8, 32, '');
  text(40, 32, joliet ? label : label.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_'));
  both32(bytes, 80, blocks);
  if (joliet) bytes.set([0x25, 0x2f, 0x45], 88); // UCS-2 level 3
  both16(bytes, 120, 1);
  both16(bytes, 124, 1);
  both16(bytes, 128, BLOCK);
  both32(bytes, 132, table);
  view.setUint32(140, little, true);
  view.setUint32(148, big);
  const root = directories[0]!;
  encodeRecord(bytes, 156, {
    identifier: Uint8Array.of(0),
    block: root.block,
    length: root.bytes,
    flags: Flag.DIRECTORY,
    date: root.folder.modified,
  });
  for (const [at, length] of [
    [190, 128],
    [318, 128],
    [446, 128],
    [574, 128],
    [702, 37],
    [739, 37],
    [776, 37],
  ] as const)
    text(at, length & ~1, '');
  text(574, 128, 'STRATE');
  const digits = (value: number, width: number) => value.toString().padStart(width, '0');
  const stamp =
    digits(now.getUTCFullYear(), 4) +
    [now.getUTCMonth() + 1, now.getUTCDate(), now.getUTCHours(), now.getUTCMinutes(), now.getUTCSeconds()].map((value) => digits(value, 2)).join('') +
    '00';
  for (const at of [813, 830]) bytes.set(new TextEncoder().encode(stamp), at);
  for (const at of [847, 864]) bytes.set(new TextEncoder().encode('0'.repeat(16)), at);
  bytes[881] = 1;
  return bytes;
}

function terminator(): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  bytes[0] = 255;
  bytes.set(new TextEncoder().encode('CD001'), 1);
  bytes[6] = 1;
  return bytes;
}
