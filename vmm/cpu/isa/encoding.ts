/**
 * How an encoding of the SDM's opcode map (vol.2 appendix A) is bound to the text that gives its meaning. Everything else is derived: the tables the
 * decoder reads, the handlers with their specialisations, whether an instruction ends a block.
 */
import type { Text } from './machine.ts';

export interface Encoding {
  /**
   * Opcode as the SDM's instruction pages write it, hexadecimal bytes:
   * - `00`, `0F AF`, `0F 38 F0`: with no prefix named it is taken under none, 66, F3 and F2 alike, except where another encoding of the same opcode
   *   names that prefix;
   * - `66 0F 58`, `F3 0F B8`, `F2 0F 38 F1`: mandatory prefix; `NP 0F 58`: only without 66, F3 and F2;
   * - `F7 /6`: ModRM.reg; `B8+r`: register in the low three opcode bits; `40+c` sixteen condition codes: `70+c` stands for 70..7F;
   * - `D9 E8`, `0F 01 D0`, `D8 C0+i`: a fixed ModRM byte, or eight of them (x87 register stack);
   * - `VEX.L0.NP.0F38.W0 F2`, `VEX.LZ.66.0F38.W1 F7 /3`: VEX; `W0 W1 WIG`, `L0 LZ L1 LIG`.
   */
  readonly opcode: string;
  /**
   * Operand codes of the SDM's appendix A, separated by blanks, in the order the text receives them:
   * - addressing: `E` ModRM.rm general register or memory, `M` memory only, `R` general register only, `G` ModRM.reg, `B` VEX.vvvv general register,
   *   `Z` general register in the opcode (`+r`), `S` segment register, `C` control, `D` debug register, `I` immediate, `J` relative branch,
   *   `A` far pointer, `O` memory offset without ModRM, `X` DS:rSI (segment may be overridden), `Y` ES:rDI,
   *   `V` ModRM.reg XMM, `W` rm XMM or memory, `U` rm XMM only, `H` VEX.vvvv XMM, `L` XMM in the immediate's upper bits,
   *   `P` ModRM.reg MMX, `Q` rm MMX or memory, `N` rm MMX only, `F` x87 register ST(i) of the ModRM byte;
   * - type: `b` 8, `w` 16, `d` 32, `q` 64, `v` operand size 16/32/64, `z` 16/32 (immediates: sign-extended to 64), `y` 32/64, `dq x ps pd ss sd ...` as in the
   *   manual, `t` 80-bit, `dw db` a 32-bit register or 16 or 8 bits of memory, `p` far pointer of the operand size, `a` two of the operand size. `M` alone: address only;
   * - `Ib` is zero-extended, `Ibs` sign-extended to the operand size;
   * - fixed registers: `AL CL DL AH`, `AX DX` (16 bits), `rAX rCX rDX rBX` (operand size), segment registers `ES CS SS DS FS GS`, constant `1`.
   */
  readonly operands?: string;
  readonly text: Text;
  /** Mnemonic in lower case, for listings and error messages; default: the name of the text's function. */
  readonly name?: string;
  /**
   * SDM superscripts: `d64` operand size 64 by default in 64-bit mode (32 cannot be encoded), `f64` always 64 there (66 is ignored). `v`: the operand size
   * matters though no operand shows it (PUSHA, CBW).
   */
  readonly size?: 'v' | 'd64' | 'f64';
  /** `i64`: invalid in 64-bit mode (#UD or another instruction); `o64`: only in it. */
  readonly mode?: 'i64' | 'o64';
  /** LOCK is allowed with a memory destination (operand 0). */
  readonly lock?: boolean;
  /** The text asks `m.rep`: handlers are specialised on it. Otherwise F2 and F3 are ignored. */
  readonly rep?: boolean;
  /** The text asks `m.addressSize`, or has `X`/`Y` operands: handlers are specialised on it. */
  readonly addressed?: boolean;
  /** Also give it handlers for flat addresses inside the dispatch loop; for instructions that real programs execute often. */
  readonly hot?: boolean;
  /** #UD unless CPUID of the machine's model has it (models/); shown by `m.require` for what cannot be said here. */
  readonly feature?: string;
  /** #UD in real and virtual-8086 mode (SLDT, LAR, ARPL, ...). */
  readonly protectedOnly?: boolean;
}
