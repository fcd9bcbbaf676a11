// EFLAGS as a whole: the lazy arithmetic flags made real, and what follows from the system flags when they change.
import { EVENTS, EVENT_INTERRUPT, FLAGS, LAZY_A, LAZY_MASK, LAZY_R, LAZY_SUB } from '../../layout.ts';
import { INTERRUPT_LINE } from '../../system-layout.ts';
import { updateTrapEvent } from './debug';
import { updateTlbPointer } from './mode';
import { FLAG_AC, FLAG_AF, FLAG_CF, FLAG_IF, FLAG_OF, FLAG_PF, FLAG_RF, FLAG_SF, FLAG_TF, FLAG_ZF, systemFlags } from './state';

const ARITHMETIC: u32 = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;

/** The arithmetic flags that LAZY_A and LAZY_R stand for: see layout.ts. */
function lazyFlags(word: u32): u32 {
  const bits = (word >> 16) & 0x7f;
  const mask: u64 = bits == 64 ? u64.MAX_VALUE : (u64(1) << bits) - 1;
  const sign = u64(1) << (bits - 1);
  const a = load<u64>(LAZY_A);
  const r = load<u64>(LAZY_R);
  let b: u64, carry: bool, overflow: u64;
  if (word & LAZY_SUB) {
    b = (a - r) & mask;
    carry = a < b;
    overflow = (a ^ b) & (a ^ r);
  } else {
    b = (r - a) & mask;
    carry = r < a;
    overflow = (a ^ r) & (b ^ r);
  }
  let flags: u32 = carry ? FLAG_CF : 0;
  if ((popcnt(u32(r) & 0xff) & 1) == 0) flags |= FLAG_PF;
  flags |= u32(a ^ b ^ r) & FLAG_AF;
  if (r == 0) flags |= FLAG_ZF;
  if (r & sign) flags |= FLAG_SF;
  if (overflow & sign) flags |= FLAG_OF;
  return flags;
}

/** EFLAGS with the arithmetic flags materialised. */
export function get_eflags(): u32 {
  const word = load<u32>(LAZY_MASK);
  const lazy = word & ARITHMETIC;
  const flags = load<u32>(FLAGS);
  return lazy == 0 ? flags : (flags & ~lazy) | (lazyFlags(word) & lazy);
}

/** Sets all of EFLAGS (the caller has masked it); nothing is lazy afterwards. A change of VM is the caller's business (update_mode). */
export function set_eflags(value: u32): void {
  const changed = load<u32>(FLAGS) ^ value;
  store<u32>(FLAGS, value | 2);
  store<u32>(LAZY_MASK, 0);
  if (changed & FLAG_AC) updateTlbPointer();
  if (changed & (FLAG_TF | FLAG_RF)) updateTrapEvent();
  if (changed & FLAG_IF) updateInterruptEvent();
}

/** EVENT_INTERRUPT is set only while the interrupt could be taken, so that code that runs with IF = 0 is not slowed down by a pending one. */
export function updateInterruptEvent(): void {
  const events = load<i32>(EVENTS) & ~EVENT_INTERRUPT;
  const wanted = load<i32>(INTERRUPT_LINE) != 0 && (systemFlags() & FLAG_IF) != 0;
  store<i32>(EVENTS, wanted ? events | EVENT_INTERRUPT : events);
}
