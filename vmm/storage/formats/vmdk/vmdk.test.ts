import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { MemoryFile } from '../../memory-file.ts';
import { MemoryNode } from '../../memory-node.ts';
import { OverlayNode } from '../../overlay.ts';
import { viewOf } from '../bytes.ts';
import { actions, contents, drive, survivesDamage } from '../model-test.ts';
import { testHost } from '../test-host.ts';
import { parseDescriptor } from './descriptor.ts';
import { createSparseExtent, encodeSparseHeader } from './sparse-extent.ts';
import { createVmdk, openVmdk, type VmdkKind } from './vmdk.ts';

const KIB = 1024;
type Files = Record<string, MemoryFile>;

async function fresh(size: number, kind: VmdkKind, parent?: { path: string; identity: string }) {
  const files: Files = {};
  const create = (name: string) => Promise.resolve((files[name] = new MemoryFile(name)));
  const file = new MemoryFile('disk.vmdk');
  const host = testHost(files);
  await createVmdk(file, host, { size, kind, base: 'disk', create, parent });
  return { file, files, open: (readOnly = false) => openVmdk(file, host, { readOnly }) };
}

test.each<VmdkKind>(['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat'])(
  '%s: reads back what was written',
  async (kind) => {
    await fc.assert(
      fc.asyncProperty(actions(600, 128, 20), fc.boolean(), async (sequence, together) => {
        const image = await fresh(600 * 512, kind);
        await drive(() => image.open(), sequence, together);
      }),
      { numRuns: 15 },
    );
  },
);

test('both copies of the grain tables say the same', async () => {
  const { file, open } = await fresh(1 << 20, 'monolithicSparse');
  const node = await open();
  await node.write(70_000 - (70_000 % 512), new Uint8Array(200_192).fill(5));
  await node.close();
  const view = viewOf(file.bytes);
  const [copies, tables] = [view.getUint32(48, true), view.getUint32(56, true)].map((directory) => view.getUint32(directory * 512, true) * 512);
  const [a, b] = [copies!, tables!].map((at) => file.bytes.subarray(at, at + 2048));
  expect(Buffer.compare(a!, b!)).toBe(0);
  expect(a!.some((byte) => byte !== 0)).toBe(true);
});

test('a split image has an extent for each 2 GB', async () => {
  const { files, open } = await fresh(5 * 2 ** 30, 'twoGbMaxExtentSparse');
  expect(Object.keys(files)).toEqual(['disk-s001.vmdk', 'disk-s002.vmdk', 'disk-s003.vmdk']);
  const node = await open();
  expect(node.size).toBe(5 * 2 ** 30);
  const border = 2 ** 31 - 65536;
  await node.write(
    border - 512,
    Uint8Array.from({ length: 1024 }, (_, at) => (at < 512 ? 1 : 2)),
  );
  await node.flush();
  const back = new Uint8Array(2048);
  await node.read(border - 1024, back);
  expect([back[0], back[512], back[1024], back[1536]]).toEqual([0, 1, 2, 0]);
  expect((await node.extent(border + 65536, 2 ** 31)).kind).toBe('absent');
});

test('the content id changes with the first write, and only then', async () => {
  const { file, open } = await fresh(1 << 20, 'monolithicSparse');
  const cid = () => /CID=([0-9a-f]{8})/.exec(new TextDecoder().decode(file.bytes.subarray(512, 4096)))![1];
  const before = cid();
  const node = await open();
  expect(cid()).toBe(before);
  await node.write(0, new Uint8Array(512));
  const after = cid();
  expect(after).not.toBe(before);
  expect(node.identity).toBe(after);
  await node.write(512, new Uint8Array(512));
  expect(cid()).toBe(after);
});

test('a difference names its parent and its content id', async () => {
  const { open } = await fresh(300 * KIB, 'monolithicSparse', { path: 'base.vmdk', identity: '12345678' });
  const node = await open();
  expect(node.parent).toEqual({ paths: ['base.vmdk'], format: 'vmdk', identity: '12345678' });
  const base = new MemoryNode(new Uint8Array(300 * KIB).fill(9), { readOnly: true });
  const disk = new OverlayNode(node, base);
  await disk.write(512, new Uint8Array(512).fill(1));
  await disk.zero(128 * KIB, 64 * KIB);
  const bytes = await contents(disk);
  expect([bytes[0], bytes[512], bytes[1024], bytes[128 * KIB], bytes[200 * KIB]]).toEqual([9, 1, 9, 0, 9]);
});

