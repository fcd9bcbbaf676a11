/**
 * Pages of guest memory by their contents, shared by all snapshots of a library: equal pages are there once, pages of zeros not at all. Adding makes a
 * new pack; removing is garbage collection, which rewrites packs that have become mostly useless. What a crash leaves behind is a pack that nobody
 * needs, or an unfinished one.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { messageOf, VmmError } from '../base/errors.ts';
import { isZero } from '../storage/node.ts';
import { BATCH_PAGES, type BatchPlace, hashPage, PackReader, PackWriter, PAGE_BYTES } from './pack.node.ts';
import { HASH_BYTES, isZeroHash, PageIndex } from './page-index.ts';
import { collectAlone, useStore } from './store-lock.node.ts';

const PACK = '.pack';
/** A pack of which less than this part is still needed is written anew. */
const WORTH_KEEPING = 0.5;

interface Batch {
  readonly pack: PackReader;
  readonly place: BatchPlace;
}

/** A page's number: its batch, and its place in it. */
const numberOf = (batch: number, slot: number) => batch * BATCH_PAGES + slot;

export interface StoreSize {
  readonly pages: number;
  /** On disk. */
  readonly bytes: number;
}

export class PageStore {
  readonly folder: string;
  #packs = new Map<string, PackReader>();
  #batches: Batch[] = [];
  #index = new PageIndex();

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(join(folder, 'users'), { recursive: true });
  }

  /** Looks for packs that others added or removed. @throws VmmError `invalid` */
  refresh(): void {
    const present = new Set(readdirSync(this.folder).filter((name) => name.endsWith(PACK)));
    if ([...this.#packs.keys()].some((name) => !present.has(name))) this.#forget();
    for (const name of present) if (!this.#packs.has(name)) this.#take(name, new PackReader(join(this.folder, name)));
  }

  /** Keeps garbage collection away until the result is called. */
  async use(): Promise<() => void> {
    return useStore(this.folder);
  }

  /** To be called while `use` holds. */
  writer(): PageWriter {
    this.refresh();
    return new PageWriter(this.folder, this.#index, (name) => this.#take(name, new PackReader(join(this.folder, name))));
  }

  has(hashes: Uint8Array, at: number): boolean {
    return isZeroHash(hashes, at) || this.#index.has(hashes, at);
  }

  /** Compressed bytes that a page takes, its share of its batch. */
  cost(hashes: Uint8Array, at: number): number {
    const number = this.#index.get(hashes, at);
    if (number === undefined) return 0;
    const { place } = this.#batches[Math.floor(number / BATCH_PAGES)]!;
    return place.stored / place.pages + HASH_BYTES;
  }

  /**
   * Reads the pages named in `hashes`, each batch once. `into(index)` says where the page goes; undefined: it is not wanted. @throws VmmError `invalid`
   * when one is missing or damaged.
   */
  read(hashes: Uint8Array, into: (index: number) => Uint8Array | undefined): void {
    const wanted: { number: number; index: number }[] = [];
    for (let index = 0; index * HASH_BYTES < hashes.length; index++) {
      const target = into(index);
      if (target === undefined) continue;
      if (isZeroHash(hashes, index * HASH_BYTES)) {
        target.fill(0);
        continue;
      }
      const number = this.#index.get(hashes, index * HASH_BYTES);
      if (number === undefined) throw missing(this.folder);
      wanted.push({ number, index });
    }
    wanted.sort((a, b) => a.number - b.number);
    let current = -1;
    let pages: Uint8Array = new Uint8Array();
    for (const { number, index } of wanted) {
      const batch = Math.floor(number / BATCH_PAGES);
      if (batch !== current) {
        pages = this.#pagesOf(batch);
        current = batch;
      }
      const at = (number % BATCH_PAGES) * PAGE_BYTES;
      into(index)!.set(pages.subarray(at, at + PAGE_BYTES));
    }
  }

  #pagesOf(batch: number): Uint8Array {
    const { pack, place } = this.#batches[batch]!;
    return pack.read(place);
  }

  size(): StoreSize {
    const bytes = readdirSync(this.folder).reduce((sum, name) => sum + (statSync(join(this.folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
    return { pages: this.#index.size, bytes };
  }

  /** Reads everything. @returns one line for each thing that is wrong. */
  verify(): string[] {
    const problems: string[] = [];
    const check = new Uint8Array(HASH_BYTES);
    for (const name of readdirSync(this.folder).filter((one) => one.endsWith(PACK))) {
      let pack: PackReader | undefined;
      try {
        pack = new PackReader(join(this.folder, name));
        const reader = pack;
        reader.scan((place, hashes) => {
          let pages: Uint8Array;
          try {
            pages = reader.read(place);
          } catch (error) {
            problems.push(messageOf(error));
            return;
          }
          for (let index = 0; index < place.pages; index++) {
            hashPage(pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), check, 0);
            if (!check.every((byte, at) => byte === hashes[index * HASH_BYTES + at]))
              problems.push(`${name}: page ${index} of the batch at ${place.at} is not what its name says`);
          }
        });
      } catch (error) {
        problems.push(messageOf(error));
      } finally {
        pack?.close();
      }
    }
    return problems;
  }

  /** Gives back what nothing refers to any more; `live` is asked while the store is locked. @returns bytes freed; 0 also when the store is in use. */
  collect(live: () => PageIndex): number {
    const release = collectAlone(this.folder);
    if (release === undefined) return 0;
    try {
      const before = this.size().bytes;
      for (const name of readdirSync(this.folder).filter((one) => one.endsWith('.part'))) rmSync(join(this.folder, name), { force: true });
      this.refresh();
      this.#compact(live());
      this.#forget();
      return before - this.size().bytes;
    } finally {
      release();
    }
  }

  #compact(live: PageIndex): void {
    for (const [name, pack] of this.#packs) {
      let total = 0;
      const kept: { batch: BatchPlace; hashes: Uint8Array; slots: number[] }[] = [];
      pack.scan((batch, hashes) => {
        total += batch.pages;
        const slots = Array.from({ length: batch.pages }, (_, slot) => slot).filter((slot) => live.has(hashes, slot * HASH_BYTES));
        if (slots.length > 0) kept.push({ batch, hashes: hashes.slice(), slots });
      });
      const needed = kept.reduce((sum, { slots }) => sum + slots.length, 0);
      if (needed > 0 && needed >= total * WORTH_KEEPING) continue;
      if (needed > 0) {
        const writer = new PageWriter(this.folder, new PageIndex(), () => undefined);
        const name_ = new Uint8Array(HASH_BYTES);
        for (const { batch, slots } of kept) {
          const pages = pack.read(batch);
          for (const slot of slots) writer.add(pages.subarray(slot * PAGE_BYTES, (slot + 1) * PAGE_BYTES), name_, 0);
        }
        writer.finish(); // durable before the old one goes
      }
      rmSync(join(this.folder, name));
    }
  }

  close(): void {
    this.#forget();
  }

  #forget(): void {
    for (const pack of this.#packs.values()) pack.close();
    this.#packs = new Map();
    this.#batches = [];
    this.#index = new PageIndex();
  }

  #take(name: string, pack: PackReader): void {
    this.#packs.set(name, pack);
    pack.scan((place, hashes) => {
      const batch = this.#batches.push({ pack, place }) - 1;
      for (let slot = 0; slot < place.pages; slot++) this.#index.set(hashes, slot * HASH_BYTES, numberOf(batch, slot));
    });
  }
}

function missing(folder: string): VmmError {
  const where = existsSync(folder) ? folder : `${folder}, which is gone`;
  return new VmmError('invalid', `pages of this snapshot are missing from ${where}; a machine that is moved needs its snapshots exported`);
}

/** Adds pages. What it has named is there for good once `finish` has returned. */
export class PageWriter {
  readonly #folder: string;
  readonly #known: PageIndex;
  readonly #added = new PageIndex();
  readonly #done: (name: string) => void;
  readonly #hashes = new Uint8Array(BATCH_PAGES * HASH_BYTES);
  readonly #pages = new Uint8Array(BATCH_PAGES * PAGE_BYTES);
  #waiting = 0;
  #pack: PackWriter | undefined;
  #name = '';

  constructor(folder: string, known: PageIndex, done: (name: string) => void) {
    this.#folder = folder;
    this.#known = known;
    this.#done = done;
  }

  /** New pages so far. */
  get added(): number {
    return this.#added.size;
  }

  /** Takes a page and writes its name to `into` at `at`. */
  add(page: Uint8Array, into: Uint8Array, at: number): void {
    if (isZero(page)) {
      into.fill(0, at, at + HASH_BYTES);
      return;
    }
    hashPage(page, into, at);
    if (this.#known.has(into, at) || this.#added.has(into, at)) return;
    this.#added.set(into, at, 0);
    this.#hashes.set(into.subarray(at, at + HASH_BYTES), this.#waiting * HASH_BYTES);
    this.#pages.set(page, this.#waiting * PAGE_BYTES);
    if (++this.#waiting === BATCH_PAGES) this.#flush();
  }

  /** @returns bytes written. */
  finish(): number {
    if (this.#waiting > 0) this.#flush();
    const pack = this.#pack;
    if (pack === undefined) return 0;
    const { bytes } = pack;
    pack.finish();
    this.#done(this.#name);
    return bytes;
  }

  abandon(): void {
    this.#pack?.abandon();
  }

  #flush(): void {
    if (this.#pack === undefined) {
      this.#name = `${randomUUID()}${PACK}`;
      this.#pack = new PackWriter(join(this.#folder, this.#name));
    }
    this.#pack.add(this.#hashes.subarray(0, this.#waiting * HASH_BYTES), this.#pages.subarray(0, this.#waiting * PAGE_BYTES));
    this.#waiting = 0;
  }
}
