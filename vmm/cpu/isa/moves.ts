/** Data transfer, conversion, stack and flag-control instructions (SDM vol.1 7.3.1, 7.3.9, 7.3.13). */
import { STACK_MASK } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Condition, Machine, Operand, Size, Text } from './machine.ts';
import type { Int } from './value.ts';
import { add, and, bitOf, fromBit, greaterS, lessS, ne, not, or, shl, shrS, signExtend, sub, truncate, xor } from './value.ts';

const RAX = 0;
const RDX = 2;
const RBX = 3;
const RSP = 4;
const RBP = 5;

const mov: Text = (m, _size, to, from) => {
  m.write(to, m.read(from));
};
const movzx: Text = (m, _size, to, from) => {
  m.write(to, m.read(from));
};
const movsx: Text = (m, size, to, from) => {
  m.write(to, truncate(signExtend(m.read(from), from.size as Size), size));
};
const lea: Text = (m, size, to, from) => {
  m.write(to, truncate(m.effectiveAddress(from), size));
};
const nop: Text = () => undefined;

/** CMOVcc reads its source and writes its destination in either case: a 32-bit one is zero-extended. */
const cmov =
  (condition: Condition): Text =>
  (m, _size, to, from) => {
    const source = m.read(from);
    const old = m.read(to);
    const result = m.variable(old);
    m.if(m.condition(condition), () => {
      result.set(source);
    });
    m.write(to, result.get());
  };
const setcc =
  (condition: Condition): Text =>
  (m, _size, to) => {
    m.write(to, fromBit(m.condition(condition)));
  };

/** CBW, CWDE, CDQE: the accumulator's lower half, sign-extended into it. */
const cbw: Text = (m, size) => {
  const half = (size / 2) as Size;
  m.setRegister(RAX, size, truncate(signExtend(m.getRegister(RAX, half), half), size));
};
/** CWD, CDQ, CQO. */
const cwd: Text = (m, size) => {
  m.setRegister(RDX, size, truncate(shrS(signExtend(m.getRegister(RAX, size), size), 63n), size));
};

/** AL from DS:[rBX + AL]. */
const xlat: Text = (m) => {
  const offset = truncate(add(m.getRegister(RBX, m.addressSize), m.getRegister(RAX, 8)), m.addressSize);
  m.setRegister(RAX, 8, m.load(m.dataSegment(), m.let(offset), 8));
};

// -- stack

const push: Text = (m, size, from) => {
  m.push(size, m.read(from));
};
/** POP to memory computes its address after rSP moved (vol.2 POP). */
const pop: Text = (m, size, to) => {
  m.write(to, m.pop(size));
};

const pusha: Text = (m, size) => {
  const values = [0, 1, 2, 3, RSP, RBP, 6, 7].map((index) => m.getRegister(index, size));
  for (const value of values) m.push(size, value);
};
const popa: Text = (m, size) => {
  const values = [7, 6, RBP, RSP, RBX, RDX, 1, RAX].map((index) => [index, m.pop(size)] as const);
  for (const [index, value] of values) if (index !== RSP) m.setRegister(index, size, value);
};

/** rSP of the stack's width from a value of it; the bits beyond stay. */
function setStackPointer(m: Machine, value: Int): void {
  const mask = m.stateInt(STACK_MASK);
  const old = m.getRegister(RSP, 64);
  m.setRegister(RSP, 64, or(and(old, not(mask)), and(value, mask)));
}

const leave: Text = (m, size) => {
  const mask = m.stateInt(STACK_MASK);
  const frame = m.let(and(m.getRegister(RBP, 64), mask));
  const value = m.load(2, frame, size);
  setStackPointer(m, add(frame, BigInt(size / 8)));
  m.setRegister(RBP, size, value);
};

