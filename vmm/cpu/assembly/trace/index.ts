// The cache of decoded code and the way from RIP to a micro-op.
export { code_written, drop_all_code, page_has_code } from './cache';
export { crossed, first_trace, instructions, next_trace } from './next';
