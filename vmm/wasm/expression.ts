/**
 * Pure expressions over WebAssembly values: trees that a function body emits where they are used. A value that is used more than once must be put
 * into a local first (FunctionBody.let); nothing here has side effects or reads memory.
 */
import { assert } from '../base/errors.ts';
import { laneOperators, operators } from './operators.ts';
import type { LaneOperator, Operator, ParamsOf, ResultOf, WasmType } from './operators.ts';

/**
 * One node. `op` is an instruction's name, or `const` (`immediate` holds the bits), `local` (its number), `select` (args: then, otherwise, condition),
 * `i8x16.shuffle` (16 lane numbers). `bits`: the value is known to be below 2 ** bits (integers only).
 */
export class Node<T extends WasmType = WasmType> {
  readonly type: T;
  readonly op: string;
  readonly args: readonly Expression[];
  readonly immediate: number | bigint | readonly number[];
  readonly bits: number;

  constructor(type: T, op: string, args: readonly Expression[], immediate: number | bigint | readonly number[] = 0, bits: number = widthOf(type)) {
    this.type = type;
    this.op = op;
    this.args = args;
    this.immediate = immediate;
    this.bits = bits;
  }
}

/** A number is an i32 constant (signed), a bigint an i64 constant (unsigned); constants of other types are nodes. */
export type Expression = number | bigint | Node;
export type ExpressionOf<T extends WasmType> = T extends 'i32' ? number | Node<'i32'> : T extends 'i64' ? bigint | Node<'i64'> : Node<T>;
type Args<P> = P extends readonly [infer H extends WasmType, ...infer R] ? [ExpressionOf<H>, ...Args<R>] : [];

export function widthOf(type: WasmType): number {
  return type === 'v128' ? 128 : type === 'i64' || type === 'f64' ? 64 : 32;
}

export function typeOf(value: Expression): WasmType {
  return typeof value === 'number' ? 'i32' : typeof value === 'bigint' ? 'i64' : value.type;
}

export function isConstant(value: Expression): boolean {
  return typeof value !== 'object' || value.op === 'const';
}

/** A constant of a float or vector type from its bits. */
export function constant<T extends 'f32' | 'f64' | 'v128'>(type: T, bits: bigint): Node<T> {
  return new Node(type, 'const', [], BigInt.asUintN(widthOf(type), bits));
}

/** Any instruction of operators.ts, not folded. */
export function node<N extends Operator>(op: N, ...args: Args<ParamsOf<N>>): Node<ResultOf<N>> {
  return untypedNode(op, args) as Node<ResultOf<N>>;
}

export function untypedNode(op: string, args: readonly Expression[], bits?: number): Node {
  const info = operators.get(op);
  assert(info, `unknown wasm instruction ${op}`);
  assert(args.length === info.params.length && args.every((arg, i) => typeOf(arg) === info.params[i]), `operands of ${op}`);
  return new Node(info.result, op, args, 0, bits);
}

export function laneNode(op: LaneOperator, lane: number, args: readonly Expression[]): Node {
  const [, params, result] = laneOperators[op];
  assert(args.length === params.length && args.every((arg, i) => typeOf(arg) === params[i]), `operands of ${op}`);
  return new Node(result, op, args, lane);
}
