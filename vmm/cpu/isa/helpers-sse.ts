import type { Helper } from './helpers.ts';

const i32 = 'i32';
const i64 = 'i64';

/** Functions of assembly/sse/ that texts call. Addresses are of 16 (MMX: 8) bytes in core memory: a register or SCRATCH. */
export const sseHelpers = {
  sse_unavailable: { params: [], faults: true },
  /** (operation, to, from) */
  sse_ps: { params: [i32, i32, i32], faults: true },
  sse_pd: { params: [i32, i32, i32], faults: true },
  /** (operation, a, b): the result's bits */
  sse_ss: { params: [i32, i32, i32], result: i32, faults: true },
  sse_sd: { params: [i32, i64, i64], result: i64, faults: true },
  sse_horizontal_ps: { params: [i32, i32, i32], faults: true },
  sse_horizontal_pd: { params: [i32, i32, i32], faults: true },
  sse_dot_ps: { params: [i32, i32, i32], faults: true },
  sse_dot_pd: { params: [i32, i32, i32], faults: true },
  /** (root, lanes, to, from) */
  sse_reciprocal: { params: [i32, i32, i32, i32] },
  /** (lanes, to, from, predicate) */
  sse_cmp_ps: { params: [i32, i32, i32, i32], faults: true },
  sse_cmp_pd: { params: [i32, i32, i32, i32], faults: true },
  /** (a, b, quiet): ZF PF CF */
  sse_comi_ss: { params: [i32, i32, i32], result: i32, faults: true },
  sse_comi_sd: { params: [i64, i64, i32], result: i32, faults: true },
  /** (value, bits, truncate) */
  sse_ss_to_integer: { params: [i32, i32, i32], result: i64, faults: true },
  sse_sd_to_integer: { params: [i64, i32, i32], result: i64, faults: true },
  sse_integer_to_ss: { params: [i64], result: i32, faults: true },
  sse_integer_to_sd: { params: [i64], result: i64, faults: true },
  /** (lanes, to, from, truncate) */
  sse_ps_to_dq: { params: [i32, i32, i32, i32], faults: true },
  /** (to, from, truncate, clear upper half) */
  sse_pd_to_dq: { params: [i32, i32, i32, i32], faults: true },
  /** (lanes, to, from) */
  sse_dq_to_ps: { params: [i32, i32, i32], faults: true },
  sse_dq_to_pd: { params: [i32, i32] },
  sse_ps_to_pd: { params: [i32, i32], faults: true },
  sse_pd_to_ps: { params: [i32, i32], faults: true },
  sse_ss_to_sd: { params: [i32], result: i64, faults: true },
  sse_sd_to_ss: { params: [i64], result: i32, faults: true },
  /** (lanes, to, from, immediate) */
  sse_round_ps: { params: [i32, i32, i32, i32], faults: true },
  sse_round_pd: { params: [i32, i32, i32, i32], faults: true },
  /** (to, from, last) */
  aes_encrypt: { params: [i32, i32, i32] },
  aes_decrypt: { params: [i32, i32, i32] },
  aes_inverse_mix: { params: [i32, i32] },
  aes_key_assist: { params: [i32, i32, i32] },
  gf_multiply_bytes: { params: [i32, i32] },
  sha1_rounds: { params: [i32, i32, i32] },
  sha1_next_e: { params: [i32, i32] },
  sha1_message1: { params: [i32, i32] },
  sha1_message2: { params: [i32, i32] },
  sha256_rounds: { params: [i32, i32, i32] },
  sha256_message1: { params: [i32, i32] },
  sha256_message2: { params: [i32, i32] },
  /** (first, second, immediate[, lengths]) */
  sse_implicit_index: { params: [i32, i32, i32], result: i32 },
  sse_implicit_mask: { params: [i32, i32, i32, i32] },
  sse_explicit_index: { params: [i32, i32, i32, i64, i64], result: i32 },
  sse_explicit_mask: { params: [i32, i32, i32, i32, i64, i64] },
  sse_string_flags: { params: [], result: i32 },
  packed_multiple_differences: { params: [i32, i32, i32] },
  packed_minimum_position: { params: [i32, i32] },
  packed_carryless: { params: [i32, i32, i32] },
} as const satisfies Record<string, Helper>;
