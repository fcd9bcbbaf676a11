/**
 * The opcode tables as they lie in core memory: written by decode/tables.ts, read by assembly/decode. Integer constants only (two compilers read this).
 *
 * ENTRIES maps (64-bit mode, opcode map, mandatory prefix, opcode) to a node: 0 is an invalid opcode; otherwise the upper two bits say what the lower
 * 14 are: the number of a form, or the index of 2, 16 or 8 more nodes in SPLITS, chosen by the ModRM byte.
 */
import { OPCODE_TABLES } from '../layout.ts';

export const ENTRIES = OPCODE_TABLES; // u16 [64-bit mode: 2][map: 16][prefix: 4][opcode: 256]
export const ENTRIES_PER_MODE = 0x4000;
export const ENTRIES_PER_MAP = 0x400;
export const ENTRIES_PER_PREFIX = 0x100;
export const SPLITS = ENTRIES + 0x10000; // u16
export const SPLITS_COUNT = 0x4000;
export const FORMS = SPLITS + 0x8000;
export const FORMS_COUNT = 0x1000;
export const FORM_SIZE = 32;
export const HANDLER_TABLE = FORMS + 0x20000; // u16, indexed by FORM_HANDLERS + size, addressing and repeat times their strides
export const HANDLER_TABLE_COUNT = 0xc000;

// maps
export const MAP_ONE_BYTE = 0;
export const MAP_0F = 1;
export const MAP_0F38 = 2;
export const MAP_0F3A = 3;
export const MAP_VEX = 4; // + the VEX.mmmmm field (1 0F, 2 0F38, 3 0F3A)
export const MAP_VEX_W1 = 8; // the same with VEX.W

// mandatory prefixes
export const PREFIX_NONE = 0;
export const PREFIX_66 = 1;
export const PREFIX_F3 = 2;
export const PREFIX_F2 = 3;

// nodes
export const NODE_KIND_SHIFT = 14;
export const NODE_FORM = 0;
export const NODE_BY_MOD = 1; // memory, register
export const NODE_BY_REG = 2; // memory /0../7, register /0../7
export const NODE_BY_RM = 3; // rm 0..7
export const NODE_INDEX = 0x3fff;

// a form
export const FORM_FLAGS = 0; // u16
export const FORM_MODRM = 1;
/** ModRM.rm is a register whatever mod says (MOV CRn, DRn). */
export const FORM_MOD_IGNORED = 2;
export const FORM_LOCKABLE = 4;
export const FORM_PROTECTED_ONLY = 8;
/** The last instruction of its trace. */
export const FORM_ENDS = 16;
/** The handler depends on the address size: it has a memory operand, or asks for it. */
export const FORM_ADDRESSED = 32;
/** Memory through DS:rSI: segment overrides apply without ModRM. */
export const FORM_STRING_SOURCE = 64;
export const FORM_VEX_L1 = 128; // VEX.L must be 1; otherwise it must be 0 unless FORM_VEX_LIG
export const FORM_VEX_LIG = 256;
/** VEX.vvvv must be 1111. */
export const FORM_VEX_NO_VVVV = 512;
export const FORM_SIZE_CLASS = 2; // u8
export const SIZE_FIXED = 0;
export const SIZE_V = 1;
export const SIZE_Y = 2;
export const SIZE_D64 = 3;
export const SIZE_F64 = 4;
export const FORM_IMMEDIATE = 3; // u8
export const IMM_NONE = 0;
export const IMM_BYTE = 1; // zero-extended
export const IMM_BYTE_SIGNED = 2; // sign-extended to the operand size
export const IMM_WORD = 3;
export const IMM_Z = 4; // 2 or 4 bytes, sign-extended to the operand size
export const IMM_V = 5; // 2, 4 or 8 bytes
export const IMM_REL_BYTE = 6;
export const IMM_REL_Z = 7;
export const IMM_FAR = 8; // offset of 2 or 4 bytes, then a selector
export const IMM_OFFSET = 9; // an offset of the address size
export const IMM_WORD_BYTE = 10; // ENTER
export const IMM_BYTE_BYTE = 11; // EXTRQ, INSERTQ
export const FORM_SOURCES = 4; // u8 [3]: where the register of operand 0, 1, 2 comes from
export const SOURCE_NONE = 0;
export const SOURCE_REG = 1;
export const SOURCE_RM = 2;
export const SOURCE_VVVV = 3;
export const SOURCE_OPCODE = 4;
export const SOURCE_FIXED = 5;
export const SOURCE_IMMEDIATE = 6; // upper four bits of the immediate
export const FORM_CLASSES = 7; // u8 [3]: how its number becomes the micro-op's field
export const CLASS_GENERAL = 0; // times 8
export const CLASS_BYTE = 1; // times 8, or AH CH DH BH
export const CLASS_NUMBER = 2;
export const CLASS_NUMBER_LOW = 3; // REX does not extend it (MMX, x87)
export const CLASS_SEGMENT = 4; // the same; 6 and 7 are invalid
export const FORM_FIXED = 10; // u8 [3]: the field itself for SOURCE_FIXED
export const FORM_STRIDE_SIZE = 14; // u16
export const FORM_STRIDE_ADDRESSING = 16; // u16
export const FORM_STRIDE_REPEAT = 18; // u16
export const FORM_HANDLERS = 20; // i32
/** 1 + the fixed segment of a memory operand without ModRM that cannot be overridden (ES:rDI); 0 otherwise. */
export const FORM_FIXED_SEGMENT = 24; // u8

// the addressing dimension of the handler table
export const ADDRESSING_16 = 0;
export const ADDRESSING_32 = 1;
export const ADDRESSING_64 = 2;
export const ADDRESSING_FLAT32 = 3;
export const ADDRESSING_FLAT64 = 4;

// handlers that no encoding has
export const HANDLER_INVALID = 0; // #UD
export const HANDLER_TRACE_END = 1; // go on at UOP_PAGE_OFFSET
export const HANDLER_RELOOKUP = 2; // the code here has changed: look it up again
export const HANDLER_TOO_LONG = 3; // #GP(0): more than 15 bytes
/** Before an instruction that goes on in the next page: UOP_IMMEDIATE is that page's RAM offset, which must still be right. Not an instruction, not counted. */
export const HANDLER_CROSSING = 4;
export const HANDLERS_RESERVED = 5;
