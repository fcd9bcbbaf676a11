import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderToImage } from './folder-image.node.ts';
import { planFatDisk } from './fat.ts';
import { planIso } from './iso9660.ts';
import { shortNames, type TreeFile, type TreeFolder } from './tree.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'strate-folder-'))));
afterEach(() => rmSync(root, { recursive: true }));

/** What was put onto a disk: paths and contents. */
type Contents = Record<string, string>;

const files: Contents = {
  'readme.txt': 'hello',
  'Ünïcode name.text': 'a longer text '.repeat(400),
  'A long directory name/x.bin': 'x'.repeat(70_000),
  'A long directory name/below/empty': '',
  'PLAIN.TXT': 'plain',
};
for (let n = 0; n < 70; n++) files[`many/a file with a number ${n}.dat`] = `${n}`;

function makeFolder(): string {
  const folder = join(root, 'files');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  symlinkSync('/etc/passwd', join(folder, 'link'));
  return folder;
}

/** Reads the Joliet tree, or with `primary` the other, as ECMA-119 says. */
function readIso(image: Buffer, primary = false): Contents {
  const decode = (bytes: Buffer) => (primary ? bytes.toString('latin1').replace(/;1$/, '') : Buffer.from(bytes).swap16().toString('utf16le'));
  const found: Contents = {};
  const walk = (block: number, length: number, path: string) => {
    const directory = image.subarray(block * 2048, block * 2048 + length);
    for (let at = 0; at < length;) {
      const size = directory[at]!;
      if (size === 0) {
        at = (Math.floor(at / 2048) + 1) * 2048;
        continue;
      }
      const name = directory.subarray(at + 33, at + 33 + directory[at + 32]!);
      const [start, bytes] = [directory.readUInt32LE(at + 2), directory.readUInt32LE(at + 10)];
      expect([directory.readUInt32BE(at + 6), directory.readUInt32BE(at + 14)]).toEqual([start, bytes]);
      if (name.length > 1 || name[0]! > 1) {
        if (directory[at + 25]! & 2) walk(start, bytes, `${path}${decode(name)}/`);
        else found[path + decode(name)] = image.toString('utf8', start * 2048, start * 2048 + bytes);
      }
      at += size;
    }
  };
  const descriptor = image.subarray((primary ? 16 : 17) * 2048);
  expect(descriptor.toString('latin1', 1, 6)).toBe('CD001');
  walk(descriptor.readUInt32LE(158), descriptor.readUInt32LE(166), '');
  return found;
}

/** Reads FAT12 and FAT16 with long names. */
function readFat(image: Buffer): Contents {
  const boot = image.readUInt32LE(454) === 2048 && image[450] !== 0 ? image.subarray(2048 * 512) : image;
  const perCluster = boot[13]! * 512;
  const [reserved, rootEntries, perTable] = [boot.readUInt16LE(14), boot.readUInt16LE(17), boot.readUInt16LE(22)];
  const table = boot.subarray(reserved * 512);
  const data = (reserved + perTable * 2) * 512 + rootEntries * 32;
  const is12 = boot.toString('latin1', 54, 59) === 'FAT12';
  const next = (cluster: number) => {
    if (!is12) return table.readUInt16LE(cluster * 2);
    const pair = table.readUInt16LE(Math.floor((cluster * 3) / 2));
    return cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
  };
  const chain = (first: number) => {
    const parts: Buffer[] = [];
    for (let cluster = first; cluster >= 2 && cluster < (is12 ? 0xff0 : 0xfff0); cluster = next(cluster))
      parts.push(boot.subarray(data + (cluster - 2) * perCluster, data + (cluster - 1) * perCluster));
    return Buffer.concat(parts);
  };
  const found: Contents = {};
  const walk = (directory: Buffer, path: string) => {
    let long = '';
    for (let at = 0; at < directory.length && directory[at] !== 0; at += 32) {
      const attribute = directory[at + 11]!;
      if (attribute === 0x0f) {
        const characters = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].map((place) => directory.readUInt16LE(at + place));
        const end = characters.findIndex((code) => code === 0 || code === 0xffff);
        long = String.fromCharCode(...(end < 0 ? characters : characters.slice(0, end))) + long;
        continue;
      }
      const extension = directory.toString('latin1', at + 8, at + 11).trim();
      const short = directory.toString('latin1', at, at + 8).trim() + (extension === '' ? '' : `.${extension}`);
      const name = path + (long || short);
      long = '';
      if (attribute & 8 || short.startsWith('.')) continue;
      const cluster = directory.readUInt16LE(at + 26);
      if (attribute & 0x10) walk(chain(cluster), `${name}/`);
      else found[name] = chain(cluster).toString('utf8', 0, directory.readUInt32LE(at + 28));
    }
  };
  walk(boot.subarray((reserved + perTable * 2) * 512, data), '');
  return found;
}

