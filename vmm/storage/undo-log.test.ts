/** What a disk held at a point is what it held: any writes, zeros and trims, overlapping and at once, against copies taken at each point. */
import fc from 'fast-check';
import type { BlockNode, Extent } from './node.ts';
import { UndoLog } from './undo-log.ts';

const SIZE = 64 * 1024 + 512;

/** A disk whose operations take their time, in any order. */
class SlowDisk implements BlockNode {
  readonly name = 'slow';
  readonly size = SIZE;
  readonly readOnly = false;
  readonly granularity = 512;
  readonly bytes = new Uint8Array(SIZE);
  readonly #turns: () => number;

  constructor(turns: () => number) {
    this.#turns = turns;
  }
  async #wait(): Promise<void> {
    for (let turns = this.#turns(); turns > 0; turns--) await Promise.resolve();
  }
  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#wait();
    into.set(this.bytes.subarray(offset, offset + into.length));
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#wait();
    this.bytes.set(from, offset);
  }
  async flush(): Promise<void> {
    await this.#wait();
  }
  extent(offset: number, length: number): Promise<Extent> {
    return Promise.resolve({ offset, length, kind: 'data' });
  }
  async zero(offset: number, length: number): Promise<void> {
    await this.#wait();
    this.bytes.fill(0, offset, offset + length);
  }
  async discard(offset: number, length: number): Promise<void> {
    await this.zero(offset, length);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

const sector = fc.nat(SIZE / 512 - 1);
const change = fc.record({
  do: fc.constantFrom('write' as const, 'zero' as const, 'discard' as const),
  at: sector,
  count: fc.integer({ min: 1, max: 40 }),
  value: fc.integer({ min: 1, max: 255 }),
});
/** Changes that are under way at once, between two points. */
const epochs = fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 6 });

test('goes back to any point', () =>
  fc.assert(
    fc.asyncProperty(epochs, fc.infiniteStream(fc.nat(5)), fc.nat(), async (sequence, delays, choice) => {
      const disk = new SlowDisk(() => delays.next().value as number);
      const log = new UndoLog(disk, Infinity);
      const copies: Uint8Array[] = [];
      for (const [number, changes] of sequence.entries()) {
        log.mark(number);
        copies.push(disk.bytes.slice());
        await Promise.all(
          changes.map(({ do: what, at, count, value }) => {
            const length = Math.min(count * 512, SIZE - at * 512);
            if (what === 'write') return log.write(at * 512, new Uint8Array(length).fill(value));
            return log[what](at * 512, length);
          }),
        );
      }
      for (const [number, copy] of copies.entries()) {
        const back = disk.bytes.slice();
        for (const [offset, bytes] of log.at(number)) back.set(bytes, offset);
        expect(Buffer.compare(back, copy)).toBe(0);
      }
      const oldest = choice % copies.length;
      log.forgetBefore(oldest);
      expect(log.since).toBe(oldest);
      log.stop();
      expect([log.bytes, log.since]).toEqual([0, Infinity]);
    }),
    { numRuns: 300 },
  ));

test('too much to keep cannot be gone back to; what comes after can', async () => {
  const log = new UndoLog(new SlowDisk(() => 1), 8192);
  log.mark(1);
  await log.write(0, new Uint8Array(16384).fill(1));
  expect(() => log.at(1)).toThrow(RangeError);
  expect(log.bytes).toBe(0);
  log.mark(2);
  await log.write(0, new Uint8Array(512).fill(2));
  expect([...log.at(2).keys()]).toEqual([0]);
  expect(log.since).toBe(2);
});
