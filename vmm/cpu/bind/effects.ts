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
  /** Writes flags in one arm of a condition. */
  readonly conditionalFlags: boolean;
  /** Helpers called, by name. */
  readonly helpers: ReadonlySet<string>;
  /** Repeats or loops. */
  readonly loops: boolean;
  /** Stores to guest memory; one that was prepared by `readForWrite` counts there. */
  readonly stores: number;
  /** Registers used and written by number (bit n = register n), beyond those that operands and addresses name; rSP when the stack is used. */
  readonly registersUsed: number;
  readonly registersWritten: number;
  readonly vectorsUsed: number;
  readonly vectorsWritten: number;
  /** Operands (bit n = slot n) that are written, if they are registers. */
  readonly operandsWritten: number;
}

const int = new Node('i64', 'local', []);
const bit = new Node('i32', 'local', []);
const f32 = new Node('f32', 'local', []);
const f64 = new Node('f64', 'local', []);
const vector = new Node('v128', 'local', []);
const opaque = { i32: bit, i64: int, f32, f64, v128: vector };

type Writable = { -readonly [K in keyof Effects]: K extends 'helpers' ? Set<string> : Effects[K] };

const RSP = 4;

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
    conditionalFlags: false,
    helpers: new Set<string>(),
    loops: false,
    stores: 0,
    registersUsed: 0,
    registersWritten: 0,
    vectorsUsed: 0,
    vectorsWritten: 0,
    operandsWritten: 0,
  };
  readonly rep = 'none';
  readonly addressSize = 64;
  readonly rip: Int = int;
  readonly nextRip: Int = int;
  #depth = 0;
  readonly #prepared = new Set<BoundOperand>();

  #touch(operand: { readonly kind: string }): void {
    if (operand.kind === 'mem') this.effects.memory = true;
  }
  #end(): void {
    if (this.#depth === 0) this.effects.ends = true;
  }

  read(operand: BoundOperand): Int {
    if (operand.kind === 'control') this.call('read_control');
    if (operand.kind === 'debug') this.call('read_debug');
    this.#touch(operand);
    return operand.kind === 'imm' && operand.constant !== undefined ? operand.constant : int;
  }
  readForWrite(operand: BoundOperand): Int {
    if (operand.kind === 'mem' && !this.#prepared.has(operand)) {
      this.effects.stores++;
      this.#prepared.add(operand);
    }
    return this.read(operand);
  }
  write(operand: BoundOperand): void {
    if (operand.kind === 'control') this.call('write_control');
    if (operand.kind === 'debug') this.call('write_debug');
    this.#written(operand);
  }
  #written(operand: BoundOperand): void {
    this.#touch(operand);
    if (operand.kind === 'mem') this.effects.stores += this.#prepared.has(operand) ? 0 : 1;
    else if (operand.slot >= 0) this.effects.operandsWritten |= 1 << operand.slot;
  }
  readVector(operand: BoundOperand): Vector {
    this.#touch(operand);
    return vector;
  }
  writeVector(operand: BoundOperand): void {
    this.#written(operand);
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
    this.effects.stores++;
  }
  push(): void {
    this.effects.stack = true;
    this.effects.stores++;
    this.setRegister(RSP);
  }
  pop(): Int {
    this.effects.stack = true;
    this.setRegister(RSP);
    return int;
  }

  getRegister(index: number): Int {
    this.effects.registersUsed |= 1 << index;
    return int;
  }
  setRegister(index: number): void {
    this.effects.registersUsed |= 1 << index;
    this.effects.registersWritten |= 1 << index;
  }
  getVectorRegister(index: number): Vector {
    this.effects.vectorsUsed |= 1 << index;
    return vector;
  }
  setVectorRegister(index: number): void {
    this.effects.vectorsUsed |= 1 << index;
    this.effects.vectorsWritten |= 1 << index;
  }
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
  /** What is named by address may be written there. */
  address(operand: BoundOperand): Bit {
    if (operand.slot >= 0) this.effects.operandsWritten |= 1 << operand.slot;
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
  #flagsWritten(): void {
    this.effects.writesFlags = true;
    if (this.#depth > 0) this.effects.conditionalFlags = true;
  }
  flagsAdd(): void {
    this.#flagsWritten();
  }
  flagsSub(): void {
    this.#flagsWritten();
  }
  flagsLogic(): void {
    this.#flagsWritten();
  }
  flagsIncrement(): void {
    this.#flagsWritten();
  }
  flagsDecrement(): void {
    this.#flagsWritten();
  }
  flagsResult(): void {
    this.#flagsWritten();
  }
  setFlags(): void {
    this.#flagsWritten();
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
    this.effects.loops = true;
    this.#depth++;
    body();
    this.#depth--;
  }
  repeat(body: (turns: Variable<Bit>) => void, until?: () => Bit): void {
    this.effects.loops = true;
    this.#depth++;
    body(this.variable(bit));
    until?.();
    this.#depth--;
  }

  call(name: string): void {
    const helper = helpers[name];
    this.effects.calls = true;
    this.effects.helpers.add(name);
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
