import type { MemoryBlock } from '../memory/physical-map.ts';
import type { Bus, Mapping } from './bus.ts';

/** How a block of guest memory answers where it is mapped. */
export interface BlockOptions {
  /** First byte of the block that is shown, page-aligned; default 0. */
  readonly offset?: number;
  /** Bytes shown; default to the block's end. */
  readonly length?: number;
  /** A ROM: writes are swallowed. */
  readonly readOnly?: boolean;
  /** Writes are recorded in `GuestMemory.dirty`: video memory. */
  readonly dirtyLog?: boolean;
  readonly priority?: number;
}

/** A block's place. What it does not claim falls through to the mapping below it: that is how PAM shadows ROM with DRAM, each direction by itself. */
export interface BlockMapping extends Mapping {
  claim(reads: boolean, writes: boolean): void;
  /** Shows as many bytes of the block, but from `offset` (page-aligned) on: a bank register. Cheap: nobody else's place changes. */
  slide(offset: number): void;
}

/** Physical address space: register regions, and guest memory that CPUs and bus masters reach without asking. */
export interface MemoryBus extends Bus {
  /** Maps memory, enabled and claiming reads and writes. */
  mapBlock(base: number, block: MemoryBlock, options?: BlockOptions): BlockMapping;
  /** Makes several changes of mappings and decodes anew once, at the end. */
  batch(change: () => void): void;
}

/** Priorities on the memory bus, lowest first: what the board's address decoding does before a PCI device sees a cycle. */
export const PRIORITY_PCI = 0;
/** Legacy video memory at A0000h, and ROMs of the ISA bridge: claimed subtractively, but known to be there. */
export const PRIORITY_LEGACY = -1;
/** I/O APIC, HPET: decoded by the chipset. */
export const PRIORITY_CHIPSET = 10;
/** DRAM and its shadow ranges: decoded by the host bridge, so that a BAR on top of RAM is not seen. */
export const PRIORITY_RAM = 20;
