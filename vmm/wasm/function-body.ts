/**
 * The code of one function, written front to back: statements as methods, values as expression trees. Labels are objects, so that a branch can be
 * emitted without counting blocks.
 */
import { assert } from '../base/errors.ts';
import { ByteWriter } from './byte-writer.ts';
import { Node, typeOf } from './expression.ts';
import type { Expression, ExpressionOf } from './expression.ts';
import { laneOperators, operators } from './operators.ts';
import type { LaneOperator, WasmType } from './operators.ts';

export const valueTypes: Readonly<Record<WasmType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY_BLOCK = 0x40;

/** Target of branches: the end of a block or the start of a loop. */
export class Label {
  /** Number of enclosing blocks inside the function, -1 while it is not open. */
  depth = -1;
}

export interface FunctionType {
  readonly params: readonly WasmType[];
  readonly results: readonly WasmType[];
}

/** Opcode and natural alignment of memory instructions (core specification 5.4.7); vector ones have the prefix 0xFD. */
export const loadOperators = {
  'i32.load': [0x28, 2, 'i32'],
  'i64.load': [0x29, 3, 'i64'],
  'f32.load': [0x2a, 2, 'f32'],
  'f64.load': [0x2b, 3, 'f64'],
  'i32.load8_s': [0x2c, 0, 'i32'],
  'i32.load8_u': [0x2d, 0, 'i32'],
  'i32.load16_s': [0x2e, 1, 'i32'],
  'i32.load16_u': [0x2f, 1, 'i32'],
  'i64.load8_u': [0x31, 0, 'i64'],
  'i64.load16_u': [0x33, 1, 'i64'],
  'i64.load32_s': [0x34, 2, 'i64'],
  'i64.load32_u': [0x35, 2, 'i64'],
  'v128.load': [0xfd0000, 4, 'v128'],
  'v128.load32_zero': [0xfd005c, 2, 'v128'],
  'v128.load64_zero': [0xfd005d, 3, 'v128'],
} as const satisfies Record<string, readonly [number, number, WasmType]>;

export const storeOperators = {
  'i32.store': [0x36, 2, 'i32'],
  'i64.store': [0x37, 3, 'i64'],
  'f32.store': [0x38, 2, 'f32'],
  'f64.store': [0x39, 3, 'f64'],
  'i32.store8': [0x3a, 0, 'i32'],
  'i32.store16': [0x3b, 1, 'i32'],
  'i64.store8': [0x3c, 0, 'i64'],
  'i64.store16': [0x3d, 1, 'i64'],
  'i64.store32': [0x3e, 2, 'i64'],
  'v128.store': [0xfd000b, 4, 'v128'],
} as const satisfies Record<string, readonly [number, number, WasmType]>;

export type LoadOperator = keyof typeof loadOperators;
export type StoreOperator = keyof typeof storeOperators;
export type LoadType<O extends LoadOperator> = (typeof loadOperators)[O][2];

/** A local that a text may set more than once. */
export class Local<T extends WasmType = WasmType> {
  readonly type: T;
  readonly index: number;
  constructor(type: T, index: number) {
    this.type = type;
    this.index = index;
  }
  /** Its value at the time the expression is emitted. `bits` as in Node. */
  get(bits?: number): Node<T> {
    return new Node(this.type, 'local', [], this.index, bits);
  }
}

export class FunctionBody {
  readonly code: ByteWriter;
  /** Byte offsets of br_if and if instructions with 1 for likely, 0 for unlikely: the branch hinting section. */
  readonly hints: (readonly [offset: number, likely: 0 | 1])[] = [];
  readonly #locals: WasmType[];
  readonly #params: number;
  readonly #free: Record<WasmType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  /** Handed out since `holdLocals`, and not released. */
  readonly #taken: number[] = [];
  /** What the last release kept, by index and as a list. */
  readonly #kept: boolean[] = [];
  readonly #keptNow: number[] = [];
  #open = 0;

  constructor(params: readonly WasmType[], room?: number) {
    this.code = new ByteWriter(room);
    this.#locals = [...params];
    this.#params = params.length;
  }

  // -- locals

