/**
 * Reads an instruction text into a region's code: fields of the micro-op are numbers, registers are locals, flags are known where they can be. One object
 * serves a whole region; `begin` sets the instruction.
 */
import { assert } from '../../../base/errors.ts';
import { Node, typeOf } from '../../../wasm/expression.ts';
import type { Expression } from '../../../wasm/expression.ts';
import type { FunctionBody, Local } from '../../../wasm/function-body.ts';
import type { Addressing, Handler } from '../../isa/handlers.ts';
import { helpers } from '../../isa/helpers.ts';
import type { Condition, Flag, Machine, Size, Variable } from '../../isa/machine.ts';
import type { BoundOperand } from '../../isa/operands.ts';
import { add, and, eq, fromBit, greaterU, lane, or, shl, shrU, sub, toBit, truncate } from '../../isa/value.ts';
import type { Bit, F32, F64, Int, Value, Vector } from '../../isa/value.ts';
import * as L from '../../layout.ts';
import * as U from '../../uop.ts';
import { isCheap } from '../interp/context.ts';
import { SSE_UNAVAILABLE } from './inlining.ts';
import { JitFlags } from './flags.ts';
import { JitMemory } from './memory.ts';
import type { Place } from './memory.ts';

const RSP = 4;
const RSI = 6;
const RDI = 7;
const GPR_COUNT = 16;

const REGISTER_LOADS = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load' } as const;

/** Where an instruction goes when it does not simply end: noted by `jump` and `branch`, made into code by the region. */
export type Transfer =
  | { readonly kind: 'relative'; readonly size: Size; readonly operand: BoundOperand; readonly condition: Bit }
  | { readonly kind: 'dynamic'; readonly target: Int };

/** What the region gives the machine. */
export interface RegionHost {
  readonly mode: number;
  function(helper: string): number;
  /** Leaves the region if `condition`, the current instruction not executed. */
  leaveUndone(condition: Bit): void;
  /** Leaves the region, the current instruction executed: a fault is pending. Registers are spilled. */
  leaveFaulted(): void;
  /** Stores CURRENT_UOP and LEFT for a helper. */
  announce(): void;
}

export class JitMachine implements Machine {
  readonly body: FunctionBody;
  readonly flags: JitFlags;
  readonly gpr: readonly Local<'i64'>[];
  readonly ripPage: Local<'i64'>;
  readonly left: Local<'i32'>;
  readonly tlb: Local<'i32'>;
  /** SSE_OFF, which does not change within a region. */
  readonly sseOff: Local<'i32'>;
  readonly #vectors: (Local<'v128'> | undefined)[] = [];
  readonly #host: RegionHost;
  readonly #memory: JitMemory;
  readonly #mode: number;

  rep: Machine['rep'] = 'none';
  addressSize: Size = 64;
  addressing: Addressing = 'general';
  /** The instruction calls helpers. */
  calls = false;
  #code: DataView;
  #at = 0;
  /** Displacement of its page. */
  #page = 0;
  transfer: Transfer | undefined;
  /** The text left for good. */
  over = false;
  #depth = 0;
  #armsWriteFlags = false;
  readonly #places = new Map<BoundOperand, Place>();
  #stackPointer: Local<'i64'> | undefined;
  /** What a local of this instruction was made from. */
  readonly #origins = new Map<number, Node>();
  /** Vector registers whose words in core memory were named: read back when the instruction is over. */
  #addressed = 0;

  constructor(body: FunctionBody, host: RegionHost, vectors: number) {
    this.body = body;
    this.#host = host;
    this.#mode = host.mode;
    this.#code = new DataView(new ArrayBuffer(0));
    this.gpr = Array.from({ length: GPR_COUNT }, () => body.local('i64'));
    this.ripPage = body.local('i64');
    this.left = body.local('i32');
    this.tlb = body.local('i32');
    this.sseOff = body.local('i32');
    this.flags = new JitFlags(body);
    for (let n = 0; n < GPR_COUNT; n++) if ((vectors >> n) & 1) this.#vectors[n] = body.local('v128');
    this.#memory = new JitMemory(this);
  }

