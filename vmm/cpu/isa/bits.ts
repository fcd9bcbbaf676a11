/** Single bits, bit scans and counts, byte order, BMI (SDM vol.1 7.3.6, 5.1.16). */
import type { Encoding } from './encoding.ts';
import type { Machine, Operand, Size, Text } from './machine.ts';
import type { Bit, Int } from './value.ts';
import {
  add,
  and,
  bitOf,
  clz,
  ctz,
  eq,
  greaterU,
  isZeroValue,
  lessU,
  ne,
  neg,
  not,
  or,
  popcnt,
  select,
  shl,
  shrS,
  shrU,
  signExtend,
  sub,
  truncate,
  xor,
} from './value.ts';

type Change = (value: Int, mask: Int) => Int;

const LOG2: Readonly<Record<Size, bigint>> = { 8: 3n, 16: 4n, 32: 5n, 64: 6n };

/** BT and relatives on a register, or on memory with an immediate: the bit number is taken modulo the operand size. */
function bitWithin(m: Machine, size: Size, to: Operand, number: Int, change: Change | undefined): void {
  const a = change ? m.readForWrite(to) : m.read(to);
  const index = m.let(and(number, BigInt(size - 1)));
  const cf = m.let(bitOf(a, index));
  if (change) m.write(to, truncate(change(a, shl(1n, index)), size));
  m.setFlags({ cf });
}

/** With a register as bit number and memory, the number reaches beyond the operand (vol.2 3.1.1.9, bit(BitBase, BitOffset)). */
function bitBeyond(m: Machine, size: Size, to: Operand, number: Int, change: Change | undefined): void {
  const words = shrS(signExtend(number, size), LOG2[size]);
  const offset = m.let(truncate(add(m.effectiveAddress(to), shl(words, LOG2[size] - 3n)), m.addressSize));
  const segment = m.segmentOf(to);
  const a = m.load(segment, offset, size);
  const index = m.let(and(number, BigInt(size - 1)));
  const cf = m.let(bitOf(a, index));
  if (change) m.store(segment, offset, size, truncate(change(a, shl(1n, index)), size));
  m.setFlags({ cf });
}

const byRegister =
  (change?: Change): Text =>
  (m, size, to, number) => {
    if (to.kind === 'mem') bitBeyond(m, size, to, m.read(number), change);
    else bitWithin(m, size, to, m.read(number), change);
  };
const byImmediate =
  (change?: Change): Text =>
  (m, size, to, number) => {
    bitWithin(m, size, to, m.read(number), change);
  };

const changes: readonly (readonly [string, string, number, Change | undefined])[] = [
  ['bt', '0F A3', 4, undefined],
  ['bts', '0F AB', 5, (a, mask) => or(a, mask)],
  ['btr', '0F B3', 6, (a, mask) => and(a, not(mask))],
  ['btc', '0F BB', 7, (a, mask) => xor(a, mask)],
];

/** BSF and BSR leave the destination alone when the source is zero (documented by AMD, done by Intel). */
const scan =
  (find: (value: Int, size: Size) => Int): Text =>
  (m, size, to, from) => {
    const value = m.read(from);
    const zero = m.let(isZeroValue(value));
    m.if(
      zero,
      () => undefined,
      () => m.write(to, find(value, size)),
    );
    m.setFlags({ zf: zero });
  };
const bsf = scan((value) => ctz(value));
const bsr = scan((value) => sub(63n, clz(value)));

const counting =
  (count: (value: Int, size: Size) => Int): Text =>
  (m, size, to, from) => {
    const value = m.read(from);
    const r = m.let(count(value, size));
    m.write(to, r);
    m.setFlags({ cf: isZeroValue(value), zf: isZeroValue(r) });
  };
const lzcnt = counting((value, size) => sub(clz(value), BigInt(64 - size)));
const tzcnt = counting((value, size) => (size === 64 ? ctz(value) : ctz(or(value, 1n << BigInt(size)))));
const popcntText: Text = (m, _size, to, from) => {
  const value = m.read(from);
  m.write(to, popcnt(value));
  m.setFlags({ zf: isZeroValue(value), cf: 0, of: 0, sf: 0, af: 0, pf: 0 });
};

/** The bytes of a value of `size` bits in reverse order. */
export function swapBytes(value: Int, size: Size): Int {
  const bytes = size / 8;
  let result: Int = 0n;
  for (let i = 0; i < bytes; i++) {
    result = or(result, shl(and(shrU(value, BigInt(i * 8)), 0xffn), BigInt((bytes - 1 - i) * 8)));
  }
  return result;
}

/** BSWAP of a 16-bit register is undefined; processors clear it. */
const bswap: Text = (m, size, register) => {
  m.write(register, size === 16 ? 0n : swapBytes(m.read(register), size));
};
const movbe: Text = (m, size, to, from) => {
  m.write(to, swapBytes(m.read(from), size));
};

const crc32: Text = (m, _size, to, from) => {
  const value = m.read(from);
  m.write(to, m.callInt('crc32c', truncate(m.read(to), 32), value, from.size / 8));
};

// -- BMI1