  param<T extends WasmType>(index: number, type: T): Local<T> {
    assert(this.#locals[index] === type && index < this.#params, `parameter ${index}`);
    return new Local(type, index);
  }

  local<T extends WasmType>(type: T): Local<T> {
    const free = this.#free[type];
    for (let index = free.pop(); index !== undefined; index = free.pop()) {
      this.#taken.push(index);
      if (!this.#kept[index]) return new Local(type, index);
    }
    const index = this.#locals.push(type) - 1;
    this.#taken.push(index);
    return new Local(type, index);
  }

  /** What has been handed out so far is never released. */
  holdLocals(): void {
    this.#taken.length = 0;
  }

  /** Hands all but the listed locals, and those held, to later `local` calls. A listed one may have been released before: it is taken back. */
  releaseLocals(keep: readonly Local[]): void {
    const [kept, taken] = [this.#kept, this.#taken];
    for (const index of this.#keptNow) kept[index] = false;
    this.#keptNow.length = 0;
    for (const { index } of keep) {
      kept[index] = true;
      this.#keptNow.push(index);
    }
    let left = 0;
    for (const index of taken) {
      if (kept[index]) taken[left++] = index;
      else this.#free[this.#locals[index]!].push(index);
    }
    taken.length = left;
  }

  set<T extends WasmType>(local: Local<T>, value: ExpressionOf<T>): void {
    this.push(value);
    this.#indexed(0x21, local.index);
  }

  // -- values

  /** Leaves the value of an expression on the stack. */
  push(value: Expression): void {
    if (typeof value === 'number') {
      this.code.byte(0x41);
      this.code.s32(value);
    } else if (typeof value === 'bigint') {
      this.code.byte(0x42);
      this.code.s64(value);
    } else this.#pushNode(value);
  }

  #pushNode(value: Node): void {
    const { op, args } = value;
    if (op === 'local') return this.#indexed(0x20, value.immediate as number);
    if (op === 'const') return this.#constant(value);
    for (let i = 0; i < args.length; i++) this.push(args[i]!);
    const info = operators.get(op);
    if (info) return this.#opcode(info.code);
    if (op === 'select') return this.#select(value.type);
    if (op === 'i8x16.shuffle') {
      this.#opcode(0xfd000d);
      for (const lane of value.immediate as readonly number[]) this.code.byte(lane);
      return;
    }
    this.#opcode(laneOperators[op as LaneOperator][0]);
    this.code.byte(value.immediate as number);
  }

  #constant(value: Node): void {
    const bits = value.immediate as bigint;
    if (value.type === 'f32') this.code.byte(0x43);
    else if (value.type === 'f64') this.code.byte(0x44);
    else this.#opcode(0xfd000c);
    this.code.fixed(bits, value.type === 'f32' ? 4 : value.type === 'f64' ? 8 : 16);
  }

  #select(type: WasmType): void {
    // The untyped instruction does not admit vectors.
    if (type !== 'v128') return this.code.byte(0x1b);
    this.code.byte(0x1c);
    this.code.byte(1);
    this.code.byte(valueTypes.v128);
  }

  /** Puts a value into a new local. */
  let<T extends WasmType>(type: T, value: ExpressionOf<T>, bits?: number): Node<T> {
    const local = this.local(type);
    this.set(local, value);
    return local.get(bits);
  }

  /** Puts what the stack holds into a new local. */
  pop<T extends WasmType>(type: T, bits?: number): Node<T> {
    const local = this.local(type);
    this.#indexed(0x21, local.index);
    return local.get(bits);
  }

  /** Puts what the stack holds into a local. */
  popInto(local: Local): void {
    this.#indexed(0x21, local.index);
  }

  drop(): void {
    this.code.byte(0x1a);
  }

  // -- memory. Addresses are i32 expressions; `offset` is the static offset; memory 0 is the default.

  pushLoad(op: LoadOperator, address: ExpressionOf<'i32'>, offset = 0, memory = 0): void {
    this.push(address);
    this.#memory(loadOperators[op][0], loadOperators[op][1], offset, memory);
  }

  load<O extends LoadOperator>(op: O, address: ExpressionOf<'i32'>, offset = 0, memory = 0, bits?: number): Node<LoadType<O>> {
    this.pushLoad(op, address, offset, memory);
    return this.pop(loadOperators[op][2], bits);
  }

  store(op: StoreOperator, address: ExpressionOf<'i32'>, value: Expression, offset = 0, memory = 0): void {
    const [code, alignment, type] = storeOperators[op];
    assert(typeOf(value) === type, `${op} of ${typeOf(value)}`);
    this.push(address);
    this.push(value);
    this.#memory(code, alignment, offset, memory);
  }

  /** memory.copy between two memories; addresses and length in bytes. */
  copy(to: ExpressionOf<'i32'>, from: ExpressionOf<'i32'>, bytes: ExpressionOf<'i32'>, toMemory: number, fromMemory: number): void {
    for (const value of [to, from, bytes]) this.push(value);
    this.#opcode(0xfc000a);
    this.code.u32(toMemory);
    this.code.u32(fromMemory);
  }

  fill(to: ExpressionOf<'i32'>, value: ExpressionOf<'i32'>, bytes: ExpressionOf<'i32'>, memory: number): void {
    for (const arg of [to, value, bytes]) this.push(arg);
    this.#opcode(0xfc000b);
    this.code.u32(memory);
  }

  #memory(code: number, alignment: number, offset: number, memory: number): void {
    this.#opcode(code);
    // Bit 6 of the alignment announces a memory index (multi-memory).
    this.code.u32(memory === 0 ? alignment : alignment | 0x40);
    if (memory !== 0) this.code.u32(memory);
    this.code.u32(offset);
  }

