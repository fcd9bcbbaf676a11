/** The Machine of the oracle: one instruction over the words of core memory. */
import { assert } from '../../../base/errors.ts';
import { isConstant } from '../../../wasm/expression.ts';
import type { Handler } from '../../isa/handlers.ts';
import { helpers as declarations } from '../../isa/helpers.ts';
import type { Condition, FaultName, Flag, Machine, Size, Variable } from '../../isa/machine.ts';
import type { BoundOperand } from '../../isa/operands.ts';
import { maskOf, vector } from '../../isa/value.ts';
import type { Bit, F32, F64, Int, Value, Vector } from '../../isa/value.ts';
import {
  CPL,
  FAULT_ERROR,
  FAULT_VECTOR,
  FLAGS,
  FPU_REGS,
  GPR,
  LAZY_MASK,
  LINEAR_MASK,
  MODE,
  MODE_CODE64,
  RIP,
  RIP_PAGE,
  SEGMENTS,
  SEG_BASE,
  SEG_CS,
  SEG_ES,
  SEG_LIMIT,
  SEG_REACH,
  SEG_SELECTOR,
  SEG_SS,
  SEG_STRIDE,
  STACK_MASK,
  XMM,
  XMM_STRIDE,
} from '../../layout.ts';
import {
  UOP_ADDRESS_SHIFT,
  UOP_BASE,
  UOP_DISPLACEMENT,
  UOP_IMMEDIATE,
  UOP_LENGTH,
  UOP_PAGE_OFFSET,
  UOP_REGISTER,
  UOP_SCALE,
  UOP_SCALED,
  UOP_SEGMENT,
} from '../../uop.ts';

export type HelperFunctions = Readonly<Record<string, (...args: (number | bigint)[]) => number | bigint | undefined>>;

/** Thrown to leave a text in the middle: a fault is pending, or RIP was set. */
export class InstructionLeft extends Error {
  readonly faulted: boolean;
  constructor(faulted: boolean) {
    super(faulted ? 'fault' : 'jump');
    this.faulted = faulted;
  }
}

const RSP = 4;
const RCX = 1;
const RSI = 6;
const RDI = 7;

const VECTORS: Readonly<Record<FaultName, number>> = {
  DE: 0,
  DB: 1,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  XM: 19,
};
const HAS_ERROR_CODE: ReadonlySet<FaultName> = new Set(['TS', 'NP', 'SS', 'GP', 'PF', 'AC']);
const FLAG_BITS: Readonly<Record<Flag, number>> = { cf: 0, pf: 2, af: 4, zf: 6, sf: 7, df: 10, of: 11 };

const known = (value: Int): bigint => {
  assert(typeof value === 'bigint', 'the oracle knows every value');
  return value;
};
const knownBit = (value: Bit): number => {
  assert(typeof value === 'number', 'the oracle knows every value');
  return value;
};
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const evenParity = (value: bigint): boolean => value.toString(2).replaceAll('0', '').length % 2 === 0;

export class OracleMachine implements Machine {
  readonly rep: Machine['rep'];
  readonly addressSize: Size;
  jumped = false;
  ended = false;
  readonly #core: DataView;
  readonly #helpers: HelperFunctions;
  readonly #uop: number;
  /** rSP as `push` and `pop` leave it, until the instruction commits. */
  #stackPointer: bigint | undefined;

  constructor(core: DataView, helpers: HelperFunctions, uop: number, handler: Handler) {
    this.#core = core;
    this.#helpers = helpers;
    this.#uop = uop;
    this.rep = handler.repeat;
    this.addressSize = handler.addressSize;
    if (core.getInt32(LAZY_MASK, true) !== 0) helpers['set_eflags']!(helpers['get_eflags']!() as number);
  }

