/** Multiplication, division and decimal adjustment (SDM vol.1 7.3.2, 7.3.3). */
import type { Encoding } from './encoding.ts';
import type { Machine, Operand, Size, Text } from './machine.ts';
import type { Int } from './value.ts';
import {
  add,
  and,
  atLeastU,
  divS,
  divU,
  eq,
  fromBit,
  greaterU,
  lessS,
  lessU,
  low32,
  mul,
  ne,
  not,
  or,
  remS,
  remU,
  select,
  shl,
  shrS,
  shrU,
  signExtend,
  sub,
  truncate,
  xor,
} from './value.ts';

const RAX = 0;
const RDX = 2;

/** High 64 bits of an unsigned product of 64-bit numbers, from 32-bit parts. */
function highUnsigned(m: Machine, a: Int, b: Int): Int {
  const [a0, a1, b0, b1] = [m.let(low32(a)), m.let(shrU(a, 32n)), m.let(low32(b)), m.let(shrU(b, 32n))];
  const p00 = mul(a0, b0);
  const p01 = m.let(mul(a0, b1));
  const p10 = m.let(mul(a1, b0));
  const middle = m.let(add(add(shrU(p00, 32n), low32(p01)), low32(p10)));
  return add(add(mul(a1, b1), shrU(p01, 32n)), add(shrU(p10, 32n), shrU(middle, 32n)));
}

/** The signed one differs by each operand whose partner is negative. */
function highSigned(m: Machine, a: Int, b: Int): Int {
  const unsigned = highUnsigned(m, a, b);
  return sub(sub(unsigned, and(shrS(a, 63n), b)), and(shrS(b, 63n), a));
}

/** Low and high half of a full product of operands of `size` bits. */
function product(m: Machine, size: Size, a: Int, b: Int, signed: boolean): [Int, Int] {
  if (size === 64) return [m.let(mul(a, b)), m.let(signed ? highSigned(m, a, b) : highUnsigned(m, a, b))];
  const wide = m.let(signed ? mul(signExtend(a, size), signExtend(b, size)) : mul(a, b));
  return [m.let(truncate(wide, size)), m.let(truncate(shrU(wide, BigInt(size)), size))];
}

function writeProduct(m: Machine, size: Size, low: Int, high: Int): void {
  if (size === 8) m.setRegister(RAX, 16, or(low, shl(high, 8n)));
  else {
    m.setRegister(RAX, size, low);
    m.setRegister(RDX, size, high);
  }
}

const mulText: Text = (m, size, from) => {
  const [low, high] = product(m, size, m.getRegister(RAX, size), m.read(from), false);
  writeProduct(m, size, low, high);
  const over = m.let(ne(high, 0n));
  m.flagsResult(size, low, { cf: over, of: over, af: 0 });
};

/** CF and OF of a signed product: the high half is not the sign of the low one. */
const overflows = (size: Size, low: Int, high: Int) => ne(high, truncate(shrS(signExtend(low, size), 63n), size));

const imul: Text = (m, size, from) => {
  const [low, high] = product(m, size, m.getRegister(RAX, size), m.read(from), true);
  writeProduct(m, size, low, high);
  const over = m.let(overflows(size, low, high));
  m.flagsResult(size, low, { cf: over, of: over, af: 0 });
};

/** IMUL of two or three operands keeps the low half. */
function imulTo(m: Machine, size: Size, to: Operand, a: Int, b: Int): void {
  const [low, high] = product(m, size, a, b, true);
  const over = m.let(overflows(size, low, high));
  m.write(to, low);
  m.flagsResult(size, low, { cf: over, of: over, af: 0 });
}
const imul2: Text = (m, size, to, from) => imulTo(m, size, to, m.read(to), m.read(from));
const imul3: Text = (m, size, to, from, by) => imulTo(m, size, to, m.read(from), m.read(by));

/** MULX: no flags; the high half wins when both destinations are one register. */
const mulx: Text = (m, size, high, low, from) => {
  const [lowHalf, highHalf] = product(m, size, m.getRegister(RDX, size), m.read(from), false);
  m.write(low, lowHalf);
  m.write(high, highHalf);
};

// -- division: #DE for a zero divisor or a quotient that does not fit

function dividend(m: Machine, size: 8 | 16 | 32): Int {
  if (size === 8) return m.getRegister(RAX, 16);
  return m.let(or(shl(m.getRegister(RDX, size), BigInt(size)), m.getRegister(RAX, size)));
}

function writeQuotient(m: Machine, size: Size, quotient: Int, remainder: Int): void {
  if (size === 8) m.setRegister(RAX, 16, or(truncate(quotient, 8), shl(truncate(remainder, 8), 8n)));
  else {
    m.setRegister(RAX, size, truncate(quotient, size));
    m.setRegister(RDX, size, truncate(remainder, size));
  }
}

const div: Text = (m, size, from) => {
  const by = m.read(from);
  m.if(eq(by, 0n), () => m.raise('DE'));
  if (size === 64) {
    const high = m.getRegister(RDX, 64);
    m.if(atLeastU(high, by), () => m.raise('DE'));
    const quotient = m.callInt('divide_wide', high, m.getRegister(RAX, 64), by);
    writeQuotient(m, 64, quotient, m.callInt('divide_remainder'));
    return;
  }
  const whole = dividend(m, size);
  const quotient = m.let(divU(whole, by));
  m.if(greaterU(quotient, (1n << BigInt(size)) - 1n), () => m.raise('DE'));
  writeQuotient(m, size, quotient, m.let(remU(whole, by)));
};

