// The cache of decoded code: traces by RAM offset and mode, the traces of each RAM page, and which 64-byte granules of a page hold code.
//
// A trace in CODE_CACHE: a header, its micro-ops, a HANDLER_TRACE_END micro-op. Dropped traces keep their memory until the whole cache is emptied, so that
// micro-op numbers held by generated code, links and return stacks stay valid: they find HANDLER_RELOOKUP there, or what was decoded at the same place since (programs
// that write the same code again and again would fill the cache).
import { HANDLER_RELOOKUP } from '../../decode/form-layout.ts';
import { CODE_CACHE, CODE_CACHE_END, CODE_DROPS, CODE_GRANULES, CODE_PAGES, LINK_FROM, TRACE_HASH, TRACE_HASH_ENTRIES, TRACE_HASH_ENTRY } from '../../layout.ts';
import { TRACE_HASH_PAIR, TRACE_HASH_REGION } from '../../layout.ts';
import { COUNT_TRACES, RECYCLED, RECYCLED_ENTRIES } from '../../system-layout.ts';
import { MODE_OF_TAIL, TRACE_COUNT, TRACE_END, TRACE_HEAT, TRACE_HOT, TRACE_KEY, TRACE_MODE, TRACE_NEXT, TRACE_OWNER } from '../../trace-layout.ts';
import { TRACE_REGION, TRACE_START, TRACE_TRANSLATED } from '../../trace-layout.ts';
import { UOP_HANDLER, UOP_LINK, UOP_SIZE } from '../../uop.ts';
import { translation_dropped, translations_dropped } from '../host';
import { protect_code_page } from '../system/index';

const GRANULE_SHIFT = 6;

/** First free byte of CODE_CACHE; a word of core memory, because a saved instance must not depend on globals. */
const CODE_CACHE_FREE: i32 = CODE_CACHE;
const FIRST_TRACE: i32 = CODE_CACHE + UOP_SIZE;
/** Room for the longest trace: header, MAX_TRACE micro-ops, end; what crosses a page is much shorter. */
export const MAX_TRACE: i32 = 64;
const ROOM: i32 = (MAX_TRACE + 2) * UOP_SIZE;

@inline
function hashPair(key: i32, mode: i32): i32 {
  const hash = (key ^ (key >>> 13) ^ (mode << 9)) & (TRACE_HASH_ENTRIES / 2 - 1);
  return TRACE_HASH + hash * TRACE_HASH_PAIR;
}

/** The entry of a trace, 0 if the hash does not have it. */
function hashEntry(key: i32, mode: i32): i32 {
  const pair = hashPair(key, mode);
  if (load<i32>(pair) == key && load<i32>(pair, 4) == mode) return pair;
  const second = pair + TRACE_HASH_ENTRY;
  return load<i32>(second) == key && load<i32>(second, 4) == mode ? second : 0;
}

/** First micro-op of the trace at a RAM offset, 0 if there is none (any more). */
export function findTrace(key: i32, mode: i32): i32 {
  const entry = hashEntry(key, mode);
  if (entry != 0 && load<i32>(entry, 8) != 0) return load<i32>(entry, 8);
  // Another trace may have taken its place in the hash.
  for (let trace = load<i32>(CODE_PAGES + (key >>> 12) * 4); trace != 0; trace = load<i32>(trace, TRACE_NEXT)) {
    if (load<i32>(trace, TRACE_KEY) != key || load<i32>(trace, TRACE_MODE) != mode) continue;
    enterHash(trace);
    return trace + UOP_SIZE;
  }
  return 0;
}

function enterHash(trace: i32): void {
  const key = load<i32>(trace, TRACE_KEY);
  const mode = load<i32>(trace, TRACE_MODE);
  let entry = hashEntry(key, mode);
  if (entry == 0) {
    entry = hashPair(key, mode);
    memory.copy(entry + TRACE_HASH_ENTRY, entry, TRACE_HASH_ENTRY);
  }
  store<i32>(entry, key);
  store<i32>(entry, mode, 4);
  store<i32>(entry, trace + UOP_SIZE, 8);
  store<i32>(entry, load<i32>(trace, TRACE_REGION), TRACE_HASH_REGION);
}

