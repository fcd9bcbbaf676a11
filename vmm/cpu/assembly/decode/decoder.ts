// One instruction into one micro-op (SDM vol.2 2.1-2.3). The opcode tables are data, made from isa/ by decode/tables.ts.
import * as F from '../../decode/form-layout.ts';
import { MODE, MODE_CODE32, MODE_CODE64, MODE_FLAT, MODE_PROTECTED, RIP_NEXT_PAGE, RIP_PAGE, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_SS, ZERO } from '../../layout.ts';
import {
  UOP_ADDRESS_SHIFT,
  UOP_BASE,
  UOP_DISPLACEMENT,
  UOP_HANDLER,
  UOP_IMMEDIATE,
  UOP_LENGTH,
  UOP_LINK,
  UOP_LOCK,
  UOP_OPERAND16,
  UOP_PAGE_OFFSET,
  UOP_PREFIXES,
  UOP_REGISTER,
  UOP_REP,
  UOP_REPNE,
  UOP_SCALE,
  UOP_SCALED,
  UOP_SEGMENT,
} from '../../uop.ts';

const MAX_LENGTH: i32 = 15; // SDM vol.3 6.15, interrupt 13
const NO_SEGMENT: i32 = -1;
const REX_W: i32 = 8;
const REX_R: i32 = 4;
const REX_X: i32 = 2;
const REX_B: i32 = 1;

// Sizes as the handler table counts them.
const SIZE_16: i32 = 0;
const SIZE_32: i32 = 1;
const SIZE_64: i32 = 2;

/** The instruction ends the trace. */
export const DECODED_ENDS: i32 = 0x100;
/** There are not enough bytes. */
export const DECODED_MORE: i32 = 0;

/**
 * Decodes the instruction at `bytes` (core memory; 16 more bytes may be read than `available`) into `uop`. `offset` is its offset in the page. Returns its
 * length | DECODED_ENDS, or DECODED_MORE.
 */
