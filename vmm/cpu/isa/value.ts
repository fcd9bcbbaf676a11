/**
 * Values of instruction texts. A value is known now (a bigint or number), or it is code that will compute it (a Node of vmm/wasm). The functions here
 * fold what is known, so that running a text with known operands *is* executing it (the oracle), and running it with some known operands is partial
 * evaluation (the translator). They also narrow: an i64 operation whose result is only used below 2 ** 32 becomes an i32 one.
 *
 * Int is a 64-bit guest integer, known ones in 0 .. 2^64-1; Bit is an i32, known ones signed. Neither says how to read its sign: operations do.
 */
import { assert } from '../../base/errors.ts';
import { allConstant, evaluate } from '../../wasm/evaluate.ts';
import { Node, constant, laneNode, untypedNode } from '../../wasm/expression.ts';
import type { Expression, ExpressionOf } from '../../wasm/expression.ts';
import type { LaneOperator, Operator, ParamsOf, ResultOf, WasmType, laneOperators } from '../../wasm/operators.ts';
import type { Size } from './machine.ts';

export type Int = bigint | Node<'i64'>;
export type Bit = number | Node<'i32'>;
export type F32 = Node<'f32'>;
export type F64 = Node<'f64'>;
export type Vector = Node<'v128'>;
export type Value = Int | Bit | F32 | F64 | Vector;

