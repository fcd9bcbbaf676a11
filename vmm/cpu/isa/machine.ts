/**
 * What the text of an instruction is written against. A text runs once per *reading*: with plain values (the oracle), with values that are code
 * over the fields of a micro-op (the interpreter's handlers), with values known for one instruction and code for the rest (the translator). It
 * must therefore take its decisions through `m.if` and `m.select`, and never look inside a value.
 *
 * Order inside a text: read, compute, write memory, then commit registers and flags. Then every fault leaves the state before the instruction.
 *
 * Guest integers of every size are `Int`: an i64 zero-extended from the operand size. Smart constructors fold what is known and narrow
 * to i32 operations where the result is masked to 32 bits or fewer, so size-generic text costs nothing.
 */
import type { Bit, F32, F64, Int, Value, Vector } from './value.ts';

/** Operand size in bits. */
export type Size = 8 | 16 | 32 | 64;

/** A place named by the encoding: a register, memory through ModRM, an immediate, a segment register... Opaque: only `m` reads and writes it. */
export interface Operand {
  readonly kind: 'reg' | 'mem' | 'imm' | 'segment' | 'control' | 'debug' | 'x87' | 'mmx' | 'xmm' | 'far' | 'relative';
  /** Bits of a value read from it; for memory-only operands (M) the text says the size itself. */
  readonly size: number;
}

export type Flag = 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of' | 'df';
/** Condition codes in the order of the low opcode bits of Jcc (SDM vol.1 appendix B). */
export type Condition = 'o' | 'no' | 'b' | 'nb' | 'z' | 'nz' | 'be' | 'nbe' | 's' | 'ns' | 'p' | 'np' | 'l' | 'nl' | 'le' | 'nle';

export type FaultName = 'DE' | 'DB' | 'BP' | 'OF' | 'BR' | 'UD' | 'NM' | 'TS' | 'NP' | 'SS' | 'GP' | 'PF' | 'MF' | 'AC' | 'XM';

/** A variable of the text: for values that differ between the arms of `m.if` or the turns of `m.loop`. */
export interface Variable<V extends Value> {
  get(): V;
  set(value: V): void;
}

export interface Machine {
  // -- the instruction
  /** REP/REPNE prefix as decoded; handlers are specialised on it where the encoding says so. */
  readonly rep: 'none' | 'rep' | 'repne';
  readonly addressSize: Size;

  // -- operands. `read` of memory may fault. To read, modify and write memory use `modify`: write permission is checked before the read (SDM vol.3 4.7).
  read(operand: Operand): Int;
  write(operand: Operand, value: Int): void;
  /** Reads the operand with the intent to write it; the later `write` to the same operand cannot fault. */
  readForWrite(operand: Operand): Int;
  readVector(operand: Operand, alignment?: 'aligned' | 'unaligned'): Vector; // 128-bit register or memory
  writeVector(operand: Operand, value: Vector, alignment?: 'aligned' | 'unaligned'): void;
  /** Offset within the segment of a memory operand (LEA), truncated to the address size. */
  effectiveAddress(operand: Operand): Int;
  /** Segment number of a memory operand, overrides applied. */
  segmentOf(operand: Operand): Bit;
  /** Selector of an immediate far pointer (operand code A); `read` gives its offset. */
  farSelector(operand: Operand): Bit;
  /** DS, or the override: for implicit operands such as MASKMOVQ's. */
  dataSegment(): Bit;

  // -- registers by name or number (index 0..15); size-generic. 32-bit writes clear the upper half, 8- and 16-bit writes keep the rest.
  getRegister(index: number, size: Size): Int;
  setRegister(index: number, size: Size, value: Int): void;
  getVectorRegister(index: number): Vector;
  setVectorRegister(index: number, value: Vector): void;

  // -- memory: segment (number or Bit), offset, size in bits; limit, type and page checks included. Offsets are truncated to the address size given.
  load(segment: Bit, offset: Int, size: Size): Int;
  store(segment: Bit, offset: Int, size: Size, value: Int): void;
  /** Stack: SS with the stack's address size. `push` and `pop` move the stack pointer at commit: a fault leaves it as it was. */
  push(size: Size, value: Int): void;
  pop(size: Size): Int;

