/**
 * Guest memory as names of pages. The list of names is itself cut into pages, which are stored like all others: of two snapshots of a machine, a
 * mebibyte that did not change costs one name.
 */
import { VmmError } from '../base/errors.ts';
import { HASH_BYTES, isZeroHash, PageIndex } from './page-index.ts';
import { PAGE_BYTES } from './pack.node.ts';
import type { PageStore, PageWriter } from './page-store.node.ts';

/** Names in a page of names. */
const NAMES = PAGE_BYTES / HASH_BYTES;

/** Stores the list of names. @returns the names of its pages. */
export function writeNames(writer: PageWriter, names: Uint8Array): Uint8Array {
  const tables = Math.ceil(names.length / PAGE_BYTES);
  const roots = new Uint8Array(tables * HASH_BYTES);
  const table = new Uint8Array(PAGE_BYTES);
  for (let index = 0; index < tables; index++) {
    const part = names.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
    table.fill(0).set(part);
    writer.add(table, roots, index * HASH_BYTES);
  }
  return roots;
}

/** @throws VmmError `invalid` when pages are missing, or the list is not one of `pages` pages. */
export function readNames(store: PageStore, roots: Uint8Array, pages: number): Uint8Array {
  const tables = Math.ceil(pages / NAMES);
  if (roots.length !== tables * HASH_BYTES) throw new VmmError('invalid', 'the saved state is damaged: its memory has another size');
  const names = new Uint8Array(tables * PAGE_BYTES);
  store.read(roots, (index) => names.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES));
  return names.subarray(0, pages * HASH_BYTES);
}

/** Adds to `live` every page that a saved state needs. */
export function markLive(store: PageStore, roots: Uint8Array, pages: number, live: PageIndex): void {
  const mark = (hashes: Uint8Array) => {
    for (let at = 0; at < hashes.length; at += HASH_BYTES) if (!isZeroHash(hashes, at)) live.set(hashes, at, 1);
  };
  mark(roots);
  mark(readNames(store, roots, pages));
}
