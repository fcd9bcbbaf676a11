// Hardware task switches (SDM vol.3 chapter 7): 16- and 32-bit TSS, by JMP, CALL, interrupt and IRET. Long mode has none.
import { CR0, CR3, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_SS, SEG_TR } from '../../layout.ts';
import { PAGING_MODE, PAGING_OFF, PAGING_PAE, PENDING_TRAPS } from '../../system-layout.ts';
import { prepareAt, readSystem, writeSystem } from './access';
import { updateVectorAvailability } from './control';
import { DR6_BT, updateTrapEvent } from './debug';
import { TYPE_BUSY, TYPE_TSS16, TYPE_TSS32, attributes, base, dpl, errorOf, fetchDescriptor, isCode, isConforming, isNull } from './descriptors';
import { isPresent, isReadable, isSystem, isWritableData, limit, markAccessed, setBusy, systemType } from './descriptors';
import { get_eflags, set_eflags } from './flags';
import { openCurrentStack, pushFrame, commitFrame } from './frame';
import { deliver_exception } from './interrupts';
import { ATTR_V86, setCpl, setSegment, supervisorSet, update_mode } from './mode';
import { ACCESS_READ, ACCESS_WRITE, loadPdptes } from './paging';
import { loadLdt } from './segments';
import { CR0_TS, FLAG_NT, FLAG_VM, VECTOR_GP, VECTOR_NP, VECTOR_SS, VECTOR_TS, cpl, cr0, fault, faulted, gp, gpr, rip } from './state';
import { segmentAttributes, segmentBase, segmentLimit, segmentSelector, setGpr, setRip } from './state';
import { flush } from './tlb';

export const SWITCH_JUMP: i32 = 0;
export const SWITCH_CALL: i32 = 1; // CALL, interrupts and exceptions: the new task is nested
export const SWITCH_IRET: i32 = 2;

// -- TSS fields (SDM vol.3 figures 7-2 and 7-10)
const LINK = 0;
const TSS32_CR3 = 0x1c;
const TSS32_EIP = 0x20;
const TSS32_EFLAGS = 0x24;
const TSS32_GPRS = 0x28;
const TSS32_SEGMENTS = 0x48;
const TSS32_LDT = 0x60;
const TSS32_TRAP = 0x64;
const TSS32_LAST = 0x67;
const TSS16_IP = 0x0e;
const TSS16_FLAGS = 0x10;
const TSS16_GPRS = 0x12;
const TSS16_SEGMENTS = 0x22;
const TSS16_LDT = 0x2a;
const TSS16_LAST = 0x2b;

/** The last switch was past the point of no return: faults belong to the new task. */
let committed: bool = false;

/** JMP, CALL, INT n and IRET: a fault in the new task is delivered there, not at the instruction that switched. */
export function deliverAfterSwitch(): void {
  if (committed && faulted()) deliver_exception();
  committed = false;
}

/** The TSS selector of a task gate: must name an available TSS in the GDT. */
export function switchThroughGate(selector: i32, source: i32, ext: i32): void {
  if ((selector & 4) != 0 || isNull(selector)) return gp(errorOf(selector) | ext);
  if (!fetchDescriptor(selector, VECTOR_GP, ext)) return;
  if (!isSystem() || (systemType() != TYPE_TSS16 && systemType() != TYPE_TSS32)) return gp(errorOf(selector) | ext);
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector) | ext);
  switchTask(selector, source, ext);
}

/**
 * Switches to the task whose TSS descriptor was fetched last and passed the checks of its way in. The order is SDM vol.3 7.3: faults up to the
 * saving of the old task find it unchanged, later ones are the new task's.
 */
