import fc from 'fast-check';
import type { Snapshot } from './manifest.ts';
import { thin } from './thinning.ts';

const MINUTE = 60_000;
const point = (id: string, created: number, more: Partial<Snapshot> = {}): Snapshot => ({
  id,
  created,
  parent: null,
  name: id,
  description: '',
  kind: 'auto',
  pinned: false,
  disks: {},
  media: {},
  pages: 0,
  bytes: 10,
  ...more,
});

test('the last ten minutes stay, then one in five minutes, then one an hour, then one a day', () => {
  const now = 10 * 24 * 60 * MINUTE;
  const points = Array.from({ length: 10 * 24 * 60 }, (_, index) => point(`p${index}`, index * MINUTE));
  const gone = new Set(thin(points, now, Infinity));
  const ages = points.filter(({ id }) => !gone.has(id)).map(({ created }) => (now - created) / MINUTE);
  expect(ages.filter((age) => age < 10)).toHaveLength(9);
  expect(ages.filter((age) => age >= 10 && age < 60).length).toBeLessThanOrEqual(11);
  expect(ages.filter((age) => age >= 60 && age < 1440).length).toBeLessThanOrEqual(24);
  expect(ages.filter((age) => age >= 1440).length).toBeLessThanOrEqual(10);
});

test('the budget is kept, from the oldest on; what a person cares for stays', () => {
  const points = [point('a', 1), point('b', 2, { pinned: true }), point('c', 3, { kind: 'user' }), point('d', 4), point('e', 5)];
  expect(thin(points, 6, 20)).toEqual(['a']);
  expect(thin(points, 6, 0)).toEqual(['a', 'd']);
});

test('thinning again removes nothing more', () => {
  const times = fc.uniqueArray(fc.integer({ min: 0, max: 1e9 }), { maxLength: 40 });
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 500 }), (created, budget) => {
      const points = created.map((at, index) => point(`p${index}`, at));
      const gone = new Set(thin(points, 1e9, budget));
      expect(
        thin(
          points.filter(({ id }) => !gone.has(id)),
          1e9,
          budget,
        ),
      ).toEqual([]);
    }),
  );
});