  get mode(): number {
    return this.#mode;
  }

  vectorLocal(n: number): Local<'v128'> | undefined {
    return this.#vectors[n];
  }

  begin(handler: Handler, code: DataView, at: number, page: number, calls: boolean): void {
    this.#page = page;
    this.rep = handler.repeat;
    this.addressSize = handler.addressSize;
    this.addressing = handler.addressing;
    this.calls = calls;
    this.#code = code;
    this.#at = at;
    this.#armsWriteFlags = handler.effects.conditionalFlags;
    this.transfer = undefined;
    this.over = false;
    if (this.#places.size > 0) this.#places.clear();
    if (this.#origins.size > 0) this.#origins.clear();
    this.#stackPointer = undefined;
    this.#addressed = 0;
  }

  /** Everything the text did is committed. */
  finish(): void {
    this.#commitStack();
    for (let n = 0; this.#addressed >> n !== 0; n++) {
      if (((this.#addressed >> n) & 1) === 0) continue;
      this.body.pushLoad('v128.load', 0, L.XMM + n * L.XMM_STRIDE);
      this.body.popInto(this.#vectors[n]!);
    }
    this.#addressed = 0;
  }

  // -- the micro-op

  #u8(offset: number): number {
    return this.#code.getUint8(this.#at + offset);
  }
  #i32(offset: number): number {
    return this.#code.getInt32(this.#at + offset, true);
  }
  get #immediate(): bigint {
    return this.#code.getBigUint64(this.#at + U.UOP_IMMEDIATE, true);
  }
  get pageOffset(): number {
    return this.#code.getUint16(this.#at + U.UOP_PAGE_OFFSET, true);
  }

  get rip(): Int {
    return this.let(add(this.pageBase, BigInt(this.pageOffset)));
  }

  /** RIP that belongs to offset 0 of the instruction's page. */
  get pageBase(): Int {
    return add(this.ripPage.get(), BigInt.asUintN(64, BigInt(this.#page)));
  }

  get nextRip(): Int {
    return this.let(add(this.pageBase, BigInt(this.pageOffset + this.#u8(U.UOP_LENGTH))));
  }

  // -- operands

  read(operand: BoundOperand): Int {
    switch (operand.kind) {
      case 'mem':
        return this.load(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size);
      case 'imm':
        if (operand.constant !== undefined) return operand.constant;
        if (operand.second) return BigInt(this.#i32(U.UOP_DISPLACEMENT) >>> 0);
        return operand.size === 64 ? this.#immediate : this.#immediate & 0xffff_ffffn;
      case 'relative':
        return add(this.pageBase, this.#immediate);
      case 'far':
        return this.#immediate;
      case 'segment':
        return fromBit(this.body.load('i32.load16_u', 0, L.SEGMENTS + this.#register(operand) * L.SEG_STRIDE + L.SEG_SELECTOR, 0, 16));
      case 'control':
        return this.callInt('read_control', this.#register(operand));
      case 'debug':
        return this.callInt('read_debug', this.#register(operand));
      case 'x87':
        return BigInt(this.#register(operand));
      case 'xmm': {
        const vector = this.getVectorRegister(this.#register(operand));
        if (operand.size >= 64) return this.let<Int>(lane('i64x2.extract_lane', 0, vector));
        const low: Bit = lane('i32x4.extract_lane', 0, vector);
        return this.let(truncate(fromBit(low), operand.size as Size));
      }
      case 'mmx':
        return this.#loadWord(L.FPU_REGS + this.#register(operand) * 16, Math.min(operand.size, 64) as Size);
      case 'reg':
        return this.#readField(this.#register(operand), operand.size as Size);
    }
  }

  #register(operand: BoundOperand): number {
    assert(operand.slot >= 0, `operand ${operand.kind} has no register field`);
    return this.#u8(U.UOP_REGISTER + operand.slot);
  }

  /** A general register by its byte offset (AH = 1). The value is a copy: the register may change before it is used. */
  #readField(field: number, size: Size): Int {
    if (field === L.ZERO) return 0n;
    const local = this.gpr[field >> 3]!;
    if (size === 64) return this.body.let('i64', local.get());
    const low = toBit(local.get());
    const shifted = field & 1 ? shrU(low, 8) : low;
    if (size === 32) return fromBit(this.body.let('i32', low));
    return fromBit(this.body.let('i32', and(shifted, size === 8 ? 0xff : 0xffff), size));
  }

  #writeField(field: number, size: Size, value: Int): void {
    const local = this.gpr[field >> 3]!;
    // 32-bit results are zero-extended (SDM vol.1 3.4.1.1).
    if (size >= 32) return this.body.set(local, size === 32 ? truncate(value, 32) : value);
    const shift = field & 1 ? 8n : 0n;
    const mask = (size === 8 ? 0xffn : 0xffffn) << shift;
    const old = and(local.get(), ~mask & 0xffff_ffff_ffff_ffffn);
    this.body.set(local, or(old, shl(truncate(value, size), shift)));
  }

  #loadWord(address: number, size: Size): Int {
    if (size === 64) return this.body.load('i64.load', 0, address);
    return fromBit(this.body.load(REGISTER_LOADS[size], 0, address, 0, size));
  }

  write(operand: BoundOperand, value: Int): void {
    const size = operand.size as Size;
    if (operand.kind === 'mem') {
      const place = this.#places.get(operand);
      if (place) this.#memory.storePlace(place, size, value);
      else this.store(this.segmentOf(operand), this.effectiveAddress(operand), size, value);
      return;
    }
    if (operand.kind === 'control') return this.call('write_control', this.#register(operand), value);
    if (operand.kind === 'debug') return this.call('write_debug', this.#register(operand), value);
    assert(operand.kind === 'reg', `${operand.kind} operands are not written by value`);
    this.#commitStack();
    this.#writeField(this.#register(operand), size, value);
  }

  readForWrite(operand: BoundOperand): Int {
    if (operand.kind !== 'mem') return this.read(operand);
    const { value, place } = this.#memory.loadPlace(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size);
    this.#places.set(operand, place);
    return value;
  }

  readVector(operand: BoundOperand, alignment: 'aligned' | 'unaligned' = 'aligned'): Vector {
    if (operand.kind === 'mem') return this.#memory.loadVector(this.segmentOf(operand), this.#aligned(operand, alignment));
    if (operand.kind === 'xmm') return this.getVectorRegister(this.#register(operand));
    return this.body.load('v128.load', this.address(operand));
  }

  writeVector(operand: BoundOperand, value: Vector, alignment: 'aligned' | 'unaligned' = 'aligned'): void {
    if (operand.kind === 'mem') this.#memory.storeVector(this.segmentOf(operand), this.#aligned(operand, alignment), value);
    else if (operand.kind === 'xmm') this.setVectorRegister(this.#register(operand), value);
    else this.body.store('v128.store', this.address(operand), value);
  }

  /** #GP(0) unless the linear address is a multiple of 16 (SDM vol.1 10.4.1). */
  #aligned(operand: BoundOperand, alignment: 'aligned' | 'unaligned'): Int {
    const offset = this.let(this.effectiveAddress(operand));
    if (alignment === 'aligned') {
      let low = toBit(offset);
      if (this.addressing === 'general') low = add(low, this.body.load('i32.load', 0, L.SEGMENTS + this.segmentOf(operand) * L.SEG_STRIDE) as Bit);
      this.if(and(low, 15), () => this.raise());
    }
    return offset;
  }

  effectiveAddress(operand: BoundOperand): Int {
    if (operand.address === 'source') return this.getRegister(RSI, this.addressSize);
    if (operand.address === 'destination') return this.getRegister(RDI, this.addressSize);
    if (operand.address === 'offset') return this.#immediate;
    const [base, scaled, scale] = [this.#u8(U.UOP_BASE), this.#u8(U.UOP_SCALED), this.#u8(U.UOP_SCALE)];
    const displacement = this.#i32(U.UOP_DISPLACEMENT);
    const bits = 64 - this.#u8(U.UOP_ADDRESS_SHIFT);
    if (bits <= 32) {
      // Sums modulo 2 ** 32 are right for 16-bit addresses too.
      const word = (field: number): Bit => toBit(this.#addressRegister(field));
      const sum = add(add(word(base), shl(word(scaled), scale)), displacement);
      return fromBit(typeof sum === 'number' ? (bits === 16 ? sum & 0xffff : sum) : this.body.let('i32', bits === 16 ? and(sum, 0xffff) : sum, bits));
    }
    const sum = add(add(this.#addressRegister(base), shl(this.#addressRegister(scaled), BigInt(scale))), BigInt.asUintN(64, BigInt(displacement)));
    return this.let(sum);
  }

  /** A base or index register as it is now. POP to memory uses the stack pointer as it is after the pop (SDM vol.2 POP). */
  #addressRegister(field: number): Int {
    if (field === L.ZERO) return 0n;
    if (field === L.RIP_PAGE) return this.pageBase;
    if (field === L.RIP_NEXT_PAGE) return add(this.pageBase, 0x1000n);
    if (field === L.RSP && this.#stackPointer) return this.#stackPointer.get();
    return this.gpr[field >> 3]!.get();
  }

  segmentOf(operand: BoundOperand): number {
    return operand.address === 'destination' ? L.SEG_ES : this.#u8(U.UOP_SEGMENT);
  }

  dataSegment(): number {
    return this.#u8(U.UOP_SEGMENT);
  }

  farSelector(): Bit {
    return this.#i32(U.UOP_DISPLACEMENT);
  }

  /** An XMM register is put where its words are, and read back when the instruction is over. */
  address(operand: BoundOperand): Bit {
    const number = this.#register(operand);
    if (operand.kind === 'mmx') return L.FPU_REGS + number * 16;
    assert(operand.kind === 'xmm', `address of a ${operand.kind} operand`);
    const address = L.XMM + number * L.XMM_STRIDE;
    const local = this.#vectors[number];
    assert(local, 'the vector registers of a region are known');
    if (((this.#addressed >> number) & 1) === 0) this.body.store('v128.store', 0, local.get(), address);
    this.#addressed |= 1 << number;
    return address;
  }

  stackIndex(operand: BoundOperand): Bit {
    return this.#register(operand);
  }

  // -- registers

  getRegister(index: number, size: Size): Int {
    return this.#readField(index * 8, size);
  }

  setRegister(index: number, size: Size, value: Int): void {
    this.#commitStack();
    this.#writeField(index * 8, size, value);
  }

  getVectorRegister(index: number): Vector {
    if ((this.#addressed >> index) & 1) return this.body.load('v128.load', 0, L.XMM + index * L.XMM_STRIDE);
    const local = this.#vectors[index];
    assert(local, 'the vector registers of a region are known');
    return this.body.let('v128', local.get());
  }

  setVectorRegister(index: number, value: Vector): void {
    if ((this.#addressed >> index) & 1) return this.body.store('v128.store', 0, value, L.XMM + index * L.XMM_STRIDE);
    const local = this.#vectors[index];
    assert(local, 'the vector registers of a region are known');
    this.body.set(local, value);
  }

  // -- memory

  load(segment: Bit, offset: Int, size: Size): Int {
    return this.#memory.load(segment as number, offset, size);
  }

  store(segment: Bit, offset: Int, size: Size, value: Int): void {
    this.#memory.store(segment as number, offset, size, value);
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
    const pointer = (this.#stackPointer ?? this.gpr[RSP]!).get();
    return this.let(this.#wrapStack(pointer));
  }

  #wrapStack(pointer: Int): Int {
    return and(pointer, this.#stackMask);
  }

  get #stackMask(): bigint {
    if (this.#mode & L.MODE_CODE64) return 0xffff_ffff_ffff_ffffn;
    return this.#mode & L.MODE_STACK32 ? 0xffff_ffffn : 0xffffn;
  }

  /** A 16-bit stack keeps the upper bits of rSP. */
  #moveStack(pointer: Int): void {
    let value = pointer;
    if (this.#stackMask === 0xffffn) {
      const old = (this.#stackPointer ?? this.gpr[RSP]!).get();
      value = or(and(old, 0xffff_ffff_ffff_0000n), pointer);
    }
    this.#stackPointer ??= this.body.local('i64');
    this.body.set(this.#stackPointer, value);
  }

  #commitStack(): void {
    if (!this.#stackPointer) return;
    this.body.set(this.gpr[RSP]!, this.#stackPointer.get());
    this.#stackPointer = undefined;
  }

  // -- state words

  stateInt(offset: number): Int {
    if (offset === L.STACK_MASK) return this.#stackMask;
    return this.body.load('i64.load', 0, offset);
  }
  setStateInt(offset: number, value: Int): void {
    this.body.store('i64.store', 0, value, offset);
  }
  stateBit(offset: number): Bit {
    if (offset === L.SSE_OFF) return this.sseOff.get();
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
    if (flag === 'df') return this.flags.read('df');
    return this.#boundBit(this.flags.read(flag));
  }
  condition(condition: Condition): Bit {
    return this.flags.condition(condition);
  }
  flagsAdd(size: Size, a: Int, r: Int): void {
    this.flags.add(size, this.let(a), this.let(r));
  }
  flagsSub(size: Size, a: Int, r: Int): void {
    const bound = this.let(r);
    this.flags.sub(size, this.let(a), bound, this.#subtrahend(bound));
  }
  flagsLogic(size: Size, r: Int): void {
    this.flags.logic(size, this.let(r));
  }
  flagsIncrement(size: Size, a: Int, r: Int): void {
    this.flags.step(size, this.let(a), this.let(r), false);
  }
  flagsDecrement(size: Size, a: Int, r: Int): void {
    this.flags.step(size, this.let(a), this.let(r), true);
  }
  flagsResult(size: Size, r: Int, rest: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit } = {}): void {
    this.flags.result(size, this.let(r), rest);
  }
  setFlags(flags: Partial<Record<Flag, Bit>>): void {
    this.flags.set(flags);
  }

  #boundBit(value: Bit): Bit {
    return typeof value === 'number' ? value : this.body.let('i32', value, value.bits);
  }

  /** The second operand of the subtraction that a local was made from: comparing operands is cheaper than taking the difference apart. */
  #subtrahend(r: Int): Int | undefined {
    if (typeof r === 'bigint') return undefined;
    let node: Node = r;
    for (;;) {
      if (node.op === 'local') {
        const origin = this.#origins.get(node.immediate as number);
        if (!origin) return undefined;
        node = origin;
      } else if (node.op === 'i64.extend_i32_u' || node.op.endsWith('.and')) node = node.args[0] as Node;
      else break;
      if (typeof node !== 'object') return undefined;
    }
    if (node.op === 'i64.sub') return node.args[1] as Int;
    if (node.op !== 'i32.sub') return undefined;
    const b = node.args[1] as Bit;
    return typeof b === 'number' ? BigInt(b >>> 0) : fromBit(b);
  }

  // -- control

  jump(target: Int): void {
    const bound = this.let(target);
    this.checkTarget(bound);
    this.#commitStack();
    this.transfer = { kind: 'dynamic', target: bound };
  }

  /** #GP(0) if the target is outside the code segment or not canonical: the instruction is left undone for the interpreter to raise it. */
  checkTarget(target: Int): void {
    if (this.#mode & L.MODE_CODE64) {
      const top = shrU(add(target, 0x8000_0000_0000n), 48n);
      this.#host.leaveUndone(toBit(top));
    } else if ((this.#mode & L.MODE_FLAT) === 0) {
      const limit = fromBit(this.body.load('i32.load', 0, L.SEGMENTS + L.SEG_CS * L.SEG_STRIDE + L.SEG_LIMIT));
      this.#host.leaveUndone(greaterU(target, limit));
    }
  }

  jumpRelative(size: Size, operand: BoundOperand): void {
    this.transfer = { kind: 'relative', size, operand, condition: 1 };
    this.#commitStack();
  }

  branch(size: Size, condition: Bit, operand: BoundOperand): void {
    this.transfer = { kind: 'relative', size, operand, condition };
  }

  /** The displacement of a relative operand from the page's RIP. */
  relativeTarget(): bigint {
    return BigInt.asIntN(64, this.#immediate);
  }

  endBlock(): void {
    assert(false, 'instructions that end their block are not translated');
  }

  /** The interpreter raises it. */
  raise(): void {
    this.#host.leaveUndone(1);
    if (this.#depth === 0) this.over = true;
  }

  // -- structure

  let(value: Int): Int;
  let(value: Bit): Bit;
  let<V extends Value>(value: V): V;
  let(value: Value): Value {
    if (isCheap(value)) return value;
    const node = value as Node;
    // What is narrow stays narrow.
    if (node.op === 'i64.extend_i32_u') return fromBit(this.let(node.args[0] as Bit));
    const local = this.body.let(node.type, node, node.bits);
    this.#origins.set(local.immediate as number, node);
    return local;
  }

  variable(initial: Int): Variable<Int>;
  variable(initial: Bit): Variable<Bit>;
  variable<V extends Value>(initial: V): Variable<V>;
  variable(initial: Value): Variable<never> {
    const local = this.body.local(typeOf(initial));
    this.body.set(local, initial);
    const get = (): Node => this.body.let(local.type, local.get());
    return { get, set: (value: Expression) => this.body.set(local, value) } as unknown as Variable<never>;
  }

  if(condition: Bit, then: () => void, otherwise?: () => void, likely?: boolean): void {
    if (typeof condition === 'number') {
      if (condition !== 0) then();
      else otherwise?.();
      return;
    }
    // Where one arm changes the flags, what is known goes into the locals on both ways.
    if (this.#armsWriteFlags) this.flags.settle();
    if (this.#armsWriteFlags && this.flags.state === 'memory') this.flags.state = 'joined';
    const before = this.flags.state;
    const arm = (code: () => void) => (): void => {
      this.flags.state = before;
      this.#arm(code);
      if (this.#armsWriteFlags) this.flags.settle();
    };
    this.body.if(condition, arm(then), otherwise && arm(otherwise), likely);
    this.flags.state = this.#armsWriteFlags ? 'joined' : before;
  }

  #arm(code: () => void): void {
    const pointer = this.#stackPointer;
    this.#depth++;
    code();
    this.#depth--;
    if (pointer === undefined) this.#commitStack();
    this.#stackPointer = pointer;
  }

  loop(): void {
    assert(false, 'instructions that loop are not translated');
  }

  repeat(): void {
    assert(false, 'repeated instructions are not translated');
  }

  // -- helpers

  call(name: string, ...args: Value[]): void {
    if (name === SSE_UNAVAILABLE) this.#host.leaveUndone(1);
    else this.#call(name, args);
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
    let result: Value | undefined;
    const take = helper.result ? () => (result = this.body.pop(helper.result!) as Value) : undefined;
    if (helper.faults) this.callFaulting(name, args, take);
    else {
      this.#host.announce();
      this.body.call(this.#host.function(name), args);
      take?.();
    }
    return result;
  }

  callFaulting(name: string, args: readonly Value[], take?: () => void): void {
    this.#host.announce();
    this.body.call(this.#host.function(name), args);
    take?.();
    this.body.if(eq(shrU(this.body.load('i32.load', 0, L.FAULT_VECTOR) as Bit, 31), 0), () => this.#host.leaveFaulted(), undefined, false);
  }

  leaveUndone(condition: Bit): void {
    this.#host.leaveUndone(condition);
  }
}
