/**
 * Single- and double-precision arithmetic as SSE does it (SDM vol.1 11.5): every exception flag, rounding mode, DAZ and FTZ. The common case is done
 * by the host's floating point: to nearest, everything masked, no denormal operand, a result in range; whether it is exact (PE) is worked out while PE is
 * not sticky yet. The rest goes through the extended arithmetic of ../fpu with the result rounded once to the narrow format.
 */
import { CR4, MXCSR } from '../../layout.ts';
import { add80, divide80, multiply80, squareRoot80, subtract80 } from '../fpu/arithmetic';
import { fromF32, fromF64 } from '../fpu/convert';
import { DE, EXP_BIAS, IE, beginNarrow, clearRaised, narrowBits, narrowed, raise, raised, zExp, zSig } from '../fpu/float80';
import { roundNarrow } from '../fpu/narrow';
import { fault } from '../system/state';

const DAZ: u32 = 0x40;
const FTZ: u32 = 0x8000;
const PE: u32 = 0x20;
const RC: u32 = 0x6000;
const MASKS: u32 = 0x1f80;
const CR4_OSXMMEXCPT: u64 = 0x400;
const VECTOR_UD: i32 = 6;
const VECTOR_XM: i32 = 19;

// operations are numbered by the low digit of their opcode 0F 5x
export const SQRT: u32 = 1;
export const ADD: u32 = 8;
export const MUL: u32 = 9;
export const SUB: u32 = 12;
export const MIN: u32 = 13;
export const DIV: u32 = 14;
export const MAX: u32 = 15;

/** The host's arithmetic may be used: the only flag that a result in range of operands that are not denormal can raise is PE. */
// @ts-ignore: decorator
@inline
function isDefault(): bool {
  return (load<u32>(MXCSR) & (MASKS | RC | FTZ)) == MASKS;
}
// @ts-ignore: decorator
@inline
function isPrecisionNoted(): bool {
  return (load<u32>(MXCSR) & PE) != 0;
}

/** Bits of a significand without its trailing zeros. */
// @ts-ignore: decorator
@inline
function odd(sig: u64): u64 {
  return sig >> ctz(sig);
}
// @ts-ignore: decorator
@inline
function length(value: u64): u64 {
  return 64 - clz(value);
}

/** a * b has `bits` bits at most; both are odd. */
function productFits(a: u64, b: u64, bits: u64): bool {
  const sum = length(a) + length(b);
  return sum <= bits || (sum == bits + 1 && length(a * b) <= bits);
}

/** a * b == c; all are odd. */
function productIs(a: u64, b: u64, c: u64): bool {
  return length(a) + length(b) <= 64 && a * b == c;
}

export function beginOperation(): void {
  clearRaised();
}

/** Sets the sticky flags. True when the destination may be written; otherwise #XM (or #UD) is pending. */
export function commit(): bool {
  const flags = raised & 0x3f;
  const mxcsr = load<u32>(MXCSR) | flags;
  store<u32>(MXCSR, mxcsr);
  if ((flags & ~(mxcsr >> 7)) == 0) return true;
  fault(load<u64>(CR4) & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD, -1);
  return false;
}

// -- double

const EXP64: u64 = 0x7ff0000000000000;
const SIGN64: u64 = 0x8000000000000000;
const QUIET64: u64 = 0x8000000000000;
const SMALLEST64: u64 = 0x10000000000000;
const DEFAULT_NAN64: u64 = 0xfff8000000000000;

// @ts-ignore: decorator
@inline
function isOrdinary64(bits: u64): bool {
  const exp = bits & EXP64;
  return exp != 0 && exp != EXP64;
}
/** Finite, and not tiny before rounding either. */
// @ts-ignore: decorator
@inline
function isInRange64(bits: u64): bool {
  const magnitude = bits & ~SIGN64;
  return magnitude > SMALLEST64 && magnitude < EXP64;
}
// @ts-ignore: decorator
@inline
function isZero64(bits: u64): bool {
  return bits << 1 == 0;
}
// @ts-ignore: decorator
@inline
export function isNaN64(bits: u64): bool {
  return (bits & ~SIGN64) > EXP64;
}
// @ts-ignore: decorator
@inline
export function isSignalling64(bits: u64): bool {
  return isNaN64(bits) && (bits & QUIET64) == 0;
}
// @ts-ignore: decorator
@inline
export function isDenormal64(bits: u64): bool {
  return (bits & EXP64) == 0 && (bits & ~SIGN64) != 0;
}

