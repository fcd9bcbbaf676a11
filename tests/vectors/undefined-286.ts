/**
 * Where a later processor may differ from the 80286 that the real-mode vectors were recorded on: flags the manual calls undefined (SDM vol.1 appendix A),
 * and instructions it made invalid.
 */

const CF = 1;
const PF = 4;
const AF = 16;
const ZF = 64;
const SF = 128;
const OF = 0x800;

const PREFIXES = ['26', '2e', '36', '3e', 'f0', 'f2', 'f3'];

function split(code: string): { readonly prefixes: readonly string[]; readonly bytes: readonly number[] } {
  const all = code.match(/../g) ?? [];
  const start = all.findIndex((byte) => !PREFIXES.includes(byte));
  return { prefixes: all.slice(0, start), bytes: all.slice(start).map((byte) => parseInt(byte, 16)) };
}

/** Mask of EFLAGS bits that `code` leaves undefined; `cl` is the initial CL. */
export function undefinedFlags(code: string, cl: number): number {
  const { bytes } = split(code);
  const [opcode = 0, modrm = 0] = bytes;
  const reg = (modrm >> 3) & 7;
  // OR AND XOR: 08..0D 20..25 30..35, TEST: A8 A9 84 85
  const isLogic = (operation: number): boolean => operation === 1 || operation === 4 || operation === 6;
  if (opcode < 0x40 && (opcode & 7) < 6) return isLogic(opcode >> 3) ? AF : 0;
  if (opcode >= 0x80 && opcode <= 0x83) return isLogic(reg) ? AF : 0;
  if ([0x84, 0x85, 0xa8, 0xa9].includes(opcode)) return AF;
  if (opcode === 0x69 || opcode === 0x6b) return SF | ZF | AF | PF;
  if (opcode === 0x27 || opcode === 0x2f) return OF;
  if (opcode === 0x37 || opcode === 0x3f) return OF | SF | ZF | PF;
  if (opcode === 0xd4 || opcode === 0xd5) return OF | AF | CF;
  if (opcode === 0xf6 || opcode === 0xf7)
    return [AF, AF, 0, 0, SF | ZF | AF | PF, SF | ZF | AF | PF, CF | PF | AF | ZF | SF | OF, CF | PF | AF | ZF | SF | OF][reg]!;
  if ([0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3].includes(opcode))
    return undefinedByShift(opcode, reg, opcode >= 0xd2 ? cl : opcode >= 0xd0 ? 1 : bytes.at(-2)!);
  return 0;
}

function undefinedByShift(opcode: number, reg: number, rawCount: number): number {
  const count = rawCount & 31;
  if (count === 0) return 0;
  const size = opcode & 1 ? 16 : 8;
  const rotates = reg < 4;
  // SHL and SHR by the operand size or more; SAR copies the sign.
  const carry = !rotates && reg !== 7 && count >= size ? CF : 0;
  return (rotates ? 0 : AF) | (count === 1 ? 0 : OF) | carry;
}

/** 1 + the ModRM.reg values with which an opcode may be locked when its destination is memory (SDM vol.2 LOCK), as a bit mask. */
function lockable(opcode: number, reg: number): boolean {
  if (opcode < 0x38 && (opcode & 7) < 2) return true; // all but CMP
  if (opcode >= 0x80 && opcode <= 0x83) return reg !== 7;
  if (opcode === 0x86 || opcode === 0x87) return true;
  if (opcode === 0xf6 || opcode === 0xf7) return reg === 2 || reg === 3;
  return (opcode === 0xfe || opcode === 0xff) && reg < 2;
}

const SEGMENT_PREFIXES = ['26', '2e', '36', '3e'];
/** POP, POPF, RET, RETF, IRET, LEAVE. */
const STACK_READERS = [0x07, 0x17, 0x1f, 0x8f, 0x9d, 0xc2, 0xc3, 0xc9, 0xca, 0xcb, 0xcf];
const STRINGS = [0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];
const MAX_LENGTH_286 = 10;

/** A 16-bit memory operand that is in SS unless overridden. */
function basedOnBp(modrm: number): boolean {
  const [mod, rm] = [modrm >> 6, modrm & 7];
  return mod !== 3 && (rm === 2 || rm === 3 || (rm === 6 && mod !== 0));
}

/** Why a later processor does something else altogether, undefined if it does not. `exception` is what the 286 raised. */
export function changedSince286(code: string, exception: string | number | undefined): string | undefined {
  const { prefixes, bytes } = split(code);
  const [opcode = 0, modrm = 0] = bytes;
  const memory = modrm < 0xc0;
  if (prefixes.includes('f0') && !(memory && lockable(opcode, (modrm >> 3) & 7))) return 'LOCK is #UD with this instruction (SDM vol.2 LOCK)';
  if (exception === 6 && (opcode === 0x8c || opcode === 0x8e) && (modrm & 0x30) === 0x20) return 'FS and GS exist (SDM vol.3 22.21)';
  if (exception !== 13) return undefined;
  if (prefixes.length + bytes.length - 1 > MAX_LENGTH_286) return 'instructions may have 15 bytes (SDM vol.3 22.18)';
  if (STRINGS.includes(opcode)) return 'a fault leaves SI and DI as they were (SDM vol.3 6.5)';
  const overridden = prefixes.some((prefix) => SEGMENT_PREFIXES.includes(prefix) && prefix !== '36');
  if (STACK_READERS.includes(opcode) || (!overridden && basedOnBp(modrm))) return 'beyond the stack segment is #SS, not #GP (SDM vol.3 table 20-1)';
  return undefined;
}
