import { VmmError } from '../../base/errors.ts';
import { E820_RAM, type E820Entry } from '../firmware/e820.ts';

/** The files of a direct boot, read into memory. `name` is what the user called a file, for messages. */
export interface BootFiles {
  readonly kernel: { readonly name: string; readonly data: Uint8Array };
  readonly initrd?: { readonly name: string; readonly data: Uint8Array } | undefined;
  readonly append: string;
  readonly modules: readonly { readonly name: string; readonly args: string; readonly data: Uint8Array }[];
}

/** What firmware knows when the kernel is about to start. */
export interface BootMemory {
  readonly map: readonly E820Entry[];
  /** Physical address of the ACPI root pointer, 0 if there is none. */
  readonly rsdp: number;
}

export interface Load {
  readonly address: number;
  readonly data: Uint8Array;
}

/** How the processor starts the kernel. Registers not named are 0. */
export type Entry =
  | { readonly mode: 'real'; readonly segment: number; readonly offset: number; readonly data: number; readonly stack: number }
  | { readonly mode: 'protected'; readonly address: number; readonly eax: number; readonly ebx: number };

export interface BootPlan {
  readonly loads: readonly Load[];
  /** Zeroed before the loads: BSS. */
  readonly clears: readonly { readonly address: number; readonly length: number }[];
  readonly entry: Entry;
}

/** A recognised kernel. `plan` throws VmmError 'usage' when memory is too small for what must be loaded. */
export interface Kernel {
  readonly kind: 'linux' | 'multiboot' | 'pvh';
  plan(memory: BootMemory): BootPlan;
}

const PAGE = 4096;
/** Low memory that the boot ROM and the entry code use while a kernel is being started. */
export const SCRATCH = { start: 0x7000, end: 0xa000 };

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Finds places for what has no address of its own, around what has. */
export class Placement {
  readonly #ram: readonly Range[];
  readonly #taken: Range[] = [SCRATCH];
  readonly #what: string;

  /** `what` names the kernel in messages. */
  constructor(map: readonly E820Entry[], what: string) {
    this.#ram = map.filter(({ type }) => type === E820_RAM).map(({ base, length }) => ({ start: base, end: base + length }));
    this.#what = what;
  }

  /** Takes [address, address + length), which must be free RAM. */
  fixed(address: number, length: number): void {
    const range = { start: address, end: address + length };
    if (length === 0) return;
    const inRam = this.#ram.some(({ start, end }) => start <= range.start && range.end <= end);
    if (!inRam || this.#overlaps(range) !== undefined) {
      throw new VmmError(
        'usage',
        `${this.#what} wants ${size(length)} at ${hex(address)}, where there is no free memory; give the machine more --memory`,
      );
    }
    this.#taken.push(range);
  }

  /** The highest free place below `limit`. */
  high(name: string, length: number, limit: number, floor = 0x10_0000): number {
    const candidates = this.#ram.filter(({ start }) => start < limit).sort((a, b) => b.start - a.start);
    for (const ram of candidates) {
      let top = Math.min(ram.end, limit);
      for (;;) {
        const start = Math.floor((top - length) / PAGE) * PAGE;
        if (start < Math.max(ram.start, floor)) break;
        const obstacle = this.#overlaps({ start, end: start + length });
        if (obstacle === undefined) return this.#take(start, length);
        top = obstacle.start;
      }
    }
    throw this.#tooSmall(name, length);
  }

  /** The lowest free place from `floor` on, page-aligned. */
  low(name: string, length: number, floor: number): number {
    for (const ram of [...this.#ram].sort((a, b) => a.start - b.start)) {
      let start = Math.ceil(Math.max(ram.start, floor) / PAGE) * PAGE;
      while (start + length <= ram.end) {
        const obstacle = this.#overlaps({ start, end: start + length });
        if (obstacle === undefined) return this.#take(start, length);
        start = Math.ceil(obstacle.end / PAGE) * PAGE;
      }
    }
    throw this.#tooSmall(name, length);
  }

  #take(start: number, length: number): number {
    this.#taken.push({ start, end: start + length });
    return start;
  }

  #overlaps(range: Range): Range | undefined {
    return this.#taken.find(({ start, end }) => start < range.end && range.start < end);
  }

  #tooSmall(name: string, length: number): VmmError {
    return new VmmError('usage', `${name} (${size(length)}) does not fit into the machine's memory beside the kernel; give it more --memory`);
  }
}

function size(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.ceil(bytes / (1 << 20))} MiB`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
