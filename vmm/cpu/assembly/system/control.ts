// Control registers (SDM vol.3 2.5, 9.9; vol.2 MOV to CRn) and what changing them switches.
import { CR0, CR2, CR3, CR4, CR8, EFER, LINEAR_MASK, SEG_CS, SEG_TR, SSE_OFF, XCR0 } from '../../layout.ts';
import { CR4_VALID, EFER_VALID, IGNORE_NUMERIC_ERROR, PAGING_MODE, PAGING_PAE, PHYSICAL_RESERVED, VECTOR_RETRY, XCR0_VALID } from '../../system-layout.ts';
import { apic_base_read, numeric_error, task_priority_read, task_priority_write } from '../host';
import { TYPE_TSS16, TYPE_TSS16_BUSY } from './descriptors';
import { get_eflags, set_eflags } from './flags';
import { ATTR_L, update_mode, updateTlbPointer } from './mode';
import { loadPdptes, updatePagingMode } from './paging';
import { CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_OSFXSR, CR4_OSXSAVE } from './state';
import { CR4_FSGSBASE, CR4_PAE, CR4_PCIDE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_FFXSR, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, FLAG_AC, VECTOR_MF, VECTOR_NM } from './state';
import { NO_ERROR_CODE, cpl, cr0, cr3, cr4, efer, fault, gp, isCanonical, isCode64, isLong, isV86, segmentAttributes, segmentBase, ud } from './state';
import { flush, invalidatePage } from './tlb';

const CR0_DEFINED: u32 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
const NO_FLUSH: u64 = 1 << 63;

/** True in real mode and at CPL 0; otherwise #GP(0). */
export function requireLevel0(): bool {
  if (cpl() == 0) return true;
  gp(0);
  return false;
}

export function read_control(index: i32): u64 {
  if (!isRegister(index)) {
    ud();
    return 0;
  }
  if (!requireLevel0()) return 0;
  if (index == 0) return load<u64>(CR0);
  if (index == 2) return load<u64>(CR2);
  if (index == 3) return load<u64>(CR3);
  if (index == 4) return load<u64>(CR4);
  return hasApic() ? u64(task_priority_read() >> 4) : load<u64>(CR8);
}

export function write_control(index: i32, value: u64): void {
  if (!isRegister(index)) return ud();
  if (!requireLevel0()) return;
  if (index == 0) writeCr0(value);
  else if (index == 2) store<u64>(CR2, value);
  else if (index == 3) writeCr3(value);
  else if (index == 4) writeCr4(value);
  else if (value > 15) gp(0);
  else if (hasApic()) task_priority_write(i32(value) << 4);
  else store<u64>(CR8, value);
}

/** CR1, CR5..CR7 do not exist; CR4 only from the Pentium on; CR8 only in 64-bit mode (the decoder cannot name it elsewhere). */
function isRegister(index: i32): bool {
  if (index == 4) return load<u64>(CR4_VALID) != 0;
  return index == 0 || index == 2 || index == 3 || index == 8;
}

function hasApic(): bool {
  return apic_base_read() != u64.MAX_VALUE;
}

function writeCr0(wide: u64): void {
  if (wide >> 32 != 0) return gp(0);
  const old = cr0();
  const value = (u32(wide) & CR0_DEFINED) | CR0_ET;
  const changed = old ^ value;
  if ((value & CR0_PG) != 0 && (value & CR0_PE) == 0) return gp(0);
  if ((value & CR0_NW) != 0 && (value & CR0_CD) == 0) return gp(0);
  if (changed & CR0_PG) {
    if (value & CR0_PG) {
      if (!enablePaging()) return;
    } else {
      if (isCode64() || (cr4() & CR4_PCIDE) != 0) return gp(0);
      if (isLong()) store<u32>(EFER, efer() & ~EFER_LMA);
    }
  }
  store<u64>(CR0, u64(value));
  updateVectorAvailability();
  if (changed & (CR0_PG | CR0_PE | CR0_WP)) {
    updatePagingMode();
    flush(false);
  }
  if (changed & (CR0_PG | CR0_PE)) update_mode();
  else if (changed & CR0_AM) updateTlbPointer();
}

