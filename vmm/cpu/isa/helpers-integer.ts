import type { Helper } from './helpers.ts';

const i32 = 'i32';
const i64 = 'i64';

/** Functions of assembly/integer/ that texts call. */
export const integerHelpers = {
  /** (high, low, divisor), high < divisor: the quotient; the remainder by divide_remainder. */
  divide_wide: { params: [i64, i64, i64], result: i64 },
  divide_remainder: { params: [], result: i64 },
  /** (crc, value, bytes) */
  crc32c: { params: [i64, i64, i32], result: i64 },
  deposit_bits: { params: [i64, i64], result: i64 },
  extract_bits: { params: [i64, i64], result: i64 },
  /**
   * (segment of the source, bytes of an element, address size, turns) As much of a REP MOVS, or STOS, as can be done in bulk: fewer than `turns` elements and never
   * the last one. The number of elements done.
   */
  copy_run: { params: [i32, i32, i32, i32], result: i32 },
  fill_run: { params: [i32, i32, i32], result: i32 },
  /** The same of REP CMPS and SCAS with an argument more, 1 for REPNE: elements that do not end the repetition. */
  compare_run: { params: [i32, i32, i32, i32, i32], result: i32 },
  scan_run: { params: [i32, i32, i32, i32], result: i32 },
} as const satisfies Record<string, Helper>;
