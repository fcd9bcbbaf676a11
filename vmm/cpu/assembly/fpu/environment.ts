/** Control words, the environment and the saved states: FNSTENV, FNSAVE, FXSAVE, XSAVE (SDM vol.1 8.1.10, 10.5, 13). */
import { CR0, CR4, FCS, FCW, FDP, FDS, FIP, FOP, FPU_REGS, FSW, FTW, MODE, MODE_CODE64, MODE_PROTECTED, MXCSR, SCRATCH, SEGMENTS, SEG_CS, SEG_SELECTOR, SEG_STRIDE, XCR0, XMM, XMM_STRIDE } from '../../layout.ts';
import { linear, load_block, store_block } from '../system/access.ts';
import { raise_numeric_error } from '../system/control.ts';
import { currentRip, fault, faulted, gp } from '../system/state.ts';
import { INTEGER_BIT } from './float80.ts';
import { expOfSt, registerAddress, sigOfSt, updateSummary } from './stack.ts';

const CR0_EM_TS: u64 = 0xc;
const ES: u32 = 0x80;
const CR4_OSXSAVE: u64 = 0x40000;
const VECTOR_UD: i32 = 6;
const VECTOR_NM: i32 = 7;

/** Before an instruction that does not wait (FNINIT, FNSTSW, ...): #NM only. */
export function fpu_available(): void {
  if (load<u64>(CR0) & CR0_EM_TS) fault(VECTOR_NM, -1);
}

/** Before every other instruction: #NM, then #MF for an unmasked exception of an earlier one; remembers where it is (FIP). */
export function fpu_check(): void {
  if (load<u64>(CR0) & CR0_EM_TS) {
    fault(VECTOR_NM, -1);
    return;
  }
  if (load<u32>(FSW) & ES) {
    raise_numeric_error();
    if (faulted()) return;
  }
  store<u64>(FIP, currentRip());
  store<u32>(FCS, load<u32>(SEGMENTS + SEG_CS * SEG_STRIDE + SEG_SELECTOR) & 0xffff);
}

/** WAIT: #NM when CR0.MP and TS are set (SDM vol.2 WAIT). */
export function fpu_wait(): void {
  if ((load<u64>(CR0) & 0xa) == 0xa) fault(VECTOR_NM, -1);
  else if (load<u32>(FSW) & ES) raise_numeric_error();
}

export function fpu_initialize(): void {
  store<u32>(FCW, 0x37f);
  store<u32>(FSW, 0);
  store<u32>(FTW, 0);
  store<u32>(FOP, 0);
  store<u64>(FIP, 0);
  store<u64>(FDP, 0);
  store<u32>(FCS, 0);
  store<u32>(FDS, 0);
}

/** FNCLEX clears the exception flags, SF, ES and B. */
export function fpu_clear_exceptions(): void {
  store<u32>(FSW, load<u32>(FSW) & 0x7f00);
}

export function fpu_load_control(value: u32): void {
  store<u32>(FCW, (value & 0x1f7f) | 0x40);
  updateSummary();
}

/** The full tag word: two bits a register, 0 valid 1 zero 2 special 3 empty. */
export function fpu_full_tags(): u32 {
  let tags: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    let tag: u32 = 3;
    if ((load<u32>(FTW) >> i) & 1) {
      const sig = load<u64>(FPU_REGS + i * 16);
      const exp = load<u16>(FPU_REGS + i * 16, 8) & 0x7fff;
      if (exp == 0x7fff) tag = 2;
      else if (exp == 0) tag = sig == 0 ? 1 : 2;
      else tag = sig & INTEGER_BIT ? 0 : 2;
    }
    tags |= tag << (i * 2);
  }
  return tags;
}

function setFullTags(tags: u32): void {
  let abridged: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) != 3) abridged |= 1 << i;
  store<u32>(FTW, abridged);
}

