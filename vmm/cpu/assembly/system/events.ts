// What happens between instructions, in the order of SDM vol.3 table 6-2: traps of the previous one, NMI, interrupts, instruction breakpoints; HLT; the
// wires of the host.
import { A20_MASK, EVENTS, EVENT_EXIT, EVENT_INTERRUPT, EVENT_NMI, EVENT_SHADOW, EXIT_BUDGET, EXIT_HALT, EXIT_REASON, EXIT_SHUTDOWN, LEFT } from '../../layout.ts';
import { ACTIVITY, ACTIVITY_HALTED, ACTIVITY_RUNNING, ACTIVITY_SHUTDOWN, COUNT_INTERRUPTS, INTERRUPT_LINE, NMI_BLOCKED, PENDING_TRAPS } from '../../system-layout.ts';
import { SHADOW, SHADOW_AT, SHADOW_SS, SHADOW_STI, STEPPING } from '../../system-layout.ts';
import { acknowledge_interrupt } from '../host';
import { instructions } from '../trace/next';
import { requireLevel0, updateVectorAvailability } from './control';
import { DR6_BS, instructionBreakpoints, mustStep, recordDebug, stepsHere, updateTrapEvent } from './debug';
import { get_eflags, set_eflags, updateInterruptEvent } from './flags';
import { SOURCE_EXTERNAL, deliver_exception, interrupt } from './interrupts';
import { deriveSegments, update_mode } from './mode';
import { updatePagingMode } from './paging';
import { FLAG_RF, FLAG_TF, NO_ERROR_CODE, VECTOR_DB, VECTOR_NMI, clearFault, fault, faulted, setRip, systemFlags } from './state';
import { flush_tlb, resetTlb } from './tlb';

const GO_ON: i32 = 0;
const ONE_INSTRUCTION: i32 = 1;
const LEAVE: i32 = 2;

// -- STEPPING
const STEPPING_TF: i32 = 1;
const STEPPING_RF: i32 = 2;

function clearEvents(mask: i32): void {
  store<i32>(EVENTS, load<i32>(EVENTS) & ~mask);
}

/** At an instruction boundary with EVENTS set, or the slice used up, and first thing in run(). See ../README.md for the result. */
export function handle_events(): i32 {
  if (load<i32>(ACTIVITY) != ACTIVITY_RUNNING && !wakes()) {
    clearEvents(EVENT_EXIT);
    store<i32>(EXIT_REASON, load<i32>(ACTIVITY) == ACTIVITY_SHUTDOWN ? EXIT_SHUTDOWN : EXIT_HALT);
    return LEAVE;
  }
  if (load<i32>(EVENTS) & EVENT_EXIT) {
    clearEvents(EVENT_EXIT);
    return LEAVE;
  }
  if (load<i32>(LEFT) <= 0) {
    store<i32>(EXIT_REASON, EXIT_BUDGET);
    return LEAVE;
  }
  // The shadow covers exactly one instruction: the one that will run next.
  const shadow = shadowNow();
  finishStep(shadow != SHADOW_SS);
  if (shadow != SHADOW_SS) {
    if (load<u32>(PENDING_TRAPS) != 0) deliverTraps();
    if ((load<i32>(EVENTS) & EVENT_NMI) != 0 && load<i32>(NMI_BLOCKED) == 0) deliverNmi();
    if (shadow == 0 && (load<i32>(EVENTS) & EVENT_INTERRUPT) != 0) deliverInterrupt();
    const hits = instructionBreakpoints();
    if (hits != 0) {
      recordDebug(hits);
      fault(VECTOR_DB, NO_ERROR_CODE);
      deliver_exception();
    }
  }
  if (load<i32>(EVENTS) & EVENT_EXIT) return handle_events(); // a triple fault
  const flags = systemFlags();
  store<i32>(STEPPING, ((flags & FLAG_TF) != 0 ? STEPPING_TF : 0) | ((flags & FLAG_RF) != 0 ? STEPPING_RF : 0));
  if (shadow != 0) {
    clearEvents(EVENT_SHADOW);
    return ONE_INSTRUCTION;
  }
  return mustStep() && stepsHere() ? ONE_INSTRUCTION : GO_ON;
}

