import fc from 'fast-check';
import { MemoryFile } from '../../memory-file.ts';
import { MemoryNode } from '../../memory-node.ts';
import { OverlayNode } from '../../overlay.ts';
import { viewOf } from '../bytes.ts';
import { actions, contents, drive, survivesDamage } from '../model-test.ts';
import { testHost } from '../test-host.ts';
import { parseUuid } from '../uuid.ts';
import { createVdi, readVdiIds, VdiNode } from './vdi.ts';

const host = testHost();
const MIB = 1 << 20;
const open = (file: MemoryFile, readOnly = false) => VdiNode.open(file, host, { readOnly });

async function fresh(size: number, fixed = false, blockSize?: number): Promise<MemoryFile> {
  const file = new MemoryFile('disk.vdi');
  await createVdi(file, host, { size, fixed });
  if (blockSize !== undefined) {
    // VirtualBox makes blocks of 1 MiB; the format allows others, with which tests are quicker.
    const view = viewOf(file.bytes);
    view.setUint32(376, blockSize, true);
    view.setUint32(384, size / blockSize, true);
    for (let index = 0; index < size / blockSize; index++) view.setUint32(MIB + index * 4, 0xffffffff, true);
  }
  return file;
}

test('reads back what was written, in whatever pieces', async () => {
  await fc.assert(
    fc.asyncProperty(actions(256, 16), fc.boolean(), async (sequence, together) => {
      const file = await fresh(128 * 1024, false, 8192);
      await drive(() => open(file), sequence, together);
    }),
    { numRuns: 30 },
  );
});

test('blocks appear as they are written; what is discarded is used again after a flush', async () => {
  const file = await fresh(8 * MIB);
  const node = await open(file);
  await node.write(3 * MIB + 512, new Uint8Array(512).fill(1));
  await node.flush();
  expect(await file.size()).toBe(2 * MIB + 1024);
  expect(viewOf(file.bytes).getUint32(MIB + 12, true)).toBe(0);
  expect(await node.extent(0, 8 * MIB)).toEqual({ offset: 0, length: 3 * MIB, kind: 'absent' });
  await node.discard(3 * MIB, MIB);
  await node.flush();
  expect(viewOf(file.bytes).getUint32(MIB + 12, true)).toBe(0xffffffff);
  await node.write(5 * MIB, new Uint8Array(512).fill(2));
  await node.flush();
  expect(viewOf(file.bytes).getUint32(MIB + 20, true)).toBe(0);
  const block = new Uint8Array(2048);
  await node.read(5 * MIB, block);
  expect([block[0], block[512], block[1024]]).toEqual([2, 0, 0]);
  await node.close();
});

test('a fixed image has all its blocks', async () => {
  const file = await fresh(2 * MIB, true);
  const node = await open(file);
  expect((await node.extent(0, 2 * MIB)).kind).toBe('data');
  await node.write(MIB, new Uint8Array(512).fill(7));
  await node.close();
  expect((await contents(await open(file, true)))[MIB]).toBe(7);
});

test('a differencing image names its parent by id, and is written on top of it in whatever pieces', async () => {
  const parent = await fresh(128 * 1024);
  const ids = (await readVdiIds(parent))!;
  await fc.assert(
    fc.asyncProperty(actions(256, 16), fc.boolean(), async (sequence, together) => {
      const file = await fresh(128 * 1024, false, 8192);
      viewOf(file.bytes).setUint32(76, 4, true);
      file.bytes.set(parseUuid(ids.modified), 440);
      const base = new Uint8Array(128 * 1024).fill(9);
      const over = async () => new OverlayNode(await open(file), new MemoryNode(base, { readOnly: true }));
      await drive(over, sequence, together, undefined, new Uint8Array(256).fill(9));
    }),
    { numRuns: 30 },
  );
  const child = new MemoryFile('child.vdi');
  await createVdi(child, host, { size: 2 * MIB, parent: ids });
  const node = await open(child);
  expect([node.parent, node.describe()['type']]).toEqual([{ paths: [], format: 'vdi', identity: ids.modified }, 'differencing']);
  expect((await node.extent(0, 512)).kind).toBe('absent');
  await node.zero(0, 2 * MIB);
  expect((await node.extent(0, 512)).kind).toBe('zero'); // what the parent has must not show through
  await expect(createVdi(new MemoryFile('x'), host, { size: MIB, fixed: true, parent: ids })).rejects.toThrow(/difference/);
});

test.each<[string, (view: DataView) => void, RegExp]>([
  ['signature', (view) => view.setUint32(64, 0), /is not a VDI image/],
  ['version', (view) => view.setUint32(68, 2, true), /VDI version 0.2 is not supported/],
  ['type', (view) => view.setUint32(76, 9, true), /type 9/],
  ['block size', (view) => view.setUint32(376, 1000, true), /block size is 1000/],
  ['block count', (view) => view.setUint32(384, 0x7fffffff, true), /do not hold a disk/],
  ['table', (view) => view.setUint32(340, 0x7ffffe00, true), /block table is not all in the file/],
  ['a block outside', (view) => view.setUint32(MIB, 1000, true), /block 0 lies beyond the end/],
])('bad %s is refused in one sentence', async (_name, change, wanted) => {
  const file = await fresh(8 * MIB);
  change(viewOf(file.bytes));
  await expect(open(file)).rejects.toThrow(wanted);
});

test('random damage gives errors of ours at most', async () => {
  const file = await fresh(64 * 1024, false, 4096);
  const node = await open(file);
  await node.write(0, new Uint8Array(20_000).fill(1));
  await node.close();
  await survivesDamage(
    file.bytes,
    [
      [64, 460],
      [MIB, MIB + 64],
    ],
    async (bytes) => {
      const damaged = await open(new MemoryFile('x', bytes));
      await damaged.read(0, new Uint8Array(Math.min(damaged.size, 65536)));
      await damaged.write(0, new Uint8Array(512));
      await damaged.flush();
    },
  );
});
