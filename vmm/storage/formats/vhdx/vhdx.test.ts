import fc from 'fast-check';
import { MemoryFile } from '../../memory-file.ts';
import { MemoryNode } from '../../memory-node.ts';
import { OverlayNode } from '../../overlay.ts';
import { setU64le, viewOf } from '../bytes.ts';
import { crc32c, crcWithout } from '../crc32c.ts';
import { actions, contents, drive, Model, perform, survivesDamage } from '../model-test.ts';
import { testHost } from '../test-host.ts';
import { parseUuid } from '../uuid.ts';
import { encodeHeader, MIB, readHeader, readRegions } from './structures.ts';
import { createVhdx, VhdxNode, type VhdxCreateOptions } from './vhdx.ts';

const host = testHost();
const open = (file: MemoryFile, readOnly = false) => VhdxNode.open(file, host, { readOnly });
async function fresh(options: VhdxCreateOptions): Promise<MemoryFile> {
  const file = new MemoryFile('disk.vhdx');
  await createVhdx(file, host, options);
  return file;
}
const PARENT = { path: 'base.vhdx', identity: '00112233-4455-6677-8899-aabbccddeeff' };

test('crc32c of the published check value', () => expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283));

test.each<[string, VhdxCreateOptions]>([
  ['dynamic', { size: 4 * MIB, blockSize: MIB }],
  ['fixed', { size: 4 * MIB, blockSize: MIB, fixed: true }],
])('%s: reads back what was written', async (_name, options) => {
  await fc.assert(
    fc.asyncProperty(actions(8192, 2048, 8), fc.boolean(), async (sequence, together) => {
      const file = await fresh(options);
      await drive(() => open(file), sequence, together);
    }),
    { numRuns: 6 },
  );
});

test('differencing: sectors are mapped one by one over the parent', async () => {
  await fc.assert(
    fc.asyncProperty(actions(6144, 2048, 8), async (sequence) => {
      const file = await fresh({ size: 3 * MIB, blockSize: MIB, parent: PARENT });
      const values = Uint8Array.from({ length: 6144 }, (_, sector) => (sector % 255) + 1);
      const bytes = new Uint8Array(3 * MIB);
      values.forEach((value, sector) => bytes.fill(value, sector * 512, (sector + 1) * 512));
      const base = new MemoryNode(bytes, { readOnly: true });
      const model = new Model(6144, values);
      let node = new OverlayNode(await open(file), base);
      for (const action of sequence) {
        if (action.do === 'reopen') {
          await node.close();
          node = new OverlayNode(await open(file), base);
        }
        model.change(action);
        await perform(node, action);
      }
      expect(model.wrong(await contents(node))).toBeUndefined();
      await node.close();
      expect(model.wrong(await contents(new OverlayNode(await open(file, true), base)))).toBeUndefined();
    }),
    { numRuns: 8 },
  );
  const node = await open(await fresh({ size: 4 * MIB, parent: PARENT }));
  expect(node.parent).toEqual({ paths: ['base.vhdx'], identity: PARENT.identity });
  expect(node.granularity).toBe(512);
});

test('the first write makes new ids, in the other header', async () => {
  const file = await fresh({ size: 4 * MIB });
  const before = await readHeader(file);
  const node = await open(file);
  await node.write(0, new Uint8Array(512));
  const after = await readHeader(file);
  expect([after.slot, after.sequence]).toEqual([1 - before.slot, before.sequence + 1]);
  expect(after.dataWriteId).not.toBe(before.dataWriteId);
  expect(node.identity).toBe(after.dataWriteId);
  // A torn header is no loss: the other one still stands.
  file.bytes.fill(0, after.slot === 0 ? 0x10000 : 0x20000, (after.slot === 0 ? 0x10000 : 0x20000) + 100);
  expect((await open(file, true)).identity).toBe(before.dataWriteId);
});

