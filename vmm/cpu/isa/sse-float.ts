/**
 * SSE moves, logic and the floating-point instructions that few programs use (SDM vol.1 10, 11, 12.1..12.10): those are assembly/sse, which works in place
 * on registers; MXCSR and #XM are its business. A scalar instruction keeps the upper part of its destination. Arithmetic is in sse-arithmetic.ts.
 */
import { MXCSR, SCRATCH } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Text } from './machine.ts';
import { sseArithmeticEncodings } from './sse-arithmetic.ts';
import type { Bit, Int, Vector } from './value.ts';
import { and, bitOf, fromBit, lane, low32, op, or, select, shl, shrU, shuffle, signExtend, toBit, vector } from './value.ts';
import { addressOf, beginSse, fromHalves, high64, immediateBit, isMemory, low64, readLow } from './vector.ts';

type Width = 32 | 64 | 128;

// -- arithmetic through helpers

/** (to, from) */
const inPlace =
  (helper: string, width: Width, before: readonly number[] = []): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const source = addressOf(m, from, width);
    m.call(helper, ...before, m.address(to), source);
  };

/** (…, to, from, immediate) */
const inPlaceImmediate =
  (helper: string, width: Width, before: readonly number[] = []): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const source = addressOf(m, from, width);
    m.call(helper, ...before, m.address(to), source, immediateBit(m, imm));
  };

// -- moves

const load =
  (alignment: 'aligned' | 'unaligned'): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    m.writeVector(to, m.readVector(from, alignment));
  };
const store =
  (alignment: 'aligned' | 'unaligned'): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    m.writeVector(to, m.readVector(from), alignment);
  };

/** MOVSS, MOVSD: from memory the rest is cleared, between registers it is kept. */
const loadScalar =
  (width: 32 | 64): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const value = readLow(m, from, width);
    if (isMemory(from)) m.writeVector(to, fromHalves(value, 0n));
    else m.writeVector(to, withLow(m, m.readVector(to), value, width));
  };
const storeScalar =
  (width: 32 | 64): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const value = readLow(m, from, width);
    if (isMemory(to)) m.store(m.segmentOf(to), m.effectiveAddress(to), width, value);
    else m.writeVector(to, withLow(m, m.readVector(to), value, width));
  };

function withLow(_m: Machine, into: Vector, value: Int, width: 32 | 64): Vector {
  return width === 64 ? lane('i64x2.replace_lane', 0, into, value) : lane('i32x4.replace_lane', 0, into, toBit(value));
}

/** MOVLPS/MOVHPS and their PD twins: half of a register from or to memory. */
const loadHalf =
  (index: 0 | 1): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const value = m.load(m.segmentOf(from), m.effectiveAddress(from), 64);
    m.writeVector(to, lane('i64x2.replace_lane', index, m.readVector(to), value));
  };
const storeHalf =
  (index: 0 | 1): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    m.store(m.segmentOf(to), m.effectiveAddress(to), 64, lane('i64x2.extract_lane', index, m.readVector(from)));
  };
const highToLow: Text = (m, _size, to, from) => {
  beginSse(m);
  m.writeVector(to, lane('i64x2.replace_lane', 0, m.readVector(to), high64(m.readVector(from))));
};
const lowToHigh: Text = (m, _size, to, from) => {
  beginSse(m);
  m.writeVector(to, lane('i64x2.replace_lane', 1, m.readVector(to), low64(m.readVector(from))));
};

const unary =
  (f: (v: Vector) => Vector): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    m.writeVector(to, f(m.readVector(from, 'aligned')));
  };
const moveDuplicate: Text = (m, _size, to, from) => {
  beginSse(m);
  m.writeVector(to, op('i64x2.splat', readLow(m, from, 64)));
};

const binary =
  (f: (a: Vector, b: Vector) => Vector): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const b = m.readVector(from, 'aligned');
    m.writeVector(to, f(m.readVector(to), b));
  };
