// Delivery of interrupts and exceptions (SDM vol.3 6.10 to 6.15): real mode, gates of protected and long mode, virtual-8086 mode, double and triple faults.
import { EVENTS, EVENT_EXIT, EXIT_REASON, EXIT_SHUTDOWN, FAULT_ERROR, FAULT_VECTOR, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS } from '../../layout.ts';
import { SEG_IDTR, SEG_SS } from '../../layout.ts';
import { ACTIVITY, ACTIVITY_SHUTDOWN, COUNT_EXCEPTIONS, LOG_TRIPLE_FAULT, PENDING_TRAPS, STEPPING, VECTOR_RETRY } from '../../system-layout.ts';
import { guest_log } from '../host';
import { readSystem } from './access';
import { TYPE_INTERRUPT_GATE16, TYPE_INTERRUPT_GATE32, TYPE_TASK_GATE, TYPE_TRAP_GATE16, TYPE_TRAP_GATE32, dpl, errorOf } from './descriptors';
import { fetchDescriptor, isBadLongCode, isCode, isConforming, isLongCode, isNull, isPresent, markAccessed } from './descriptors';
import { get_eflags, set_eflags } from './flags';
import { commitFrame, innerError, innerStack, loadInnerStack, loadNullStack, longStackPointer, openCurrentStack, openInnerStack } from './frame';
import { openLongStack, pushFrame } from './frame';
import { setCpl } from './mode';
import { loadCodeSegment, loadNullSegment, loadRealSegment } from './segments';
import { FLAG_AC, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM, NO_ERROR_CODE, VECTOR_DB, VECTOR_DE, VECTOR_DF, VECTOR_GP, VECTOR_NP } from './state';
import { VECTOR_PF, VECTOR_SS, VECTOR_TS, clearFault, cpl, cr0, CR0_PE, fault, faulted, gp, gpr, isLong, isV86, rip, segmentBase } from './state';
import { segmentLimit, segmentSelector, setRip, systemFlags } from './state';
import { SWITCH_CALL, deliverAfterSwitch, pushTaskError, switchThroughGate } from './tasks';
import { checkTarget } from './transfers';
import { redirectSoftwareInterrupt } from './v86';

// -- where an event comes from
export const SOURCE_EXCEPTION: i32 = 0;
/** INTR, NMI, and INT1 (which like them needs no privilege). */
export const SOURCE_EXTERNAL: i32 = 1;
/** INT n, INT3, INTO: the gate's DPL is checked, error codes have EXT clear. */
export const SOURCE_SOFTWARE: i32 = 2;

/**
 * Delivers one event; RIP is the return address to save. A fault is left pending, with the state unchanged unless a task switch had happened already.
 */
export function interrupt(vector: i32, source: i32, errorCode: i32, savedFlags: u32): void {
  if ((cr0() & CR0_PE) == 0) interruptReal(vector, savedFlags);
  else if (isLong()) interruptLong(vector, source, errorCode, savedFlags);
  else interruptProtected(vector, source, errorCode, savedFlags);
  if (faulted()) return;
  // The instruction under way is over: what it would have trapped for is forgotten, except by the handler that returns to it.
  store<i32>(STEPPING, 0);
}

/** Real mode: the vector table of 4-byte pointers (SDM vol.3 20.1.4). No error codes. */
function interruptReal(vector: i32, savedFlags: u32): void {
  const offset: u32 = vector << 2;
  if (offset + 3 > segmentLimit(SEG_IDTR)) return gp((vector << 3) | 2);
  const pointer = readSystem(segmentBase(SEG_IDTR) + offset, 4);
  if (faulted()) return;
  enterRealHandler(pointer, savedFlags);
  if (!faulted()) set_eflags(get_eflags() & ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF));
}

/** Pushes FLAGS, CS and IP in 16 bits and goes to seg:offset: real mode and redirected interrupts of virtual-8086 mode. */
export function enterRealHandler(pointer: u64, savedFlags: u32): void {
  openCurrentStack(0);
  pushFrame(savedFlags & 0xffff, 2);
  pushFrame(segmentSelector(SEG_CS), 2);
  pushFrame(rip() & 0xffff, 2);
  if (faulted()) return;
  commitFrame();
  loadRealSegment(SEG_CS, i32(pointer >> 16));
  setRip(pointer & 0xffff);
}

