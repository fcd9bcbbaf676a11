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
export const UOP_REG = 8; // u8: ModRM.reg operand: byte offset from GPR (AH = 1); number of the segment, control, x87 or vector register otherwise
export const UOP_RM = 9; // u8: ModRM.rm operand when it is a register, the same coding
export const UOP_BASE = 10; // u8: byte offset of the base register (ZERO if none)
export const UOP_SCALED = 11; // u8: byte offset of the index register (ZERO if none)
export const UOP_SCALE = 12; // u8: 0..3
export const UOP_SEGMENT = 13; // u8: SEG_*
export const UOP_VVVV = 14; // u8: VEX.vvvv operand, coded as UOP_REG
export const UOP_ADDRESS_SIZE = 15; // u8: 16, 32, 64
export const UOP_DISPLACEMENT = 16; // i32, sign-extended
export const UOP_LINK = 20; // i32: branches: micro-op of the target in the same page once known, 0 before
export const UOP_IMMEDIATE = 24; // i64: immediate, sign-extended as the encoding says; for relative branches the target's offset from RIP_PAGE

export const UOP_REP = 1; // F3
export const UOP_REPNE = 2; // F2
export const UOP_LOCK = 4;
export const UOP_OPERAND16 = 8; // 66 was present (or 16-bit code without it)