/** Denormals are zeros: the operand as the operation sees it. */
export function admit64(bits: u64): u64 {
  return (load<u32>(MXCSR) & DAZ) && isDenormal64(bits) ? bits & SIGN64 : bits;
}

/** The NaN of an operation with a NaN operand: the first operand if it is one, quiet (SDM vol.1 table 4-7). */
function nan64(a: u64, b: u64): u64 {
  if (isSignalling64(a) || isSignalling64(b)) raise(IE);
  return (isNaN64(a) ? a : b) | QUIET64;
}

// @ts-ignore: decorator
@inline
function oddOf64(bits: u64): u64 {
  return odd((bits & (SMALLEST64 - 1)) | SMALLEST64);
}

/** The result r of a op b is exact: r is in range or an exact zero, and sums are calm. */
function isExact64(op: u32, a: u64, b: u64, r: u64): bool {
  if (op == ADD || op == SUB) {
    // Knuth's TwoSum: the rounding error of a sum is a double
    const x = reinterpret<f64>(a);
    const y = op == SUB ? -reinterpret<f64>(b) : reinterpret<f64>(b);
    const sum = reinterpret<f64>(r);
    const part = sum - x;
    return x - (sum - part) + (y - part) == 0;
  }
  if (isZero64(r)) return true;
  if (op == MUL) return productFits(oddOf64(a), oddOf64(b), 53);
  return productIs(oddOf64(r), oddOf64(b), oddOf64(a));
}

/** TwoSum's intermediate results cannot overflow. */
// @ts-ignore: decorator
@inline
function isCalm64(bits: u64): bool {
  return (bits & EXP64) < 0x7fd0000000000000;
}

export function operate64(op: u32, a: u64, b: u64): u64 {
  if (isDefault() && !isDenormal64(a) && !isDenormal64(b)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    if (op == MIN || op == MAX) {
      if (x == x && y == y) return (op == MIN ? x < y : x > y) ? a : b;
    } else {
      let r: u64;
      let good: bool;
      if (op == ADD || op == SUB) {
        r = reinterpret<u64>(op == ADD ? x + y : x - y);
        // a tiny sum is exact
        good = (r & EXP64) != EXP64 && (isPrecisionNoted() || (isCalm64(a) && isCalm64(b) && isCalm64(r)));
      } else if (op == MUL) {
        r = reinterpret<u64>(x * y);
        good = isInRange64(r) || (isZero64(r) && (isZero64(a) || isZero64(b)));
      } else {
        r = reinterpret<u64>(x / y);
        good = isInRange64(r) || (isZero64(r) && isZero64(a));
      }
      if (good) {
        if (!isPrecisionNoted() && !isExact64(op, a, b, r)) raise(PE);
        return r;
      }
    }
  }
  a = admit64(a);
  b = admit64(b);
  if (op == MIN || op == MAX) {
    if (isNaN64(a) || isNaN64(b)) {
      raise(IE);
      return b;
    }
    if (isDenormal64(a) || isDenormal64(b)) raise(DE);
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    return (op == MIN ? x < y : x > y) ? a : b;
  }
  if (isNaN64(a) || isNaN64(b)) return nan64(a, b);
  beginNarrow(52);
  fromF64(a);
  const exp = zExp;
  const sig = zSig;
  fromF64(b); // notes a denormal of either
  slow(op, exp, sig);
  return result64();
}

