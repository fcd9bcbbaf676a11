// Model-specific registers that kernels touch (SDM vol.4; AMD APM vol.2 appendix A), the time stamp counter, performance counters.
import { EFER, SEG_FS, SEG_GS } from '../../layout.ts';
import { LEAST_LEFT, TIME_TOLD, TIME_TOLD_AT } from '../../system-layout.ts';
import { FAMILY, FEATURES, FEATURE_1_ECX, FEATURE_1_EDX, FEATURE_81_EDX, LOG_UNKNOWN_MSR_READ, LOG_UNKNOWN_MSR_WRITE, MSR_CSTAR, MSR_DEBUGCTL } from '../../system-layout.ts';
import { MSR_FEATURE_CONTROL, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_MCG_CTL, MSR_MCG_STATUS, MSR_MC_BANKS, MSR_MICROCODE } from '../../system-layout.ts';
import { MSR_MISC_ENABLE, MSR_MTRR_DEF_TYPE, MSR_MTRR_FIX, MSR_MTRR_PHYS, MSR_PAT, MSR_SFMASK, MSR_STAR, MSR_SYSENTER_CS } from '../../system-layout.ts';
import { MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, MSR_TSC_ADJUST, MSR_TSC_AUX, PHYSICAL_RESERVED, TSC_OFFSET, TSC_PER_NS } from '../../system-layout.ts';
import { VENDOR_AMD } from '../../system-layout.ts';
import { apic_base_read, apic_base_write, guest_log, now_ns, random_bits, tsc_deadline_read, tsc_deadline_write } from '../host';
import { instructions } from '../trace/next';
import { requireLevel0, writeEfer } from './control';
import { setBase } from './segments';
import { CR4_PCE, CR4_TSD, cpl, cr4, currentRip, gp, hasFeature, isCanonical, segmentBase, ud } from './state';

// -- numbers (SDM vol.4 table 2-2)
const IA32_TIME_STAMP_COUNTER: u32 = 0x10;
const IA32_PLATFORM_ID: u32 = 0x17;
const IA32_APIC_BASE: u32 = 0x1b;
const EBL_CR_POWERON: u32 = 0x2a;
const IA32_FEATURE_CONTROL: u32 = 0x3a;
const IA32_TSC_ADJUST: u32 = 0x3b;
const IA32_BIOS_UPDT_TRIG: u32 = 0x79;
const IA32_BIOS_SIGN_ID: u32 = 0x8b;
const IA32_MTRRCAP: u32 = 0xfe;
const BBL_CR_CTL3: u32 = 0x11e;
const IA32_SYSENTER_CS: u32 = 0x174;
const IA32_SYSENTER_ESP: u32 = 0x175;
const IA32_SYSENTER_EIP: u32 = 0x176;
const IA32_MCG_CAP: u32 = 0x179;
const IA32_MCG_STATUS: u32 = 0x17a;
const IA32_MCG_CTL: u32 = 0x17b;
const IA32_PERFEVTSEL0: u32 = 0x186;
const IA32_PERFEVTSEL1: u32 = 0x187;
const IA32_PERF_STATUS: u32 = 0x198;
const IA32_PERF_CTL: u32 = 0x199;
const IA32_MISC_ENABLE: u32 = 0x1a0;
const IA32_DEBUGCTL: u32 = 0x1d9;
const LAST_BRANCH_FROM: u32 = 0x1db;
const LAST_INT_TO: u32 = 0x1de;
const IA32_MTRR_PHYSBASE0: u32 = 0x200;
const IA32_MTRR_PHYSMASK7: u32 = 0x20f;
const IA32_MTRR_FIX64K_00000: u32 = 0x250;
const IA32_MTRR_FIX16K_80000: u32 = 0x258;
const IA32_MTRR_FIX16K_A0000: u32 = 0x259;
const IA32_MTRR_FIX4K_C0000: u32 = 0x268;
const IA32_MTRR_FIX4K_F8000: u32 = 0x26f;
const IA32_PAT: u32 = 0x277;
const IA32_MTRR_DEF_TYPE: u32 = 0x2ff;
const IA32_MC0_CTL: u32 = 0x400;
const MC_BANKS: u32 = 4;
const IA32_TSC_DEADLINE: u32 = 0x6e0;
const IA32_EFER: u32 = 0xc0000080;
const IA32_STAR: u32 = 0xc0000081;
const IA32_LSTAR: u32 = 0xc0000082;
const IA32_CSTAR: u32 = 0xc0000083;
const IA32_FMASK: u32 = 0xc0000084;
const IA32_FS_BASE: u32 = 0xc0000100;
const IA32_GS_BASE: u32 = 0xc0000101;
const IA32_KERNEL_GS_BASE: u32 = 0xc0000102;
const IA32_TSC_AUX: u32 = 0xc0000103;
const AMD_SYSCFG: u32 = 0xc0010010;
const AMD_HWCR: u32 = 0xc0010015;
const AMD_TOP_MEM: u32 = 0xc001001a;
const AMD_TOP_MEM2: u32 = 0xc001001d;
const AMD_NB_CFG: u32 = 0xc001001f;
const AMD_PATCH_LEVEL: u32 = 0xc001008b;
const AMD_INT_PENDING: u32 = 0xc0010055;
const AMD_VM_CR: u32 = 0xc0010114;
const AMD_OSVW_ID_LENGTH: u32 = 0xc0010140;
const AMD_OSVW_STATUS: u32 = 0xc0010141;
const AMD_LS_CFG: u32 = 0xc0011020;
const AMD_DE_CFG: u32 = 0xc0011029;

