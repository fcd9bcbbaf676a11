/** Builds cases: a fixed memory map with descriptor tables, handlers that halt, stacks and page tables; the groups vary what they are about. */
import type { CaseSegment, CaseState, MachineCase } from './machine-case.ts';

// -- memory map
export const GDT = 0x1000;
export const LDT = 0x2000;
export const IDT = 0x3000;
export const TSS_A = 0x4000;
export const TSS_B = 0x4200;
export const TSS16_A = 0x4400;
export const TSS16_B = 0x4500;
/** Handler of vector n: HLT at HANDLERS + 16 n. */
export const HANDLERS = 0x5000;
export const CODE = 0x8000;
/** Where a transfer that works arrives: HLT. */
export const TARGET = 0x8800;
/** Tops of the stacks of privilege levels 0..3. */
export const STACKS = [0xa800, 0xb800, 0xc800, 0xd800] as const;
export const DATA = 0xe000;
export const TABLES = 0x20000;
/** Beyond all of these. */
const USED_BYTES = 0x40000;

// -- selectors every case has
export const CODE32 = [0x08, 0x11, 0x1a, 0x23] as const;
export const DATA32 = [0x28, 0x31, 0x3a, 0x43] as const;
export const CODE64 = [0x48, 0x51, 0x5a, 0x63] as const;
export const CODE16 = [0x68, 0x71, 0x7a, 0x83] as const;
export const SELECTOR_TSS_A = 0x88; // 16 bytes in long mode
export const SELECTOR_TSS_B = 0x98;
export const SELECTOR_LDT = 0xa8;
export const SELECTOR_TSS16_A = 0xb8;
export const SELECTOR_TSS16_B = 0xc0;
/** First descriptor that groups are free to use; the GDT ends after 64. */
export const FREE_SELECTOR = 0xe0;
export const GDT_LIMIT = 64 * 8 - 1;

export const CR0_PE = 1n;
export const CR0_WP = 0x10000n;
export const CR0_AM = 0x40000n;
export const CR0_PG = 0x80000000n;
export const CR0_ET_NE = 0x30n;
export const CR4_PAE = 0x20n;

/** A generator of repeatable numbers (mulberry32). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(limit: number): number {
    return this.u32() % limit;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

export function descriptor(base: number, limit: number, access: number, flags: number): bigint {
  const low = ((base & 0xffff) << 16) | (limit & 0xffff);
  const high = (base & 0xff000000) | ((flags & 15) << 20) | (limit & 0xf0000) | ((access & 0xff) << 8) | ((base >>> 16) & 0xff);
  return BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
}

/** A call, interrupt, trap or task gate of 8 bytes. */
export function gate(selector: number, offset: number, access: number, parameters = 0): bigint {
  const low = (selector << 16) | (offset & 0xffff);
  const high = (offset & 0xffff0000) | ((access & 0xff) << 8) | (parameters & 0x1f);
  return BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
}

export type Mode = 'real' | 'protected' | 'long';

export class CaseBuilder {
  readonly #ram = new Uint8Array(USED_BYTES);
  readonly #view = new DataView(this.#ram.buffer);
  readonly #used: { from: number; to: number }[] = [];
  readonly state: CaseState;
  readonly msrs: [number, bigint][] = [];
  readonly mode: Mode;
  readonly level: number;
  #at: number = CODE;

  constructor(mode: Mode, level = 0) {
    this.mode = mode;
    this.level = level;
    this.state = baseState();
    if (mode === 'real') this.#setUpReal();
    else this.#setUpProtected();
  }

  write(address: number, bytes: ArrayLike<number>): void {
    this.#ram.set(bytes, address);
    this.#used.push({ from: address, to: address + bytes.length });
  }
  write64(address: number, value: bigint): void {
    this.#view.setBigUint64(address, BigInt.asUintN(64, value), true);
    this.#used.push({ from: address, to: address + 8 });
  }
  write32(address: number, value: number): void {
    this.#view.setUint32(address, value >>> 0, true);
    this.#used.push({ from: address, to: address + 4 });
  }
  write16(address: number, value: number): void {
    this.#view.setUint16(address, value & 0xffff, true);
    this.#used.push({ from: address, to: address + 2 });
  }
  setDescriptor(selector: number, value: bigint): void {
    this.write64(((selector & 4) !== 0 ? LDT : GDT) + (selector & 0xfff8), value);
  }