export function decode(bytes: i32, available: i32, offset: i32, uop: i32): i32 {
  const mode = load<i32>(MODE);
  const code64 = (mode & MODE_CODE64) != 0;
  const code32 = (mode & MODE_CODE32) != 0;

  // -- prefixes
  let at = bytes;
  let operandPrefix = false;
  let addressPrefix = false;
  let lock = false;
  let repeat: i32 = 0; // last of F2, F3
  let segment = NO_SEGMENT;
  let rex: i32 = 0;
  let opcode: i32 = 0;
  for (;;) {
    if (at - bytes >= MAX_LENGTH) return tooLong(uop, offset, available);
    if (at - bytes >= available) return DECODED_MORE;
    opcode = load<u8>(at++);
    if (opcode == 0x66) operandPrefix = true;
    else if (opcode == 0x67) addressPrefix = true;
    else if (opcode == 0xf0) lock = true;
    else if (opcode == 0xf2 || opcode == 0xf3) repeat = opcode;
    else if ((opcode & 0xe7) == 0x26) {
      if (!code64) segment = (opcode >> 3) & 3; // 26 2E 36 3E: ES CS SS DS
    } else if ((opcode & 0xfe) == 0x64) segment = SEG_FS + (opcode & 1);
    else if (code64 && (opcode & 0xf0) == 0x40) {
      // REX counts only right before the opcode.
      rex = opcode;
      continue;
    } else break;
    rex = 0;
  }

  // -- opcode map
  let map: i32 = F.MAP_ONE_BYTE;
  let vex = false;
  let vvvv: i32 = 0;
  let vexL = false;
  let prefix: i32 = repeat == 0xf3 ? F.PREFIX_F3 : repeat == 0xf2 ? F.PREFIX_F2 : operandPrefix ? F.PREFIX_66 : F.PREFIX_NONE;
  if (opcode == 0x0f) {
    opcode = load<u8>(at++);
    map = F.MAP_0F;
    if (opcode == 0x38 || opcode == 0x3a) {
      map = opcode == 0x38 ? F.MAP_0F38 : F.MAP_0F3A;
      opcode = load<u8>(at++);
    }
  } else if ((opcode & 0xfe) == 0xc4 && (code64 || ((load<u8>(at) & 0xc0) == 0xc0 && (mode & MODE_PROTECTED) != 0))) {
    // VEX (SDM vol.2 2.3.5); with mod != 3 outside 64-bit mode it is LES or LDS.
    if (rex != 0 || lock || repeat != 0 || operandPrefix) return invalid(uop, offset, <i32>(at - bytes), available);
    vex = true;
    let last: i32 = load<u8>(at++);
    rex = (~last >> 5) & REX_R;
    map = 1;
    if (opcode == 0xc4) {
      rex = (~last >> 5) & 7;
      map = last & 0x1f;
      last = load<u8>(at++);
      if (last & 0x80) rex |= REX_W;
    }
    vvvv = (~last >> 3) & 15;
    if (!code64) {
      vvvv &= 7;
      rex &= REX_W;
    }
    vexL = (last & 4) != 0;
    prefix = last & 3;
    if (map == 0 || map > 3) return invalid(uop, offset, <i32>(at - bytes), available);
    map += rex & REX_W ? F.MAP_VEX_W1 : F.MAP_VEX;
    opcode = load<u8>(at++);
  }

  // -- the form, by opcode and ModRM
  let lookup = opcode;
  if (opcode == 0x90 && map == F.MAP_ONE_BYTE && (rex & REX_B) != 0) lookup = 0x91; // XCHG r8, rAX and no NOP
  const index = (code64 ? F.ENTRIES_PER_MODE : 0) + map * F.ENTRIES_PER_MAP + prefix * F.ENTRIES_PER_PREFIX + lookup;
  let node: i32 = load<u16>(F.ENTRIES + index * 2);
  const modrm: i32 = load<u8>(at);
  let needed = <i32>(at - bytes);
  if (node >> F.NODE_KIND_SHIFT != F.NODE_FORM) needed++;
  while (node >> F.NODE_KIND_SHIFT != F.NODE_FORM) {
    const kind = node >> F.NODE_KIND_SHIFT;
    let choice: i32 = modrm >= 0xc0 ? 1 : 0;
    if (kind == F.NODE_BY_REG) choice = choice * 8 + ((modrm >> 3) & 7);
    else if (kind == F.NODE_BY_RM) choice = modrm & 7;
    node = load<u16>(F.SPLITS + ((node & F.NODE_INDEX) + choice) * 2);
  }
  if (node == 0) return invalid(uop, offset, needed, available);
  const form = F.FORMS + node * F.FORM_SIZE;
  const flags: i32 = load<u16>(form, F.FORM_FLAGS);

  // -- sizes
  let size: i32 = code64 && (rex & REX_W) != 0 ? SIZE_64 : (code32 || code64) != operandPrefix ? SIZE_32 : SIZE_16;
  const sizeClass: i32 = load<u8>(form, F.FORM_SIZE_CLASS);
  if (sizeClass == F.SIZE_Y) {
    if (size == SIZE_16) size = SIZE_32;
  } else if (code64) {
    if (sizeClass == F.SIZE_F64) size = SIZE_64;
    else if (sizeClass == F.SIZE_D64 && size == SIZE_32) size = SIZE_64;
  }
  const addressSize: i32 = code64 ? (addressPrefix ? SIZE_32 : SIZE_64) : code32 != addressPrefix ? SIZE_32 : SIZE_16;

  store<i64>(uop, 0, UOP_DISPLACEMENT); // and UOP_LINK
  store<i64>(uop, 0, UOP_IMMEDIATE);
  store<u8>(uop, addressSize == SIZE_16 ? 48 : addressSize == SIZE_32 ? 32 : 0, UOP_ADDRESS_SHIFT);
  let memory = false;

  // -- ModRM, SIB, displacement
  if (flags & F.FORM_MODRM) {
    at++;
    memory = modrm < 0xc0 && (flags & F.FORM_MOD_IGNORED) == 0;
    if (memory) {
      const defaultSegment = addressSize == SIZE_16 ? address16(modrm, at, uop) : address32(modrm, at, rex, code64, uop);
      at += defaultSegment >> 8;
      if (segment == NO_SEGMENT) segment = defaultSegment & 0xff;
    }
  }
  const fixedSegment: i32 = load<u8>(form, F.FORM_FIXED_SEGMENT);
  if (!memory) {
    if (fixedSegment != 0) segment = fixedSegment - 1;
    else if (segment == NO_SEGMENT) segment = SEG_DS;
  }

  // -- immediate
  const immediate: i32 = load<u8>(form, F.FORM_IMMEDIATE);
  if (immediate != F.IMM_NONE) at += readImmediate(immediate, at, size, addressSize, uop);
  const length = <i32>(at - bytes);
  if (length > MAX_LENGTH) return tooLong(uop, offset, available);
  if (length > available) return DECODED_MORE;
  if (immediate == F.IMM_REL_BYTE || immediate == F.IMM_REL_Z) store<i64>(uop, load<i64>(uop, UOP_IMMEDIATE) + offset + length, UOP_IMMEDIATE);
  if (memory && load<u8>(uop, UOP_BASE) == RIP_PAGE) relocate(uop, offset + length);

  // -- legality
  if (lock && !(memory && (flags & F.FORM_LOCKABLE) != 0)) return invalid(uop, offset, length, available);
  if ((flags & F.FORM_PROTECTED_ONLY) != 0 && (mode & MODE_PROTECTED) == 0) return invalid(uop, offset, length, available);
  if (vex) {
    if (vexL != ((flags & F.FORM_VEX_L1) != 0) && (flags & F.FORM_VEX_LIG) == 0) return invalid(uop, offset, length, available);
    if ((flags & F.FORM_VEX_NO_VVVV) != 0 && vvvv != 0) return invalid(uop, offset, length, available);
  }

  // -- register operands
  for (let i = 0; i < 3; i++) {
    const source: i32 = load<u8>(form + i, F.FORM_SOURCES);
    if (source == F.SOURCE_NONE) continue;
    let number: i32 = 0;
    if (source == F.SOURCE_REG) number = ((modrm >> 3) & 7) | (rex & REX_R ? 8 : 0);
    else if (source == F.SOURCE_RM) number = (modrm & 7) | (rex & REX_B ? 8 : 0);
    else if (source == F.SOURCE_OPCODE) number = (opcode & 7) | (rex & REX_B ? 8 : 0);
    else if (source == F.SOURCE_VVVV) number = vvvv;
    else if (source == F.SOURCE_IMMEDIATE) number = (load<u8>(uop, UOP_IMMEDIATE) >> 4) & (code64 ? 15 : 7);
    else {
      store<u8>(uop + i, load<u8>(form + i, F.FORM_FIXED), UOP_REGISTER);
      continue;
    }
    const registerClass: i32 = load<u8>(form + i, F.FORM_CLASSES);
    if (registerClass == F.CLASS_GENERAL) number <<= 3;
    else if (registerClass == F.CLASS_BYTE) number = (rex == 0 || vex) && number >= 4 ? ((number & 3) << 3) | 1 : number << 3;
    else if (registerClass >= F.CLASS_NUMBER_LOW) {
      number &= 7;
      if (registerClass == F.CLASS_SEGMENT && number > 5) return invalid(uop, offset, length, available);
    }
    store<u8>(uop + i, number, UOP_REGISTER);
  }

  // -- the handler
  let addressing: i32 = addressSize;
  const usesSegment = memory || fixedSegment != 0 || (flags & F.FORM_STRING_SOURCE) != 0 || immediate == F.IMM_OFFSET;
  if (code64) {
    if (addressSize == SIZE_64 || (flags & F.FORM_ADDRESSED) == 0) {
      if (!usesSegment || segment < SEG_FS) addressing = F.ADDRESSING_FLAT64;
    }
  } else if (mode & MODE_FLAT) {
    if (addressSize == SIZE_32 || (flags & F.FORM_ADDRESSED) == 0) {
      if (!usesSegment || segment == SEG_DS || segment == SEG_SS || segment == SEG_ES) addressing = F.ADDRESSING_FLAT32;
    }
  }
  const repetition: i32 = repeat == 0xf3 ? 1 : repeat == 0xf2 ? 2 : 0;
  const handler =
    load<i32>(form, F.FORM_HANDLERS) +
    size * <i32>load<u16>(form, F.FORM_STRIDE_SIZE) +
    addressing * <i32>load<u16>(form, F.FORM_STRIDE_ADDRESSING) +
    repetition * <i32>load<u16>(form, F.FORM_STRIDE_REPEAT);
  store<u16>(uop, load<u16>(F.HANDLER_TABLE + handler * 2), UOP_HANDLER);
  store<u8>(uop, length, UOP_LENGTH);
  store<u8>(
    uop,
    (repetition == 1 ? UOP_REP : repetition == 2 ? UOP_REPNE : 0) | (lock ? UOP_LOCK : 0) | (size == SIZE_16 ? UOP_OPERAND16 : 0),
    UOP_PREFIXES,
  );
  store<u16>(uop, offset, UOP_PAGE_OFFSET);
  store<u8>(uop, segment, UOP_SEGMENT);
  return length | (flags & F.FORM_ENDS ? DECODED_ENDS : 0);
}