/** The word that holds an MSR which is plain storage, 0 for all others. */
function storageOf(index: u32): i32 {
  if (index == IA32_SYSENTER_CS) return MSR_SYSENTER_CS;
  if (index == IA32_SYSENTER_ESP) return MSR_SYSENTER_ESP;
  if (index == IA32_SYSENTER_EIP) return MSR_SYSENTER_EIP;
  if (index == IA32_MCG_STATUS) return MSR_MCG_STATUS;
  if (index == IA32_MCG_CTL) return MSR_MCG_CTL;
  if (index == IA32_MISC_ENABLE) return MSR_MISC_ENABLE;
  if (index == IA32_DEBUGCTL) return MSR_DEBUGCTL;
  if (index == IA32_FEATURE_CONTROL) return MSR_FEATURE_CONTROL;
  if (index == IA32_BIOS_SIGN_ID) return MSR_MICROCODE;
  if (index == IA32_PAT) return MSR_PAT;
  if (index == IA32_MTRR_DEF_TYPE) return MSR_MTRR_DEF_TYPE;
  if (index == IA32_STAR) return MSR_STAR;
  if (index == IA32_LSTAR) return MSR_LSTAR;
  if (index == IA32_CSTAR) return MSR_CSTAR;
  if (index == IA32_FMASK) return MSR_SFMASK;
  if (index == IA32_KERNEL_GS_BASE) return MSR_KERNEL_GS_BASE;
  if (index == IA32_TSC_AUX) return MSR_TSC_AUX;
  if (index >= IA32_MTRR_PHYSBASE0 && index <= IA32_MTRR_PHYSMASK7) return MSR_MTRR_PHYS + ((index - IA32_MTRR_PHYSBASE0) << 3);
  if (index == IA32_MTRR_FIX64K_00000) return MSR_MTRR_FIX;
  if (index == IA32_MTRR_FIX16K_80000 || index == IA32_MTRR_FIX16K_A0000) return MSR_MTRR_FIX + ((index - IA32_MTRR_FIX16K_80000 + 1) << 3);
  if (index >= IA32_MTRR_FIX4K_C0000 && index <= IA32_MTRR_FIX4K_F8000) return MSR_MTRR_FIX + ((index - IA32_MTRR_FIX4K_C0000 + 3) << 3);
  if (index >= IA32_MC0_CTL && index < IA32_MC0_CTL + 4 * MC_BANKS) return MSR_MC_BANKS + ((index - IA32_MC0_CTL) << 3);
  return 0;
}

/** Registers that read as a constant and take any write without effect. */
function isIgnored(index: u32): bool {
  if (index == IA32_PLATFORM_ID || index == EBL_CR_POWERON || index == BBL_CR_CTL3 || index == IA32_BIOS_UPDT_TRIG) return true;
  if (index == IA32_PERFEVTSEL0 || index == IA32_PERFEVTSEL1 || index == 0xc1 || index == 0xc2) return true;
  if (index == IA32_PERF_STATUS || index == IA32_PERF_CTL) return true;
  if (index >= LAST_BRANCH_FROM && index <= LAST_INT_TO) return true;
  if (index == 0 || index == 1) return true; // P5_MC_ADDR, P5_MC_TYPE
  if (load<i32>(VENDOR_AMD) == 0) return false;
  if (index == AMD_SYSCFG || index == AMD_HWCR || index == AMD_TOP_MEM || index == AMD_TOP_MEM2 || index == AMD_NB_CFG) return true;
  if (index == AMD_PATCH_LEVEL || index == AMD_INT_PENDING || index == AMD_VM_CR || index == AMD_LS_CFG || index == AMD_DE_CFG) return true;
  return index == AMD_OSVW_ID_LENGTH || index == AMD_OSVW_STATUS;
}