  /** The instruction is complete. */
  commit(): void {
    if (this.#stackPointer !== undefined) this.#putRegister(RSP * 8, 64, this.#stackPointer);
    this.#stackPointer = undefined;
  }

  // -- words

  #word(at: number): bigint {
    return this.#core.getBigUint64(at, true);
  }
  #getRegister(byteOffset: number, size: number): bigint {
    const at = GPR + byteOffset;
    if (this.#stackPointer !== undefined && byteOffset >> 3 === RSP && (byteOffset & 7) === 0) return this.#stackPointer & maskOf(size as Size);
    switch (size) {
      case 8:
        return BigInt(this.#core.getUint8(at));
      case 16:
        return BigInt(this.#core.getUint16(at, true));
      case 32:
        return BigInt(this.#core.getUint32(at, true));
      default:
        return this.#word(at);
    }
  }
  #putRegister(byteOffset: number, size: number, value: bigint): void {
    const at = GPR + byteOffset;
    if (byteOffset === RSP * 8 && this.#stackPointer !== undefined) {
      // a write to rSP replaces what push and pop made of it
      const kept = size <= 16 ? this.#stackPointer & ~maskOf(size as Size) : 0n;
      this.#core.setBigUint64(at, u64(kept | value), true);
      this.#stackPointer = undefined;
      return;
    }
    if (size === 8) this.#core.setUint8(at, Number(value));
    else if (size === 16) this.#core.setUint16(at, Number(value), true);
    else this.#core.setBigUint64(at, value, true);
  }
  #slot(operand: BoundOperand): number {
    return this.#core.getUint8(this.#uop + UOP_REGISTER + operand.slot);
  }

  // -- operands

  read(operand: BoundOperand): Int {
    const core = this.#core;
    switch (operand.kind) {
      case 'reg':
        return this.#getRegister(this.#slot(operand), operand.size);
      case 'mem':
        return this.load(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size);
      case 'imm':
        if (operand.constant !== undefined) return operand.constant;
        if (operand.second) return BigInt(core.getUint32(this.#uop + UOP_DISPLACEMENT, true)) & maskOf(operand.size as Size);
        return this.#word(this.#uop + UOP_IMMEDIATE);
      case 'segment':
        return BigInt(core.getUint16(SEGMENTS + this.#slot(operand) * SEG_STRIDE + SEG_SELECTOR, true));
      case 'control':
      case 'debug':
      case 'x87':
        return BigInt(this.#slot(operand));
      case 'relative':
        return u64(this.#word(RIP_PAGE) + this.#word(this.#uop + UOP_IMMEDIATE));
      case 'far':
        return this.#word(this.#uop + UOP_IMMEDIATE);
      case 'mmx':
      case 'xmm':
        return this.#word(knownBit(this.address(operand))) & maskOf(Math.min(operand.size, 64) as Size);
    }
  }
  readForWrite(operand: BoundOperand): Int {
    if (operand.kind === 'mem') {
      const segment = this.segmentOf(operand);
      const bytes = operand.size / 8;
      this.call('prepare_write', this.#linear(knownBit(segment), known(this.effectiveAddress(operand)), bytes, true), bytes, segment);
    }
    return this.read(operand);
  }
  write(operand: BoundOperand, value: Int): void {
    if (operand.kind === 'mem') this.store(this.segmentOf(operand), this.effectiveAddress(operand), operand.size as Size, value);
    else if (operand.kind === 'reg') this.#putRegister(this.#slot(operand), operand.size, known(value));
    else throw new Error(`${operand.kind} operands are not written by value`);
  }
  readVector(operand: BoundOperand, alignment?: 'aligned' | 'unaligned'): Vector {
    if (operand.kind !== 'mem') return this.#vectorAt(knownBit(this.address(operand)));
    const segment = this.segmentOf(operand);
    const linear = this.#linear(knownBit(segment), known(this.effectiveAddress(operand)), 16, false);
    this.#checkAlignment(linear, alignment);
    // not through SCRATCH, which may hold an operand of the same instruction
    const low = this.callInt('load_slow', linear, 8, segment) as bigint;
    const high = this.callInt('load_slow', u64(linear + 8n) & this.#word(LINEAR_MASK), 8, segment) as bigint;
    return vector(low | (high << 64n));
  }
  writeVector(operand: BoundOperand, value: Vector, alignment?: 'aligned' | 'unaligned'): void {
    if (operand.kind !== 'mem') {
      this.setStateVector(knownBit(this.address(operand)), value);
      return;
    }
    const segment = this.segmentOf(operand);
    const linear = this.#linear(knownBit(segment), known(this.effectiveAddress(operand)), 16, true);
    this.#checkAlignment(linear, alignment);
    this.call('prepare_write', linear, 16, segment);
    const bits = value.immediate as bigint;
    this.call('store_slow', linear, 8, segment, u64(bits));
    this.call('store_slow', u64(linear + 8n) & this.#word(LINEAR_MASK), 8, segment, bits >> 64n);
  }
  /** Legacy SSE: #GP(0) for a 128-bit operand that is not aligned, but for the instructions that say so. */
  #checkAlignment(linear: bigint, alignment: 'aligned' | 'unaligned' = 'aligned'): void {
    if (alignment === 'aligned' && (linear & 15n) !== 0n) this.raise('GP', 0);
  }

  effectiveAddress(operand: BoundOperand): Int {
    const core = this.#core;
    const uop = this.#uop;
    const shift = BigInt(core.getUint8(uop + UOP_ADDRESS_SHIFT));
    const truncated = (value: bigint) => BigInt.asUintN(64 - Number(shift), value);
    switch (operand.address) {
      case 'offset':
        return truncated(this.#word(uop + UOP_IMMEDIATE));
      case 'source':
        return this.#getRegister(RSI * 8, this.addressSize);
      case 'destination':
        return this.#getRegister(RDI * 8, this.addressSize);
      default: {
        const base = this.#getRegister(core.getUint8(uop + UOP_BASE), 64);
        const scaled = this.#getRegister(core.getUint8(uop + UOP_SCALED), 64) << BigInt(core.getUint8(uop + UOP_SCALE));
        return truncated(base + scaled + BigInt(core.getInt32(uop + UOP_DISPLACEMENT, true)));
      }
    }
  }
  segmentOf(operand: BoundOperand): Bit {
    return operand.address === 'destination' ? SEG_ES : this.dataSegment();
  }
  farSelector(): Bit {
    return this.#core.getUint16(this.#uop + UOP_DISPLACEMENT, true);
  }
  dataSegment(): Bit {
    return this.#core.getUint8(this.#uop + UOP_SEGMENT);
  }

  // -- registers

  getRegister(index: number, size: Size): Int {
    return this.#getRegister(index * 8, size);
  }
  setRegister(index: number, size: Size, value: Int): void {
    this.#putRegister(index * 8, size, known(value));
  }
  getVectorRegister(index: number): Vector {
    return this.#vectorAt(XMM + index * XMM_STRIDE);
  }
  setVectorRegister(index: number, value: Vector): void {
    this.setStateVector(XMM + index * XMM_STRIDE, value);
  }

  // -- memory

  #linear(segment: number, offset: bigint, bytes: number, write: boolean): bigint {
    const reach = this.#core.getBigInt64(SEG_REACH + segment * 8, true);
    if (BigInt.asIntN(64, offset + BigInt(bytes - 1)) > reach || BigInt.asIntN(64, offset) < 0n) {
      if (reach !== 0x7fff_ffff_ffff_ffffn) this.call('seg_check', segment, offset, bytes, write ? 1 : 0);
    }
    return (offset + this.#word(SEGMENTS + segment * SEG_STRIDE + SEG_BASE)) & this.#word(LINEAR_MASK);
  }
  load(segment: Bit, offset: Int, size: Size): Int {
    const linear = this.#linear(knownBit(segment), known(offset), size / 8, false);
    return this.callInt('load_slow', linear, size / 8, segment);
  }
  store(segment: Bit, offset: Int, size: Size, value: Int): void {
    const linear = this.#linear(knownBit(segment), known(offset), size / 8, true);
    this.call('store_slow', linear, size / 8, segment, known(value));
  }
  push(size: Size, value: Int): void {
    const mask = this.#word(STACK_MASK);
    const old = this.#getRegister(RSP * 8, 64);
    const top = (old - BigInt(size / 8)) & mask;
    this.store(SEG_SS, top, size, value);
    this.#stackPointer = this.#movedStack(old, top, mask);
  }
  pop(size: Size): Int {
    const mask = this.#word(STACK_MASK);
    const old = this.#getRegister(RSP * 8, 64);
    const value = this.load(SEG_SS, old & mask, size);
    this.#stackPointer = this.#movedStack(old, (old + BigInt(size / 8)) & mask, mask);
    return value;
  }
  /** 16-bit stacks keep the upper bits of rSP, 32-bit ones clear them. */
  #movedStack(old: bigint, top: bigint, mask: bigint): bigint {
    return mask === 0xffffn ? (old & ~mask) | top : top;
  }

  // -- state words

  stateInt(offset: number): Int {
    return this.#word(offset);
  }
  setStateInt(offset: number, value: Int): void {
    this.#core.setBigUint64(offset, known(value), true);
  }
  stateBit(offset: number): Bit {
    return this.#core.getInt32(offset, true);
  }
  setStateBit(offset: number, value: Bit): void {
    this.#core.setInt32(offset, knownBit(value), true);
  }
  stateVector(offset: number): Vector {
    return this.#vectorAt(offset);
  }
  setStateVector(offset: number, value: Vector): void {
    assert(isConstant(value), 'the oracle knows every value');
    const bits = value.immediate as bigint;
    this.#core.setBigUint64(offset, u64(bits), true);
    this.#core.setBigUint64(offset + 8, bits >> 64n, true);
  }
  stateIntAt(address: Bit, offset = 0): Int {
    return this.#word(knownBit(address) + offset);
  }
  setStateIntAt(address: Bit, value: Int, offset = 0): void {
    this.#core.setBigUint64(knownBit(address) + offset, known(value), true);
  }
  #vectorAt(at: number): Vector {
    return vector(this.#word(at) | (this.#word(at + 8) << 64n));
  }
  address(operand: BoundOperand): Bit {
    if (operand.kind === 'mmx') return FPU_REGS + (this.#slot(operand) & 7) * 16;
    assert(operand.kind === 'xmm', 'address of a vector register');
    return XMM + this.#slot(operand) * XMM_STRIDE;
  }
  stackIndex(operand: BoundOperand): Bit {
    return this.#slot(operand);
  }
  cpl(): Bit {
    return this.#core.getInt32(CPL, true);
  }

  // -- flags: never lazy

  #flags(): number {
    return this.#core.getInt32(FLAGS, true);
  }
  flag(flag: Flag): Bit {
    return (this.#flags() >> FLAG_BITS[flag]) & 1;
  }
  condition(condition: Condition): Bit {
    const [cf, zf, sf, of, pf] = [this.flag('cf'), this.flag('zf'), this.flag('sf'), this.flag('of'), this.flag('pf')] as [
      number,
      number,
      number,
      number,
      number,
    ];
    const base = condition.replace('n', '');
    const value: Readonly<Record<string, number>> = { o: of, b: cf, z: zf, be: cf | zf, s: sf, p: pf, l: sf ^ of, le: zf | (sf ^ of) };
    return value[base]! ^ Number(condition.startsWith('n'));
  }
  setFlags(flags: Partial<Record<Flag, Bit>>): void {
    let word = this.#flags();
    for (const [name, value] of Object.entries(flags) as [Flag, Bit][])
      word = (word & ~(1 << FLAG_BITS[name])) | (knownBit(value) << FLAG_BITS[name]);
    this.#core.setInt32(FLAGS, word, true);
  }
  flagsResult(size: Size, r: Int, rest: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit } = {}): void {
    const value = known(r);
    this.setFlags({ zf: Number(value === 0n), sf: Number((value >> BigInt(size - 1)) & 1n), pf: Number(evenParity(value & 0xffn)), ...rest });
  }
  flagsAdd(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, known(a), (known(r) - known(a)) & maskOf(size), known(r), false);
    this.setFlags({ cf: Number(known(r) < known(a)) });
  }
  flagsSub(size: Size, a: Int, r: Int): void {
    const b = (known(a) - known(r)) & maskOf(size);
    this.#arithmetic(size, known(a), b, known(r), true);
    this.setFlags({ cf: Number(known(a) < b) });
  }
  flagsLogic(size: Size, r: Int): void {
    this.flagsResult(size, r, { cf: 0, of: 0, af: 0 });
  }
  flagsIncrement(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, known(a), 1n, known(r), false);
  }
  flagsDecrement(size: Size, a: Int, r: Int): void {
    this.#arithmetic(size, known(a), 1n, known(r), true);
  }
  /** All but CF. */
  #arithmetic(size: Size, a: bigint, b: bigint, r: bigint, subtract: boolean): void {
    const sign = (value: bigint) => BigInt.asIntN(size, value);
    const exact = subtract ? sign(a) - sign(b) : sign(a) + sign(b);
    this.flagsResult(size, r, { of: Number(exact !== sign(r)), af: Number(((a ^ b ^ r) >> 4n) & 1n) });
  }

  // -- control

  get nextRip(): Int {
    const core = this.#core;
    const next = this.#word(RIP_PAGE) + BigInt(core.getUint16(this.#uop + UOP_PAGE_OFFSET, true) + core.getUint8(this.#uop + UOP_LENGTH));
    return this.#is64() ? u64(next) : BigInt.asUintN(32, next);
  }
  #is64(): boolean {
    return (this.#core.getInt32(MODE, true) & MODE_CODE64) !== 0;
  }
  jump(target: Int): void {
    const rip = known(target);
    if (
      this.#is64()
        ? BigInt.asUintN(64, BigInt.asIntN(48, rip)) !== rip
        : rip > BigInt(this.#core.getUint32(SEGMENTS + SEG_CS * SEG_STRIDE + SEG_LIMIT, true))
    ) {
      this.raise('GP', 0);
    }
    this.commit();
    this.#core.setBigUint64(RIP, rip, true);
    this.jumped = true;
  }
  jumpRelative(size: Size, _operand: BoundOperand): void {
    this.jump((this.#word(RIP_PAGE) + this.#core.getBigInt64(this.#uop + UOP_IMMEDIATE, true)) & maskOf(size));
  }
  branch(size: Size, condition: Bit, operand: BoundOperand): void {
    if (knownBit(condition) !== 0) this.jumpRelative(size, operand);
  }
  endBlock(): void {
    this.ended = true;
  }
  raise(fault: FaultName, errorCode?: Bit): void {
    this.#core.setInt32(FAULT_VECTOR, VECTORS[fault], true);
    this.#core.setInt32(FAULT_ERROR, HAS_ERROR_CODE.has(fault) ? knownBit(errorCode ?? 0) : -1, true);
    throw new InstructionLeft(true);
  }

  // -- structure

  let(value: Int): Int;
  let(value: Bit): Bit;
  let<V extends Value>(value: V): V;
  let(value: Value): Value {
    return value;
  }
  variable(initial: Int): Variable<Int>;
  variable(initial: Bit): Variable<Bit>;
  variable(initial: Value): Variable<never> {
    let value = initial;
    return { get: () => value, set: (next: Value) => (value = next) } as unknown as Variable<never>;
  }
  if(condition: Bit, then: () => void, otherwise?: () => void): void {
    if (knownBit(condition) !== 0) then();
    else otherwise?.();
  }
  loop(body: () => Bit): void {
    while (knownBit(body()) !== 0);
  }
  repeat(body: () => void, until?: () => Bit): void {
    for (;;) {
      const left = this.#getRegister(RCX * 8, this.addressSize);
      if (left === 0n) return;
      body();
      this.#putRegister(RCX * 8, this.addressSize, left - 1n);
      if (until && knownBit(until()) !== 0) return;
    }
  }

  // -- helpers

  #invoke(name: string, args: readonly Value[]): number | bigint | undefined {
    const helper = this.#helpers[name];
    const declaration = declarations[name];
    assert(helper && declaration, `helper ${name}`);
    const result = helper(...args.map((arg) => (typeof arg === 'object' ? Number(arg.immediate) : arg)));
    if (declaration.faults && this.#core.getInt32(FAULT_VECTOR, true) >= 0) throw new InstructionLeft(true);
    if (declaration.jumps) {
      this.commit();
      throw new InstructionLeft(false);
    }
    if (declaration.ends) this.ended = true;
    return result;
  }
  call(helper: string, ...args: Value[]): void {
    this.#invoke(helper, args);
  }
  callBit(helper: string, ...args: Value[]): Bit {
    return (this.#invoke(helper, args) as number) | 0;
  }
  callInt(helper: string, ...args: Value[]): Int {
    return u64(this.#invoke(helper, args) as bigint);
  }
  callF64(): F64 {
    throw new Error('no text calls a helper with a float result');
  }
  callF32(): F32 {
    throw new Error('no text calls a helper with a float result');
  }
}