  // -- control

  block(body: (end: Label) => void): void {
    this.begin(0x02, new Label(), body);
  }

  loop(body: (start: Label) => void): void {
    this.begin(0x03, new Label(), body);
  }

  /** Opens a block that `end` closes: for nests that are not shaped like the program that writes them. */
  open(label: Label): void {
    this.code.byte(0x02);
    this.code.byte(EMPTY_BLOCK);
    label.depth = this.#open++;
  }

  end(label: Label): void {
    assert(label.depth === this.#open - 1, 'blocks end innermost first');
    this.code.byte(0x0b);
    this.#open--;
    label.depth = -1;
  }

  if(condition: ExpressionOf<'i32'>, then: () => void, otherwise?: () => void, likely?: boolean): void {
    this.push(condition);
    this.#hint(likely);
    this.code.byte(0x04);
    this.code.byte(EMPTY_BLOCK);
    this.#open++;
    then();
    if (otherwise) {
      this.code.byte(0x05);
      otherwise();
    }
    this.code.byte(0x0b);
    this.#open--;
  }

  br(label: Label): void {
    this.#indexed(0x0c, this.#depthOf(label));
  }

  brIf(label: Label, condition: ExpressionOf<'i32'>, likely?: boolean): void {
    this.push(condition);
    this.#hint(likely);
    this.#indexed(0x0d, this.#depthOf(label));
  }

  brTable(index: ExpressionOf<'i32'>, targets: readonly Label[], otherwise: Label): void {
    this.push(index);
    this.code.byte(0x0e);
    this.code.u32(targets.length);
    for (const target of targets) this.code.u32(this.#depthOf(target));
    this.code.u32(this.#depthOf(otherwise));
  }

  return(...values: Expression[]): void {
    for (const value of values) this.push(value);
    this.code.byte(0x0f);
  }

  unreachable(): void {
    this.code.byte(0x00);
  }

  /** `index` counts imported functions first. Results stay on the stack. */
  call(index: number, args: readonly Expression[]): void {
    for (const arg of args) this.push(arg);
    this.#indexed(0x10, index);
  }

  returnCall(index: number, args: readonly Expression[]): void {
    for (const arg of args) this.push(arg);
    this.#indexed(0x12, index);
  }

  callIndirect(type: number, slot: ExpressionOf<'i32'>, args: readonly Expression[], table = 0): void {
    for (const arg of args) this.push(arg);
    this.push(slot);
    this.#indexed(0x11, type);
    this.code.u32(table);
  }

  returnCallIndirect(type: number, slot: ExpressionOf<'i32'>, args: readonly Expression[], table = 0): void {
    for (const arg of args) this.push(arg);
    this.push(slot);
    this.#indexed(0x13, type);
    this.code.u32(table);
  }

  /** The function's entry of the code section: locals, instructions, end; and where the instructions begin in it. */
  finish(): { readonly bytes: Uint8Array; readonly start: number } {
    assert(this.#open === 0, 'a block is still open');
    const entry = new ByteWriter(this.code.length + 64);
    const runs: [WasmType, number][] = [];
    for (const type of this.#locals.slice(this.#params)) {
      const last = runs.length - 1;
      if (runs[last]?.[0] === type) runs[last][1]++;
      else runs.push([type, 1]);
    }
    entry.u32(runs.length);
    for (const [type, count] of runs) {
      entry.u32(count);
      entry.byte(valueTypes[type]);
    }
    const start = entry.length;
    entry.raw(this.code.bytes());
    entry.byte(0x0b);
    return { bytes: entry.bytes(), start };
  }

  begin(opcode: number, label: Label, body: (label: Label) => void): void {
    this.code.byte(opcode);
    this.code.byte(EMPTY_BLOCK);
    label.depth = this.#open++;
    body(label);
    this.end(label);
  }

  #depthOf(label: Label): number {
    assert(label.depth >= 0, 'branch to a block that is not open');
    return this.#open - 1 - label.depth;
  }

  #hint(likely: boolean | undefined): void {
    if (likely !== undefined) this.hints.push([this.code.length, likely ? 1 : 0]);
  }

  #indexed(opcode: number, index: number): void {
    this.code.byte(opcode);
    this.code.u32(index);
  }

  #opcode(code: number): void {
    if (code < 0x100) return this.code.byte(code);
    this.code.byte(code >> 16);
    this.code.u32(code & 0xffff);
  }
}
