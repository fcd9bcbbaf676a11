/**
 * Double extended-precision values (SDM vol.1 4.2.2) and their rounding (4.8.4, 8.1.5.2). A value is a 64-bit significand with an explicit integer
 * bit and a word of sign (bit 15) and biased exponent. Functions that yield one leave it in `zSig` and `zExp`; exceptions of the operation
 * under way collect in `raised`, the direction of rounding in `roundedUp` (C1).
 */
import { FCW, MXCSR } from '../../layout.ts';
import { roundNarrow } from './narrow';

export const IE: u32 = 0x01;
export const DE: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;
export const SF: u32 = 0x40;

export const EXP_BIAS: i32 = 0x3fff;
export const EXP_MAX: i32 = 0x7fff;
export const INTEGER_BIT: u64 = 0x8000000000000000;
const QUIET_BIT: u64 = 0x4000000000000000;
/** Added to or taken from the exponent when underflow or overflow is not masked (SDM vol.1 4.9.1.4, 4.9.1.5). */
const UNMASKED_ADJUSTMENT: i32 = 0x6000;

export const ROUND_NEAREST: u32 = 0;
export const ROUND_DOWN: u32 = 1;
export const ROUND_UP: u32 = 2;
export const ROUND_ZERO: u32 = 3;

export let zSig: u64 = 0;
export let zExp: u32 = 0; // sign in bit 15
export let raised: u32 = 0;
export let roundedUp: u32 = 0;
/** Low half of a 128-bit result of `multiplyWide` and `shiftRightJam`. */
export let low: u64 = 0;

/** A denormal 32- or 64-bit memory operand: normal once converted, but it raises DE where the operation does not yield a NaN. */
export let memoryDenormal: bool = false;

/** Exception masks and rounding in force, laid out as FCW: masks in bits 0..5, PC in 8..9, RC in 10..11. */
export let control: u32 = 0;
/** Fraction bits of the format that results are rounded to: 0 extended (precision control applies), 23 or 52 for the SSE instructions. */
export let target: i32 = 0;
/** With a target: `roundPack` was reached and its result is in `narrowBits`; otherwise z holds a special value. */
export let narrowed: bool = false;
export let narrowBits: u64 = 0;

export function begin(): void {
  raised = 0;
  roundedUp = 0;
  memoryDenormal = false;
  control = load<u32>(FCW);
  target = 0;
}

/** The same for an SSE operation: masks and rounding of MXCSR, results of `fractionBits`. Exceptions go on collecting. */
export function beginNarrow(fractionBits: i32): void {
  const mxcsr = load<u32>(MXCSR);
  control = ((mxcsr >> 7) & 0x3f) | (((mxcsr >> 13) & 3) << 10) | 0x300;
  target = fractionBits;
  narrowed = false;
  memoryDenormal = false;
}

export function clearRaised(): void {
  raised = 0;
}

export function setMemoryDenormal(denormal: bool): void {
  memoryDenormal = denormal;
}

export function raise(flags: u32): void {
  raised |= flags;
}

export function setRoundedUp(up: u32): void {
  roundedUp = up;
}

export function setZ(exp: u32, sig: u64): void {
  zExp = exp;
  zSig = sig;
}

// @ts-ignore: decorator
@inline
export function isMasked(flag: u32): bool {
  return (control & flag) != 0;
}

// @ts-ignore: decorator
@inline
export function roundingControl(): u32 {
  return (control >> 10) & 3;
}

/** Significand bits that precision control drops: 40 for single, 11 for double, 0 for extended. */
// @ts-ignore: decorator
@inline
export function droppedBits(): u32 {
  const pc = (control >> 8) & 3;
  return pc == 0 ? 40 : pc == 2 ? 11 : 0;
}

// -- classes

