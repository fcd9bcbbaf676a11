// IRET in all its forms (SDM vol.2 IRET): real mode, virtual-8086 mode, protected mode with and without a change of level, to virtual-8086 mode, long mode.
import { CPL, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS } from '../../layout.ts';
import { NMI_BLOCKED, STEPPING } from '../../system-layout.ts';
import { updateTrapEvent } from './debug';
import { isLongCode, markAccessed } from './descriptors';
import { get_eflags, set_eflags } from './flags';
import { dropStack, peekStack, setStackPointer } from './frame';
import { ATTR_V86, setCpl, setSegment, update_mode } from './mode';
import { loadCodeSegment, loadRealSegment } from './segments';
import { FLAG_AC, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VIF, FLAG_VIP, FLAG_VM, cpl, faulted, gp, iopl } from './state';
import { isCode64, isLong, isProtected, isV86, segmentLimit, setRip, systemFlags } from './state';
import { returnFromTask } from './tasks';
import { checkTarget, fetchReturnCode, returnOutward } from './transfers';
import { allowsVirtualFlags, hasId, setVirtualFlags } from './v86';
import { CR4_VME, cr4 } from './state';

const FREE_FLAGS: u32 = 0xcd5 | FLAG_TF | FLAG_NT; // CF PF AF ZF SF DF OF, TF, NT

export function interrupt_return(size: i32, nextRip: u64): void {
  setRip(nextRip); // what a task switch saves
  if (!isProtected()) returnReal(size);
  else if ((systemFlags() & FLAG_NT) != 0) {
    if (isLong()) return gp(0);
    returnFromTask();
  } else returnProtected(size);
  if (faulted()) return;
  store<i32>(NMI_BLOCKED, 0);
  // RF as popped holds for the next instruction; RF of this one is not what must be cleared after it.
  store<i32>(STEPPING, load<i32>(STEPPING) & 1);
  updateTrapEvent();
}

/** Flags that an IRET of this operand size may change, by the privilege before it. */
function writableFlags(size: i32): u32 {
  let mask = FREE_FLAGS;
  if (size != 16) mask |= FLAG_RF | FLAG_AC | (hasId() ? FLAG_ID : 0);
  if (cpl() <= iopl()) mask |= FLAG_IF;
  if (cpl() == 0) mask |= FLAG_IOPL | (size != 16 ? FLAG_VIF | FLAG_VIP : 0);
  return mask;
}

function mergeFlags(image: u32, mask: u32): void {
  set_eflags((get_eflags() & ~mask) | (image & mask));
}

function returnReal(size: i32): void {
  const bytes = size >> 3;
  const v86 = isV86();
  const virtual = v86 && iopl() < 3;
  if (virtual && (size != 16 || (cr4() & CR4_VME) == 0)) return gp(0);
  const offset = peekStack(0, bytes);
  const selector = i32(peekStack(bytes, bytes)) & 0xffff;
  const image = u32(peekStack(2 * bytes, bytes));
  if (faulted()) return;
  if (offset > u64(segmentLimit(SEG_CS)) || (virtual && !allowsVirtualFlags(image))) return gp(0);
  dropStack(3 * bytes);
  loadRealSegment(SEG_CS, selector);
  setRip(offset);
  if (virtual) return setVirtualFlags(image, FREE_FLAGS);
  let mask = FREE_FLAGS | FLAG_IF | (size != 16 ? FLAG_RF | FLAG_AC | (hasId() ? FLAG_ID : 0) : 0);
  if (!v86) mask |= FLAG_IOPL;
  mergeFlags(image, mask);
}

function returnProtected(size: i32): void {
  const bytes = size >> 3;
  const offset = peekStack(0, bytes);
  const selector = i32(peekStack(bytes, bytes)) & 0xffff;
  const image = u32(peekStack(2 * bytes, bytes));
  if (faulted()) return;
  if ((image & FLAG_VM) != 0 && cpl() == 0 && size == 32 && !isLong()) return returnToV86(offset, selector, image);
  if (!fetchReturnCode(selector)) return;
  const level = selector & 3;
  const mask = writableFlags(size);
  if (level != cpl() || isCode64()) {
    const pointer = peekStack(3 * bytes, bytes);
    const stack = i32(peekStack(4 * bytes, bytes)) & 0xffff;
    if (faulted()) return;
    returnOutward(selector, offset, stack, pointer);
    if (faulted()) return;
    return mergeFlags(image, mask);
  }
  if (!checkTarget(offset, 0)) return;
  markAccessed(selector);
  if (faulted()) return;
  dropStack(3 * bytes);
  loadCodeSegment(selector, level);
  setRip(offset);
  mergeFlags(image, mask);
}

function returnToV86(offset: u64, selector: i32, image: u32): void {
  const pointer = peekStack(12, 4);
  const stack = i32(peekStack(16, 4));
  const es = i32(peekStack(20, 4));
  const ds = i32(peekStack(24, 4));
  const fs = i32(peekStack(28, 4));
  const gs = i32(peekStack(32, 4));
  if (faulted()) return;
  if (offset > 0xffff) return gp(0);
  const mask = writableFlags(32) | FLAG_VM;
  mergeFlags(image, mask);
  setCpl(3);
  loadV86Segment(SEG_CS, selector);
  loadV86Segment(SEG_SS, stack);
  loadV86Segment(SEG_ES, es);
  loadV86Segment(SEG_DS, ds);
  loadV86Segment(SEG_FS, fs);
  loadV86Segment(SEG_GS, gs);
  store<u64>(RSP, pointer);
  setRip(offset);
  update_mode();
}

function loadV86Segment(index: i32, selector: i32): void {
  const selector16 = selector & 0xffff;
  setSegment(index, selector16, u64(selector16) << 4, 0xffff, ATTR_V86);
}
