// Far JMP, CALL and RET (SDM vol.3 5.8; vol.2 JMP, CALL, RET): direct, through call gates, and to tasks.
import { RIP, SEG_CS, SEG_SS, SEG_TR } from '../../layout.ts';
import { TYPE_CALL_GATE16, TYPE_CALL_GATE32, TYPE_TASK_GATE, TYPE_TSS16, TYPE_TSS32, descriptorHigh, descriptorUpper, dpl } from './descriptors';
import { errorOf, fetchDescriptor, fetchUpper, gateOffset, gateSelector, isBadLongCode, isCode, isConforming, isLongCode, isNull } from './descriptors';
import { isPresent, isSystem, limit, markAccessed, systemType } from './descriptors';
import { commitFrame, dropStack, fetchReturnStack, innerError, innerPointer, innerStack, loadInnerStack, loadNullStack } from './frame';
import { loadReturnStack, longStackPointer, openCurrentStack, openInnerStack, openLongStack, peekStack, pushFrame, setStackPointer } from './frame';
import { deliverAfterSwitch, switchTask, switchThroughGate, SWITCH_CALL, SWITCH_JUMP } from './tasks';
import { dropPrivilegedSegments, loadCodeSegment, loadRealSegment } from './segments';
import { VECTOR_GP, VECTOR_NP, cpl, fault, faulted, gp, gpr, isCanonical, isLong, isProtected, rip, segmentLimit, segmentSelector, setRip } from './state';

/** Whether `offset` may be RIP in the code segment fetched last; otherwise #GP(error). */
export function checkTarget(offset: u64, error: i32): bool {
  if (isLongCode() ? isCanonical(offset) : offset <= u64(limit())) return true;
  gp(error);
  return false;
}

/** The checks of a direct JMP or CALL on the code segment fetched last. */
function checkDirect(selector: i32): bool {
  const rpl = selector & 3;
  if (isConforming() ? dpl() > cpl() : rpl > cpl() || dpl() != cpl()) gp(errorOf(selector));
  else if (isBadLongCode()) gp(errorOf(selector));
  else if (!isPresent()) fault(VECTOR_NP, errorOf(selector));
  return !faulted();
}

function enterCode(selector: i32, offset: u64, level: i32): void {
  loadCodeSegment(selector, level);
  setRip(offset);
}

export function far_jump(selector: i32, offset: u64, size: i32, nextRip: u64): void {
  setRip(nextRip);
  selector &= 0xffff;
  if (!isProtected()) {
    if (offset > u64(segmentLimit(SEG_CS))) return gp(0);
    loadRealSegment(SEG_CS, selector);
    return setRip(offset);
  }
  if (isNull(selector)) return gp(0);
  if (!fetchDescriptor(selector, VECTOR_GP, 0)) return;
  if (isSystem()) return transferBySystem(selector, false);
  if (!isCode()) return gp(errorOf(selector));
  if (!checkDirect(selector) || !checkTarget(offset, 0)) return;
  markAccessed(selector);
  if (!faulted()) enterCode(selector, offset, cpl());
}

export function far_call(selector: i32, offset: u64, size: i32, nextRip: u64): void {
  setRip(nextRip);
  selector &= 0xffff;
  const bytes = size >> 3;
  if (!isProtected()) {
    openCurrentStack(0);
    pushFrame(segmentSelector(SEG_CS), bytes);
    pushFrame(rip(), bytes);
    if (faulted()) return;
    if (offset > u64(segmentLimit(SEG_CS))) return gp(0);
    commitFrame();
    loadRealSegment(SEG_CS, selector);
    return setRip(offset);
  }
  if (isNull(selector)) return gp(0);
  if (!fetchDescriptor(selector, VECTOR_GP, 0)) return;
  if (isSystem()) return transferBySystem(selector, true);
  if (!isCode()) return gp(errorOf(selector));
  if (!checkDirect(selector)) return;
  openCurrentStack(0);
  pushFrame(segmentSelector(SEG_CS), bytes);
  pushFrame(rip(), bytes);
  if (faulted() || !checkTarget(offset, 0)) return;
  markAccessed(selector);
  if (faulted()) return;
  commitFrame();
  enterCode(selector, offset, cpl());
}

/** JMP or CALL whose selector names a gate or a TSS. */
function transferBySystem(selector: i32, call: bool): void {
  const type = systemType();
  const long = isLong();
  if (type == TYPE_CALL_GATE32 || (type == TYPE_CALL_GATE16 && !long)) return callGate(selector, call);
  const task = type == TYPE_TASK_GATE;
  if (long || (!task && type != TYPE_TSS16 && type != TYPE_TSS32)) return gp(errorOf(selector));
  if (dpl() < cpl() || dpl() < (selector & 3)) return gp(errorOf(selector));
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector));
  if (task) switchThroughGate(gateSelector(), call ? SWITCH_CALL : SWITCH_JUMP, 0);
  else switchTask(selector, call ? SWITCH_CALL : SWITCH_JUMP, 0);
  deliverAfterSwitch();
}