/** An undefined opcode, known from its first `length` bytes. */
function invalid(uop: i32, offset: i32, length: i32, available: i32): i32 {
  if (length > available) return DECODED_MORE;
  store<u16>(uop, F.HANDLER_INVALID, UOP_HANDLER);
  store<u16>(uop, offset, UOP_PAGE_OFFSET);
  store<u8>(uop, min(length, MAX_LENGTH), UOP_LENGTH);
  return min(length, MAX_LENGTH) | DECODED_ENDS;
}

function tooLong(uop: i32, offset: i32, available: i32): i32 {
  if (available < MAX_LENGTH) return DECODED_MORE;
  store<u16>(uop, F.HANDLER_TOO_LONG, UOP_HANDLER);
  store<u16>(uop, offset, UOP_PAGE_OFFSET);
  store<u8>(uop, MAX_LENGTH, UOP_LENGTH);
  return MAX_LENGTH | DECODED_ENDS;
}

/** RIP-relative: base is the page's RIP, so that the trace serves every address the page is mapped at. */
function relocate(uop: i32, next: i32): void {
  const displacement = <i64>load<i32>(uop, UOP_DISPLACEMENT) + next;
  if (displacement >= 0x1000) {
    store<u8>(uop, RIP_NEXT_PAGE, UOP_BASE);
    store<i32>(uop, <i32>(displacement - 0x1000), UOP_DISPLACEMENT);
  } else store<i32>(uop, <i32>displacement, UOP_DISPLACEMENT);
}

