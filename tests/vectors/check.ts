/** Runs one case on a rig and says what came out differently. */
import * as L from '../../vmm/cpu/layout.ts';
import type { CpuState } from '../../vmm/cpu/state.ts';
import type { Rig } from './rig.ts';
import { undefinedFlags } from './undefined-286.ts';
import type { Bytes, Registers, VectorCase, VectorFile } from './vector-file.ts';

const GENERAL_64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const GENERAL_32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const GENERAL_16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const SEGMENTS_286 = ['es', 'cs', 'ss', 'ds'] as const;
/** CF PF AF ZF SF DF OF: what the vectors recorded. */
const FLAGS_COMPARED = 0xcd5;
const EXCEPTIONS: Readonly<Record<string, number>> = {
  '#DE': 0,
  '#DB': 1,
  '#UD': 6,
  '#NM': 7,
  '#SS': 12,
  '#GP': 13,
  '#PF': 14,
  '#MF': 16,
  '#AC': 17,
  '#XM': 19,
};
/** A REP instruction is resumed until it is over. */
const MAX_RESUMES = 1000;
/** Instructions a real-mode case may take to its HLT. */
const MAX_INSTRUCTIONS = 70_000;

const hex = (value: bigint): string => value.toString(16);
const big = (text: string): bigint => BigInt(`0x${text}`);

/** Differences between the processor and the vector; empty when it agrees. */
export function checkCase(rig: Rig, file: VectorFile, vector: VectorCase): string[] {
  const initial = { ...file.base, ...vector.i };
  const expected = { ...initial, ...vector.o };
  const touched = new Map<number, number>();
  const differences: string[] = [];
  const put = (bytes: Bytes, expectation: boolean): void => {
    for (const [address, content] of bytes) {
      for (let i = 0; i < content.length / 2; i++) {
        const at = rig.offset(big(address) + BigInt(i));
        if (at === undefined) continue;
        const byte = parseInt(content.slice(2 * i, 2 * i + 2), 16);
        touched.set(at, byte);
        if (!expectation) rig.poke(at, byte);
      }
    }
  };
  put(vector.m ?? [], false);
  if (file.mode !== 'real') put([[hex(codeAddress(rig, initial)), vector.c]], false);
  const before = file.mode === 'real' ? loadReal(rig, initial) : loadState(rig, initial);
  const fault = execute(rig, vector, before);
  put(vector.w ?? [], true);

  const undefinedBits = file.mode === 'real' ? undefinedFlags(vector.c, parseInt(initial['cx']!, 16) & 0xff) : 0;
  if (file.mode === 'real') {
    compareReal(rig, expected, undefinedBits, differences);
    if (vector.x !== undefined) maskPushedFlags(rig, touched, expected, undefinedBits);
  }
  if (file.mode !== 'real') {
    const wanted = vector.x === undefined ? -1 : EXCEPTIONS[String(vector.x)]!;
    if (fault !== wanted) differences.push(`exception ${fault} instead of ${wanted}`);
    compareState(rig, file, vector, expected, differences);
  }
  for (const [at, byte] of touched) {
    if (rig.ram[at] !== byte) differences.push(`byte at ${at.toString(16)} is ${rig.ram[at]!.toString(16)} instead of ${byte.toString(16)}`);
    rig.ram[at] = 0;
  }
  if (!rig.isClear()) {
    differences.push(`byte at ${rig.ram.findIndex((byte) => byte !== 0).toString(16)} was written`);
    rig.ram.fill(0);
  }
  return differences;
}

function codeAddress(rig: Rig, registers: Registers): bigint {
  const rip = big(registers['rip'] ?? registers['eip']!);
  return rig.mode === 16 ? rip + 0x3000_0000n : rip;
}

function execute(rig: Rig, vector: VectorCase, rip: bigint): number {
  if (rig.mode === 'real') return rig.step(MAX_INSTRUCTIONS);
  let fault = rig.step();
  if (!/(^|[0-9a-f]{2})f[23]/.test(vector.c)) return fault;
  // A REP instruction that was interrupted stays where it is.
  for (let resumes = 0; fault < 0 && resumes < MAX_RESUMES && rig.core.getBigUint64(L.RIP, true) === rip; resumes++) fault = rig.step();
  return fault;
}

// -- one instruction in a protected mode

