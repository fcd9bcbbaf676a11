/**
 * Reads an instruction text into the code of its handler: fields of the micro-op are loads, registers and flags are words of core memory. Everything
 * read is bound to a local at once; what a text computes stays a tree until it is used.
 */
import { assert } from '../../../base/errors.ts';
import { typeOf } from '../../../wasm/expression.ts';
import type { Expression, Node } from '../../../wasm/expression.ts';
import type { FunctionBody, LoadOperator, LoadType, Local } from '../../../wasm/function-body.ts';
import type { Addressing, Handler } from '../../isa/handlers.ts';
import { helpers } from '../../isa/helpers.ts';
import type { Condition, FaultName, Flag, Machine, Size, Variable } from '../../isa/machine.ts';
import type { BoundOperand } from '../../isa/operands.ts';
import { add, and, eq, fromBit, greaterU, isZeroValue, ne, not, op, or, select, shl, shrS, shrU, sub, toBit, truncate } from '../../isa/value.ts';
import type { Bit, F32, F64, Int, Value, Vector } from '../../isa/value.ts';
import * as L from '../../layout.ts';
import * as U from '../../uop.ts';
import { FAULTS } from '../faults.ts';
import type { HandlerContext } from './context.ts';
import { isCheap } from './context.ts';
import { FlagsEmitter } from './flags.ts';
import { MemoryEmitter } from './memory.ts';
import type { Place } from './memory.ts';

const RCX = 1;
const RSP = 4;
const RSI = 6;
const RDI = 7;

/** Turns of a REP instruction between two looks at the events. */
const REPEAT_TURNS = 1024;

const REGISTER_LOADS = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' } as const;

export class InterpreterMachine implements Machine {
  readonly rep: Machine['rep'];
  readonly addressSize: Size;
  readonly addressing: Addressing;
  readonly body: FunctionBody;
  readonly #context: HandlerContext;
  readonly #flags: FlagsEmitter;
  readonly #memory: MemoryEmitter;
  /** Fields of the micro-op that were read already: they do not change. Valid in the arm they were read in and inside it. */
  #fields = new Map<number, Bit>();
  readonly #places = new Map<BoundOperand, Place>();
  /** The stack pointer that push and pop will leave behind. */
  #stackPointer: Local<'i64'> | undefined;
  readonly #leaves: boolean;
  /** Code after an unconditional way out cannot be reached. */
  #over = false;
  #depth = 0;