const logic = (digit: string, name: string, f: (a: Vector, b: Vector) => Vector): Encoding[] => [
  { opcode: `NP 0F 5${digit}`, operands: 'Vps Wps', text: binary(f), name: `${name}ps`, feature: 'sse' },
  { opcode: `66 0F 5${digit}`, operands: 'Vpd Wpd', text: binary(f), name: `${name}pd`, feature: 'sse2' },
];
const LOW_WORDS = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const HIGH_WORDS = LOW_WORDS.map((n) => n + 8);
const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const HIGH_HALVES = LOW_HALVES.map((n) => n + 8);
const EVEN_TWICE = [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11];
const ODD_TWICE = EVEN_TWICE.map((n) => n + 4);

/** SHUFPS: two elements of the first operand, two of the second, chosen by pairs of bits. */
const shuffleSingles: Text = (m, _size, to, from, imm) => {
  beginSse(m);
  const b = m.readVector(from, 'aligned');
  const a = m.readVector(to);
  const choice = m.let(m.read(imm));
  const pick = (v: Vector, shift: number): Int => {
    const start = m.let(toBit(shl(and(shrU(choice, BigInt(shift)), 3n), 2n)));
    const indices = op('i8x16.add', vector(0x03020100n), op('i8x16.splat', start));
    return low32(low64(op('i8x16.swizzle', v, indices)));
  };
  const low = or(pick(a, 0), shl(pick(a, 2), 32n));
  const high = or(pick(b, 4), shl(pick(b, 6), 32n));
  m.writeVector(to, fromHalves(low, high));
};
const shuffleDoubles: Text = (m, _size, to, from, imm) => {
  beginSse(m);
  const b = m.readVector(from, 'aligned');
  const a = m.readVector(to);
  const choice = m.let(immediateBit(m, imm));
  m.writeVector(to, fromHalves(select(and(choice, 1), high64(a), low64(a)), select(and(choice, 2), high64(b), low64(b))));
};

const mask =
  (operator: 'i32x4.bitmask' | 'i64x2.bitmask'): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    m.write(to, fromBit(op(operator, m.readVector(from))));
  };

/** INSERTPS: element imm[7:6] of the source (memory: its only one) to imm[5:4], then imm[3:0] clears. */
const insertSingle: Text = (m, _size, to, from, imm) => {
  beginSse(m);
  const choice = m.let(m.read(imm));
  const value = isMemory(from) ? readLow(m, from, 32) : elementOf(m, m.readVector(from), toBit(and(shrU(choice, 6n), 3n)));
  const at = m.let(toBit(shl(and(shrU(choice, 4n), 3n), 2n)));
  const offset = op('i8x16.sub', vector(0x0f0e0d0c0b0a09080706050403020100n), op('i8x16.splat', at));
  const chosen = op('i8x16.lt_u', offset, op('i8x16.splat', 4));
  const inserted = op('v128.bitselect', op('i32x4.splat', toBit(value)), m.readVector(to), chosen);
  const clear = (i: number): Int => select(toBit(and(choice, 1n << BigInt(i))), 0xffff_ffffn, 0n);
  const cleared = fromHalves(or(clear(0), shl(clear(1), 32n)), or(clear(2), shl(clear(3), 32n)));
  m.writeVector(to, op('v128.andnot', inserted, cleared));
};

function elementOf(m: Machine, v: Vector, index: Bit): Int {
  const start = m.let(toBit(shl(fromBit(index), 2n)));
  return low32(low64(op('i8x16.swizzle', v, op('i8x16.add', vector(0x03020100n), op('i8x16.splat', start)))));
}
const extractSingle: Text = (m, _size, to, from, imm) => {
  beginSse(m);
  m.write(to, elementOf(m, m.readVector(from), and(immediateBit(m, imm), 3)));
};

// -- MXCSR, fences

const ldmxcsr: Text = (m, _size, from) => {
  beginSse(m);
  const value = m.read(from);
  m.if(toBit(shrU(value, 16n)), () => m.raise('GP', 0));
  m.setStateBit(MXCSR, toBit(value));
};
const stmxcsr: Text = (m, _size, to) => {
  beginSse(m);
  m.write(to, fromBit(m.stateBit(MXCSR)));
};
/** Fences order nothing that this CPU reorders. */
const fence: Text = () => undefined;

// -- strings, AES, SHA

