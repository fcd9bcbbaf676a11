/**
 * A reading of instruction texts that only notes what they do: what the decoder and the handlers' specialisation need is derived, never declared. All
 * values are opaque, both arms of every `if` are taken, loops turn once.
 */
import { helpers } from '../isa/helpers.ts';
import type { Machine, Size, Text, Variable } from '../isa/machine.ts';
import type { BoundOperand } from '../isa/operands.ts';
import type { Bit, F32, F64, Int, Value, Vector } from '../isa/value.ts';
import { Node, typeOf } from '../../wasm/expression.ts';

export interface Effects {
  /** Reads or writes guest memory through segments named by an operand. */
  readonly memory: boolean;
  /** Pushes or pops. */
  readonly stack: boolean;
  /** Sets RIP by a near jump or branch. */
  readonly jumps: boolean;
  /** Nothing of its block follows it. */
  readonly ends: boolean;
  /** It may end its block by other means than a near jump: RIP is made the next instruction's before it begins, and looked up when it is over. */
  readonly leaves: boolean;
  /** Calls helpers of assembly/. */
  readonly calls: boolean;
  readonly readsFlags: boolean;
  readonly writesFlags: boolean;
}

const int = new Node('i64', 'local', []);
const bit = new Node('i32', 'local', []);
const f32 = new Node('f32', 'local', []);
const f64 = new Node('f64', 'local', []);
const vector = new Node('v128', 'local', []);
const opaque = { i32: bit, i64: int, f32, f64, v128: vector };

type Writable = { -readonly [K in keyof Effects]: Effects[K] };

export function effectsOf(text: Text, size: Size, operands: readonly BoundOperand[]): Effects {
  const recorder = new EffectsMachine();
  text(recorder, size, ...operands);
  return recorder.effects;
}

class EffectsMachine implements Machine {
  readonly effects: Writable = {
    memory: false,
    stack: false,
    jumps: false,
    ends: false,
    leaves: false,
    calls: false,
    readsFlags: false,
    writesFlags: false,
  };
  readonly rep = 'none';
  readonly addressSize = 64;
  readonly nextRip: Int = int;
  #depth = 0;

  #touch(operand: { readonly kind: string }): void {
    if (operand.kind === 'mem') this.effects.memory = true;
  }
  #end(): void {
    if (this.#depth === 0) this.effects.ends = true;
  }

  read(operand: BoundOperand): Int {
    this.#touch(operand);
    return operand.kind === 'imm' && operand.constant !== undefined ? operand.constant : int;
  }
  readForWrite(operand: BoundOperand): Int {
    return this.read(operand);
  }
  write(operand: BoundOperand): void {
    if (operand.kind === 'control') this.call('write_control');
    if (operand.kind === 'debug') this.call('write_debug');
    this.#touch(operand);
  }
  readVector(operand: BoundOperand): Vector {
    this.#touch(operand);
    return vector;
  }
  writeVector(operand: BoundOperand): void {
    this.#touch(operand);
  }
  effectiveAddress(operand: BoundOperand): Int {
    this.#touch(operand);
    return int;
  }
  segmentOf(operand: BoundOperand): Bit {
    this.#touch(operand);
    return bit;
  }
  dataSegment(): Bit {
    this.effects.memory = true;
    return bit;
  }
  farSelector(): Bit {
    return bit;
  }
  load(): Int {
    this.effects.memory = true;
    return int;
  }
  store(): void {
    this.effects.memory = true;
  }
  push(): void {
    this.effects.stack = true;
  }
  pop(): Int {
    this.effects.stack = true;
    return int;
  }

  getRegister(): Int {
    return int;
  }
  setRegister(): void {}
  getVectorRegister(): Vector {
    return vector;
  }
  setVectorRegister(): void {}
  stateInt(): Int {
    return int;
  }
  setStateInt(): void {}
  stateBit(): Bit {
    return bit;
  }
  setStateBit(): void {}
  stateVector(): Vector {
    return vector;
  }
  setStateVector(): void {}
  stateIntAt(): Int {
    return int;
  }
  setStateIntAt(): void {}
  address(): Bit {
    return bit;
  }
  stackIndex(): Bit {
    return bit;
  }
  cpl(): Bit {
    return bit;
  }

  flag(): Bit {
    this.effects.readsFlags = true;
    return bit;
  }
  condition(): Bit {
    this.effects.readsFlags = true;
    return bit;
  }
  flagsAdd(): void {
    this.effects.writesFlags = true;
  }
  flagsSub(): void {
    this.effects.writesFlags = true;
  }
  flagsLogic(): void {
    this.effects.writesFlags = true;
  }
  flagsIncrement(): void {
    this.effects.writesFlags = true;
  }
  flagsDecrement(): void {
    this.effects.writesFlags = true;
  }
  flagsResult(): void {
    this.effects.writesFlags = true;
  }
  setFlags(): void {
    this.effects.writesFlags = true;
  }

  jump(): void {
    this.effects.jumps = true;
    this.#end();
  }
  jumpRelative(): void {
    this.jump();
  }
  branch(): void {
    this.effects.jumps = true;
  }
  endBlock(): void {
    this.effects.leaves = true;
    this.effects.ends = true;
  }
  raise(): void {
    this.#end();
  }

  let(value: Int): Int;
  let(value: Bit): Bit;
  let<V extends Value>(value: V): V;
  let(value: Value): Value {
    return value;
  }
  variable(initial: Int): Variable<Int>;
  variable(initial: Bit): Variable<Bit>;
  variable<V extends Value>(initial: V): Variable<V>;
  variable(initial: Value): Variable<never> {
    // Opaque at once: it may change in a loop.
    const value = opaque[typeOf(initial)];
    return { get: () => value, set: () => {} } as unknown as Variable<never>;
  }
  if(_condition: Bit, then: () => void, otherwise?: () => void): void {
    this.#depth++;
    then();
    otherwise?.();
    this.#depth--;
  }
  loop(body: () => Bit): void {
    this.#depth++;
    body();
    this.#depth--;
  }
  repeat(body: (turns: Variable<Bit>) => void, until?: () => Bit): void {
    this.#depth++;
    body(this.variable(bit));
    until?.();
    this.#depth--;
  }

  call(name: string): void {
    const helper = helpers[name];
    this.effects.calls = true;
    if (helper?.jumps || helper?.ends) this.endBlock();
  }
  callBit(name: string): Bit {
    this.call(name);
    return bit;
  }
  callInt(name: string): Int {
    this.call(name);
    return int;
  }
  callF64(name: string): F64 {
    this.call(name);
    return f64;
  }
  callF32(name: string): F32 {
    this.call(name);
    return f32;
  }
}