/** ENTER (vol.2): pushes rBP, copies `level - 1` frame pointers, makes room. A fault anywhere leaves the registers as they were. */
const enter: Text = (m, size, room, nesting) => {
  const mask = m.stateInt(STACK_MASK);
  const bytes = BigInt(size / 8);
  const level = m.let(and(m.read(nesting), 31n));
  const oldFrame = m.getRegister(RBP, 64);
  const top = m.variable(m.getRegister(RSP, 64));
  const pushAt = (value: Int): void => {
    top.set(and(sub(top.get(), bytes), mask));
    m.store(2, top.get(), size, value);
  };
  pushAt(truncate(oldFrame, size));
  const frame = m.let(top.get());
  m.if(toCondition(level), () => {
    const source = m.variable(oldFrame);
    const left = m.variable(sub(level, 1n));
    m.if(toCondition(left.get()), () => {
      m.loop(() => {
        source.set(and(sub(source.get(), bytes), mask));
        pushAt(m.load(2, source.get(), size));
        left.set(sub(left.get(), 1n));
        return toCondition(left.get());
      });
    });
    pushAt(truncate(frame, size));
  });
  const newTop = m.let(and(sub(top.get(), m.read(room)), mask));
  // the new top must be writable (vol.2: a stack fault is raised before anything is committed)
  const segment = 2;
  m.call('prepare_write', m.callInt('linear', segment, newTop, Number(bytes), 1), Number(bytes), segment);
  setStackPointer(m, newTop);
  m.setRegister(RBP, size, truncate(frame, size));
};

const toCondition = (value: Int) => ne(value, 0n);

// -- flags

const lahf: Text = (m) => {
  let flags: Int = 2n;
  for (const [name, bit] of [
    ['cf', 0n],
    ['pf', 2n],
    ['af', 4n],
    ['zf', 6n],
    ['sf', 7n],
  ] as const) {
    flags = or(flags, shl(fromBit(m.flag(name)), bit));
  }
  m.setRegister(RAX, 16, or(and(m.getRegister(RAX, 16), 0xffn), shl(flags, 8n)));
};
const sahf: Text = (m) => {
  const ax = m.getRegister(RAX, 16);
  m.setFlags({ cf: bitOf(ax, 8), pf: bitOf(ax, 10), af: bitOf(ax, 12), zf: bitOf(ax, 14), sf: bitOf(ax, 15) });
};
/** SALC (D6): AL = CF ? FF : 0; undocumented until 2008, in every processor. */
const salc: Text = (m) => {
  m.setRegister(RAX, 8, truncate(sub(0n, fromBit(m.flag('cf'))), 8));
};
const clc: Text = (m) => m.setFlags({ cf: 0 });
const stc: Text = (m) => m.setFlags({ cf: 1 });
const cmc: Text = (m) => m.setFlags({ cf: xorOne(m.flag('cf')) });
const cld: Text = (m) => m.setFlags({ df: 0 });
const std: Text = (m) => m.setFlags({ df: 1 });
const xorOne = (bit: ReturnType<Machine['flag']>) => xor(bit, 1);

/** RDRAND, RDSEED always succeed: CF = 1. */
const random: Text = (m, size, to) => {
  const low = fromBit(m.callBit('random32'));
  m.write(to, size === 64 ? or(low, shl(fromBit(m.callBit('random32')), 32n)) : truncate(low, size));
  m.setFlags({ cf: 1, of: 0, sf: 0, zf: 0, af: 0, pf: 0 });
};

/** BOUND: #BR unless lower <= index <= upper, signed, two values in memory. */
const bound: Text = (m, size, index: Operand, limits: Operand) => {
  const value = m.let(signExtend(m.read(index), size));
  const segment = m.segmentOf(limits);
  const offset = m.effectiveAddress(limits);
  const lower = signExtend(m.load(segment, offset, size), size);
  const upper = signExtend(m.load(segment, m.let(truncate(add(offset, BigInt(size / 8)), m.addressSize)), size), size);
  m.if(or(lessS(value, lower), greaterS(value, upper)), () => m.raise('BR'));
};

export const conditions: readonly Condition[] = ['o', 'no', 'b', 'nb', 'z', 'nz', 'be', 'nbe', 's', 'ns', 'p', 'np', 'l', 'nl', 'le', 'nle'];

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

