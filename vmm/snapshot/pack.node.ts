/**
 * A pack: a file of pages, in batches that are compressed together. Written once from its beginning to its end, under another name until it is complete;
 * never changed afterwards.
 *
 *     8 bytes "STRPACK1"
 *     batch: u32 "BTCH", u32 pages, u32 stored bytes, u32 1 zstd / 0 as it is, u32 CRC-32 of the rest; names, 16 bytes each; stored bytes
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { hash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { VmmError } from '../base/errors.ts';
import { syncFolder } from '../storage/host-folder.node.ts';
import { HASH_BYTES } from './page-index.ts';

export const PAGE_BYTES = 4096;
/** Pages compressed together: more share more, and cost more to read one of. */
export const BATCH_PAGES = 64;
const MAGIC = Buffer.from('STRPACK1');
const BATCH_MAGIC = 0x48435442; // "BTCH"
const BATCH_HEADER = 20;
const AS_IT_IS = 0;
const ZSTD = 1;
/** Speed matters more than the last percent: this runs beside the guest. */
const LEVEL = 1;

/** Where a batch lies in its pack. */
export interface BatchPlace {
  readonly at: number;
  readonly pages: number;
  readonly stored: number;
}

export function hashPage(page: Uint8Array, into: Uint8Array, at: number): void {
  const digest = hash('sha256', page, 'buffer');
  for (let index = 0; index < HASH_BYTES; index++) into[at + index] = digest[index]!;
}

export class PackWriter {
  readonly path: string;
  readonly #fd: number;
  #at = 0;

  /** `path` is the final name. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(`${path}.part`, 'wx', 0o600);
    this.#write(MAGIC);
  }

  get bytes(): number {
    return this.#at;
  }

  add(hashes: Uint8Array, pages: Uint8Array): BatchPlace {
    const count = hashes.length / HASH_BYTES;
    const packed = zstdCompressSync(pages, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
    const [kind, data] = packed.length < pages.length ? [ZSTD, packed] : [AS_IT_IS, pages];
    const header = Buffer.alloc(BATCH_HEADER);
    header.writeUInt32LE(BATCH_MAGIC, 0);
    header.writeUInt32LE(count, 4);
    header.writeUInt32LE(data.length, 8);
    header.writeUInt32LE(kind, 12);
    header.writeUInt32LE(crc32(data, crc32(hashes, crc32(header.subarray(4, 16)))), 16);
    const place = { at: this.#at, pages: count, stored: data.length };
    this.#write(header);
    this.#write(hashes);
    this.#write(data);
    return place;
  }

  /** On return it is there, also after a power cut. */
  finish(): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
    renameSync(`${this.path}.part`, this.path);
    syncFolder(dirname(this.path));
  }

  abandon(): void {
    closeSync(this.#fd);
    rmSync(`${this.path}.part`, { force: true });
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done);
    this.#at += bytes.length;
  }
}

export class PackReader {
  readonly path: string;
  readonly bytes: number;
  readonly #fd: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'r');
    this.bytes = fstatSync(this.#fd).size;
    if (!this.#read(0, MAGIC.length).equals(MAGIC)) throw this.#damaged('it does not begin as a pack');
  }

  /** Calls back with each batch and its pages' names. @throws VmmError `invalid` */
  scan(visit: (place: BatchPlace, hashes: Uint8Array) => void): void {
    for (let at = MAGIC.length; at < this.bytes;) {
      const { place, hashes } = this.#head(at);
      visit(place, hashes);
      at += BATCH_HEADER + hashes.length + place.stored;
    }
  }

  /** The pages of a batch, one after the other. @throws VmmError `invalid` when the checksum is wrong. */
  read({ at }: BatchPlace): Uint8Array {
    const { place, hashes, header } = this.#head(at);
    const data = this.#read(at + BATCH_HEADER + hashes.length, place.stored);
    if (crc32(data, crc32(hashes, crc32(header.subarray(4, 16)))) !== header.readUInt32LE(16)) throw this.#damaged(`the checksum at ${at} is wrong`);
    const size = place.pages * PAGE_BYTES;
    let pages: Uint8Array = data;
    try {
      if (header.readUInt32LE(12) === ZSTD) pages = zstdDecompressSync(data, { maxOutputLength: size });
    } catch (error) {
      throw this.#damaged(`the batch at ${at} cannot be unpacked`, error);
    }
    if (pages.length !== size) throw this.#damaged(`the batch at ${at} has the wrong size`);
    return pages;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #head(at: number): { place: BatchPlace; hashes: Buffer; header: Buffer } {
    const header = this.#read(at, BATCH_HEADER);
    const pages = header.readUInt32LE(4);
    const stored = header.readUInt32LE(8);
    const end = at + BATCH_HEADER + pages * HASH_BYTES + stored;
    if (header.readUInt32LE(0) !== BATCH_MAGIC || pages === 0 || pages > BATCH_PAGES || stored > pages * PAGE_BYTES || end > this.bytes)
      throw this.#damaged(`the batch at ${at} is not one`);
    return { place: { at, pages, stored }, hashes: this.#read(at + BATCH_HEADER, pages * HASH_BYTES), header };
  }

  #read(at: number, length: number): Buffer {
    const into = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const count = readSync(this.#fd, into, done, length - done, at + done);
      if (count === 0) throw this.#damaged('it is cut short');
      done += count;
    }
    return into;
  }

  #damaged(what: string, cause?: unknown): VmmError {
    return new VmmError('invalid', `the snapshot store is damaged: ${basename(this.path)}: ${what}`, { path: this.path }, cause);
  }
}