export function switchTask(selector: i32, source: i32, ext: i32): void {
  committed = false;
  const wide = (systemType() & 8) != 0;
  const tss = base();
  const tssLimit = limit();
  const tssAttributes = attributes();
  const lastByte: u32 = wide ? TSS32_LAST : TSS16_LAST;
  if (tssLimit < lastByte) return fault(VECTOR_TS, errorOf(selector) | ext);
  const oldSelector = segmentSelector(SEG_TR);
  const oldTss = segmentBase(SEG_TR);
  const oldWide = ((segmentAttributes(SEG_TR) >> 8) & 8) != 0;
  prepareAt(oldTss, oldWide ? TSS32_LAST + 1 : TSS16_LAST + 1, ACCESS_WRITE, supervisorSet());
  if (faulted()) return;
  prepareAt(tss, wide ? TSS32_LAST + 1 : TSS16_LAST + 1, source == SWITCH_CALL ? ACCESS_WRITE : ACCESS_READ, supervisorSet());
  if (faulted()) return;

  if (source != SWITCH_CALL) setBusy(oldSelector, false);
  if (faulted()) return;
  let flags = get_eflags();
  if (source == SWITCH_IRET) flags &= ~FLAG_NT;
  if (oldWide) saveTask32(oldTss, flags);
  else saveTask16(oldTss, flags);
  if (source == SWITCH_CALL) writeSystem(tss + LINK, 2, u64(oldSelector));
  if (source != SWITCH_IRET) setBusy(selector, true);
  if (faulted()) return;

  committed = true;
  store<u32>(CR0, cr0() | CR0_TS);
  updateVectorAvailability();
  setSegment(SEG_TR, selector, tss, tssLimit, tssAttributes | (TYPE_BUSY << 8));
  if (wide) loadTask32(tss, source, ext);
  else loadTask16(tss, source, ext);
}

function saveTask32(tss: u64, flags: u32): void {
  writeSystem(tss + TSS32_EIP, 4, rip());
  writeSystem(tss + TSS32_EFLAGS, 4, flags);
  for (let index = 0; index < 8; index++) writeSystem(tss + TSS32_GPRS + (index << 2), 4, gpr(index) & 0xffffffff);
  for (let index = 0; index < 6; index++) writeSystem(tss + TSS32_SEGMENTS + (index << 2), 2, u64(segmentSelector(index)));
}

function saveTask16(tss: u64, flags: u32): void {
  writeSystem(tss + TSS16_IP, 2, rip() & 0xffff);
  writeSystem(tss + TSS16_FLAGS, 2, flags & 0xffff);
  for (let index = 0; index < 8; index++) writeSystem(tss + TSS16_GPRS + (index << 1), 2, gpr(index) & 0xffff);
  for (let index = 0; index < 4; index++) writeSystem(tss + TSS16_SEGMENTS + (index << 1), 2, u64(segmentSelector(index)));
}

function loadTask32(tss: u64, source: i32, ext: i32): void {
  const root = readSystem(tss + TSS32_CR3, 4);
  const eip = readSystem(tss + TSS32_EIP, 4);
  let flags = u32(readSystem(tss + TSS32_EFLAGS, 4));
  const ldt = i32(readSystem(tss + TSS32_LDT, 2));
  const trap = (readSystem(tss + TSS32_TRAP, 2) & 1) != 0;
  for (let index = 0; index < 8; index++) setGpr(index, readSystem(tss + TSS32_GPRS + (index << 2), 4));
  for (let index = 0; index < 6; index++) newSelectors(index, i32(readSystem(tss + TSS32_SEGMENTS + (index << 2), 2)));
  if (source == SWITCH_CALL) flags |= FLAG_NT;
  if (load<i32>(PAGING_MODE) != PAGING_OFF && root != load<u64>(CR3)) {
    if (load<i32>(PAGING_MODE) == PAGING_PAE && !loadPdptes(root)) return gp(0);
    store<u64>(CR3, root);
    flush(true);
  }
  enterTask(eip, flags, ldt, ext);
  if (trap && !faulted()) {
    store<u32>(PENDING_TRAPS, load<u32>(PENDING_TRAPS) | DR6_BT);
    updateTrapEvent();
  }
}

function loadTask16(tss: u64, source: i32, ext: i32): void {
  const ip = readSystem(tss + TSS16_IP, 2);
  let flags = u32(readSystem(tss + TSS16_FLAGS, 2));
  const ldt = i32(readSystem(tss + TSS16_LDT, 2));
  for (let index = 0; index < 8; index++) setGpr(index, readSystem(tss + TSS16_GPRS + (index << 1), 2));
  for (let index = 0; index < 4; index++) newSelectors(index, i32(readSystem(tss + TSS16_SEGMENTS + (index << 1), 2)));
  newSelectors(SEG_FS, 0);
  newSelectors(SEG_GS, 0);
  if (source == SWITCH_CALL) flags |= FLAG_NT;
  enterTask(ip, flags, ldt, ext);
}

// Selectors are loaded before their descriptors are looked at: a handler finds the new task's values whatever faults (SDM vol.3 7.3 step 13).
function newSelectors(index: i32, selector: i32): void {
  setSegment(index, selector, 0, 0, 0);
}

