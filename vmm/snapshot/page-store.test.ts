import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { markLive, readNames, writeNames } from './memory-image.node.ts';
import { PAGE_BYTES } from './pack.node.ts';
import { HASH_BYTES, PageIndex } from './page-index.ts';
import { PageStore } from './page-store.node.ts';

let folder: string;
let store: PageStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strate-pages-'));
  store = new PageStore(folder);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

/** A page that is told from others by its number; 0 is the page of zeros. */
function page(number: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  if (number !== 0)
    for (let at = 0; at < PAGE_BYTES; at++) bytes[at] = (Math.imul(number * 7919 + at, 2654435761) >>> 24) & (at % 3 === 0 ? 0xff : 0x0f);
  return bytes;
}

function put(numbers: readonly number[]): { names: Uint8Array; added: number; bytes: number } {
  const writer = store.writer();
  const names = new Uint8Array(numbers.length * HASH_BYTES);
  numbers.forEach((number, index) => writer.add(page(number), names, index * HASH_BYTES));
  const { added } = writer;
  return { names, added, bytes: writer.finish() };
}

function get(names: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((names.length / HASH_BYTES) * PAGE_BYTES);
  store.read(names, (index) => bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES));
  return bytes;
}

const wanted = (numbers: readonly number[]) => Buffer.concat(numbers.map(page));

test('equal pages are there once, zeros not at all', () => {
  const numbers = [1, 0, 2, 1, 0, 3];
  const { names, added } = put(numbers);
  expect(added).toBe(3);
  expect(wanted(numbers).equals(get(names))).toBe(true);
  expect(put([3, 2, 1, 0])).toMatchObject({ added: 0, bytes: 0 });
  expect(put([0, 0]).bytes).toBe(0);
});

test('what was written is there after the store is opened anew, and by another', () => {
  const numbers = Array.from({ length: 300 }, (_, index) => index % 250);
  const { names } = put(numbers);
  store.close();
  store = new PageStore(folder);
  store.refresh();
  expect(wanted(numbers).equals(get(names))).toBe(true);
});

test('a writer that gives up leaves nothing', () => {
  const writer = store.writer();
  const names = new Uint8Array(HASH_BYTES * 100);
  for (let index = 0; index < 100; index++) writer.add(page(index + 1), names, index * HASH_BYTES);
  writer.abandon();
  expect(readdirSync(folder)).toEqual(['users']);
});

test('garbage collection keeps what is live and gives back the rest', async () => {
  const [a, b] = [put(Array.from({ length: 200 }, (_, i) => i + 1)), put(Array.from({ length: 200 }, (_, i) => i + 1000))];
  const before = store.size().bytes;
  const live = new PageIndex();
  for (let at = 0; at < 10 * HASH_BYTES; at += HASH_BYTES) live.set(a.names, at, 1);
  const release = await store.use();
  expect(store.collect(() => live)).toBe(0); // somebody uses it
  release();
  const freed = store.collect(() => live);
  expect(freed).toBeGreaterThan(before * 0.8);
  store.refresh();
  expect(wanted([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).equals(get(a.names.subarray(0, 10 * HASH_BYTES)))).toBe(true);
  expect(() => get(b.names)).toThrow('missing');
});

test('the names of memory are pages themselves: what did not change is shared', () => {
  const numbers = Array.from({ length: 5000 }, (_, index) => index);
  const { names } = put(numbers);
  const write = (list: Uint8Array) => {
    const writer = store.writer();
    const roots = writeNames(writer, list);
    const { added } = writer;
    writer.finish();
    return { roots, added };
  };
  const first = write(names);
  expect(first.added).toBe(Math.ceil((5000 * HASH_BYTES) / PAGE_BYTES));
  const changed = names.slice();
  changed.set(names.subarray(0, HASH_BYTES), 1234 * HASH_BYTES);
  expect(write(changed).added).toBe(1);
  expect(Buffer.compare(readNames(store, first.roots, 5000), names)).toBe(0);
  const live = new PageIndex();
  markLive(store, first.roots, 5000, live);
  expect(live.size).toBe(4999 + first.added);
});

test('verify finds any flipped bit (D12), and reading never gives wrong data', () => {
  const numbers = Array.from({ length: 70 }, (_, index) => index + 1);
  const { names } = put(numbers);
  expect(store.verify()).toEqual([]);
  const path = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.pack'))!,
  );
  const good = readFileSync(path);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: good.length * 8 - 1 }), (bit) => {
      const bad = Buffer.from(good);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(path, bad);
      store.close();
      store = new PageStore(folder);
      expect(store.verify()).not.toEqual([]);
      let read: Uint8Array | undefined;
      try {
        store.refresh();
        read = get(names);
      } catch {
        // refused
      }
      if (read !== undefined) expect(wanted(numbers).equals(read)).toBe(true);
    }),
    { numRuns: 150 },
  );
});
