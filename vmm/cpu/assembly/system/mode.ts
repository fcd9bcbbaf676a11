// The words that follow from control registers, EFLAGS, CS and SS, and that decoding and memory accesses read: MODE, masks, TLB_PTR, SEG_REACH.
import { CPL, JUMP_STAMP, LINEAR_MASK, MODE, MODE_CODE32, MODE_CODE64, MODE_FLAT, MODE_LONG, MODE_PROTECTED, MODE_STACK32, MODE_V86 } from '../../layout.ts';
import { SEG_ATTR, SEG_BASE, SEG_CS, SEG_DS, SEG_ES, SEG_GS, SEG_LIMIT, SEG_REACH, SEG_SELECTOR, SEG_SS, STACK_MASK } from '../../layout.ts';
import { TLB, TLB_ALIGN, TLB_PTR, TLB_SMAP, TLB_STRIDE, TLB_SUPERVISOR, TLB_USER } from '../../layout.ts';
import { JUMP_GENERATIONS, SHADOW_BASES } from '../../system-layout.ts';
import { CR0_AM, CR0_PE, CR4_SMAP, FLAG_AC, FLAG_VM, cpl, cr0, cr4, isLong, segment, segmentAttributes, systemFlags } from './state';

// -- SEG_ATTR: bits of the second descriptor dword (SDM vol.3 3.4.5)
export const ATTR_ACCESSED: u32 = 1 << 8;
export const ATTR_WRITABLE: u32 = 1 << 9; // data; for code: readable
export const ATTR_EXPAND_DOWN: u32 = 1 << 10; // data; for code: conforming
export const ATTR_CODE: u32 = 1 << 11;
export const ATTR_S: u32 = 1 << 12; // code or data
export const ATTR_P: u32 = 1 << 15;
export const ATTR_L: u32 = 1 << 21;
export const ATTR_DB: u32 = 1 << 22;
export const ATTR_G: u32 = 1 << 23;
export const ATTR_MASK: u32 = 0x00f0ff00;
/** Present, writable, accessed data segment of privilege 0: what real mode uses. */
export const ATTR_REAL: u32 = 0x9300;
/** The same of privilege 3: virtual-8086 mode. */
export const ATTR_V86: u32 = 0xf300;

/** Fills a segment register and its derived words. CS and SS are followed by update_mode. */
export function setSegment(index: i32, selector: i32, base: u64, limit: u32, attributes: u32): void {
  const at = segment(index);
  store<i32>(at, selector, SEG_SELECTOR);
  store<u32>(at, limit, SEG_LIMIT);
  store<u32>(at, attributes, SEG_ATTR);
  if (index <= SEG_DS) store<u64>(SHADOW_BASES + (index << 3), base);
  store<u64>(at, base, SEG_BASE);
  deriveSegment(index, (load<i32>(MODE) & MODE_CODE64) != 0);
}

/** SEG_BASE and SEG_REACH: 64-bit mode ignores limits, types and most bases (SDM vol.3 3.2.4). */
function deriveSegment(index: i32, code64: bool): void {
  if (index > SEG_GS) return;
  const at = segment(index);
  if (index <= SEG_DS) store<u64>(at, code64 ? 0 : load<u64>(SHADOW_BASES + (index << 3)), SEG_BASE);
  const attributes = load<u32>(at, SEG_ATTR);
  const simple = (attributes & (ATTR_P | ATTR_S | ATTR_CODE | ATTR_EXPAND_DOWN | ATTR_WRITABLE)) == (ATTR_P | ATTR_S | ATTR_WRITABLE);
  store<i64>(SEG_REACH + (index << 3), code64 ? i64.MAX_VALUE : simple ? i64(u64(load<u32>(at, SEG_LIMIT))) : -1);
}

/** ES, SS and DS reach everything from base 0, and CS too as far as fetching goes. */
function isFlat(): bool {
  const everything: i64 = 0xffffffff;
  for (let index = SEG_ES; index <= SEG_DS; index++) {
    const at = segment(index);
    if (load<u64>(at, SEG_BASE) != 0) return false;
    if (index == SEG_CS ? load<u32>(at, SEG_LIMIT) != 0xffffffff : load<i64>(SEG_REACH + (index << 3)) < everything) return false;
  }
  return true;
}

