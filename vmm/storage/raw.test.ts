import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeFile } from './node-file.node.ts';
import { isZero } from './node.ts';
import { RawNode } from './raw.ts';
import { sparseSupport } from './sparse.node.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-raw-'))));
afterEach(() => rmSync(directory, { recursive: true }));

test('a file that does not end on a sector is padded with zeros, and stays as it is until the guest writes there', async () => {
  const path = join(directory, 'odd.img');
  writeFileSync(path, new Uint8Array(700).fill(7));
  const node = await RawNode.open(NodeFile.open(path));
  expect(node.size).toBe(1024);
  const into = new Uint8Array(512).fill(0xff);
  await node.read(512, into);
  expect([into[0], into[187], into[188], into[511]]).toEqual([7, 7, 0, 0]);
  expect(statSync(path).size).toBe(700);
  await node.write(512, new Uint8Array(512).fill(9));
  expect(statSync(path).size).toBe(1024);
  await node.close();
});

test('a window of a file is a disk of its own', async () => {
  const path = join(directory, 'whole.img');
  writeFileSync(
    path,
    Uint8Array.from({ length: 8192 }, (_, at) => at >> 9),
  );
  const node = await RawNode.open(NodeFile.open(path), { start: 1024, length: 2048 });
  expect(node.size).toBe(2048);
  await node.writev(512, [new Uint8Array(512).fill(0x55), new Uint8Array(512).fill(0x66)]);
  const bytes = readFileSync(path);
  expect([bytes[1535], bytes[1536], bytes[2048], bytes[2560]]).toEqual([2, 0x55, 0x66, 5]);
  const [a, b] = [new Uint8Array(512), new Uint8Array(1024)];
  await node.readv(0, [a, b]);
  expect([a[0], b[0], b[512]]).toEqual([2, 0x55, 0x66]);
  await node.close();
});

test('a read-only node refuses writes', async () => {
  const path = join(directory, 'ro.img');
  writeFileSync(path, new Uint8Array(512));
  const node = await RawNode.open(NodeFile.open(path, { readOnly: true }));
  await expect(async () => node.write(0, new Uint8Array(512))).rejects.toThrow(/read-only/);
  await node.close();
});

test('holes are known, and zeroing gives space back where the host can', async () => {
  const path = join(directory, 'sparse.img');
  writeFileSync(path, new Uint8Array(65536).fill(1));
  truncateSync(path, 1 << 20);
  const file = NodeFile.open(path);
  const node = await RawNode.open(file);
  const able = (await file.nextData(65536)) === undefined;
  expect(able).toBe(sparseSupport.punch(file.fd, 1 << 20, 4096)); // both from the same source
  if (able) {
    expect(await node.extent(0, 1 << 20)).toEqual({ offset: 0, length: 65536, kind: 'data' });
    expect(await node.extent(65536, 4096)).toEqual({ offset: 65536, length: 4096, kind: 'zero' });
  }
  await node.write(131072, new Uint8Array(65536).fill(2));
  const before = statSync(path).blocks;
  await node.zero(131072, 65536);
  const into = new Uint8Array(65536).fill(0xff);
  await node.read(131072, into);
  expect(isZero(into)).toBe(true);
  if (able) expect(statSync(path).blocks).toBeLessThan(before);
  await node.close();
});

test('a file made already is not made again; a temporary file leaves nothing behind', async () => {
  const path = join(directory, 'new.img');
  await NodeFile.open(path, { create: true }).close();
  expect(() => NodeFile.open(path, { create: true })).toThrow(/exists already/);
  const temporary = NodeFile.temporary(directory);
  await temporary.write(100, new Uint8Array(10).fill(3));
  expect(await temporary.size()).toBe(110);
  await temporary.close();
  expect(() => statSync(temporary.path)).toThrow();
});

test.each([0, 1, 3, 4, 31, 32, 33, 100])('isZero sees every byte of %i', (length) => {
  const memory = new Uint8Array(128);
  for (const start of [0, 1, 2, 3]) {
    const bytes = memory.subarray(start, start + length);
    expect(isZero(bytes)).toBe(true);
    for (let at = 0; at < length; at++) {
      bytes[at] = 0x80;
      expect(isZero(bytes)).toBe(false);
      bytes[at] = 0;
    }
  }
});
