// Debug registers (SDM vol.3 17.2): MOV DRn, address breakpoints. While DR7 enables any, or EFLAGS.TF or RF is set, EVENT_TRAP stays on and
// handle_events asks for one instruction at a time, so that traps are delivered right after theirs.
import { DR, EVENTS, EVENT_TRAP, RIP, SEG_CS } from '../../layout.ts';
import { PENDING_TRAPS, STEPPING } from '../../system-layout.ts';
import { flush } from './tlb';
import { CR4_DE, FLAG_RF, FLAG_TF, VECTOR_DB, NO_ERROR_CODE, cpl, cr4, fault, faulted, gp, isLong, segmentBase, systemFlags, ud } from './state';

export const DR6_BD: u32 = 1 << 13;
export const DR6_BS: u32 = 1 << 14;
export const DR6_BT: u32 = 1 << 15;
/** Bits that always read as one: 31..16 and 11..4 (no RTM). */
export const DR6_FIXED: u32 = 0xffff0ff0;
const DR7_GD: u32 = 1 << 13;
const DR7_FIXED: u32 = 0x400;
const DR7_ENABLES: u32 = 0xff;

const KIND_EXEC = 0;
const KIND_WRITE = 1;
const KIND_IO = 2;
const KIND_ACCESS = 3;

function dr(index: i32): u64 {
  return load<u64>(DR + (index << 3));
}
function dr7(): u32 {
  return load<u32>(DR + 56);
}
function enabled(index: i32): bool {
  return ((dr7() >> (index << 1)) & 3) != 0;
}
function kind(index: i32): i32 {
  return (dr7() >> (16 + (index << 2))) & 3;
}
/** LEN field: 1, 2, 8, 4 bytes. */
function length(index: i32): u64 {
  const field = (dr7() >> (18 + (index << 2))) & 3;
  return field == 2 ? 8 : u64(field + 1);
}

/** Whether every instruction must be followed by a look at what happened. */
export function mustStep(): bool {
  return (systemFlags() & (FLAG_TF | FLAG_RF)) != 0 || (dr7() & DR7_ENABLES) != 0;
}

/** Whether the next instruction must be followed by a look: breakpoints on instructions alone matter only in their own pages. */
export function stepsHere(): bool {
  if ((systemFlags() & (FLAG_TF | FLAG_RF)) != 0) return true;
  const page = instructionAddress() & ~u64(0xfff);
  for (let index = 0; index < 4; index++) {
    if (enabled(index) && (kind(index) != KIND_EXEC || (dr(index) & ~u64(0xfff)) == page)) return true;
  }
  return false;
}

function instructionAddress(): u64 {
  const linear = load<u64>(RIP) + segmentBase(SEG_CS);
  return isLong() ? linear : linear & 0xffffffff;
}

/** Recomputes EVENT_TRAP: after changes of TF, RF, DR7, and when pending traps were taken or the last step was finished. */
export function updateTrapEvent(): void {
  const events = load<i32>(EVENTS) & ~EVENT_TRAP;
  // An instruction that clears TF is still followed by the trap it began with.
  const wanted = mustStep() || load<u32>(PENDING_TRAPS) != 0 || load<i32>(STEPPING) != 0;
  store<i32>(EVENTS, wanted ? events | EVENT_TRAP : events);
}

/** Whether a data breakpoint lies in this linear page: its accesses must take the slow path. */
export function isWatched(page: u64): bool {
  if ((dr7() & DR7_ENABLES) == 0) return false;
  for (let index = 0; index < 4; index++) {
    if (enabled(index) && (kind(index) & 1) != 0 && ((dr(index) ^ page) & ~u64(0xfff)) == 0) return true;
  }
  return false;
}

function matches(index: i32, linear: u64, bytes: u64): bool {
  const size = length(index);
  const start = dr(index) & ~(size - 1);
  return linear < start + size && start < linear + bytes;
}

/** DR6 bits of the breakpoints that match, for any kind in `kinds` (a bit per KIND_*). Bits of disabled ones do not count. */
function matching(linear: u64, bytes: u64, kinds: i32): u32 {
  let hits: u32 = 0;
  for (let index = 0; index < 4; index++) {
    if (enabled(index) && ((kinds >> kind(index)) & 1) != 0 && matches(index, linear, bytes)) hits |= 1 << index;
  }
  return hits;
}

function trapAfter(hits: u32): void {
  if (hits == 0) return;
  store<u32>(PENDING_TRAPS, load<u32>(PENDING_TRAPS) | hits);
  store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_TRAP);
}

/** After a data access that succeeded: #DB follows the instruction. */
export function noteDataAccess(linear: u64, bytes: u64, write: bool): void {
  if ((dr7() & DR7_ENABLES) == 0) return;
  trapAfter(matching(linear, bytes, write ? (1 << KIND_WRITE) | (1 << KIND_ACCESS) : 1 << KIND_ACCESS));
}

/** After a port access: I/O breakpoints need CR4.DE. */
export function notePortAccess(port: i32, bytes: i32): void {
  if ((dr7() & DR7_ENABLES) == 0 || (cr4() & CR4_DE) == 0) return;
  trapAfter(matching(u64(port), u64(bytes), 1 << KIND_IO));
}

/** At an instruction boundary: DR6 bits of instruction breakpoints at RIP, unless RF holds them off (SDM vol.3 17.3.1.1). */
export function instructionBreakpoints(): u32 {
  if ((dr7() & DR7_ENABLES) == 0 || (systemFlags() & FLAG_RF) != 0) return 0;
  const linear = instructionAddress();
  let hits: u32 = 0;
  for (let index = 0; index < 4; index++) if (enabled(index) && kind(index) == KIND_EXEC && dr(index) == linear) hits |= 1 << index;
  return hits;
}

/** Records in DR6 what a #DB about to be delivered is for. The handler clears it. */
export function recordDebug(bits: u32): void {
  store<u64>(DR + 48, u64(load<u32>(DR + 48) | bits));
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE makes them undefined. -1: a fault is pending. */
function resolve(index: i32): i32 {
  if (cpl() != 0) gp(0);
  else if ((index == 4 || index == 5) && (cr4() & CR4_DE) != 0) ud();
  else if (dr7() & DR7_GD) {
    // General detect: the fault names itself and switches itself off (SDM vol.3 17.2.3).
    store<u64>(DR + 56, u64(dr7() & ~DR7_GD));
    recordDebug(DR6_BD);
    fault(VECTOR_DB, NO_ERROR_CODE);
  }
  if (faulted()) return -1;
  return index == 4 || index == 5 ? index + 2 : index;
}

export function read_debug(index: i32): u64 {
  if (index > 7) {
    ud();
    return 0;
  }
  const register = resolve(index);
  return register < 0 ? 0 : dr(register);
}

export function write_debug(index: i32, value: u64): void {
  if (index > 7) return ud();
  const register = resolve(index);
  if (register < 0) return;
  if (register < 4) {
    store<u64>(DR + (register << 3), value);
  } else {
    if (value >> 32 != 0) return gp(0);
    // Reserved bits keep their fixed values; GE, LE, GD, R/W and LEN are free.
    const fixed = register == 6 ? (u32(value) & 0xe00f) | DR6_FIXED : (u32(value) & 0xffff23ff) | DR7_FIXED;
    store<u64>(DR + (register << 3), u64(fixed));
  }
  updateTrapEvent();
  flush(false); // pages watched from now on must lose their direct tags
}