/** Where the next trace's micro-ops go. Empties the cache if it is full: no micro-op number obtained before may be used afterwards. */
export function beginTrace(): i32 {
  let free = load<i32>(CODE_CACHE_FREE);
  if (free == 0) free = FIRST_TRACE;
  if (free + ROOM > CODE_CACHE_END) {
    drop_all_code();
    free = FIRST_TRACE;
  }
  store<i32>(CODE_CACHE_FREE, free);
  return free + UOP_SIZE;
}

/** Enters the trace whose micro-ops were written where beginTrace said: `count` of them and an end, of the page bytes start .. end - 1. */
export function endTrace(first: i32, count: i32, key: i32, mode: i32, end: i32): void {
  const trace = first - UOP_SIZE;
  enterPage(trace, count, key, mode, end);
  store<i32>(trace, TRACE_HOT, TRACE_HEAT);
  store<u64>(COUNT_TRACES, load<u64>(COUNT_TRACES) + 1);
  enterHash(trace);
}

/** The last instruction of a trace ends in another page, `bytes` of it from `key` on. Behind the trace in the code cache. */
export function enterTail(first: i32, key: i32, bytes: i32): void {
  const tail = load<i32>(CODE_CACHE_FREE);
  enterPage(tail, 0, key, MODE_OF_TAIL, bytes);
  store<i32>(tail, first - UOP_SIZE, TRACE_OWNER);
}

/** Fills a header, makes its page know it, and takes the memory that it and its micro-ops need. */
function enterPage(trace: i32, count: i32, key: i32, mode: i32, end: i32): void {
  const start = key & 0xfff;
  const page = key >>> 12;
  store<i32>(CODE_CACHE_FREE, max(load<i32>(CODE_CACHE_FREE), trace + (count + 2) * UOP_SIZE));
  const head = CODE_PAGES + page * 4;
  if (load<i32>(head) == 0) protect_code_page(key & ~0xfff);
  store<i32>(trace, load<i32>(head), TRACE_NEXT);
  store<u16>(trace, start, TRACE_START);
  store<u16>(trace, end, TRACE_END);
  store<i32>(trace, count, TRACE_COUNT);
  store<i32>(trace, key, TRACE_KEY);
  store<i32>(trace, mode, TRACE_MODE);
  store<i32>(trace, 0, TRACE_TRANSLATED);
  store<i32>(trace, 0, TRACE_REGION);
  store<i32>(head, trace);
  const granules = CODE_GRANULES + page * 8;
  store<i64>(granules, load<i64>(granules) | granuleMask(start, end));
}

@inline
function recycledSlot(key: i32, mode: i32): i32 {
  return RECYCLED + ((key ^ (key >>> 12) ^ mode) & (RECYCLED_ENTRIES - 1)) * 4;
}

/** Where the trace at `key`, whose `count` micro-ops and end lie at `first`, is to stay: there, or where it was before it was dropped. */
export function placeOf(first: i32, count: i32, key: i32, mode: i32): i32 {
  const slot = recycledSlot(key, mode);
  const trace = load<i32>(slot);
  if (trace == 0 || load<i32>(trace, TRACE_KEY) != key || load<i32>(trace, TRACE_MODE) != mode || load<i32>(trace, TRACE_COUNT) != count) return first;
  store<i32>(slot, 0);
  memory.copy(trace + UOP_SIZE, first, (count + 1) * UOP_SIZE);
  return trace + UOP_SIZE;
}

/** Whether translated code begins at a trace: branches to it are not linked. */
export function isTranslated(first: i32): bool {
  return load<i32>(first - UOP_SIZE, TRACE_REGION) != 0;
}

/** Bits of the granules that bytes start .. end - 1 of a page touch; start < end <= 4096. */
function granuleMask(start: i32, end: i32): i64 {
  const from = start >> GRANULE_SHIFT;
  const to = (end - 1) >> GRANULE_SHIFT;
  return ((-1 as i64) << from) & ((-1 as i64) >>> (63 - to));
}

export function page_has_code(ramOffset: u32): bool {
  return load<i32>(CODE_PAGES + (ramOffset >>> 12) * 4) != 0;
}

/** Bytes of RAM were changed, by a store or by a bus master: the traces made from them are dropped. */
export function code_written(ramOffset: u32, bytes: i32): void {
  let at = ramOffset;
  const end = <u64>ramOffset + bytes;
  while (<u64>at < end) {
    const next = (<u64>(at >>> 12) + 1) << 12;
    const stop = min(next, end);
    if (load<i32>(CODE_PAGES + (at >>> 12) * 4) != 0) pageWritten(at >>> 12, at & 0xfff, <i32>(stop - ((<u64>at >>> 12) << 12)));
    if (next > 0xffffffff) return;
    at = <u32>next;
  }
}

