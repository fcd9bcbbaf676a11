/**
 * The functions of assembly/ that instruction texts and generated code may call. Parameter types: i32 for Bit, i64 for Int, f32, f64. Vectors pass
 * through state or SCRATCH. Every owner of texts adds its helpers to a list of its own and `helpers` joins them.
 */
import { fpuHelpers } from './helpers-fpu.ts';
import { integerHelpers } from './helpers-integer.ts';
import { sseHelpers } from './helpers-sse.ts';
import { systemHelpers } from './helpers-system.ts';

export type WasmType = 'i32' | 'i64' | 'f32' | 'f64';

export interface Helper {
  readonly params: readonly WasmType[];
  readonly result?: WasmType;
  /** May set FAULT_VECTOR: the instruction is left when it did. */
  readonly faults?: boolean;
  /** Sets RIP (which is the next instruction's at the call): the instruction is the last of its block. */
  readonly jumps?: boolean;
  /** Changes what decoding, paging or interrupts depend on: the instruction is the last of its block, as after `m.endBlock()`. */
  readonly ends?: boolean;
  /** Reads or writes arithmetic flags in FLAGS (read_flags/write_flags): the translator materialises them first. */
  readonly flags?: boolean;
}

const i32 = 'i32';
const i64 = 'i64';

/** What generated code itself needs (memory accesses, traces). `segment` decides between #GP and #SS. */
export const coreHelpers = {
  /** (segment, offset, bytes, write) #GP(0) or #SS(0) if the access is outside the limit or of the wrong type (SDM vol.3 5.3, 5.5). */
  seg_check: { params: [i32, i64, i32, i32], faults: true },
  /** (segment, offset, bytes, write) seg_check if needed, then the linear address: for texts that pass addresses to helpers. */
  linear: { params: [i32, i64, i32, i32], result: i64, faults: true },
  /** (linear, bytes 1 2 4 8, segment) The value zero-extended; walks page tables, crosses pages, reaches MMIO. */
  load_slow: { params: [i64, i32, i32], result: i64, faults: true },
  /** (linear, bytes, segment, value) */
  store_slow: { params: [i64, i32, i32, i64], faults: true },
  /** (linear, bytes, segment) Faults as a write of all these bytes would; afterwards load and store of them cannot. */
  prepare_write: { params: [i64, i32, i32], faults: true },
  /** (linear, bytes, segment, core address) Any number of bytes into core memory; nothing is copied if it faults. */
  load_block: { params: [i64, i32, i32, i32], faults: true },
  /** (linear, bytes, segment, core address) The same out of core memory. */
  store_block: { params: [i64, i32, i32, i32], faults: true },
  /** EFLAGS with the arithmetic flags materialised. */
  get_eflags: { params: [], result: i32, flags: true },
  /** Stores all of EFLAGS; nothing is lazy afterwards. */
  set_eflags: { params: [i32], flags: true },
  /** (vector, error code or -1) Sets FAULT_VECTOR and FAULT_ERROR. */
  raise: { params: [i32, i32], faults: true },
  /** next_trace at the start of run(). */
  first_trace: { params: [], result: i32 },
  /** The micro-op to continue with at RIP, 0 when run() must return: delivers a pending fault, takes events, decodes. */
  next_trace: { params: [], result: i32 },
  /** (HANDLER_CROSSING's micro-op) Whether the next page is the one meant: asked when the TLB does not say so. If not, RIP is set and to be looked up. */
  crossed: { params: [i32], result: i32 },
} as const satisfies Record<string, Helper>;

export const helpers: Readonly<Record<string, Helper>> = { ...coreHelpers, ...integerHelpers, ...systemHelpers, ...fpuHelpers, ...sseHelpers };
