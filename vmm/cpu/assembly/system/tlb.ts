// The software TLBs: filling, looking up, invalidating. A log of filled entries makes a flush cost what was filled since the last one.
import { PAGE_DIRTY_LOG, PAGE_READ, PAGE_WRITE, TLB, TLB_ADDEND, TLB_CODE, TLB_ENTRIES, TLB_ENTRY, TLB_EXEC, TLB_INVALID } from '../../layout.ts';
import { TLB_OTHER_PAGE, TLB_PHYSICAL, TLB_READ, TLB_STRIDE, TLB_WRITE } from '../../layout.ts';
import {
  COUNT_TLB_FLUSHES,
  DIRTY_COUNT,
  DIRTY_SLOTS,
  DIRTY_SLOTS_MAX,
  TLB_DIRTY,
  TLB_FRAME_MASK,
  TLB_GLOBAL,
  TLB_LARGE,
  TLB_LARGE_FILTER,
  TLB_LARGE_FILTER_SIZE,
} from '../../system-layout.ts';
import { TLB_LARGE_PAGE, TLB_LOG, TLB_LOGGED, TLB_LOG_COUNT, TLB_LOG_STRIDE, TLB_SETS, TLB_SLOW } from '../../system-layout.ts';
import { page_has_code } from '../trace';
import { isWatched } from './debug';
import { forget_jumps, forgetJumpsOf } from './mode';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE, permits, walk, walkDirty, walkFrame, walkGlobal, walkLarge } from './paging';
import { isTouched, markDirty, pageEntry, touch } from './physical';

const PAGE_MASK: u64 = ~0xfff;
/** From the set of data accesses to that of instruction fetch. */
const CODE_SETS: i32 = TLB_CODE / TLB_STRIDE;

