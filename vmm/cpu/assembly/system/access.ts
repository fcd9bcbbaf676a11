// Memory accesses that the fast path of generated code cannot do, and all accesses of helpers.
import { LINEAR_MASK, SCRATCH, SEG_ATTR, SEG_LIMIT, SEG_REACH, SEG_SS, TLB, TLB_ALIGN, TLB_PTR } from '../../layout.ts';
import { TLB_STRIDE, TLB_USER } from '../../layout.ts';
import { ram_load8 } from '../guest-memory';
import { noteDataAccess } from './debug';
import { ATTR_CODE, ATTR_DB, ATTR_EXPAND_DOWN, ATTR_P, ATTR_S, ATTR_WRITABLE, supervisorSet } from './mode';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from './paging';
import { readPhysical, readRam, writePhysical, writeRam } from './physical';
import { VECTOR_AC, VECTOR_GP, VECTOR_SS, fault, faulted, isCanonical, isCode64, isLong, segment, segmentBase } from './state';
import { isDirect, locate, physicalOf, ramOf, reviseWriteTag } from './tlb';

/** The TLB of the program's own accesses. */
export function programSet(): i32 {
  const set = (load<i32>(TLB_PTR) - TLB) / TLB_STRIDE;
  return set == TLB_ALIGN ? TLB_USER : set;
}

function stackOrGeneral(segmentIndex: i32): i32 {
  return segmentIndex == SEG_SS ? VECTOR_SS : VECTOR_GP;
}

/** Canonical form (64-bit mode) and alignment (CPL 3 with AM and AC): true when the access may go on. */
function checkForm(linear: u64, bytes: i32, segmentIndex: i32): bool {
  if (isCode64() && !(isCanonical(linear) && isCanonical(linear + bytes - 1))) {
    fault(stackOrGeneral(segmentIndex), 0);
    return false;
  }
  // Flat segments end at 4 GiB: what runs over is beyond their limit, which only the slow path can see (no page is crossed there without it).
  if (!isCode64() && linear + bytes - 1 > 0xffffffff && segmentBase(segmentIndex) == 0) {
    fault(stackOrGeneral(segmentIndex), 0);
    return false;
  }
  if (load<i32>(TLB_PTR) == TLB + TLB_ALIGN * TLB_STRIDE && bytes <= 8 && (i32(linear) & (bytes - 1)) != 0) {
    fault(VECTOR_AC, 0);
    return false;
  }
  return true;
}

function crosses(linear: u64, bytes: i32): bool {
  return (i32(linear) & 0xfff) + bytes > 0x1000;
}

function nextPage(linear: u64): u64 {
  const next = (linear | 0xfff) + 1;
  // 32-bit addresses wrap; descriptor tables of long mode may lie above 4 GiB even while compatibility code runs.
  return linear <= 0xffffffff && !isCode64() ? next & 0xffffffff : next;
}

// -- reads

/** 1, 2, 4 or 8 bytes through a given TLB, all checks of form done. 0 with a fault pending if it does not work. */
export function readAt(linear: u64, bytes: i32, set: i32): u64 {
  if (crosses(linear, bytes)) return readCrossing(linear, bytes, set);
  const slot = locate(linear, ACCESS_READ, set);
  if (slot == 0) return 0;
  return isDirect(slot, ACCESS_READ) ? readRam(ramOf(slot, linear), bytes) : readPhysical(physicalOf(slot, linear), bytes);
}

function readCrossing(linear: u64, bytes: i32, set: i32): u64 {
  const first = locate(linear, ACCESS_READ, set);
  if (first == 0) return 0;
  const low = physicalOf(first, linear);
  const page = nextPage(linear);
  const second = locate(page, ACCESS_READ, set);
  if (second == 0) return 0;
  const high = physicalOf(second, page);
  const split = 0x1000 - (i32(linear) & 0xfff);
  let value: u64 = 0;
  for (let at = 0; at < bytes; at++) {
    const physical = at < split ? low + at : high + (at - split);
    value |= readPhysical(physical, 1) << (u64(at) << 3);
  }
  return value;
}