/** After every change of CS, SS, DS, ES, CPL, EFLAGS.VM, CR0.PE or EFER.LMA. */
export function update_mode(): void {
  const v86 = (systemFlags() & FLAG_VM) != 0;
  const long = isLong();
  const code = segmentAttributes(SEG_CS);
  let mode = 0;
  if (v86) mode |= MODE_V86;
  else if (cr0() & CR0_PE) mode |= MODE_PROTECTED;
  if (long) mode |= MODE_LONG;
  const code64 = long && !v86 && (code & ATTR_L) != 0;
  if (code64) mode |= MODE_CODE64;
  else if (code & ATTR_DB) mode |= MODE_CODE32;
  const stack32 = !code64 && (segmentAttributes(SEG_SS) & ATTR_DB) != 0;
  if (stack32) mode |= MODE_STACK32;
  if (code64 != ((load<i32>(MODE) & MODE_CODE64) != 0)) {
    for (let index = SEG_ES; index <= SEG_GS; index++) deriveSegment(index, code64);
  }
  if (!code64 && isFlat()) mode |= MODE_FLAT;
  setMode(mode);
  store<u64>(STACK_MASK, code64 ? u64.MAX_VALUE : stack32 ? 0xffffffff : 0xffff);
  store<u64>(LINEAR_MASK, code64 ? u64.MAX_VALUE : 0xffffffff);
  updateTlbPointer();
}

/** After ES or DS alone were loaded. */
export function updateFlat(): void {
  const mode = load<i32>(MODE);
  if (mode & MODE_CODE64) return;
  setMode(isFlat() ? mode | MODE_FLAT : mode & ~MODE_FLAT);
}

function setMode(mode: i32): void {
  store<i32>(MODE, mode);
  store<u8>(JUMP_STAMP, mode);
}

/** Derived words of all segment registers: the host has replaced the state. */
export function deriveSegments(): void {
  const code64 = (load<i32>(MODE) & MODE_CODE64) != 0;
  for (let index = SEG_ES; index <= SEG_GS; index++) deriveSegment(index, code64);
}

export function setCpl(level: i32): void {
  store<i32>(CPL, level);
}

/** Which TLB checks the accesses of the program: after changes of CPL, CR4.SMAP, CR0.AM, EFLAGS.AC. */
export function updateTlbPointer(): void {
  const alignment = (systemFlags() & FLAG_AC) != 0;
  let set = TLB_SUPERVISOR;
  if (cpl() == 3) set = alignment && (cr0() & CR0_AM) != 0 ? TLB_ALIGN : TLB_USER;
  else if ((cr4() & CR4_SMAP) != 0 && !alignment) set = TLB_SMAP;
  store<i32>(TLB_PTR, TLB + set * TLB_STRIDE);
  store<u8>(JUMP_STAMP, set, 1);
  stampJumps(set);
}

/** A jump that was cached for the programs of this TLB may be wrong. */
export function forgetJumpsOf(set: i32): void {
  const at = JUMP_GENERATIONS + (set << 3);
  store<i64>(at, load<i64>(at) + 1);
  if (load<u8>(JUMP_STAMP, 1) == set) stampJumps(set);
}

export function forget_jumps(): void {
  for (let set = TLB_SUPERVISOR; set <= TLB_ALIGN; set++) forgetJumpsOf(set);
}

function stampJumps(set: i32): void {
  store<i64>(JUMP_STAMP, (load<i64>(JUMP_GENERATIONS + (set << 3)) << 16) | load<u16>(JUMP_STAMP));
}

/** The TLB of implicit supervisor accesses: descriptor tables, TSS (SDM vol.3 4.6). EFLAGS.AC does not excuse them. */
export function supervisorSet(): i32 {
  return (cr4() & CR4_SMAP) != 0 ? TLB_SMAP : TLB_SUPERVISOR;
}
