/**
 * Floating point with a 128-bit significand, for the transcendental instructions: results are then within an ulp of 64 bits with room to spare.
 * A value is {sign, exponent of the leading bit, significand hi:lo with the top bit set}; zero has hi = 0. Values live in slots of static memory.
 */
import { EXP_BIAS, low, multiplyWide, roundPackTo, shiftRightJam } from './float80.ts';

/** A slot: hi u64 at 0, lo u64 at 8, exponent i32 at 16, sign u32 at 20. */
const SLOT: usize = 24;
const slots = memory.data(32 * 24, 16);

// @ts-ignore: decorator
@inline
export function slot(n: usize): usize {
  return slots + n * SLOT;
}
// @ts-ignore: decorator
@inline
export function hiOf(s: usize): u64 {
  return load<u64>(s);
}
// @ts-ignore: decorator
@inline
export function loOf(s: usize): u64 {
  return load<u64>(s, 8);
}
// @ts-ignore: decorator
@inline
export function expOf(s: usize): i32 {
  return load<i32>(s, 16);
}
// @ts-ignore: decorator
@inline
export function signOf(s: usize): u32 {
  return load<u32>(s, 20);
}

export function setWide(s: usize, sign: u32, exp: i32, hi: u64, lo: u64): void {
  store<u64>(s, hi);
  store<u64>(s, lo, 8);
  store<i32>(s, exp, 16);
  store<u32>(s, sign, 20);
}

export function copyWide(to: usize, from: usize): void {
  memory.copy(to, from, SLOT);
}

export function negateWide(s: usize): void {
  store<u32>(s, signOf(s) ^ 1, 20);
}

/** Multiplies by 2^n. */
export function scaleWide(s: usize, n: i32): void {
  store<i32>(s, expOf(s) + n, 16);
}

/** Normalises hi:lo with the leading bit's exponent given for bit 127. */
function setNormalized(s: usize, sign: u32, exp: i32, hi: u64, lo: u64): void {
  if (hi == 0) {
    if (lo == 0) {
      setWide(s, sign, 0, 0, 0);
      return;
    }
    hi = lo;
    lo = 0;
    exp -= 64;
  }
  const shift = <i32>clz(hi);
  if (shift) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
  }
  setWide(s, sign, exp - shift, hi, lo);
}

/** From an extended value that is finite; normalises denormals. */
export function fromExtended(s: usize, exp: u32, sig: u64): void {
  const e = <i32>(exp & 0x7fff);
  setNormalized(s, exp >> 15, (e == 0 ? 1 : e) - EXP_BIAS, sig, 0);
}

export function fromInteger(s: usize, n: i64): void {
  setNormalized(s, u32(n < 0), 63, <u64>(n < 0 ? -n : n), 0);
}

/** Rounds to an extended value; the result is in z. A result that is not zero is never exact: the sticky bit is set. */
export function toExtended(s: usize): void {
  roundPackTo(signOf(s), expOf(s) + EXP_BIAS, hiOf(s), loOf(s) | 1, 0);
}

export function addWide(r: usize, a: usize, b: usize): void {
  if (hiOf(a) == 0) {
    copyWide(r, b);
    return;
  }
  if (hiOf(b) == 0) {
    copyWide(r, a);
    return;
  }
  if (expOf(a) < expOf(b) || (expOf(a) == expOf(b) && (hiOf(a) < hiOf(b) || (hiOf(a) == hiOf(b) && loOf(a) < loOf(b))))) {
    const t = a;
    a = b;
    b = t;
  }
  const gap = expOf(a) - expOf(b);
  const bHi = gap > 127 ? 0 : shiftRightJam(hiOf(b), loOf(b), gap);
  const bLo = gap > 127 ? 1 : low; // sticky: what is too small to add still decides rounding
  const aHi = hiOf(a);
  const aLo = loOf(a);
  const exp = expOf(a);
  const sign = signOf(a);
  if (sign == signOf(b)) {
    let lo = aLo + bLo;
    const carry = u64(lo < aLo);
    let hi = aHi + bHi + carry;
    if (hi < aHi || (carry != 0 && hi == aHi)) {
      lo = (lo >> 1) | (hi << 63);
      hi = (hi >> 1) | 0x8000000000000000;
      setWide(r, sign, exp + 1, hi, lo);
    } else setWide(r, sign, exp, hi, lo);
    return;
  }
  const borrow = u64(aLo < bLo);
  setNormalized(r, sign, exp, aHi - bHi - borrow, aLo - bLo);
}

export function subtractWide(r: usize, a: usize, b: usize): void {
  const t = slot(31);
  copyWide(t, b);
  negateWide(t);
  addWide(r, a, t);
}

export function multiply(r: usize, a: usize, b: usize): void {
  const sign = signOf(a) ^ signOf(b);
  if (hiOf(a) == 0 || hiOf(b) == 0) {
    setWide(r, sign, 0, 0, 0);
    return;
  }
  const exp = expOf(a) + expOf(b) + 1;
  let hi = multiplyWide(hiOf(a), hiOf(b));
  let lo = low;
  const c1 = multiplyWide(hiOf(a), loOf(b));
  const c2 = multiplyWide(loOf(a), hiOf(b));
  let sum = lo + c1;
  hi += u64(sum < lo);
  lo = sum;
  sum = lo + c2;
  hi += u64(sum < lo);
  setNormalized(r, sign, exp, hi, sum);
}

/** Divides by an integer 1 <= n < 2^32. */
export function divideSmall(r: usize, a: usize, n: u64): void {
  const hi = hiOf(a);
  const lo = loOf(a);
  const q3 = hi / n;
  let rem = hi % n;
  let part = (rem << 32) | (lo >> 32);
  const q1 = part / n;
  rem = part % n;
  part = (rem << 32) | (lo & 0xffffffff);
  const q0 = part / n;
  setNormalized(r, signOf(a), expOf(a), q3, (q1 << 32) + q0);
}

/** a / b by Newton's iteration on the reciprocal, from a double; uses slots 28..30. */
export function divide(r: usize, a: usize, b: usize): void {
  const x = slot(28);
  const t = slot(29);
  const two = slot(30);
  // 1 / b's significand, to 53 bits
  const d = <f64>(hiOf(b) >> 11) * 2.220446049250313e-16; // [1, 2)
  const q = 1.0 / d;
  const bits = reinterpret<u64>(q);
  setWide(x, signOf(b), <i32>((bits >> 52) & 0x7ff) - 1023 - expOf(b), ((bits << 11) | 0x8000000000000000), 0);
  fromInteger(two, 2);
  for (let i = 0; i < 2; i++) {
    multiply(t, x, b);
    subtractWide(t, two, t);
    multiply(x, x, t);
  }
  multiply(r, a, x);
}
