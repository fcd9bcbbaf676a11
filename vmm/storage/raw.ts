import { VmmError } from '../base/errors.ts';
import { readPieces, writePieces, type HostFile } from './host-file.ts';
import type { BlockNode, Extent } from './node.ts';

const SECTOR = 512;
const ZEROS = 1 << 20;

export interface RawOptions {
  readonly readOnly?: boolean;
  /** Where the contents start in the file, and how long they are: a partition, a flat extent. Default: the whole file. */
  readonly start?: number;
  readonly length?: number;
  /** The size is rounded up to a multiple of this (CDs: 2048) or to at least this (diskettes: their format's). */
  readonly unit?: number;
  readonly least?: number;
}

/**
 * A file as it is, byte for byte; holes read as zeros. A file that does not end on a sector is padded with zeros, in the file itself only
 * when the guest writes there.
 */
export class RawNode implements BlockNode {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly granularity = SECTOR;
  readonly #file: HostFile;
  readonly #start: number;

  private constructor(file: HostFile, start: number, size: number, readOnly: boolean) {
    this.#file = file;
    this.#start = start;
    this.name = file.path;
    this.size = size;
    this.readOnly = readOnly;
  }

  static async open(file: HostFile, options: RawOptions = {}): Promise<RawNode> {
    const start = options.start ?? 0;
    const length = options.length ?? (await file.size()) - start;
    if (length <= 0) throw new VmmError('invalid', `${file.path} is empty: a disk image needs at least one sector (512 bytes)`);
    const unit = options.unit ?? SECTOR;
    const size = Math.max(options.least ?? 0, Math.ceil(length / unit) * unit);
    return new RawNode(file, start, size, (options.readOnly ?? false) || file.readOnly);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#file.read(this.#start + offset, into);
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    this.refuseReadOnly();
    return this.#file.write(this.#start + offset, from);
  }

  readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    return readPieces(this.#file, this.#start + offset, into);
  }

  writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    this.refuseReadOnly();
    return writePieces(this.#file, this.#start + offset, from);
  }

  flush(): Promise<void> {
    return this.readOnly ? Promise.resolve() : this.#file.flush();
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const from = this.#start + offset;
    const data = await this.#file.nextData(from);
    if (data === undefined || data.start >= from + length) return { offset, length, kind: 'zero' };
    // Holes are the file system's, in its own block size: whatever shares a sector with data is data.
    const [start, end] = [data.start - (data.start % SECTOR), Math.ceil(data.end / SECTOR) * SECTOR];
    if (start > from) return { offset, length: start - from, kind: 'zero' };
    return { offset, length: Math.min(end - from, length), kind: 'data' };
  }

  async zero(offset: number, length: number): Promise<void> {
    this.refuseReadOnly();
    if (await this.#file.punch(this.#start + offset, length)) return;
    const zeros = new Uint8Array(Math.min(length, ZEROS));
    for (let at = 0; at < length; at += zeros.length) await this.write(offset + at, zeros.subarray(0, Math.min(zeros.length, length - at)));
  }

  async discard(offset: number, length: number): Promise<void> {
    this.refuseReadOnly();
    await this.#file.punch(this.#start + offset, length);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  private refuseReadOnly(): void {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
  }
}
