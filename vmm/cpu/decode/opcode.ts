/** Reads the `opcode` notation of encodings (isa/encoding.ts). */
import { assert } from '../../base/errors.ts';

export type MandatoryPrefix = 'any' | 'none' | '66' | 'F3' | 'F2';

export interface Opcode {
  /** 0 one-byte, 1 0F, 2 0F38, 3 0F3A. */
  readonly map: number;
  readonly prefix: MandatoryPrefix;
  readonly vex?: { readonly l: '0' | '1' | 'any'; readonly w: '0' | '1' | 'any' };
  /** Opcode bytes: one, eight for `+r`, sixteen for `+c`. */
  readonly bytes: readonly number[];
  /** `+r`: the low three bits name a register. */
  readonly register: boolean;
  /** `/n` */
  readonly reg?: number;
  /** A fixed ModRM byte, or the first of eight (`+i`). */
  readonly modrm?: { readonly byte: number; readonly count: 1 | 8 };
}

const PREFIXES: Readonly<Record<string, MandatoryPrefix>> = { NP: 'none', '66': '66', F3: 'F3', F2: 'F2' };
const VEX_MAPS: Readonly<Record<string, number>> = { '0F': 1, '0F38': 2, '0F3A': 3 };

export function parseOpcode(notation: string): Opcode {
  const words = notation.split(' ');
  let map = 0;
  let prefix: MandatoryPrefix = 'any';
  let vex: Opcode['vex'];
  if (words[0]!.startsWith('VEX.')) {
    const fields = words.shift()!.split('.').slice(1);
    let [l, w]: ('0' | '1' | 'any')[] = ['any', 'any'];
    prefix = 'none';
    for (const field of fields) {
      if (field in VEX_MAPS) map = VEX_MAPS[field]!;
      else if (field in PREFIXES) prefix = PREFIXES[field]!;
      else if (field === 'L0' || field === 'LZ' || field === '128') l = '0';
      else if (field === 'L1' || field === '256') l = '1';
      else if (field === 'W0' || field === 'W1') w = field === 'W0' ? '0' : '1';
      else assert(['LIG', 'WIG'].includes(field), `VEX field ${field} of ${notation}`);
    }
    vex = { l: l!, w: w! };
    assert(map !== 0, `opcode map of ${notation}`);
  } else {
    // 66, F2 and F3 are prefixes only when an opcode byte follows.
    if (words.length > 1 && words[0]! in PREFIXES && !words[1]!.startsWith('/')) prefix = PREFIXES[words.shift()!]!;
    if (words[0] === '0F') {
      words.shift();
      map = 1;
      const escape = words[0] as string;
      if (escape === '38' || escape === '3A') map = words.shift() === '38' ? 2 : 3;
    }
  }
  const [, hex, suffix] = /^([0-9A-F]{2})(\+[rc])?$/.exec(words.shift() ?? '') ?? [];
  assert(hex, `opcode byte of ${notation}`);
  const first = parseInt(hex, 16);
  const count = suffix === '+r' ? 8 : suffix === '+c' ? 16 : 1;
  const rest = words.shift();
  assert(words.length === 0, `opcode notation ${notation}`);
  const digit = /^\/([0-7])$/.exec(rest ?? '');
  const fixed = /^([C-F][0-9A-F])(\+i)?$/.exec(rest ?? '');
  assert(rest === undefined || digit || fixed, `opcode notation ${notation}`);
  return {
    map,
    prefix,
    ...(vex && { vex }),
    bytes: Array.from({ length: count }, (_, i) => first + i),
    register: suffix === '+r',
    ...(digit && { reg: Number(digit[1]) }),
    ...(fixed && { modrm: { byte: parseInt(fixed[1]!, 16), count: fixed[2] ? 8 : 1 } }),
  };
}
