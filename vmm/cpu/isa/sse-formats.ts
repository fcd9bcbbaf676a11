/**
 * Single and double precision for the texts of SSE: a format has its bits as an integer, its value as a float, and the tests that say when the host's
 * arithmetic gives the processor's result *and* its flags (docs/decisions/0020-float-without-helpers.md). NaNs, denormals and results at the edges of the
 * range go to assembly/sse.
 */
import type { Machine, Operand } from './machine.ts';
import type { Bit, F32, F64, Int, Value, Vector } from './value.ts';
import { and, atLeastU, atMostU, eq, f32, f64, greaterU, isZeroValue, lane, lessU, op, or, shl, sub, toBit, vector } from './value.ts';
import { isMemory, readLow } from './vector.ts';

type Bits = Int | Bit;
type Float = F32 | F64;

/** All masks set, to nearest, no FTZ. DAZ matters to denormals only. */
const MXCSR_TESTED = 0xff80;
const MXCSR_USUAL = 0x1f80;
const PE = 0x20;

export function isUsual(mxcsr: Bit): Bit {
  return eq(and(mxcsr, MXCSR_TESTED), MXCSR_USUAL);
}
/** The same, and PE, which the host does not tell, is set already. */
export function isUsualAndInexact(mxcsr: Bit): Bit {
  return eq(and(mxcsr, MXCSR_TESTED | PE), MXCSR_USUAL | PE);
}

const operator = op as (name: string, ...args: Value[]) => Value;
const laneOperator = lane as (name: string, index: number, ...args: Value[]) => Value;

/** One scalar: an integer for the tests, a float for the arithmetic. */
export interface Format {
  readonly width: 32 | 64;
  /** Helpers of this format end in it. */
  readonly suffix: 'ss' | 'sd';
  readonly prefix: 'f32' | 'f64';
  read(m: Machine, operand: Operand): Bits;
  /** Element 0 of a register. */
  low(v: Vector): Bits;
  withLow(v: Vector, value: Float): Vector;
  float(bits: Bits): Float;
  bits(value: Float): Bits;
  /** A float instruction of wasm by its name without the type. */
  apply(name: string, ...args: Float[]): Float;
  compare(name: 'eq' | 'lt' | 'gt' | 'le' | 'ge', a: Float, b: Float): Bit;
  isZero(x: Bits): Bit;
  /** Neither denormal nor NaN. */
  isPlain(x: Bits): Bit;
  isNotDenormal(x: Bits): Bit;
  isFinite(x: Bits): Bit;
  /**
   * Finite and so large that it was not tiny before rounding (tininess is detected after rounding to an unbounded exponent: the smallest normal itself may
   * have been tiny).
   */
  isInRange(x: Bits): Bit;
  /** Both significands are so short that their product is exact. */
  areShort(a: Bits, b: Bits): Bit;
  /** What a helper returns, as a float. */
  call(m: Machine, helper: string, ...args: Value[]): Float;
}

// The constructors take integers of either width; which one it is, is the format's.
type Binary = (a: Bits, b: Bits) => Bits;
type Comparison = (a: Bits, b: Bits) => Bit;
const [minus, left, both, either] = [sub as Binary, shl as Binary, and as Binary, or as Binary];
const [atLeast, atMost, less, greater] = [atLeastU as Comparison, atMostU as Comparison, lessU as Comparison, greaterU as Comparison];

/** The lower half of a significand, rounded up. */
const shortMask = (fractionBits: number): bigint => (1n << BigInt((fractionBits + 2) >> 1)) - 1n;

