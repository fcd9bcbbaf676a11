/** Vectors recorded at CPL 3 in protected and long mode: four windows of 64 KiB mapped by page tables. */
import * as L from '../../vmm/cpu/layout.ts';
import type { CpuState } from '../../vmm/cpu/state.ts';
import type { VectorCase, VectorHeader } from './format.ts';
import { bytesOf, number } from './format.ts';
import type { Processor } from './processor.node.ts';

const WINDOW_BYTES = 0x10000;
const WINDOWS = [0x10000000n, 0x20000000n, 0x30000000n, 0x5a5a00000000n];
const CODE_WINDOW = 2;
/** RAM offset of window 0; the others follow. */
const WINDOW_RAM = 0x100000;
const TABLES = 0x1000;
const PRESENT_USER = 7n;

const GPR64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const GPR32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
/** CF PF AF ZF SF DF OF. */
const COMPARED_FLAGS = 0xcd5;
const VECTOR_OF: Readonly<Record<string, number>> = { '#DE': 0, '#UD': 6, '#SS': 12, '#GP': 13, '#MF': 16, '#AC': 17 };

function ramOf(linear: bigint): number {
  const window = WINDOWS.findIndex((base) => linear >= base && linear < base + BigInt(WINDOW_BYTES));
  if (window < 0) throw new Error(`address ${linear.toString(16)} is in no window`);
  return WINDOW_RAM + window * WINDOW_BYTES + Number(linear - WINDOWS[window]!);
}

/** Long-mode (4 levels) or 32-bit (2 levels) page tables over the windows; the root's address. */
function buildTables(ram: Uint8Array, long: boolean): bigint {
  const view = new DataView(ram.buffer);
  ram.fill(0, TABLES, WINDOW_RAM);
  let free = TABLES + 0x1000;
  const entryBytes = long ? 8 : 4;
  const levels = long ? [39n, 30n, 21n, 12n] : [22n, 12n];
  const indexMask = long ? 0x1ffn : 0x3ffn;
  for (const [window, base] of WINDOWS.entries()) {
    if (!long && base > 0xffffffffn) continue;
    for (let offset = 0; offset < WINDOW_BYTES; offset += 0x1000) {
      let table = TABLES;
      for (const [depth, shift] of levels.entries()) {
        const at = table + Number(((base + BigInt(offset)) >> shift) & indexMask) * entryBytes;
        if (depth === levels.length - 1) view.setUint32(at, WINDOW_RAM + window * WINDOW_BYTES + offset + 7, true);
        else {
          if (view.getUint32(at, true) === 0) {
            view.setUint32(at, free | Number(PRESENT_USER), true);
            free += 0x1000;
          }
          table = view.getUint32(at, true) & ~0xfff;
        }
      }
    }
  }
  return BigInt(TABLES);
}

const code = (bits: number, base: bigint, limit: number) => ({
  selector: 0x1b,
  base,
  limit,
  attributes: 0xfb00 | (bits === 64 ? 0x20_0000 : bits === 32 ? 0x40_0000 : 0),
});
const data = (base: bigint, limit: number, big: boolean) => ({ selector: 0x23, base, limit, attributes: 0xf300 | (big ? 0x40_0000 : 0) });

function segmentsOf(mode: number, reset: CpuState['segments']): CpuState['segments'] {
  const flat = data(0n, 0xffffffff, true);
  const small = (base: bigint) => data(base, 0xffff, false);
  if (mode === 16)
    return {
      ...reset,
      cs: code(16, 0x30000000n, 0xffff),
      ds: small(0x10000000n),
      es: small(0x10000000n),
      fs: small(0x10000000n),
      gs: small(0x10000000n),
      ss: small(0x20000000n),
    };
  return {
    ...reset,
    cs: code(mode, 0n, 0xffffffff),
    ds: flat,
    es: flat,
    ss: flat,
    fs: { ...flat, base: 0x10002000n },
    gs: { ...flat, base: 0x10004000n },
  };
}

export class ProtectedModeRunner {
  readonly #processor: Processor;
  readonly #mode: 64 | 32 | 16;
  readonly #header: VectorHeader;
  readonly #names: readonly string[];

