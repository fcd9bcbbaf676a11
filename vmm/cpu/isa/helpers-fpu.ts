import type { Helper } from './helpers.ts';

const i32 = 'i32';
const i64 = 'i64';

/** Functions of assembly/fpu/ that texts call. */
export const fpuHelpers = {
  fpu_available: { params: [], faults: true },
  fpu_check: { params: [], faults: true },
  fpu_wait: { params: [], faults: true },
  /** (operation, to, from, pops) */
  fpu_arithmetic: { params: [i32, i32, i32, i32] },
  fpu_arithmetic_f32: { params: [i32, i32] },
  fpu_arithmetic_f64: { params: [i32, i64] },
  fpu_arithmetic_integer: { params: [i32, i64] },
  /** (register, quiet, pops) */
  fpu_compare: { params: [i32, i32, i32] },
  fpu_compare_f32: { params: [i32, i32] },
  fpu_compare_f64: { params: [i64, i32] },
  fpu_compare_integer: { params: [i64, i32] },
  fpu_test: { params: [] },
  fpu_compare_flags: { params: [i32, i32, i32], result: i32 },
  fpu_examine: { params: [] },
  fpu_load_f32: { params: [i32] },
  fpu_load_f64: { params: [i64] },
  fpu_load_integer: { params: [i64] },
  /** (significand, sign and exponent) */
  fpu_load_extended: { params: [i64, i32] },
  /** (low sixteen digits, sign and high digits) */
  fpu_load_bcd: { params: [i64, i32] },
  fpu_load_register: { params: [i32] },
  fpu_load_constant: { params: [i32] },
  /**
   * Stores, (…, pops): the operand is left in SCRATCH, what becomes of FSW and FTW in FPU_NEXT_FSW and FPU_NEXT_FTW; the result tells whether the operand is to be
   * written.
   */
  fpu_store_f32: { params: [i32], result: i32 },
  fpu_store_f64: { params: [i32], result: i32 },
  /** (bits, truncate, pops) */
  fpu_store_integer: { params: [i32, i32, i32], result: i32 },
  fpu_store_extended: { params: [i32], result: i32 },
  fpu_store_bcd: { params: [i32], result: i32 },
  fpu_store_register: { params: [i32, i32] },
  fpu_exchange: { params: [i32] },
  fpu_move: { params: [i32, i32] },
  fpu_free: { params: [i32, i32] },
  fpu_rotate: { params: [i32] },
  fpu_initialize: { params: [] },
  fpu_clear_exceptions: { params: [] },
  fpu_load_control: { params: [i32] },
  fpu_sign: { params: [i32] },
  fpu_function: { params: [i32] },
  fpu_function2: { params: [i32] },
  fpu_two_results: { params: [i32] },
  fpu_remainder: { params: [i32] },
  fpu_scale: { params: [] },
  fpu_extract: { params: [] },
  /** Environment and state images in SCRATCH; (wide) chooses the 32-bit formats. */
  fpu_environment: { params: [i32], result: i32 },
  fpu_load_environment: { params: [i32] },
  fpu_mask_all: { params: [] },
  fpu_save: { params: [i32], result: i32 },
  fpu_restore: { params: [i32] },
  /** (segment, offset, REX.W) */
  fpu_fxsave: { params: [i32, i64, i32], faults: true },
  fpu_fxrstor: { params: [i32, i64, i32], faults: true },
  /** (segment, offset, REX.W, EDX:EAX) */
  fpu_xsave: { params: [i32, i64, i32, i64], faults: true },
  fpu_xrstor: { params: [i32, i64, i32, i64], faults: true },
  xsave_available: { params: [], faults: true },
  mmx_begin: { params: [], faults: true },
  mmx_empty: { params: [] },
} as const satisfies Record<string, Helper>;