function shadowNow(): i32 {
  if (load<i32>(EVENTS) & EVENT_SHADOW) return load<i32>(SHADOW);
  return load<i64>(SHADOW_AT) == instructions() ? SHADOW_STI : 0;
}

/**
 * What the instruction that just completed owes: a single-step trap if it began with TF (MOV SS suppresses it, SDM vol.3 6.8.3), the end of RF if it began
 * with that.
 */
function finishStep(traps: bool): void {
  const stepping = load<i32>(STEPPING);
  if (stepping == 0) return;
  store<i32>(STEPPING, 0);
  if (traps && (stepping & STEPPING_TF) != 0) store<u32>(PENDING_TRAPS, load<u32>(PENDING_TRAPS) | DR6_BS);
  if (stepping & STEPPING_RF) set_eflags(get_eflags() & ~FLAG_RF);
  updateTrapEvent();
}

function deliverTraps(): void {
  recordDebug(load<u32>(PENDING_TRAPS));
  store<u32>(PENDING_TRAPS, 0);
  updateTrapEvent();
  fault(VECTOR_DB, NO_ERROR_CODE);
  deliver_exception();
}

/** An external event whose delivery faults is lost; the fault is delivered in its place. */
function deliverExternal(vector: i32): void {
  store<u64>(COUNT_INTERRUPTS, load<u64>(COUNT_INTERRUPTS) + 1);
  interrupt(vector, SOURCE_EXTERNAL, NO_ERROR_CODE, get_eflags());
  if (faulted()) deliver_exception();
}

function deliverNmi(): void {
  clearEvents(EVENT_NMI);
  store<i32>(NMI_BLOCKED, 1);
  deliverExternal(VECTOR_NMI);
}

function deliverInterrupt(): void {
  deliverExternal(acknowledge_interrupt() & 0xff);
}

// -- HLT

export function halt(nextRip: u64): void {
  if (!requireLevel0()) return;
  setRip(nextRip);
  store<i32>(ACTIVITY, ACTIVITY_HALTED);
  store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_EXIT);
}

/** Whether something ends the halt; then it has. */
function wakes(): bool {
  if (load<i32>(ACTIVITY) != ACTIVITY_HALTED) return false;
  const nmi = (load<i32>(EVENTS) & EVENT_NMI) != 0 && load<i32>(NMI_BLOCKED) == 0;
  if (!nmi && (load<i32>(EVENTS) & EVENT_INTERRUPT) == 0 && load<u32>(PENDING_TRAPS) == 0 && (load<i32>(STEPPING) & STEPPING_TF) == 0) return false;
  store<i32>(ACTIVITY, ACTIVITY_RUNNING);
  clearEvents(EVENT_EXIT);
  return true;
}

// -- the host's side

/** Level of INTR. */
export function set_interrupt_line(level: i32): void {
  store<i32>(INTERRUPT_LINE, level);
  updateInterruptEvent();
}

/** An edge on NMI; it waits while NMIs are blocked. */
export function set_nmi(): void {
  store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_NMI);
}

/** Level of the A20 gate: 0 forces address bit 20 to 0. */
export function set_a20(on: i32): void {
  const mask: u32 = on != 0 ? 0xffffffff : 0xffefffff;
  if (load<u32>(A20_MASK) == mask) return;
  store<u32>(A20_MASK, mask);
  flush_tlb();
}

/** run() returns for this reason at the next boundary. */
export function request_exit(reason: i32): void {
  store<i32>(EXIT_REASON, reason);
  store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_EXIT);
}

/** Once per core memory. */
export function initialize(): void {
  clearFault();
  resetTlb();
}

/** The state words were replaced (reset, INIT, load): everything derived from them is made anew. */
export function state_loaded(): void {
  clearFault();
  updatePagingMode();
  updateVectorAvailability();
  update_mode();
  deriveSegments();
  update_mode();
  updateTrapEvent();
  updateInterruptEvent();
  flush_tlb();
}
