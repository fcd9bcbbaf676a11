/** Bytes of a page's name: the first half of its SHA-256. All zeros is the page of zeros, which is stored nowhere. */
export const HASH_BYTES = 16;
const WORDS = HASH_BYTES / 4;

/** Page names to numbers: an open-addressed table in typed arrays, since a library may know millions of pages. Names are random bits already. */
export class PageIndex {
  #keys = new Uint32Array(WORDS * 1024);
  #values = new Float64Array(1024);
  #table = new Int32Array(2048);
  #count = 0;
  readonly #key = new Uint32Array(WORDS);
  readonly #keyBytes = new Uint8Array(this.#key.buffer);

  get size(): number {
    return this.#count;
  }

  /** The number of the name at `at` in `hashes`; undefined: unknown. */
  get(hashes: Uint8Array, at: number): number | undefined {
    const key = this.#wordsAt(hashes, at);
    const entry = this.#table[this.#find(key)]!;
    return entry === 0 ? undefined : this.#values[entry - 1];
  }

  has(hashes: Uint8Array, at: number): boolean {
    return this.#table[this.#find(this.#wordsAt(hashes, at))] !== 0;
  }

  set(hashes: Uint8Array, at: number, value: number): void {
    const key = this.#wordsAt(hashes, at);
    const slot = this.#find(key);
    const entry = this.#table[slot]!;
    if (entry !== 0) {
      this.#values[entry - 1] = value;
      return;
    }
    if (this.#count === this.#values.length) this.#grow();
    this.#keys.set(key, this.#count * WORDS);
    this.#values[this.#count++] = value;
    this.#table[this.#find(key)] = this.#count;
  }

  #find(key: Uint32Array): number {
    const mask = this.#table.length - 1;
    for (let slot = key[0]! & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#table[slot]!;
      if (entry === 0) return slot;
      const at = (entry - 1) * WORDS;
      if (this.#keys[at] === key[0] && this.#keys[at + 1] === key[1] && this.#keys[at + 2] === key[2] && this.#keys[at + 3] === key[3]) return slot;
    }
  }

  /** Valid until the next call. */
  #wordsAt(hashes: Uint8Array, at: number): Uint32Array {
    for (let index = 0; index < HASH_BYTES; index++) this.#keyBytes[index] = hashes[at + index]!;
    return this.#key;
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new Uint32Array(keys.length * 2);
    this.#keys.set(keys);
    this.#values = new Float64Array(values.length * 2);
    this.#values.set(values);
    this.#table = new Int32Array(this.#table.length * 2);
    const mask = this.#table.length - 1;
    for (let entry = 0; entry < this.#count; entry++) {
      let slot = keys[entry * WORDS]! & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = entry + 1;
    }
  }
}

export function isZeroHash(hashes: Uint8Array, at: number): boolean {
  for (let index = at; index < at + HASH_BYTES; index++) if (hashes[index] !== 0) return false;
  return true;
}