const stringIndex =
  (explicit: boolean): Text =>
  (m, size, a, b, imm) => {
    beginSse(m);
    const second = addressOf(m, b, 128, 'unaligned');
    const index = explicit
      ? m.callBit('sse_explicit_index', m.address(a), second, immediateBit(m, imm), ...lengths(m, size === 64 ? 64 : 32))
      : m.callBit('sse_implicit_index', m.address(a), second, immediateBit(m, imm));
    m.setRegister(1, 32, fromBit(index));
    stringFlags(m);
  };
const stringMask =
  (explicit: boolean): Text =>
  (m, size, a, b, imm) => {
    beginSse(m);
    const second = addressOf(m, b, 128, 'unaligned');
    // the result goes to XMM0, which may be an operand: by way of SCRATCH
    const result = SCRATCH + 16;
    if (explicit) m.call('sse_explicit_mask', result, m.address(a), second, immediateBit(m, imm), ...lengths(m, size === 64 ? 64 : 32));
    else m.call('sse_implicit_mask', result, m.address(a), second, immediateBit(m, imm));
    m.setVectorRegister(0, fromHalves(m.stateInt(result), m.stateInt(result + 8)));
    stringFlags(m);
  };
function lengths(m: Machine, size: 32 | 64): [Int, Int] {
  return [signExtend(m.getRegister(0, size), size), signExtend(m.getRegister(2, size), size)];
}
function stringFlags(m: Machine): void {
  const flags = m.let(fromBit(m.callBit('sse_string_flags')));
  m.setFlags({ cf: bitOf(flags, 0), zf: bitOf(flags, 6), sf: bitOf(flags, 7), of: bitOf(flags, 11), af: 0, pf: 0 });
}

const sha256Rounds: Text = (m, _size, to, from) => {
  beginSse(m);
  const source = addressOf(m, from, 128, 'unaligned');
  // XMM0 by way of SCRATCH: it may be the destination
  m.setStateVector(SCRATCH + 16, m.getVectorRegister(0));
  m.call('sha256_rounds', m.address(to), source, SCRATCH + 16);
};

/** The SHA instructions take unaligned memory on the processor the vectors come from (AMD; the SDM's exception class 4 asks for alignment). */
const sha = (opcode: string, name: string, helper: string): Encoding => ({
  opcode,
  operands: 'Vx Wx',
  name,
  feature: 'sha',
  text: (m, _size, to, from) => {
    beginSse(m);
    m.call(helper, m.address(to), addressOf(m, from, 128, 'unaligned'));
  },
});
const helper128 = (opcode: string, name: string, feature: string, helper: string, before: readonly number[] = []): Encoding => ({
  opcode,
  operands: 'Vx Wx',
  text: inPlace(helper, 128, before),
  name,
  feature,
});
const aes = (opcode: string, name: string, helper: string, last: number): Encoding => ({
  opcode,
  operands: 'Vx Wx',
  name,
  feature: 'aes',
  text: (m, _size, to, from) => {
    beginSse(m);
    const source = addressOf(m, from, 128);
    m.call(helper, m.address(to), source, last);
  },
});
const withImmediate = (opcode: string, name: string, feature: string, helper: string, width: Width, before: readonly number[] = []): Encoding => ({
  opcode,
  operands: width === 32 ? 'Vss Wss Ib' : width === 64 ? 'Vsd Wsd Ib' : 'Vx Wx Ib',
  text: inPlaceImmediate(helper, width, before),
  name,
  feature,
});

