import { PAGE_SHIFT, PAGE_SIZE, type PhysicalMap } from './physical-map.ts';

/** Wants to know of the first write to each page of RAM in an epoch. `offset` is where the page lies in guest memory; it still has its old contents. */
export type BeforeWrite = (page: number, offset: number) => void;

/**
 * Which pages of RAM are written, and what was in them. An epoch begins between two slices; the first write to a page in an epoch is told before it is
 * made, by whichever way it comes (a store, a page walk that sets a bit, a bus master). Costs nothing until the first epoch begins, and then one
 * call per page and epoch.
 */
export class WriteTracker {
  readonly pages: number;
  /** 1: written since `clearChanged`. All are while nobody has asked. */
  readonly changed: Uint8Array;
  readonly #physical: PhysicalMap;
  readonly #listeners = new Set<BeforeWrite>();
  #watching = false;

  constructor(physical: PhysicalMap) {
    this.#physical = physical;
    this.pages = physical.memory.ram.length >>> PAGE_SHIFT;
    this.changed = new Uint8Array(new SharedArrayBuffer(this.pages)).fill(1);
    physical.firstWrite = (offset) => this.#first(offset);
  }

  get watching(): boolean {
    return this.#watching;
  }

  listen(listener: BeforeWrite): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Every page's next write is its first again. With no transfer of a bus master under way. */
  beginEpoch(): void {
    this.#watching = true;
    this.#physical.watchWrites();
  }

  clearChanged(): void {
    this.changed.fill(0);
  }

  #first(offset: number): void {
    const page = offset >>> PAGE_SHIFT;
    if (page >= this.pages) return; // video memory says what was written in its own way
    this.changed[page] = 1;
    // A store may be told by where it begins; what is kept is the page.
    for (const listener of this.#listeners) listener(page, page * PAGE_SIZE);
  }
}
