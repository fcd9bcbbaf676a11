import type { Dma } from '../../bus/dma.ts';

/** `in`: from the device to memory; `out`: from memory to the device. */
export type Direction = 'in' | 'out';

/**
 * Guest memory in pieces, as a bus master's descriptors name it, ready for a DiskRequest: RAM is used in place, and what is no plain RAM is
 * replaced by a buffer (reads as 0xFF, writes are dropped, as an aborted cycle).
 */
export class ScatterList {
  readonly direction: Direction;
  readonly segments: Uint8Array[] = [];
  readonly #dma: Dma;
  readonly #pieces: { readonly address: number; length: number; bounce: boolean }[] = [];
  readonly #mostBounce: number;
  #bounced = 0;
  /** Bytes. */
  length = 0;

  /** `mostBounce`: how much memory may be set aside for what is no plain RAM. */
  constructor(dma: Dma, direction: Direction, mostBounce = Infinity) {
    this.#dma = dma;
    this.direction = direction;
    this.#mostBounce = mostBounce;
  }

  /** False: too much of it is no RAM. The list cannot be used then. */
  add(address: number, length: number): boolean {
    if (length === 0) return true;
    this.length += length;
    const view = this.#dma.view(address, length);
    const last = this.#pieces[this.#pieces.length - 1];
    if (view !== undefined && last !== undefined && !last.bounce && last.address + last.length === address) {
      const before = this.segments[this.segments.length - 1]!;
      if (before.buffer === view.buffer && before.byteOffset + before.length === view.byteOffset) {
        last.length += length;
        this.segments[this.segments.length - 1] = new Uint8Array(view.buffer, before.byteOffset, last.length);
        return true;
      }
    }
    this.#pieces.push({ address, length, bounce: view === undefined });
    if (view !== undefined) {
      this.segments.push(view);
      return true;
    }
    this.#bounced += length;
    if (this.#bounced > this.#mostBounce) return false;
    const bounce = new Uint8Array(new SharedArrayBuffer(length));
    if (this.direction === 'out') this.#dma.read(address, bounce);
    this.segments.push(bounce);
    return true;
  }

  /** Memory that is nowhere: what a bus master that may not master reaches. */
  addNothing(length: number): void {
    this.length += length;
    this.segments.push(new Uint8Array(new SharedArrayBuffer(length)).fill(0xff));
    this.#pieces.push({ address: -1, length, bounce: true });
  }

  /** Device to memory: the segments hold the data now. */
  finish(): void {
    if (this.direction === 'out') return;
    this.#pieces.forEach(({ address, length, bounce }, index) => {
      if (!bounce) this.#dma.wrote(address, length);
      else if (address >= 0) this.#dma.write(address, this.segments[index]!);
    });
  }

  /** Copies bytes of a device's buffer to memory; the rest of the list stays as it is. Follow with `finish`. */
  fill(from: Uint8Array): void {
    let at = 0;
    for (const segment of this.segments) {
      if (at >= from.length) return;
      segment.set(from.subarray(at, at + segment.length));
      at += segment.length;
    }
  }

  /** Copies memory into a device's buffer. */
  drainTo(into: Uint8Array): void {
    let at = 0;
    for (const segment of this.segments) {
      if (at >= into.length) return;
      into.set(segment.subarray(0, Math.min(segment.length, into.length - at)), at);
      at += segment.length;
    }
  }
}
