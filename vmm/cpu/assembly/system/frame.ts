// A stack as transfers of control build and read it: pushed below a stack pointer that is committed only when nothing can fault any more.
import { RSP, SEG_SS, SEG_TR, STACK_MASK, TLB_SMAP, TLB_SUPERVISOR, TLB_USER } from '../../layout.ts';
import { allowsOffset, linear, load_slow, readSystem, writeAt } from './access';
import { TYPE_TSS16, TYPE_TSS16_BUSY, attributes, base, dpl, errorOf, fetchDescriptor, isNull, isPresent, isWritableData } from './descriptors';
import { limit, markAccessed } from './descriptors';
import { ATTR_DB, setSegment, update_mode } from './mode';
import { CR4_SMAP, FLAG_AC, VECTOR_GP, VECTOR_SS, VECTOR_TS, cpl, cr4, fault, faulted, isCanonical, isCode64 } from './state';
import { segmentAttributes, segmentBase, segmentLimit, segmentSelector, systemFlags } from './state';

// -- the frame being built
let frameBase: u64 = 0;
let frameLimit: u32 = 0;
let frameAttributes: u32 = 0;
let frameMask: u64 = 0;
let framePointer: u64 = 0;
let frameSet: i32 = 0;
/** Error code of the #SS that an overflow raises. */
let frameError: i32 = 0;
/** 64-bit: no limit, canonical addresses. */
let frameLong: bool = false;

/** The TLB that a program of privilege `level` uses. */
export function setOfLevel(level: i32): i32 {
  if (level == 3) return TLB_USER;
  return (cr4() & CR4_SMAP) != 0 && (systemFlags() & FLAG_AC) == 0 ? TLB_SMAP : TLB_SUPERVISOR;
}

/** Push on the stack in use. */
export function openCurrentStack(error: i32): void {
  frameBase = segmentBase(SEG_SS);
  frameLimit = segmentLimit(SEG_SS);
  frameAttributes = segmentAttributes(SEG_SS);
  frameMask = load<u64>(STACK_MASK);
  framePointer = load<u64>(RSP);
  frameSet = setOfLevel(cpl());
  frameError = error;
  frameLong = isCode64();
}

/** Push on the stack that innerStack found. */
export function openInnerStack(level: i32, error: i32): void {
  frameBase = innerBase;
  frameLimit = innerLimit;
  frameAttributes = innerAttributes;
  frameMask = (innerAttributes & ATTR_DB) != 0 ? 0xffffffff : 0xffff;
  framePointer = innerPointer;
  frameSet = setOfLevel(level);
  frameError = error;
  frameLong = false;
}

/** Push on a 64-bit stack. */
export function openLongStack(pointer: u64, level: i32, error: i32): void {
  frameBase = 0;
  frameMask = u64.MAX_VALUE;
  framePointer = pointer;
  frameSet = setOfLevel(level);
  frameError = error;
  frameLong = true;
}

export function pushFrame(value: u64, bytes: i32): void {
  if (faulted()) return;
  const offset = (framePointer - bytes) & frameMask;
  if (frameLong ? !isCanonical(offset) : !allowsOffset(frameAttributes, frameLimit, offset, bytes, true)) return fault(VECTOR_SS, frameError);
  const address = frameBase + offset;
  writeAt(frameLong ? address : address & 0xffffffff, bytes, value, frameSet);
  framePointer = (framePointer & ~frameMask) | offset;
}

/** RSP after the pushes. SS has been loaded if it changes. */
export function commitFrame(): void {
  store<u64>(RSP, framePointer);
}

// -- reading the stack in use

/** `bytes` at `offset` above the stack pointer; #SS(0) if it is not there. */
export function peekStack(offset: i32, bytes: i32): u64 {
  if (faulted()) return 0;
  const address = linear(SEG_SS, (load<u64>(RSP) + offset) & load<u64>(STACK_MASK), bytes, 0);
  return faulted() ? 0 : load_slow(address, bytes, SEG_SS);
}

/** RSP moved up, within the stack's width. */
export function dropStack(bytes: i32): void {
  const mask = load<u64>(STACK_MASK);
  const pointer = load<u64>(RSP);
  store<u64>(RSP, (pointer & ~mask) | ((pointer + bytes) & mask));
}

