// The processor's state words as functions, and the fault register. Everything else in system/ goes through these.
import { CPL, CR0, CURRENT_UOP, CR3, CR4, EFER, FAULT_ERROR, FAULT_VECTOR, FLAGS, GPR, MODE, MODE_CODE64, RIP, RIP_PAGE, SEGMENTS, SEG_STRIDE } from '../../layout.ts';
import { SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR } from '../../layout.ts';
import { UOP_PAGE_OFFSET } from '../../uop.ts';
import { FEATURES } from '../../system-layout.ts';

// -- EFLAGS (SDM vol.1 3.4.3)
export const FLAG_CF: u32 = 1 << 0;
export const FLAG_PF: u32 = 1 << 2;
export const FLAG_AF: u32 = 1 << 4;
export const FLAG_ZF: u32 = 1 << 6;
export const FLAG_SF: u32 = 1 << 7;
export const FLAG_TF: u32 = 1 << 8;
export const FLAG_IF: u32 = 1 << 9;
export const FLAG_DF: u32 = 1 << 10;
export const FLAG_OF: u32 = 1 << 11;
export const FLAG_IOPL: u32 = 3 << 12;
export const FLAG_NT: u32 = 1 << 14;
export const FLAG_RF: u32 = 1 << 16;
export const FLAG_VM: u32 = 1 << 17;
export const FLAG_AC: u32 = 1 << 18;
export const FLAG_VIF: u32 = 1 << 19;
export const FLAG_VIP: u32 = 1 << 20;
export const FLAG_ID: u32 = 1 << 21;

// -- control registers (SDM vol.3 2.5)
export const CR0_PE: u32 = 1 << 0;
export const CR0_MP: u32 = 1 << 1;
export const CR0_EM: u32 = 1 << 2;
export const CR0_TS: u32 = 1 << 3;
export const CR0_ET: u32 = 1 << 4;
export const CR0_NE: u32 = 1 << 5;
export const CR0_WP: u32 = 1 << 16;
export const CR0_AM: u32 = 1 << 18;
export const CR0_NW: u32 = 1 << 29;
export const CR0_CD: u32 = 1 << 30;
export const CR0_PG: u32 = 1 << 31;
export const CR4_VME: u32 = 1 << 0;
export const CR4_PVI: u32 = 1 << 1;
export const CR4_TSD: u32 = 1 << 2;
export const CR4_DE: u32 = 1 << 3;
export const CR4_PSE: u32 = 1 << 4;
export const CR4_PAE: u32 = 1 << 5;
export const CR4_MCE: u32 = 1 << 6;
export const CR4_PGE: u32 = 1 << 7;
export const CR4_PCE: u32 = 1 << 8;
export const CR4_OSFXSR: u32 = 1 << 9;
export const CR4_OSXMMEXCPT: u32 = 1 << 10;
export const CR4_UMIP: u32 = 1 << 11;
export const CR4_FSGSBASE: u32 = 1 << 16;
export const CR4_PCIDE: u32 = 1 << 17;
export const CR4_OSXSAVE: u32 = 1 << 18;
export const CR4_SMEP: u32 = 1 << 20;
export const CR4_SMAP: u32 = 1 << 21;
export const EFER_SCE: u32 = 1 << 0;
export const EFER_LME: u32 = 1 << 8;
export const EFER_LMA: u32 = 1 << 10;
export const EFER_NXE: u32 = 1 << 11;
export const EFER_FFXSR: u32 = 1 << 14;

// -- exceptions (SDM vol.3 table 6-1)
export const VECTOR_DE: i32 = 0;
export const VECTOR_DB: i32 = 1;
export const VECTOR_NMI: i32 = 2;
export const VECTOR_BP: i32 = 3;
export const VECTOR_OF: i32 = 4;
export const VECTOR_BR: i32 = 5;
export const VECTOR_UD: i32 = 6;
export const VECTOR_NM: i32 = 7;
export const VECTOR_DF: i32 = 8;
export const VECTOR_TS: i32 = 10;
export const VECTOR_NP: i32 = 11;
export const VECTOR_SS: i32 = 12;
export const VECTOR_GP: i32 = 13;
export const VECTOR_PF: i32 = 14;
export const VECTOR_MF: i32 = 16;
export const VECTOR_AC: i32 = 17;
export const VECTOR_MC: i32 = 18;
export const VECTOR_XM: i32 = 19;
export const NO_ERROR_CODE: i32 = -1;

export function cr0(): u32 {
  return load<u32>(CR0);
}
export function cr3(): u64 {
  return load<u64>(CR3);
}
export function cr4(): u32 {
  return load<u32>(CR4);
}
export function efer(): u32 {
  return load<u32>(EFER);
}
/** EFLAGS whose arithmetic bits may be stale. */
export function systemFlags(): u32 {
  return load<u32>(FLAGS);
}
export function iopl(): i32 {
  return (load<u32>(FLAGS) >> 12) & 3;
}
export function cpl(): i32 {
  return load<i32>(CPL);
}
export function rip(): u64 {
  return load<u64>(RIP);
}
export function setRip(value: u64): void {
  store<u64>(RIP, value);
}
/** Address of the instruction being executed, or about to be. */
export function currentRip(): u64 {
  const uop = load<i32>(CURRENT_UOP);
  return uop == 0 ? load<u64>(RIP) : load<u64>(RIP_PAGE) + load<u16>(uop, UOP_PAGE_OFFSET);
}
export function gpr(index: i32): u64 {
  return load<u64>(GPR + (index << 3));
}
export function setGpr(index: i32, value: u64): void {
  store<u64>(GPR + (index << 3), value);
}

// -- modes
export function isProtected(): bool {
  return (cr0() & CR0_PE) != 0 && (systemFlags() & FLAG_VM) == 0;
}
export function isV86(): bool {
  return (systemFlags() & FLAG_VM) != 0;
}
export function isLong(): bool {
  return (efer() & EFER_LMA) != 0;
}
export function isCode64(): bool {
  return (load<i32>(MODE) & MODE_CODE64) != 0;
}
/** Bit `bit` of CPUID feature word FEATURE_*. */
export function hasFeature(word: i32, bit: i32): bool {
  return ((load<u32>(FEATURES + (word << 2)) >> bit) & 1) != 0;
}

// -- faults
export function fault(vector: i32, errorCode: i32): void {
  store<i32>(FAULT_VECTOR, vector);
  store<i32>(FAULT_ERROR, errorCode);
}
export function gp(errorCode: i32): void {
  fault(VECTOR_GP, errorCode);
}
export function ud(): void {
  fault(VECTOR_UD, NO_ERROR_CODE);
}
export function faulted(): bool {
  return load<i32>(FAULT_VECTOR) != -1;
}
export function clearFault(): void {
  store<i32>(FAULT_VECTOR, -1);
}

// -- segment registers
export function segment(index: i32): i32 {
  return SEGMENTS + index * SEG_STRIDE;
}
export function segmentBase(index: i32): u64 {
  return load<u64>(segment(index), SEG_BASE);
}
export function segmentLimit(index: i32): u32 {
  return load<u32>(segment(index), SEG_LIMIT);
}
export function segmentAttributes(index: i32): u32 {
  return load<u32>(segment(index), SEG_ATTR);
}
export function segmentSelector(index: i32): i32 {
  return load<i32>(segment(index), SEG_SELECTOR);
}

/** Bits 63..47 equal (SDM vol.1 3.3.7.1). */
export function isCanonical(address: u64): bool {
  return (i64(address << 16) >> 16) == i64(address);
}