/** 16-bit forms (SDM vol.2 table 2-1). Returns default segment | bytes taken << 8. */
function address16(modrm: i32, at: i32, uop: i32): i32 {
  const rm = modrm & 7;
  const mod = modrm >> 6;
  let base: i32 = ZERO;
  let index: i32 = ZERO;
  let segment = SEG_DS;
  let taken: i32 = 0;
  if (mod == 0 && rm == 6) {
    store<i32>(uop, load<i16>(at), UOP_DISPLACEMENT);
    taken = 2;
  } else {
    // BX+SI BX+DI BP+SI BP+DI SI DI BP BX
    if (rm < 6) index = rm & 1 ? 7 * 8 : 6 * 8;
    if (rm < 2 || rm == 7) base = 3 * 8;
    else if (rm < 4 || rm == 6) {
      base = 5 * 8;
      segment = SEG_SS;
    }
    if (mod == 1) {
      store<i32>(uop, load<i8>(at), UOP_DISPLACEMENT);
      taken = 1;
    } else if (mod == 2) {
      store<i32>(uop, load<i16>(at), UOP_DISPLACEMENT);
      taken = 2;
    }
  }
  store<u8>(uop, base, UOP_BASE);
  store<u8>(uop, index, UOP_SCALED);
  store<u8>(uop, 0, UOP_SCALE);
  return segment | (taken << 8);
}

