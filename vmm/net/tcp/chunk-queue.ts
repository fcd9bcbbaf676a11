/** Bytes in the pieces they came in. Empty, it holds nothing: a connection that is idle costs no buffer. */
export class ChunkQueue {
  #chunks: Uint8Array[] = [];
  /** Chunks before it are dropped; the array is cut once in a while, not at each. */
  #first = 0;
  /** Bytes of the first chunk that are dropped. */
  #skip = 0;
  #length = 0;
  /** Where the last `copy` ended: reads go on from there without a search. */
  #cursor = { chunk: 0, at: 0, offset: 0 };

  get length(): number {
    return this.#length;
  }

  /** Keeps the array it is given. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** Takes `count` bytes from the front. */
  drop(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    while (left > 0) {
      const rest = this.#chunks[this.#first]!.length - this.#skip;
      if (left < rest) {
        this.#skip += left;
        break;
      }
      left -= rest;
      this.#chunks[this.#first++] = NOTHING;
      this.#skip = 0;
    }
    if (this.#first > 32 || this.#length === 0) {
      this.#chunks = this.#length === 0 ? [] : this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    this.#cursor = { chunk: this.#first, at: this.#skip, offset: 0 };
  }

  /** Copies `length` bytes, which must be there, from `offset` on. */
  copy(offset: number, length: number, to: Uint8Array, at: number): void {
    if (offset < this.#cursor.offset) this.#cursor = { chunk: this.#first, at: this.#skip, offset: 0 };
    let { chunk, at: from, offset: position } = this.#cursor;
    while (offset > position) {
      const step = Math.min(offset - position, this.#chunks[chunk]!.length - from);
      position += step;
      from += step;
      if (from === this.#chunks[chunk]!.length) {
        chunk++;
        from = 0;
      }
    }
    let left = length;
    let target = at;
    while (left > 0) {
      const source = this.#chunks[chunk]!;
      const step = Math.min(left, source.length - from);
      to.set(from === 0 && step === source.length ? source : source.subarray(from, from + step), target);
      left -= step;
      target += step;
      from += step;
      if (from === source.length) {
        chunk++;
        from = 0;
      }
    }
    this.#cursor = { chunk, at: from, offset: offset + length };
  }
}

const NOTHING = new Uint8Array(0);
