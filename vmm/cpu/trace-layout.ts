/**
 * The header of a trace in the code cache: UOP_SIZE bytes before its first micro-op. Compiled by TypeScript and by AssemblyScript: only integer
 * constants.
 */
export const TRACE_NEXT = 0; // i32: next trace of the page
export const TRACE_START = 4; // u16: first byte in the page
export const TRACE_END = 6; // u16: one past the last byte
export const TRACE_COUNT = 8; // i32: micro-ops
export const TRACE_KEY = 12; // i32: RAM offset
export const TRACE_MODE = 16; // i32
/** Entries before a trace is offered to the translator. */
export const TRACE_HOT = 600;
/** Entries of a narrow region before it is translated again, with all that belongs to it. */
export const REGION_HOT = 20000;
/** i32: entries left until the trace is worth translating, or its region worth translating again; the translator is told when it becomes 0. */
export const TRACE_HEAT = 20;
/** Mode of a header without micro-ops: some first bytes of the page belong to a trace of another page, which TRACE_OWNER names. */
export const MODE_OF_TAIL = -1;
export const TRACE_OWNER = 20; // i32, in place of TRACE_HEAT
/** i32: not 0 if translated code was made from this trace: the translator is told when it is dropped. 1 + the number of wide regions that have it. */
export const TRACE_TRANSLATED = 24;
/** i32: number of the translated region that begins with the trace, 0 if there is none. */
export const TRACE_REGION = 28;