/** CR0.PG becomes 1: into long mode if EFER.LME is set (SDM vol.3 9.8.5). False: a fault is pending. */
function enablePaging(): bool {
  if ((efer() & EFER_LME) != 0) {
    const tss = (segmentAttributes(SEG_TR) >> 8) & 15;
    if ((cr4() & CR4_PAE) == 0 || (segmentAttributes(SEG_CS) & ATTR_L) != 0 || tss == TYPE_TSS16 || tss == TYPE_TSS16_BUSY) {
      gp(0);
      return false;
    }
    store<u32>(EFER, efer() | EFER_LMA);
    return true;
  }
  if ((cr4() & CR4_PAE) != 0 && !loadPdptes(cr3())) {
    gp(0);
    return false;
  }
  return true;
}

function writeCr3(value: u64): void {
  if (isLong()) {
    if ((cr4() & CR4_PCIDE) != 0) value &= ~NO_FLUSH;
    if (value & (load<u64>(PHYSICAL_RESERVED) | 0xfff0000000000000)) return gp(0);
  } else {
    value &= 0xffffffff;
    if (load<i32>(PAGING_MODE) == PAGING_PAE && !loadPdptes(value)) return gp(0);
  }
  store<u64>(CR3, value);
  // Entries carry no PCID, so they go whenever the space changes, which the manual always allows (SDM vol.3 4.10.4.1).
  flush(true);
}

function writeCr4(wide: u64): void {
  if (wide & ~load<u64>(CR4_VALID)) return gp(0);
  const old = cr4();
  const value = u32(wide);
  const changed = old ^ value;
  if (isLong() && (value & CR4_PAE) == 0) return gp(0);
  if ((changed & value & CR4_PCIDE) != 0 && (!isLong() || (cr3() & 0xfff) != 0)) return gp(0);
  if ((changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) != 0 && (value & CR4_PAE) != 0 && (cr0() & CR0_PG) != 0 && !isLong()) {
    if (!loadPdptes(cr3())) return gp(0);
  }
  store<u64>(CR4, u64(value));
  updateVectorAvailability();
  updatePagingMode();
  if (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)) flush(false);
  updateTlbPointer();
}

// -- LMSW, SMSW, CLTS

export function smsw(): u64 {
  return load<u64>(CR0);
}

/** PE can be set, never cleared. */
export function lmsw(value: i32): void {
  if (!requireLevel0()) return;
  const low = u32(value) & (CR0_PE | CR0_MP | CR0_EM | CR0_TS);
  writeCr0(u64((cr0() & ~(CR0_MP | CR0_EM | CR0_TS)) | low));
}

export function clts(): void {
  if (!requireLevel0()) return;
  store<u32>(CR0, cr0() & ~CR0_TS);
  updateVectorAvailability();
}

// -- TLB instructions, caches

export function invlpg(segmentIndex: i32, offset: u64): void {
  if (!requireLevel0()) return;
  const linear = (segmentBase(segmentIndex) + offset) & load<u64>(LINEAR_MASK);
  if (!isCode64() || isCanonical(linear)) invalidatePage(linear);
}

/** `pcid` and `linear` are the descriptor's two quadwords. */
export function invpcid(type: u64, pcid: u64, linear: u64): void {
  if (isV86()) return gp(0);
  if (!requireLevel0()) return;
  if (type > 3 || pcid >> 12 != 0 || ((cr4() & CR4_PCIDE) == 0 && type < 2 && pcid != 0)) return gp(0);
  if (type == 0) {
    if (!isCanonical(linear)) return gp(0);
    invalidatePage(linear);
  } else {
    flush(type != 2);
  }
}

/** WBINVD, INVD: the caches are the host's. */
export function wbinvd(): void {
  requireLevel0();
}

/** RSM outside SMM, VMX and SVM instructions, UD0..UD2. */
export function undefined_opcode(): void {
  ud();
}

