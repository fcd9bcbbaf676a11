import { PAGE_DIRTY_LOG, PAGE_READ, PAGE_SIZE, PAGE_WRITE, type PhysicalMap } from './physical-map.ts';

const OFFSET_MASK = ~(PAGE_SIZE - 1);

/**
 * Bus masters' way to guest memory, by physical address through the page table (the interface is bus/dma.ts). What the table does not give directly
 * (registers, unmapped space) is not reached: reads give FFh there, writes are lost, as an aborted PCI cycle.
 */
export class GuestDma {
  readonly #physical: PhysicalMap;

  constructor(physical: PhysicalMap) {
    this.#physical = physical;
  }

  /** Guest memory itself if [addr, addr + length) is one writable stretch without dirty logging. Counts as written: who asks may do so until it says `wrote`. */
  view(addr: number, length: number): Uint8Array | undefined {
    if (length <= 0) return undefined;
    const first = this.#physical.entry(addr);
    const wanted = PAGE_READ | PAGE_WRITE;
    const flags = wanted | PAGE_DIRTY_LOG;
    if ((first & flags) !== wanted) return undefined;
    const start = ((first & OFFSET_MASK) >>> 0) + (addr % PAGE_SIZE);
    const { table } = this.#physical;
    const last = Math.floor((addr + length - 1) / PAGE_SIZE);
    for (let page = Math.floor(addr / PAGE_SIZE) + 1, expected = (first & OFFSET_MASK) >>> 0; page <= last; page++) {
      expected += PAGE_SIZE;
      const entry = table[page] ?? 0;
      if ((entry & flags) !== wanted || (entry & OFFSET_MASK) >>> 0 !== expected) return undefined;
    }
    this.#physical.willWrite(start, length);
    return this.#physical.memory.bytes.subarray(start, start + length);
  }

  wrote(addr: number, length: number): void {
    for (let done = 0; done < length;) {
      const offset = this.#place(addr + done, PAGE_WRITE);
      const step = this.#stretch(addr + done, length - done, PAGE_WRITE, offset);
      if (offset >= 0) {
        this.#physical.willWrite(offset, step); // a view that was taken before writes were asked about
        this.#physical.wrote(offset, step);
      }
      done += step;
    }
  }

  read(addr: number, into: Uint8Array): void {
    const { bytes } = this.#physical.memory;
    for (let done = 0; done < into.length;) {
      const offset = this.#place(addr + done, PAGE_READ);
      const step = this.#stretch(addr + done, into.length - done, PAGE_READ, offset);
      if (offset < 0) into.fill(0xff, done, done + step);
      else copy(bytes, offset, into, done, step);
      done += step;
    }
  }

  write(addr: number, from: Uint8Array): void {
    const { bytes } = this.#physical.memory;
    for (let done = 0; done < from.length;) {
      const offset = this.#place(addr + done, PAGE_WRITE);
      const step = this.#stretch(addr + done, from.length - done, PAGE_WRITE, offset);
      if (offset >= 0) {
        this.#physical.willWrite(offset, step);
        copy(from, done, bytes, offset, step);
        this.#physical.wrote(offset, step);
      }
      done += step;
    }
  }

  /** Where in guest memory that address lies; -1 where no page with `flag` is. */
  #place(addr: number, flag: number): number {
    const entry = this.#physical.entry(addr);
    return (entry & flag) === 0 ? -1 : ((entry & OFFSET_MASK) >>> 0) + (addr % PAGE_SIZE);
  }

  /** How much of [addr, addr + length) lies in one piece from `offset`, the place of `addr`. */
  #stretch(addr: number, length: number, flag: number, offset: number): number {
    let run = PAGE_SIZE - (addr % PAGE_SIZE);
    if (offset >= 0) while (run < length && this.#place(addr + run, flag) === offset + run) run += PAGE_SIZE;
    return Math.min(run, length);
  }
}

/** Below this the call of a built-in costs more than the bytes. */
const FEW = 32;

function copy(from: Uint8Array, at: number, into: Uint8Array, to: number, length: number): void {
  if (length > FEW) into.set(length === from.length ? from : from.subarray(at, at + length), to);
  else for (let index = 0; index < length; index++) into[to + index] = from[at + index]!;
}
