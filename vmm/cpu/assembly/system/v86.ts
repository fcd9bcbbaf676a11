// Virtual-8086 mode and its extensions (SDM vol.3 20.2, 20.3): redirected software interrupts, virtual IF, and the flag instructions that depend on them.
import { EVENTS, EVENT_SHADOW, SEG_IDTR, SEG_TR } from '../../layout.ts';
import { CPUID_COUNT, SHADOW, SHADOW_AT, SHADOW_STI } from '../../system-layout.ts';
import { instructions } from '../trace/next';
import { readSystem } from './access';
import { get_eflags, set_eflags } from './flags';
import { enterRealHandler } from './interrupts';
import { CR4_PVI, CR4_VME, FLAG_AC, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VIF, FLAG_VIP, FLAG_VM } from './state';
import { cpl, cr4, faulted, gp, iopl, isProtected, isV86, segmentBase, segmentLimit, systemFlags } from './state';

/** CF PF AF ZF SF DF OF: what every program may set. */
const FREE_FLAGS: u32 = 0xcd5;

/**
 * INT n in virtual-8086 mode. True: handled here by the task's own vector table. False: goes through the IDT, or a fault is pending.
 */
export function redirectSoftwareInterrupt(vector: i32): bool {
  if ((cr4() & CR4_VME) != 0) {
    // The redirection bitmap is the 32 bytes below the I/O bitmap (SDM vol.3 20.3.3): 0 keeps the interrupt in the task.
    const bitmap = readSystem(segmentBase(SEG_TR) + 0x66, 2) - 32;
    if (faulted()) return false;
    const at = bitmap + (u64(vector) >> 3);
    if (at <= u64(segmentLimit(SEG_TR))) {
      const redirected = (readSystem(segmentBase(SEG_TR) + at, 1) >> (vector & 7)) & 1;
      if (faulted()) return false;
      if (redirected == 0) {
        interruptWithinTask(vector);
        return true;
      }
    }
  }
  if (iopl() < 3) gp(0);
  return false;
}

function interruptWithinTask(vector: i32): void {
  const pointer = readSystem(u64(vector) << 2, 4);
  if (faulted()) return;
  const virtual = iopl() < 3;
  const flags = get_eflags();
  enterRealHandler(pointer, virtual ? virtualImage(flags) : flags);
  if (faulted()) return;
  set_eflags(flags & ~(FLAG_TF | FLAG_RF | (virtual ? FLAG_VIF : FLAG_IF)));
}

/** FLAGS as the task believes they are: IOPL 3, IF from VIF. */
function virtualImage(flags: u32): u32 {
  return (flags & ~FLAG_IF) | FLAG_IOPL | ((flags & FLAG_VIF) != 0 ? FLAG_IF : 0);
}

/** Whether flag instructions of this program act on VIF in place of IF. */
function usesVirtualIf(): bool {
  if (isV86()) return iopl() < 3 && (cr4() & CR4_VME) != 0;
  return cpl() == 3 && iopl() < 3 && (cr4() & CR4_PVI) != 0;
}

// -- PUSHF, POPF

/** What PUSHF stores. */
export function pushf_image(size: i32): u64 {
  let flags = get_eflags();
  if (isV86() && iopl() < 3) {
    if (size != 16 || (cr4() & CR4_VME) == 0) {
      gp(0);
      return 0;
    }
    flags = virtualImage(flags);
  }
  return u64(flags & ~(FLAG_VM | FLAG_RF));
}

/** Before POPF pops. */
export function popf_check(size: i32): void {
  if (isV86() && iopl() < 3 && (size != 16 || (cr4() & CR4_VME) == 0)) gp(0);
}

export function popf(size: i32, value: u64): void {
  let mask = FREE_FLAGS | FLAG_TF | FLAG_NT;
  if (size != 16) mask |= FLAG_AC | (hasId() ? FLAG_ID : 0);
  if (isV86()) {
    if (iopl() < 3) return setVirtualFlags(u32(value), mask);
    mask |= FLAG_IF;
  } else {
    if (cpl() <= iopl()) mask |= FLAG_IF;
    if (cpl() == 0) mask |= FLAG_IOPL;
  }
  set_eflags((get_eflags() & ~(mask | (size != 16 ? FLAG_RF : 0))) | (u32(value) & mask));
}

/** 16-bit POPF and IRET of a virtual-8086 task with VME: IF of the image goes to VIF. */
export function setVirtualFlags(image: u32, mask: u32): void {
  if (!allowsVirtualFlags(image)) return gp(0);
  const flags = (get_eflags() & ~(mask | FLAG_VIF)) | (image & mask);
  set_eflags((image & FLAG_IF) != 0 ? flags | FLAG_VIF : flags);
}

export function allowsVirtualFlags(image: u32): bool {
  return (image & FLAG_TF) == 0 && !((image & FLAG_IF) != 0 && (systemFlags() & FLAG_VIP) != 0);
}

/** EFLAGS.ID can be changed exactly where CPUID exists. */
export function hasId(): bool {
  return load<i32>(CPUID_COUNT) != 0;
}

// -- CLI, STI

function mayChangeIf(): bool {
  return isV86() ? iopl() == 3 : !isProtected() || cpl() <= iopl();
}

export function cli(): void {
  if (mayChangeIf()) set_eflags(get_eflags() & ~FLAG_IF);
  else if (usesVirtualIf()) set_eflags(get_eflags() & ~FLAG_VIF);
  else gp(0);
}

export function sti(): void {
  const flags = get_eflags();
  if (mayChangeIf()) {
    if (flags & FLAG_IF) return;
    set_eflags(flags | FLAG_IF);
    // Interrupts wait for one more instruction, so that STI; HLT and STI; RET are safe.
    // Nothing to look at means that there is no interrupt: should one come before the next instruction, handle_events sees by the count that it is too early.
    store<i64>(SHADOW_AT, instructions() + 1);
    if (load<i32>(EVENTS) == 0) return;
    store<i32>(SHADOW, SHADOW_STI);
    store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_SHADOW);
  } else if (usesVirtualIf()) {
    if (flags & FLAG_VIP) gp(0);
    else set_eflags(flags | FLAG_VIF);
  } else {
    gp(0);
  }
}