const WRITABLE_FLAGS: u32 = 0x3f7fd7;

function enterTask(eip: u64, flags: u32, ldt: i32, ext: i32): void {
  setRip(eip);
  set_eflags((flags & WRITABLE_FLAGS) | 2);
  if (flags & FLAG_VM) {
    setCpl(3);
    for (let index = SEG_ES; index <= SEG_GS; index++) setSegment(index, segmentSelector(index), u64(segmentSelector(index)) << 4, 0xffff, ATTR_V86);
    update_mode();
    return loadTaskLdt(ldt, ext);
  }
  // The privilege of the checks below is that of the new CS, wherever they fail.
  setCpl(segmentSelector(SEG_CS) & 3);
  update_mode();
  loadTaskLdt(ldt, ext);
  if (!faulted()) loadTaskCode(ext);
  if (!faulted()) loadTaskStack(ext);
  loadTaskData(SEG_ES, ext);
  loadTaskData(SEG_DS, ext);
  loadTaskData(SEG_FS, ext);
  loadTaskData(SEG_GS, ext);
  update_mode();
  if (!faulted() && eip > u64(segmentLimit(SEG_CS))) gp(ext);
}

function loadTaskLdt(selector: i32, ext: i32): void {
  setSegment(SEG_LDTR, selector, 0, 0, 0);
  if (isNull(selector)) return;
  if (selector & 4) return fault(VECTOR_TS, errorOf(selector) | ext);
  loadLdt(selector, VECTOR_TS);
}

function loadTaskStack(ext: i32): void {
  const selector = segmentSelector(SEG_SS);
  if (isNull(selector)) return fault(VECTOR_TS, errorOf(selector) | ext);
  if (!fetchDescriptor(selector, VECTOR_TS, ext)) return;
  if (!isWritableData() || (selector & 3) != cpl() || dpl() != cpl()) return fault(VECTOR_TS, errorOf(selector) | ext);
  if (!isPresent()) return fault(VECTOR_SS, errorOf(selector) | ext);
  markAccessed(selector);
  if (!faulted()) setSegment(SEG_SS, selector, base(), limit(), attributes());
}

function loadTaskData(index: i32, ext: i32): void {
  if (faulted()) return;
  const selector = segmentSelector(index);
  if (isNull(selector) || !fetchDescriptor(selector, VECTOR_TS, ext)) return;
  if (!isReadable() || (!isConforming() && ((selector & 3) > dpl() || cpl() > dpl()))) return fault(VECTOR_TS, errorOf(selector) | ext);
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector) | ext);
  markAccessed(selector);
  if (!faulted()) setSegment(index, selector, base(), limit(), attributes());
}

function loadTaskCode(ext: i32): void {
  const selector = segmentSelector(SEG_CS);
  if (isNull(selector)) return fault(VECTOR_TS, errorOf(selector) | ext);
  if (!fetchDescriptor(selector, VECTOR_TS, ext)) return;
  const wrong = !isCode() || (isConforming() ? dpl() > (selector & 3) : dpl() != (selector & 3));
  if (wrong) return fault(VECTOR_TS, errorOf(selector) | ext);
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector) | ext);
  markAccessed(selector);
  if (!faulted()) setSegment(SEG_CS, selector, base(), limit(), attributes());
}

/** The error code of an exception that came through a task gate, on the new task's stack. */
export function pushTaskError(errorCode: i32): void {
  const wide = ((segmentAttributes(SEG_TR) >> 8) & 8) != 0;
  openCurrentStack(1);
  pushFrame(u64(u32(errorCode)), wide ? 4 : 2);
  if (!faulted()) commitFrame();
}

/** IRET with NT set: back to the task in the link field (SDM vol.3 7.4). */
export function returnFromTask(): void {
  const selector = i32(readSystem(segmentBase(SEG_TR) + LINK, 2));
  if (faulted()) return;
  if ((selector & 4) != 0 || isNull(selector)) return fault(VECTOR_TS, errorOf(selector));
  if (!fetchDescriptor(selector, VECTOR_TS, 0)) return;
  if (!isSystem() || (systemType() != (TYPE_TSS16 | TYPE_BUSY) && systemType() != (TYPE_TSS32 | TYPE_BUSY))) return fault(VECTOR_TS, errorOf(selector));
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector));
  switchTask(selector, SWITCH_IRET, 0);
  deliverAfterSwitch();
}