  constructor(context: HandlerContext, handler: Pick<Handler, 'repeat' | 'addressSize' | 'addressing' | 'effects'>) {
    this.#context = context;
    this.body = context.body;
    this.rep = handler.repeat;
    this.addressSize = handler.addressSize;
    this.addressing = handler.addressing;
    this.#flags = new FlagsEmitter(this.body);
    this.#memory = new MemoryEmitter(this);
    this.#leaves = handler.effects.leaves;
    if (this.#leaves) this.body.store('i64.store', 0, this.nextRip, L.RIP);
  }

  /** Everything the text did is committed; on to the next instruction. */
  finish(): void {
    if (this.#over) return;
    this.#commitStack();
    if (this.#leaves) this.#context.leave();
    else this.#context.next();
  }

  // -- the micro-op

  #field(offset: number, load: 'i32.load8_u' | 'i32.load16_u' | 'i32.load' = 'i32.load8_u'): Bit {
    let value = this.#fields.get(offset);
    if (value === undefined) {
      const bits = load === 'i32.load8_u' ? 8 : load === 'i32.load16_u' ? 16 : 32;
      value = this.body.load(load, this.#context.uop.get(), offset, 0, bits);
      this.#fields.set(offset, value);
    }
    return value;
  }

  #immediate(): Int {
    return this.body.load('i64.load', this.#context.uop.get(), U.UOP_IMMEDIATE);
  }

  get rip(): Int {
    return add(this.body.load('i64.load', 0, L.RIP_PAGE) as Int, fromBit(this.#field(U.UOP_PAGE_OFFSET, 'i32.load16_u')));
  }

  get nextRip(): Int {
    return this.let(add(this.rip, fromBit(this.#field(U.UOP_LENGTH))));
  }

  // -- operands

  read(operand: BoundOperand): Int {
    switch (operand.kind) {
      case 'mem':
        return this.load(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size);
      case 'imm':
        if (operand.constant !== undefined) return operand.constant;
        if (operand.second) return fromBit(this.#field(U.UOP_DISPLACEMENT, 'i32.load'));
        return operand.size === 64
          ? this.#immediate()
          : fromBit(this.body.load('i32.load', this.#context.uop.get(), U.UOP_IMMEDIATE, 0, operand.size));
      case 'relative':
        return add(this.body.load('i64.load', 0, L.RIP_PAGE) as Int, this.#immediate());
      case 'far':
        return this.#immediate();
      case 'segment':
        return fromBit(this.body.load('i32.load16_u', shl(this.#registerField(operand), 5), L.SEGMENTS + L.SEG_SELECTOR, 0, 16));
      case 'control':
        return this.callInt('read_control', this.#registerField(operand));
      case 'debug':
        return this.callInt('read_debug', this.#registerField(operand));
      case 'x87':
        return fromBit(this.#registerField(operand));
      case 'mmx':
      case 'xmm':
        return this.#loadInt(this.address(operand), 0, Math.min(operand.size, 64) as Size);
      case 'reg':
        return this.#loadInt(this.#registerField(operand), 0, operand.size as Size);
    }
  }

  #registerField(operand: BoundOperand): Bit {
    assert(operand.slot >= 0, `operand ${operand.kind} has no register field`);
    return this.#field(U.UOP_REGISTER + operand.slot);
  }

  #loadInt(address: Bit, offset: number, size: Size): Int {
    const value = this.body.load(REGISTER_LOADS[size], address, offset, 0, size) as Node<LoadType<LoadOperator>>;
    return size === 64 ? (value as Node<'i64'>) : fromBit(value as Node<'i32'>);
  }

  write(operand: BoundOperand, value: Int): void {
    const size = operand.size as Size;
    if (operand.kind === 'mem') {
      const place = this.#places.get(operand);
      if (place) this.#memory.storePlace(place, size, value);
      else this.store(this.segmentOf(operand), this.effectiveAddress(operand), size, value);
      return;
    }
    if (operand.kind === 'control') return this.call('write_control', this.#registerField(operand), value);
    if (operand.kind === 'debug') return this.call('write_debug', this.#registerField(operand), value);
    assert(operand.kind === 'reg', `${operand.kind} operands are not written by value`);
    this.#commitStack();
    this.#storeRegister(this.#registerField(operand), 0, size, value);
  }

  #storeRegister(address: Bit, offset: number, size: Size, value: Int): void {
    // 32-bit results are zero-extended (SDM vol.1 3.4.1.1).
    if (size >= 32) this.body.store('i64.store', address, size === 32 ? truncate(value, 32) : value, offset);
    else this.body.store(size === 8 ? 'i32.store8' : 'i32.store16', address, toBit(value), offset);
  }

  readForWrite(operand: BoundOperand): Int {
    if (operand.kind !== 'mem') return this.read(operand);
    const { value, place } = this.#memory.loadPlace(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size);
    this.#places.set(operand, place);
    return value;
  }

  readVector(operand: BoundOperand, alignment: 'aligned' | 'unaligned' = 'aligned'): Vector {
    if (operand.kind !== 'mem') return this.body.load('v128.load', this.address(operand));
    return this.#memory.loadVector(this.segmentOf(operand), this.#aligned(operand, alignment));
  }

  writeVector(operand: BoundOperand, value: Vector, alignment: 'aligned' | 'unaligned' = 'aligned'): void {
    if (operand.kind !== 'mem') return this.body.store('v128.store', this.address(operand), value);
    this.#memory.storeVector(this.segmentOf(operand), this.#aligned(operand, alignment), value);
  }

  /** #GP(0) unless the *linear* address is a multiple of 16; segment bases are nearly always (SDM vol.1 10.4.1). */
  #aligned(operand: BoundOperand, alignment: 'aligned' | 'unaligned'): Int {
    const offset = this.let(this.effectiveAddress(operand));
    if (alignment === 'aligned') {
      let low = toBit(offset);
      if (this.addressing === 'general') low = add(low, this.body.load('i32.load', shl(this.segmentOf(operand), 5), L.SEGMENTS + L.SEG_BASE));
      this.if(and(low, 15), () => this.raise('GP'));
    }
    return offset;
  }

  effectiveAddress(operand: BoundOperand): Int {
    if (operand.address === 'source') return this.getRegister(RSI, this.addressSize);
    if (operand.address === 'destination') return this.getRegister(RDI, this.addressSize);
    if (operand.address === 'offset') return this.#immediate();
    const [base, scaled, scale] = [this.#field(U.UOP_BASE), this.#field(U.UOP_SCALED), this.#field(U.UOP_SCALE)];
    if (this.addressing === 'flat32') {
      const index = shl(this.body.load('i32.load', scaled) as Bit, scale);
      const sum = add(add(this.#base32(base), index), this.#field(U.UOP_DISPLACEMENT, 'i32.load'));
      return fromBit(this.body.let('i32', sum));
    }
    const index = shl(this.body.load('i64.load', scaled) as Int, fromBit(scale));
    const displacement = this.body.load('i64.load32_s', this.#context.uop.get(), U.UOP_DISPLACEMENT);
    const sum = add(add(this.#base64(base), index), displacement);
    if (this.addressing === 'flat64') return this.let(sum);
    const shift = fromBit(this.#field(U.UOP_ADDRESS_SHIFT));
    return this.let(shrU(shl(sum, shift), shift));
  }

  /** POP to memory uses the stack pointer as it is after the pop (SDM vol.2 POP). */
  #base64(field: Bit): Int {
    const value = this.body.load('i64.load', field);
    return this.#stackPointer ? select<Int>(eq(field, L.RSP), this.#stackPointer.get(), value) : value;
  }
  #base32(field: Bit): Bit {
    return this.#stackPointer ? toBit(this.#base64(field)) : this.body.load('i32.load', field);
  }

  segmentOf(operand: BoundOperand): Bit {
    if (operand.address === 'destination') return L.SEG_ES;
    return this.#field(U.UOP_SEGMENT);
  }

  dataSegment(): Bit {
    return this.#field(U.UOP_SEGMENT);
  }

  farSelector(): Bit {
    return this.#field(U.UOP_DISPLACEMENT, 'i32.load');
  }

  address(operand: BoundOperand): Bit {
    const number = this.#registerField(operand);
    if (operand.kind === 'mmx') return add(shl(number, 4), L.FPU_REGS);
    assert(operand.kind === 'xmm', `address of a ${operand.kind} operand`);
    return add(shl(number, 5), L.XMM);
  }

  stackIndex(operand: BoundOperand): Bit {
    return this.#registerField(operand);
  }

  // -- registers

  getRegister(index: number, size: Size): Int {
    return this.#loadInt(0, L.GPR + index * 8, size);
  }

  setRegister(index: number, size: Size, value: Int): void {
    this.#commitStack();
    this.#storeRegister(0, L.GPR + index * 8, size, value);
  }

  getVectorRegister(index: number): Vector {
    return this.body.load('v128.load', 0, L.XMM + index * L.XMM_STRIDE);
  }

  setVectorRegister(index: number, value: Vector): void {
    this.body.store('v128.store', 0, value, L.XMM + index * L.XMM_STRIDE);
  }

  // -- memory

  load(segment: Bit, offset: Int, size: Size): Int {
    return this.#memory.load(segment, offset, size);
  }

  store(segment: Bit, offset: Int, size: Size, value: Int): void {
    this.#memory.store(segment, offset, size, value);
  }

  push(size: Size, value: Int): void {
    const bound = this.let(value);
    const pointer = this.let(this.#wrapStack(sub(this.#stackTop(), BigInt(size / 8))));
    this.store(L.SEG_SS, pointer, size, bound);
    this.#moveStack(pointer);
  }

  pop(size: Size): Int {
    const top = this.#stackTop();
    const value = this.load(L.SEG_SS, top, size);
    this.#moveStack(this.#wrapStack(add(top, BigInt(size / 8))));
    return value;
  }

  #stackTop(): Int {
    if (this.#stackPointer) return this.let(this.#wrapStack(this.#stackPointer.get()));
    return this.let(this.#wrapStack(this.getRegister(RSP, this.addressing === 'flat32' ? 32 : 64)));
  }

  #wrapStack(pointer: Int): Int {
    if (this.addressing === 'flat64') return pointer;
    if (this.addressing === 'flat32') return truncate(pointer, 32);
    return and(pointer, this.body.load('i64.load', 0, L.STACK_MASK));
  }

  /** A 16-bit stack keeps the upper bits of rSP; POP SS has not changed the stack's size yet. */
  #moveStack(pointer: Int): void {
    let value = pointer;
    if (this.addressing === 'general') {
      const outside = not(this.body.load('i64.load', 0, L.STACK_MASK));
      value = or(and(this.body.load('i64.load', 0, L.RSP) as Int, outside), pointer);
    }
    this.#stackPointer ??= this.body.local('i64');
    this.body.set(this.#stackPointer, value);
  }

  #commitStack(): void {
    if (!this.#stackPointer) return;
    this.body.store('i64.store', 0, this.#stackPointer.get(), L.RSP);
    this.#stackPointer = undefined;
  }

  // -- state words

  stateInt(offset: number): Int {
    return this.body.load('i64.load', 0, offset);
  }
  setStateInt(offset: number, value: Int): void {
    this.body.store('i64.store', 0, value, offset);
  }
  stateBit(offset: number): Bit {
    return this.body.load('i32.load', 0, offset);
  }
  setStateBit(offset: number, value: Bit): void {
    this.body.store('i32.store', 0, value, offset);
  }
  stateVector(offset: number): Vector {
    return this.body.load('v128.load', 0, offset);
  }
  setStateVector(offset: number, value: Vector): void {
    this.body.store('v128.store', 0, value, offset);
  }
  stateIntAt(address: Bit, offset = 0): Int {
    return this.body.load('i64.load', address, offset);
  }
  setStateIntAt(address: Bit, value: Int, offset = 0): void {
    this.body.store('i64.store', address, value, offset);
  }
  cpl(): Bit {
    return this.stateBit(L.CPL);
  }

  // -- flags

  flag(flag: Flag): Bit {
    return this.#flags.read(flag);
  }
  condition(condition: Condition): Bit {
    if (['z', 'nz', 'b', 'nb'].includes(condition)) return this.#flags.condition(condition);
    this.body.call(this.#context.condition(condition), []);
    return this.body.pop('i32', 1);
  }
  flagsAdd(size: Size, a: Int, r: Int): void {
    this.#flags.add(size, this.let(a), this.let(r));
  }
  flagsSub(size: Size, a: Int, r: Int): void {
    this.#flags.sub(size, this.let(a), this.let(r));
  }
  flagsLogic(size: Size, r: Int): void {
    this.#flags.logic(size, this.let(r));
  }
  flagsIncrement(size: Size, a: Int, r: Int): void {
    this.#flags.step(size, this.let(a), this.let(r), false);
  }
  flagsDecrement(size: Size, a: Int, r: Int): void {
    this.#flags.step(size, this.let(a), this.let(r), true);
  }
  flagsResult(size: Size, r: Int, rest: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit } = {}): void {
    this.#flags.result(size, r, rest);
  }
  setFlags(flags: Partial<Record<Flag, Bit>>): void {
    this.#flags.set(flags);
  }

  // -- control

  jump(target: Int): void {
    const bound = this.let(target);
    this.#checkTarget(bound);
    this.#commitStack();
    this.body.store('i64.store', 0, bound, L.RIP);
    this.#context.leave();
    this.#stop();
  }

  jumpRelative(size: Size, operand: BoundOperand): void {
    const target = this.let(this.read(operand));
    const wrapped = this.let(truncate(target, size));
    this.#checkTarget(wrapped);
    this.#commitStack();
    this.body.store('i64.store', 0, wrapped, L.RIP);
    // In a flat segment a branch inside the page cannot wrap.
    this.#context.branch(this.addressing === 'general' ? ne(target, wrapped) : 0);
    this.#stop();
  }

  branch(size: Size, condition: Bit, operand: BoundOperand): void {
    this.if(condition, () => this.jumpRelative(size, operand));
  }

  /** #GP(0) if the target is outside the code segment or not canonical. */
  #checkTarget(target: Int): void {
    if (this.addressing === 'flat32') return;
    const canonical = (): Bit => ne(shrS(shl(target, 16n), 16n), target);
    const beyond = (): Bit => greaterU(target, fromBit(this.body.load('i32.load', 0, L.SEGMENTS + L.SEG_CS * L.SEG_STRIDE + L.SEG_LIMIT)));
    if (this.addressing === 'flat64') return this.if(canonical(), () => this.raise('GP'));
    this.if(
      and(this.stateBit(L.MODE), L.MODE_CODE64),
      () => this.if(canonical(), () => this.raise('GP')),
      () => this.if(beyond(), () => this.raise('GP')),
    );
  }

  endBlock(): void {
    assert(this.#leaves, 'the effects of a text that ends its block are known');
  }

  raise(fault: FaultName, errorCode: Bit = 0): void {
    const [vector, hasCode] = FAULTS[fault];
    this.#context.spill();
    this.body.store('i32.store', 0, vector, L.FAULT_VECTOR);
    this.body.store('i32.store', 0, hasCode ? errorCode : -1, L.FAULT_ERROR);
    this.#context.leave();
    this.#stop();
  }

  #stop(): void {
    if (this.#depth === 0) this.#over = true;
  }

  // -- structure

  let(value: Int): Int;
  let(value: Bit): Bit;
  let<V extends Value>(value: V): V;
  let(value: Value): Value {
    if (isCheap(value)) return value;
    const node = value as Node;
    // What is narrow stays narrow.
    if (node.op === 'i64.extend_i32_u' || node.op === 'i64.extend_i32_s') {
      const narrow = this.let(node.args[0] as Bit);
      return node.op === 'i64.extend_i32_u' ? fromBit(narrow) : op('i64.extend_i32_s', narrow);
    }
    return this.body.let(node.type, node, node.bits);
  }

  variable(initial: Int): Variable<Int>;
  variable(initial: Bit): Variable<Bit>;
  variable<V extends Value>(initial: V): Variable<V>;
  variable(initial: Value): Variable<never> {
    const local = this.body.local(typeOf(initial));
    this.body.set(local, initial);
    // Each reading is a value of its own: it must not change with the variable.
    const get = (): Node => this.body.let(local.type, local.get());
    return { get, set: (value: Expression) => this.body.set(local, value) } as unknown as Variable<never>;
  }

  if(condition: Bit, then: () => void, otherwise?: () => void, likely?: boolean): void {
    if (typeof condition === 'number') {
      if (condition !== 0) then();
      else otherwise?.();
      return;
    }
    this.body.if(condition, () => this.#arm(then), otherwise && (() => this.#arm(otherwise)), likely);
  }

  /** Runs `code` as one that may not be executed: what it reads, and a stack pointer it begins to move, are its own. */
  #arm(code: () => void): void {
    const fields = this.#fields;
    const pointer = this.#stackPointer;
    this.#fields = new Map(fields);
    this.#depth++;
    code();
    this.#depth--;
    if (pointer === undefined) this.#commitStack();
    this.#stackPointer = pointer;
    this.#fields = fields;
  }

  loop(code: () => Bit): void {
    this.body.loop((start) => {
      this.#arm(() => this.body.brIf(start, code()));
    });
  }

  repeat(code: (turns: Variable<Bit>) => void, until?: () => Bit): void {
    const { body } = this;
    const size = this.addressSize;
    const turns = this.variable(REPEAT_TURNS);
    body.block((done) => {
      body.loop((again) => {
        this.#arm(() => {
          body.brIf(done, isZeroValue(this.getRegister(RCX, size)));
          code(turns);
          this.setRegister(RCX, size, truncate(sub(this.getRegister(RCX, size), 1n), size));
          if (until) body.brIf(done, until());
          turns.set(sub(turns.get(), 1));
          const calm = and(isZeroValue(body.load('i32.load', 0, L.EVENTS)), ne(turns.get(), 0));
          body.brIf(again, calm);
          // An event is due: the instruction is resumed after it (SDM vol.2 REP).
          body.brIf(done, isZeroValue(this.getRegister(RCX, size)));
          body.store('i64.store', 0, this.rip, L.RIP);
          this.#context.leave();
        });
      });
    });
  }

  // -- helpers

  call(name: string, ...args: Value[]): void {
    this.#call(name, args);
  }
  callBit(name: string, ...args: Value[]): Bit {
    return this.#call(name, args) as Bit;
  }
  callInt(name: string, ...args: Value[]): Int {
    return this.#call(name, args) as Int;
  }
  callF64(name: string, ...args: Value[]): F64 {
    return this.#call(name, args) as F64;
  }
  callF32(name: string, ...args: Value[]): F32 {
    return this.#call(name, args) as F32;
  }

  #call(name: string, args: readonly Value[]): Value | undefined {
    const helper = helpers[name];
    assert(helper, `unknown helper ${name}`);
    assert(args.length === helper.params.length && args.every((arg, i) => typeOf(arg) === helper.params[i]), `arguments of ${name}`);
    let result: Value | undefined;
    const take = helper.result ? () => (result = this.body.pop(helper.result!) as Value) : undefined;
    if (helper.faults) this.callFaulting(name, args, take);
    else {
      this.#context.spill();
      this.body.call(this.#context.function(name), args);
      take?.();
    }
    return result;
  }

  callFaulting(name: string, args: readonly Value[], take?: () => void): void {
    this.#context.spill();
    this.body.call(this.#context.function(name), args);
    take?.();
    this.body.if(eq(shrU(this.body.load('i32.load', 0, L.FAULT_VECTOR) as Bit, 31), 0), () => this.#context.leave(), undefined, false);
  }
}
