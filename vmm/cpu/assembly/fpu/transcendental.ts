/**
 * FSIN FCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 by series in 128-bit arithmetic (SDM vol.1 8.3.6-8.3.10). Arguments of the trigonometric ones
 * are reduced with the processor's 66-bit pi, as the hardware does: the recorded vectors of large arguments agree with that value only.
 */
import {
  DE, EXP_BIAS, INTEGER_BIT, PE, ZE,
  invalid, isDenormal, isInfinity, isZero, propagate, propagateOne, raise, roundPackTo, setInfinity, setZ, setZero,
} from './float80.ts';
import {
  addWide, copyWide, divide, divideSmall, expOf, fromExtended, fromInteger, hiOf, multiply, negateWide, scaleWide, setWide, signOf, slot, subtractWide, toExtended,
} from './wide.ts';

// slots 0..9 are this file's temporaries, 10 the result of a series
const PI_HI: u64 = 0xc90fdaa22168c234;
const PI_LO: u64 = 0xc4c6628b80dc1cd1;

function setPi(s: usize, exponent: i32): void {
  setWide(s, 0, exponent, PI_HI, PI_LO);
}

/** r = sin(a) when `first` is 1, cos(a) when it is 0, for |a| <= pi/4: the alternating series of a^k / k! from k = first. */
function alternating(r: usize, a: usize, first: u64): void {
  const square = slot(0);
  const term = slot(1);
  multiply(square, a, a);
  if (first) copyWide(term, a);
  else fromInteger(term, 1);
  copyWide(r, term);
  if (hiOf(a) == 0) return;
  for (let k = first + 1; k < 60; k += 2) {
    multiply(term, term, square);
    divideSmall(term, term, k * (k + 1));
    negateWide(term);
    addWide(r, r, term);
    if (expOf(term) < expOf(r) - 130) break;
  }
}

/** Reduces a finite extended value below 2^63 to slot 2, |slot 2| <= pi/4; the quadrant is returned. */
function reduce(exp: u32, sig: u64): u32 {
  const a = slot(2);
  const e = <i32>(exp & 0x7fff) - EXP_BIAS;
  const sign = exp >> 15;
  if (e < -1) {
    fromExtended(a, exp, sig);
    return 0;
  }
  // in units of 2^-67, pi/2 is the integer C90FDAA22168C234C
  const mHi: u64 = 0xc;
  const mLo: u64 = 0x90fdaa22168c234c;
  let rHi: u64 = 0;
  let rLo: u64 = 0;
  let quotient: u32 = 0;
  const steps = 64 + e + 4;
  for (let i = 0; i < steps; i++) {
    rHi = (rHi << 1) | (rLo >> 63);
    rLo <<= 1;
    if (i < 64) rLo |= (sig >> (63 - i)) & 1;
    quotient <<= 1;
    if (rHi > mHi || (rHi == mHi && rLo >= mLo)) {
      rHi -= mHi + u64(rLo < mLo);
      rLo -= mLo;
      quotient |= 1;
    }
  }
  let negative = sign;
  const halfHi: u64 = mHi >> 1;
  const halfLo: u64 = (mHi << 63) | (mLo >> 1);
  if (rHi > halfHi || (rHi == halfHi && rLo > halfLo)) {
    const lo = mLo - rLo;
    rHi = mHi - rHi - u64(mLo < rLo);
    rLo = lo;
    negative ^= 1;
    quotient++;
  }
  // normalise rHi:rLo * 2^-67
  if (rHi == 0 && rLo == 0) setWide(a, negative, 0, 0, 0);
  else if (rHi == 0) {
    const shift = <i32>clz(rLo);
    setWide(a, negative, 63 - shift - 67, rLo << shift, 0);
  } else {
    const shift = <i32>clz(rHi);
    setWide(a, negative, 127 - shift - 67, (rHi << shift) | (rLo >> (64 - shift)), rLo << shift);
  }
  // the quadrant of a negative angle is counted backwards
  return sign ? -quotient & 3 : quotient & 3;
}

function sine(r: usize, quadrant: u32): void {
  alternating(r, slot(2), quadrant & 1 ? 0 : 1);
  if (quadrant & 2) negateWide(r);
}

function cosine(r: usize, quadrant: u32): void {
  sine(r, (quadrant + 1) & 3);
}

