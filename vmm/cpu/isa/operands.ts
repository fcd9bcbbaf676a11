/** Reads the `operands` notation of encodings (isa/encoding.ts) and gives each operand its place in the micro-op. */
import { assert } from '../../base/errors.ts';
import { SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS } from '../layout.ts';
import type { Operand, Size } from './machine.ts';

export type RegisterSource = 'reg' | 'rm' | 'vvvv' | 'opcode' | 'immediate' | { readonly field: number };
export type ImmediateKind = 'byte' | 'byteSigned' | 'word' | 'z' | 'v' | 'relativeByte' | 'relativeZ' | 'far' | 'offset';

/** An operand as the encoding names it. */
export interface OperandSpec {
  readonly code: string;
  readonly kind: Operand['kind'];
  /** Through ModRM.rm: 'register', 'memory', 'either'. */
  readonly rm?: 'register' | 'memory' | 'either';
  readonly source?: RegisterSource;
  readonly immediate?: ImmediateKind;
  /** DS:rSI, ES:rDI. */
  readonly string?: 'source' | 'destination';
  /** The constant that `1` stands for. */
  readonly constant?: bigint;
  /** Bits, by the operand size; `form` matters for types that differ between register and memory. */
  size(operandSize: Size, form: 'register' | 'memory'): number;
}

/** The operand of a handler: what bindings read and write. */
export interface BoundOperand extends Operand {
  /** Its field UOP_REGISTER + slot, if it is a register. */
  readonly slot: number;
  readonly address?: 'modrm' | 'offset' | 'source' | 'destination';
  /** The immediate that lies in UOP_DISPLACEMENT. */
  readonly second?: boolean;
  readonly constant?: bigint;
}

const SEGMENTS: Readonly<Record<string, number>> = { ES: SEG_ES, CS: SEG_CS, SS: SEG_SS, DS: SEG_DS, FS: SEG_FS, GS: SEG_GS };
/** Fixed registers: byte offset of the register in the micro-op's coding, and its size; 0: the operand size. */
const FIXED: Readonly<Record<string, readonly [field: number, size: number]>> = {
  AL: [0, 8],
  CL: [8, 8],
  DL: [16, 8],
  AH: [1, 8],
  AX: [0, 16],
  DX: [16, 16],
  rAX: [0, 0],
  rCX: [8, 0],
  rDX: [16, 0],
  rBX: [24, 0],
};

const SIZES: Readonly<Record<string, number>> = {
  b: 8,
  w: 16,
  d: 32,
  q: 64,
  dq: 128,
  qq: 256,
  x: 128,
  ps: 128,
  pd: 128,
  ss: 32,
  sd: 64,
  t: 80,
  '': 0,
};

function sizeOf(type: string, code: string): OperandSpec['size'] {
  if (type === 'v') return (size) => size;
  if (type === 'z') return (size) => Math.min(size, 32);
  if (type === 'y') return (size) => Math.max(size, 32);
  if (type === 'p') return (size) => size + 16;
  if (type === 'a') return (size) => size * 2;
  // A register of 32 bits, of which memory holds fewer (PINSRW, PEXTRB).
  if (type === 'dw') return (_size, form) => (form === 'register' ? 32 : 16);
  if (type === 'db') return (_size, form) => (form === 'register' ? 32 : 8);
  const fixed = SIZES[type];
  assert(fixed !== undefined, `operand type of ${code}`);
  return () => fixed;
}

export function parseOperand(code: string): OperandSpec {
  if (code === '1') return { code, kind: 'imm', constant: 1n, size: () => 8 };
  if (code in SEGMENTS) return { code, kind: 'segment', source: { field: SEGMENTS[code]! }, size: () => 16 };
  const register = FIXED[code];
  if (register) return { code, kind: 'reg', source: { field: register[0] }, size: (size) => register[1] || size };
  if (code === 'Ibs') return { code, kind: 'imm', immediate: 'byteSigned', size: (size) => size };
  const letter = code[0]!;
  const type = code.slice(1);
  const size = sizeOf(type, code);
  const base = { code, size };
  switch (letter) {
    case 'E':
      return { ...base, kind: 'reg', rm: 'either', source: 'rm' };
    case 'R':
      return { ...base, kind: 'reg', rm: 'register', source: 'rm' };
    case 'M':
      return { ...base, kind: 'mem', rm: 'memory' };
    case 'G':
      return { ...base, kind: 'reg', source: 'reg' };
    case 'B':
      return { ...base, kind: 'reg', source: 'vvvv' };
    case 'Z':
      return { ...base, kind: 'reg', source: 'opcode' };
    case 'S':
      return { ...base, kind: 'segment', source: 'reg' };
    case 'C':
      return { ...base, kind: 'control', source: 'reg', size: () => 64 };
    case 'D':
      return { ...base, kind: 'debug', source: 'reg', size: () => 64 };
    case 'I':
      return {
        ...base,
        kind: 'imm',
        immediate: type === 'b' ? 'byte' : type === 'w' ? 'word' : type === 'z' ? 'z' : 'v',
        size: type === 'z' ? (s) => s : size,
      };
    case 'J':
      return { ...base, kind: 'relative', immediate: type === 'b' ? 'relativeByte' : 'relativeZ', size: () => 64 };
    case 'A':
      return { ...base, kind: 'far', immediate: 'far' };
    case 'O':
      return { ...base, kind: 'mem', immediate: 'offset' };
    case 'X':
      return { ...base, kind: 'mem', string: 'source' };
    case 'Y':
      return { ...base, kind: 'mem', string: 'destination' };
    case 'F':
      return { ...base, kind: 'x87', rm: 'register', source: 'rm', size: () => 80 };
    case 'V':
      return { ...base, kind: 'xmm', source: 'reg' };
    case 'W':
      return { ...base, kind: 'xmm', rm: 'either', source: 'rm' };
    case 'U':
      return { ...base, kind: 'xmm', rm: 'register', source: 'rm' };
    case 'H':
      return { ...base, kind: 'xmm', source: 'vvvv' };
    case 'L':
      return { ...base, kind: 'xmm', source: 'immediate' };
    case 'P':
      return { ...base, kind: 'mmx', source: 'reg' };
    case 'Q':
      return { ...base, kind: 'mmx', rm: 'either', source: 'rm' };
    case 'N':
      return { ...base, kind: 'mmx', rm: 'register', source: 'rm' };
  }
  throw new Error(`operand code ${code}`);
}

/** The operands of one handler. `form` says which side an 'either' operand takes. */
export function bindOperands(specs: readonly OperandSpec[], size: Size, form: 'register' | 'memory'): BoundOperand[] {
  let immediates = 0;
  return specs.map((spec, slot): BoundOperand => {
    const memory = spec.rm === 'memory' || (spec.rm === 'either' && form === 'memory') || spec.string !== undefined || spec.immediate === 'offset';
    const second = spec.kind === 'imm' && spec.immediate !== undefined && immediates++ > 0;
    return {
      kind: memory ? 'mem' : spec.kind,
      size: spec.size(size, memory ? 'memory' : 'register'),
      slot: memory || spec.source === undefined ? -1 : slot,
      ...(memory && { address: spec.string ?? (spec.immediate === 'offset' ? 'offset' : 'modrm') }),
      ...(second && { second }),
      ...(spec.constant !== undefined && { constant: spec.constant }),
    };
  });
}