/** Through the extended arithmetic: z is the second operand. */
function slow(op: u32, exp: u32, sig: u64): void {
  if (op == ADD) add80(exp, sig, zExp, zSig);
  else if (op == SUB) subtract80(exp, sig, zExp, zSig);
  else if (op == MUL) multiply80(exp, sig, zExp, zSig);
  else divide80(exp, sig, zExp, zSig);
}

/** z, which is zero, infinite or the default NaN, or what was rounded. */
function result64(): u64 {
  if (narrowed) return narrowBits;
  const sign = <u64>(zExp >> 15) << 63;
  if ((zExp & 0x7fff) == 0) return sign;
  return zSig << 1 != 0 ? DEFAULT_NAN64 : sign | EXP64;
}

export function squareRoot64(a: u64): u64 {
  if (isDefault() && isOrdinary64(a) && !(a & SIGN64)) {
    const r = reinterpret<u64>(sqrt<f64>(reinterpret<f64>(a)));
    if (!isPrecisionNoted() && !productIs(oddOf64(r), oddOf64(r), oddOf64(a))) raise(PE);
    return r;
  }
  a = admit64(a);
  if (isNaN64(a)) return nan64(a, a);
  beginNarrow(52);
  fromF64(a);
  squareRoot80(zExp, zSig);
  finishDenormalRoot(isDenormal64(a) && !(a & SIGN64));
  return result64();
}

/** The operand was normalised on the way in, so the root itself could not see that it was denormal. */
function finishDenormalRoot(denormal: bool): void {
  if (denormal) raise(DE);
}

// -- single: the same

const EXP32: u32 = 0x7f800000;
const SIGN32: u32 = 0x80000000;
const QUIET32: u32 = 0x400000;
const SMALLEST32: u32 = 0x800000;
const DEFAULT_NAN32: u32 = 0xffc00000;

// @ts-ignore: decorator
@inline
function isOrdinary32(bits: u32): bool {
  const exp = bits & EXP32;
  return exp != 0 && exp != EXP32;
}
// @ts-ignore: decorator
@inline
function isInRange32(bits: u32): bool {
  const magnitude = bits & ~SIGN32;
  return magnitude > SMALLEST32 && magnitude < EXP32;
}
// @ts-ignore: decorator
@inline
function isZero32(bits: u32): bool {
  return bits << 1 == 0;
}
// @ts-ignore: decorator
@inline
export function isNaN32(bits: u32): bool {
  return (bits & ~SIGN32) > EXP32;
}
// @ts-ignore: decorator
@inline
export function isSignalling32(bits: u32): bool {
  return isNaN32(bits) && (bits & QUIET32) == 0;
}
// @ts-ignore: decorator
@inline
export function isDenormal32(bits: u32): bool {
  return (bits & EXP32) == 0 && (bits & ~SIGN32) != 0;
}

export function admit32(bits: u32): u32 {
  return (load<u32>(MXCSR) & DAZ) && isDenormal32(bits) ? bits & SIGN32 : bits;
}

function nan32(a: u32, b: u32): u32 {
  if (isSignalling32(a) || isSignalling32(b)) raise(IE);
  return (isNaN32(a) ? a : b) | QUIET32;
}

/** As isExact64; products of singles are exact in double precision. */
function isExact32(op: u32, a: u32, b: u32, r: u32): bool {
  const x = reinterpret<f32>(a);
  const y = op == SUB ? -reinterpret<f32>(b) : reinterpret<f32>(b);
  const z = reinterpret<f32>(r);
  if (op == MUL) return <f64>x * <f64>y == <f64>z;
  if (op == DIV) return z == 0 || <f64>z * <f64>y == <f64>x;
  const part = z - x;
  return x - (z - part) + (y - part) == 0;
}

// @ts-ignore: decorator
@inline
function isCalm32(bits: u32): bool {
  return (bits & EXP32) < 0x7e800000;
}