const idiv: Text = (m, size, from) => {
  const by = m.let(signExtend(m.read(from), size));
  m.if(eq(by, 0n), () => m.raise('DE'));
  if (size === 64) {
    divideSigned64(m, by);
    return;
  }
  const whole = m.let(size === 8 ? signExtend(dividend(m, 8), 16) : size === 16 ? signExtend(dividend(m, 16), 32) : dividend(m, 32));
  // the one quotient that wasm's division traps on: -2^63 / -1
  if (size === 32) m.if(and(eq(whole, 1n << 63n), eq(by, 0xffff_ffff_ffff_ffffn)), () => m.raise('DE'));
  const quotient = m.let(divS(whole, by));
  m.if(ne(signExtend(truncate(quotient, size), size), quotient), () => m.raise('DE'));
  writeQuotient(m, size, quotient, m.let(remS(whole, by)));
};

/** By magnitudes: the remainder has the dividend's sign. */
function divideSigned64(m: Machine, by: Int): void {
  const high = m.getRegister(RDX, 64);
  const low = m.getRegister(RAX, 64);
  const negative = m.let(lessS(high, 0n));
  const divisor = m.let(select(lessS(by, 0n), sub(0n, by), by));
  const magnitudeLow = m.let(select(negative, sub(0n, low), low));
  const magnitudeHigh = m.let(select(negative, add(not(high), fromBit(eq(low, 0n))), high));
  m.if(atLeastU(magnitudeHigh, divisor), () => m.raise('DE'));
  const quotient = m.callInt('divide_wide', magnitudeHigh, magnitudeLow, divisor);
  const remainder = m.callInt('divide_remainder');
  const opposite = m.let(xor(negative, lessS(by, 0n)));
  // 2^63 is in range for negative quotients only
  m.if(greaterU(quotient, add((1n << 63n) - 1n, fromBit(opposite))), () => m.raise('DE'));
  writeQuotient(m, 64, m.let(select(opposite, sub(0n, quotient), quotient)), m.let(select(negative, sub(0n, remainder), remainder)));
}

// -- decimal adjustment (vol.2 AAA...). OF is undefined.

const AL = 8;

const adjustAfter =
  (subtract: boolean): Text =>
  (m) => {
    const al = m.getRegister(RAX, AL);
    const carry = m.flag('cf');
    const low = m.let(or(greaterU(and(al, 15n), 9n), m.flag('af')));
    const high = m.let(or(greaterU(al, 0x99n), carry));
    const change = add(select(low, 6n, 0n), select(high, 0x60n, 0n));
    const r = m.let(truncate(subtract ? sub(al, change) : add(al, change), 8));
    // DAS: a borrow of the low adjustment sets CF too
    const cf = subtract ? or(high, and(low, lessU(al, 6n))) : high;
    m.setRegister(RAX, AL, r);
    m.flagsResult(8, r, { af: low, cf });
  };

const ascii =
  (subtract: boolean): Text =>
  (m) => {
    const ax = m.getRegister(RAX, 16);
    const adjust = m.let(or(greaterU(and(ax, 15n), 9n), m.flag('af')));
    const change = select(adjust, 0x106n, 0n);
    const r = m.let(and(subtract ? sub(ax, change) : add(ax, change), 0xff0fn));
    m.setRegister(RAX, 16, r);
    m.setFlags({ af: adjust, cf: adjust });
  };

const aam: Text = (m, _size, base) => {
  const by = m.read(base);
  m.if(eq(by, 0n), () => m.raise('DE'));
  const al = m.getRegister(RAX, AL);
  const r = m.let(remU(al, by));
  m.setRegister(RAX, 16, or(shl(divU(al, by), 8n), r));
  m.flagsResult(8, r, { cf: 0, of: 0, af: 0 });
};

const aad: Text = (m, _size, base) => {
  const ax = m.getRegister(RAX, 16);
  const r = m.let(truncate(add(mul(shrU(ax, 8n), m.read(base)), ax), 8));
  m.setRegister(RAX, 16, r);
  m.flagsResult(8, r, { cf: 0, of: 0, af: 0 });
};

export const multiplyEncodings: readonly Encoding[] = [
  { opcode: 'F6 /4', operands: 'Eb', text: mulText, name: 'mul' },
  { opcode: 'F7 /4', operands: 'Ev', text: mulText, name: 'mul', hot: true },
  { opcode: 'F6 /5', operands: 'Eb', text: imul },
  { opcode: 'F7 /5', operands: 'Ev', text: imul },
  { opcode: '0F AF', operands: 'Gv Ev', text: imul2, name: 'imul', hot: true },
  { opcode: '69', operands: 'Gv Ev Iz', text: imul3, name: 'imul', hot: true },
  { opcode: '6B', operands: 'Gv Ev Ibs', text: imul3, name: 'imul', hot: true },
  { opcode: 'VEX.LZ.F2.0F38.W0 F6', operands: 'Gd Bd Ed', text: mulx, feature: 'bmi2' },
  { opcode: 'VEX.LZ.F2.0F38.W1 F6', operands: 'Gq Bq Eq', text: mulx, feature: 'bmi2' },
  { opcode: 'F6 /6', operands: 'Eb', text: div },
  { opcode: 'F7 /6', operands: 'Ev', text: div, hot: true },
  { opcode: 'F6 /7', operands: 'Eb', text: idiv },
  { opcode: 'F7 /7', operands: 'Ev', text: idiv, hot: true },
  { opcode: '27', text: adjustAfter(false), name: 'daa', mode: 'i64' },
  { opcode: '2F', text: adjustAfter(true), name: 'das', mode: 'i64' },
  { opcode: '37', text: ascii(false), name: 'aaa', mode: 'i64' },
  { opcode: '3F', text: ascii(true), name: 'aas', mode: 'i64' },
  { opcode: 'D4', operands: 'Ib', text: aam, mode: 'i64' },
  { opcode: 'D5', operands: 'Ib', text: aad, mode: 'i64' },
];
