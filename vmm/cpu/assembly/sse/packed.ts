/** SSE floating-point instructions over registers: `to` and `from` are addresses of 16 bytes in core memory, written only if no exception is unmasked. */
import { MXCSR } from '../../layout.ts';
import { toInteger } from '../fpu/convert';
import { fromF32, fromF64 } from '../fpu/convert';
import { DE, IE, PE, beginNarrow, raise, raised, zExp, zSig } from '../fpu/float80';
import {
  ADD, MUL, SQRT, SUB, admit32, admit64, beginOperation, commit, fromInteger, isDenormal32, isDenormal64, isNaN32, isNaN64, isSignalling32, isSignalling64,
  narrowTo32, operate32, operate64, squareRoot32, squareRoot64, widenTo64,
} from './float';

const result = memory.data(32, 16);

// @ts-ignore: decorator
@inline
function put(to: usize, bytes: usize): void {
  if (commit()) memory.copy(to, result, bytes);
}

function lane32(op: u32, a: u32, b: u32): u32 {
  return op == SQRT ? squareRoot32(b) : operate32(op, a, b);
}

function lane64(op: u32, a: u64, b: u64): u64 {
  return op == SQRT ? squareRoot64(b) : operate64(op, a, b);
}

// -- 0F 51, 58..5F: (operation, to, from)

export function sse_ps(op: u32, to: usize, from: usize): void {
  beginOperation();
  for (let i: usize = 0; i < 16; i += 4) store<u32>(result + i, lane32(op, load<u32>(to + i), load<u32>(from + i)));
  put(to, 16);
}

export function sse_pd(op: u32, to: usize, from: usize): void {
  beginOperation();
  for (let i: usize = 0; i < 16; i += 8) store<u64>(result + i, lane64(op, load<u64>(to + i), load<u64>(from + i)));
  put(to, 16);
}

// scalars by value: a fault may be pending

export function sse_ss(op: u32, a: u32, b: u32): u32 {
  beginOperation();
  const r = lane32(op, a, b);
  commit();
  return r;
}

export function sse_sd(op: u32, a: u64, b: u64): u64 {
  beginOperation();
  const r = lane64(op, a, b);
  commit();
  return r;
}

/** ADDSUBPS, HADDPS, HSUBPS: 0 addsub, 1 hadd, 2 hsub. */
export function sse_horizontal_ps(kind: u32, to: usize, from: usize): void {
  beginOperation();
  if (kind == 0) {
    for (let i: usize = 0; i < 16; i += 4) store<u32>(result + i, operate32(i & 4 ? ADD : SUB, load<u32>(to + i), load<u32>(from + i)));
  } else {
    const op = kind == 1 ? ADD : SUB;
    for (let i: usize = 0; i < 8; i += 4) {
      store<u32>(result + i, operate32(op, load<u32>(to + i * 2), load<u32>(to + i * 2, 4)));
      store<u32>(result + i, operate32(op, load<u32>(from + i * 2), load<u32>(from + i * 2, 4)), 8);
    }
  }
  put(to, 16);
}

export function sse_horizontal_pd(kind: u32, to: usize, from: usize): void {
  beginOperation();
  if (kind == 0) {
    store<u64>(result, operate64(SUB, load<u64>(to), load<u64>(from)));
    store<u64>(result, operate64(ADD, load<u64>(to, 8), load<u64>(from, 8)), 8);
  } else {
    const op = kind == 1 ? ADD : SUB;
    store<u64>(result, operate64(op, load<u64>(to), load<u64>(to, 8)));
    store<u64>(result, operate64(op, load<u64>(from), load<u64>(from, 8)), 8);
  }
  put(to, 16);
}

/** DPPS, DPPD: products of the lanes that imm[7:4] selects are summed in pairs; imm[3:0] selects where the sum goes. */
export function sse_dot_ps(to: usize, from: usize, imm: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < 4; i++) {
    const product = (imm >> (4 + i)) & 1 ? operate32(MUL, load<u32>(to + i * 4), load<u32>(from + i * 4)) : 0;
    store<u32>(result + i * 4, product);
  }
  const low = operate32(ADD, load<u32>(result), load<u32>(result, 4));
  const high = operate32(ADD, load<u32>(result, 8), load<u32>(result, 12));
  const sum = operate32(ADD, low, high);
  for (let i: u32 = 0; i < 4; i++) store<u32>(result + i * 4, (imm >> i) & 1 ? sum : 0);
  put(to, 16);
}

export function sse_dot_pd(to: usize, from: usize, imm: u32): void {
  beginOperation();
  const low = imm & 16 ? operate64(MUL, load<u64>(to), load<u64>(from)) : 0;
  const high = imm & 32 ? operate64(MUL, load<u64>(to, 8), load<u64>(from, 8)) : 0;
  const sum = operate64(ADD, low, high);
  store<u64>(result, imm & 1 ? sum : 0);
  store<u64>(result, imm & 2 ? sum : 0, 8);
  put(to, 16);
}

