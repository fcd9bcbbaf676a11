/** Shifts and rotates (SDM vol.1 7.3.5, 7.3.6; vol.2 SAL, RCL, SHLD, BMI2 forms). Counts are masked to 5 bits, to 6 for 64-bit operands. */
import type { Encoding } from './encoding.ts';
import type { Machine, Operand, Size, Text } from './machine.ts';
import type { Bit, Int } from './value.ts';
import {
  and,
  bitOf,
  fromBit,
  isZeroValue,
  ne,
  or,
  remU,
  rotl,
  rotr,
  select,
  shl,
  shrS,
  shrU,
  signExtend,
  signOf,
  sub,
  toBit,
  truncate,
  xor,
} from './value.ts';

function maskedCount(m: Machine, size: Size, count: Operand): Int {
  return m.let(and(m.read(count), size === 64 ? 63n : 31n));
}

const isNonzero = (value: Int): Bit => ne(value, 0n);

/** Writes r, and the flags if the count is not zero. AF is undefined and cleared. */
function finish(m: Machine, size: Size, to: Operand, r: Int, count: Int, cf: Bit, of: Bit): void {
  const carry = m.let(cf);
  const overflow = m.let(of);
  m.write(to, r);
  m.if(isNonzero(count), () => {
    m.flagsResult(size, r, { cf: carry, of: overflow, af: 0 });
  });
}

const shlText: Text = (m, size, to, by) => {
  const count = maskedCount(m, size, by);
  const a = m.readForWrite(to);
  // bits below 64 are shifted within 64 bits, so the last one out stands at bit `size`
  const wide = m.let(shl(a, count));
  const r = m.let(truncate(wide, size));
  const cf = size === 64 ? bitOf(a, and(sub(64n, count), 63n)) : bitOf(wide, size);
  finish(m, size, to, r, count, cf, xor(signOf(r, size), cf));
};

const shr: Text = (m, size, to, by) => {
  const count = maskedCount(m, size, by);
  const a = m.readForWrite(to);
  const r = m.let(shrU(a, count));
  finish(m, size, to, r, count, bitOf(a, and(sub(count, 1n), 63n)), signOf(a, size));
};

const sar: Text = (m, size, to, by) => {
  const count = maskedCount(m, size, by);
  const a = m.let(signExtend(m.readForWrite(to), size));
  const r = m.let(truncate(shrS(a, count), size));
  finish(m, size, to, r, count, bitOf(a, and(sub(count, 1n), 63n)), 0);
};

/** Rotates leave SF, ZF, AF and PF alone. */
function finishRotate(m: Machine, to: Operand, r: Int, count: Int, cf: Bit, of: Bit): void {
  const carry = m.let(cf);
  const overflow = m.let(of);
  m.write(to, r);
  m.if(isNonzero(count), () => m.setFlags({ cf: carry, of: overflow }));
}

/** A left rotation by 0..63 within `size` bits. */
function rotateLeft(a: Int, count: Int, size: Size): Int {
  if (size === 64) return rotl(a, count);
  if (size === 32) return fromBit(rotl(toBit(a), toBit(count)));
  const n = and(count, BigInt(size - 1));
  return truncate(or(shl(a, n), shrU(a, sub(BigInt(size), n))), size);
}
function rotateRight(a: Int, count: Int, size: Size): Int {
  if (size === 64) return rotr(a, count);
  if (size === 32) return fromBit(rotr(toBit(a), toBit(count)));
  const n = and(count, BigInt(size - 1));
  return truncate(or(shrU(a, n), shl(a, sub(BigInt(size), n))), size);
}

const rol: Text = (m, size, to, by) => {
  const count = maskedCount(m, size, by);
  const r = m.let(rotateLeft(m.readForWrite(to), count, size));
  const cf = bitOf(r, 0);
  finishRotate(m, to, r, count, cf, xor(signOf(r, size), cf));
};

const ror: Text = (m, size, to, by) => {
  const count = maskedCount(m, size, by);
  const r = m.let(rotateRight(m.readForWrite(to), count, size));
  finishRotate(m, to, r, count, signOf(r, size), xor(signOf(r, size), bitOf(r, size - 2)));
};

/** RCL and RCR rotate through CF: by the count modulo size + 1 where that is smaller than the mask. */
function carryCount(m: Machine, size: Size, by: Operand): Int {
  const count = maskedCount(m, size, by);
  return size < 32 ? m.let(remU(count, BigInt(size + 1))) : count;
}

const rcl: Text = (m, size, to, by) => {
  const count = carryCount(m, size, by);
  const a = m.readForWrite(to);
  const carry = fromBit(m.flag('cf'));
  const left = sub(BigInt(size), count);
  const rotated = or(or(shl(a, count), shl(carry, sub(count, 1n))), shrU(shrU(a, left), 1n));
  const r = m.let(select(isZeroValue(count), a, truncate(rotated, size)));
  const cf = m.let(bitOf(a, and(left, 63n)));
  finishRotate(m, to, r, count, cf, xor(signOf(r, size), cf));
};

