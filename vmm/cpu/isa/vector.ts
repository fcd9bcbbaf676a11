/** What the texts of MMX and SSE instructions share: availability, operands, and addresses for the helpers of assembly/sse. */
import { CR0, FSW, FTW, SCRATCH, SSE_OFF } from '../layout.ts';
import type { Machine, Operand } from './machine.ts';
import type { Bit, Int, Vector } from './value.ts';
import { and, lane, op, or, toBit } from './value.ts';

const CR0_EM_TS = 0xc;
const FSW_ES = 0x80;
const FSW_TOP = 0x3800;

/** Every SSE instruction: #UD or #NM unless the system made the registers available (SDM vol.3 13.1). */
export function beginSse(m: Machine): void {
  m.if(m.stateBit(SSE_OFF), () => m.call('sse_unavailable'), undefined, false);
}

export function isMemory(operand: Operand): boolean {
  return operand.kind === 'mem';
}

/** The low `size` bits of an XMM register, or the memory operand of that size. */
export function readLow(m: Machine, operand: Operand, size: 32 | 64): Int {
  if (isMemory(operand)) return m.load(m.segmentOf(operand), m.effectiveAddress(operand), size);
  return m.let(size === 64 ? m.stateIntAt(m.address(operand)) : and(m.stateIntAt(m.address(operand)), 0xffff_ffffn));
}

/** The address in core memory of an XMM register, or of SCRATCH with the memory operand of `size` bits in it. */
export function addressOf(m: Machine, operand: Operand, size: 32 | 64 | 128, alignment: 'aligned' | 'unaligned' = 'aligned'): Bit {
  if (!isMemory(operand)) return m.address(operand);
  if (size === 128) m.setStateVector(SCRATCH, m.readVector(operand, alignment));
  else m.setStateInt(SCRATCH, readLow(m, operand, size));
  return SCRATCH;
}

// -- MMX

/** Every MMX instruction but EMMS: availability first; the operand is read before the registers change hands. */
export function beginMmx(m: Machine): void {
  const attention = or(and(m.stateBit(CR0), CR0_EM_TS), and(m.stateBit(FSW), FSW_ES));
  m.if(attention, () => m.call('mmx_begin'), undefined, false);
}

/** After the instruction's operands were read without fault: TOP is 0 and all registers are in use (SDM vol.1 9.5). */
export function enterMmx(m: Machine): void {
  m.setStateBit(FSW, and(m.stateBit(FSW), ~FSW_TOP));
  m.setStateBit(FTW, 0xff);
}

export function readMmx(m: Machine, operand: Operand): Int {
  return isMemory(operand) ? m.load(m.segmentOf(operand), m.effectiveAddress(operand), 64) : m.let(m.stateIntAt(m.address(operand)));
}

/** Writes an MMX register; sign and exponent become ones (SDM vol.1 9.5.1). */
export function writeMmx(m: Machine, operand: Operand, value: Int): void {
  enterMmx(m);
  const address = m.address(operand);
  m.setStateIntAt(address, value);
  m.setStateIntAt(address, 0xffffn, 8);
}

export function mmxAddress(m: Machine, operand: Operand): Bit {
  if (!isMemory(operand)) return m.address(operand);
  m.setStateInt(SCRATCH, readMmx(m, operand));
  return SCRATCH;
}

/** After a helper wrote an MMX register in place. */
export function finishMmx(m: Machine, operand: Operand): void {
  enterMmx(m);
  m.setStateIntAt(m.address(operand), 0xffffn, 8);
}

// -- vectors

export function splat64(value: Int): Vector {
  return op('i64x2.splat', value);
}

export function low64(value: Vector): Int {
  return lane('i64x2.extract_lane', 0, value);
}

export function high64(value: Vector): Int {
  return lane('i64x2.extract_lane', 1, value);
}

export function fromHalves(low: Int, high: Int): Vector {
  return lane('i64x2.replace_lane', 1, splat64(low), high);
}

export function immediateBit(m: Machine, operand: Operand): Bit {
  return toBit(m.read(operand));
}