/** Whether the CPU model has the register at all. */
function exists(index: u32): bool {
  if (index >= IA32_SYSENTER_CS && index <= IA32_SYSENTER_EIP) return hasFeature(FEATURE_1_EDX, 11);
  if (index == IA32_PAT) return hasFeature(FEATURE_1_EDX, 16);
  if (index == IA32_MTRRCAP || (index >= 0x200 && index <= 0x26f) || index == IA32_MTRR_DEF_TYPE) return hasFeature(FEATURE_1_EDX, 12);
  if (index >= IA32_MCG_CAP && index <= IA32_MCG_CTL) return hasFeature(FEATURE_1_EDX, 14);
  if (index >= IA32_MC0_CTL && index < IA32_MC0_CTL + 4 * MC_BANKS) return hasFeature(FEATURE_1_EDX, 14);
  if (index >= IA32_STAR && index <= IA32_FMASK) return hasFeature(FEATURE_81_EDX, 11) || hasFeature(FEATURE_81_EDX, 29);
  if (index >= IA32_FS_BASE && index <= IA32_KERNEL_GS_BASE) return hasFeature(FEATURE_81_EDX, 29);
  if (index == IA32_TSC_AUX) return hasFeature(FEATURE_81_EDX, 27);
  if (index == IA32_EFER) return load<u32>(FEATURES + (FEATURE_81_EDX << 2)) != 0;
  if (index == IA32_TIME_STAMP_COUNTER) return hasFeature(FEATURE_1_EDX, 4);
  if (index == IA32_APIC_BASE) return apic_base_read() != u64.MAX_VALUE;
  if (index == IA32_TSC_DEADLINE) return hasTscDeadline();
  return true;
}

function mayUseMsrs(): bool {
  if (!hasFeature(FEATURE_1_EDX, 5)) {
    ud();
    return false;
  }
  return requireLevel0();
}

export function rdmsr(index: u32): u64 {
  if (!mayUseMsrs()) return 0;
  if (exists(index)) {
    const storage = storageOf(index);
    if (storage != 0) return load<u64>(storage);
    if (index == IA32_TIME_STAMP_COUNTER) return timeStamp();
    if (index == IA32_APIC_BASE) return apic_base_read();
    if (index == IA32_TSC_DEADLINE) return tsc_deadline_read();
    if (index == IA32_EFER) return load<u64>(EFER);
    if (index == IA32_FS_BASE) return segmentBase(SEG_FS);
    if (index == IA32_GS_BASE) return segmentBase(SEG_GS);
    if (index == IA32_TSC_ADJUST) return load<u64>(MSR_TSC_ADJUST);
    if (index == IA32_MTRRCAP) return 0x508; // 8 variable ranges, fixed ranges, write combining
    if (index == IA32_MCG_CAP) return 0x100 | MC_BANKS;
    if (isIgnored(index)) return 0;
  }
  guest_log(LOG_UNKNOWN_MSR_READ, u64(index), currentRip());
  gp(0);
  return 0;
}

export function wrmsr(index: u32, value: u64): void {
  if (!mayUseMsrs()) return;
  if (exists(index)) {
    if (index == IA32_EFER) return writeEfer(value);
    if (index == IA32_APIC_BASE) {
      if (apic_base_write(value) == 0) gp(0);
      return;
    }
    if (index == IA32_TIME_STAMP_COUNTER) return setTimeStamp(value);
    if (index == IA32_TSC_DEADLINE) return tsc_deadline_write(value);
    if (index == IA32_TSC_ADJUST) return moveTimeStamp(value - load<u64>(MSR_TSC_ADJUST));
    if (index == IA32_FS_BASE || index == IA32_GS_BASE) {
      if (!isCanonical(value)) return gp(0);
      return setBase(index == IA32_FS_BASE ? SEG_FS : SEG_GS, value);
    }
    const storage = storageOf(index);
    if (storage != 0) {
      if (!isAllowed(index, value)) return gp(0);
      return store<u64>(storage, stored(index, value));
    }
    if (isIgnored(index)) return;
  }
  guest_log(LOG_UNKNOWN_MSR_WRITE, u64(index), value);
  gp(0);
}

