import { PAGE_DIRTY_LOG, PAGE_READ, PAGE_SIZE, PAGE_WRITE, type PhysicalMap } from './physical-map.ts';

const OFFSET_MASK = ~(PAGE_SIZE - 1);

/** One stretch of a transfer within guest memory. */
type Visit = (offset: number, length: number, done: number) => void;

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
    this.#walk(addr, length, PAGE_WRITE, (offset, bytes) => {
      this.#physical.willWrite(offset, bytes); // a view that was taken before writes were asked about
      this.#physical.wrote(offset, bytes);
    });
  }

  read(addr: number, into: Uint8Array): void {
    into.fill(0xff);
    const { bytes } = this.#physical.memory;
    this.#walk(addr, into.length, PAGE_READ, (offset, length, done) => into.set(bytes.subarray(offset, offset + length), done));
  }

  write(addr: number, from: Uint8Array): void {
    const { bytes } = this.#physical.memory;
    this.#walk(addr, from.length, PAGE_WRITE, (offset, length, done) => {
      this.#physical.willWrite(offset, length);
      bytes.set(from.subarray(done, done + length), offset);
      this.#physical.wrote(offset, length);
    });
  }

  /** Visits the stretches of [addr, addr + length) whose pages have `flag`, neighbours joined. */
  #walk(addr: number, length: number, flag: number, visit: Visit): void {
    let runOffset = 0;
    let runLength = 0;
    let runDone = 0;
    for (let done = 0; done < length;) {
      const at = addr + done;
      const within = at % PAGE_SIZE;
      const step = Math.min(PAGE_SIZE - within, length - done);
      const entry = this.#physical.entry(at);
      const offset = ((entry & OFFSET_MASK) >>> 0) + within;
      const reachable = (entry & flag) !== 0;
      if (runLength > 0 && !(reachable && offset === runOffset + runLength)) {
        visit(runOffset, runLength, runDone);
        runLength = 0;
      }
      if (reachable) {
        if (runLength === 0) {
          runOffset = offset;
          runDone = done;
        }
        runLength += step;
      }
      done += step;
    }
    if (runLength > 0) visit(runOffset, runLength, runDone);
  }
}