/** 32- and 64-bit forms (SDM vol.2 tables 2-2, 2-3, 2-7). */
function address32(modrm: i32, at: i32, rex: i32, code64: bool, uop: i32): i32 {
  const mod = modrm >> 6;
  let rm = modrm & 7;
  let base: i32 = ZERO;
  let index: i32 = ZERO;
  let scale: i32 = 0;
  let segment = SEG_DS;
  let taken: i32 = 0;
  let absolute = false;
  if (rm == 4) {
    const sib: i32 = load<u8>(at);
    taken = 1;
    scale = sib >> 6;
    const number = ((sib >> 3) & 7) | (rex & REX_X ? 8 : 0);
    if (number != 4) index = number << 3;
    else scale = 0;
    rm = sib & 7;
    absolute = rm == 5 && mod == 0;
  } else if (rm == 5 && mod == 0) {
    absolute = true;
    if (code64) base = RIP_PAGE;
  }
  if (absolute) {
    store<i32>(uop, load<i32>(at + taken), UOP_DISPLACEMENT);
    taken += 4;
  } else {
    base = (rm << 3) | (rex & REX_B ? 64 : 0);
    if (base == 4 * 8 || base == 5 * 8) segment = SEG_SS;
    if (mod == 1) {
      store<i32>(uop, load<i8>(at + taken), UOP_DISPLACEMENT);
      taken += 1;
    } else if (mod == 2) {
      store<i32>(uop, load<i32>(at + taken), UOP_DISPLACEMENT);
      taken += 4;
    }
  }
  store<u8>(uop, base, UOP_BASE);
  store<u8>(uop, index, UOP_SCALED);
  store<u8>(uop, scale, UOP_SCALE);
  return segment | (taken << 8);
}

/** Zero above the operand size. */
function truncated(value: i64, size: i32): i64 {
  return size == SIZE_16 ? value & 0xffff : size == SIZE_32 ? value & 0xffffffff : value;
}

/** Returns the bytes taken. */
function readImmediate(kind: i32, at: i32, size: i32, addressSize: i32, uop: i32): i32 {
  let value: i64 = 0;
  let taken: i32 = 1;
  switch (kind) {
    case F.IMM_BYTE:
      value = load<u8>(at);
      break;
    case F.IMM_BYTE_SIGNED:
      value = truncated(load<i8>(at), size);
      break;
    case F.IMM_REL_BYTE:
      value = load<i8>(at);
      break;
    case F.IMM_WORD:
      value = load<u16>(at);
      taken = 2;
      break;
    case F.IMM_Z:
    case F.IMM_REL_Z:
      value = size == SIZE_16 ? <i64>load<i16>(at) : <i64>load<i32>(at);
      if (kind == F.IMM_Z) value = truncated(value, size);
      taken = size == SIZE_16 ? 2 : 4;
      break;
    case F.IMM_V:
      taken = 2 << size;
      value = truncated(load<i64>(at), size);
      break;
    case F.IMM_FAR:
      taken = size == SIZE_16 ? 4 : 6;
      value = size == SIZE_16 ? <i64>load<u16>(at) : <i64>load<u32>(at);
      store<i32>(uop, load<u16>(at + taken - 2), UOP_DISPLACEMENT);
      break;
    case F.IMM_OFFSET:
      taken = 2 << addressSize;
      value = truncated(load<i64>(at), addressSize);
      break;
    case F.IMM_WORD_BYTE:
      value = load<u16>(at);
      store<i32>(uop, load<u8>(at + 2), UOP_DISPLACEMENT);
      taken = 3;
      break;
    case F.IMM_BYTE_BYTE:
      value = load<u8>(at);
      store<i32>(uop, load<u8>(at + 1), UOP_DISPLACEMENT);
      taken = 2;
      break;
  }
  store<i64>(uop, value, UOP_IMMEDIATE);
  return taken;
}
