import type { VmmError } from '../../base/errors.ts';
import fc from 'fast-check';
import { actions, contents, Model, perform } from '../formats/model-test.ts';
import { MemoryNode } from '../memory-node.ts';
import { CacheNode } from './cache.ts';
import { FaultNode, parseFault } from './fault.ts';
import { ThrottleNode } from './throttle.ts';
import { TraceNode, type TraceRecord } from './trace.ts';

const KIB = 1024;
const disk = (size = 256 * KIB) => new MemoryNode(Uint8Array.from({ length: size }, (_, at) => (at >> 9) & 0xff));

/** A clock that jumps to whatever is waited for. */
function testClock() {
  let now = 0;
  return {
    now: () => now,
    sleep: (milliseconds: number) => {
      now += milliseconds;
      return Promise.resolve();
    },
    rest: (milliseconds: number) => (now += milliseconds),
  };
}

test('throttling: the rate is kept over time, a burst passes after a rest, and nothing else waits', async () => {
  const clock = testClock();
  const node = new ThrottleNode(disk(), { writeBandwidth: 64_000, burst: 0.5 }, clock);
  const piece = new Uint8Array(512);
  const start = clock.now();
  for (let count = 0; count < 1000; count++) await node.write(0, piece);
  // 512000 bytes at 64000 a second are 8 s, of which half a second's worth passes at once
  expect(clock.now() - start).toBeGreaterThan(7400);
  expect(clock.now() - start).toBeLessThan(8000);
  const before = clock.now();
  await node.read(0, piece);
  await node.flush();
  expect(clock.now()).toBe(before);
  clock.rest(10_000);
  const rested = clock.now();
  for (let count = 0; count < 60; count++) await node.write(0, piece); // 30720 of the 32000 bytes that were saved up
  expect(clock.now()).toBe(rested);
});

test('throttling operations: a request larger than the burst passes, and keeps the next waiting', async () => {
  const clock = testClock();
  const node = new ThrottleNode(disk(), { readOperations: 10, readBandwidth: 1000 }, clock);
  await node.read(0, new Uint8Array(4096));
  expect(clock.now()).toBe(0);
  await node.read(0, new Uint8Array(512));
  expect(Math.round(clock.now())).toBe(3996);
});

test('a trace tells every operation with its place, its time and its error', async () => {
  const clock = testClock();
  const records: TraceRecord[] = [];
  const node = new TraceNode(
    new FaultNode(disk(), [parseFault('write:EIO@1')!]),
    () => clock.now(),
    (record) => records.push(record),
  );
  await node.writev(512, [new Uint8Array(512), new Uint8Array(1024)]);
  await expect(node.write(0, new Uint8Array(512))).rejects.toThrow(/input\/output error/);
  await node.flush();
  expect(records).toEqual([
    { operation: 'write', offset: 512, length: 1536, at: 0, took: 0 },
    { operation: 'write', offset: 0, length: 512, at: 0, took: 0, error: expect.stringMatching(/asked for/) as string },
    { operation: 'flush', offset: 0, length: 0, at: 0, took: 0 },
  ]);
});

test('faults: as many as were asked for, when they were asked for', async () => {
  expect(parseFault('write:ENOSPC@100+3')).toEqual({ operation: 'write', code: 'ENOSPC', after: 100, count: 3 });
  expect(['', 'write', 'write:EPERM', 'write:EIO@-1', 'shred:EIO'].map(parseFault)).toEqual(Array(5).fill(undefined));
  const node = new FaultNode(disk(), [parseFault('read:EIO@1+2')!]);
  const read = () =>
    node.read(0, new Uint8Array(512)).then(
      () => 'ok',
      (error: unknown) => (error as VmmError).context['code'],
    );
  expect([await read(), await read(), await read(), await read()]).toEqual(['ok', 'EIO', 'EIO', 'ok']);
});

test('a cache holds what is below, whatever is done at the same time', async () => {
  await fc.assert(
    fc.asyncProperty(actions(512, 128), fc.integer({ min: 1, max: 4 }), async (sequence, blocks) => {
      const below = disk();
      const slow = new ThrottleNode(below, {}, { now: () => 0, sleep: () => Promise.resolve() });
      const node = new CacheNode(slow, blocks * 64 * KIB);
      const model = new Model(
        512,
        Uint8Array.from({ length: 512 }, (_, sector) => sector & 0xff),
      );
      for (const action of sequence) {
        model.change(action);
        // Reads of all of it are under way while it is changed: they see the old or the new, and must not leave the old behind.
        const reading = contents(node);
        await perform(node, action);
        await reading;
      }
      expect(model.wrong(await contents(node))).toBeUndefined();
      expect(model.wrong(below.bytes)).toBeUndefined();
    }),
    { numRuns: 60 },
  );
  const node = new CacheNode(disk(), 128 * KIB);
  await node.read(0, new Uint8Array(512));
  await node.readv(1024, [new Uint8Array(512), new Uint8Array(512)]);
  expect([node.hits, node.misses]).toEqual([2, 1]);
});