/** The gate was fetched last. */
function callGate(selector: i32, call: bool): void {
  if (dpl() < cpl() || dpl() < (selector & 3)) return gp(errorOf(selector));
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector));
  const long = isLong();
  const bytes = long ? 8 : systemType() == TYPE_CALL_GATE32 ? 4 : 2;
  let offset = u64(bytes == 2 ? gateOffset() & 0xffff : gateOffset());
  if (long) {
    if (!fetchUpper(selector, VECTOR_GP)) return;
    offset |= u64(descriptorUpper) << 32;
  }
  const target = gateSelector();
  const parameters = long ? 0 : i32(descriptorHigh & 0x1f);
  if (isNull(target)) return gp(0);
  if (!fetchDescriptor(target, VECTOR_GP, 0)) return;
  if (!isCode() || dpl() > cpl()) return gp(errorOf(target));
  if (!call && !isConforming() && dpl() != cpl()) return gp(errorOf(target));
  if (long && (!isLongCode() || isBadLongCode())) return gp(errorOf(target));
  if (!isPresent()) return fault(VECTOR_NP, errorOf(target));
  if (call && !isConforming() && dpl() < cpl()) return callInner(target, offset, bytes, parameters);
  if (call) {
    openCurrentStack(0);
    pushFrame(segmentSelector(SEG_CS), bytes);
    pushFrame(rip(), bytes);
  }
  if (faulted() || !checkTarget(offset, 0)) return;
  markAccessed(target);
  if (faulted()) return;
  if (call) commitFrame();
  enterCode(target, offset, cpl());
}

/** CALL through a gate to more privileged code: SS:RSP from the TSS, parameters copied (SDM vol.3 5.8.5). */
function callInner(target: i32, offset: u64, bytes: i32, parameters: i32): void {
  const level = dpl();
  const long = isLong();
  if (long) {
    const pointer = longStackPointer(level, 0);
    if (faulted()) return;
    openLongStack(pointer, level, 0);
  } else {
    if (!innerStack(level, 0)) return;
    openInnerStack(level, innerError(0));
  }
  pushFrame(segmentSelector(SEG_SS), bytes);
  pushFrame(gpr(4), bytes);
  for (let index = parameters - 1; index >= 0; index--) pushFrame(peekStack(index * bytes, bytes), bytes);
  pushFrame(segmentSelector(SEG_CS), bytes);
  pushFrame(rip(), bytes);
  // innerStack fetched another descriptor meanwhile.
  if (faulted() || !fetchDescriptor(target, VECTOR_GP, 0) || !checkTarget(offset, 0)) return;
  markAccessed(target);
  if (faulted()) return;
  enterCode(target, offset, level);
  if (long) loadNullStack(level);
  else loadInnerStack();
  commitFrame();
}

/** RET far: `release` bytes of parameters are dropped behind the return address, on both stacks when the level changes. */
export function far_return(size: i32, release: i32): void {
  const bytes = size >> 3;
  const offset = peekStack(0, bytes);
  const selector = i32(peekStack(bytes, bytes)) & 0xffff;
  if (faulted()) return;
  if (!isProtected()) {
    if (offset > u64(segmentLimit(SEG_CS))) return gp(0);
    dropStack(2 * bytes + release);
    loadRealSegment(SEG_CS, selector);
    return setRip(offset);
  }
  if (!fetchReturnCode(selector)) return;
  const level = selector & 3;
  if (level == cpl()) {
    if (!checkTarget(offset, 0)) return;
    markAccessed(selector);
    if (faulted()) return;
    dropStack(2 * bytes + release);
    return enterCode(selector, offset, level);
  }
  const pointer = peekStack(2 * bytes + release, bytes);
  const stack = i32(peekStack(3 * bytes + release, bytes)) & 0xffff;
  if (faulted()) return;
  returnOutward(selector, offset, stack, pointer + release);
}

/** The checks of RETF and IRET on CS; it is the descriptor fetched last. False: a fault is pending. */
export function fetchReturnCode(selector: i32): bool {
  if (isNull(selector)) gp(0);
  else if (fetchDescriptor(selector, VECTOR_GP, 0)) {
    const level = selector & 3;
    if (!isCode() || level < cpl() || isBadLongCode()) gp(errorOf(selector));
    else if (isConforming() ? dpl() > level : dpl() != level) gp(errorOf(selector));
    else if (!isPresent()) fault(VECTOR_NP, errorOf(selector));
  }
  return !faulted();
}

/** CS was checked by fetchReturnCode. Loads SS and CS of the outer level; a fault changes nothing. */
export function returnOutward(selector: i32, offset: u64, stack: i32, pointer: u64): void {
  const level = selector & 3;
  if (!fetchReturnStack(stack, level, isLongCode())) return;
  if (!fetchDescriptor(selector, VECTOR_GP, 0) || !checkTarget(offset, 0)) return;
  markAccessed(selector);
  if (faulted()) return;
  const outward = level > cpl();
  enterCode(selector, offset, level);
  loadReturnStack();
  setStackPointer(pointer);
  if (outward) dropPrivilegedSegments();
}