/** Pseudo-NaN, pseudo-infinity, unnormal: the integer bit is missing. Invalid operands since the 387 (SDM vol.1 8.2.2). */
// @ts-ignore: decorator
@inline
export function isUnsupported(exp: u32, sig: u64): bool {
  return (exp & 0x7fff) != 0 && !(sig & INTEGER_BIT);
}
// @ts-ignore: decorator
@inline
export function isNaN80(exp: u32, sig: u64): bool {
  return (exp & 0x7fff) == 0x7fff && (sig & INTEGER_BIT) != 0 && sig << 1 != 0;
}
// @ts-ignore: decorator
@inline
export function isSignalling(exp: u32, sig: u64): bool {
  return isNaN80(exp, sig) && !(sig & QUIET_BIT);
}
// @ts-ignore: decorator
@inline
export function isInfinity(exp: u32, sig: u64): bool {
  return (exp & 0x7fff) == 0x7fff && sig == INTEGER_BIT;
}
// @ts-ignore: decorator
@inline
export function isZero(exp: u32, sig: u64): bool {
  return (exp & 0x7fff) == 0 && sig == 0;
}
/** Denormal or pseudo-denormal. */
// @ts-ignore: decorator
@inline
export function isDenormal(exp: u32, sig: u64): bool {
  return (exp & 0x7fff) == 0 && sig != 0;
}

export function setDefaultNaN(): void {
  setZ(0xffff, 0xc000000000000000);
}

export function invalid(): void {
  raised |= IE;
  setDefaultNaN();
}

export function setZero(sign: u32): void {
  setZ(sign << 15, 0);
}

export function setInfinity(sign: u32): void {
  setZ((sign << 15) | 0x7fff, INTEGER_BIT);
}

/** The result when an operand is a NaN or unsupported (SDM vol.1 table 4-7): true if it was one, the result in z. */
export function propagate(aExp: u32, aSig: u64, bExp: u32, bSig: u64): bool {
  if (isUnsupported(aExp, aSig) || isUnsupported(bExp, bSig)) {
    invalid();
    return true;
  }
  const aNaN = isNaN80(aExp, aSig);
  const bNaN = isNaN80(bExp, bSig);
  if (!aNaN && !bNaN) return false;
  const aSignals = isSignalling(aExp, aSig);
  const bSignals = isSignalling(bExp, bSig);
  if (aSignals || bSignals) raised |= IE;
  let first: bool;
  if (aNaN != bNaN) first = aNaN;
  else if (aSignals != bSignals) first = bSignals; // of a signalling and a quiet NaN the quiet one is kept
  else if (aSig != bSig) first = aSig > bSig;
  else first = aExp < bExp; // equal significands: the positive one
  if (first) setZ(aExp, aSig | QUIET_BIT);
  else setZ(bExp, bSig | QUIET_BIT);
  return true;
}

/** The same for one operand. */
export function propagateOne(exp: u32, sig: u64): bool {
  if (isUnsupported(exp, sig)) {
    invalid();
    return true;
  }
  if (!isNaN80(exp, sig)) return false;
  if (!(sig & QUIET_BIT)) raised |= IE;
  setZ(exp, sig | QUIET_BIT);
  return true;
}

// -- 128-bit arithmetic

/** High half of the product; low half in `low`. */
export function multiplyWide(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const p00 = a0 * b0;
  const p01 = a0 * b1;
  const p10 = a1 * b0;
  const middle = (p00 >> 32) + (p01 & 0xffffffff) + (p10 & 0xffffffff);
  low = (middle << 32) | (p00 & 0xffffffff);
  return a1 * b1 + (p01 >> 32) + (p10 >> 32) + (middle >> 32);
}

/** Quotient of hi:lo / d for hi < d and d normalised; remainder in `low` (Knuth, algorithm D with 32-bit digits). */
export function divideWide(hi: u64, lo: u64, d: u64): u64 {
  const d1 = d >> 32;
  const d0 = d & 0xffffffff;
  let q1 = hi / d1;
  let r = hi - q1 * d1;
  const lo1 = lo >> 32;
  while (q1 > 0xffffffff || q1 * d0 > ((r << 32) | lo1)) {
    q1--;
    r += d1;
    if (r > 0xffffffff) break;
  }
  const middle = (hi << 32) + lo1 - q1 * d;
  let q0 = middle / d1;
  r = middle - q0 * d1;
  const lo0 = lo & 0xffffffff;
  while (q0 > 0xffffffff || q0 * d0 > ((r << 32) | lo0)) {
    q0--;
    r += d1;
    if (r > 0xffffffff) break;
  }
  low = (middle << 32) + lo0 - q0 * d;
  return (q1 << 32) + q0;
}