/** RSP := value, within the width of the stack just loaded. */
export function setStackPointer(value: u64): void {
  const mask = load<u64>(STACK_MASK);
  if (mask == 0xffffffff) store<u64>(RSP, value & mask);
  else store<u64>(RSP, (load<u64>(RSP) & ~mask) | (value & mask));
}

// -- the stack of an inner privilege level (SDM vol.3 5.8.5, 7.2.1)

let innerSelector: i32 = 0;
let innerBase: u64 = 0;
let innerLimit: u32 = 0;
let innerAttributes: u32 = 0;
export let innerPointer: u64 = 0;

/** SS:ESP for `level` from the TSS, all checks made; #TS or #SS carry `ext`. False: a fault is pending. Legacy modes only. */
export function innerStack(level: i32, ext: i32): bool {
  const type = (segmentAttributes(SEG_TR) >> 8) & 15;
  const wide = type != TYPE_TSS16 && type != TYPE_TSS16_BUSY;
  const offset: u32 = wide ? (level << 3) + 4 : (level << 2) + 2;
  if (offset + (wide ? 5 : 3) > segmentLimit(SEG_TR)) {
    fault(VECTOR_TS, errorOf(segmentSelector(SEG_TR)) | ext);
    return false;
  }
  const at = segmentBase(SEG_TR) + offset;
  innerPointer = readSystem(at, wide ? 4 : 2);
  if (faulted()) return false;
  innerSelector = i32(readSystem(at + (wide ? 4 : 2), 2));
  if (faulted()) return false;
  if (isNull(innerSelector)) {
    fault(VECTOR_TS, ext);
    return false;
  }
  if (!fetchDescriptor(innerSelector, VECTOR_TS, ext)) return false;
  if ((innerSelector & 3) != level || dpl() != level || !isWritableData()) {
    fault(VECTOR_TS, errorOf(innerSelector) | ext);
    return false;
  }
  if (!isPresent()) {
    fault(VECTOR_SS, errorOf(innerSelector) | ext);
    return false;
  }
  markAccessed(innerSelector);
  if (faulted()) return false;
  innerBase = base();
  innerLimit = limit();
  innerAttributes = attributes();
  return true;
}

export function innerError(ext: i32): i32 {
  return errorOf(innerSelector) | ext;
}

/** SS := what innerStack found. */
export function loadInnerStack(): void {
  setSegment(SEG_SS, innerSelector, innerBase, innerLimit, innerAttributes);
  update_mode();
}

/** A 64-bit stack pointer from the TSS: RSP0..2 (index 0..2) or IST1..7 (index 4..10). 0 with #TS pending if it lies beyond the TSS. */
export function longStackPointer(index: i32, ext: i32): u64 {
  const offset: u32 = 4 + (index << 3);
  if (offset + 7 > segmentLimit(SEG_TR)) {
    fault(VECTOR_TS, errorOf(segmentSelector(SEG_TR)) | ext);
    return 0;
  }
  return readSystem(segmentBase(SEG_TR) + offset, 8);
}

/** SS := null with the new privilege level: transfers inwards in long mode. */
export function loadNullStack(level: i32): void {
  setSegment(SEG_SS, level, 0, 0, 0);
  update_mode();
}

let returnSelector: i32 = 0;
let returnNull: bool = false;

/** A stack for returning outwards, or in IRETQ: the checks of RETF and IRET on SS. `level` is CS.RPL. False: a fault is pending. */
export function fetchReturnStack(selector: i32, level: i32, toLong: bool): bool {
  returnSelector = selector;
  if (isNull(selector)) {
    // Only 64-bit code below CPL 3 may have none.
    if (!toLong || level == 3 || (selector & 3) != level) {
      fault(VECTOR_GP, 0);
      return false;
    }
    returnNull = true;
    return true;
  }
  returnNull = false;
  if (!fetchDescriptor(selector, VECTOR_GP, 0)) return false;
  if ((selector & 3) != level || !isWritableData() || dpl() != level) {
    fault(VECTOR_GP, errorOf(selector));
    return false;
  }
  if (!isPresent()) {
    fault(VECTOR_SS, errorOf(selector));
    return false;
  }
  markAccessed(selector);
  if (faulted()) return false;
  innerBase = base();
  innerLimit = limit();
  innerAttributes = attributes();
  return true;
}

export function loadReturnStack(): void {
  if (returnNull) setSegment(SEG_SS, returnSelector, 0, 0, 0);
  else setSegment(SEG_SS, returnSelector, innerBase, innerLimit, innerAttributes);
  update_mode();
}
