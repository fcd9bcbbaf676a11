/**
 * The reference reading: every value is known, so running a text executes the instruction on the processor's state. Slow and plain on purpose; it
 * shares with the interpreter the decoder, the system helpers and nothing else, and it checks the order the texts promise: what can fault comes
 * before what is committed.
 */
import { assert } from '../../base/errors.ts';
import { constant } from '../../wasm/expression.ts';
import type { Handler } from '../isa/handlers.ts';
import { helpers } from '../isa/helpers.ts';
import type { Condition, FaultName, Flag, Machine, Size, Variable } from '../isa/machine.ts';
import type { BoundOperand } from '../isa/operands.ts';
import { maskOf } from '../isa/value.ts';
import type { Bit, F32, F64, Int, Value, Vector } from '../isa/value.ts';
import { HANDLERS_RESERVED, HANDLER_INVALID, HANDLER_TOO_LONG } from '../decode/form-layout.ts';
import * as L from '../layout.ts';
import * as U from '../uop.ts';
import { FAULTS } from './faults.ts';

const RCX = 1;
const RSI = 6;
const RDI = 7;
const PF = 4;
const AF = 16;
const ZF = 64;
const SF = 128;
const OF = 2048;
const FLAG_BITS: Readonly<Record<Flag, number>> = { cf: 0, pf: 2, af: 4, zf: 6, sf: 7, of: 11, df: 10 };
const REPEAT_TURNS = 1024;

export type Helpers = Readonly<Record<string, (...args: (number | bigint)[]) => number | bigint | undefined>>;

/** Leaves the instruction: a fault is pending, or RIP has been set. */
class Left extends Error {}
const LEFT_INSTRUCTION = new Left();

export class Oracle {
  readonly #core: DataView;
  readonly #helpers: Helpers;
  readonly #handlers: readonly Handler[];

  constructor(core: DataView, system: Helpers, handlers: readonly Handler[]) {
    this.#core = core;
    this.#helpers = system;
    this.#handlers = handlers;
  }

  /** As the interpreter's run(): executes until the slice is over or the processor stops, one instruction at a time. */
  run(): void {
    const core = this.#core;
    const budget = core.getInt32(L.LEFT, true);
    for (let left = budget; ; left--) {
      // With one instruction left the decoder gives that one and no more.
      core.setInt32(L.LEFT, Math.min(left, 1), true);
      const uop = this.#helpers[left === budget ? 'first_trace' : 'next_trace']!() as number;
      core.setInt32(L.LEFT, left, true);
      if (uop === 0) return;
      core.setInt32(L.CURRENT_UOP, uop, true);
      this.#execute(uop);
    }
  }

  #execute(uop: number): void {
    const core = this.#core;
    const number = core.getUint16(uop + U.UOP_HANDLER, true);
    const fault = (vector: number, code: number): void => {
      core.setInt32(L.FAULT_VECTOR, vector, true);
      core.setInt32(L.FAULT_ERROR, code, true);
    };
    if (number === HANDLER_INVALID) return fault(6, -1);
    if (number === HANDLER_TOO_LONG) return fault(13, 0);
    const handler = this.#handlers[number - HANDLERS_RESERVED];
    assert(handler, `handler ${number} of a single instruction`);
    const machine = new OracleMachine(core, this.#helpers, handler, uop);
    try {
      handler.text(machine, handler.size, ...handler.operands);
      machine.finish();
    } catch (left) {
      if (!(left instanceof Left)) throw left;
    }
  }
}

class OracleMachine implements Machine {
  readonly rep: Machine['rep'];
  readonly addressSize: Size;
  readonly #core: DataView;
  readonly #helpers: Helpers;
  readonly #handler: Handler;
  readonly #uop: number;
  #stackPointer: bigint | undefined;
  /** Something that an instruction may not undo was done. */
  #committed = false;
  #repeating = false;

  constructor(core: DataView, system: Helpers, handler: Handler, uop: number) {
    this.#core = core;
    this.#helpers = system;
    this.#handler = handler;
    this.#uop = uop;
    this.rep = handler.repeat;
    this.addressSize = handler.addressSize;
    if (handler.effects.leaves) this.#set64(L.RIP, this.nextRip);
  }

