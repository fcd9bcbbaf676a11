import { assert } from '../base/errors.ts';
import type { MemoryBlock, PhysicalMap } from '../memory/physical-map.ts';
import { PAGE_DIRTY_LOG, PAGE_READ, PAGE_SHIFT, PAGE_SIZE, PAGE_WRITE } from '../memory/physical-map.ts';
import type { AccessSize, Mapping, Region } from './bus.ts';
import type { BlockMapping, BlockOptions, MemoryBus } from './memory-bus.ts';
import { openBus, readRegion, writeRegion } from './split.ts';

/** Where something is. `base` and `length` in bytes; either `region` (registers) or `memory` (a piece of guest memory). */
interface Placement {
  readonly name: string;
  readonly length: number;
  readonly priority: number;
  readonly order: number;
  readonly region?: Region;
  readonly memory?: { offset: number; readonly readOnly: boolean; readonly dirtyLog: boolean };
  base: number;
  enabled: boolean;
  reads: boolean;
  writes: boolean;
  /** How often registers were read or written. */
  accesses: number;
}

/** A stretch of addresses in which the same placements answer. The list of ranges is sorted, without gaps between claimed addresses left out. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly reader: Placement | undefined;
  readonly writer: Placement | undefined;
}

/**
 * Physical address space. Mappings are flattened into sorted ranges whenever one changes (rare: a BAR, a PAM register), memory that answers directly
 * is published in the physical page table, and what remains (registers, pages shared by several regions, shadow RAM that is only written) is served
 * here by binary search.
 */
export class AddressSpace implements MemoryBus {
  readonly #physical: PhysicalMap;
  readonly #placements = new Set<Placement>();
  #order = 0;
  #ranges: readonly Range[] = [];
  #last: Range = { start: 0, end: 0, reader: undefined, writer: undefined };
  #batch: { start: number; end: number } | undefined;

  constructor(physical: PhysicalMap) {
    this.#physical = physical;
  }

  map(base: number, length: number, region: Region, priority = 0): Mapping {
    return this.#place({ name: region.name, length, priority, region, base });
  }

  mapBlock(base: number, block: MemoryBlock, options: BlockOptions = {}): BlockMapping {
    const start = options.offset ?? 0;
    const length = options.length ?? block.length - start;
    assert(start >= 0 && length > 0 && start + length <= block.length, `${block.name}: mapped beyond its end`);
    const memory = { offset: block.offset + start, readOnly: options.readOnly ?? false, dirtyLog: options.dirtyLog ?? false };
    const mapping = this.#place({ name: block.name, length, priority: options.priority ?? 0, memory, base });
    return {
      ...mapping,
      slide: (to) => {
        assert(to >= 0 && to % PAGE_SIZE === 0 && to + length <= block.length, `${block.name}: slid beyond its end`);
        if (memory.offset === block.offset + to) return;
        memory.offset = block.offset + to;
        mapping.republish();
      },
    };
  }

  /** Makes several changes of mappings and flattens once. */
  batch(change: () => void): void {
    if (this.#batch !== undefined) {
      change();
      return;
    }
    this.#batch = { start: Infinity, end: 0 };
    try {
      change();
    } finally {
      const { start, end } = this.#batch;
      this.#batch = undefined;
      if (start < end) this.#changed(start, end);
    }
  }

  read(address: number, size: AccessSize): number {
    const range = this.#find(address);
    if (address + size > range.end) return size === 1 ? 0xff : this.#readBytes(address, size);
    const placement = range.reader;
    if (placement === undefined) return openBus(size);
    if (placement.region !== undefined) {
      placement.accesses++;
      return readRegion(placement.region, address - placement.base, size);
    }
    const bytes = this.#physical.memory.bytes;
    const offset = placement.memory!.offset + (address - placement.base);
    let value = 0;
    for (let at = 0; at < size; at++) value |= bytes[offset + at]! << (8 * at);
    return value >>> 0;
  }

  write(address: number, size: AccessSize, value: number): void {
    const range = this.#find(address);
    if (address + size > range.end) {
      if (size > 1) for (let at = 0; at < size; at++) this.write(address + at, 1, (value >>> (8 * at)) & 0xff);
      return;
    }
    const placement = range.writer;
    if (placement === undefined) return;
    if (placement.region !== undefined) {
      placement.accesses++;
      writeRegion(placement.region, address - placement.base, size, value);
      return;
    }
    const memory = placement.memory!;
    if (memory.readOnly) return;
    const guest = this.#physical.memory;
    const offset = memory.offset + (address - placement.base);
    for (let at = 0; at < size; at++) guest.bytes[offset + at] = (value >>> (8 * at)) & 0xff;
    if (memory.dirtyLog) {
      guest.dirty[offset >>> PAGE_SHIFT] = 1;
      guest.dirty[(offset + size - 1) >>> PAGE_SHIFT] = 1;
    }
    this.#physical.wrote(offset, size);
  }

  /** Accesses to registers since the start, by region. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { name, accesses } of this.#placements) if (accesses > 0) counts[name] = (counts[name] ?? 0) + accesses;
    return counts;
  }

  /** The flattened map, for the inspector and tests: who answers where. */
  describe(): { start: number; end: number; reads: string | undefined; writes: string | undefined }[] {
    return this.#ranges.map(({ start, end, reader, writer }) => ({ start, end, reads: reader?.name, writes: writer?.name }));
  }