  // -- state words of layout.ts that belong to no operand (x87 and MXCSR control, MSR-like words)
  stateInt(offset: number): Int; // i64
  setStateInt(offset: number, value: Int): void;
  stateBit(offset: number): Bit; // i32
  setStateBit(offset: number, value: Bit): void;
  /** 16 bytes at a fixed offset: SCRATCH for the helpers. */
  stateVector(offset: number): Vector;
  setStateVector(offset: number, value: Vector): void;
  /** 8 bytes at an address that `address` gave, plus a constant. */
  stateIntAt(address: Bit, offset?: number): Int;
  setStateIntAt(address: Bit, value: Int, offset?: number): void;

  // -- flags
  flag(flag: Flag): Bit; // 0 or 1
  condition(condition: Condition): Bit; // 0 or 1
  /** All six, for r = a + b, without carry in. */
  flagsAdd(size: Size, a: Int, r: Int): void;
  /** All six, for r = a - b, without borrow in. */
  flagsSub(size: Size, a: Int, r: Int): void;
  /** ZF SF PF from r; CF = OF = AF = 0. */
  flagsLogic(size: Size, r: Int): void;
  /** All but CF, for r = a + 1 / r = a - 1. */
  flagsIncrement(size: Size, a: Int, r: Int): void;
  flagsDecrement(size: Size, a: Int, r: Int): void;
  /** ZF SF PF from r, CF OF AF as given; those not given stay as they are. */
  flagsResult(size: Size, r: Int, rest?: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit }): void;
  /** Named flags to given bits (0 or 1); the others as they are. */
  setFlags(flags: Partial<Record<Flag, Bit>>): void;

  // -- control
  /** Address of the instruction, and of the next one. */
  readonly rip: Int;
  readonly nextRip: Int;
  /**
   * Near transfer to a target truncated to the operand size by the text; checks the code segment's limit or canonical form. Stack pointers moved by `push` and
   * `pop` before it are committed after the check.
   */
  jump(target: Int): void;
  /** `jump` to the encoding's Jz operand, always taken (JMP, CALL). */
  jumpRelative(size: Size, operand: Operand): void;
  /** Two-way relative branch of the encoding's Jb/Jz operand; the target is truncated to `size`. */
  branch(size: Size, condition: Bit, operand: Operand): void;
  /** State that decoding or interrupts depend on changed: the next instruction is fetched anew. */
  endBlock(): void;
  raise(fault: FaultName, errorCode?: Bit): void;

  // -- structure. `let` binds a pure value that is used more than once; reads of state are bound already.
  let(value: Int): Int;
  let(value: Bit): Bit;
  let<V extends Value>(value: V): V;
  variable(initial: Int): Variable<Int>;
  variable(initial: Bit): Variable<Bit>;
  variable<V extends Value>(initial: V): Variable<V>;
  /** `likely` says which way it nearly always goes, where the text knows. */
  if(condition: Bit, then: () => void, otherwise?: () => void, likely?: boolean): void;
  /** Runs `body` while it yields a non-zero Bit. */
  loop(body: () => Bit): void;
  /**
   * REP: runs `body` rCX times (all of it committed each turn, so that faults and interrupts find a resumable state); `until` ends it early (CMPS, SCAS).
   * `turns` says how many turns, this one included, may be made before the instruction is looked up again: a body that does several elements at once takes
   * the others off it, so that where an instruction pauses does not depend on what could be done in bulk.
   */
  repeat(body: (turns: Variable<Bit>) => void, until?: () => Bit): void;

  /**
   * A helper of assembly/ by its exported name. Arguments are passed as they are (Bit = i32, Int = i64, F64, F32); vectors go through state or
   * SCRATCH. Helpers that can fault, jump or change modes say so in isa/helpers.ts and `m` does what follows.
   */
  call(helper: string, ...args: Value[]): void;
  callBit(helper: string, ...args: Value[]): Bit;
  callInt(helper: string, ...args: Value[]): Int;
  callF64(helper: string, ...args: Value[]): F64;
  callF32(helper: string, ...args: Value[]): F32;
  /** The address in core memory of an MMX or XMM register operand, for helpers that work in place. */
  address(operand: Operand): Bit;
  /** The number i of an ST(i) operand (`F`): the stack's top is the helpers' business. */
  stackIndex(operand: Operand): Bit;

  // -- physical state of the CPU that is constant for a translated region
  cpl(): Bit;
}

/** The meaning of an instruction. `size` is the operand size in force; operands come in the encoding's order. */
export type Text = (m: Machine, size: Size, ...operands: Operand[]) => void;