/** A log entry that writes `data` (4 KiB) at `offset` and zeros behind it. */
function logEntry(logId: string, sequence: number, tail: number, offset: number, data: Uint8Array, fileSize: number): Uint8Array {
  const entry = new Uint8Array(8192);
  const view = viewOf(entry);
  view.setUint32(0, 0x65676f6c, true);
  view.setUint32(8, 8192, true);
  view.setUint32(12, tail, true);
  setU64le(view, 16, sequence);
  view.setUint32(24, 2, true);
  entry.set(parseUuid(logId, 'mixed'), 32);
  setU64le(view, 48, fileSize);
  setU64le(view, 56, fileSize);
  view.setUint32(64, 0x63736564, true);
  entry.set(data.subarray(4092), 68);
  entry.set(data.subarray(0, 8), 72);
  setU64le(view, 80, offset);
  setU64le(view, 88, sequence);
  view.setUint32(96, 0x6f72657a, true);
  setU64le(view, 104, 4096);
  setU64le(view, 112, offset + 4096);
  setU64le(view, 120, sequence);
  view.setUint32(4096, 0x61746164, true);
  entry.set(data.subarray(8, 4092), 4096 + 8);
  view.setUint32(8188, sequence, true);
  view.setUint32(4, crcWithout(entry, 4), true);
  return entry;
}

test.each([0, MIB - 4096])('a log that was not finished is replayed, also one that wraps around (from %i)', async (start) => {
  const file = await fresh({ size: 4 * MIB, blockSize: MIB });
  const { batOffset } = await readRegions(file);
  const size = await file.size();
  // The log maps block 1 to a new place at the end of the file, in two entries of which the second is the valid one.
  const table = new Uint8Array(4096);
  setU64le(viewOf(table), 8, size + 6);
  const logId = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';
  const log = new Uint8Array(MIB);
  const put = (entry: Uint8Array, at: number) => entry.forEach((byte, index) => (log[(at + index) % MIB] = byte));
  put(logEntry(logId, 7, start, batOffset, new Uint8Array(4096).fill(0xee), size), start);
  put(logEntry(logId, 8, (start + 8192) % MIB, batOffset, table, size), (start + 8192) % MIB);
  put(logEntry('99999999-bbbb-cccc-dddd-eeeeeeeeeeee', 9, 0, batOffset, new Uint8Array(4096), size), (start + 16384) % MIB);
  await file.write(MIB, log);
  await file.write(size, new Uint8Array(MIB).fill(0x42));
  const header = await readHeader(file);
  await file.write(header.slot === 0 ? 0x10000 : 0x20000, encodeHeader({ ...header, logId }));
  const before = file.bytes.slice();

  const readOnly = await contents(await open(file, true));
  expect([readOnly[0], readOnly[MIB], readOnly[2 * MIB - 1], readOnly[2 * MIB]]).toEqual([0, 0x42, 0x42, 0]);
  expect(Buffer.compare(file.bytes, before)).toBe(0);

  const node = await open(file);
  expect((await contents(node))[MIB]).toBe(0x42);
  expect((await readHeader(file)).logId).toBe('00000000-0000-0000-0000-000000000000');
  await node.close();
});

test.each<[string, (file: MemoryFile) => void, RegExp]>([
  ['an identifier', (file) => file.bytes.fill(0, 0, 8), /is not a VHDX image/],
  ['both headers', (file) => (file.bytes.fill(1, 0x10000, 0x10010), file.bytes.fill(1, 0x20000, 0x20010)), /neither header/],
  ['both region tables', (file) => (file.bytes.fill(1, 0x30000, 0x30010), file.bytes.fill(1, 0x40000, 0x40010)), /neither region table/],
  ['the block size', (file) => viewOf(file.bytes).setUint32(2 * MIB + 65536, 12345, true), /block size is 12345/],
  ['the size', (file) => viewOf(file.bytes).setUint32(2 * MIB + 65536 + 8, 5, true), /size is 5 bytes/],
  ['a block', (file) => viewOf(file.bytes).setUint32(3 * MIB, 6, true), /lies outside the file/],
])('%s damaged is one sentence', async (_name, change, wanted) => {
  const file = await fresh({ size: 4 * MIB });
  change(file);
  await expect(open(file)).rejects.toThrow(wanted);
});

test('random damage gives errors of ours at most', async () => {
  const file = await fresh({ size: 3 * MIB, blockSize: MIB });
  const node = await open(file);
  await node.write(0, new Uint8Array(100_352).fill(1));
  await node.close();
  await survivesDamage(
    file.bytes,
    [
      [0x10000, 0x10060],
      [0x20000, 0x20060],
      [0x30000, 0x30060],
      [2 * MIB, 2 * MIB + 240],
      [2 * MIB + 65536, 2 * MIB + 65600],
      [3 * MIB, 3 * MIB + 32],
    ],
    async (bytes) => {
      const damaged = await open(new MemoryFile('x', bytes));
      await damaged.read(0, new Uint8Array(Math.min(damaged.size, 65536)));
      await damaged.write(0, new Uint8Array(512));
      await damaged.flush();
    },
    60,
  );
});