  #readBytes(address: number, size: AccessSize): number {
    let value = 0;
    for (let at = 0; at < size; at++) value |= this.read(address + at, 1) << (8 * at);
    return value >>> 0;
  }

  #place(
    what: Pick<Placement, 'name' | 'length' | 'priority' | 'base'> & Partial<Pick<Placement, 'region' | 'memory'>>,
  ): Omit<BlockMapping, 'slide'> & { republish(): void } {
    assert(what.length > 0 && what.base >= 0, `${what.name}: an empty mapping`);
    const placement: Placement = { ...what, order: this.#order++, enabled: true, reads: true, writes: true, accesses: 0 };
    const touch = (): void => this.#changed(placement.base, placement.base + placement.length);
    this.#placements.add(placement);
    touch();
    return {
      move: (base) => {
        if (base === placement.base) return;
        this.batch(() => {
          const wasEnabled = placement.enabled;
          if (wasEnabled) touch();
          placement.base = base;
          if (wasEnabled) touch();
        });
      },
      enable: (on) => {
        if (on === placement.enabled) return;
        placement.enabled = on;
        touch();
      },
      claim: (reads, writes) => {
        if (reads === placement.reads && writes === placement.writes) return;
        placement.reads = reads;
        placement.writes = writes;
        touch();
      },
      dispose: () => {
        placement.enabled = false;
        this.#placements.delete(placement);
        touch();
      },
      republish: () => {
        if (placement.enabled) this.#publishBytes(placement.base, placement.base + placement.length);
      },
    };
  }

  /** The range an address is in; where nothing is mapped, the gap up to the next range. */
  #find(address: number): Range {
    const last = this.#last;
    if (address >= last.start && address < last.end) return last;
    const ranges = this.#ranges;
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const found = ranges[low];
    if (found === undefined) return { start: address, end: Infinity, reader: undefined, writer: undefined };
    if (found.start > address) return { start: address, end: found.start, reader: undefined, writer: undefined };
    this.#last = found;
    return found;
  }

  #changed(start: number, end: number): void {
    if (this.#batch !== undefined) {
      this.#batch.start = Math.min(this.#batch.start, start);
      this.#batch.end = Math.max(this.#batch.end, end);
      return;
    }
    this.#ranges = flatten(this.#placements);
    this.#last = { start: 0, end: 0, reader: undefined, writer: undefined };
    this.#publishBytes(start, end);
  }

  #publishBytes(start: number, end: number): void {
    this.#publish(Math.floor(start / PAGE_SIZE), Math.min(Math.ceil(end / PAGE_SIZE), this.#physical.table.length));
  }

  /** Writes the page table for pages [first, end): each page once, so that listeners hear only of real changes. */
  #publish(first: number, end: number): void {
    let page = first;
    for (const range of this.#ranges) {
      const direct = directAccess(range);
      if (direct === undefined) continue;
      const from = Math.max(Math.ceil(range.start / PAGE_SIZE), page);
      const to = Math.min(Math.floor(range.end / PAGE_SIZE), end);
      if (from >= to) continue;
      this.#physical.fill(page, from - page, 0, 0);
      this.#physical.fill(from, to - from, direct.offset + (from * PAGE_SIZE - range.start), direct.flags);
      page = to;
    }
    this.#physical.fill(page, end - page, 0, 0);
    this.#physical.commit();
  }
}

/** How a CPU may reach a range by itself. `offset`: where range.start lies in guest memory. */
function directAccess({ start, reader, writer }: Range): { offset: number; flags: number } | undefined {
  const memory = reader?.memory;
  if (reader === undefined || memory === undefined) return undefined;
  const offset = memory.offset + (start - reader.base);
  if (offset % PAGE_SIZE !== start % PAGE_SIZE) return undefined;
  // Shadow RAM being filled reads ROM and writes DRAM: one entry cannot say both, so the writes go through the bus.
  const writable = writer === reader && !memory.readOnly;
  return { offset, flags: PAGE_READ | (writable ? PAGE_WRITE | (memory.dirtyLog ? PAGE_DIRTY_LOG : 0) : 0) };
}

function flatten(placements: Iterable<Placement>): Range[] {
  const ordered = [...placements].filter((placement) => placement.enabled).sort((a, b) => b.priority - a.priority || b.order - a.order);
  const edges = [...new Set(ordered.flatMap(({ base, length }) => [base, base + length]))].sort((a, b) => a - b);
  const ranges: Range[] = [];
  for (const [index, start] of edges.entries()) {
    const end = edges[index + 1];
    if (end === undefined) break;
    const here = ordered.filter(({ base, length }) => base <= start && start < base + length);
    const reader = here.find((placement) => placement.reads);
    const writer = here.find((placement) => placement.writes);
    if (reader === undefined && writer === undefined) continue;
    const last = ranges.length - 1;
    const joins = last >= 0 && ranges[last]!.end === start && ranges[last]!.reader === reader && ranges[last]!.writer === writer;
    if (joins) ranges[last] = { ...ranges[last]!, end };
    else ranges.push({ start, end, reader, writer });
  }
  return ranges;
}