// -- RCP, RSQRT: 0F 52, 53. Approximate by definition (relative error below 1.5 * 2^-12); no exceptions, DAZ is as if set, results are not denormal

function reciprocal(bits: u32, root: bool): u32 {
  if (isNaN32(bits)) return bits | 0x400000;
  if (isDenormal32(bits)) bits &= 0x80000000;
  const x = reinterpret<f32>(bits);
  if (root) {
    if (x == 0) return (bits & 0x80000000) | 0x7f800000;
    if (x < 0) return 0xffc00000;
    return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(<f64>x)));
  }
  if (x == 0) return (bits & 0x80000000) | 0x7f800000;
  const r = reinterpret<u32>(<f32>1.0 / x);
  return isDenormal32(r) ? r & 0x80000000 : r;
}

export function sse_reciprocal(root: u32, lanes: u32, to: usize, from: usize): void {
  for (let i: u32 = 0; i < lanes; i++) store<u32>(to + i * 4, reciprocal(load<u32>(from + i * 4), root != 0));
}

// -- comparison: predicates 0..7 of CMPccPS (SDM vol.2 CMPPD table 3-1). LT, LE, NLT, NLE signal quiet NaNs too.

function relation32(a: u32, b: u32, signalling: bool): u32 {
  a = admit32(a);
  b = admit32(b);
  if (isNaN32(a) || isNaN32(b)) {
    if (signalling || isSignalling32(a) || isSignalling32(b)) raise(IE);
    return 3;
  }
  if (isDenormal32(a) || isDenormal32(b)) raise(DE);
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  return x < y ? 1 : x == y ? 2 : 0;
}

function relation64(a: u64, b: u64, signalling: bool): u32 {
  a = admit64(a);
  b = admit64(b);
  if (isNaN64(a) || isNaN64(b)) {
    if (signalling || isSignalling64(a) || isSignalling64(b)) raise(IE);
    return 3;
  }
  if (isDenormal64(a) || isDenormal64(b)) raise(DE);
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  return x < y ? 1 : x == y ? 2 : 0;
}

/** relation: 0 greater 1 less 2 equal 3 unordered. */
function holds(relation: u32, predicate: u32): bool {
  const p = predicate & 3;
  let yes: bool;
  if (p == 0) yes = relation == 2;
  else if (p == 1) yes = relation == 1;
  else if (p == 2) yes = relation == 1 || relation == 2;
  else yes = relation == 3;
  return (predicate & 4) != 0 ? !yes : yes;
}

function signals(predicate: u32): bool {
  const p = predicate & 3;
  return p == 1 || p == 2;
}

export function sse_cmp_ps(lanes: u32, to: usize, from: usize, predicate: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < lanes; i++) {
    const r = relation32(load<u32>(to + i * 4), load<u32>(from + i * 4), signals(predicate));
    store<u32>(result + i * 4, holds(r, predicate) ? 0xffffffff : 0);
  }
  put(to, lanes * 4);
}

export function sse_cmp_pd(lanes: u32, to: usize, from: usize, predicate: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < lanes; i++) {
    const r = relation64(load<u64>(to + i * 8), load<u64>(from + i * 8), signals(predicate));
    store<u64>(result + i * 8, holds(r, predicate) ? 0xffffffffffffffff : 0);
  }
  put(to, lanes * 8);
}

const COMPARED: u32 = 0x45; // ZF PF CF of unordered

function flagsOf(relation: u32): i32 {
  return relation == 3 ? COMPARED : relation == 2 ? 0x40 : relation == 1 ? 1 : 0;
}

/** COMISS, UCOMISS (quiet): ZF PF CF as in EFLAGS. A fault may be pending. */
export function sse_comi_ss(a: u32, b: u32, quiet: u32): i32 {
  beginOperation();
  const r = relation32(a, b, quiet == 0);
  commit();
  return flagsOf(r);
}

export function sse_comi_sd(a: u64, b: u64, quiet: u32): i32 {
  beginOperation();
  const r = relation64(a, b, quiet == 0);
  commit();
  return flagsOf(r);
}

// -- conversion

/** Rounding of MXCSR, or truncation. Out of range and NaN: IE and the integer indefinite. */
function integerOf64(a: u64, bits: i32, mode: u32): i64 {
  const indefinite = <i64>(<u64>1 << (bits - 1));
  a = admit64(a);
  if (isNaN64(a)) {
    raise(IE);
    return indefinite;
  }
  beginNarrow(52);
  fromF64(a);
  return toInteger(zExp, zSig, bits, mode);
}

function integerOf32(a: u32, bits: i32, mode: u32): i64 {
  const indefinite = <i64>(<u64>1 << (bits - 1));
  a = admit32(a);
  if (isNaN32(a)) {
    raise(IE);
    return indefinite;
  }
  beginNarrow(23);
  fromF32(a);
  return toInteger(zExp, zSig, bits, mode);
}

// @ts-ignore: decorator
@inline
function modeOf(truncate: u32): u32 {
  return truncate ? 3 : (load<u32>(MXCSR) >> 13) & 3;
}

