import fc from 'fast-check';
import { MemoryFile } from '../../memory-file.ts';
import { MemoryNode } from '../../memory-node.ts';
import { OverlayNode } from '../../overlay.ts';
import { viewOf } from '../bytes.ts';
import { actions, contents, drive, survivesDamage } from '../model-test.ts';
import { testHost } from '../test-host.ts';
import { geometryOf } from './structures.ts';
import { createVhd, openVhd, type VhdCreateOptions } from './vhd.ts';

const host = testHost();
const KIB = 1024;
const open = (file: MemoryFile, readOnly = false) => openVhd(file, host, { readOnly });

async function fresh(options: VhdCreateOptions): Promise<MemoryFile> {
  const file = new MemoryFile('disk.vhd');
  await createVhd(file, host, options);
  return file;
}
const footerOf = (file: MemoryFile) => Buffer.from(file.bytes.slice(-512));

test.each<[string, VhdCreateOptions]>([
  ['dynamic', { size: 128 * KIB, blockSize: 8192 }],
  ['fixed', { size: 128 * KIB, fixed: true }],
])('%s: reads back what was written, and ends with its footer', async (_name, options) => {
  await fc.assert(
    fc.asyncProperty(actions(256, 16), fc.boolean(), async (sequence, together) => {
      const file = await fresh(options);
      const footer = footerOf(file);
      await drive(
        () => open(file),
        sequence,
        together,
        () => {
          expect(Buffer.compare(footerOf(file), footer)).toBe(0);
          return Promise.resolve();
        },
      );
    }),
    { numRuns: 25 },
  );
});

test('differencing: sectors are mapped one by one over the parent', async () => {
  await fc.assert(
    fc.asyncProperty(actions(256, 16), async (sequence) => {
      const file = await fresh({ size: 128 * KIB, blockSize: 8192, parent: { path: 'base.vhd', identity: '00112233-4455-6677-8899-aabbccddeeff' } });
      const base = new MemoryNode(
        Uint8Array.from({ length: 128 * KIB }, (_, at) => ((at >> 9) % 255) + 1),
        { readOnly: true },
      );
      await drive(
        async () => new OverlayNode(await open(file), base),
        sequence,
        false,
        () => Promise.resolve(),
        Uint8Array.from({ length: 256 }, (_, sector) => (sector % 255) + 1),
      );
    }),
    { numRuns: 25 },
  );
  const node = await open(await fresh({ size: 1 << 20, parent: { path: 'sub/base.vhd', identity: '00112233-4455-6677-8899-aabbccddeeff' } }));
  expect(node.parent).toEqual({ paths: ['sub/base.vhd', 'base.vhd'], identity: '00112233-4455-6677-8899-aabbccddeeff' });
  expect(node.granularity).toBe(512);
});

test('a damaged footer is replaced by its copy', async () => {
  const file = await fresh({ size: 1 << 20, blockSize: 65536 });
  const node = await open(file);
  await node.write(0, new Uint8Array(512).fill(3));
  await node.close();
  file.bytes.fill(0, file.bytes.length - 512);
  expect((await contents(await open(file, true)))[511]).toBe(3);
});

test('the size of images of Virtual PC is that of their geometry', async () => {
  const file = await fresh({ size: 10 << 20 });
  for (const at of [0, file.bytes.length - 512]) {
    const footer = file.bytes.subarray(at, at + 512);
    footer.set(Buffer.from('vpc '), 28);
    viewOf(footer).setUint32(64, 0);
    viewOf(footer).setUint32(64, ~footer.reduce((sum, byte) => sum + byte, 0) >>> 0);
  }
  const { cylinders, heads, sectors } = geometryOf((10 << 20) / 512);
  expect((await open(file, true)).size).toBe(cylinders * heads * sectors * 512);
});

test('the geometry is the specification’s', () => {
  expect(geometryOf(41820)).toEqual({ cylinders: 615, heads: 4, sectors: 17 });
  expect(geometryOf(2 ** 22)).toEqual({ cylinders: 4161, heads: 16, sectors: 63 });
  expect(geometryOf(2 ** 32)).toEqual({ cylinders: 65535, heads: 16, sectors: 255 });
});

test.each<[string, (file: MemoryFile) => void, RegExp]>([
  ['a file without a footer', (file) => (file.bytes.fill(0, 0, 512), file.bytes.fill(0, file.bytes.length - 512)), /is not a VHD image/],
  ['a damaged header', (file) => file.bytes.fill(1, 600, 610), /dynamic disk header has no valid checksum/],
  ['a block outside', (file) => viewOf(file.bytes).setUint32(1536, 5000), /block 0 lies beyond the end/],
])('%s is refused in one sentence', async (_name, change, wanted) => {
  const file = await fresh({ size: 1 << 20, blockSize: 65536 });
  change(file);
  await expect(open(file)).rejects.toThrow(wanted);
});

test('random damage gives errors of ours at most', async () => {
  const file = await fresh({ size: 256 * KIB, blockSize: 8192 });
  const node = await open(file);
  await node.write(0, new Uint8Array(20_000).fill(1));
  await node.close();
  await survivesDamage(
    file.bytes,
    [
      [0, 700],
      [1536, 1700],
    ],
    async (bytes) => {
      const damaged = await open(new MemoryFile('x', bytes));
      await damaged.read(0, new Uint8Array(Math.min(damaged.size, 65536)));
      await damaged.write(0, new Uint8Array(512));
      await damaged.flush();
    },
  );
});
