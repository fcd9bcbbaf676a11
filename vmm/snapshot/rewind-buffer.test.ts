import fc from 'fast-check';
import type { SavedMachine } from '../machine/machine.ts';
import { PAGE_BYTES } from './pack.node.ts';
import { RewindBuffer } from './rewind-buffer.node.ts';

const PAGES = 8;
const stateOf = (time: number): SavedMachine => ({ time, devices: {}, vcpus: [] });

type Step = { readonly do: 'run'; readonly pages: readonly number[]; readonly value: number } | { readonly do: 'go'; readonly which: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('run' as const), pages: fc.uniqueArray(fc.nat(PAGES - 1)), value: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ do: fc.constant('go' as const), which: fc.nat(100) }),
);

test('memory goes back, forth, and on from anywhere', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const memory = new Uint8Array(PAGES * PAGE_BYTES);
      const buffer = new RewindBuffer(memory);
      const model: { number: number; memory: Uint8Array }[] = [{ number: 0, memory: memory.slice() }];
      buffer.add({ number: 0, time: 0 }, stateOf(0), { pages: new Int32Array(), pieces: [] });
      let at = 0;
      let next = 1;
      for (const one of steps) {
        if (one.do === 'go') {
          at = one.which % model.length;
          buffer.go(model[at]!.number, () => undefined);
        } else {
          // The guest runs on from here, and comes to the next point.
          const before = one.pages.map((page) => memory.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
          for (const page of one.pages) memory.fill(one.value, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
          const number = next++;
          buffer.add({ number, time: number * 10 }, stateOf(number * 10), { pages: Int32Array.from(one.pages), pieces: before });
          model.length = at + 1;
          model.push({ number, memory: memory.slice() });
          at++;
        }
        expect(Buffer.compare(memory, model[at]!.memory)).toBe(0);
        expect(buffer.points.map(({ number }) => number)).toEqual(model.map(({ number }) => number));
        expect(buffer.savedAt(model[at]!.number).time).toBe(model[at]!.number * 10);
      }
    }),
    { numRuns: 100 },
  );
});

test('stays within its budget; the newest point stays', () => {
  const memory = new Uint8Array(PAGES * PAGE_BYTES);
  const buffer = new RewindBuffer(memory);
  for (let number = 0; number < 20; number++) {
    const page = Uint8Array.from({ length: PAGE_BYTES }, (_, at) => (at * 7919 * (number + 3)) >> 5);
    buffer.add({ number, time: number }, stateOf(number), { pages: Int32Array.of(1), pieces: [page] });
    buffer.shrink(10_000, 0);
    expect(buffer.bytes).toBeLessThan(10_000);
  }
  const { length } = buffer.points;
  expect(length).toBeGreaterThan(1);
  buffer.shrink(Infinity, 18);
  expect(buffer.points[0]!.number).toBe(18);
  buffer.shrink(0, 0);
  expect(buffer.points.map(({ number }) => number)).toEqual([19]);
  buffer.clear();
  expect(buffer.bytes).toBe(0);
});
