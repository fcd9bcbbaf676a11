const PAGE = 4096;

/** Contents of a file, in pages that copies share until one is written: thousands of crash states of one image cost little. */
export class PagedBytes {
  #pages: Map<number, Uint8Array>;
  /** Pages that only this copy refers to. */
  #own = new Set<number>();
  size: number;

  constructor(pages = new Map<number, Uint8Array>(), size = 0) {
    this.#pages = pages;
    this.size = size;
  }

  copy(): PagedBytes {
    this.#own.clear();
    return new PagedBytes(new Map(this.#pages), this.size);
  }

  read(offset: number, into: Uint8Array): void {
    const end = Math.max(0, Math.min(into.length, this.size - offset));
    into.fill(0);
    for (let at = 0; at < end;) {
      const [page, within] = [Math.floor((offset + at) / PAGE), (offset + at) % PAGE];
      const length = Math.min(PAGE - within, end - at);
      const bytes = this.#pages.get(page);
      if (bytes !== undefined) into.set(bytes.subarray(within, within + length), at);
      at += length;
    }
  }

  write(offset: number, from: Uint8Array): void {
    for (let at = 0; at < from.length;) {
      const [page, within] = [Math.floor((offset + at) / PAGE), (offset + at) % PAGE];
      const length = Math.min(PAGE - within, from.length - at);
      this.#page(page).set(from.subarray(at, at + length), within);
      at += length;
    }
    this.size = Math.max(this.size, offset + from.length);
  }

  #page(index: number): Uint8Array {
    const present = this.#pages.get(index);
    if (present !== undefined && this.#own.has(index)) return present;
    const mine = present?.slice() ?? new Uint8Array(PAGE);
    this.#pages.set(index, mine);
    this.#own.add(index);
    return mine;
  }

  /** Makes a range within the file read as zeros. */
  clear(offset: number, length: number): void {
    const end = Math.min(offset + length, this.size);
    for (let at = offset; at < end;) {
      const [page, within] = [Math.floor(at / PAGE), at % PAGE];
      const part = Math.min(PAGE - within, end - at);
      if (part === PAGE) this.#pages.delete(page);
      else if (this.#pages.has(page)) this.#page(page).fill(0, within, within + part);
      at += part;
    }
  }

  truncate(size: number): void {
    if (size < this.size) this.clear(size, this.size - size);
    this.size = size;
  }

  /** The next page that may hold something. */
  nextData(offset: number): { start: number; end: number } | undefined {
    const last = Math.ceil(this.size / PAGE);
    for (let page = Math.floor(offset / PAGE); page < last; page++) {
      if (!this.#pages.has(page)) continue;
      const start = Math.max(offset, page * PAGE);
      while (this.#pages.has(page)) page++;
      return { start, end: Math.min(this.size, page * PAGE) };
    }
    return undefined;
  }
}