export function load_slow(linear: u64, bytes: i32, segmentIndex: i32): u64 {
  if (!checkForm(linear, bytes, segmentIndex)) return 0;
  const value = readAt(linear, bytes, programSet());
  if (!faulted()) noteDataAccess(linear, bytes, false);
  return value;
}

// -- writes

export function writeAt(linear: u64, bytes: i32, value: u64, set: i32): void {
  if (crosses(linear, bytes)) return writeCrossing(linear, bytes, value, set);
  const slot = locate(linear, ACCESS_WRITE, set);
  if (slot == 0) return;
  if (isDirect(slot, ACCESS_WRITE)) return writeRam(ramOf(slot, linear), bytes, value);
  reviseWriteTag(slot, linear);
  writePhysical(physicalOf(slot, linear), bytes, value);
}

function writeCrossing(linear: u64, bytes: i32, value: u64, set: i32): void {
  const first = locate(linear, ACCESS_WRITE, set);
  if (first == 0) return;
  const low = physicalOf(first, linear);
  const page = nextPage(linear);
  const second = locate(page, ACCESS_WRITE, set);
  if (second == 0) return;
  const high = physicalOf(second, page);
  const split = 0x1000 - (i32(linear) & 0xfff);
  for (let at = 0; at < bytes; at++) {
    writePhysical(at < split ? low + at : high + (at - split), 1, (value >> (u64(at) << 3)) & 0xff);
  }
}

export function store_slow(linear: u64, bytes: i32, segmentIndex: i32, value: u64): void {
  if (!checkForm(linear, bytes, segmentIndex)) return;
  writeAt(linear, bytes, value, programSet());
  if (!faulted()) noteDataAccess(linear, bytes, true);
}

// -- checks ahead of accesses

function prepare(linear: u64, bytes: i32, segmentIndex: i32, access: i32): void {
  if (!checkForm(linear, bytes, segmentIndex)) return;
  prepareAt(linear, bytes, access, programSet());
}

/** All pages of [linear, linear + bytes) permit the access. */
export function prepareAt(linear: u64, bytes: i32, access: i32, set: i32): void {
  const end = linear + bytes;
  let page = linear;
  for (;;) {
    if (locate(page & load<u64>(LINEAR_MASK), access, set) == 0) return;
    page = (page | 0xfff) + 1;
    if (page >= end || page == 0) return;
  }
}

export function prepare_write(linear: u64, bytes: i32, segmentIndex: i32): void {
  prepare(linear, bytes, segmentIndex, ACCESS_WRITE);
}

/** The same for segment:offset: INS asks before it reads the port. */
export function prepare_store(segmentIndex: i32, offset: u64, bytes: i32): void {
  const address = linear(segmentIndex, offset, bytes, 1);
  if (!faulted()) prepare_write(address, bytes, segmentIndex);
}

export function prepare_read(linear: u64, bytes: i32, segmentIndex: i32): void {
  prepare(linear, bytes, segmentIndex, ACCESS_READ);
}

// -- blocks: x87, SSE and state images, between guest memory and core memory

export function load_block(linear: u64, bytes: i32, segmentIndex: i32, to: i32): void {
  prepare_read(linear, bytes, segmentIndex);
  if (faulted()) return;
  const set = programSet();
  const mask = load<u64>(LINEAR_MASK);
  let at = 0;
  for (; at + 8 <= bytes; at += 8) store<u64>(to + at, readAt((linear + at) & mask, 8, set));
  for (; at + 2 <= bytes; at += 2) store<u16>(to + at, u16(readAt((linear + at) & mask, 2, set)));
  if (at < bytes) store<u8>(to + at, u8(readAt((linear + at) & mask, 1, set)));
  noteDataAccess(linear, bytes, false);
}

