import type { SnapshotInfo } from '../../vmm/protocol/snapshots.ts';
import { placeLanes } from './lanes.ts';

const point = (id: string, parent: string | null, created: number): SnapshotInfo => ({
  id,
  parent,
  created,
  name: id,
  description: '',
  kind: 'user',
  pinned: false,
  live: true,
  thumbnail: false,
  bytes: 0,
});

test('time runs along the columns, branches get lanes', () => {
  const { points, links, lanes } = placeLanes([point('a', null, 1), point('c', 'a', 3), point('b', 'a', 2), point('d', 'b', 4), point('e', 'c', 5)]);
  expect(points.map(({ snapshot, column, lane }) => [snapshot.id, column, lane])).toEqual([
    ['a', 0, 0],
    ['b', 1, 0],
    ['c', 2, 1],
    ['d', 3, 0],
    ['e', 4, 1],
  ]);
  expect(links.map(({ from, to }) => from.snapshot.id + to.snapshot.id).sort()).toEqual(['ab', 'ac', 'bd', 'ce']);
  expect(lanes).toBe(2);
});

test('nothing is nothing', () => {
  expect(placeLanes([])).toEqual({ points: [], links: [], lanes: 0 });
});