function bmiFlags(m: Machine, size: Size, r: Int, cf: Bit): void {
  m.flagsResult(size, r, { cf, of: 0 });
}
const andn: Text = (m, size, to, inverted, from) => {
  const b = m.read(from);
  const r = m.let(and(truncate(not(m.read(inverted)), size), b));
  m.write(to, r);
  bmiFlags(m, size, r, 0);
};
const lowest =
  (operate: (value: Int) => Int, carry: (value: Int) => Bit): Text =>
  (m, size, to, from) => {
    const value = m.read(from);
    const r = m.let(truncate(operate(value), size));
    m.write(to, r);
    bmiFlags(m, size, r, carry(value));
  };
const blsr = lowest((v) => and(v, sub(v, 1n)), isZeroValue);
const blsmsk = lowest((v) => xor(v, sub(v, 1n)), isZeroValue);
const blsi = lowest(
  (v) => and(v, neg(v)),
  (v) => ne(v, 0n),
);
const bextr: Text = (m, size, to, from, control) => {
  const c = m.read(control);
  const value = m.read(from);
  const start = m.let(and(c, 0xffn));
  const length = m.let(and(shrU(c, 8n), 0xffn));
  const shifted = select(lessU(start, BigInt(size)), shrU(value, start), 0n);
  const mask = select(lessU(length, 64n), sub(shl(1n, length), 1n), 0xffff_ffff_ffff_ffffn);
  const r = m.let(and(shifted, mask));
  m.write(to, r);
  m.setFlags({ zf: eq(r, 0n), cf: 0, of: 0 });
};

// -- BMI2

const bzhi: Text = (m, size, to, from, index) => {
  const n = m.let(and(m.read(index), 0xffn));
  const value = m.read(from);
  const beyond = m.let(greaterU(n, BigInt(size - 1)));
  const r = m.let(select(beyond, value, and(value, sub(shl(1n, n), 1n))));
  m.write(to, r);
  m.flagsResult(size, r, { cf: beyond, of: 0 });
};
const scatter =
  (helper: 'deposit_bits' | 'extract_bits'): Text =>
  (m, _size, to, from, mask) => {
    const selection = m.read(mask);
    m.write(to, m.callInt(helper, m.read(from), selection));
  };

/** Both widths of a VEX instruction on general registers; `operands` with y for the width. */
const vex = (opcode: string, operands: string, name: string, text: Text, feature: string): Encoding[] =>
  (['W0', 'W1'] as const).map((w) => ({
    opcode: opcode.replace('Wx', w),
    operands: operands.replaceAll('y', w === 'W0' ? 'd' : 'q'),
    text,
    name,
    feature,
  }));

export const bitEncodings: readonly Encoding[] = [
  ...changes.flatMap(([name, opcode, row, change]): Encoding[] => [
    { opcode, operands: 'Ev Gv', text: byRegister(change), name, lock: change !== undefined, addressed: true },
    { opcode: `0F BA /${row}`, operands: 'Ev Ib', text: byImmediate(change), name, lock: change !== undefined, hot: name === 'bt' },
  ]),
  { opcode: '0F BC', operands: 'Gv Ev', text: bsf },
  { opcode: '0F BD', operands: 'Gv Ev', text: bsr },
  { opcode: 'F3 0F BC', operands: 'Gv Ev', text: tzcnt, feature: 'bmi1' },
  { opcode: 'F3 0F BD', operands: 'Gv Ev', text: lzcnt, feature: 'lzcnt' },
  { opcode: 'F3 0F B8', operands: 'Gv Ev', text: popcntText, name: 'popcnt', feature: 'popcnt' },
  { opcode: '0F C8+r', operands: 'Zv', text: bswap, feature: 'i486' },
  { opcode: '0F 38 F0', operands: 'Gv Mv', text: movbe, feature: 'movbe' },
  { opcode: '0F 38 F1', operands: 'Mv Gv', text: movbe, feature: 'movbe' },
  { opcode: 'F2 0F 38 F0', operands: 'Gy Eb', text: crc32, feature: 'sse4_2' },
  { opcode: 'F2 0F 38 F1', operands: 'Gy Ev', text: crc32, feature: 'sse4_2' },
  ...vex('VEX.LZ.NP.0F38.Wx F2', 'Gy By Ey', 'andn', andn, 'bmi1'),
  ...vex('VEX.LZ.NP.0F38.Wx F3 /1', 'By Ey', 'blsr', blsr, 'bmi1'),
  ...vex('VEX.LZ.NP.0F38.Wx F3 /2', 'By Ey', 'blsmsk', blsmsk, 'bmi1'),
  ...vex('VEX.LZ.NP.0F38.Wx F3 /3', 'By Ey', 'blsi', blsi, 'bmi1'),
  ...vex('VEX.LZ.NP.0F38.Wx F7', 'Gy Ey By', 'bextr', bextr, 'bmi1'),
  ...vex('VEX.LZ.NP.0F38.Wx F5', 'Gy Ey By', 'bzhi', bzhi, 'bmi2'),
  ...vex('VEX.LZ.F2.0F38.Wx F5', 'Gy By Ey', 'pdep', scatter('deposit_bits'), 'bmi2'),
  ...vex('VEX.LZ.F3.0F38.Wx F5', 'Gy By Ey', 'pext', scatter('extract_bits'), 'bmi2'),
];