  finish(): void {
    this.#commitStack();
    if (!this.#handler.effects.leaves) this.#set64(L.RIP, this.nextRip);
  }

  #get64(at: number): bigint {
    return this.#core.getBigUint64(at, true);
  }
  #set64(at: number, value: bigint): void {
    this.#core.setBigUint64(at, value, true);
  }
  #byte(offset: number): number {
    return this.#core.getUint8(this.#uop + offset);
  }

  get nextRip(): bigint {
    return this.rip + BigInt(this.#byte(U.UOP_LENGTH));
  }
  get rip(): bigint {
    return BigInt.asUintN(64, this.#get64(L.RIP_PAGE) + BigInt(this.#core.getUint16(this.#uop + U.UOP_PAGE_OFFSET, true)));
  }

  // -- operands

  read(operand: BoundOperand): Int {
    switch (operand.kind) {
      case 'mem':
        return this.load(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size);
      case 'imm':
        if (operand.constant !== undefined) return operand.constant;
        if (operand.second) return BigInt(this.#core.getUint32(this.#uop + U.UOP_DISPLACEMENT, true));
        return this.#get64(this.#uop + U.UOP_IMMEDIATE) & maskOf(operand.size as Size);
      case 'far':
        return this.#get64(this.#uop + U.UOP_IMMEDIATE);
      case 'relative':
        return BigInt.asUintN(64, this.#get64(L.RIP_PAGE) + this.#get64(this.#uop + U.UOP_IMMEDIATE));
      case 'segment':
        return BigInt(this.#core.getUint16(L.SEGMENTS + this.#register(operand) * L.SEG_STRIDE + L.SEG_SELECTOR, true));
      case 'control':
        return this.callInt('read_control', this.#register(operand));
      case 'debug':
        return this.callInt('read_debug', this.#register(operand));
      case 'x87':
        return BigInt(this.#register(operand));
      case 'mmx':
      case 'xmm':
        return this.#getSized(this.address(operand), Math.min(operand.size, 64) as Size);
      case 'reg':
        return this.#getSized(this.#register(operand), operand.size as Size);
    }
  }

  #register(operand: BoundOperand): number {
    assert(operand.slot >= 0, 'a register operand');
    return this.#byte(U.UOP_REGISTER + operand.slot);
  }

  #getSized(at: number, size: Size): bigint {
    return this.#get64(at) & maskOf(size);
  }

  #setSized(at: number, size: Size, value: Int): void {
    const known = value as bigint;
    assert(known >> BigInt(size) === 0n || size === 64, `a value of ${size} bits is zero above them`);
    if (size === 8) this.#core.setUint8(at, Number(known));
    else if (size === 16) this.#core.setUint16(at, Number(known), true);
    else this.#set64(at, known);
  }

  write(operand: BoundOperand, value: Int): void {
    const size = operand.size as Size;
    if (operand.kind === 'mem') return this.store(this.segmentOf(operand), this.effectiveAddress(operand), size, value);
    if (operand.kind === 'control') return this.call('write_control', this.#register(operand), value);
    if (operand.kind === 'debug') return this.call('write_debug', this.#register(operand), value);
    assert(operand.kind === 'reg', `${operand.kind} operands are not written by value`);
    this.#commitStack();
    this.#committed = true;
    this.#setSized(this.#register(operand), size, value);
  }

  readForWrite(operand: BoundOperand): Int {
    if (operand.kind !== 'mem') return this.read(operand);
    const [segment, offset, bytes] = [this.segmentOf(operand), this.effectiveAddress(operand), operand.size / 8];
    const linear = this.#linear(segment, offset, bytes, true);
    this.#help('prepare_write', linear, bytes, segment);
    return BigInt.asUintN(64, this.#help('load_slow', linear, bytes, segment) as bigint);
  }

  readVector(operand: BoundOperand, alignment: 'aligned' | 'unaligned' = 'aligned'): Vector {
    if (operand.kind !== 'mem') return this.stateVector(this.address(operand));
    const segment = this.segmentOf(operand);
    const linear = this.#vectorAddress(operand, alignment, false);
    this.#help('load_block', linear, 16, segment, L.SCRATCH);
    return this.stateVector(L.SCRATCH);
  }

  writeVector(operand: BoundOperand, value: Vector, alignment: 'aligned' | 'unaligned' = 'aligned'): void {
    if (operand.kind !== 'mem') {
      this.#committed = true;
      return this.setStateVector(this.address(operand), value);
    }
    const segment = this.segmentOf(operand);
    const linear = this.#vectorAddress(operand, alignment, true);
    this.setStateVector(L.SCRATCH, value);
    this.#help('store_block', linear, 16, segment, L.SCRATCH);
  }

  #vectorAddress(operand: BoundOperand, alignment: 'aligned' | 'unaligned', write: boolean): bigint {
    const segment = this.segmentOf(operand);
    const offset = this.effectiveAddress(operand) as bigint;
    if (alignment === 'aligned' && ((offset + this.#base(segment)) & 15n) !== 0n) this.raise('GP');
    return this.#linear(segment, offset, 16, write);
  }

  effectiveAddress(operand: BoundOperand): Int {
    if (operand.address === 'source') return this.getRegister(RSI, this.addressSize);
    if (operand.address === 'destination') return this.getRegister(RDI, this.addressSize);
    if (operand.address === 'offset') return this.#get64(this.#uop + U.UOP_IMMEDIATE);
    const field = this.#byte(U.UOP_BASE);
    const base = field === L.RSP && this.#stackPointer !== undefined ? this.#stackPointer : this.#get64(field);
    const index = this.#get64(this.#byte(U.UOP_SCALED)) << BigInt(this.#byte(U.UOP_SCALE));
    const sum = base + index + BigInt(this.#core.getInt32(this.#uop + U.UOP_DISPLACEMENT, true));
    return BigInt.asUintN(64 - this.#byte(U.UOP_ADDRESS_SHIFT), sum);
  }

  segmentOf(operand: BoundOperand): number {
    return operand.address === 'destination' ? L.SEG_ES : this.#byte(U.UOP_SEGMENT);
  }
  dataSegment(): number {
    return this.#byte(U.UOP_SEGMENT);
  }
  farSelector(): Bit {
    return this.#core.getInt32(this.#uop + U.UOP_DISPLACEMENT, true);
  }
  address(operand: BoundOperand): number {
    const number = this.#register(operand);
    return operand.kind === 'mmx' ? L.FPU_REGS + number * 16 : L.XMM + number * L.XMM_STRIDE;
  }
  stackIndex(operand: BoundOperand): Bit {
    return this.#register(operand);
  }

  // -- registers

  getRegister(index: number, size: Size): Int {
    return this.#getSized(L.GPR + index * 8, size);
  }
  setRegister(index: number, size: Size, value: Int): void {
    this.#commitStack();
    this.#committed = true;
    this.#setSized(L.GPR + index * 8, size, value);
  }
  getVectorRegister(index: number): Vector {
    return this.stateVector(L.XMM + index * L.XMM_STRIDE);
  }
  setVectorRegister(index: number, value: Vector): void {
    this.#committed = true;
    this.setStateVector(L.XMM + index * L.XMM_STRIDE, value);
  }

  // -- memory

  #base(segment: number): bigint {
    return this.#get64(L.SEGMENTS + segment * L.SEG_STRIDE + L.SEG_BASE);
  }

  #linear(segment: Bit, offset: Int, bytes: number, write: boolean): bigint {
    const [number, known] = [segment as number, offset as bigint];
    const reach = this.#core.getBigInt64(L.SEG_REACH + number * 8, true);
    if (BigInt.asIntN(64, known + BigInt(bytes - 1)) > reach) this.#help('seg_check', number, known, bytes, write ? 1 : 0);
    return (known + this.#base(number)) & this.#get64(L.LINEAR_MASK);
  }

  load(segment: Bit, offset: Int, size: Size): Int {
    const linear = this.#linear(segment, offset, size / 8, false);
    return BigInt.asUintN(64, this.#help('load_slow', linear, size / 8, segment as number) as bigint);
  }

  store(segment: Bit, offset: Int, size: Size, value: Int): void {
    const linear = this.#linear(segment, offset, size / 8, true);
    this.#help('store_slow', linear, size / 8, segment as number, value as bigint);
  }

  push(size: Size, value: Int): void {
    const pointer = (this.#stackTop() - BigInt(size / 8)) & this.#get64(L.STACK_MASK);
    this.store(L.SEG_SS, pointer, size, (value as bigint) & maskOf(size));
    this.#moveStack(pointer);
  }
  pop(size: Size): Int {
    const top = this.#stackTop();
    const value = this.load(L.SEG_SS, top, size);
    this.#moveStack((top + BigInt(size / 8)) & this.#get64(L.STACK_MASK));
    return value;
  }
  #stackTop(): bigint {
    return (this.#stackPointer ?? this.#get64(L.RSP)) & this.#get64(L.STACK_MASK);
  }
  #moveStack(pointer: bigint): void {
    this.#stackPointer = (this.#get64(L.RSP) & ~this.#get64(L.STACK_MASK)) | pointer;
  }
  #commitStack(): void {
    if (this.#stackPointer === undefined) return;
    this.#committed = true;
    this.#set64(L.RSP, this.#stackPointer);
    this.#stackPointer = undefined;
  }

  // -- state words

  stateInt(offset: number): Int {
    return this.#get64(offset);
  }
  setStateInt(offset: number, value: Int): void {
    this.#set64(offset, value as bigint);
  }
  stateBit(offset: number): Bit {
    return this.#core.getInt32(offset, true);
  }
  setStateBit(offset: number, value: Bit): void {
    this.#core.setInt32(offset, value as number, true);
  }
  stateVector(offset: number): Vector {
    return constant('v128', this.#get64(offset) | (this.#get64(offset + 8) << 64n));
  }
  setStateVector(offset: number, value: Vector): void {
    const bits = value.immediate as bigint;
    this.#set64(offset, BigInt.asUintN(64, bits));
    this.#set64(offset + 8, bits >> 64n);
  }
  stateIntAt(address: Bit, offset = 0): Int {
    return this.#get64((address as number) + offset);
  }
  setStateIntAt(address: Bit, value: Int, offset = 0): void {
    this.#set64((address as number) + offset, value as bigint);
  }
  cpl(): Bit {
    return this.stateBit(L.CPL);
  }

  // -- flags: nothing is lazy here

  #flags(): number {
    return this.#helpers['get_eflags']!() as number;
  }
  flag(flag: Flag): Bit {
    return (this.#flags() >> FLAG_BITS[flag]) & 1;
  }
  condition(condition: Condition): Bit {
    const flags = this.#flags();
    const is = (mask: number): boolean => (flags & mask) !== 0;
    const less = is(SF) !== is(OF);
    const values: Readonly<Record<string, boolean>> = {
      o: is(OF),
      b: is(1),
      z: is(ZF),
      be: is(1 | ZF),
      s: is(SF),
      p: is(PF),
      l: less,
      le: less || is(ZF),
    };
    const negated = condition.startsWith('n');
    const value = values[negated ? condition.slice(1) : condition]!;
    return Number(value !== negated);
  }
  #setFlagBits(mask: number, bits: number): void {
    this.#committed = true;
    this.#helpers['set_eflags']!((this.#flags() & ~mask) | (bits & mask));
  }
  #resultBits(size: Size, r: bigint): number {
    const parity = (0x9669 >> Number((r ^ (r >> 4n)) & 15n)) & 1;
    return (r === 0n ? ZF : 0) | ((r >> BigInt(size - 1)) & 1n ? SF : 0) | (parity ? PF : 0);
  }
  #arithmetic(size: Size, a: Int, r: Int, subtract: boolean, keep = 0): void {
    const [x, z] = [a as bigint, r as bigint];
    const y = BigInt.asUintN(size, subtract ? x - z : z - x);
    const carry = subtract ? x < y : z < x;
    const signs = (subtract ? x ^ y : ~(x ^ y)) & (x ^ z);
    const overflow = ((signs >> BigInt(size - 1)) & 1n) === 1n;
    const bits = (carry ? 1 : 0) | ((x ^ y ^ z) & 16n ? AF : 0) | (overflow ? OF : 0);
    this.#setFlagBits((1 | PF | AF | ZF | SF | OF) & ~keep, bits | this.#resultBits(size, z));
  }
  flagsAdd(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, a, r, false);
  }
  flagsSub(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, a, r, true);
  }
  flagsLogic(size: Size, r: Int): void {
    this.#setFlagBits(1 | PF | AF | ZF | SF | OF, this.#resultBits(size, r as bigint));
  }
  flagsIncrement(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, a, r, false, 1);
  }
  flagsDecrement(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, a, r, true, 1);
  }
  flagsResult(size: Size, r: Int, rest: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit } = {}): void {
    this.#setFlagBits(PF | ZF | SF, this.#resultBits(size, r as bigint));
    this.setFlags(rest);
  }
  setFlags(flags: Partial<Record<Flag, Bit>>): void {
    let [mask, bits] = [0, 0];
    for (const [name, value] of Object.entries(flags)) {
      const shift = FLAG_BITS[name as Flag];
      mask |= 1 << shift;
      bits |= (value as number) << shift;
    }
    this.#setFlagBits(mask, bits);
  }

  // -- control

  jump(target: Int): never {
    const known = target as bigint;
    if ((this.#core.getInt32(L.MODE, true) & L.MODE_CODE64) !== 0) {
      if (BigInt.asUintN(64, BigInt.asIntN(48, known)) !== known) this.raise('GP');
    } else if (known > BigInt(this.#core.getUint32(L.SEGMENTS + L.SEG_CS * L.SEG_STRIDE + L.SEG_LIMIT, true))) this.raise('GP');
    this.#commitStack();
    this.#set64(L.RIP, known);
    throw LEFT_INSTRUCTION;
  }
  jumpRelative(size: Size, operand: BoundOperand): never {
    return this.jump((this.read(operand) as bigint) & maskOf(size));
  }
  branch(size: Size, condition: Bit, operand: BoundOperand): void {
    if (condition !== 0) this.jumpRelative(size, operand);
  }
  endBlock(): void {
    assert(this.#handler.effects.leaves, 'the effects of a text that ends its block are known');
  }
  raise(fault: FaultName, errorCode: Bit = 0): never {
    const [vector, hasCode] = FAULTS[fault];
    this.#core.setInt32(L.FAULT_VECTOR, vector, true);
    this.#core.setInt32(L.FAULT_ERROR, hasCode ? (errorCode as number) : -1, true);
    return this.#leaveFaulted();
  }

  #leaveFaulted(): never {
    assert(!this.#committed || this.#repeating, `${this.#handler.name} faults after it has changed the state`);
    throw LEFT_INSTRUCTION;
  }

  // -- structure: JavaScript's own

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
    let current = initial;
    return { get: () => current, set: (value: Value) => (current = value) } as unknown as Variable<never>;
  }
  if(condition: Bit, then: () => void, otherwise?: () => void): void {
    if (condition !== 0) then();
    else otherwise?.();
  }
  loop(body: () => Bit): void {
    while (body() !== 0);
  }
  repeat(body: (turns: Variable<Bit>) => void, until?: () => Bit): void {
    this.#repeating = true;
    const count = (): bigint => this.getRegister(RCX, this.addressSize) as bigint;
    const turns = this.variable(REPEAT_TURNS);
    while (count() !== 0n) {
      body(turns);
      this.setRegister(RCX, this.addressSize, (count() - 1n) & maskOf(this.addressSize));
      if (until && until() !== 0) return;
      turns.set((turns.get() as number) - 1);
      if ((turns.get() === 0 || this.#core.getInt32(L.EVENTS, true) !== 0) && count() !== 0n) {
        this.#set64(L.RIP, this.rip);
        throw LEFT_INSTRUCTION;
      }
    }
  }

  // -- helpers

  call(name: string, ...args: Value[]): void {
    this.#helper(name, args);
  }
  callBit(name: string, ...args: Value[]): Bit {
    return this.#helper(name, args) as number;
  }
  callInt(name: string, ...args: Value[]): Int {
    return BigInt.asUintN(64, this.#helper(name, args) as bigint);
  }
  callF64(): F64 {
    throw new Error('helpers take and give floats as integers');
  }
  callF32(): F32 {
    throw new Error('helpers take and give floats as integers');
  }

  #helper(name: string, args: readonly Value[]): number | bigint | undefined {
    return this.#help(name, ...(args as (number | bigint)[]));
  }

  #help(name: string, ...args: (number | bigint)[]): number | bigint | undefined {
    const helper = helpers[name];
    assert(helper, `unknown helper ${name}`);
    const result = this.#helpers[name]!(...args);
    if (helper.faults && this.#core.getInt32(L.FAULT_VECTOR, true) >= 0) this.#leaveFaulted();
    return result;
  }
}