/** Protected and virtual-8086 mode, 8-byte gates (SDM vol.3 6.12). */
function interruptProtected(vector: i32, source: i32, errorCode: i32, savedFlags: u32): void {
  const ext = source == SOURCE_SOFTWARE ? 0 : 1;
  const error = (vector << 3) | 2 | ext;
  const offset: u32 = vector << 3;
  if (offset + 7 > segmentLimit(SEG_IDTR)) return gp(error);
  const gate = readSystem(segmentBase(SEG_IDTR) + offset, 8);
  if (faulted()) return;
  const high = u32(gate >> 32);
  const type = (high >> 8) & 0x1f;
  const narrow = type == TYPE_INTERRUPT_GATE16 || type == TYPE_TRAP_GATE16;
  if (!narrow && type != TYPE_INTERRUPT_GATE32 && type != TYPE_TRAP_GATE32 && type != TYPE_TASK_GATE) return gp(error);
  if (source == SOURCE_SOFTWARE && i32((high >> 13) & 3) < cpl()) return gp(error);
  if ((high & 0x8000) == 0) return fault(VECTOR_NP, error);
  const selector = i32(u32(gate) >> 16);
  if (type == TYPE_TASK_GATE) {
    switchThroughGate(selector, SWITCH_CALL, ext);
    if (errorCode != NO_ERROR_CODE && !faulted()) pushTaskError(errorCode);
    return;
  }
  const target = narrow ? gate & 0xffff : (gate & 0xffff) | (u64(high) & 0xffff0000);
  const bytes = narrow ? 2 : 4;
  if (isNull(selector)) return gp(ext);
  if (!fetchDescriptor(selector, VECTOR_GP, ext)) return;
  if (!isCode() || dpl() > cpl()) return gp(errorOf(selector) | ext);
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector) | ext);
  const v86 = isV86();
  const inner = !isConforming() && dpl() < cpl();
  // From virtual-8086 mode only to privilege 0 (SDM vol.3 20.3.1.1).
  if (v86 && (!inner || dpl() != 0)) return gp(errorOf(selector) | ext);
  const level = inner ? dpl() : cpl();
  if (inner) {
    if (!innerStack(level, ext)) return;
    openInnerStack(level, innerError(ext));
    if (v86) {
      pushFrame(segmentSelector(SEG_GS), bytes);
      pushFrame(segmentSelector(SEG_FS), bytes);
      pushFrame(segmentSelector(SEG_DS), bytes);
      pushFrame(segmentSelector(SEG_ES), bytes);
    }
    pushFrame(segmentSelector(SEG_SS), bytes);
    pushFrame(gpr(4), bytes);
  } else {
    openCurrentStack(ext);
  }
  pushFrame(savedFlags, bytes);
  pushFrame(segmentSelector(SEG_CS), bytes);
  pushFrame(rip(), bytes);
  if (errorCode != NO_ERROR_CODE) pushFrame(u64(u32(errorCode)), bytes);
  if (faulted() || !fetchDescriptor(selector, VECTOR_GP, ext) || !checkTarget(target, ext)) return;
  markAccessed(selector);
  if (faulted()) return;
  let flags = get_eflags() & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
  if (type == TYPE_INTERRUPT_GATE16 || type == TYPE_INTERRUPT_GATE32) flags &= ~FLAG_IF;
  set_eflags(flags);
  loadCodeSegment(selector, level);
  if (inner) loadInnerStack();
  commitFrame();
  setRip(target);
  if (v86) for (let index = SEG_ES; index <= SEG_GS; index++) if (index != SEG_CS && index != SEG_SS) loadNullSegment(index, 0);
}