type Args<P> = P extends readonly [infer H extends WasmType, ...infer R] ? [ExpressionOf<H>, ...Args<R>] : [];
interface Binary {
  (a: Int, b: Int): Int;
  (a: Bit, b: Bit): Bit;
}
interface Unary {
  (a: Int): Int;
  (a: Bit): Bit;
}
interface Comparison {
  (a: Int, b: Int): Bit;
  (a: Bit, b: Bit): Bit;
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

export function maskOf(size: Size): bigint {
  return (1n << BigInt(size)) - 1n;
}

/** Bits that may be set: the value is below 2 ** significantBits. */
export function significantBits(value: Int | Bit): number {
  if (typeof value === 'number') return 32 - Math.clz32(value);
  if (typeof value === 'bigint') return value === 0n ? 0 : value.toString(2).length;
  return value.bits;
}

function isLong(value: Value): value is Int {
  return typeof value === 'bigint' || (typeof value === 'object' && value.type === 'i64');
}

const int = (value: bigint): Int => BigInt.asUintN(64, value);
const node64 = (op: string, args: readonly Expression[], bits = 64): Int => new Node('i64', op, args, 0, Math.min(bits, 64));
const node32 = (op: string, args: readonly Expression[], bits = 32): Bit => new Node('i32', op, args, 0, Math.min(bits, 32));

// -- between the two widths

/** Zero-extended to 64 bits. */
export function fromBit(value: Bit): Int {
  if (typeof value === 'number') return BigInt(value >>> 0);
  return node64('i64.extend_i32_u', [value], value.bits);
}

const narrowed: Readonly<Record<string, Binary>> = {};

/** The low 32 bits. */
export function toBit(value: Int): Bit {
  if (typeof value === 'bigint') return Number(BigInt.asIntN(32, value));
  const [a, b, c] = value.args;
  switch (value.op) {
    case 'i64.extend_i32_u':
    case 'i64.extend_i32_s':
      return a as Bit;
    case 'i64.add':
    case 'i64.sub':
    case 'i64.mul':
    case 'i64.and':
    case 'i64.or':
    case 'i64.xor':
      return narrowed[value.op]!(toBit(a as Int), toBit(b as Int));
    case 'i64.shl':
      if (significantBits(b as Int) <= 5) return shl(toBit(a as Int), toBit(b as Int));
      break;
    case 'i64.shr_s':
      if (typeof a === 'object' && a.op === 'i64.extend_i32_s' && significantBits(b as Int) <= 5) return shrS(a.args[0] as Bit, toBit(b as Int));
      break;
    case 'select':
      return select(c as Bit, toBit(a as Int), toBit(b as Int));
  }
  return node32('i32.wrap_i64', [value], value.bits);
}

/** The low 32 bits, zero-extended. */
export function low32(value: Int): Int {
  return significantBits(value) <= 32 ? value : fromBit(toBit(value));
}

/** The low `size` bits, zero-extended. */
export function truncate(value: Int, size: Size): Int {
  return size === 64 ? value : and(value, maskOf(size));
}

/** The low `size` bits, sign-extended to 64. */
export function signExtend(value: Int, size: Size): Int {
  if (size === 64) return value;
  if (typeof value === 'bigint') return int(BigInt.asIntN(size, value));
  const low = toBit(value);
  return node64('i64.extend_i32_s', [size === 32 ? low : signExtendBit(low, size)]);
}

/** The low 8 or 16 bits of an i32, sign-extended to 32. */
export function signExtendBit(value: Bit, size: 8 | 16): Bit {
  if (typeof value === 'number') return size === 8 ? (value << 24) >> 24 : (value << 16) >> 16;
  return node32(size === 8 ? 'i32.extend8_s' : 'i32.extend16_s', [value]);
}

/** Bit `index` of an Int: 0 or 1. */
export function bitOf(value: Int, index: number | Int): Bit {
  const shifted = shrU(value, typeof index === 'number' ? BigInt(index) : index);
  return and(toBit(shifted), 1);
}

/** The sign bit of a value of `size` bits: 0 or 1. */
export function signOf(value: Int, size: Size): Bit {
  if (size === 64) return lessS(value, 0n);
  const low = toBit(value);
  if (size === 32) return shrU(low, 31);
  return and(shrU(low, size - 1), 1);
}

// -- arithmetic. A folder gives the mathematical result, which is then reduced to the width.

function binary(
  name: string,
  fold: (a: bigint, b: bigint) => bigint,
  fold32: (a: number, b: number) => number,
  simplify: (a: Value, b: Value) => Value | undefined,
): Binary {
  const operation = (a: Value, b: Value): Value => {
    if (typeof a === 'number' && typeof b === 'number') return fold32(a, b) | 0;
    if (typeof a === 'bigint' && typeof b === 'bigint') return int(fold(a, b));
    const simple = simplify(a, b);
    if (simple !== undefined) return simple;
    if (isLong(a)) return node64(`i64.${name}`, [a, b]);
    return node32(`i32.${name}`, [a, b]);
  };
  return operation as Binary;
}

const isZero = (value: Value): boolean => value === 0 || value === 0n;
const isOnes = (value: Value): boolean => value === -1 || value === ALL_ONES;
const bitsOf = (value: Value): number => significantBits(value as Int);
/** A node with a bound on its value, by width of the operand. */
const bounded = (like: Value, name: string, args: readonly Expression[], bits: number): Value =>
  isLong(like) ? node64(`i64.${name}`, args, bits) : node32(`i32.${name}`, args, bits);
const half = (value: Value): Bit => toBit(value as Int);

export const add: Binary = binary(
  'add',
  (a, b) => a + b,
  (a, b) => a + b,
  (a, b) => {
    if (isZero(b)) return a;
    if (isZero(a)) return b;
    // x + c1 + c2
    if (typeof b !== 'object' && typeof a === 'object' && a.op.endsWith('.add') && typeof a.args[1] === typeof b)
      return add(a.args[0] as Int, add(a.args[1] as Int, b as Int));
    const bits = Math.max(bitsOf(a), bitsOf(b)) + 1;
    if (isLong(a) && bits <= 32) return fromBit(add(half(a), half(b)));
    return bounded(a, 'add', [a, b], bits);
  },
);
export const sub: Binary = binary(
  'sub',
  (a, b) => a - b,
  (a, b) => a - b,
  (a, b) => (isZero(b) ? a : undefined),
);
export const mul: Binary = binary(
  'mul',
  (a, b) => a * b,
  (a, b) => Math.imul(a, b),
  (a, b) => {
    if (isZero(a) || isZero(b)) return isLong(a) ? 0n : 0;
    if (a === 1 || a === 1n) return b;
    if (b === 1 || b === 1n) return a;
    const bits = bitsOf(a) + bitsOf(b);
    if (isLong(a) && bits <= 32) return fromBit(mul(half(a), half(b)));
    return bounded(a, 'mul', [a, b], bits);
  },
);
export const and: Binary = binary(
  'and',
  (a, b) => a & b,
  (a, b) => a & b,
  (a, b) => {
    if (isZero(a) || isZero(b)) return isLong(a) ? 0n : 0;
    if (isOnes(b)) return a;
    if (isOnes(a)) return b;
    const [bitsA, bitsB] = [bitsOf(a), bitsOf(b)];
    // A mask that covers every bit that may be set changes nothing.
    if (isLowMask(b) && bitsA <= bitsB) return a;
    if (isLowMask(a) && bitsB <= bitsA) return b;
    const bits = Math.min(bitsA, bitsB);
    if (isLong(a) && bits <= 32) return fromBit(and(half(a), half(b)));
    return bounded(a, 'and', [a, b], bits);
  },
);

function isLowMask(value: Value): boolean {
  if (typeof value === 'number') return value >= 0 && (value & (value + 1)) === 0;
  return typeof value === 'bigint' && (value & (value + 1n)) === 0n;
}

const union =
  (name: 'or' | 'xor') =>
  (a: Value, b: Value): Value | undefined => {
    if (isZero(b)) return a;
    if (isZero(a)) return b;
    const bits = Math.max(bitsOf(a), bitsOf(b));
    if (isLong(a) && bits <= 32) return fromBit(name === 'or' ? or(half(a), half(b)) : xor(half(a), half(b)));
    return bounded(a, name, [a, b], bits);
  };
export const or: Binary = binary(
  'or',
  (a, b) => a | b,
  (a, b) => a | b,
  union('or'),
);
export const xor: Binary = binary(
  'xor',
  (a, b) => a ^ b,
  (a, b) => a ^ b,
  union('xor'),
);
Object.assign(narrowed, { 'i64.add': add, 'i64.sub': sub, 'i64.mul': mul, 'i64.and': and, 'i64.or': or, 'i64.xor': xor });

/** Counts are taken modulo the width of the *value type* (64, or 32 for Bit), as wasm does: mask them first for x86. */
export const shl: Binary = binary(
  'shl',
  (a, b) => a << (b & 63n),
  (a, b) => a << b,
  (a, b) => {
    if (isZero(b) || isZero(a)) return a;
    const known = knownCount(b);
    const bits = known === undefined ? 64 : bitsOf(a) + known;
    if (isLong(a) && bits <= 32) return fromBit(shl(half(a), half(b)));
    return bounded(a, 'shl', [a, b], bits);
  },
);
export const shrU: Binary = binary(
  'shr_u',
  (a, b) => a >> (b & 63n),
  (a, b) => a >>> b,
  (a, b) => {
    if (isZero(b) || isZero(a)) return a;
    const bits = Math.max(0, bitsOf(a) - (knownCount(b) ?? 0));
    if (bits === 0) return isLong(a) ? 0n : 0;
    if (isLong(a) && bitsOf(a) <= 32 && bitsOf(b) <= 5) return fromBit(shrU(half(a), half(b)));
    return bounded(a, 'shr_u', [a, b], bits);
  },
);
export const shrS: Binary = binary(
  'shr_s',
  (a, b) => BigInt.asIntN(64, a) >> (b & 63n),
  (a, b) => a >> b,
  (a, b) => (isZero(b) || isZero(a) ? a : undefined),
);
export const rotl: Binary = binary(
  'rotl',
  (a, b) => (a << (b & 63n)) | (a >> ((64n - b) & 63n)),
  (a, b) => (a << b) | (a >>> -b),
  (a, b) => (isZero(b) ? a : undefined),
);
export const rotr: Binary = binary(
  'rotr',
  (a, b) => (a >> (b & 63n)) | (a << ((64n - b) & 63n)),
  (a, b) => (a >>> b) | (a << -b),
  (a, b) => (isZero(b) ? a : undefined),
);

function knownCount(count: Value): number | undefined {
  if (typeof count === 'number') return count & 31;
  return typeof count === 'bigint' ? Number(count & 63n) : undefined;
}

/** Division by zero is the text's business: it raises #DE before. */
export const divU: Binary = binary(
  'div_u',
  (a, b) => a / b,
  (a, b) => (a >>> 0) / (b >>> 0),
  (a, b) => (isLong(a) && bitsOf(a) <= 32 && bitsOf(b) <= 32 ? fromBit(divU(half(a), half(b))) : undefined),
);
export const remU: Binary = binary(
  'rem_u',
  (a, b) => a % b,
  (a, b) => (a >>> 0) % (b >>> 0),
  (a, b) => (isLong(a) && bitsOf(a) <= 32 && bitsOf(b) <= 32 ? fromBit(remU(half(a), half(b))) : undefined),
);
export const divS: Binary = binary(
  'div_s',
  (a, b) => BigInt.asIntN(64, a) / BigInt.asIntN(64, b),
  (a, b) => a / b,
  () => undefined,
);
export const remS: Binary = binary(
  'rem_s',
  (a, b) => BigInt.asIntN(64, a) % BigInt.asIntN(64, b),
  (a, b) => a % b,
  () => undefined,
);

export function not(value: Int): Int {
  return xor(value, ALL_ONES);
}

/** a - b of zero: two's complement negation in 64 bits. */
export function neg(value: Int): Int {
  return sub(0n, value);
}

function unary(name: string, fold: (a: bigint, width: number) => number, bits: number): Unary {
  const operation = (a: Value): Value => {
    if (typeof a === 'number') return fold(BigInt(a >>> 0), 32);
    if (typeof a === 'bigint') return BigInt(fold(a, 64));
    return isLong(a) ? node64(`i64.${name}`, [a], bits) : node32(`i32.${name}`, [a], bits);
  };
  return operation as Unary;
}
export const clz: Unary = unary('clz', (a, width) => width - (a === 0n ? 0 : a.toString(2).length), 7);
export const ctz: Unary = unary('ctz', (a, width) => (a === 0n ? width : (a & -a).toString(2).length - 1), 7);
export const popcnt: Unary = unary('popcnt', (a) => a.toString(2).replaceAll('0', '').length, 7);

// -- comparisons: 0 or 1

function comparison(name: string, fold: (a: bigint, b: bigint) => boolean, signed: boolean): Comparison {
  const operation = (a: Value, b: Value): Bit => {
    if (typeof a !== 'object' && typeof b !== 'object') {
      const width = typeof a === 'number' ? 32 : 64;
      const [x, y] = [BigInt(a), BigInt(b)];
      return Number(signed ? fold(BigInt.asIntN(width, x), BigInt.asIntN(width, y)) : fold(BigInt.asUintN(width, x), BigInt.asUintN(width, y)));
    }
    if (isLong(a)) {
      const narrow = signed ? [a, b].every(isSignExtended) : bitsOf(a) <= 32 && bitsOf(b) <= 32;
      if (!narrow) return node32(`i64.${name}`, [a, b], 1);
      return operation(half(a), half(b));
    }
    return node32(`i32.${name}`, [a, b], 1);
  };
  return operation;
}

/** The value is the sign extension of its low 32 bits. */
function isSignExtended(value: Value): boolean {
  if (typeof value === 'bigint') return BigInt.asIntN(32, value) === BigInt.asIntN(64, value);
  return typeof value === 'object' && (value.op === 'i64.extend_i32_s' || value.bits <= 31);
}

const equality = comparison('eq', (a, b) => a === b, false);
export const eq: Comparison = ((a: Int, b: Int) => (isZero(b) ? isZeroValue(a) : equality(a, b))) as Comparison;
export const ne: Comparison = comparison('ne', (a, b) => a !== b, false);
export const lessU: Comparison = comparison('lt_u', (a, b) => a < b, false);
export const lessS: Comparison = comparison('lt_s', (a, b) => a < b, true);
export const greaterU: Comparison = comparison('gt_u', (a, b) => a > b, false);
export const greaterS: Comparison = comparison('gt_s', (a, b) => a > b, true);
export const atMostU: Comparison = comparison('le_u', (a, b) => a <= b, false);
export const atMostS: Comparison = comparison('le_s', (a, b) => a <= b, true);
export const atLeastU: Comparison = comparison('ge_u', (a, b) => a >= b, false);
export const atLeastS: Comparison = comparison('ge_s', (a, b) => a >= b, true);

/** 1 if the value is 0. */
export function isZeroValue(value: Int | Bit): Bit {
  if (typeof value === 'number' || typeof value === 'bigint') return isZero(value) ? 1 : 0;
  if (!isLong(value)) return node32('i32.eqz', [value], 1);
  return value.bits <= 32 ? isZeroValue(toBit(value)) : node32('i64.eqz', [value], 1);
}

/** Logical negation of a Bit that is 0 or 1. */
export function notBit(value: Bit): Bit {
  return isZeroValue(value);
}

/** `condition` is not zero ? then : otherwise. Both are computed. */
export function select<V extends Value>(condition: Bit, then: V, otherwise: V): V {
  if (typeof condition === 'number') return condition === 0 ? otherwise : then;
  const type = typeof then === 'bigint' ? 'i64' : typeof then === 'number' ? 'i32' : then.type;
  const bits = type === 'i64' || type === 'i32' ? Math.max(bitsOf(then), bitsOf(otherwise)) : undefined;
  if (type === 'i64' && bits! <= 32) return fromBit(select<Bit>(condition, half(then), half(otherwise))) as V;
  return new Node(type, 'select', [then, otherwise, condition], 0, bits) as Value as V;
}

// -- floats and vectors: wasm instructions by name, folded by running them

/** Any instruction of wasm/operators.ts: `op('i32x4.add', a, b)`. */
export function op<N extends Operator>(name: N, ...args: Args<ParamsOf<N>>): ExpressionOf<ResultOf<N>> {
  const node = untypedNode(name, args);
  return (allConstant(node.args) ? evaluate(node) : node) as ExpressionOf<ResultOf<N>>;
}

type LaneArgs<N extends LaneOperator> = Args<(typeof laneOperators)[N][1]>;

/** Instructions with a lane number: `lane('i32x4.extract_lane', 2, v)`. */
export function lane<N extends LaneOperator>(name: N, index: number, ...args: LaneArgs<N>): ExpressionOf<(typeof laneOperators)[N][2]> {
  const node = laneNode(name, index, args);
  return (allConstant(node.args) ? evaluate(node) : node) as ExpressionOf<(typeof laneOperators)[N][2]>;
}

/** i8x16.shuffle: 16 byte numbers, 0..15 of `a`, 16..31 of `b`. */
export function shuffle(a: Vector, b: Vector, lanes: readonly number[]): Vector {
  assert(lanes.length === 16, 'a shuffle has 16 lanes');
  const node = new Node('v128', 'i8x16.shuffle', [a, b], lanes);
  return (allConstant(node.args) ? evaluate(node) : node) as Vector;
}

/** A vector constant from its 128 bits, lowest byte last. */
export function vector(bits: bigint): Vector {
  return constant('v128', bits);
}
export function f64(bits: bigint): F64 {
  return constant('f64', bits);
}
export function f32(bits: number): F32 {
  return constant('f32', BigInt(bits >>> 0));
}