/** Writes the environment of FNSTENV to SCRATCH in the 16- or 32-bit (`wide`), real or protected format (figures 8-9 to 8-12). The size is returned. */
export function fpu_environment(wide: u32): u32 {
  const ip = load<u64>(FIP);
  const dp = load<u64>(FDP);
  const fields: usize = SCRATCH;
  const real = (load<u32>(MODE) & MODE_PROTECTED) == 0;
  let ipLow = <u32>ip;
  let ipHigh: u32 = load<u32>(FCS) & 0xffff;
  let dpLow = <u32>dp;
  let dpHigh: u32 = load<u32>(FDS) & 0xffff;
  const opcode = load<u32>(FOP) & 0x7ff;
  if (real) {
    const ipLinear = <u32>ip + (load<u32>(FCS) << 4);
    const dpLinear = <u32>dp + (load<u32>(FDS) << 4);
    ipLow = ipLinear & 0xffff;
    dpLow = dpLinear & 0xffff;
    ipHigh = ((ipLinear >> 16) << 12) | opcode;
    dpHigh = (dpLinear >> 16) << 12;
  } else if (wide) ipHigh |= opcode << 16;
  const pad: u32 = 0xffff0000;
  if (wide) {
    store<u32>(fields, load<u32>(FCW) | pad);
    store<u32>(fields, load<u32>(FSW) | pad, 4);
    store<u32>(fields, fpu_full_tags() | pad, 8);
    store<u32>(fields, real ? ipLow | pad : ipLow, 12);
    store<u32>(fields, ipHigh, 16);
    store<u32>(fields, real ? dpLow | pad : dpLow, 20);
    store<u32>(fields, real ? dpHigh : dpHigh | pad, 24);
    return 28;
  }
  store<u16>(fields, <u16>load<u32>(FCW));
  store<u16>(fields, <u16>load<u32>(FSW), 2);
  store<u16>(fields, <u16>fpu_full_tags(), 4);
  store<u16>(fields, <u16>ipLow, 6);
  store<u16>(fields, <u16>ipHigh, 8);
  store<u16>(fields, <u16>dpLow, 10);
  store<u16>(fields, <u16>dpHigh, 12);
  return 14;
}

/** FNSTENV masks all exceptions once the environment is stored. */
export function fpu_mask_all(): void {
  store<u32>(FCW, load<u32>(FCW) | 0x3f);
  updateSummary();
}

/** FLDENV from SCRATCH. */
export function fpu_load_environment(wide: u32): void {
  const fields: usize = SCRATCH;
  const real = (load<u32>(MODE) & MODE_PROTECTED) == 0;
  const at: usize = wide ? 4 : 2;
  store<u32>(FCW, (load<u16>(fields) & 0x1f7f) | 0x40);
  store<u32>(FSW, load<u16>(fields + at));
  setFullTags(load<u16>(fields + at * 2));
  const ipLow: u32 = wide ? load<u32>(fields + at * 3) : load<u16>(fields + at * 3);
  const ipHigh: u32 = wide ? load<u32>(fields + at * 4) : load<u16>(fields + at * 4);
  const dpLow: u32 = wide ? load<u32>(fields + at * 5) : load<u16>(fields + at * 5);
  const dpHigh: u32 = wide ? load<u32>(fields + at * 6) : load<u16>(fields + at * 6);
  if (real) {
    store<u64>(FIP, (ipLow & 0xffff) | (((ipHigh >> 12) & 0xf) << 16));
    store<u64>(FDP, (dpLow & 0xffff) | (((dpHigh >> 12) & 0xf) << 16));
    store<u32>(FCS, 0);
    store<u32>(FDS, 0);
    store<u32>(FOP, ipHigh & 0x7ff);
  } else {
    store<u64>(FIP, ipLow);
    store<u64>(FDP, dpLow);
    store<u32>(FCS, ipHigh & 0xffff);
    store<u32>(FDS, dpHigh & 0xffff);
    if (wide) store<u32>(FOP, (ipHigh >> 16) & 0x7ff);
  }
  updateSummary();
}

/** FNSAVE: environment and the eight registers in stack order to SCRATCH; the size is returned. */
export function fpu_save(wide: u32): u32 {
  const size = fpu_environment(wide);
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(SCRATCH + size + i * 10, sigOfSt(i));
    store<u16>(SCRATCH + size + i * 10, <u16>expOfSt(i), 8);
  }
  return size + 80;
}

