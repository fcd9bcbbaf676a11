/** What the texts of x87 instructions share: what each does first, memory operands, and the register stack for those that only move values (SDM vol.1 8.1). */
import { CR0, FCS, FDP, FDS, FIP, FPU_REGS, FSW, FTW, SEGMENTS, SEG_CS, SEG_SELECTOR, SEG_STRIDE } from '../layout.ts';
import type { Machine, Operand, Size } from './machine.ts';
import type { Bit, Int } from './value.ts';
import { add, and, clz, fromBit, isZeroValue, lessS, lessU, notBit, or, select, shl, shrU, sub, toBit } from './value.ts';

const CR0_EM_TS = 0xc;
const FSW_ES = 0x80;
const FSW_C1 = 0x200;
const FSW_TOP = 0x3800;
const SELECTOR_MASK = 0xffff;

/** What every waiting instruction does first: #NM, then #MF for an unmasked exception of an earlier one; and it remembers where it is (FIP). */
export function check(m: Machine): void {
  const attention = or(and(m.stateBit(CR0), CR0_EM_TS), and(m.stateBit(FSW), FSW_ES));
  m.if(attention, () => m.call('fpu_check'), undefined, false);
  m.setStateInt(FIP, m.rip);
  m.setStateBit(FCS, and(m.stateBit(SEGMENTS + SEG_CS * SEG_STRIDE + SEG_SELECTOR), SELECTOR_MASK));
}

/** Reads a memory operand; `done` remembers it for FNSTENV, after the instruction. */
export function readOperand(m: Machine, memory: Operand): { readonly value: Int; readonly note: () => void } {
  const place = placeOf(m, memory);
  return { value: m.load(place.segment, place.offset, memory.size as Size), note: place.note };
}

export function placeOf(m: Machine, memory: Operand): { readonly segment: Bit; readonly offset: Int; readonly note: () => void } {
  const segment = m.segmentOf(memory);
  const offset = m.let(m.effectiveAddress(memory));
  const note = (): void => {
    m.setStateInt(FDP, offset);
    m.setStateBit(FDS, and(toBit(m.stateIntAt(shl(segment, 5), SEGMENTS + SEG_SELECTOR)), SELECTOR_MASK));
  };
  return { segment, offset, note };
}

// -- the stack. Registers are numbered physically: 0..7.

export function topOf(m: Machine): Bit {
  return m.let(and(shrU(m.stateBit(FSW), 11), 7));
}

/** Physical number of ST(i). */
export function physical(m: Machine, top: Bit, i: Bit): Bit {
  return i === 0 ? top : m.let(and(add(top, i), 7));
}

/** 1 if all these registers are in use. */
export function inUse(m: Machine, ...registers: readonly Bit[]): Bit {
  const tags = m.stateBit(FTW);
  return registers.map((register) => and(shrU(tags, register), 1)).reduce((a, b) => and(a, b));
}

export interface Extended {
  readonly significand: Int;
  /** Sign in bit 15. */
  readonly exponent: Int;
}

const addressOf = (register: Bit): Bit => shl(register, 4);

export function readRegister(m: Machine, register: Bit): Extended {
  const at = m.let(addressOf(register));
  return { significand: m.stateIntAt(at, FPU_REGS), exponent: m.let(and(m.stateIntAt(at, FPU_REGS + 8), 0xffffn)) };
}

export function writeRegister(m: Machine, register: Bit, { significand, exponent }: Extended): void {
  const at = m.let(addressOf(register));
  m.setStateIntAt(at, significand, FPU_REGS);
  m.setStateIntAt(at, exponent, FPU_REGS + 8);
}

/** The instruction raised nothing: C1 is cleared. */
export function clearC1(m: Machine): void {
  m.setStateBit(FSW, and(m.stateBit(FSW), ~FSW_C1));
}

function setTop(m: Machine, top: Bit): void {
  m.setStateBit(FSW, or(and(m.stateBit(FSW), ~(FSW_C1 | FSW_TOP)), shl(and(top, 7), 11)));
}

/** Pushes what raises no exception, or does `otherwise` if `good` is 0 or the stack is full. */
export function push(m: Machine, good: Bit, value: Extended, otherwise: () => void): void {
  const top = m.let(and(sub(topOf(m), 1), 7));
  const free = notBit(inUse(m, top));
  m.if(
    and(good, free),
    () => {
      writeRegister(m, top, value);
      markUsed(m, top);
      setTop(m, top);
    },
    otherwise,
    true,
  );
}

export function markUsed(m: Machine, register: Bit): void {
  m.setStateBit(FTW, or(m.stateBit(FTW), shl(1, register)));
}

export function pop(m: Machine, top: Bit): void {
  m.setStateBit(FTW, and(m.stateBit(FTW), sub(-1, shl(1, top))));
  setTop(m, add(top, 1));
}

// -- integers and IEEE operands as extended values

const INTEGER_BIT = 1n << 63n;

/** `plain`: zero or a normal number, of which the conversion is all there is. */
export function fromIeee(m: Machine, bits: Int, size: 32 | 64): Extended & { readonly plain: Bit } {
  const [fractionBits, maximum] = size === 32 ? [23, 0xff] : [52, 0x7ff];
  const exponent = m.let(and(toBit(shrU(bits, BigInt(fractionBits))), maximum));
  const isZero = m.let(isZeroValue(and(bits, (1n << BigInt(size - 1)) - 1n)));
  const sign = shl(toBit(shrU(bits, BigInt(size - 1))), 15);
  const biased = add(exponent, 0x3fff - (maximum >> 1));
  const significand = or(shl(bits, BigInt(63 - fractionBits)), INTEGER_BIT);
  return {
    plain: m.let(or(lessU(sub(exponent, 1), maximum - 1), isZero)),
    significand: m.let(select(isZero, 0n, significand)),
    exponent: m.let(fromBit(or(sign, select(isZero, 0, biased)))),
  };
}

/** Of a signed integer: exact. */
export function fromInteger(m: Machine, value: Int): Extended {
  const negative = m.let(lessS(value, 0n));
  const magnitude = m.let(select(negative, sub(0n, value), value));
  const shift = m.let(clz(magnitude));
  const exponent = or(sub(0x403en, shift), select(negative, 0x8000n, 0n));
  return { significand: m.let(shl(magnitude, and(shift, 63n))), exponent: m.let(select(isZeroValue(value), 0n, exponent)) };
}