/** hi:lo shifted right by `count` >= 0, bits lost ORed into the lowest: high half returned, low half in `low`. */
export function shiftRightJam(hi: u64, lo: u64, count: i32): u64 {
  if (count == 0) {
    low = lo;
    return hi;
  }
  if (count < 64) {
    low = (hi << (64 - count)) | (lo >> count) | u64(lo << (64 - count) != 0);
    return hi >> count;
  }
  if (count == 64) {
    low = hi | u64(lo != 0);
    return 0;
  }
  if (count < 128) {
    low = (hi >> (count - 64)) | u64(((hi << (128 - count)) | lo) != 0);
    return 0;
  }
  low = u64((hi | lo) != 0);
  return 0;
}

// -- rounding

/** Whether sig.ext must be incremented at the bit above `dropped` bits of sig. */
function increments(sign: u32, sig: u64, ext: u64, dropped: u32, mode: u32): bool {
  const rest = dropped ? sig & ((<u64>1 << dropped) - 1) : 0;
  if ((rest | ext) == 0) return false;
  if (mode == ROUND_NEAREST) {
    if (dropped) {
      const half = <u64>1 << (dropped - 1);
      if (rest != half) return rest > half;
      return ext != 0 || ((sig >> dropped) & 1) != 0;
    }
    if (ext != INTEGER_BIT) return ext > INTEGER_BIT;
    return (sig & 1) != 0;
  }
  if (mode == ROUND_DOWN) return sign != 0;
  if (mode == ROUND_UP) return sign == 0;
  return false;
}

/** Rounds and packs the value sign * sig.ext * 2^(exp - bias), `sig` normalised (or all zero), to the precision and direction of FCW. */
export function roundPack(sign: u32, exp: i32, sig: u64, ext: u64): void {
  roundPackTo(sign, exp, sig, ext, droppedBits());
}

export function roundPackTo(sign: u32, exp: i32, sig: u64, ext: u64, dropped: u32): void {
  if (target != 0) {
    narrowBits = roundNarrow(sign, exp - EXP_BIAS, sig, ext, target);
    narrowed = true;
    return;
  }
  const mode = roundingControl();
  const keep = ~((<u64>1 << dropped) - 1);
  if (exp <= 0) {
    // Tininess is detected after rounding with an unbounded exponent (SDM vol.1 4.9.1.5).
    const tiny = exp < 0 || !increments(sign, sig, ext, dropped, mode) || ((sig & keep) + (<u64>1 << dropped)) != 0;
    if (tiny && !isMasked(UE)) {
      raised |= UE;
      exp += UNMASKED_ADJUSTMENT;
    } else {
      sig = shiftRightJam(sig, ext, 1 - exp);
      ext = low;
      const rest = (sig & ~keep) | ext;
      if (rest != 0) {
        raised |= tiny ? UE | PE : PE;
        const up = increments(sign, sig, ext, dropped, mode);
        sig &= keep;
        if (up) sig += <u64>1 << dropped;
        roundedUp = u32(up);
      }
      setZ((sign << 15) | u32(sig >> 63), sig);
      return;
    }
  }
  const inexact = ((sig & ~keep) | ext) != 0;
  const up = increments(sign, sig, ext, dropped, mode);
  sig &= keep;
  if (up) {
    sig += <u64>1 << dropped;
    if (sig == 0) {
      sig = INTEGER_BIT;
      exp++;
    }
  }
  if (exp >= EXP_MAX) {
    raised |= OE;
    if (isMasked(OE)) {
      raised |= PE;
      const toInfinity = mode == ROUND_NEAREST || mode == (sign ? ROUND_DOWN : ROUND_UP);
      roundedUp = u32(toInfinity);
      if (toInfinity) setInfinity(sign);
      else setZ((sign << 15) | 0x7ffe, keep);
      return;
    }
    exp -= UNMASKED_ADJUSTMENT;
  }
  if (inexact) {
    raised |= PE;
    roundedUp = u32(up);
  }
  setZ((sign << 15) | <u32>exp, sig);
}

/** The same for a significand that may have leading zeros. */
export function normalizeRoundPack(sign: u32, exp: i32, sig: u64, ext: u64): void {
  if (sig == 0) {
    if (ext == 0) {
      setZero(sign);
      return;
    }
    sig = ext;
    ext = 0;
    exp -= 64;
  }
  const shift = <i32>clz(sig);
  if (shift) {
    sig = (sig << shift) | (ext >> (64 - shift));
    ext <<= shift;
    exp -= shift;
  }
  roundPack(sign, exp, sig, ext);
}