/** FRSTOR from SCRATCH. */
export function fpu_restore(wide: u32): void {
  fpu_load_environment(wide);
  const size: u32 = wide ? 28 : 14;
  for (let i: u32 = 0; i < 8; i++) {
    const address = registerAddress(i);
    store<u64>(address, load<u64>(SCRATCH + size + i * 10));
    store<u16>(address, load<u16>(SCRATCH + size + i * 10, 8), 8);
  }
}

// -- FXSAVE and XSAVE

const LEGACY_SIZE: u32 = 512;
const HEADER_SIZE: u32 = 64;
const area = memory.data(4096, 16);
/** Bits of MXCSR that may be set. */
export const MXCSR_MASK: u32 = 0xffff;
const STATE_X87: u64 = 1;
const STATE_SSE: u64 = 2;
const STATE_AVX: u64 = 4;

/** #UD unless the system enabled XSAVE (CR4.OSXSAVE). */
export function xsave_available(): void {
  if (!(load<u64>(CR4) & CR4_OSXSAVE)) fault(VECTOR_UD, -1);
}

function vectorRegisters(): u32 {
  return load<u32>(MODE) & MODE_CODE64 ? 16 : 8;
}

/** The x87 part of the FXSAVE image at `area`; `wide` (REX.W): 64-bit instruction and data pointers. */
function putX87(wide: u32): void {
  store<u16>(area, <u16>load<u32>(FCW));
  store<u16>(area + 2, <u16>load<u32>(FSW));
  store<u16>(area + 4, <u16>load<u32>(FTW));
  store<u16>(area + 6, <u16>load<u32>(FOP));
  if (wide) {
    store<u64>(area + 8, load<u64>(FIP));
    store<u64>(area + 16, load<u64>(FDP));
  } else {
    store<u64>(area + 8, (load<u64>(FIP) & 0xffffffff) | (<u64>(load<u32>(FCS) & 0xffff) << 32));
    store<u64>(area + 16, (load<u64>(FDP) & 0xffffffff) | (<u64>(load<u32>(FDS) & 0xffff) << 32));
  }
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(area + 32 + i * 16, sigOfSt(i));
    store<u64>(area + 40 + i * 16, expOfSt(i));
  }
}

function takeX87(wide: u32): void {
  store<u32>(FCW, (load<u16>(area) & 0x1f7f) | 0x40);
  store<u32>(FSW, load<u16>(area + 2));
  store<u32>(FTW, load<u8>(area + 4));
  store<u32>(FOP, load<u16>(area + 6) & 0x7ff);
  if (wide) {
    store<u64>(FIP, load<u64>(area + 8));
    store<u64>(FDP, load<u64>(area + 16));
  } else {
    store<u64>(FIP, load<u32>(area + 8));
    store<u32>(FCS, load<u16>(area + 12));
    store<u64>(FDP, load<u32>(area + 16));
    store<u32>(FDS, load<u16>(area + 20));
  }
  for (let i: u32 = 0; i < 8; i++) {
    const address = registerAddress(i);
    store<u64>(address, load<u64>(area + 32 + i * 16));
    store<u16>(address, load<u16>(area + 40 + i * 16), 8);
  }
  updateSummary();
}

function putMxcsr(): void {
  store<u32>(area + 24, load<u32>(MXCSR));
  store<u32>(area + 28, MXCSR_MASK);
}

function putXmm(count: u32): void {
  for (let i: u32 = 0; i < count; i++) memory.copy(area + 160 + i * 16, XMM + i * XMM_STRIDE, 16);
}

function takeXmm(count: u32): void {
  for (let i: u32 = 0; i < count; i++) memory.copy(XMM + i * XMM_STRIDE, area + 160 + i * 16, 16);
}

/** The checked linear address of a save area; 0 with a fault pending otherwise. */
function areaAddress(segment: i32, offset: u64, bytes: i32, write: i32, alignment: u64): u64 {
  const address = linear(segment, offset, bytes, write);
  if (faulted()) return 0;
  if (address & (alignment - 1)) gp(0);
  return address;
}

