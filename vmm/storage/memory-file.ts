import type { HostFile } from './host-file.ts';

/** A file in memory, for tests and small temporary disks. */
export class MemoryFile implements HostFile {
  readonly path: string;
  readonly readOnly: boolean;
  #bytes: Uint8Array;
  #size: number;

  constructor(path: string, bytes: Uint8Array = new Uint8Array(0), readOnly = false) {
    this.path = path;
    this.#bytes = bytes;
    this.#size = bytes.length;
    this.readOnly = readOnly;
  }

  /** What the file holds now. Not a copy. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  size(): Promise<number> {
    return Promise.resolve(this.#size);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    const part = this.#bytes.subarray(Math.min(offset, this.#size), Math.min(offset + into.length, this.#size));
    into.set(part);
    into.fill(0, part.length);
    return Promise.resolve();
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    this.#grow(offset + from.length);
    this.#bytes.set(from, offset);
    return Promise.resolve();
  }

  #grow(size: number): void {
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#size = Math.max(this.#size, size);
  }

  truncate(size: number): Promise<void> {
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    this.#grow(size);
    this.#size = size;
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  punch(offset: number, length: number): Promise<boolean> {
    this.#bytes.fill(0, Math.min(offset, this.#size), Math.min(offset + length, this.#size));
    return Promise.resolve(true);
  }

  nextData(offset: number): Promise<{ start: number; end: number } | undefined> {
    return Promise.resolve(offset < this.#size ? { start: offset, end: this.#size } : undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