export function store_block(linear: u64, bytes: i32, segmentIndex: i32, from: i32): void {
  prepare_write(linear, bytes, segmentIndex);
  if (faulted()) return;
  const set = programSet();
  const mask = load<u64>(LINEAR_MASK);
  let at = 0;
  for (; at + 8 <= bytes; at += 8) writeAt((linear + at) & mask, 8, load<u64>(from + at), set);
  for (; at + 2 <= bytes; at += 2) writeAt((linear + at) & mask, 2, u64(load<u16>(from + at)), set);
  if (at < bytes) writeAt((linear + at) & mask, 1, u64(load<u8>(from + at)), set);
  noteDataAccess(linear, bytes, true);
}

export function load128_slow(linear: u64, segmentIndex: i32): void {
  load_block(linear, 16, segmentIndex, SCRATCH);
}

export function store128_slow(linear: u64, segmentIndex: i32): void {
  store_block(linear, 16, segmentIndex, SCRATCH);
}

// -- segments (SDM vol.3 5.3, 5.5; in 64-bit mode nothing is checked here)

/** #GP(0), or #SS(0) through SS, if the access is outside the limit, of the wrong type, or through a null selector. */
export function seg_check(index: i32, offset: u64, bytes: i32, write: i32): void {
  if (isCode64()) return;
  if (i64(offset + bytes - 1) <= load<i64>(SEG_REACH + (index << 3))) return;
  const at = segment(index);
  if (!allowsOffset(load<u32>(at, SEG_ATTR), load<u32>(at, SEG_LIMIT), offset, bytes, write != 0)) fault(stackOrGeneral(index), 0);
}

/** The rules of a cached descriptor for data accesses. */
export function allowsOffset(attributes: u32, limit: u32, offset: u64, bytes: i32, write: bool): bool {
  if ((attributes & (ATTR_P | ATTR_S)) != (ATTR_P | ATTR_S)) return false;
  if (attributes & ATTR_CODE) {
    if (write || (attributes & ATTR_WRITABLE) == 0) return false;
  } else if (write && (attributes & ATTR_WRITABLE) == 0) {
    return false;
  }
  const last = offset + u64(bytes) - 1;
  if ((attributes & (ATTR_CODE | ATTR_EXPAND_DOWN)) == ATTR_EXPAND_DOWN) {
    // Expand-down: valid are limit + 1 .. 0xFFFF or 0xFFFFFFFF by the B bit (SDM vol.3 5.3).
    return offset > u64(limit) && last <= ((attributes & ATTR_DB) != 0 ? 0xffffffff : u64(0xffff));
  }
  // Where the limit is 4 GiB, accesses that wrap around the top are allowed, as on the processors we know.
  return limit == 0xffffffff || last <= u64(limit);
}

/** The linear address of `bytes` at segment:offset, checked for limit and type; canonical form and paging are checked by the access. */
export function linear(index: i32, offset: u64, bytes: i32, write: i32): u64 {
  seg_check(index, offset, bytes, write);
  return (segmentBase(index) + offset) & load<u64>(LINEAR_MASK);
}

// -- implicit supervisor accesses

export function readSystem(address: u64, bytes: i32): u64 {
  return readAt(systemAddress(address), bytes, supervisorSet());
}

export function writeSystem(address: u64, bytes: i32, value: u64): void {
  writeAt(systemAddress(address), bytes, value, supervisorSet());
}

function systemAddress(address: u64): u64 {
  return isLong() ? address : address & 0xffffffff;
}

// -- instruction fetch

/** RAM offset of the instruction byte at a linear address; -1: fault; -2: not RAM, use fetch_exec. */
export function translate_exec(address: u64): i64 {
  if (isCode64() && !isCanonical(address)) {
    fault(VECTOR_GP, 0);
    return -1;
  }
  const slot = locate(address, ACCESS_EXEC, programSet());
  if (slot == 0) return -1;
  return isDirect(slot, ACCESS_EXEC) ? i64(u64(ramOf(slot, address))) : -2;
}

/** One instruction byte from anywhere, MMIO included. */
export function fetch_exec(address: u64): u32 {
  const offset = translate_exec(address);
  if (offset >= 0) return ram_load8(u32(offset));
  if (offset == -1) return 0;
  return u32(readPhysical(physicalOf(locate(address, ACCESS_EXEC, programSet()), address), 1));
}