const rcr: Text = (m, size, to, by) => {
  const count = carryCount(m, size, by);
  const a = m.readForWrite(to);
  const carry = fromBit(m.flag('cf'));
  const left = sub(BigInt(size), count);
  const rotated = or(or(shrU(a, count), shl(carry, left)), shl(shl(a, left), 1n));
  const r = m.let(select(isZeroValue(count), a, truncate(rotated, size)));
  finishRotate(m, to, r, count, bitOf(a, and(sub(count, 1n), 63n)), xor(signOf(r, size), bitOf(r, size - 2)));
};

/** SHLD, SHRD: bits of the second operand are shifted in. Counts beyond 16 of 16-bit operands are undefined. */
const shld: Text = (m, size, to, from, by) => {
  const count = maskedCount(m, size, by);
  const b = m.read(from);
  const a = m.readForWrite(to);
  const left = sub(BigInt(size), count);
  const shifted = truncate(or(shl(a, count), size === 64 ? shrU(shrU(b, 1n), sub(63n, count)) : shrU(b, left)), size);
  const r = m.let(select(isZeroValue(count), a, shifted));
  finish(m, size, to, r, count, bitOf(a, and(left, 63n)), signOf(xor(a, r), size));
};
const shrd: Text = (m, size, to, from, by) => {
  const count = maskedCount(m, size, by);
  const b = m.read(from);
  const a = m.readForWrite(to);
  const left = sub(BigInt(size), count);
  const shifted = truncate(or(shrU(a, count), size === 64 ? shl(shl(b, 1n), sub(63n, count)) : shl(b, left)), size);
  const r = m.let(select(isZeroValue(count), a, shifted));
  finish(m, size, to, r, count, bitOf(a, and(sub(count, 1n), 63n)), signOf(xor(a, r), size));
};

// -- BMI2: no flags, the count in a register (VEX.vvvv) or an immediate

const withoutFlags =
  (shift: (a: Int, count: Int, size: Size) => Int): Text =>
  (m, size, to, from, by) => {
    const count = maskedCount(m, size, by);
    m.write(to, truncate(shift(m.read(from), count, size), size));
  };

const operations: readonly (readonly [string, Text])[] = [
  ['rol', rol],
  ['ror', ror],
  ['rcl', rcl],
  ['rcr', rcr],
  ['shl', shlText],
  ['shr', shr],
  ['sal', shlText],
  ['sar', sar],
];

export const shiftEncodings: readonly Encoding[] = [
  ...operations.flatMap(([name, text], row): Encoding[] => {
    const hot = name === 'shl' || name === 'shr' || name === 'sar';
    return [
      { opcode: `C0 /${row}`, operands: 'Eb Ib', text, name, feature: 'i186' },
      { opcode: `C1 /${row}`, operands: 'Ev Ib', text, name, feature: 'i186', hot: hot || name === 'rol' || name === 'ror' },
      { opcode: `D0 /${row}`, operands: 'Eb 1', text, name },
      { opcode: `D1 /${row}`, operands: 'Ev 1', text, name, hot },
      { opcode: `D2 /${row}`, operands: 'Eb CL', text, name },
      { opcode: `D3 /${row}`, operands: 'Ev CL', text, name, hot },
    ];
  }),
  { opcode: '0F A4', operands: 'Ev Gv Ib', text: shld },
  { opcode: '0F A5', operands: 'Ev Gv CL', text: shld },
  { opcode: '0F AC', operands: 'Ev Gv Ib', text: shrd },
  { opcode: '0F AD', operands: 'Ev Gv CL', text: shrd },
  { opcode: 'VEX.LZ.66.0F38.W0 F7', operands: 'Gd Ed Bd', text: withoutFlags((a, n) => shl(a, n)), name: 'shlx', feature: 'bmi2' },
  { opcode: 'VEX.LZ.66.0F38.W1 F7', operands: 'Gq Eq Bq', text: withoutFlags((a, n) => shl(a, n)), name: 'shlx', feature: 'bmi2' },
  {
    opcode: 'VEX.LZ.F3.0F38.W0 F7',
    operands: 'Gd Ed Bd',
    text: withoutFlags((a, n, size) => shrS(signExtend(a, size), n)),
    name: 'sarx',
    feature: 'bmi2',
  },
  {
    opcode: 'VEX.LZ.F3.0F38.W1 F7',
    operands: 'Gq Eq Bq',
    text: withoutFlags((a, n, size) => shrS(signExtend(a, size), n)),
    name: 'sarx',
    feature: 'bmi2',
  },
  { opcode: 'VEX.LZ.F2.0F38.W0 F7', operands: 'Gd Ed Bd', text: withoutFlags((a, n) => shrU(a, n)), name: 'shrx', feature: 'bmi2' },
  { opcode: 'VEX.LZ.F2.0F38.W1 F7', operands: 'Gq Eq Bq', text: withoutFlags((a, n) => shrU(a, n)), name: 'shrx', feature: 'bmi2' },
  {
    opcode: 'VEX.LZ.F2.0F3A.W0 F0',
    operands: 'Gd Ed Ib',
    text: withoutFlags((a, n, size) => rotateRight(a, n, size)),
    name: 'rorx',
    feature: 'bmi2',
  },
  {
    opcode: 'VEX.LZ.F2.0F3A.W1 F0',
    operands: 'Gq Eq Ib',
    text: withoutFlags((a, n, size) => rotateRight(a, n, size)),
    name: 'rorx',
    feature: 'bmi2',
  },
];