  constructor(processor: Processor, header: VectorHeader) {
    this.#processor = processor;
    this.#header = header;
    this.#mode = header.mode!;
    this.#names = this.#mode === 64 ? GPR64 : GPR32;
    buildTables(processor.ram, this.#mode === 64);
  }

  /** What is wrong with the outcome of a case; empty if nothing. */
  run(test: VectorCase): string {
    const { ram, core } = this.#processor;
    const initial = { ...this.#header.base, ...test.i };
    const expected = { ...initial, ...test.o };
    const rip = number(initial[this.#mode === 64 ? 'rip' : 'eip']!);
    const codeBase = this.#mode === 16 ? WINDOWS[CODE_WINDOW]! : 0n;
    ram.fill(0, WINDOW_RAM, WINDOW_RAM + WINDOWS.length * WINDOW_BYTES);
    ram.fill(0xcc, ramOf(WINDOWS[CODE_WINDOW]!), ramOf(WINDOWS[CODE_WINDOW]!) + WINDOW_BYTES);
    for (const [address, bytes] of test.m ?? []) ram.set(bytesOf(bytes), ramOf(number(address)));
    ram.set(bytesOf(test.c), ramOf(rip + codeBase));
    const before = ram.slice(WINDOW_RAM, WINDOW_RAM + WINDOWS.length * WINDOW_BYTES);

    this.#load(initial, rip);
    let fault = this.#processor.run(1, false);
    // A long REP is left now and then with RIP still at it.
    for (let turns = 0; fault < 0 && turns < 1000 && test.x === undefined; turns++) {
      if (core.getBigUint64(L.RIP, true) !== rip || expected[this.#mode === 64 ? 'rip' : 'eip'] === initial[this.#mode === 64 ? 'rip' : 'eip']) break;
      fault = this.#processor.run(1, false);
    }

    const problems: string[] = [];
    const wanted = test.x === undefined ? -1 : (VECTOR_OF[String(test.x)] ?? -2);
    if (fault !== wanted) problems.push(`fault ${fault}, expected ${String(test.x ?? 'none')}`);
    this.#compareRegisters(expected, test, fault, problems);
    for (const [address, bytes] of test.w ?? []) before.set(bytesOf(bytes), ramOf(number(address)) - WINDOW_RAM);
    const after = ram.subarray(WINDOW_RAM, WINDOW_RAM + WINDOWS.length * WINDOW_BYTES);
    const difference = Buffer.compare(before, after) === 0 ? -1 : before.findIndex((byte, i) => byte !== after[i]);
    if (difference >= 0)
      problems.push(`memory ${difference.toString(16)}: ${after[difference]!.toString(16)}, expected ${before[difference]!.toString(16)}`);
    return problems.join('; ');
  }

  #load(initial: Readonly<Record<string, string>>, rip: bigint): void {
    const state = this.#processor.initialState();
    const long = this.#mode === 64;
    state.cr0 = 0x80010033n; // PG WP NE ET MP PE
    state.cr3 = BigInt(TABLES);
    state.cr4 = long ? 0x40620n : 0x40600n; // OSXSAVE OSXMMEXCPT OSFXSR (PAE)
    state.efer = long ? 0x500n : 0n;
    state.xcr0 = 7n;
    state.cpl = 3;
    state.segments = segmentsOf(this.#mode, state.segments);
    state.eflags = Number(number(initial['fl']!));
    state.rip = rip;
    this.#names.forEach((name, i) => (state.gpr[i] = number(initial[name] ?? '0')));
    state.mxcsr = Number(number(initial['mxcsr'] ?? '1f80'));
    const vectors = new DataView(state.vectors.buffer);
    for (let i = 0; i < 16; i++) {
      const value = number(initial[`x${i}`] ?? '0');
      vectors.setBigUint64(i * L.XMM_STRIDE, BigInt.asUintN(64, value), true);
      vectors.setBigUint64(i * L.XMM_STRIDE + 8, value >> 64n, true);
    }
    if (initial['fcw'] !== undefined) {
      state.fcw = Number(number(initial['fcw']));
      state.fsw = Number(number(initial['fsw']!));
      state.ftw = Number(number(initial['ftw']!));
      const x87 = new DataView(state.x87.buffer);
      for (let i = 0; i < 8; i++) {
        const value = number(initial[`st${i}`]!);
        const at = (((state.fsw >> 11) + i) & 7) * 16;
        x87.setBigUint64(at, BigInt.asUintN(64, value), true);
        x87.setUint16(at + 8, Number(value >> 64n), true);
      }
    }
    this.#processor.load(state);
  }

  #compareRegisters(expected: Readonly<Record<string, string>>, test: VectorCase, fault: number, problems: string[]): void {
    const { core } = this.#processor;
    const differ = (name: string, actual: bigint, wanted: bigint) => {
      if (actual !== wanted) problems.push(`${name} ${actual.toString(16)}, expected ${wanted.toString(16)}`);
    };
    this.#names.forEach((name, i) => {
      const value = core.getBigUint64(L.GPR + i * 8, true);
      differ(name, this.#mode === 64 ? value : BigInt.asUintN(32, value), number(expected[name] ?? '0'));
    });
    if (fault < 0) differ('rip', core.getBigUint64(L.RIP, true), number(expected[this.#mode === 64 ? 'rip' : 'eip']!));
    const mask = COMPARED_FLAGS & ~Number(number(test.u ?? '0'));
    differ('flags', BigInt(this.#processor.eflags() & mask), BigInt(Number(number(expected['fl']!)) & mask));
    for (let i = 0; i < 16 && this.#header.base?.['x0'] !== undefined; i++) {
      const at = L.XMM + i * L.XMM_STRIDE;
      const wanted = expected[`x${i}`];
      if (wanted !== undefined) differ(`xmm${i}`, core.getBigUint64(at, true) | (core.getBigUint64(at + 8, true) << 64n), number(wanted));
    }
    if (expected['mxcsr'] !== undefined) differ('mxcsr', BigInt(core.getUint32(L.MXCSR, true)), number(expected['mxcsr']));
    if (expected['fcw'] !== undefined) this.#compareX87(expected, test, differ);
  }

  #compareX87(expected: Readonly<Record<string, string>>, test: VectorCase, differ: (name: string, actual: bigint, wanted: bigint) => void): void {
    const { core } = this.#processor;
    const status = core.getUint32(L.FSW, true);
    const mask = 0xffff & ~Number(number(test.us ?? '0'));
    differ('fcw', BigInt(core.getUint32(L.FCW, true)), number(expected['fcw']!));
    differ('fsw', BigInt(status & mask), BigInt(Number(number(expected['fsw']!)) & mask));
    differ('ftw', BigInt(core.getUint32(L.FTW, true)), number(expected['ftw']!));
    const tolerance = BigInt(this.#header.tol ?? 0);
    for (let i = 0; i < 8; i++) {
      const at = L.FPU_REGS + (((status >> 11) + i) & 7) * 16;
      const value = core.getBigUint64(at, true) | (BigInt(core.getUint16(at + 8, true)) << 64n);
      const wanted = number(expected[`st${i}`]!);
      const distance = value > wanted ? value - wanted : wanted - value;
      if (i > 1 || distance > tolerance) differ(`st${i}`, value, wanted);
    }
  }
}