/** Second result (FSINCOS: cosine, FPTAN: always 1.0 or the NaN) is left by the caller; these return false when |x| >= 2^63 (C2). */
export function outOfRange(exp: u32): bool {
  const e = exp & 0x7fff;
  return e >= <u32>(EXP_BIAS + 63) && e != 0x7fff;
}

/** True when the operand is a NaN, infinite, unsupported or zero and the result of sin or tan is in z. */
function trigonometricSpecial(exp: u32, sig: u64): bool {
  if (propagateOne(exp, sig)) return true;
  if (isInfinity(exp, sig)) {
    invalid();
    return true;
  }
  if (isDenormal(exp, sig)) raise(DE);
  return false;
}

/** x(1 - tiny) for arguments so small that the series is its first term. */
function justBelow(exp: u32, sig: u64): void {
  const a = slot(2);
  fromExtended(a, exp, sig);
  // one unit of the 128-bit significand below
  const one = slot(3);
  setWide(one, signOf(a) ^ 1, expOf(a) - 120, INTEGER_BIT, 0);
  addWide(slot(4), a, one);
  toExtended(slot(4));
}

function justAbove(exp: u32, sig: u64): void {
  fromExtended(slot(2), exp, sig);
  toExtended(slot(2));
}

const TINY: i32 = -40;

export function sin80(exp: u32, sig: u64): void {
  if (trigonometricSpecial(exp, sig)) return;
  if (isZero(exp, sig)) {
    setZ(exp, sig);
    return;
  }
  if (<i32>(exp & 0x7fff) - EXP_BIAS < TINY) {
    justBelow(exp, sig);
    return;
  }
  const quadrant = reduce(exp, sig);
  sine(slot(10), quadrant);
  toExtended(slot(10));
}

export function cos80(exp: u32, sig: u64): void {
  if (trigonometricSpecial(exp, sig)) return;
  if (isZero(exp, sig)) {
    setZ(EXP_BIAS, INTEGER_BIT);
    return;
  }
  if (<i32>(exp & 0x7fff) - EXP_BIAS < TINY) {
    roundPackTo(0, EXP_BIAS - 1, 0xffffffffffffffff, 0xffffffffffffffff, 0);
    return;
  }
  const quadrant = reduce(exp, sig);
  cosine(slot(10), quadrant);
  toExtended(slot(10));
}

export function tan80(exp: u32, sig: u64): void {
  if (trigonometricSpecial(exp, sig)) return;
  if (isZero(exp, sig)) {
    setZ(exp, sig);
    return;
  }
  if (<i32>(exp & 0x7fff) - EXP_BIAS < TINY) {
    justAbove(exp, sig);
    return;
  }
  const quadrant = reduce(exp, sig);
  sine(slot(10), quadrant);
  cosine(slot(11), quadrant);
  divide(slot(12), slot(10), slot(11));
  toExtended(slot(12));
}

/** slot 10 = atan(slot 3) for 0 < slot 3 <= 1: a double's arc tangent, corrected once (the error is cubed). */
function arcTangent(): void {
  const t = slot(3);
  if (expOf(t) < TINY) {
    const one = slot(4);
    setWide(one, 1, expOf(t) - 120, INTEGER_BIT, 0);
    addWide(slot(10), t, one);
    return;
  }
  const approximation = Math.atan(reinterpret<f64>((<u64>(expOf(t) + 1023) << 52) | ((hiOf(t) << 1) >> 12)));
  const bits = reinterpret<u64>(approximation);
  const a = slot(2);
  setWide(a, 0, <i32>(bits >> 52) - 1023, INTEGER_BIT | (bits << 11), 0);
  const s = slot(5);
  const c = slot(6);
  alternating(s, a, 1);
  alternating(c, a, 0);
  // delta = (t cos a - sin a) / (cos a + t sin a)
  const n = slot(7);
  const d = slot(8);
  multiply(n, t, c);
  subtractWide(n, n, s);
  multiply(d, t, s);
  addWide(d, d, c);
  divide(n, n, d);
  addWide(slot(10), a, n);
}

