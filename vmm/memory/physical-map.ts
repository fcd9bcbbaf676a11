import { assert, VmmError } from '../base/errors.ts';

/** i386 and AMD64 small page: the grain of the physical page table. */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 1 << PAGE_SHIFT;

/** Flags of a physical page table entry; bits 31..12 are the page's offset in guest memory. An entry of 0 is reached through the MMIO bus only. */
export const PAGE_READ = 1;
export const PAGE_WRITE = 2;
/** Writes must also set the page's byte in `dirty` (video memory). Only together with PAGE_WRITE. */
export const PAGE_DIRTY_LOG = 4;

const WASM_PAGE = 0x10000;
/** A 32-bit wasm memory cannot grow beyond this; one wasm page is left so that an access at the very end does not wrap. */
const MEMORY_LIMIT = 0x1_0000_0000 - WASM_PAGE;

/** RAM beyond this continues at 4 GiB: the space between is the PCI hole, as on QEMU's i440FX board. */
export const PCI_HOLE = 0xc000_0000;
export const FOUR_GIB = 0x1_0000_0000;

/** A run of guest memory: RAM, a ROM, video memory. `bytes` is the memory itself, not a copy. */
export interface MemoryBlock {
  readonly name: string;
  /** Offset in guest memory, page-aligned, in bytes. */
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/**
 * All the memory a guest can touch directly, in one shared WebAssembly memory: RAM from offset 0, behind it the named blocks, last the dirty map.
 * Its size is fixed when it is made, so views of it stay valid and the host may register it with a hypervisor.
 */
export class GuestMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly ram: MemoryBlock;
  /**
   * One byte per guest memory page (index = offset >> PAGE_SHIFT). Whoever writes to a page with PAGE_DIRTY_LOG stores 1, whoever displays it stores
   * 0 before it reads the page. For pages of RAM, 0 means that whoever is about to write there must first say so (`PhysicalMap.willWrite`), and then
   * stores 1: a store goes straight to a page only while its byte is 1, and all are 1 while nobody wants to know (write-tracker.ts). It lies in guest
   * memory, at `dirtyOffset`, so that generated code reaches it with a plain store; no physical page ever maps there.
   */
  readonly dirty: Uint8Array;
  readonly dirtyOffset: number;
  readonly #blocks: MemoryBlock[] = [];
  #end: number;

  /** `ramSize` and the sum of later blocks, in bytes, rounded up to whole pages. Throws VmmError 'unsupported' when a wasm memory cannot hold it. */
  constructor(ramSize: number, extra = 0) {
    const blocks = roundToPage(ramSize) + roundToPage(extra);
    const size = Math.ceil((blocks + (blocks >>> PAGE_SHIFT) + PAGE_SIZE) / WASM_PAGE) * WASM_PAGE;
    if (size > MEMORY_LIMIT) {
      const most = Math.floor((MEMORY_LIMIT - roundToPage(extra)) / 0x10_0000) - 2;
      throw new VmmError(
        'unsupported',
        `memory: ${Math.ceil(ramSize / 0x10_0000)} MiB of RAM is too much; this machine can have at most ${most} MiB`,
      );
    }
    try {
      this.memory = new WebAssembly.Memory({ initial: size / WASM_PAGE, maximum: size / WASM_PAGE, shared: true });
    } catch (cause) {
      throw new VmmError(
        'host',
        `memory: the host cannot give ${Math.ceil(size / 0x10_0000)} MiB for the guest; use a smaller --memory`,
        { size },
        cause,
      );
    }
    this.bytes = new Uint8Array(this.memory.buffer);
    this.dirtyOffset = blocks;
    this.dirty = this.bytes.subarray(blocks, blocks + (blocks >>> PAGE_SHIFT));
    this.#end = 0;
    this.ram = this.allocate('ram', ramSize);
    this.dirty.fill(1, 0, this.ram.length >>> PAGE_SHIFT);
  }

  get blocks(): readonly MemoryBlock[] {
    return this.#blocks;
  }