/** Long mode, 16-byte gates (SDM vol.3 6.14). */
function interruptLong(vector: i32, source: i32, errorCode: i32, savedFlags: u32): void {
  const ext = source == SOURCE_SOFTWARE ? 0 : 1;
  const error = (vector << 3) | 2 | ext;
  const offset: u32 = vector << 4;
  if (offset + 15 > segmentLimit(SEG_IDTR)) return gp(error);
  const gate = readSystem(segmentBase(SEG_IDTR) + offset, 8);
  if (faulted()) return;
  const upper = readSystem(segmentBase(SEG_IDTR) + offset + 8, 8);
  if (faulted()) return;
  const high = u32(gate >> 32);
  const type = (high >> 8) & 0x1f;
  if (type != TYPE_INTERRUPT_GATE32 && type != TYPE_TRAP_GATE32) return gp(error);
  if (source == SOURCE_SOFTWARE && i32((high >> 13) & 3) < cpl()) return gp(error);
  if ((high & 0x8000) == 0) return fault(VECTOR_NP, error);
  const selector = i32(u32(gate) >> 16);
  const target = (gate & 0xffff) | (u64(high) & 0xffff0000) | (upper << 32);
  if (isNull(selector)) return gp(ext);
  if (!fetchDescriptor(selector, VECTOR_GP, ext)) return;
  if (!isCode() || dpl() > cpl() || !isLongCode() || isBadLongCode()) return gp(errorOf(selector) | ext);
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector) | ext);
  const inner = !isConforming() && dpl() < cpl();
  const level = inner ? dpl() : cpl();
  const stackTable = i32(high & 7);
  let pointer = load<u64>(RSP);
  if (stackTable != 0) pointer = longStackPointer(stackTable + 3, ext);
  else if (inner) pointer = longStackPointer(level, ext);
  if (faulted()) return;
  openLongStack(pointer & ~0xf, level, ext);
  pushFrame(segmentSelector(SEG_SS), 8);
  pushFrame(load<u64>(RSP), 8);
  pushFrame(savedFlags, 8);
  pushFrame(segmentSelector(SEG_CS), 8);
  pushFrame(rip(), 8);
  if (errorCode != NO_ERROR_CODE) pushFrame(u64(u32(errorCode)), 8);
  if (faulted() || !checkTarget(target, ext)) return;
  markAccessed(selector);
  if (faulted()) return;
  let flags = get_eflags() & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
  if (type == TYPE_INTERRUPT_GATE32) flags &= ~FLAG_IF;
  set_eflags(flags);
  loadCodeSegment(selector, level);
  if (inner) loadNullStack(level);
  commitFrame();
  setRip(target);
}

// -- exceptions

/** Faults whose handler returns to the instruction: their saved RF keeps an instruction breakpoint from striking again (SDM vol.3 17.3.1.1). */
function savesResumeFlag(vector: i32): bool {
  return vector != VECTOR_DB && vector != 3 && vector != 4 && vector != VECTOR_DF && vector != 18;
}

/** Divide error and the segment faults: two of them in a row are a double fault (SDM vol.3 table 6-4). */
function isContributory(vector: i32): bool {
  return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

function becomesDoubleFault(first: i32, second: i32): bool {
  if (isContributory(first)) return isContributory(second);
  return first == VECTOR_PF && (second == VECTOR_PF || isContributory(second));
}

/** FAULT_VECTOR is set and RIP is at the instruction it belongs to. */
export function deliver_exception(): void {
  let vector = load<i32>(FAULT_VECTOR);
  let errorCode = load<i32>(FAULT_ERROR);
  if (vector == VECTOR_RETRY) return clearFault();
  for (;;) {
    clearFault();
    store<u64>(COUNT_EXCEPTIONS, load<u64>(COUNT_EXCEPTIONS) + 1);
    if (vector != VECTOR_DB) store<u32>(PENDING_TRAPS, 0); // a fault comes before the traps of its instruction
    const flags = get_eflags();
    interrupt(vector, SOURCE_EXCEPTION, errorCode, savesResumeFlag(vector) ? flags | FLAG_RF : flags);
    if (!faulted()) return;
    const second = load<i32>(FAULT_VECTOR);
    if (vector == VECTOR_DF) return shutDown(second);
    if (becomesDoubleFault(vector, second)) {
      vector = VECTOR_DF;
      errorCode = 0;
    } else {
      vector = second;
      errorCode = load<i32>(FAULT_ERROR);
    }
  }
}

/** Triple fault: the processor stops until RESET or INIT. */
function shutDown(vector: i32): void {
  clearFault();
  guest_log(LOG_TRIPLE_FAULT, rip(), u64(vector));
  store<i32>(ACTIVITY, ACTIVITY_SHUTDOWN);
  store<i32>(EXIT_REASON, EXIT_SHUTDOWN);
  store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_EXIT);
}

// -- instructions

/** INT n. */
export function software_interrupt(vector: i32, nextRip: u64): void {
  setRip(nextRip);
  if (isV86() && redirectSoftwareInterrupt(vector)) return;
  if (faulted()) return;
  trapInstruction(vector, SOURCE_SOFTWARE, nextRip);
}

function trapInstruction(vector: i32, source: i32, nextRip: u64): void {
  setRip(nextRip);
  interrupt(vector, source, NO_ERROR_CODE, get_eflags());
  deliverAfterSwitch();
}

/** INT3 (CC). */
export function breakpoint_trap(nextRip: u64): void {
  trapInstruction(3, SOURCE_SOFTWARE, nextRip);
}

/** INTO with OF set. */
export function overflow_trap(nextRip: u64): void {
  trapInstruction(4, SOURCE_SOFTWARE, nextRip);
}

/** INT1 (F1). */
export function icebp(nextRip: u64): void {
  trapInstruction(VECTOR_DB, SOURCE_EXTERNAL, nextRip);
}
