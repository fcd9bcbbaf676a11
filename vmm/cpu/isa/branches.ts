/** Near transfers of control (SDM vol.1 7.3.7). Far ones are system-transfers.ts. */
import { STACK_MASK } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Condition, Machine, Operand, Size, Text } from './machine.ts';
import type { Bit } from './value.ts';
import { add, and, eq, ne, not, notBit, or, sub, truncate } from './value.ts';
import { conditions } from './moves.ts';

const RCX = 1;
const RSP = 4;

const jcc =
  (condition: Condition): Text =>
  (m, size, target) => {
    m.branch(size, m.condition(condition), target);
  };
const jmp: Text = (m, size, target) => {
  m.jumpRelative(size, target);
};
const jmpIndirect: Text = (m, _size, target) => {
  m.jump(m.read(target));
};
const call: Text = (m, size, target) => {
  m.push(size, truncate(m.nextRip, size));
  m.jumpRelative(size, target);
};
const callIndirect: Text = (m, size, from) => {
  const target = m.read(from);
  m.push(size, truncate(m.nextRip, size));
  m.jump(target);
};
const ret: Text = (m, size) => {
  m.jump(m.pop(size));
};
/** RET imm16 releases its caller's arguments. */
const retRelease: Text = (m, size, bytes) => {
  const mask = m.stateInt(STACK_MASK);
  const top = m.getRegister(RSP, 64);
  const target = m.pop(size);
  m.setRegister(RSP, 64, or(and(top, not(mask)), and(add(top, add(m.read(bytes), BigInt(size / 8))), mask)));
  m.jump(target);
};

/** LOOP, LOOPE, LOOPNE count in rCX of the address size; flags stay. */
function count(m: Machine): Bit {
  const left = m.let(truncate(sub(m.getRegister(RCX, m.addressSize), 1n), m.addressSize));
  m.setRegister(RCX, m.addressSize, left);
  return ne(left, 0n);
}
const loop: Text = (m, size, target) => m.branch(size, count(m), target);
const loope: Text = (m, size, target) => {
  const zero = m.flag('zf');
  m.branch(size, and(count(m), zero), target);
};
const loopne: Text = (m, size, target) => {
  const other = m.let(notBit(m.flag('zf')));
  m.branch(size, and(count(m), other), target);
};
const jcxz: Text = (m: Machine, size: Size, target: Operand) => m.branch(size, eq(m.getRegister(RCX, m.addressSize), 0n), target);

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

export const branchEncodings: readonly Encoding[] = [
  ...conditions.flatMap((condition, c): Encoding[] => [
    { opcode: hex(0x70 + c), operands: 'Jb', text: jcc(condition), name: `j${condition}`, size: 'f64', hot: true },
    { opcode: `0F ${hex(0x80 + c)}`, operands: 'Jz', text: jcc(condition), name: `j${condition}`, size: 'f64', hot: true },
  ]),
  { opcode: 'EB', operands: 'Jb', text: jmp, size: 'f64', hot: true },
  { opcode: 'E9', operands: 'Jz', text: jmp, size: 'f64', hot: true },
  { opcode: 'FF /4', operands: 'Ev', text: jmpIndirect, name: 'jmp', size: 'f64', hot: true },
  { opcode: 'E8', operands: 'Jz', text: call, size: 'f64', hot: true },
  { opcode: 'FF /2', operands: 'Ev', text: callIndirect, name: 'call', size: 'f64', hot: true },
  { opcode: 'C3', text: ret, size: 'f64', hot: true },
  { opcode: 'C2', operands: 'Iw', text: retRelease, name: 'ret', size: 'f64' },
  { opcode: 'E0', operands: 'Jb', text: loopne, size: 'f64', addressed: true },
  { opcode: 'E1', operands: 'Jb', text: loope, size: 'f64', addressed: true },
  { opcode: 'E2', operands: 'Jb', text: loop, size: 'f64', addressed: true },
  { opcode: 'E3', operands: 'Jb', text: jcxz, size: 'f64', addressed: true },
];
