/** x87 instructions that move values (SDM vol.1 8.3.2): with operands that raise nothing they need no helper. */
import type { Encoding } from './encoding.ts';
import type { Machine, Operand, Text } from './machine.ts';
import type { Bit, Int } from './value.ts';
import { and, signExtend, toBit, xor } from './value.ts';
import type { Extended } from './x87-stack.ts';
import {
  check,
  clearC1,
  fromIeee,
  fromInteger,
  inUse,
  markUsed,
  physical,
  pop,
  push,
  readOperand,
  readRegister,
  topOf,
  writeRegister,
} from './x87-stack.ts';

const loadIeee =
  (size: 32 | 64): Text =>
  (m, _size, memory) => {
    check(m);
    const { value, note } = readOperand(m, memory);
    const { plain, ...extended } = fromIeee(m, value, size);
    push(m, plain, extended, () => (size === 32 ? m.call('fpu_load_f32', toBit(value)) : m.call('fpu_load_f64', value)));
    note();
  };

const loadInteger =
  (size: 16 | 32 | 64): Text =>
  (m, _size, memory) => {
    check(m);
    const { value, note } = readOperand(m, memory);
    const integer: Int = m.let(signExtend(value, size));
    push(m, 1, fromInteger(m, integer), () => m.call('fpu_load_integer', integer));
    note();
  };

/** FLD1, FLDZ: the constants that no rounding changes. */
const loadConstant =
  (number: number, value: Extended): Text =>
  (m) => {
    check(m);
    push(m, 1, value, () => m.call('fpu_load_constant', number));
  };

const loadRegister: Text = (m, _size, st) => {
  check(m);
  const i = m.stackIndex(st);
  const register = physical(m, topOf(m), i);
  push(m, inUse(m, register), readRegister(m, register), () => m.call('fpu_load_register', i));
};

/** ST(0) and ST(i) if both are in use; otherwise `slow`. C1 is cleared. */
function onBoth(m: Machine, st: Operand, needed: 'top' | 'both', fast: (top: Bit, other: Bit) => void, slow: (i: Bit) => void): void {
  check(m);
  const i = m.stackIndex(st);
  const top = topOf(m);
  const other = physical(m, top, i);
  m.if(
    needed === 'both' ? inUse(m, top, other) : inUse(m, top),
    () => fast(top, other),
    () => slow(i),
    true,
  );
}

const exchange: Text = (m, _size, st) => {
  const fast = (top: Bit, other: Bit): void => {
    const [a, b] = [readRegister(m, top), readRegister(m, other)];
    writeRegister(m, top, b);
    writeRegister(m, other, a);
    clearC1(m);
  };
  onBoth(m, st, 'both', fast, (i) => m.call('fpu_exchange', i));
};

/** FSTP ST(i). */
const storePop: Text = (m, _size, st) => {
  const fast = (top: Bit, other: Bit): void => {
    writeRegister(m, other, readRegister(m, top));
    markUsed(m, other);
    pop(m, top);
  };
  onBoth(m, st, 'top', fast, (i) => m.call('fpu_store_register', i, 1));
};
const storeRegister: Text = (m, _size, st) => {
  const fast = (top: Bit, other: Bit): void => {
    writeRegister(m, other, readRegister(m, top));
    markUsed(m, other);
    clearC1(m);
  };
  onBoth(m, st, 'top', fast, (i) => m.call('fpu_store_register', i, 0));
};

/** FCHS, FABS: no exception but of the stack. */
const sign =
  (absolute: 0 | 1): Text =>
  (m) => {
    check(m);
    const top = topOf(m);
    m.if(
      inUse(m, top),
      () => {
        const { significand, exponent } = readRegister(m, top);
        writeRegister(m, top, { significand, exponent: absolute ? and(exponent, 0x7fffn) : xor(exponent, 0x8000n) });
        clearC1(m);
      },
      () => m.call('fpu_sign', absolute),
      true,
    );
  };

export const x87MoveEncodings: readonly Encoding[] = [
  { opcode: 'D9 /0', operands: 'Md', text: loadIeee(32), name: 'fld' },
  { opcode: 'DD /0', operands: 'Mq', text: loadIeee(64), name: 'fld' },
  { opcode: 'D9 C0+i', operands: 'F', text: loadRegister, name: 'fld' },
  { opcode: 'DF /0', operands: 'Mw', text: loadInteger(16), name: 'fild' },
  { opcode: 'DB /0', operands: 'Md', text: loadInteger(32), name: 'fild' },
  { opcode: 'DF /5', operands: 'Mq', text: loadInteger(64), name: 'fild' },
  { opcode: 'D9 E8', text: loadConstant(0, { significand: 1n << 63n, exponent: 0x3fffn }), name: 'fld1' },
  { opcode: 'D9 EE', text: loadConstant(6, { significand: 0n, exponent: 0n }), name: 'fldz' },
  { opcode: 'DD D0+i', operands: 'F', text: storeRegister, name: 'fst' },
  { opcode: 'DD D8+i', operands: 'F', text: storePop, name: 'fstp' },
  { opcode: 'D9 C8+i', operands: 'F', text: exchange, name: 'fxch' },
  { opcode: 'D9 E0', text: sign(0), name: 'fchs' },
  { opcode: 'D9 E1', text: sign(1), name: 'fabs' },
];