export function loadState(rig: Rig, registers: Registers): bigint {
  const { core } = rig;
  const names = rig.mode === 64 ? GENERAL_64 : GENERAL_32;
  for (let i = 0; i < 16; i++) core.setBigUint64(L.GPR + i * 8, names[i] ? big(registers[names[i]!]!) : 0n, true);
  const rip = big(registers['rip'] ?? registers['eip']!);
  core.setBigUint64(L.RIP, rip, true);
  core.setInt32(L.EVENTS, 0, true);
  rig.system['set_eflags']!(Number(big(registers['fl']!)) | 2);
  for (let i = 0; i < 16; i++) {
    const value = registers[`x${i}`];
    if (value !== undefined) setVector(core, L.XMM + i * L.XMM_STRIDE, big(value));
  }
  const word = (name: string, at: number): void => {
    if (registers[name] !== undefined) core.setUint32(at, Number(big(registers[name])), true);
  };
  word('mxcsr', L.MXCSR);
  word('fcw', L.FCW);
  word('fsw', L.FSW);
  word('ftw', L.FTW);
  const top = (core.getUint32(L.FSW, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const value = registers[`st${i}`];
    if (value !== undefined) setVector(core, L.FPU_REGS + ((top + i) & 7) * 16, big(value));
  }
  return rip;
}

function setVector(core: DataView, at: number, value: bigint): void {
  core.setBigUint64(at, BigInt.asUintN(64, value), true);
  core.setBigUint64(at + 8, value >> 64n, true);
}

function compareState(rig: Rig, file: VectorFile, vector: VectorCase, expected: Registers, differences: string[]): void {
  const { core } = rig;
  const compare = (name: string, actual: bigint, mask = -1n): void => {
    const wanted = expected[name];
    if (wanted !== undefined && (actual & mask) !== (big(wanted) & mask)) differences.push(`${name} is ${hex(actual)} instead of ${wanted}`);
  };
  const names = rig.mode === 64 ? GENERAL_64 : GENERAL_32;
  names.forEach((name, i) => {
    compare(name, core.getBigUint64(L.GPR + i * 8, true) & (rig.mode === 64 ? -1n : 0xffff_ffffn));
  });
  compare(rig.mode === 64 ? 'rip' : 'eip', core.getBigUint64(L.RIP, true));
  compare('fl', BigInt(rig.system['get_eflags']!() as number) & 0xffff_ffffn, BigInt(FLAGS_COMPARED & ~parseInt(vector.u ?? '0', 16)));
  for (let i = 0; i < 16; i++) compare(`x${i}`, getVector(core, L.XMM + i * L.XMM_STRIDE));
  compare('mxcsr', BigInt(core.getUint32(L.MXCSR, true)));
  if (expected['fsw'] === undefined) return;
  compare('fcw', BigInt(core.getUint32(L.FCW, true)));
  compare('fsw', BigInt(core.getUint32(L.FSW, true)), 0xffffn & ~BigInt(parseInt(vector.us ?? '0', 16)));
  compare('ftw', BigInt(core.getUint32(L.FTW, true)));
  const top = (core.getUint32(L.FSW, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const actual = getVector(core, L.FPU_REGS + ((top + i) & 7) * 16) & ((1n << 80n) - 1n);
    const wanted = big(expected[`st${i}`]!);
    const distance = ordinal(actual) - ordinal(wanted);
    if (distance > BigInt(file.tolerance) || -distance > BigInt(file.tolerance))
      differences.push(`st${i} is ${hex(actual)} instead of ${hex(wanted)}`);
  }
}

/** Position of a normal 80-bit value among its neighbours: the integer bit is not part of the count. */
function ordinal(value: bigint): bigint {
  return ((value >> 64n) << 63n) | BigInt.asUintN(63, value);
}

function getVector(core: DataView, at: number): bigint {
  return core.getBigUint64(at, true) | (core.getBigUint64(at + 8, true) << 64n);
}

// -- real mode, 80286

function loadReal(rig: Rig, registers: Registers): bigint {
  const gpr = Array.from({ length: 16 }, (_, i) => (GENERAL_16[i] ? big(registers[GENERAL_16[i]]!) : 0n));
  const segment = (name: (typeof SEGMENTS_286)[number]): CpuState['segments']['cs'] => {
    const selector = parseInt(registers[name]!, 16);
    return { selector, base: BigInt(selector) << 4n, limit: 0xffff, attributes: 0x9300 };
  };
  const table = { selector: 0, base: 0n, limit: 0x3ff, attributes: 0 };
  const other = { ...segment('ds'), selector: 0, base: 0n };
  const segments = { es: segment('es'), cs: segment('cs'), ss: segment('ss'), ds: segment('ds'), fs: other, gs: other };
  const system = { ldtr: { ...table, attributes: 0x8200 }, tr: { ...table, attributes: 0x8b00 }, gdtr: table, idtr: table };
  const rip = big(registers['ip']!);
  rig.load({ gpr, rip, eflags: (parseInt(registers['flags']!, 16) & 0x0fff) | 2, segments: { ...segments, ...system } });
  return rip;
}

/** An exception has pushed FLAGS: its undefined bits, and the top four, are not compared either. */
function maskPushedFlags(rig: Rig, touched: Map<number, number>, expected: Registers, undefinedBits: number): void {
  const mask = (0xf000 | undefinedBits) & 0xffff;
  const [ss, sp] = [parseInt(expected['ss']!, 16), parseInt(expected['sp']!, 16)];
  for (const byte of [0, 1]) {
    const at = ss * 16 + ((sp + 4 + byte) & 0xffff);
    const ignored = (mask >> (8 * byte)) & 0xff;
    const wanted = touched.get(at);
    if (wanted !== undefined) touched.set(at, (wanted & ~ignored) | (rig.ram[at]! & ignored));
  }
}

function compareReal(rig: Rig, expected: Registers, undefinedBits: number, differences: string[]): void {
  const { core } = rig;
  const compare = (name: string, actual: number, mask = 0xffff): void => {
    const wanted = parseInt(expected[name]!, 16);
    if ((actual & mask) !== (wanted & mask)) differences.push(`${name} is ${actual.toString(16)} instead of ${expected[name]!}`);
  };
  GENERAL_16.forEach((name, i) => compare(name, core.getUint16(L.GPR + i * 8, true)));
  SEGMENTS_286.forEach((name, i) => compare(name, core.getUint16(L.SEGMENTS + i * L.SEG_STRIDE + L.SEG_SELECTOR, true)));
  compare('ip', core.getUint16(L.RIP, true));
  compare('flags', rig.system['get_eflags']!() as number, 0x0fff & ~undefinedBits);
}
