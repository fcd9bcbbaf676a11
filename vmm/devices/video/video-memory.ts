import { assert } from '../../base/errors.ts';

const PAGE_SHIFT = 12;
/** Text cells (see text-cells.ts) live behind the video memory, in the same block: the 32 KiB that the B8000h window can hold. */
export const TEXT_CELLS_BYTES = 0x8000;
export const TEXT_CELLS = TEXT_CELLS_BYTES / 2;
/** The four planes of a VGA have 64 KiB each; beyond that its address counter wraps. */
export const PLANE_BYTES = 0x10000;

/** What the board provides: a block of guest memory of `vramSize + TEXT_CELLS_BYTES` bytes and one dirty byte per 4 KiB page of it. */
export interface VideoBlock {
  readonly bytes: Uint8Array;
  readonly dirty: Uint8Array;
}

/**
 * Video memory. The four planes are interleaved: the 32-bit word at index n holds byte n of planes 0 (low byte) to 3. Seen as bytes that is the
 * linear frame buffer, and what chain-4 addresses show, so that mode 13h and the linear modes need no translation (adapters of the ET4000 kind
 * store it the same way; IBM's own spreads chain-4 over every fourth byte, which only shows when a program leaves chain-4 with its picture in place).
 *
 * Every address in this device becomes an index here and only here: `wrap` is the one place that bounds it (promises.md, isolation).
 */
export class VideoMemory {
  /** All of it, text cells included. */
  readonly bytes: Uint8Array;
  readonly dirty: Uint8Array;
  /** Bytes that the guest can address: a power of two. */
  readonly size: number;
  /** Little-endian, as every host that runs WebAssembly. */
  readonly #words: Uint32Array;
  readonly #cells: Uint16Array;

  constructor(block: VideoBlock) {
    this.bytes = block.bytes;
    this.dirty = block.dirty;
    this.size = block.bytes.length - TEXT_CELLS_BYTES;
    assert(this.size >= PLANE_BYTES && (this.size & (this.size - 1)) === 0, 'video memory must be a power of two, at least 64 KiB');
    assert(block.dirty.length >= block.bytes.length >>> PAGE_SHIFT, 'video memory needs a dirty byte for each page');
    this.#words = new Uint32Array(block.bytes.buffer, block.bytes.byteOffset, this.size >>> 2);
    this.#cells = new Uint16Array(block.bytes.buffer, block.bytes.byteOffset + this.size, TEXT_CELLS);
  }

  /** THE bound of all addressing: any integer becomes a byte offset inside video memory. */
  wrap(offset: number): number {
    return offset & (this.size - 1);
  }

  readByte(offset: number): number {
    return this.bytes[this.wrap(offset)]!;
  }

  writeByte(offset: number, value: number): void {
    const at = this.wrap(offset);
    this.bytes[at] = value;
    this.dirty[at >>> PAGE_SHIFT] = 1;
  }

  /** The bytes of all four planes at `index`, plane 0 lowest. */
  readPlanes(index: number): number {
    return this.#words[this.wrap(index << 2) >>> 2]!;
  }

  writePlanes(index: number, planes: number): void {
    const at = this.wrap(index << 2);
    this.#words[at >>> 2] = planes;
    this.dirty[at >>> PAGE_SHIFT] = 1;
  }

  /** A byte of the text cells; `offset` within the 32 KiB window. */
  readCellByte(offset: number): number {
    return this.bytes[this.size + (offset & (TEXT_CELLS_BYTES - 1))]!;
  }

  writeCellByte(offset: number, value: number): void {
    const at = this.size + (offset & (TEXT_CELLS_BYTES - 1));
    this.bytes[at] = value;
    this.dirty[at >>> PAGE_SHIFT] = 1;
  }

  /** Zeroes `length` bytes from 0. */
  clear(length: number): void {
    const end = Math.min(length, this.size);
    this.bytes.fill(0, 0, end);
    this.#touch(0, end);
  }

  /** Copies characters and attributes (planes 0 and 1) into the text cells. */
  gatherCells(): void {
    for (let index = 0; index < TEXT_CELLS; index++) this.#cells[index] = this.readPlanes(index) & 0xffff;
    this.#touch(this.size, TEXT_CELLS_BYTES);
  }

  /** Copies the text cells back into planes 0 and 1. */
  scatterCells(): void {
    for (let index = 0; index < TEXT_CELLS; index++) {
      const at = this.wrap(index << 2) >>> 2;
      this.#words[at] = (this.#words[at]! & 0xffff0000) | this.#cells[index]!;
    }
    this.#touch(0, Math.min(TEXT_CELLS * 4, this.size));
  }

  #touch(offset: number, length: number): void {
    this.dirty.fill(1, offset >>> PAGE_SHIFT, (offset + length + (1 << PAGE_SHIFT) - 1) >>> PAGE_SHIFT);
  }
}