function slotOf(linear: u64, set: i32): i32 {
  return TLB + set * TLB_STRIDE + i32((linear >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY;
}

function tagOf(slot: i32, access: i32): u64 {
  return access == ACCESS_READ ? load<u64>(slot, TLB_READ) : access == ACCESS_WRITE ? load<u64>(slot, TLB_WRITE) : load<u64>(slot, TLB_EXEC);
}

// Lowest 12 bits of a tag: TLB_SLOW, TLB_INVALID, otherwise it admits direct accesses (0xFFF, or 0 for instruction fetch).

/** The tag of a page whose accesses are permitted, but not direct. */
function slowTag(page: u64): u64 {
  return (page ^ TLB_OTHER_PAGE) | TLB_SLOW;
}

function invalidTag(slot: i32): u64 {
  return (u64(((slot - TLB) / TLB_ENTRY) & (TLB_ENTRIES - 1)) << 12) ^ (TLB_OTHER_PAGE | TLB_INVALID);
}

/** The page of a tag; no page if it is invalid. */
function pageOfTag(tag: u64): u64 {
  const kind = tag & 0xfff;
  return kind == TLB_SLOW ? tag ^ (TLB_OTHER_PAGE | TLB_SLOW) : kind == 0xfff ? tag + 1 : tag;
}

/** The TLB entry that permits this access, filled if needed; 0 if it faults. */
export function locate(linear: u64, access: i32, set: i32): i32 {
  const place = access == ACCESS_EXEC ? set + CODE_SETS : set;
  const slot = slotOf(linear, place);
  if (pageOfTag(tagOf(slot, access)) == (linear & PAGE_MASK)) return slot;
  return walk(linear, access, set) ? fill(linear & PAGE_MASK, slot, set, place) : 0;
}

/** Not RAM, or stores that somebody watches, take the slow path. */
export function isDirect(slot: i32, access: i32): bool {
  return (tagOf(slot, access) & 0xfff) != TLB_SLOW;
}

/** Physical address of `linear` by the entry that `locate` gave. */
export function physicalOf(slot: i32, linear: u64): u64 {
  return (u64(load<u32>(slot, TLB_PHYSICAL) & TLB_FRAME_MASK) << 12) | (linear & 0xfff);
}

/** RAM offset of `linear`; only if isDirect, or the page is known to be RAM. */
export function ramOf(slot: i32, linear: u64): u32 {
  return u32(linear) + load<u32>(slot, TLB_ADDEND);
}

function fill(page: u64, slot: i32, set: i32, place: i32): i32 {
  settleSlot(slot);
  const code = place != set;
  if (code && (load<u64>(slot, TLB_EXEC) & 0xfff) == 0 && load<u64>(slot, TLB_EXEC) != page) forgetJumpsOf(set);
  const entry = pageEntry(walkFrame);
  const offset = entry & 0xfffff000;
  const watched = isWatched(page);
  const readable = !code && permits(ACCESS_READ, set);
  const writable = !code && walkDirty && permits(ACCESS_WRITE, set);
  const directRead = (entry & PAGE_READ) != 0 && !watched;
  const directWrite = (entry & (PAGE_WRITE | PAGE_DIRTY_LOG)) == PAGE_WRITE && !watched && !page_has_code(offset) && isTouched(offset);
  const invalid = invalidTag(slot);
  store<u64>(slot, !readable ? invalid : directRead ? page - 1 : slowTag(page), TLB_READ);
  store<u64>(slot, !writable ? invalid : directWrite ? page - 1 : slowTag(page), TLB_WRITE);
  store<u64>(slot, !code || !permits(ACCESS_EXEC, set) ? invalid : (entry & PAGE_READ) != 0 ? page : slowTag(page), TLB_EXEC);
  store<u32>(slot, offset - u32(page), TLB_ADDEND);
  const before = load<u32>(slot, TLB_PHYSICAL);
  let physical = (u32(walkFrame) & TLB_FRAME_MASK) | u32(TLB_LOGGED);
  if (walkGlobal) physical |= TLB_GLOBAL;
  if (walkLarge != 0) {
    physical |= TLB_LARGE_PAGE;
    noteLarge(page);
  }
  store<u32>(slot, physical, TLB_PHYSICAL);
  if ((before & u32(TLB_LOGGED)) == 0) {
    const count = load<i32>(TLB_LOG_COUNT + (place << 2));
    store<u16>(TLB_LOG + place * TLB_LOG_STRIDE + (count << 1), u16((slot - TLB - place * TLB_STRIDE) / TLB_ENTRY));
    store<i32>(TLB_LOG_COUNT + (place << 2), count + 1);
  }
  return slot;
}

/**
 * A page whose stores were slow gets its direct tag: it held code, and no longer does; or nobody had stored to it since writes were last asked about; or it is
 * dirty-logged, then the store that is being made marks it, and settle_dirty will mark it again for those that follow.
 */
export function reviseWriteTag(slot: i32, linear: u64): void {
  const entry = pageEntry(u64(load<u32>(slot, TLB_PHYSICAL) & TLB_FRAME_MASK));
  if ((entry & PAGE_WRITE) == 0) return;
  if ((entry & PAGE_DIRTY_LOG) == 0) touch(entry & 0xfffff000);
  if (isWatched(linear & PAGE_MASK) || page_has_code(entry & 0xfffff000)) return;
  if ((entry & PAGE_DIRTY_LOG) != 0 && !noteDirect(slot)) return;
  store<u64>(slot, (linear & PAGE_MASK) - 1, TLB_WRITE);
}

// -- dirty-logged pages (video memory). The display takes the marks away at any time, so pages with direct stores are marked when the slice is over, or
// their entry goes, whichever comes first.

function noteDirect(slot: i32): bool {
  const physical = load<u32>(slot, TLB_PHYSICAL);
  if (physical & TLB_DIRTY) return true;
  const count = load<i32>(DIRTY_COUNT);
  if (count == DIRTY_SLOTS_MAX) return false;
  store<i32>(DIRTY_SLOTS + (count << 2), slot);
  store<i32>(DIRTY_COUNT, count + 1);
  store<u32>(slot, physical | TLB_DIRTY, TLB_PHYSICAL);
  return true;
}

function settleSlot(slot: i32): void {
  const physical = load<u32>(slot, TLB_PHYSICAL);
  if ((physical & TLB_DIRTY) == 0) return;
  const tag = load<u64>(slot, TLB_WRITE);
  markDirty(u32(pageOfTag(tag)) + load<u32>(slot, TLB_ADDEND));
  store<u32>(slot, physical & ~u32(TLB_DIRTY), TLB_PHYSICAL);
  store<u64>(slot, slowTag(pageOfTag(tag)), TLB_WRITE);
}

/** The slice is over: marks the dirty-logged pages that were stored to directly; the next store to them is slow again. */
export function settle_dirty(): void {
  const count = load<i32>(DIRTY_COUNT);
  for (let position = 0; position < count; position++) settleSlot(load<i32>(DIRTY_SLOTS + (position << 2)));
  store<i32>(DIRTY_COUNT, 0);
}

/** Entries of a set have gone. The jump cache must not know what the TLB of instruction fetch does not. */
function lost(place: i32): void {
  if (place >= CODE_SETS) forgetJumpsOf(place - CODE_SETS);
}

function invalidate(slot: i32): void {
  settleSlot(slot);
  const invalid = invalidTag(slot);
  store<u64>(slot, invalid, TLB_READ);
  store<u64>(slot, invalid, TLB_WRITE);
  store<u64>(slot, invalid, TLB_EXEC);
}

function loggedSlot(set: i32, position: i32): i32 {
  return TLB + set * TLB_STRIDE + i32(load<u16>(TLB_LOG + set * TLB_LOG_STRIDE + (position << 1))) * TLB_ENTRY;
}

/** Drops every entry, or all but global ones (SDM vol.3 4.10.4.1). */
export function flush(keepGlobal: bool): void {
  store<u64>(COUNT_TLB_FLUSHES, load<u64>(COUNT_TLB_FLUSHES) + 1);
  for (let set = 0; set < TLB_SETS; set++) {
    const count = load<i32>(TLB_LOG_COUNT + (set << 2));
    let kept = 0;
    for (let position = 0; position < count; position++) {
      const slot = loggedSlot(set, position);
      if (keepGlobal && (load<u32>(slot, TLB_PHYSICAL) & TLB_GLOBAL) != 0) {
        store<u16>(TLB_LOG + set * TLB_LOG_STRIDE + (kept++ << 1), load<u16>(TLB_LOG + set * TLB_LOG_STRIDE + (position << 1)));
      } else {
        invalidate(slot);
        store<u32>(slot, 0, TLB_PHYSICAL);
      }
    }
    store<i32>(TLB_LOG_COUNT + (set << 2), kept);
    if (kept < count) lost(set);
  }
  if (!keepGlobal && load<i32>(TLB_LARGE) != 0) {
    memory.fill(TLB_LARGE_FILTER, 0, TLB_LARGE_FILTER_SIZE);
    store<i32>(TLB_LARGE, 0);
  }
}

/** Physical pages are mapped differently, or the state was replaced. */
export function flush_tlb(): void {
  flush(false);
}

/** Once, before anything else: the core memory came zeroed, and zero is a valid tag. */
export function resetTlb(): void {
  forget_jumps();
  for (let slot = TLB; slot < TLB + (TLB_SETS + 1) * TLB_STRIDE; slot += TLB_ENTRY) {
    invalidate(slot);
    store<u32>(slot, 0, TLB_PHYSICAL);
  }
  for (let set = 0; set < TLB_SETS; set++) store<i32>(TLB_LOG_COUNT + (set << 2), 0);
  memory.fill(TLB_LARGE_FILTER, 0, TLB_LARGE_FILTER_SIZE);
  store<i32>(TLB_LARGE, 0);
}

// -- large pages: their 4 KiB pieces are separate entries, and INVLPG anywhere in one must drop them all. A small hash of 4 MiB regions tells whether
// there can be any; TLB_LARGE has the sizes seen since the last flush.

const SEEN_LARGE = 1;
const SEEN_HUGE = 2;

function filterByte(linear: u64): i32 {
  return TLB_LARGE_FILTER + (i32(linear >> 25) & (TLB_LARGE_FILTER_SIZE - 1));
}

function filterBit(linear: u64): u32 {
  return 1 << (u32(linear >> 22) & 7);
}

function noteLarge(page: u64): void {
  const at = filterByte(page);
  store<u8>(at, load<u8>(at) | u8(filterBit(page)));
  store<i32>(TLB_LARGE, load<i32>(TLB_LARGE) | (walkLarge == 2 ? SEEN_HUGE : SEEN_LARGE));
}

/** INVLPG: the page at `linear`, global or not, large or not. */
export function invalidatePage(linear: u64): void {
  const page = linear & PAGE_MASK;
  for (let set = 0; set < TLB_SETS; set++) {
    const slot = slotOf(linear, set);
    if (pageOfTag(load<u64>(slot, TLB_READ)) == page || pageOfTag(load<u64>(slot, TLB_EXEC)) == page) {
      invalidate(slot);
      lost(set);
    }
  }
  if (load<i32>(TLB_LARGE) != 0) invalidateLarge(linear);
}

/** Pieces of large pages around `linear`: in its 4 MiB, or in its gigabyte when a 1 GiB page was seen. */
function invalidateLarge(linear: u64): void {
  const shift: u64 = (load<i32>(TLB_LARGE) & SEEN_HUGE) != 0 ? 30 : 22;
  if (shift == 22 && (load<u8>(filterByte(linear)) & filterBit(linear)) == 0) return;
  for (let set = 0; set < TLB_SETS; set++) {
    const count = load<i32>(TLB_LOG_COUNT + (set << 2));
    for (let position = 0; position < count; position++) {
      const slot = loggedSlot(set, position);
      if ((load<u32>(slot, TLB_PHYSICAL) & TLB_LARGE_PAGE) == 0) continue;
      const tag = (load<u64>(slot, TLB_READ) & 0xfff) == TLB_INVALID ? load<u64>(slot, TLB_EXEC) : load<u64>(slot, TLB_READ);
      if (tag >> shift != linear >> shift) continue;
      invalidate(slot);
      lost(set);
    }
  }
}

/** A RAM page got its first decoded code: stores to it must be seen from now on. */
export function protect_code_page(ramOffset: u32): void {
  const offset = ramOffset & 0xfffff000;
  for (let set = 0; set < TLB_SETS; set++) {
    const count = load<i32>(TLB_LOG_COUNT + (set << 2));
    for (let position = 0; position < count; position++) {
      const slot = loggedSlot(set, position);
      const tag = load<u64>(slot, TLB_WRITE);
      if ((tag & 0xfff) == 0xfff && u32(tag + 1) + load<u32>(slot, TLB_ADDEND) == offset) store<u64>(slot, slowTag(tag + 1), TLB_WRITE);
    }
  }
}
