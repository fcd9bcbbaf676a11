// Fast system calls: SYSENTER/SYSEXIT (SDM vol.3 5.8.7), SYSCALL/SYSRET (5.8.8; AMD APM vol.2 6.1), SWAPGS.
import { GPR, RCX, RDX, RSP, SEG_CS, SEG_GS, SEG_SS } from '../../layout.ts';
import { FEATURE_1_EDX, FEATURE_81_EDX, MSR_CSTAR, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_SFMASK, MSR_STAR, MSR_SYSENTER_CS } from '../../system-layout.ts';
import { MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, STEPPING, VENDOR_AMD } from '../../system-layout.ts';
import { get_eflags, set_eflags } from './flags';
import { ATTR_ACCESSED, ATTR_CODE, ATTR_DB, ATTR_G, ATTR_L, ATTR_P, ATTR_S, ATTR_WRITABLE, setCpl, setSegment, update_mode } from './mode';
import { setBase } from './segments';
import { CR0_PE, EFER_SCE, FLAG_IF, FLAG_RF, FLAG_TF, FLAG_VM, cpl, cr0, efer, gp, hasFeature, isCanonical, isCode64, isLong } from './state';
import { isProtected, segmentBase, setRip, ud } from './state';

const R11 = GPR + 88;
const FLAT_CODE: u32 = ATTR_P | ATTR_S | ATTR_CODE | ATTR_WRITABLE | ATTR_ACCESSED | ATTR_G;
const FLAT_DATA: u32 = ATTR_P | ATTR_S | ATTR_WRITABLE | ATTR_ACCESSED | ATTR_G | ATTR_DB;
const SYSRET_FLAGS: u32 = 0x3c7fd7;

/** CS and SS as these instructions make them: flat, no descriptor is read. */
function enterFlat(codeSelector: i32, stackSelector: i32, level: i32, code64: bool): void {
  const privilege = u32(level) << 13;
  setSegment(SEG_CS, (codeSelector & 0xfffc) | level, 0, 0xffffffff, FLAT_CODE | privilege | (code64 ? ATTR_L : ATTR_DB));
  setSegment(SEG_SS, (stackSelector & 0xfffc) | level, 0, 0xffffffff, FLAT_DATA | privilege);
  setCpl(level);
  update_mode();
}

export function syscall(nextRip: u64): void {
  if ((efer() & EFER_SCE) == 0) return ud();
  const star = load<u64>(MSR_STAR);
  const selector = i32((star >> 32) & 0xfffc);
  if (!isLong()) {
    // Legacy mode: AMD only.
    if (load<i32>(VENDOR_AMD) == 0 || !isProtected()) return ud();
    store<u64>(RCX, nextRip & 0xffffffff);
    set_eflags(get_eflags() & ~(FLAG_VM | FLAG_IF | FLAG_RF));
    enterFlat(selector, selector + 8, 0, false);
    return setRip(star & 0xffffffff);
  }
  const code64 = isCode64();
  if (!code64 && load<i32>(VENDOR_AMD) == 0) return ud();
  const flags = get_eflags();
  store<u64>(RCX, nextRip);
  store<u64>(R11, u64(flags & ~FLAG_RF));
  const cleared = load<u32>(MSR_SFMASK) | FLAG_RF;
  set_eflags(flags & ~cleared);
  if (cleared & FLAG_TF) store<i32>(STEPPING, 0); // a step that the entry masks is not reported in the kernel
  enterFlat(selector, selector + 8, 0, true);
  setRip(load<u64>(code64 ? MSR_LSTAR : MSR_CSTAR));
}

export function sysret(size: i32): void {
  if ((efer() & EFER_SCE) == 0) return ud();
  if (!isLong() && load<i32>(VENDOR_AMD) == 0) return ud();
  if (!isProtected() || cpl() != 0) return gp(0);
  const selector = i32((load<u64>(MSR_STAR) >> 48) & 0xffff);
  const target = load<u64>(RCX);
  if (!isLong()) {
    set_eflags(get_eflags() | FLAG_IF);
    enterFlat(selector, selector + 8, 3, false);
    return setRip(target & 0xffffffff);
  }
  // Intel checks at the kernel's privilege, before anything is loaded; AMD faults at the target, in user mode.
  if (size == 64 && load<i32>(VENDOR_AMD) == 0 && !isCanonical(target)) return gp(0);
  set_eflags((load<u32>(R11) & SYSRET_FLAGS) | 2);
  enterFlat(size == 64 ? selector + 16 : selector, selector + 8, 3, size == 64);
  setRip(size == 64 ? target : target & 0xffffffff);
}

export function sysenter(): void {
  if (!hasFeature(FEATURE_1_EDX, 11) || (isLong() && load<i32>(VENDOR_AMD) != 0)) return ud();
  const selector = load<i32>(MSR_SYSENTER_CS) & 0xfffc;
  if ((cr0() & CR0_PE) == 0 || selector == 0) return gp(0);
  set_eflags(get_eflags() & ~(FLAG_VM | FLAG_IF | FLAG_RF));
  const long = isLong();
  enterFlat(selector, selector + 8, 0, long);
  const mask: u64 = long ? u64.MAX_VALUE : 0xffffffff;
  store<u64>(RSP, load<u64>(MSR_SYSENTER_ESP) & mask);
  setRip(load<u64>(MSR_SYSENTER_EIP) & mask);
}

export function sysexit(size: i32): void {
  if (!hasFeature(FEATURE_1_EDX, 11) || (isLong() && load<i32>(VENDOR_AMD) != 0)) return ud();
  const selector = load<i32>(MSR_SYSENTER_CS) & 0xfffc;
  if (!isProtected() || cpl() != 0 || selector == 0) return gp(0);
  const target = load<u64>(RDX);
  const pointer = load<u64>(RCX);
  if (size == 64) {
    if (!isCanonical(target) || !isCanonical(pointer)) return gp(0);
    enterFlat(selector + 32, selector + 40, 3, true);
    store<u64>(RSP, pointer);
    return setRip(target);
  }
  enterFlat(selector + 16, selector + 24, 3, false);
  store<u64>(RSP, pointer & 0xffffffff);
  setRip(target & 0xffffffff);
}

export function swapgs(): void {
  if (!isCode64() || !hasFeature(FEATURE_81_EDX, 29)) return ud();
  if (cpl() != 0) return gp(0);
  const base = segmentBase(SEG_GS);
  setBase(SEG_GS, load<u64>(MSR_KERNEL_GS_BASE));
  store<u64>(MSR_KERNEL_GS_BASE, base);
}
