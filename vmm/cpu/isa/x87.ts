/**
 * The x87 instructions (SDM vol.1 8, vol.2 D8-DF). The arithmetic is assembly/fpu; a text moves the memory operand and sees to the order of
 * faults: #NM and #MF first, then the operand's, and a store writes memory before the stack changes.
 */
import { FCW, FPU_NEXT_FSW, FPU_NEXT_FTW, FSW, FTW, SCRATCH } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Condition, Machine, Operand, Size, Text } from './machine.ts';
import type { Bit, Int } from './value.ts';
import { atLeastS, bitOf, fromBit, or, shl, signExtend, toBit, truncate } from './value.ts';
import { x87MoveEncodings } from './x87-moves.ts';
import { check, placeOf, readOperand } from './x87-stack.ts';

// ModRM.reg of D8 and DC..DE names the operation
const ADD = 0;
const MULTIPLY = 1;
const SUBTRACT = 4;
const SUBTRACT_REVERSED = 5;
const DIVIDE = 6;
const DIVIDE_REVERSED = 7;

/** An instruction whose work is one helper call without operands of its own. */
const simple =
  (helper: string, ...args: number[]): Text =>
  (m) => {
    check(m);
    m.call(helper, ...args);
  };

/** The same on the register ST(i) of the encoding. */
const onRegister =
  (helper: string, ...args: number[]): Text =>
  (m, _size, st) => {
    check(m);
    m.call(helper, m.stackIndex(st), ...args);
  };

/** ST(0) with an integer or IEEE operand from memory. */
const withMemory =
  (run: (m: Machine, value: Int, size: Size) => void): Text =>
  (m, _size, memory) => {
    check(m);
    const { value, note } = readOperand(m, memory);
    run(m, value, memory.size as Size);
    note();
  };

const arithmetic = (op: number) => ({
  f32: withMemory((m, value) => m.call('fpu_arithmetic_f32', op, toBit(value))),
  f64: withMemory((m, value) => m.call('fpu_arithmetic_f64', op, value)),
  integer: withMemory((m, value, size) => m.call('fpu_arithmetic_integer', op, signExtend(value, size))),
  /** ST(0) = ST(0) op ST(i) */
  toTop: ((m, _size, st) => {
    check(m);
    m.call('fpu_arithmetic', op, 0, m.stackIndex(st), 0);
  }) as Text,
  /** ST(i) = ST(i) op ST(0) */
  toRegister: (pops: number): Text => {
    return (m, _size, st) => {
      check(m);
      m.call('fpu_arithmetic', op, m.stackIndex(st), 0, pops);
    };
  },
});

/** Stores: compute, write memory if no unmasked exception keeps it, then commit flags and pop. */
function store(prepare: (m: Machine) => Bit, write: (m: Machine, segment: Bit, offset: Int) => void): Text {
  return (m, _size, memory) => {
    check(m);
    const { segment, offset, note } = placeOf(m, memory);
    m.if(m.let(prepare(m)), () => write(m, segment, offset), undefined, true);
    m.setStateBit(FSW, m.stateBit(FPU_NEXT_FSW));
    m.setStateBit(FTW, m.stateBit(FPU_NEXT_FTW));
    note();
  };
}

const writeScratch =
  (size: 16 | 32 | 64) =>
  (m: Machine, segment: Bit, offset: Int): void =>
    m.store(segment, offset, size, truncate(m.stateInt(SCRATCH), size));
/** Ten bytes: prepared as a whole, so that a fault on the second part leaves the first unwritten. */
const writeScratch80 = (m: Machine, segment: Bit, offset: Int): void => {
  const linear = m.callInt('linear', segment, offset, 10, 1);
  m.call('store_block', linear, 10, segment, SCRATCH);
};

const storeF32 = (pops: number) => store((m) => m.callBit('fpu_store_f32', pops), writeScratch(32));
const storeF64 = (pops: number) => store((m) => m.callBit('fpu_store_f64', pops), writeScratch(64));
const storeInteger = (bits: 16 | 32 | 64, pops: number, truncation = 0) =>
  store((m) => m.callBit('fpu_store_integer', bits, truncation, pops), writeScratch(bits));

/** Loads of ten bytes. */
const load80 =
  (helper: 'fpu_load_extended' | 'fpu_load_bcd'): Text =>
  (m, _size, memory) => {
    check(m);
    const { segment, offset, note } = placeOf(m, memory);
    const linear = m.callInt('linear', segment, offset, 10, 0);
    m.call('load_block', linear, 10, segment, SCRATCH);
    m.call(helper, m.stateInt(SCRATCH), toBit(truncate(m.stateInt(SCRATCH + 8), 16)));
    note();
  };

const fcmov =
  (condition: Condition): Text =>
  (m, _size, st) => {
    check(m);
    m.call('fpu_move', m.stackIndex(st), m.condition(condition));
  };