/** STAC, CLAC: EFLAGS.AC, which SMAP asks. */
export function set_alignment_check(on: i32): void {
  if (cpl() != 0) return ud();
  set_eflags(on != 0 ? get_eflags() | FLAG_AC : get_eflags() & ~FLAG_AC);
}

/** RDFSBASE, WRFSBASE..: #UD unless the system allows them. */
export function check_fsgsbase(): void {
  if ((cr4() & CR4_FSGSBASE) == 0) ud();
}

// -- EFER (the MSR)

const EFER_WRITABLE: u64 = EFER_SCE | EFER_LME | EFER_NXE | EFER_FFXSR;

export function writeEfer(value: u64): void {
  const valid = load<u64>(EFER_VALID) & EFER_WRITABLE;
  if (value & ~(valid | EFER_LMA)) return gp(0);
  if (((value ^ u64(efer())) & EFER_LME) != 0 && (cr0() & CR0_PG) != 0) return gp(0);
  const changed = u64(efer()) ^ value;
  store<u64>(EFER, (value & valid) | u64(efer() & EFER_LMA));
  if (changed & EFER_NXE) flush(false);
}

// -- XCR0

export function xgetbv(index: u32): u64 {
  if ((cr4() & CR4_OSXSAVE) == 0) ud();
  else if (index != 0) gp(0);
  return load<u64>(XCR0);
}

export function xsetbv(index: u32, value: u64): void {
  if ((cr4() & CR4_OSXSAVE) == 0) return ud();
  if (!requireLevel0()) return;
  const avx = (value & 4) != 0;
  if (index != 0 || (value & 1) == 0 || (value & ~load<u64>(XCR0_VALID)) != 0 || (avx && (value & 2) == 0)) return gp(0);
  store<u64>(XCR0, value);
}

// -- whether the FPU and the vector registers may be used (SDM vol.3 2.5, 13.1; vol.2 table 2-19)

/** After every change of CR0 or CR4: the word that SSE instructions test. */
export function updateVectorAvailability(): void {
  store<u32>(SSE_OFF, (cr0() & (CR0_EM | CR0_TS)) | (~cr4() & CR4_OSFXSR));
}

/** x87 and FXSAVE: #NM by CR0.EM or TS. */
export function check_fpu(): void {
  if (cr0() & (CR0_EM | CR0_TS)) fault(VECTOR_NM, NO_ERROR_CODE);
}

/**
 * An unmasked x87 exception waits and the instruction is one that looks: #MF, or with CR0.NE = 0 as on a PC/AT: FERR# makes the interrupt
 * controller's IRQ 13, and the processor waits for it unless IGNNE# is asserted (SDM vol.1 8.7.2).
 */
export function raise_numeric_error(): void {
  if (cr0() & CR0_NE) return fault(VECTOR_MF, NO_ERROR_CODE);
  if (load<i32>(IGNORE_NUMERIC_ERROR) != 0) return;
  numeric_error();
  fault(VECTOR_RETRY, NO_ERROR_CODE);
}

/** WAIT: #NM only if MP says that it concerns the FPU. */
export function check_wait(): void {
  if ((cr0() & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) fault(VECTOR_NM, NO_ERROR_CODE);
}

/** MMX: #UD if EM, #NM if TS. */
export function check_mmx(): void {
  if (cr0() & CR0_EM) ud();
  else if (cr0() & CR0_TS) fault(VECTOR_NM, NO_ERROR_CODE);
}

/** SSE and later: #UD if EM or not OSFXSR, #NM if TS. */
export function check_sse(): void {
  if ((cr0() & CR0_EM) != 0 || (cr4() & CR4_OSFXSR) == 0) ud();
  else if (cr0() & CR0_TS) fault(VECTOR_NM, NO_ERROR_CODE);
}

/** XSAVE, XRSTOR: #UD if not OSXSAVE, #NM if TS. */
export function check_xsave(): void {
  if ((cr4() & CR4_OSXSAVE) == 0) ud();
  else if (cr0() & CR0_TS) fault(VECTOR_NM, NO_ERROR_CODE);
}