test('a CD of a folder has its files under their long names, and under short ones for DOS; links are left out', async () => {
  const to = join(root, 'cd.iso');
  const { leftOut } = await folderToImage(makeFolder(), to, { kind: 'iso' });
  expect(leftOut).toEqual([join(root, 'files', 'link')]);
  const image = readFileSync(to);
  expect(readIso(image)).toEqual(files);
  const short = readIso(image, true);
  expect(Object.values(short).sort()).toEqual(Object.values(files).sort());
  for (const path of Object.keys(short)) expect(path).toMatch(/^([A-Z0-9_]{1,8}\/)*[A-Z0-9_]{1,8}\.[A-Z0-9_]{0,3}$/);
});

test.each(['fat', 'floppy'] as const)('a %s disk of a folder has its files under their names, and room', async (kind) => {
  const to = join(root, 'disk.img');
  await folderToImage(makeFolder(), to, { kind, free: 1 << 20 });
  const image = readFileSync(to);
  expect(readFat(image)).toEqual(files);
  if (kind === 'floppy') expect(image.length).toBe(1_474_560);
});

test('what is too large says so and leaves nothing', async () => {
  const folder = join(root, 'large');
  mkdirSync(folder);
  writeFileSync(join(folder, 'a'), new Uint8Array(1_500_000));
  await expect(folderToImage(folder, join(root, 'a.img'), { kind: 'floppy' })).rejects.toThrow(/more than a diskette of 1\.44 MB has/);
  await expect(folderToImage(join(folder, 'a'), join(root, 'a.img'), { kind: 'iso' })).rejects.toThrow(/is not a folder/);
  const abort = new AbortController();
  abort.abort();
  await expect(folderToImage(folder, join(root, 'a.img'), { kind: 'iso', signal: abort.signal })).rejects.toThrow('cancelled');
  expect(readdirSync(root)).toEqual(['large']);
});

test('a file of more than 4 GiB is several extents on a CD and does not go onto a FAT disk; a large disk is FAT32', () => {
  const modified = new Date(0);
  const file = (size: number): TreeFile => ({ kind: 'file', name: 'f', size, modified, source: '/f' });
  const tree = (...entries: TreeFile[]): TreeFolder => ({ kind: 'folder', name: 'r', modified, entries });
  const size = 5 * 2 ** 30;
  const iso = planIso(tree(file(size)), { label: 'x', now: modified });
  expect(iso.size).toBeGreaterThan(size);
  const root = iso.pieces.filter(({ content }) => content instanceof Uint8Array && content[0] === 34)[0]!.content as Uint8Array;
  const records = [68, 106].map((at) => Buffer.from(root.buffer, root.byteOffset + at, 36)); // behind "." and ".."
  expect(records.map((record) => [record.readUInt32LE(10), record[25]])).toEqual([
    [2 ** 32 - 2048, 0x80],
    [size - 2 ** 32 + 2048, 0],
  ]);
  expect(() => planFatDisk(tree(file(size)), { label: 'x', free: 0, serial: 1 })).toThrow(/larger than 4 GiB/);
  const disk = planFatDisk(tree(file(2 ** 31)), { label: 'x', free: 0, serial: 1 });
  const boot = disk.pieces.find(({ offset }) => offset === 2048 * 512)!.content as Uint8Array;
  expect(Buffer.from(boot).toString('latin1', 82, 90)).toBe('FAT32   ');
});

test('short names differ, whatever the long ones are', () => {
  const entries = ['a b.txt', 'AB.TXT', 'ab.Txt', '.profile', 'ä.b.c.html', '...', 'longer than eight.text', 'longer than nine.text'].map(
    (name): TreeFile => ({ kind: 'file', name, size: 0, modified: new Date(0), source: '' }),
  );
  const names = [...shortNames(entries, '~').values()].map(({ base, extension }) => `${base}.${extension}`);
  expect(names).toEqual(['AB.TXT', 'AB~1.TXT', 'AB~2.TXT', 'PROFILE.', 'ABC.HTM', '_.', 'LONGERTH.TEX', 'LONGER~1.TEX']);
});