/** FCOMI and relatives: ZF PF CF from the comparison, the others cleared, unless an unmasked exception keeps them. */
const compareFlags =
  (quiet: number, pops: number): Text =>
  (m, _size, st) => {
    check(m);
    const result = m.let(m.callBit('fpu_compare_flags', m.stackIndex(st), quiet, pops));
    m.if(atLeastS(result, 0), () => {
      m.setFlags({ cf: bitOf(fromBit(result), 0), pf: bitOf(fromBit(result), 2), zf: bitOf(fromBit(result), 6), of: 0, sf: 0, af: 0 });
    });
  };

// -- control

const fninit: Text = (m) => {
  m.call('fpu_available');
  m.call('fpu_initialize');
};
const fnclex: Text = (m) => {
  m.call('fpu_available');
  m.call('fpu_clear_exceptions');
};
const fnop: Text = (m) => check(m);
/** FNENI, FNDISI, FNSETPM: coprocessor instructions that do nothing since the 387. */
const fneni: Text = (m) => m.call('fpu_available');
const wait: Text = (m) => m.call('fpu_wait');
const fldcw: Text = (m, _size, memory) => {
  check(m);
  m.call('fpu_load_control', toBit(m.read(memory)));
};
const fnstcw: Text = (m, _size, memory) => {
  m.call('fpu_available');
  m.write(memory, fromBit(m.stateBit(FCW)));
};
const fnstsw: Text = (m, _size, destination) => {
  m.call('fpu_available');
  m.write(destination, fromBit(m.stateBit(FSW)));
};

/** 32-bit image unless the operand size is 16. */
const isWide = (size: Size) => (size === 16 ? 0 : 1);

function storeImage(m: Machine, memory: Operand, bytes: number): void {
  const segment = m.segmentOf(memory);
  const linear = m.callInt('linear', segment, m.effectiveAddress(memory), bytes, 1);
  m.call('store_block', linear, bytes, segment, SCRATCH);
}

function loadImage(m: Machine, memory: Operand, bytes: number): void {
  const segment = m.segmentOf(memory);
  const linear = m.callInt('linear', segment, m.effectiveAddress(memory), bytes, 0);
  m.call('load_block', linear, bytes, segment, SCRATCH);
}

const fnstenv: Text = (m, size, memory) => {
  m.call('fpu_available');
  m.callBit('fpu_environment', isWide(size));
  storeImage(m, memory, size === 16 ? 14 : 28);
  m.call('fpu_mask_all');
};
const fldenv: Text = (m, size, memory) => {
  check(m);
  loadImage(m, memory, size === 16 ? 14 : 28);
  m.call('fpu_load_environment', isWide(size));
};
const fnsave: Text = (m, size, memory) => {
  m.call('fpu_available');
  m.callBit('fpu_save', isWide(size));
  storeImage(m, memory, size === 16 ? 94 : 108);
  m.call('fpu_initialize');
};
const frstor: Text = (m, size, memory) => {
  check(m);
  loadImage(m, memory, size === 16 ? 94 : 108);
  m.call('fpu_restore', isWide(size));
};

// -- FXSAVE, XSAVE

const area =
  (helper: string): Text =>
  (m, size, memory) => {
    m.call('fpu_available');
    m.call(helper, m.segmentOf(memory), m.effectiveAddress(memory), size === 64 ? 1 : 0);
  };
const maskedArea =
  (helper: string): Text =>
  (m, size, memory) => {
    m.call('xsave_available');
    m.call('fpu_available');
    const mask = or(shl(m.getRegister(2, 32), 32n), m.getRegister(0, 32));
    m.call(helper, m.segmentOf(memory), m.effectiveAddress(memory), size === 64 ? 1 : 0, mask);
  };

const operations = { fadd: ADD, fmul: MULTIPLY, fsub: SUBTRACT, fsubr: SUBTRACT_REVERSED, fdiv: DIVIDE, fdivr: DIVIDE_REVERSED };

/** Register number of DC and DE: the reversed forms are swapped against D8 (SDM vol.2 table A-13..). */
const swapped = (op: number) => (op >= SUBTRACT ? op ^ 1 : op);

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

