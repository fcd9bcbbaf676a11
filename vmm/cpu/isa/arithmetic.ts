/** Addition, subtraction, logic, comparison and exchange (SDM vol.1 7.3.2, 7.3.4). */
import type { Encoding } from './encoding.ts';
import type { Machine, Size, Text } from './machine.ts';
import type { Int } from './value.ts';
import { add, and, bitOf, eq, fromBit, not, or, select, signOf, sub, toBit, truncate, xor } from './value.ts';

/** AF of a + b or a - b = r: the carry into bit 4. */
const auxiliary = (a: Int, b: Int, r: Int) => bitOf(xor(xor(a, b), r), 4);

const addText: Text = (m, size, to, from) => {
  const b = m.read(from);
  const a = m.readForWrite(to);
  const r = m.let(truncate(add(a, b), size));
  m.write(to, r);
  m.flagsAdd(size, a, r);
};

const subText: Text = (m, size, to, from) => {
  const b = m.read(from);
  const a = m.readForWrite(to);
  const r = m.let(truncate(sub(a, b), size));
  m.write(to, r);
  m.flagsSub(size, a, r);
};

const cmp: Text = (m, size, left, right) => {
  const b = m.read(right);
  const a = m.read(left);
  m.flagsSub(size, a, m.let(truncate(sub(a, b), size)));
};

/** Sum with a carry in: the carry out is the majority of the operands' and the inverted result's top bits. */
function addWithCarry(m: Machine, size: Size, a: Int, b: Int, carry: Int): Int {
  return m.let(truncate(add(add(a, b), carry), size));
}
const carryOut = (a: Int, b: Int, r: Int, size: Size) => bitOf(or(and(a, b), and(or(a, b), not(r))), size - 1);
const borrowOut = (a: Int, b: Int, r: Int, size: Size) => bitOf(or(and(not(a), b), and(or(not(a), b), r)), size - 1);

const adc: Text = (m, size, to, from) => {
  const b = m.read(from);
  const a = m.readForWrite(to);
  const r = addWithCarry(m, size, a, b, fromBit(m.flag('cf')));
  m.write(to, r);
  const flags = { cf: carryOut(a, b, r, size), of: signOf(and(xor(a, r), xor(b, r)), size), af: auxiliary(a, b, r) };
  m.flagsResult(size, r, flags);
};

const sbb: Text = (m, size, to, from) => {
  const b = m.read(from);
  const a = m.readForWrite(to);
  const r = m.let(truncate(sub(sub(a, b), fromBit(m.flag('cf'))), size));
  m.write(to, r);
  const flags = { cf: borrowOut(a, b, r, size), of: signOf(and(xor(a, b), xor(a, r)), size), af: auxiliary(a, b, r) };
  m.flagsResult(size, r, flags);
};

const logic =
  (operate: (a: Int, b: Int) => Int): Text =>
  (m, size, to, from) => {
    const b = m.read(from);
    const r = m.let(operate(m.readForWrite(to), b));
    m.write(to, r);
    m.flagsLogic(size, r);
  };

const test: Text = (m, size, left, right) => {
  const b = m.read(right);
  m.flagsLogic(size, m.let(and(m.read(left), b)));
};

const inc: Text = (m, size, to) => {
  const a = m.readForWrite(to);
  const r = m.let(truncate(add(a, 1n), size));
  m.write(to, r);
  m.flagsIncrement(size, a, r);
};
const dec: Text = (m, size, to) => {
  const a = m.readForWrite(to);
  const r = m.let(truncate(sub(a, 1n), size));
  m.write(to, r);
  m.flagsDecrement(size, a, r);
};
const neg: Text = (m, size, to) => {
  const r = m.let(truncate(sub(0n, m.readForWrite(to)), size));
  m.write(to, r);
  m.flagsSub(size, 0n, r);
};
const notText: Text = (m, size, to) => {
  m.write(to, truncate(not(m.readForWrite(to)), size));
};

const xchg: Text = (m, _size, a, b) => {
  const x = m.readForWrite(a);
  const y = m.readForWrite(b);
  m.write(a, y);
  m.write(b, x);
};

const xadd: Text = (m, size, to, from) => {
  const b = m.read(from);
  const a = m.readForWrite(to);
  const r = m.let(truncate(add(a, b), size));
  if (to.kind === 'mem') {
    m.write(to, r);
    m.write(from, a);
  } else {
    // the sum wins when both name one register
    m.write(from, a);
    m.write(to, r);
  }
  m.flagsAdd(size, a, r);
};

/** CMPXCHG writes its destination in either case (SDM: so that a locked bus cycle ends with a write). */
const cmpxchg: Text = (m, size, to, from) => {
  const source = m.read(from);
  const old = m.readForWrite(to);
  const accumulator = m.getRegister(0, size);
  const equal = m.let(eq(accumulator, old));
  m.if(
    equal,
    () => m.write(to, source),
    () => {
      if (to.kind === 'mem') m.write(to, old);
      m.setRegister(0, size, old);
    },
  );
  m.flagsSub(size, accumulator, m.let(truncate(sub(accumulator, old), size)));
};