export function operate32(op: u32, a: u32, b: u32): u32 {
  if (isDefault() && !isDenormal32(a) && !isDenormal32(b)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    if (op == MIN || op == MAX) {
      if (x == x && y == y) return (op == MIN ? x < y : x > y) ? a : b;
    } else {
      let r: u32;
      let good: bool;
      if (op == ADD || op == SUB) {
        r = reinterpret<u32>(op == ADD ? x + y : x - y);
        good = (r & EXP32) != EXP32 && (isPrecisionNoted() || (isCalm32(a) && isCalm32(b) && isCalm32(r)));
      } else if (op == MUL) {
        r = reinterpret<u32>(x * y);
        good = isInRange32(r) || (isZero32(r) && (isZero32(a) || isZero32(b)));
      } else {
        r = reinterpret<u32>(x / y);
        good = isInRange32(r) || (isZero32(r) && isZero32(a));
      }
      if (good) {
        if (!isPrecisionNoted() && !isExact32(op, a, b, r)) raise(PE);
        return r;
      }
    }
  }
  a = admit32(a);
  b = admit32(b);
  if (op == MIN || op == MAX) {
    if (isNaN32(a) || isNaN32(b)) {
      raise(IE);
      return b;
    }
    if (isDenormal32(a) || isDenormal32(b)) raise(DE);
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    return (op == MIN ? x < y : x > y) ? a : b;
  }
  if (isNaN32(a) || isNaN32(b)) return nan32(a, b);
  beginNarrow(23);
  fromF32(a);
  const exp = zExp;
  const sig = zSig;
  fromF32(b);
  slow(op, exp, sig);
  return result32();
}

function result32(): u32 {
  if (narrowed) return <u32>narrowBits;
  const sign = (zExp >> 15) << 31;
  if ((zExp & 0x7fff) == 0) return sign;
  return zSig << 1 != 0 ? DEFAULT_NAN32 : sign | EXP32;
}

export function squareRoot32(a: u32): u32 {
  if (isDefault() && isOrdinary32(a) && !(a & SIGN32)) {
    const r = sqrt<f32>(reinterpret<f32>(a));
    if (!isPrecisionNoted() && <f64>r * <f64>r != <f64>reinterpret<f32>(a)) raise(PE);
    return reinterpret<u32>(r);
  }
  a = admit32(a);
  if (isNaN32(a)) return nan32(a, a);
  beginNarrow(23);
  fromF32(a);
  squareRoot80(zExp, zSig);
  finishDenormalRoot(isDenormal32(a) && !(a & SIGN32));
  return result32();
}

// -- conversions between the two, rounded by MXCSR

export function narrowTo32(a: u64): u32 {
  a = admit64(a);
  if (isNaN64(a)) {
    if (isSignalling64(a)) raise(IE);
    return <u32>((a >> 32) & SIGN32) | EXP32 | QUIET32 | <u32>((a >> 29) & 0x3fffff);
  }
  beginNarrow(23);
  fromF64(a);
  const sign = zExp >> 15;
  if ((zExp & 0x7fff) == 0x7fff) return (sign << 31) | EXP32;
  if (zSig == 0) return sign << 31;
  if (isDenormal64(a)) raise(DE);
  return <u32>roundNarrow(sign, <i32>(zExp & 0x7fff) - EXP_BIAS, zSig, 0, 23);
}

export function widenTo64(a: u32): u64 {
  a = admit32(a);
  const sign = <u64>(a >> 31) << 63;
  if (isNaN32(a)) {
    if (isSignalling32(a)) raise(IE);
    return sign | EXP64 | QUIET64 | (<u64>(a & 0x3fffff) << 29);
  }
  if (isDenormal32(a)) raise(DE);
  return reinterpret<u64>(<f64>reinterpret<f32>(a));
}

/** A signed integer to either format; PE when it had to be rounded. */
export function fromInteger(value: i64, fractionBits: i32): u64 {
  if (value == 0) return 0;
  beginNarrow(fractionBits);
  const negative = u32(value < 0);
  const magnitude = negative ? <u64>-value : <u64>value;
  const shift = <i32>clz(magnitude);
  return roundNarrow(negative, 63 - shift, magnitude << shift, 0, fractionBits);
}
