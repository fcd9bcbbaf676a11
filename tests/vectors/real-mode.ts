/** Vectors recorded on an 80286 in real mode: each is the instruction and a HLT, run to the HLT; exceptions go through the interrupt table. */
import * as L from '../../vmm/cpu/layout.ts';
import type { VectorCase } from './format.ts';
import { bytesOf, number } from './format.ts';
import type { Processor } from './processor.node.ts';

const GPR = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds'] as const;
const ADDRESS_SPACE = 0x110000;
/** The top four bits of a 286's flags in real mode are 0; a 386's IOPL and NT may be set. */
const COMPARED_FLAGS = 0x0fd5;
const MOST_INSTRUCTIONS = 100_000;

export class RealModeRunner {
  readonly #processor: Processor;
  /** Flags the manual calls undefined for the instruction of this file. */
  readonly #undefined: number;

  constructor(processor: Processor, form: string) {
    this.#processor = processor;
    this.#undefined = undefinedFlags(form);
  }

  run(test: VectorCase): string {
    const { ram, core } = this.#processor;
    const expected = { ...test.i, ...test.o };
    ram.fill(0, 0, ADDRESS_SPACE);
    for (const [address, bytes] of test.m ?? []) ram.set(bytesOf(bytes), Number(number(address)));
    const state = this.#processor.initialState();
    GPR.forEach((name, i) => (state.gpr[i] = number(test.i[name] ?? '0')));
    for (const name of SEGMENTS) {
      const selector = Number(number(test.i[name] ?? '0'));
      state.segments[name] = { selector, base: BigInt(selector) << 4n, limit: 0xffff, attributes: name === 'cs' ? 0x9b00 : 0x9300 };
    }
    state.segments.idtr = { ...state.segments.idtr, base: 0n, limit: 0x3ff };
    state.rip = number(test.i['ip']!);
    state.eflags = (Number(number(test.i['flags']!)) & 0x0fd5) | 2;
    this.#processor.load(state);
    this.#processor.run(MOST_INSTRUCTIONS, true);

    const problems: string[] = [];
    const differ = (name: string, actual: number, wanted: number) => {
      if (actual !== wanted) problems.push(`${name} ${actual.toString(16)}, expected ${wanted.toString(16)}`);
    };
    GPR.forEach((name, i) => {
      differ(name, core.getUint16(L.GPR + i * 8, true), Number(number(expected[name] ?? '0')));
    });
    for (const [i, name] of SEGMENTS.entries()) {
      differ(name, core.getUint16(L.SEGMENTS + i * L.SEG_STRIDE + L.SEG_SELECTOR, true), Number(number(expected[name] ?? '0')));
    }
    differ('ip', core.getUint16(L.RIP, true), Number(number(expected['ip']!)));
    const flags = COMPARED_FLAGS & ~this.#undefined;
    differ('flags', this.#processor.eflags() & flags, Number(number(expected['flags']!)) & flags);
    for (const [address, bytes] of test.w ?? []) {
      const at = Number(number(address));
      const wanted = bytesOf(bytes);
      for (const [i, byte] of wanted.entries()) if (ram[at + i] !== byte) differ(`[${(at + i).toString(16)}]`, ram[at + i]!, byte);
    }
    return problems.join('; ');
  }
}

const CF = 1;
const PF = 4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

/** By opcode (and ModRM.reg), from the SDM's instruction pages. */
function undefinedFlags(form: string): number {
  const [opcode, row] = form.split('.');
  const reg = Number(row ?? 0);
  if (
    ['08', '09', '0A', '0B', '0C', '0D', '20', '21', '22', '23', '24', '25', '30', '31', '32', '33', '34', '35', '84', '85', 'A8', 'A9'].includes(
      opcode!,
    )
  )
    return AF;
  if (['80', '81', '82', '83'].includes(opcode!)) return reg === 1 || reg === 4 || reg === 6 ? AF : 0;
  if (opcode === '27' || opcode === '2F') return OF;
  if (opcode === '37' || opcode === '3F') return OF | SF | ZF | PF;
  if (opcode === 'D4' || opcode === 'D5') return OF | AF | CF;
  if (opcode === '69' || opcode === '6B') return SF | ZF | AF | PF;
  if (opcode === 'F6' || opcode === 'F7')
    return reg <= 1 ? AF : reg === 4 || reg === 5 ? SF | ZF | AF | PF : reg >= 6 ? OF | SF | ZF | AF | PF | CF : 0;
  if (['C0', 'C1', 'D0', 'D1', 'D2', 'D3'].includes(opcode!)) return (reg >= 4 ? AF : 0) | (opcode === 'D0' || opcode === 'D1' ? 0 : OF);
  return 0;
}
