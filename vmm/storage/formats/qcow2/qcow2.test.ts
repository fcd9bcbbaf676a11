import fc from 'fast-check';
import { MemoryFile } from '../../memory-file.ts';
import { MemoryNode } from '../../memory-node.ts';
import { OverlayNode } from '../../overlay.ts';
import { actions, contents, drive, Model, perform } from '../model-test.ts';
import { testHost } from '../test-host.ts';
import { checkQcow2 } from './check.ts';
import { createQcow2, type Qcow2CreateOptions } from './create.ts';
import { Qcow2Node } from './qcow2.ts';

const KIB = 1024;
const host = testHost();

async function fresh(options: Qcow2CreateOptions): Promise<MemoryFile> {
  const file = new MemoryFile('disk.qcow2');
  await createQcow2(file, options);
  return file;
}
const open = (file: MemoryFile, readOnly = false) => Qcow2Node.open(file, host, { readOnly });

async function expectClean(file: MemoryFile): Promise<void> {
  const report = await checkQcow2(file);
  expect(report.errors).toEqual([]);
  expect(report.leaked).toBe(0);
}

test.each<[string, Qcow2CreateOptions, number]>([
  ['version 3', { size: 300 * KIB, clusterSize: 4096 }, 8],
  ['version 2', { size: 300 * KIB, clusterSize: 4096, version: 2 }, 8],
  ['clusters of 512 bytes, whose refcount table has to grow', { size: 300 * KIB, clusterSize: 512 }, 1],
  ['refcounts of one bit', { size: 200 * KIB, clusterSize: 1024, refcountBits: 1 }, 2],
  ['refcounts of 64 bits', { size: 200 * KIB, clusterSize: 512, refcountBits: 64 }, 1],
  ['extended L2 entries', { size: 300 * KIB, clusterSize: 16384, extendedL2: true }, 32],
])('%s: reads back what was written, and checks clean', async (_name, options, unit) => {
  await fc.assert(
    fc.asyncProperty(actions(options.size / 512, unit), fc.boolean(), async (sequence, together) => {
      const file = await fresh(options);
      await drive(
        () => open(file),
        sequence,
        together,
        () => expectClean(file),
      );
    }),
    { numRuns: 25 },
  );
});

test('a file of many small clusters: the refcount table grows more than once', async () => {
  const size = 24 << 20;
  const file = await fresh({ size, clusterSize: 512, refcountBits: 64 });
  const node = await open(file);
  const before = node.header.refcountClusters;
  for (let at = 0; at < size; at += 65536) await node.write(at, new Uint8Array(65536).fill((at >> 16) & 0xff || 1));
  expect(node.header.refcountClusters).toBeGreaterThan(before);
  await node.close();
  await expectClean(file);
  const again = await open(file);
  const part = new Uint8Array(512);
  await again.read(size - 512, part);
  expect(part[0]).toBe(((size - 65536) >> 16) & 0xff || 1);
});

test('over a backing file: reads through, copies whole clusters, zeroes hide what is below', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(2 as const, 3 as const), fc.boolean(), actions(400, 8), async (version, extendedL2, sequence) => {
      const file = await fresh({
        size: 400 * 512,
        clusterSize: extendedL2 && version === 3 ? 16384 : 4096,
        version,
        extendedL2: extendedL2 && version === 3,
        backingFile: 'base.img',
        backingFormat: 'raw',
      });
      const base = new MemoryNode(
        Uint8Array.from({ length: 300 * 512 }, (_, at) => ((at >> 9) % 251) + 1),
        { readOnly: true },
      );
      const top = await open(file);
      expect(top.parent).toEqual({ paths: ['base.img'], format: 'raw' });
      const node = new OverlayNode(top, base);
      const model = new Model(
        400,
        Uint8Array.from({ length: 300 }, (_, sector) => (sector % 251) + 1),
      );
      for (const action of sequence) {
        model.change(action);
        await perform(node, action);
      }
      expect(model.wrong(await contents(node))).toBeUndefined();
      await top.close();
      await expectClean(file);
      expect(model.wrong(await contents(new OverlayNode(await open(file, true), base)))).toBeUndefined();
    }),
    { numRuns: 40 },
  );
});

test.each(['zlib', 'zstd'] as const)('compressed clusters (%s) are read, and leave their place when they are overwritten', async (compression) => {
  const file = await fresh({ size: 256 * KIB, clusterSize: 16384, compression });
  const node = await open(file);
  const text = (value: number) => Uint8Array.from({ length: 16384 }, (_, at) => (at % 97 === 0 ? value : at % 7));
  for (let cluster = 0; cluster < 10; cluster++) await node.writeCompressed(cluster * 16384, text(cluster));
  await node.flush();
  expect(await file.size()).toBeLessThanOrEqual(6 * 16384);
  await node.write(3 * 16384 + 512, new Uint8Array(512).fill(0xee));
  await node.zero(5 * 16384, 16384);
  await node.close();
  await expectClean(file);
  const bytes = await contents(await open(file, true));
  for (const cluster of [0, 1, 2, 4, 6, 9]) expect(Buffer.compare(bytes.subarray(cluster * 16384, (cluster + 1) * 16384), text(cluster))).toBe(0);
  expect([bytes[3 * 16384], bytes[3 * 16384 + 512], bytes[3 * 16384 + 1024], bytes[5 * 16384]]).toEqual([3, 0xee, text(3)[1024], 0]);
});