/** Memory types 0, 1, 4, 5, 6 (and 7 in PAT) exist. */
function isMemoryType(type: u64, pat: bool): bool {
  return type == 0 || type == 1 || (type >= 4 && type <= 6) || (pat && type == 7);
}

/** Values an MSR refuses with #GP(0). */
function isAllowed(index: u32, value: u64): bool {
  if (index == IA32_LSTAR || index == IA32_CSTAR || index == IA32_KERNEL_GS_BASE || index == IA32_SYSENTER_ESP || index == IA32_SYSENTER_EIP) {
    return isCanonical(value);
  }
  if (index == IA32_PAT) {
    for (let at = 0; at < 64; at += 8) if (!isMemoryType((value >> at) & 0xff, true)) return false;
    return true;
  }
  if (index == IA32_MTRR_DEF_TYPE) return (value & ~u64(0xcff)) == 0 && isMemoryType(value & 0xff, false);
  if (index >= IA32_MTRR_PHYSBASE0 && index <= IA32_MTRR_PHYSMASK7) {
    if (value & (load<u64>(PHYSICAL_RESERVED) | 0xfff0000000000000)) return false;
    return (index & 1) != 0 ? (value & 0x7ff) == 0 : (value & 0xf00) == 0 && isMemoryType(value & 0xff, false);
  }
  if (index >= IA32_MTRR_FIX64K_00000 && index <= IA32_MTRR_FIX4K_F8000) {
    for (let at = 0; at < 64; at += 8) if (!isMemoryType((value >> at) & 0xff, false)) return false;
    return true;
  }
  if (index == IA32_TSC_AUX) return value >> 32 == 0;
  return true;
}

/** The part of a value that is kept. */
function stored(index: u32, value: u64): u64 {
  // The microcode revision is written as 0 before CPUID reads it back: the model's stays (SDM vol.3 9.11.7.1).
  if (index == IA32_BIOS_SIGN_ID) return load<u64>(MSR_MICROCODE);
  if (index == IA32_FMASK) return value & 0xffffffff;
  return value;
}

// -- time stamp counter (SDM vol.3 17.17)

/** So many instructions after the host was asked, it is asked again. */
const TIME_PATIENCE: i64 = 1000;
/** Less than an instruction takes on any host (ns): time must not run ahead, to go back when the host is asked. */
const LEAST_TIME: f64 = 0.1;

function timeStamp(): u64 {
  return u64(guestTime() * load<f64>(TSC_PER_NS)) + load<u64>(TSC_OFFSET);
}

/** Guest time in ns. Kernels read the counter at every system call, and asking the host costs more than one: in between time is guessed, unless it must be exact. */
function guestTime(): f64 {
  const executed = instructions();
  const since = executed - load<i64>(TIME_TOLD_AT);
  const told = load<f64>(TIME_TOLD);
  if (since < TIME_PATIENCE && load<i32>(LEAST_LEFT) > 1) return told + f64(since) * LEAST_TIME;
  const now = now_ns();
  store<f64>(TIME_TOLD, now);
  store<i64>(TIME_TOLD_AT, executed);
  return now;
}

/** Also for RESET, which sets it to 0. */
export function setTimeStamp(value: u64): void {
  moveTimeStamp(value - timeStamp());
}

function moveTimeStamp(change: u64): void {
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + change);
  store<u64>(MSR_TSC_ADJUST, load<u64>(MSR_TSC_ADJUST) + change);
  // The counter reaches the deadline at another time now.
  if (hasTscDeadline()) tsc_deadline_write(tsc_deadline_read());
}

function hasTscDeadline(): bool {
  return hasFeature(FEATURE_1_ECX, 24);
}

export function rdtsc(): u64 {
  if ((cr4() & CR4_TSD) != 0 && cpl() > 0) gp(0);
  return timeStamp();
}

export function rdtsc_aux(): u64 {
  return load<u64>(MSR_TSC_AUX) & 0xffffffff;
}

/** Two counters of no events. Which exist depends on the family only. */
export function rdpmc(index: u32): u64 {
  if (((cr4() & CR4_PCE) == 0 && cpl() > 0) || index > 1 || load<i32>(FAMILY) < 5) gp(0);
  return 0;
}

export function random32(): u32 {
  return random_bits();
}
