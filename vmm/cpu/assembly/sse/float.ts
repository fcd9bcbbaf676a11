/**
 * Single- and double-precision arithmetic as SSE does it (SDM vol.1 11.5): every exception flag, rounding mode, DAZ and FTZ. The common case is done
 * by the host's floating point: default rounding, everything masked, PE already sticky, operands and result normal. The rest goes through
 * the extended arithmetic of ../fpu with the result rounded once to the narrow format.
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

/** The host's arithmetic may be used: the only flag a normal result of normal operands can raise is PE, and that one is set already. */
// @ts-ignore: decorator
@inline
export function isDefault(): bool {
  return (load<u32>(MXCSR) & (MASKS | RC | FTZ | PE)) == (MASKS | PE);
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
const DEFAULT_NAN64: u64 = 0xfff8000000000000;

// @ts-ignore: decorator
@inline
function isOrdinary64(bits: u64): bool {
  const exp = bits & EXP64;
  return exp != 0 && exp != EXP64;
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

export function operate64(op: u32, a: u64, b: u64): u64 {
  if (isDefault() && isOrdinary64(a) && isOrdinary64(b)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    let r: u64;
    if (op == ADD) r = reinterpret<u64>(x + y);
    else if (op == MUL) r = reinterpret<u64>(x * y);
    else if (op == SUB) r = reinterpret<u64>(x - y);
    else if (op == DIV) r = reinterpret<u64>(x / y);
    else return (op == MIN ? x < y : x > y) ? a : b;
    if (isOrdinary64(r)) return r;
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
  if (isDefault() && isOrdinary64(a) && !(a & SIGN64)) return reinterpret<u64>(sqrt<f64>(reinterpret<f64>(a)));
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
const DEFAULT_NAN32: u32 = 0xffc00000;

// @ts-ignore: decorator
@inline
function isOrdinary32(bits: u32): bool {
  const exp = bits & EXP32;
  return exp != 0 && exp != EXP32;
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

export function operate32(op: u32, a: u32, b: u32): u32 {
  if (isDefault() && isOrdinary32(a) && isOrdinary32(b)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    let r: u32;
    if (op == ADD) r = reinterpret<u32>(x + y);
    else if (op == MUL) r = reinterpret<u32>(x * y);
    else if (op == SUB) r = reinterpret<u32>(x - y);
    else if (op == DIV) r = reinterpret<u32>(x / y);
    else return (op == MIN ? x < y : x > y) ? a : b;
    if (isOrdinary32(r)) return r;
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
  if (isDefault() && isOrdinary32(a) && !(a & SIGN32)) return reinterpret<u32>(sqrt<f32>(reinterpret<f32>(a)));
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