/** FPATAN: arctan(y / x) in the quadrant of (x, y), y = ST1, x = ST0. */
export function atan80(yExp: u32, ySig: u64, xExp: u32, xSig: u64): void {
  if (propagate(yExp, ySig, xExp, xSig)) return;
  if (isDenormal(yExp, ySig) || isDenormal(xExp, xSig)) raise(DE);
  const sign = yExp >> 15;
  const left = xExp >> 15 != 0;
  const r = slot(10);
  const yInfinite = isInfinity(yExp, ySig);
  const xInfinite = isInfinity(xExp, xSig);
  if (yInfinite) {
    if (!xInfinite) setPi(r, 0);
    else if (!left) setPi(r, -1);
    else {
      setPi(r, 1);
      setPi(slot(3), -1);
      subtractWide(r, r, slot(3));
    }
  } else if (xInfinite || isZero(yExp, ySig)) {
    if (!left) {
      setZero(sign);
      return;
    }
    setPi(r, 1);
  } else if (isZero(xExp, xSig)) setPi(r, 0);
  else {
    const y = slot(13);
    const x = slot(14);
    fromExtended(y, yExp & 0x7fff, ySig);
    fromExtended(x, xExp & 0x7fff, xSig);
    const steep = expOf(y) > expOf(x) || (expOf(y) == expOf(x) && hiOf(y) > hiOf(x));
    if (steep) divide(slot(3), x, y);
    else divide(slot(3), y, x);
    if (steep || left || expOf(slot(3)) > -16000) arcTangent();
    else copyWide(r, slot(3));
    if (steep) {
      setPi(slot(4), 0);
      subtractWide(r, slot(4), r);
    }
    if (left) {
      setPi(slot(4), 1);
      subtractWide(r, slot(4), r);
    }
  }
  if (sign) negateWide(r);
  toExtended(r);
}

/** slot 10 = 2^x - 1 for slot 2 = x, |x| <= 1. */
export function exp2m1(exp: u32, sig: u64): void {
  if (propagateOne(exp, sig)) return;
  if (isZero(exp, sig)) {
    setZ(exp, sig);
    return;
  }
  if (isInfinity(exp, sig)) {
    if (exp >> 15) setZ(0x8000 | EXP_BIAS, INTEGER_BIT);
    else setZ(exp, sig);
    return;
  }
  if (isDenormal(exp, sig)) raise(DE);
  const e = <i32>(exp & 0x7fff) - EXP_BIAS;
  if (e >= 0) {
    // the interval's ends are exact (and reported as inexact); beyond them the result is undefined (SDM) and the operand stays
    raise(PE);
    if (e == 0 && sig == INTEGER_BIT) {
      if (exp >> 15) setZ(0x8000 | (EXP_BIAS - 1), INTEGER_BIT);
      else setZ(exp, sig);
    } else setZ(exp, sig);
    return;
  }
  const r = slot(3);
  fromExtended(slot(2), exp, sig);
  setWide(slot(4), 0, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af); // ln 2
  multiply(r, slot(2), slot(4));
  const term = slot(5);
  const sum = slot(10);
  copyWide(term, r);
  copyWide(sum, r);
  for (let k: u64 = 2; k < 60; k++) {
    multiply(term, term, r);
    divideSmall(term, term, k);
    addWide(sum, sum, term);
    if (expOf(term) < expOf(sum) - 130) break;
  }
  toExtended(sum);
}

/** slot 10 = log2((1 + s) / (1 - s)) for slot 3 = s, |s| < 0.18. */
function logarithmSeries(): void {
  const s = slot(3);
  const square = slot(4);
  const power = slot(5);
  const term = slot(6);
  const sum = slot(10);
  copyWide(power, s);
  copyWide(sum, s);
  multiply(square, s, s);
  if (hiOf(s) != 0) {
    for (let k: u64 = 3; k < 100; k += 2) {
      multiply(power, power, square);
      divideSmall(term, power, k);
      addWide(sum, sum, term);
      if (expOf(term) < expOf(sum) - 130) break;
    }
  }
  setWide(term, 0, 1, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88); // 2 log2 e
  multiply(sum, sum, term);
}