  /** Appends instruction bytes at the entry point. */
  code(...bytes: (number | readonly number[])[]): void {
    const flat = bytes.flat();
    this.write(this.#at, flat);
    this.#at += flat.length;
  }
  get here(): number {
    return this.#at;
  }

  finish(name: string): MachineCase {
    // What follows the action: reaching it is the normal end.
    this.code(0xf4, 0xf4);
    const sorted = this.#used.toSorted((a, b) => a.from - b.from);
    const ranges: { from: number; to: number }[] = [];
    for (const { from, to } of sorted) {
      const last = ranges[ranges.length - 1];
      if (last && from <= last.to + 16) last.to = Math.max(last.to, to);
      else ranges.push({ from, to });
    }
    const memory = ranges.map(({ from, to }) => ({ address: from, bytes: this.#ram.slice(from, to) }));
    return { name, state: this.state, msrs: this.msrs, memory };
  }

  #setUpReal(): void {
    for (let vector = 0; vector < 256; vector++) {
      this.write32(vector * 4, HANDLERS + vector * 16);
      this.write(HANDLERS + vector * 16, [0xf4]);
    }
    this.write(TARGET, [0xf4]);
    this.state.rip = BigInt(CODE);
    this.state.gpr[4] = BigInt(STACKS[0]);
  }

  #setUpProtected(): void {
    const long = this.mode === 'long';
    const { state, level } = this;
    for (let privilege = 0; privilege < 4; privilege++) {
      this.setDescriptor(CODE32[privilege]!, descriptor(0, 0xfffff, 0x9b | (privilege << 5), 0xc));
      this.setDescriptor(DATA32[privilege]!, descriptor(0, 0xfffff, 0x93 | (privilege << 5), 0xc));
      this.setDescriptor(CODE64[privilege]!, descriptor(0, 0xfffff, 0x9b | (privilege << 5), 0xa));
      this.setDescriptor(CODE16[privilege]!, descriptor(0, 0xffff, 0x9b | (privilege << 5), 0));
    }
    this.setDescriptor(SELECTOR_TSS_A, descriptor(TSS_A, 0x1ff, 0x8b, 0));
    this.setDescriptor(SELECTOR_TSS_B, descriptor(TSS_B, 0x1ff, 0x89, 0));
    this.setDescriptor(SELECTOR_LDT, descriptor(LDT, 0xff, 0x82, 0));
    this.setDescriptor(SELECTOR_TSS16_A, descriptor(TSS16_A, 0xff, 0x81, 0));
    this.setDescriptor(SELECTOR_TSS16_B, descriptor(TSS16_B, 0xff, 0x81, 0));
    const code = long ? CODE64[0] : CODE32[0];
    for (let vector = 0; vector < 256; vector++) {
      this.setGate(vector, gate(code, HANDLERS + vector * 16, 0xee));
      this.write(HANDLERS + vector * 16, [0xf4]);
    }
    this.write(TARGET, [0xf4]);
    if (long) {
      for (let privilege = 0; privilege < 3; privilege++) this.write64(TSS_A + 4 + 8 * privilege, BigInt(STACKS[privilege]!));
      this.mapLong();
      state.cr4 = CR4_PAE;
      state.efer = 0xd01n; // SCE LME LMA NXE
      state.cr0 |= CR0_PG;
    } else {
      for (let privilege = 0; privilege < 3; privilege++) {
        this.write32(TSS_A + 4 + 8 * privilege, STACKS[privilege]!);
        this.write32(TSS_A + 8 + 8 * privilege, DATA32[privilege]!);
      }
    }
    this.write16(TSS_A + 0x66, 0x1ff); // no I/O bitmap
    state.cr0 |= CR0_PE | CR0_WP;
    const privilege = level << 13;
    const codeSegment = {
      selector: (long ? CODE64 : CODE32)[level]!,
      base: 0n,
      limit: 0xffffffff,
      attributes: (long ? 0xa09b00 : 0xc09b00) | privilege,
    };
    const dataSegment = (): CaseSegment => ({ selector: DATA32[level]!, base: 0n, limit: 0xffffffff, attributes: 0xc09300 | privilege });
    const tss = { selector: SELECTOR_TSS_A, base: BigInt(TSS_A), limit: 0x1ff, attributes: 0x8b00 };
    const ldt = { selector: SELECTOR_LDT, base: BigInt(LDT), limit: 0xff, attributes: 0x8200 };
    state.segments = [dataSegment(), codeSegment, dataSegment(), dataSegment(), dataSegment(), dataSegment(), ldt, tss];
    state.gdt = { base: BigInt(GDT), limit: GDT_LIMIT };
    state.idt = { base: BigInt(IDT), limit: long ? 0xfff : 0x7ff };
    state.rip = BigInt(CODE);
    state.gpr[4] = BigInt(STACKS[level]!);
  }

  /** `value`: 8 bytes; long mode gates have 16, of which the rest is 0. */
  setGate(vector: number, value: bigint, upper = 0n): void {
    if (this.mode === 'long') {
      this.write64(IDT + vector * 16, value);
      this.write64(IDT + vector * 16 + 8, upper);
    } else {
      this.write64(IDT + vector * 8, value);
    }
  }

  /** Identity map of the first 2 MiB with 4 KiB user pages, 4-level. */
  mapLong(): void {
    this.write64(TABLES, BigInt(TABLES + 0x1007));
    this.write64(TABLES + 0x1000, BigInt(TABLES + 0x2007));
    this.write64(TABLES + 0x2000, BigInt(TABLES + 0x3007));
    for (let page = 0; page < 256; page++) this.write64(TABLES + 0x3000 + page * 8, BigInt(page * 4096 + 0x67));
    this.state.cr3 = BigInt(TABLES);
  }
}

function baseState(): CaseState {
  const data = (): CaseSegment => ({ selector: 0, base: 0n, limit: 0xffff, attributes: 0x9300 });
  const segments = [data(), data(), data(), data(), data(), data()];
  segments.push({ selector: 0, base: 0n, limit: 0xffff, attributes: 0x8200 }, { selector: 0, base: 0n, limit: 0xffff, attributes: 0x8b00 });
  const gpr = Array.from({ length: 16 }, (_, index) => 0x1111n * BigInt(index + 1));
  return {
    gpr,
    rip: 0n,
    eflags: 2,
    segments,
    gdt: { base: 0n, limit: 0xffff },
    idt: { base: 0n, limit: 0xffff },
    cr0: CR0_ET_NE,
    cr2: 0n,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
    dr: [0n, 0n, 0n, 0n, 0n, 0n, 0xffff0ff0n, 0x400n],
  };
}