function pageWritten(page: u32, start: i32, end: i32): void {
  const granules = CODE_GRANULES + page * 8;
  if ((load<i64>(granules) & granuleMask(start, end)) == 0) return;
  let kept: i64 = 0;
  let previous = CODE_PAGES + page * 4; // the word that names the trace
  let dropped = false;
  for (let trace = load<i32>(previous); trace != 0; trace = load<i32>(previous)) {
    const from: i32 = load<u16>(trace, TRACE_START);
    const to: i32 = load<u16>(trace, TRACE_END);
    if (from < end && start < to) {
      store<i32>(previous, load<i32>(trace, TRACE_NEXT));
      drop(trace);
      dropped = true;
    } else {
      kept |= granuleMask(from, to);
      previous = trace + TRACE_NEXT;
    }
  }
  store<i64>(granules, kept);
  if (dropped) unlinkPage(page);
}

/** Branches of the page may be linked to what was dropped. */
function unlinkPage(page: u32): void {
  for (let trace = load<i32>(CODE_PAGES + page * 4); trace != 0; trace = load<i32>(trace, TRACE_NEXT)) unlink(trace);
}

/** One trace of its page, if it is still there. */
export function dropTrace(trace: i32): void {
  const page = load<u32>(trace, TRACE_KEY) >>> 12;
  for (let previous = CODE_PAGES + page * 4; load<i32>(previous) != 0; previous = load<i32>(previous) + TRACE_NEXT) {
    if (load<i32>(previous) != trace) continue;
    store<i32>(previous, load<i32>(trace, TRACE_NEXT));
    drop(trace);
    unlinkPage(page);
    return;
  }
}

function drop(trace: i32): void {
  if (load<i32>(trace, TRACE_MODE) == MODE_OF_TAIL) return dropTrace(load<i32>(trace, TRACE_OWNER));
  const key = load<i32>(trace, TRACE_KEY);
  const mode = load<i32>(trace, TRACE_MODE);
  const entry = hashEntry(key, mode);
  if (load<i32>(trace, TRACE_TRANSLATED) != 0) {
    store<i32>(CODE_DROPS, load<i32>(CODE_DROPS) + 1);
    translation_dropped(trace + UOP_SIZE);
  }
  if (entry != 0 && load<i32>(entry, 8) == trace + UOP_SIZE) {
    store<i32>(entry, 0, 8);
    store<i32>(entry, 0, TRACE_HASH_REGION);
  }
  const last = trace + load<i32>(trace, TRACE_COUNT) * UOP_SIZE;
  for (let uop = trace + UOP_SIZE; uop <= last; uop += UOP_SIZE) store<u16>(uop, HANDLER_RELOOKUP, UOP_HANDLER);
  store<i32>(recycledSlot(key, mode), trace);
}

function unlink(trace: i32): void {
  const last = trace + load<i32>(trace, TRACE_COUNT) * UOP_SIZE;
  for (let uop = trace + UOP_SIZE; uop <= last; uop += UOP_SIZE) store<i32>(uop, 0, UOP_LINK);
}

/** Empties the cache. Not while a micro-op is being executed. */
export function drop_all_code(): void {
  let trace = FIRST_TRACE;
  const free = load<i32>(CODE_CACHE_FREE);
  while (trace < free) {
    const page = load<i32>(trace, TRACE_KEY) >>> 12;
    store<i32>(CODE_PAGES + page * 4, 0);
    store<i64>(CODE_GRANULES + page * 8, 0);
    trace += (load<i32>(trace, TRACE_COUNT) + 2) * UOP_SIZE;
  }
  memory.fill(RECYCLED, 0, RECYCLED_ENTRIES * 4);
  memory.fill(TRACE_HASH, 0, TRACE_HASH_ENTRIES * TRACE_HASH_ENTRY);
  store<i32>(CODE_CACHE_FREE, FIRST_TRACE);
  store<i32>(LINK_FROM, 0);
  store<i32>(CODE_DROPS, load<i32>(CODE_DROPS) + 1);
  translations_dropped();
}
