/**
 * A micro-op: one decoded instruction, 32 bytes in the code cache. A trace is a run of them in memory order, from a branch target to the next
 * branch, never beyond the page; the next instruction is the next 32 bytes. Written by assembly/decode, read by generated handlers and by the
 * translator. Compiled by TypeScript and by AssemblyScript: only integer constants.
 */
export const UOP_SIZE = 32;
export const UOP_HANDLER = 0; // u16: number of the handler (isa/handlers.ts)
export const UOP_LENGTH = 2; // u8: bytes of the instruction
export const UOP_PREFIXES = 3; // u8: UOP_REP, ...
export const UOP_PAGE_OFFSET = 4; // u16: offset of the instruction in its page, 0..4095
export const UOP_INDEX = 6; // u16: instructions before this one in its trace
/**
 * u8 each: the register named by operand 0, 1, 2. General registers by byte offset from GPR (AH = 1); segment, control, debug, x87 and vector
 * registers by number. Operands are numbered as the encoding lists them, whichever ModRM field they come from.
 */
export const UOP_REGISTER = 8;
/** u8: 64 - address size in bits: offsets are shifted left and right by it to truncate them. */
export const UOP_ADDRESS_SHIFT = 11;
export const UOP_BASE = 12; // u8: byte offset of the base register (ZERO if none, RIP_PAGE for RIP-relative)
export const UOP_SCALED = 13; // u8: byte offset of the index register (ZERO if none)
export const UOP_SCALE = 14; // u8: 0..3
export const UOP_SEGMENT = 15; // u8: SEG_* of the memory operand
export const UOP_DISPLACEMENT = 16; // i32, sign-extended; the second immediate of instructions that have two (ENTER, far pointers)
export const UOP_LINK = 20; // i32: branches: micro-op of the target in the same page once known, 0 before, LINK_LOOK_UP if translated code is there
export const LINK_LOOK_UP = -1;
export const UOP_IMMEDIATE = 24; // i64: immediate, extended to the operand size as the encoding says, zero above; relative branches: target minus RIP_PAGE

export const UOP_REP = 1; // F3
export const UOP_REPNE = 2; // F2
export const UOP_LOCK = 4;
export const UOP_OPERAND16 = 8; // operand size is 16 bits