export const sseEncodings: readonly Encoding[] = [
  // moves
  { opcode: 'NP 0F 28', operands: 'Vps Wps', text: load('aligned'), name: 'movaps', feature: 'sse', hot: true },
  { opcode: 'NP 0F 29', operands: 'Wps Vps', text: store('aligned'), name: 'movaps', feature: 'sse', hot: true },
  { opcode: '66 0F 28', operands: 'Vpd Wpd', text: load('aligned'), name: 'movapd', feature: 'sse2', hot: true },
  { opcode: '66 0F 29', operands: 'Wpd Vpd', text: store('aligned'), name: 'movapd', feature: 'sse2', hot: true },
  { opcode: 'NP 0F 10', operands: 'Vps Wps', text: load('unaligned'), name: 'movups', feature: 'sse', hot: true },
  { opcode: 'NP 0F 11', operands: 'Wps Vps', text: store('unaligned'), name: 'movups', feature: 'sse', hot: true },
  { opcode: '66 0F 10', operands: 'Vpd Wpd', text: load('unaligned'), name: 'movupd', feature: 'sse2' },
  { opcode: '66 0F 11', operands: 'Wpd Vpd', text: store('unaligned'), name: 'movupd', feature: 'sse2' },
  { opcode: '66 0F 6F', operands: 'Vx Wx', text: load('aligned'), name: 'movdqa', feature: 'sse2', hot: true },
  { opcode: '66 0F 7F', operands: 'Wx Vx', text: store('aligned'), name: 'movdqa', feature: 'sse2', hot: true },
  { opcode: 'F3 0F 6F', operands: 'Vx Wx', text: load('unaligned'), name: 'movdqu', feature: 'sse2', hot: true },
  { opcode: 'F3 0F 7F', operands: 'Wx Vx', text: store('unaligned'), name: 'movdqu', feature: 'sse2', hot: true },
  { opcode: 'F2 0F F0', operands: 'Vx Mx', text: load('unaligned'), name: 'lddqu', feature: 'sse3' },
  { opcode: '66 0F 38 2A', operands: 'Vx Mx', text: load('aligned'), name: 'movntdqa', feature: 'sse4_1' },
  { opcode: 'NP 0F 2B', operands: 'Mps Vps', text: store('aligned'), name: 'movntps', feature: 'sse' },
  { opcode: '66 0F 2B', operands: 'Mpd Vpd', text: store('aligned'), name: 'movntpd', feature: 'sse2' },
  { opcode: '66 0F E7', operands: 'Mx Vx', text: store('aligned'), name: 'movntdq', feature: 'sse2' },
  { opcode: 'NP 0F C3', operands: 'My Gy', text: (m, _size, to, from) => m.write(to, m.read(from)), name: 'movnti', feature: 'sse2' },
  { opcode: 'F3 0F 10', operands: 'Vss Wss', text: loadScalar(32), name: 'movss', feature: 'sse', hot: true },
  { opcode: 'F3 0F 11', operands: 'Wss Vss', text: storeScalar(32), name: 'movss', feature: 'sse', hot: true },
  { opcode: 'F2 0F 10', operands: 'Vsd Wsd', text: loadScalar(64), name: 'movsd', feature: 'sse2', hot: true },
  { opcode: 'F2 0F 11', operands: 'Wsd Vsd', text: storeScalar(64), name: 'movsd', feature: 'sse2', hot: true },
  { opcode: 'NP 0F 12', operands: 'Vps Mq', text: loadHalf(0), name: 'movlps', feature: 'sse' },
  { opcode: '66 0F 12', operands: 'Vpd Mq', text: loadHalf(0), name: 'movlpd', feature: 'sse2' },
  { opcode: 'NP 0F 12', operands: 'Vps Ups', text: highToLow, name: 'movhlps', feature: 'sse' },
  { opcode: 'NP 0F 13', operands: 'Mq Vps', text: storeHalf(0), name: 'movlps', feature: 'sse' },
  { opcode: '66 0F 13', operands: 'Mq Vpd', text: storeHalf(0), name: 'movlpd', feature: 'sse2' },
  { opcode: 'NP 0F 16', operands: 'Vps Mq', text: loadHalf(1), name: 'movhps', feature: 'sse' },
  { opcode: '66 0F 16', operands: 'Vpd Mq', text: loadHalf(1), name: 'movhpd', feature: 'sse2' },
  { opcode: 'NP 0F 16', operands: 'Vps Ups', text: lowToHigh, name: 'movlhps', feature: 'sse' },
  { opcode: 'NP 0F 17', operands: 'Mq Vps', text: storeHalf(1), name: 'movhps', feature: 'sse' },
  { opcode: '66 0F 17', operands: 'Mq Vpd', text: storeHalf(1), name: 'movhpd', feature: 'sse2' },
  { opcode: 'F2 0F 12', operands: 'Vpd Wsd', text: moveDuplicate, name: 'movddup', feature: 'sse3' },
  { opcode: 'F3 0F 12', operands: 'Vps Wps', text: unary((v) => shuffle(v, v, EVEN_TWICE)), name: 'movsldup', feature: 'sse3' },
  { opcode: 'F3 0F 16', operands: 'Vps Wps', text: unary((v) => shuffle(v, v, ODD_TWICE)), name: 'movshdup', feature: 'sse3' },
  { opcode: 'NP 0F 50', operands: 'Gd Ups', text: mask('i32x4.bitmask'), name: 'movmskps', feature: 'sse' },
  { opcode: '66 0F 50', operands: 'Gd Upd', text: mask('i64x2.bitmask'), name: 'movmskpd', feature: 'sse2' },
  { opcode: 'NP 0F 14', operands: 'Vps Wps', text: binary((a, b) => shuffle(a, b, LOW_WORDS)), name: 'unpcklps', feature: 'sse' },
  { opcode: 'NP 0F 15', operands: 'Vps Wps', text: binary((a, b) => shuffle(a, b, HIGH_WORDS)), name: 'unpckhps', feature: 'sse' },
  { opcode: '66 0F 14', operands: 'Vpd Wpd', text: binary((a, b) => shuffle(a, b, LOW_HALVES)), name: 'unpcklpd', feature: 'sse2' },
  { opcode: '66 0F 15', operands: 'Vpd Wpd', text: binary((a, b) => shuffle(a, b, HIGH_HALVES)), name: 'unpckhpd', feature: 'sse2' },
  { opcode: 'NP 0F C6', operands: 'Vps Wps Ib', text: shuffleSingles, name: 'shufps', feature: 'sse' },
  { opcode: '66 0F C6', operands: 'Vpd Wpd Ib', text: shuffleDoubles, name: 'shufpd', feature: 'sse2' },
  { opcode: '66 0F 3A 21', operands: 'Vps Wss Ib', text: insertSingle, name: 'insertps', feature: 'sse4_1' },
  { opcode: '66 0F 3A 17', operands: 'Ed Vps Ib', text: extractSingle, name: 'extractps', feature: 'sse4_1' },
  // logic
  ...logic('4', 'and', (a, b) => op('v128.and', a, b)),
  ...logic('5', 'andn', (a, b) => op('v128.andnot', b, a)),
  ...logic('6', 'or', (a, b) => op('v128.or', a, b)),
  ...logic('7', 'xor', (a, b) => op('v128.xor', a, b)),
  // arithmetic
  ...sseArithmeticEncodings,
  { opcode: 'NP 0F 52', operands: 'Vps Wps', text: inPlace('sse_reciprocal', 128, [1, 4]), name: 'rsqrtps', feature: 'sse' },
  { opcode: 'F3 0F 52', operands: 'Vss Wss', text: inPlace('sse_reciprocal', 32, [1, 1]), name: 'rsqrtss', feature: 'sse' },
  { opcode: 'NP 0F 53', operands: 'Vps Wps', text: inPlace('sse_reciprocal', 128, [0, 4]), name: 'rcpps', feature: 'sse' },
  { opcode: 'F3 0F 53', operands: 'Vss Wss', text: inPlace('sse_reciprocal', 32, [0, 1]), name: 'rcpss', feature: 'sse' },
  { opcode: 'F2 0F D0', operands: 'Vps Wps', text: inPlace('sse_horizontal_ps', 128, [0]), name: 'addsubps', feature: 'sse3' },
  { opcode: 'F2 0F 7C', operands: 'Vps Wps', text: inPlace('sse_horizontal_ps', 128, [1]), name: 'haddps', feature: 'sse3' },
  { opcode: 'F2 0F 7D', operands: 'Vps Wps', text: inPlace('sse_horizontal_ps', 128, [2]), name: 'hsubps', feature: 'sse3' },
  { opcode: '66 0F D0', operands: 'Vpd Wpd', text: inPlace('sse_horizontal_pd', 128, [0]), name: 'addsubpd', feature: 'sse3' },
  { opcode: '66 0F 7C', operands: 'Vpd Wpd', text: inPlace('sse_horizontal_pd', 128, [1]), name: 'haddpd', feature: 'sse3' },
  { opcode: '66 0F 7D', operands: 'Vpd Wpd', text: inPlace('sse_horizontal_pd', 128, [2]), name: 'hsubpd', feature: 'sse3' },
  withImmediate('66 0F 3A 40', 'dpps', 'sse4_1', 'sse_dot_ps', 128),
  withImmediate('66 0F 3A 41', 'dppd', 'sse4_1', 'sse_dot_pd', 128),
  withImmediate('66 0F 3A 08', 'roundps', 'sse4_1', 'sse_round_ps', 128, [4]),
  withImmediate('66 0F 3A 09', 'roundpd', 'sse4_1', 'sse_round_pd', 128, [2]),
  withImmediate('66 0F 3A 0A', 'roundss', 'sse4_1', 'sse_round_ps', 32, [1]),
  withImmediate('66 0F 3A 0B', 'roundsd', 'sse4_1', 'sse_round_pd', 64, [1]),
  // control
  { opcode: 'NP 0F AE /2', operands: 'Md', text: ldmxcsr, name: 'ldmxcsr', feature: 'sse' },
  { opcode: 'NP 0F AE /3', operands: 'Md', text: stmxcsr, name: 'stmxcsr', feature: 'sse' },
  ...[5, 6, 7].flatMap((reg) =>
    Array.from({ length: 8 }, (_, rm): Encoding => ({
      opcode: `NP 0F AE ${(0xc0 + reg * 8 + rm).toString(16).toUpperCase()}`,
      text: fence,
      name: ['lfence', 'mfence', 'sfence'][reg - 5]!,
    })),
  ),
  // strings, AES, SHA, GFNI
  { opcode: '66 0F 3A 60', operands: 'Vx Wx Ib', text: stringMask(true), name: 'pcmpestrm', feature: 'sse4_2' },
  { opcode: '66 0F 3A 61', operands: 'Vx Wx Ib', text: stringIndex(true), name: 'pcmpestri', feature: 'sse4_2' },
  { opcode: '66 0F 3A 62', operands: 'Vx Wx Ib', text: stringMask(false), name: 'pcmpistrm', feature: 'sse4_2' },
  { opcode: '66 0F 3A 63', operands: 'Vx Wx Ib', text: stringIndex(false), name: 'pcmpistri', feature: 'sse4_2' },
  aes('66 0F 38 DC', 'aesenc', 'aes_encrypt', 0),
  aes('66 0F 38 DD', 'aesenclast', 'aes_encrypt', 1),
  aes('66 0F 38 DE', 'aesdec', 'aes_decrypt', 0),
  aes('66 0F 38 DF', 'aesdeclast', 'aes_decrypt', 1),
  helper128('66 0F 38 DB', 'aesimc', 'aes', 'aes_inverse_mix'),
  withImmediate('66 0F 3A DF', 'aeskeygenassist', 'aes', 'aes_key_assist', 128),
  helper128('66 0F 38 CF', 'gf2p8mulb', 'gfni', 'gf_multiply_bytes'),
  sha('NP 0F 38 C8', 'sha1nexte', 'sha1_next_e'),
  sha('NP 0F 38 C9', 'sha1msg1', 'sha1_message1'),
  sha('NP 0F 38 CA', 'sha1msg2', 'sha1_message2'),
  { opcode: 'NP 0F 38 CB', operands: 'Vx Wx', text: sha256Rounds, name: 'sha256rnds2', feature: 'sha' },
  sha('NP 0F 38 CC', 'sha256msg1', 'sha256_message1'),
  sha('NP 0F 38 CD', 'sha256msg2', 'sha256_message2'),
  {
    opcode: 'NP 0F 3A CC',
    operands: 'Vx Wx Ib',
    name: 'sha1rnds4',
    feature: 'sha',
    text: (m, _size, to, from, imm) => {
      beginSse(m);
      m.call('sha1_rounds', m.address(to), addressOf(m, from, 128, 'unaligned'), immediateBit(m, imm));
    },
  },
];