test('what is freed is used again, and only after a flush', async () => {
  const file = await fresh({ size: 1 << 20, clusterSize: 65536 });
  const node = await open(file);
  await node.write(0, new Uint8Array(1 << 20).fill(1));
  await node.flush();
  const size = await file.size();
  await node.discard(0, 1 << 20);
  await node.write(0, new Uint8Array(65536).fill(2));
  await node.flush();
  expect(await file.size()).toBe(size + 65536);
  await node.write(65536, new Uint8Array(1 << 19).fill(3));
  expect(await file.size()).toBe(size + 65536);
  await node.close();
  await expectClean(file);
});

test('a check finds and a repair mends wrong counts, leaks and shared clusters', async () => {
  const file = await fresh({ size: 1 << 20, clusterSize: 4096 });
  let node = await open(file);
  await node.write(0, new Uint8Array(65536).fill(7));
  await node.close();
  const block = 2 * 4096;
  file.bytes[block + 2 * 6 + 1] = 0; // cluster 6 is used and not counted
  file.bytes[block + 2 * 100 + 1] = 1; // cluster 100 is counted and not used
  const report = await checkQcow2(file);
  expect(report.errorCount).toBe(1);
  expect(report.errors[0]).toMatch(/cluster 6 of the file is used 1 times, but counted 0 times/);
  expect(report.leaked).toBe(4096);
  await checkQcow2(file, 'all');
  await expectClean(file);
  node = await open(file);
  expect((await contents(node)).subarray(0, 65536).every((byte) => byte === 7)).toBe(true);

  // Two guest clusters in one place, both saying it is theirs.
  const l2 = await node.mapping.table(0);
  file.bytes.copyWithin(l2!.offset + 8, l2!.offset, l2!.offset + 8);
  const twice = await checkQcow2(file, 'all');
  expect(twice.errors.join('\n')).toMatch(/is shared and says it is owned/);
  await expectClean(file);
  node = await open(file);
  await node.write(0, new Uint8Array(512).fill(9));
  const bytes = await contents(node);
  expect([bytes[0], bytes[4096]]).toEqual([9, 7]);
});

describe('bad images are refused in one sentence', () => {
  const header = async (change: (view: DataView, file: MemoryFile) => void) => {
    const file = await fresh({ size: 1 << 20 });
    change(new DataView(file.bytes.buffer), file);
    return open(file).then(
      () => 'opened',
      (error: unknown) => (error as Error).message,
    );
  };
  test.each<[string, (view: DataView) => void, RegExp]>([
    ['magic', (view) => view.setUint32(0, 0), /not a qcow2 image/],
    ['version', (view) => view.setUint32(4, 1), /qcow version 1 is not supported/],
    ['cluster bits', (view) => view.setUint32(20, 33), /cluster_bits is 33/],
    ['a huge L1 table', (view) => view.setUint32(36, 0x7fffffff), /l1_size is 2147483647/],
    ['an L1 table outside', (view) => view.setUint32(40, 1), /l1_table_offset is outside the file/],
    ['a huge refcount table', (view) => view.setUint32(56, 0xffffff), /refcount_table_clusters/],
    ['a size that is not mapped', (view) => view.setUint32(24, 0x100), /more than the L1 table maps/],
    ['unknown features', (view) => view.setUint32(76, 0x80), /"feature 7"/],
    ['encryption', (view) => view.setUint32(32, 2), /encrypted/],
    ['refcount width', (view) => view.setUint32(96, 9), /refcount_order is 9/],
    ['snapshots outside', (view) => view.setUint32(60, 3), /snapshots_offset|snapshot table|snapshot ""/],
    ['the corrupt bit', (view) => view.setUint32(76, 2), /marked as corrupt/],
    ['the dirty bit', (view) => view.setUint32(76, 1), /was not closed/],
    [
      'a long backing name',
      (view) => {
        view.setUint32(12, 600);
        view.setUint32(16, 5000);
      },
      /name of the backing file is 5000 bytes/,
    ],
  ])('%s', async (_name, change, wanted) => expect(await header(change)).toMatch(wanted));

  test('random damage never hangs or throws anything but one of our errors', async () => {
    const whole = await fresh({ size: 1 << 20, clusterSize: 512 });
    const node = await open(whole);
    await node.write(0, new Uint8Array(100_000).fill(1));
    await node.close();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 6000 }), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
        async (changes) => {
          const file = new MemoryFile('x', whole.bytes.slice());
          for (const [at, value] of changes) file.bytes[at] = value;
          try {
            const damaged = await open(file);
            if (damaged.size > 1 << 24) return;
            await damaged.read(0, new Uint8Array(Math.min(damaged.size, 1 << 20)));
            await damaged.write(512, new Uint8Array(5000).fill(5));
            await damaged.flush();
          } catch (error) {
            expect((error as Error).name).toBe('VmmError');
            expect((error as Error).message).not.toMatch(/assertion/);
          }
          await checkQcow2(file).catch((error: unknown) => {
            expect((error as Error).name).toBe('VmmError');
          });
        },
      ),
      { numRuns: 150 },
    );
  });
});