/** CVT(T)SS2SI: (value, bits 32 or 64, truncate). The result is sign-extended; a fault may be pending. */
export function sse_ss_to_integer(value: u32, bits: i32, truncate: u32): i64 {
  beginOperation();
  const r = integerOf32(value, bits, modeOf(truncate));
  commit();
  return r;
}

export function sse_sd_to_integer(value: u64, bits: i32, truncate: u32): i64 {
  beginOperation();
  const r = integerOf64(value, bits, modeOf(truncate));
  commit();
  return r;
}

export function sse_integer_to_ss(value: i64): u32 {
  beginOperation();
  const r = <u32>fromInteger(value, 23);
  commit();
  return r;
}

export function sse_integer_to_sd(value: i64): u64 {
  beginOperation();
  const r = fromInteger(value, 52);
  commit();
  return r;
}

/** CVTPS2DQ, CVTTPS2DQ and, of two lanes, CVT(T)PS2PI. */
export function sse_ps_to_dq(lanes: u32, to: usize, from: usize, truncate: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < lanes; i++) store<i32>(result + i * 4, <i32>integerOf32(load<u32>(from + i * 4), 32, modeOf(truncate)));
  put(to, lanes * 4);
}

/** CVT(T)PD2DQ (`clear` 1: the upper half of `to` is zeroed), CVT(T)PD2PI (0). */
export function sse_pd_to_dq(to: usize, from: usize, truncate: u32, clear: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < 2; i++) store<i32>(result + i * 4, <i32>integerOf64(load<u64>(from + i * 8), 32, modeOf(truncate)));
  store<u64>(result, 0, 8);
  put(to, clear ? 16 : 8);
}

/** CVTDQ2PS (4 lanes), CVTPI2PS (2). */
export function sse_dq_to_ps(lanes: u32, to: usize, from: usize): void {
  beginOperation();
  for (let i: u32 = 0; i < lanes; i++) store<u32>(result + i * 4, <u32>fromInteger(load<i32>(from + i * 4), 23));
  put(to, lanes * 4);
}

/** CVTDQ2PD, CVTPI2PD: exact. */
export function sse_dq_to_pd(to: usize, from: usize): void {
  const low = <f64>load<i32>(from);
  const high = <f64>load<i32>(from, 4);
  store<f64>(to, low);
  store<f64>(to, high, 8);
}

export function sse_ps_to_pd(to: usize, from: usize): void {
  beginOperation();
  store<u64>(result, widenTo64(load<u32>(from)));
  store<u64>(result, widenTo64(load<u32>(from, 4)), 8);
  put(to, 16);
}

export function sse_pd_to_ps(to: usize, from: usize): void {
  beginOperation();
  store<u32>(result, narrowTo32(load<u64>(from)));
  store<u32>(result, narrowTo32(load<u64>(from, 8)), 4);
  store<u64>(result, 0, 8);
  put(to, 16);
}

export function sse_ss_to_sd(value: u32): u64 {
  beginOperation();
  const r = widenTo64(value);
  commit();
  return r;
}

export function sse_sd_to_ss(value: u64): u32 {
  beginOperation();
  const r = narrowTo32(value);
  commit();
  return r;
}

// -- ROUNDPS... (imm: 0..1 mode, 2 take MXCSR's, 3 suppress precision)

function roundMode(imm: u32): u32 {
  return imm & 4 ? (load<u32>(MXCSR) >> 13) & 3 : imm & 3;
}

function integral64(x: f64, mode: u32): f64 {
  if (mode == 0) return nearest<f64>(x);
  if (mode == 1) return floor<f64>(x);
  if (mode == 2) return ceil<f64>(x);
  return trunc<f64>(x);
}

function round64(a: u64, imm: u32): u64 {
  a = admit64(a);
  if (isNaN64(a)) {
    if (isSignalling64(a)) raise(IE);
    return a | 0x8000000000000;
  }
  const x = reinterpret<f64>(a);
  const r = integral64(x, roundMode(imm));
  if (r != x && !(imm & 8)) raise(PE);
  return reinterpret<u64>(r);
}

function round32(a: u32, imm: u32): u32 {
  a = admit32(a);
  if (isNaN32(a)) {
    if (isSignalling32(a)) raise(IE);
    return a | 0x400000;
  }
  const x = <f64>reinterpret<f32>(a);
  const r = integral64(x, roundMode(imm));
  if (r != x && !(imm & 8)) raise(PE);
  return reinterpret<u32>(<f32>r);
}

export function sse_round_ps(lanes: u32, to: usize, from: usize, imm: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < lanes; i++) store<u32>(result + i * 4, round32(load<u32>(from + i * 4), imm));
  put(to, lanes * 4);
}

export function sse_round_pd(lanes: u32, to: usize, from: usize, imm: u32): void {
  beginOperation();
  for (let i: u32 = 0; i < lanes; i++) store<u64>(result + i * 8, round64(load<u64>(from + i * 8), imm));
  put(to, lanes * 8);
}