  /** Takes `length` bytes (zero-filled, page-aligned) for a ROM or for video memory. What is taken is never given back. */
  allocate(name: string, length: number): MemoryBlock {
    const offset = this.#end;
    this.#end += roundToPage(length);
    assert(this.#end <= this.dirtyOffset, `guest memory was made too small for ${name}`);
    const block = { name, offset, length, bytes: this.bytes.subarray(offset, offset + length) };
    this.#blocks.push(block);
    return block;
  }
}

function roundToPage(length: number): number {
  return Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
}

/** Pages `firstPage .. firstPage + pageCount - 1` of the physical address space are mapped differently now; with none, only what TLBs know is void. */
export type MapListener = (firstPage: number, pageCount: number) => void;
/** Bytes `offset .. offset + length - 1` of guest memory (not a physical address: aliases share it) were changed by a bus master. */
export type WriteListener = (offset: number, length: number) => void;

/**
 * The physical address space as a CPU needs it: for each 4 KiB page where it lies in guest memory, or 0 for "ask the MMIO bus". The memory bus
 * (bus/address-space.ts) is its only writer. A20 is applied by the CPU before it looks here.
 */
export class PhysicalMap {
  readonly memory: GuestMemory;
  /** One entry per physical page from address 0; what lies beyond its end is unmapped. */
  readonly table: Uint32Array;
  readonly #mapListeners: MapListener[] = [];
  readonly #writeListeners: WriteListener[] = [];
  /** Told where in guest memory, before the first write to a page since `watchWrites`. */
  firstWrite: (offset: number) => void = () => undefined;
  #changedFrom = Infinity;
  #changedTo = 0;

  /** `space`: bytes of physical address space covered, at least 4 GiB plus the RAM mapped above. */
  constructor(memory: GuestMemory, space: number = FOUR_GIB + Math.max(0, memory.ram.length - PCI_HOLE)) {
    this.memory = memory;
    this.table = new Uint32Array(new SharedArrayBuffer(Math.ceil(space / PAGE_SIZE) * 4));
  }

  /** The entry for a physical address, 0 when it is not memory. */
  entry(address: number): number {
    return this.table[Math.floor(address / PAGE_SIZE)] ?? 0;
  }

  /** Maps `pageCount` pages to consecutive guest memory from `offset` with `flags`; flags 0 unmaps. Listeners hear of it at the next `commit`. */
  fill(firstPage: number, pageCount: number, offset: number, flags: number): void {
    const end = Math.min(firstPage + pageCount, this.table.length);
    for (let page = firstPage, at = offset; page < end; page++, at += PAGE_SIZE) {
      const entry = flags === 0 ? 0 : (at | flags) >>> 0;
      if (this.table[page] === entry) continue;
      this.table[page] = entry;
      if (page < this.#changedFrom) this.#changedFrom = page;
      if (page >= this.#changedTo) this.#changedTo = page + 1;
    }
  }

  /** Tells the listeners which pages `fill` really changed since the last time; nothing if none. */
  commit(): void {
    const first = this.#changedFrom;
    const count = this.#changedTo - first;
    this.#changedFrom = Infinity;
    this.#changedTo = 0;
    if (count > 0) for (const listener of this.#mapListeners) listener(first, count);
  }

  onChange(listener: MapListener): void {
    this.#mapListeners.push(listener);
  }

  /** Told of every change of guest memory that no vCPU made itself: translated code there must be dropped. */
  onWrite(listener: WriteListener): void {
    this.#writeListeners.push(listener);
  }

  /** From now on the first write to every page of RAM is told to `firstWrite`, before it is made. Between slices, with no transfer under way. */
  watchWrites(): void {
    this.memory.dirty.fill(0, 0, this.memory.ram.length >>> PAGE_SHIFT);
    for (const listener of this.#mapListeners) listener(0, 0); // TLBs forget which pages take stores directly
  }

  /** A bus master is about to change these bytes of guest memory. */
  willWrite(offset: number, length: number): void {
    const { dirty } = this.memory;
    const last = (offset + length - 1) >>> PAGE_SHIFT;
    for (let page = offset >>> PAGE_SHIFT; page <= last; page++) {
      if (dirty[page] !== 0) continue;
      this.firstWrite(page * PAGE_SIZE);
      dirty[page] = 1;
    }
  }

  wrote(offset: number, length: number): void {
    for (const listener of this.#writeListeners) listener(offset, length);
  }
}