function makeFormat(width: 32 | 64, exponentBits: number): Format {
  const prefix = `f${width}` as const;
  const integer = `i${width}` as const;
  const fractionBits = width - 1 - exponentBits;
  const constant = (value: bigint): Bits => (width === 64 ? value : Number(BigInt.asIntN(32, value)));
  // The sign is shifted out: magnitudes compare as integers.
  const twice = (x: Bits): Bits => left(x, constant(1n));
  const smallest = 2n << BigInt(fractionBits);
  const infinity = constant(((1n << BigInt(exponentBits)) - 1n) << BigInt(fractionBits + 1));
  const isNotDenormal = (x: Bits): Bit => atLeast(minus(twice(x), constant(1n)), constant(smallest - 1n));
  const isFinite = (x: Bits): Bit => less(twice(x), infinity);
  const float = (bits: Bits): Float => operator(`${prefix}.reinterpret_${integer}`, bits) as Float;
  return {
    width,
    suffix: width === 32 ? 'ss' : 'sd',
    prefix,
    read: (m, operand) => {
      if (isMemory(operand)) return width === 64 ? readLow(m, operand, 64) : m.let(toBit(readLow(m, operand, 32)));
      return m.let(laneOperator(`${integer}x${128 / width}.extract_lane`, 0, m.readVector(operand)) as Bits as Int);
    },
    low: (v) => laneOperator(`${integer}x${128 / width}.extract_lane`, 0, v) as Bits,
    withLow: (v, value) => laneOperator(`${prefix}x${128 / width}.replace_lane`, 0, v, value) as Vector,
    float,
    bits: (value) => operator(`${integer}.reinterpret_${prefix}`, value) as Bits,
    apply: (name, ...args) => operator(`${prefix}.${name}`, ...args) as Float,
    compare: (name, a, b) => operator(`${prefix}.${name}`, a, b) as Bit,
    isZero: (x) => isZeroValue(twice(x)),
    isPlain: (x) => and(isNotDenormal(x), atMost(twice(x), infinity)),
    isNotDenormal,
    isFinite,
    isInRange: (x) => and(greater(twice(x), constant(smallest)), isFinite(x)),
    areShort: (a, b) => isZeroValue(both(either(a, b), constant(shortMask(fractionBits)))),
    call: (m, helper, ...args) => float(width === 64 ? m.callInt(helper, ...args) : m.callBit(helper, ...args)),
  };
}

export const single = makeFormat(32, 8);
export const double = makeFormat(64, 11);

// -- the same tests on all elements of a vector: masks of ones

export interface PackedFormat {
  readonly prefix: 'f32x4' | 'f64x2';
  readonly suffix: 'ps' | 'pd';
  apply(name: string, ...args: Vector[]): Vector;
  isZero(v: Vector): Vector;
  isPlain(v: Vector): Vector;
  isFinite(v: Vector): Vector;
  isInRange(v: Vector): Vector;
  areShort(a: Vector, b: Vector): Bit;
  /** Magnitudes against a bound given as its bits. */
  isBelow(v: Vector, bound: bigint): Vector;
  isAbove(v: Vector, bound: bigint): Vector;
}

function makePacked(width: 32 | 64, exponentBits: number): PackedFormat {
  const prefix = width === 32 ? 'f32x4' : 'f64x2';
  const fractionBits = width - 1 - exponentBits;
  const apply = (name: string, ...args: Vector[]): Vector => operator(`${prefix}.${name}`, ...args) as Vector;
  const splat = (bits: bigint): Vector => operator(`${prefix}.splat`, width === 32 ? f32(Number(bits)) : f64(bits)) as Vector;
  const smallest = splat(1n << BigInt(fractionBits));
  const infinity = splat(((1n << BigInt(exponentBits)) - 1n) << BigInt(fractionBits));
  const zero = vector(0n);
  const short = splat(shortMask(fractionBits));
  const isZero = (v: Vector): Vector => apply('eq', v, zero);
  return {
    prefix,
    suffix: width === 32 ? 'ps' : 'pd',
    apply,
    isZero,
    isPlain: (v) => op('v128.or', apply('ge', apply('abs', v), smallest), isZero(v)),
    isFinite: (v) => apply('lt', apply('abs', v), infinity),
    isInRange: (v) => op('v128.and', apply('gt', apply('abs', v), smallest), apply('lt', apply('abs', v), infinity)),
    areShort: (a, b) => eq(op('v128.any_true', op('v128.and', op('v128.or', a, b), short)), 0),
    isBelow: (v, bound) => apply('lt', apply('abs', v), splat(bound)),
    isAbove: (v, bound) => apply('gt', apply('abs', v), splat(bound)),
  };
}

export const singles = makePacked(32, 8);
export const doubles = makePacked(64, 11);

/** All elements of the masks are ones. */
export function allOf(...masks: readonly Vector[]): Bit {
  return op(
    'i32x4.all_true',
    masks.reduce((a, b) => op('v128.and', a, b)),
  );
}