export function fpu_fxsave(segment: i32, offset: u64, wide: u32): void {
  const address = areaAddress(segment, offset, LEGACY_SIZE, 1, 16);
  if (faulted()) return;
  const count = vectorRegisters();
  putX87(wide);
  putMxcsr();
  putXmm(count);
  store_block(address, 160 + count * 16, segment, <i32>area); // what follows is not written
}

export function fpu_fxrstor(segment: i32, offset: u64, wide: u32): void {
  const address = areaAddress(segment, offset, LEGACY_SIZE, 0, 16);
  if (faulted()) return;
  load_block(address, LEGACY_SIZE, segment, <i32>area);
  if (faulted()) return;
  if (load<u32>(area + 24) & ~MXCSR_MASK) {
    gp(0);
    return;
  }
  takeX87(wide);
  store<u32>(MXCSR, load<u32>(area + 24));
  takeXmm(vectorRegisters());
}

/** XSAVE, XSAVEOPT: the components of `mask` (EDX:EAX) that XCR0 enables. No init optimisation: every component counts as in use. */
export function fpu_xsave(segment: i32, offset: u64, wide: u32, mask: u64): void {
  const components = mask & load<u64>(XCR0);
  const size = LEGACY_SIZE + HEADER_SIZE + (components & STATE_AVX ? 256 : 0);
  const address = areaAddress(segment, offset, size, 1, 64);
  if (faulted()) return;
  // bytes of components that are not saved stay as they are in memory
  load_block(address, size, segment, <i32>area);
  if (faulted()) return;
  const count = vectorRegisters();
  if (components & STATE_X87) putX87(wide);
  if (components & (STATE_SSE | STATE_AVX)) putMxcsr();
  if (components & STATE_SSE) putXmm(count);
  if (components & STATE_AVX) for (let i: u32 = 0; i < count; i++) memory.copy(area + 576 + i * 16, XMM + i * XMM_STRIDE + 16, 16);
  const header = area + LEGACY_SIZE;
  store<u64>(header, (load<u64>(header) & ~(mask & load<u64>(XCR0))) | components);
  store_block(address, size, segment, <i32>area);
}

export function fpu_xrstor(segment: i32, offset: u64, wide: u32, mask: u64): void {
  const enabled = load<u64>(XCR0);
  const components = mask & enabled;
  const size = LEGACY_SIZE + HEADER_SIZE + (components & STATE_AVX ? 256 : 0);
  const address = areaAddress(segment, offset, size, 0, 64);
  if (faulted()) return;
  load_block(address, size, segment, <i32>area);
  if (faulted()) return;
  const header = area + LEGACY_SIZE;
  const present = load<u64>(header);
  // the standard form only: XCOMP_BV and the rest of the header are zero (SDM vol.1 13.8)
  if (present & ~enabled || load<u64>(header + 8) || load<u64>(header + 16)) {
    gp(0);
    return;
  }
  if (components & (STATE_SSE | STATE_AVX)) {
    if (load<u32>(area + 24) & ~MXCSR_MASK) {
      gp(0);
      return;
    }
    store<u32>(MXCSR, load<u32>(area + 24));
  }
  const count = vectorRegisters();
  if (components & STATE_X87) {
    if (present & STATE_X87) takeX87(wide);
    else {
      fpu_initialize();
      memory.fill(FPU_REGS, 0, 128);
    }
  }
  if (components & STATE_SSE) {
    if (present & STATE_SSE) takeXmm(count);
    else for (let i: u32 = 0; i < count; i++) memory.fill(XMM + i * XMM_STRIDE, 0, 16);
  }
  if (components & STATE_AVX) {
    for (let i: u32 = 0; i < count; i++) {
      if (present & STATE_AVX) memory.copy(XMM + i * XMM_STRIDE + 16, area + 576 + i * 16, 16);
      else memory.fill(XMM + i * XMM_STRIDE + 16, 0, 16);
    }
  }
}