/** CMPXCHG8B, CMPXCHG16B: EDX:EAX (RDX:RAX) with memory, ECX:EBX into it. */
const cmpxchgPair: Text = (m, size, memory) => {
  const half: Size = size === 64 ? 64 : 32;
  const segment = m.segmentOf(memory);
  const offset = m.effectiveAddress(memory);
  const bytes = half / 4;
  if (half === 64) m.if(toBit(and(offset, 15n)), () => m.raise('GP')); // CMPXCHG16B (vol.2)
  m.call('prepare_write', m.callInt('linear', segment, offset, bytes, 1), bytes, segment);
  const low = m.load(segment, offset, half);
  const high = m.load(segment, m.let(add(offset, BigInt(half / 8))), half);
  const a = m.getRegister(0, half);
  const d = m.getRegister(2, half);
  const equal = m.let(and(eq(a, low), eq(d, high)));
  m.store(segment, offset, half, select(equal, m.getRegister(3, half), low));
  m.store(segment, m.let(add(offset, BigInt(half / 8))), half, select(equal, m.getRegister(1, half), high));
  m.if(
    equal,
    () => undefined,
    () => {
      m.setRegister(0, half, low);
      m.setRegister(2, half, high);
    },
  );
  m.setFlags({ zf: equal });
};

/** ADCX, ADOX: one chain of carries each, the other flags kept. */
const addChain =
  (flag: 'cf' | 'of'): Text =>
  (m, size, to, from) => {
    const b = m.read(from);
    const a = m.read(to);
    const r = addWithCarry(m, size, a, b, fromBit(m.flag(flag)));
    m.write(to, r);
    m.setFlags({ [flag]: carryOut(a, b, r, size) });
  };

/** The six forms of an operation of opcodes 00..3F, and its row of 80..83. */
function family(name: string, row: number, text: Text): Encoding[] {
  const hex = (n: number) => (row * 8 + n).toString(16).toUpperCase().padStart(2, '0');
  const lock = name !== 'cmp';
  return [
    { opcode: hex(0), operands: 'Eb Gb', text, name, lock, hot: true },
    { opcode: hex(1), operands: 'Ev Gv', text, name, lock, hot: true },
    { opcode: hex(2), operands: 'Gb Eb', text, name, hot: true },
    { opcode: hex(3), operands: 'Gv Ev', text, name, hot: true },
    { opcode: hex(4), operands: 'AL Ib', text, name, hot: true },
    { opcode: hex(5), operands: 'rAX Iz', text, name, hot: true },
    { opcode: `80 /${row}`, operands: 'Eb Ib', text, name, lock, hot: true },
    { opcode: `81 /${row}`, operands: 'Ev Iz', text, name, lock, hot: true },
    { opcode: `82 /${row}`, operands: 'Eb Ib', text, name, lock, mode: 'i64' },
    { opcode: `83 /${row}`, operands: 'Ev Ibs', text, name, lock, hot: true },
  ];
}

export const arithmeticEncodings: readonly Encoding[] = [
  ...family('add', 0, addText),
  ...family('or', 1, logic(or)),
  ...family('adc', 2, adc),
  ...family('sbb', 3, sbb),
  ...family('and', 4, logic(and)),
  ...family('sub', 5, subText),
  ...family('xor', 6, logic(xor)),
  ...family('cmp', 7, cmp),
  { opcode: '84', operands: 'Eb Gb', text: test, hot: true },
  { opcode: '85', operands: 'Ev Gv', text: test, hot: true },
  { opcode: 'A8', operands: 'AL Ib', text: test, hot: true },
  { opcode: 'A9', operands: 'rAX Iz', text: test, hot: true },
  { opcode: 'F6 /0', operands: 'Eb Ib', text: test, hot: true },
  { opcode: 'F7 /0', operands: 'Ev Iz', text: test, hot: true },
  { opcode: 'F6 /1', operands: 'Eb Ib', text: test },
  { opcode: 'F7 /1', operands: 'Ev Iz', text: test },
  { opcode: 'F6 /2', operands: 'Eb', text: notText, name: 'not', lock: true },
  { opcode: 'F7 /2', operands: 'Ev', text: notText, name: 'not', lock: true, hot: true },
  { opcode: 'F6 /3', operands: 'Eb', text: neg, lock: true },
  { opcode: 'F7 /3', operands: 'Ev', text: neg, lock: true, hot: true },
  { opcode: 'FE /0', operands: 'Eb', text: inc, lock: true, hot: true },
  { opcode: 'FF /0', operands: 'Ev', text: inc, lock: true, hot: true },
  { opcode: 'FE /1', operands: 'Eb', text: dec, lock: true, hot: true },
  { opcode: 'FF /1', operands: 'Ev', text: dec, lock: true, hot: true },
  { opcode: '40+r', operands: 'Zv', text: inc, mode: 'i64', hot: true },
  { opcode: '48+r', operands: 'Zv', text: dec, mode: 'i64', hot: true },
  { opcode: '86', operands: 'Eb Gb', text: xchg, lock: true },
  { opcode: '87', operands: 'Ev Gv', text: xchg, lock: true, hot: true },
  { opcode: '90+r', operands: 'Zv rAX', text: xchg },
  { opcode: '0F C0', operands: 'Eb Gb', text: xadd, lock: true, feature: 'i486' },
  { opcode: '0F C1', operands: 'Ev Gv', text: xadd, lock: true, feature: 'i486' },
  { opcode: '0F B0', operands: 'Eb Gb', text: cmpxchg, lock: true, feature: 'i486' },
  { opcode: '0F B1', operands: 'Ev Gv', text: cmpxchg, lock: true, feature: 'i486' },
  { opcode: '0F C7 /1', operands: 'M', text: cmpxchgPair, name: 'cmpxchg8b', size: 'v', lock: true, feature: 'cx8' },
  { opcode: '66 0F 38 F6', operands: 'Gy Ey', text: addChain('cf'), name: 'adcx', feature: 'adx' },
  { opcode: 'F3 0F 38 F6', operands: 'Gy Ey', text: addChain('of'), name: 'adox', feature: 'adx' },
];