export const x87Encodings: readonly Encoding[] = [
  ...Object.entries(operations).flatMap(([name, op]): Encoding[] => {
    const a = arithmetic(op);
    return [
      { opcode: `D8 /${op}`, operands: 'Md', text: a.f32, name },
      { opcode: `DC /${op}`, operands: 'Mq', text: a.f64, name },
      { opcode: `DA /${op}`, operands: 'Md', text: a.integer, name: name.replace('f', 'fi') },
      { opcode: `DE /${op}`, operands: 'Mw', text: a.integer, name: name.replace('f', 'fi') },
      { opcode: `D8 ${hex(0xc0 + op * 8)}+i`, operands: 'F', text: a.toTop, name },
      { opcode: `DC ${hex(0xc0 + swapped(op) * 8)}+i`, operands: 'F', text: a.toRegister(0), name },
      { opcode: `DE ${hex(0xc0 + swapped(op) * 8)}+i`, operands: 'F', text: a.toRegister(1), name: `${name}p` },
    ];
  }),
  ...[0, 1].flatMap((pops): Encoding[] => {
    const name = pops ? 'fcomp' : 'fcom';
    const reg = 2 + pops;
    return [
      { opcode: `D8 /${reg}`, operands: 'Md', text: withMemory((m, x) => m.call('fpu_compare_f32', toBit(x), pops)), name },
      { opcode: `DC /${reg}`, operands: 'Mq', text: withMemory((m, x) => m.call('fpu_compare_f64', x, pops)), name },
      {
        opcode: `DA /${reg}`,
        operands: 'Md',
        text: withMemory((m, x, size) => m.call('fpu_compare_integer', signExtend(x, size), pops)),
        name: name.replace('f', 'fi'),
      },
      {
        opcode: `DE /${reg}`,
        operands: 'Mw',
        text: withMemory((m, x, size) => m.call('fpu_compare_integer', signExtend(x, size), pops)),
        name: name.replace('f', 'fi'),
      },
      { opcode: `D8 ${hex(0xd0 + pops * 8)}+i`, operands: 'F', text: onRegister('fpu_compare', 0, pops), name },
      { opcode: `DC ${hex(0xd0 + pops * 8)}+i`, operands: 'F', text: onRegister('fpu_compare', 0, pops), name },
      { opcode: `DD ${hex(0xe0 + pops * 8)}+i`, operands: 'F', text: onRegister('fpu_compare', 1, pops), name: pops ? 'fucomp' : 'fucom' },
    ];
  }),
  { opcode: 'DE D0+i', operands: 'F', text: onRegister('fpu_compare', 0, 1), name: 'fcomp' },
  { opcode: 'DE D9', text: simple('fpu_compare', 1, 0, 2), name: 'fcompp' },
  { opcode: 'DA E9', text: simple('fpu_compare', 1, 1, 2), name: 'fucompp' },
  { opcode: 'DB F0+i', operands: 'F', text: compareFlags(0, 0), name: 'fcomi' },
  { opcode: 'DB E8+i', operands: 'F', text: compareFlags(1, 0), name: 'fucomi' },
  { opcode: 'DF F0+i', operands: 'F', text: compareFlags(0, 1), name: 'fcomip' },
  { opcode: 'DF E8+i', operands: 'F', text: compareFlags(1, 1), name: 'fucomip' },
  { opcode: 'D9 E4', text: simple('fpu_test'), name: 'ftst' },
  { opcode: 'D9 E5', text: simple('fpu_examine'), name: 'fxam' },
  // loads
  ...x87MoveEncodings,
  { opcode: 'DB /5', operands: 'M', text: load80('fpu_load_extended'), name: 'fld' },
  { opcode: 'DF /4', operands: 'M', text: load80('fpu_load_bcd'), name: 'fbld' },
  ...['fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2'].map((name, n): Encoding => ({
    opcode: `D9 ${hex(0xe9 + n)}`,
    text: simple('fpu_load_constant', n + 1),
    name,
  })),
  // stores
  { opcode: 'D9 /2', operands: 'Md', text: storeF32(0), name: 'fst' },
  { opcode: 'D9 /3', operands: 'Md', text: storeF32(1), name: 'fstp' },
  { opcode: 'DD /2', operands: 'Mq', text: storeF64(0), name: 'fst' },
  { opcode: 'DD /3', operands: 'Mq', text: storeF64(1), name: 'fstp' },
  { opcode: 'DB /7', operands: 'M', text: store((m) => m.callBit('fpu_store_extended', 1), writeScratch80), name: 'fstp' },
  { opcode: 'DF /6', operands: 'M', text: store((m) => m.callBit('fpu_store_bcd', 1), writeScratch80), name: 'fbstp' },
  { opcode: 'DF /2', operands: 'Mw', text: storeInteger(16, 0), name: 'fist' },
  { opcode: 'DF /3', operands: 'Mw', text: storeInteger(16, 1), name: 'fistp' },
  { opcode: 'DB /2', operands: 'Md', text: storeInteger(32, 0), name: 'fist' },
  { opcode: 'DB /3', operands: 'Md', text: storeInteger(32, 1), name: 'fistp' },
  { opcode: 'DF /7', operands: 'Mq', text: storeInteger(64, 1), name: 'fistp' },
  { opcode: 'DF /1', operands: 'Mw', text: storeInteger(16, 1, 1), name: 'fisttp', feature: 'sse3' },
  { opcode: 'DB /1', operands: 'Md', text: storeInteger(32, 1, 1), name: 'fisttp', feature: 'sse3' },
  { opcode: 'DD /1', operands: 'Mq', text: storeInteger(64, 1, 1), name: 'fisttp', feature: 'sse3' },
  // moves and the stack
  { opcode: 'DD C0+i', operands: 'F', text: onRegister('fpu_free', 0), name: 'ffree' },
  { opcode: 'DF C0+i', operands: 'F', text: onRegister('fpu_free', 1), name: 'ffreep' },
  { opcode: 'D9 F6', text: simple('fpu_rotate', -1), name: 'fdecstp' },
  { opcode: 'D9 F7', text: simple('fpu_rotate', 1), name: 'fincstp' },
  ...(['b', 'z', 'be', 'p'] as const).map((c, n): Encoding => ({
    opcode: `DA ${hex(0xc0 + n * 8)}+i`,
    operands: 'F',
    text: fcmov(c),
    name: `fcmov${c}`,
    feature: 'cmov',
  })),
  ...(['nb', 'nz', 'nbe', 'np'] as const).map((c, n): Encoding => ({
    opcode: `DB ${hex(0xc0 + n * 8)}+i`,
    operands: 'F',
    text: fcmov(c),
    name: `fcmov${c}`,
    feature: 'cmov',
  })),
  // functions
  { opcode: 'D9 F0', text: simple('fpu_function', 2), name: 'f2xm1' },
  { opcode: 'D9 F1', text: simple('fpu_function2', 1), name: 'fyl2x' },
  { opcode: 'D9 F2', text: simple('fpu_two_results', 1), name: 'fptan' },
  { opcode: 'D9 F3', text: simple('fpu_function2', 0), name: 'fpatan' },
  { opcode: 'D9 F4', text: simple('fpu_extract'), name: 'fxtract' },
  { opcode: 'D9 F5', text: simple('fpu_remainder', 1), name: 'fprem1' },
  { opcode: 'D9 F8', text: simple('fpu_remainder', 0), name: 'fprem' },
  { opcode: 'D9 F9', text: simple('fpu_function2', 2), name: 'fyl2xp1' },
  { opcode: 'D9 FA', text: simple('fpu_function', 0), name: 'fsqrt' },
  { opcode: 'D9 FB', text: simple('fpu_two_results', 0), name: 'fsincos' },
  { opcode: 'D9 FC', text: simple('fpu_function', 1), name: 'frndint' },
  { opcode: 'D9 FD', text: simple('fpu_scale'), name: 'fscale' },
  { opcode: 'D9 FE', text: simple('fpu_function', 3), name: 'fsin' },
  { opcode: 'D9 FF', text: simple('fpu_function', 4), name: 'fcos' },
  // control
  { opcode: 'D9 D0', text: fnop, name: 'fnop' },
  { opcode: '9B', text: wait, name: 'wait' },
  { opcode: 'DB E0', text: fneni, name: 'fneni' },
  { opcode: 'DB E1', text: fneni, name: 'fndisi' },
  { opcode: 'DB E2', text: fnclex, name: 'fnclex' },
  { opcode: 'DB E3', text: fninit, name: 'fninit' },
  { opcode: 'DB E4', text: fneni, name: 'fnsetpm' },
  { opcode: 'D9 /5', operands: 'Mw', text: fldcw, name: 'fldcw' },
  { opcode: 'D9 /7', operands: 'Mw', text: fnstcw, name: 'fnstcw' },
  { opcode: 'DD /7', operands: 'Mw', text: fnstsw, name: 'fnstsw' },
  { opcode: 'DF E0', operands: 'AX', text: fnstsw, name: 'fnstsw' },
  { opcode: 'D9 /4', operands: 'M', text: fldenv, name: 'fldenv' },
  { opcode: 'D9 /6', operands: 'M', text: fnstenv, name: 'fnstenv' },
  { opcode: 'DD /4', operands: 'M', text: frstor, name: 'frstor' },
  { opcode: 'DD /6', operands: 'M', text: fnsave, name: 'fnsave' },
  { opcode: 'NP 0F AE /0', operands: 'M', text: area('fpu_fxsave'), name: 'fxsave', feature: 'fxsr' },
  { opcode: 'NP 0F AE /1', operands: 'M', text: area('fpu_fxrstor'), name: 'fxrstor', feature: 'fxsr' },
  { opcode: 'NP 0F AE /4', operands: 'M', text: maskedArea('fpu_xsave'), name: 'xsave', feature: 'xsave' },
  { opcode: 'NP 0F AE /5', operands: 'M', text: maskedArea('fpu_xrstor'), name: 'xrstor', feature: 'xsave' },
  { opcode: 'NP 0F AE /6', operands: 'M', text: maskedArea('fpu_xsave'), name: 'xsaveopt', feature: 'xsaveopt' },
];