export const moveEncodings: readonly Encoding[] = [
  { opcode: '88', operands: 'Eb Gb', text: mov, hot: true },
  { opcode: '89', operands: 'Ev Gv', text: mov, hot: true },
  { opcode: '8A', operands: 'Gb Eb', text: mov, hot: true },
  { opcode: '8B', operands: 'Gv Ev', text: mov, hot: true },
  { opcode: 'A0', operands: 'AL Ob', text: mov },
  { opcode: 'A1', operands: 'rAX Ov', text: mov, hot: true },
  { opcode: 'A2', operands: 'Ob AL', text: mov },
  { opcode: 'A3', operands: 'Ov rAX', text: mov, hot: true },
  { opcode: 'B0+r', operands: 'Zb Ib', text: mov, hot: true },
  { opcode: 'B8+r', operands: 'Zv Iv', text: mov, hot: true },
  { opcode: 'C6 /0', operands: 'Eb Ib', text: mov, hot: true },
  { opcode: 'C7 /0', operands: 'Ev Iz', text: mov, hot: true },
  { opcode: '0F B6', operands: 'Gv Eb', text: movzx, hot: true },
  { opcode: '0F B7', operands: 'Gv Ew', text: movzx, hot: true },
  { opcode: '0F BE', operands: 'Gv Eb', text: movsx, hot: true },
  { opcode: '0F BF', operands: 'Gv Ew', text: movsx, hot: true },
  { opcode: '63', operands: 'Gv Ed', text: movsx, name: 'movsxd', mode: 'o64', hot: true },
  { opcode: '8D', operands: 'Gv M', text: lea, hot: true },
  { opcode: '90', text: nop, hot: true },
  { opcode: 'F3 90', text: nop, name: 'pause' },
  // NOP Ev and the hint space 0F 18..1F, where PREFETCHh and ENDBR live
  ...Array.from({ length: 8 }, (_, i): Encoding => ({ opcode: `0F ${hex(0x18 + i)}`, operands: 'Ev', text: nop, hot: i === 7 })),
  { opcode: '0F 0D', operands: 'Ev', text: nop, name: 'prefetchw' },
  ...conditions.flatMap((condition, c): Encoding[] => [
    { opcode: `0F ${hex(0x40 + c)}`, operands: 'Gv Ev', text: cmov(condition), name: `cmov${condition}`, feature: 'cmov', hot: true },
    { opcode: `0F ${hex(0x90 + c)}`, operands: 'Eb', text: setcc(condition), name: `set${condition}`, hot: true },
  ]),
  { opcode: '98', text: cbw, size: 'v', hot: true },
  { opcode: '99', text: cwd, size: 'v', hot: true },
  { opcode: 'D7', text: xlat, addressed: true },
  { opcode: '50+r', operands: 'Zv', text: push, size: 'd64', hot: true },
  { opcode: '58+r', operands: 'Zv', text: pop, size: 'd64', hot: true },
  { opcode: '68', operands: 'Iz', text: push, size: 'd64', hot: true },
  { opcode: '6A', operands: 'Ibs', text: push, size: 'd64', hot: true },
  { opcode: 'FF /6', operands: 'Ev', text: push, size: 'd64', hot: true },
  { opcode: '8F /0', operands: 'Ev', text: pop, size: 'd64' },
  { opcode: '60', text: pusha, size: 'v', mode: 'i64' },
  { opcode: '61', text: popa, size: 'v', mode: 'i64' },
  { opcode: 'C8', operands: 'Iw Ib', text: enter, size: 'd64' },
  { opcode: 'C9', text: leave, size: 'd64', hot: true },
  { opcode: '9F', text: lahf },
  { opcode: '9E', text: sahf },
  { opcode: 'D6', text: salc, mode: 'i64' },
  { opcode: 'F8', text: clc },
  { opcode: 'F9', text: stc },
  { opcode: 'F5', text: cmc },
  { opcode: 'FC', text: cld, hot: true },
  { opcode: 'FD', text: std },
  { opcode: '62', operands: 'Gv M', text: bound, mode: 'i64', addressed: true },
  { opcode: '0F C7 /6', operands: 'Rv', text: random, name: 'rdrand', feature: 'rdrand' },
  { opcode: '0F C7 /7', operands: 'Rv', text: random, name: 'rdseed', feature: 'rdseed' },
];