/** A stream-optimised image of three grains, as exporters write them. */
function streamOptimised(): MemoryFile {
  const sectors: Uint8Array[] = [];
  const add = (bytes: Uint8Array) => {
    const padded = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
    padded.set(bytes);
    const at = sectors.reduce((sum, one) => sum + one.length, 0) / 512;
    sectors.push(padded);
    return at;
  };
  const fields = {
    size: 1 << 20,
    grain: 65536,
    flags: 0x30001,
    version: 3,
    descriptorOffset: 1,
    descriptorSectors: 1,
    redundant: 0,
    overhead: 128,
    compressed: true,
  } as const;
  add(encodeSparseHeader({ ...fields, directory: 'at-end' }));
  add(Buffer.from('# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType="streamOptimized"\nRW 2048 SPARSE "x.vmdk"\n'));
  const table = new Uint8Array(2048);
  for (const grain of [0, 3, 15]) {
    const packed = deflateSync(new Uint8Array(65536).fill(grain + 1));
    const marker = new Uint8Array(12 + packed.length);
    viewOf(marker).setBigUint64(0, BigInt(grain * 128), true);
    viewOf(marker).setUint32(8, packed.length, true);
    marker.set(packed, 12);
    viewOf(table).setUint32(grain * 4, add(marker), true);
  }
  const directory = new Uint8Array(512);
  viewOf(directory).setUint32(0, add(table), true);
  const place = add(directory);
  add(encodeSparseHeader({ ...fields, directory: place }));
  add(new Uint8Array(512));
  return new MemoryFile('x.vmdk', Uint8Array.from(Buffer.concat(sectors)));
}

test('stream-optimised images are read, and refused for writing', async () => {
  const file = streamOptimised();
  await expect(openVmdk(file, testHost(), { readOnly: false })).rejects.toThrow(/stream-optimised, which cannot be written/);
  const node = await openVmdk(file, testHost(), { readOnly: true });
  const bytes = await contents(node);
  expect([0, 1, 3, 4, 15].map((grain) => [bytes[grain * 65536], bytes[grain * 65536 + 65535]])).toEqual([
    [1, 1],
    [0, 0],
    [4, 4],
    [0, 0],
    [16, 16],
  ]);
  await expect(openVmdk(new MemoryFile('cut.vmdk', file.bytes.slice(0, -1024)), testHost(), { readOnly: true })).rejects.toThrow(/cut short/);
});

test('descriptors: what is not understood is named', () => {
  const text = (extent: string) => `# Disk DescriptorFile\nCID=1\ncreateType="x"\n${extent}\n`;
  expect(() => parseDescriptor('x', text(''))).toThrow('x: the descriptor names no extent');
  expect(() => parseDescriptor('x', text('RW 10 SESPARSE "a"'))).toThrow(/type SESPARSE are not supported/);
  expect(() => parseDescriptor('x', text('RW 99999999999999999 FLAT "a" 0'))).toThrow(/sectors/);
  expect(() => parseDescriptor('x', text('RW ten FLAT "a" 0'))).toThrow(/makes no sense/);
  expect(parseDescriptor('x', text('RW 63 FLAT "a b.img" 17')).extents).toEqual([
    { access: 'RW', sectors: 63, type: 'FLAT', file: 'a b.img', offset: 17 },
  ]);
});

test('an extent of a split image says what to open instead', async () => {
  const file = new MemoryFile('disk-s001.vmdk');
  await createSparseExtent(file, { size: 1 << 20 });
  await expect(openVmdk(file, testHost(), { readOnly: true })).rejects.toThrow(/is one extent of a split VMDK image/);
});

test('random damage gives errors of ours at most', async () => {
  const image = await fresh(1 << 20, 'monolithicSparse');
  const node = await image.open();
  await node.write(0, new Uint8Array(100_352).fill(1));
  await node.close();
  await survivesDamage(
    image.file.bytes,
    [
      [0, 80],
      [512, 1000],
      [21 * 512, 28 * 512],
    ],
    async (bytes) => {
      const damaged = await openVmdk(new MemoryFile('x', bytes), testHost(), { readOnly: false });
      await damaged.read(0, new Uint8Array(Math.min(damaged.size, 65536)));
      await damaged.write(0, new Uint8Array(512));
      await damaged.flush();
    },
  );
});