/** FYL2X: y * log2(x), y = ST1, x = ST0. */
export function yl2x(yExp: u32, ySig: u64, xExp: u32, xSig: u64): void {
  if (propagate(yExp, ySig, xExp, xSig)) return;
  const ySign = yExp >> 15;
  const xZero = isZero(xExp, xSig);
  if (xExp >> 15 && !xZero) {
    invalid();
    return;
  }
  const one = xExp == EXP_BIAS && xSig == INTEGER_BIT;
  const yZero = isZero(yExp, ySig);
  if (isInfinity(yExp, ySig)) {
    if (one) invalid();
    else {
      if (isDenormal(xExp, xSig)) raise(DE);
      setInfinity(ySign ^ u32(xExp < <u32>EXP_BIAS));
    }
    return;
  }
  if (isInfinity(xExp, xSig)) {
    if (yZero) invalid();
    else {
      if (isDenormal(yExp, ySig)) raise(DE);
      setInfinity(ySign);
    }
    return;
  }
  if (xZero) {
    if (yZero) invalid();
    else {
      if (isDenormal(yExp, ySig)) raise(DE);
      raise(ZE);
      setInfinity(ySign ^ 1);
    }
    return;
  }
  if (isDenormal(yExp, ySig) || isDenormal(xExp, xSig)) raise(DE);
  if (one) {
    setZero(ySign);
    return;
  }
  if (yZero) {
    setZero(ySign ^ u32(xExp < <u32>EXP_BIAS));
    return;
  }
  const m = slot(2);
  fromExtended(m, xExp, xSig);
  let e = expOf(m);
  scaleWide(m, -e);
  if (hiOf(m) > 0xb504f333f9de6484) {
    scaleWide(m, -1);
    e++;
  }
  if (hiOf(m) == INTEGER_BIT && expOf(m) == 0) {
    // a power of two: the logarithm is exact, yet processors report it as inexact
    raise(PE);
    fromInteger(slot(10), e);
    fromExtended(slot(11), yExp, ySig);
    multiply(slot(12), slot(10), slot(11));
    roundPackTo(signOf(slot(12)), expOf(slot(12)) + EXP_BIAS, hiOf(slot(12)), load<u64>(slot(12), 8), 0);
    return;
  }
  fromInteger(slot(11), 1);
  subtractWide(slot(7), m, slot(11));
  addWide(slot(8), m, slot(11));
  divide(slot(3), slot(7), slot(8));
  logarithmSeries();
  fromInteger(slot(11), e);
  addWide(slot(10), slot(10), slot(11));
  fromExtended(slot(11), yExp, ySig);
  multiply(slot(12), slot(10), slot(11));
  toExtended(slot(12));
}

/** FYL2XP1: y * log2(x + 1), |x| < 1 - sqrt(2)/2. */
export function yl2xp1(yExp: u32, ySig: u64, xExp: u32, xSig: u64): void {
  if (propagate(yExp, ySig, xExp, xSig)) return;
  const sign = (yExp ^ xExp) >> 15;
  const xZero = isZero(xExp, xSig);
  if (isInfinity(xExp, xSig)) {
    if (xExp >> 15 || isZero(yExp, ySig)) invalid();
    else setInfinity(yExp >> 15);
    return;
  }
  if (isInfinity(yExp, ySig)) {
    if (xZero) invalid();
    else {
      if (isDenormal(xExp, xSig)) raise(DE);
      setInfinity(sign);
    }
    return;
  }
  if (isDenormal(yExp, ySig) || isDenormal(xExp, xSig)) raise(DE);
  if (xZero || isZero(yExp, ySig)) {
    setZero(sign);
    return;
  }
  const x = slot(2);
  fromExtended(x, xExp, xSig);
  if (xExp >> 15 && expOf(x) >= 0) {
    // 1 + x <= 0 is outside the documented range: the processor returns the operand
    raise(PE);
    setZ(xExp, xSig);
    return;
  }
  fromInteger(slot(11), 2);
  addWide(slot(8), x, slot(11));
  divide(slot(3), x, slot(8));
  if (expOf(x) >= 0) {
    // outside the documented range: log2(1 + x) through the general reduction
    fromInteger(slot(11), 1);
    addWide(slot(2), x, slot(11));
    const e = expOf(slot(2));
    scaleWide(slot(2), -e);
    subtractWide(slot(7), slot(2), slot(11));
    addWide(slot(8), slot(2), slot(11));
    divide(slot(3), slot(7), slot(8));
    logarithmSeries();
    fromInteger(slot(11), e);
    addWide(slot(10), slot(10), slot(11));
  } else logarithmSeries();
  fromExtended(slot(11), yExp, ySig);
  multiply(slot(12), slot(10), slot(11));
  toExtended(slot(12));
}
