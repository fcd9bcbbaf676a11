import { GuestMemory, PAGE_SIZE, PhysicalMap } from './physical-map.ts';
import { WriteTracker } from './write-tracker.ts';

const PAGES = 16;

function tracked() {
  const physical = new PhysicalMap(new GuestMemory(PAGES * PAGE_SIZE));
  const writes = new WriteTracker(physical);
  const told: [page: number, offset: number][] = [];
  writes.listen((page, offset) => told.push([page, offset]));
  return { physical, writes, told };
}

test('tells the first write to a page in an epoch, as the whole page wherever in it the write begins', () => {
  const { physical, writes, told } = tracked();
  physical.willWrite(5, 1);
  expect(told).toEqual([]); // nobody has asked yet
  writes.clearChanged();
  writes.beginEpoch();
  // As a page walk does that sets a bit in an entry in the middle of a table, and then a bus master.
  physical.firstWrite(3 * PAGE_SIZE + 0x7f8);
  physical.willWrite(4 * PAGE_SIZE - 2, PAGE_SIZE + 4);
  physical.willWrite(4 * PAGE_SIZE, 8);
  expect(told).toEqual([
    [3, 3 * PAGE_SIZE],
    [3, 3 * PAGE_SIZE], // the table's byte is its writer's business
    [4, 4 * PAGE_SIZE],
    [5, 5 * PAGE_SIZE],
  ]);
  expect([...writes.changed].flatMap((one, page) => (one === 1 ? [page] : []))).toEqual([3, 4, 5]);
  writes.beginEpoch();
  physical.willWrite(4 * PAGE_SIZE, 8);
  expect(told.length).toBe(5);
});
