/** String instructions (SDM vol.1 7.3.8). Each turn of a repetition is committed whole, so that a fault or an interrupt finds rCX, rSI and rDI resumable. */
import { EVENTS } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Size, Text, Variable } from './machine.ts';
import type { Bit } from './value.ts';
import { add, and, greaterU, isZeroValue, select, sub, truncate } from './value.ts';

const RCX = 1;
const RSI = 6;
const RDI = 7;

/** Moves an index register by one element, down when DF is set. */
function advance(m: Machine, register: number, size: Size): void {
  const bytes = BigInt(size / 8);
  const step = select(m.flag('df'), truncate(-bytes & 0xffff_ffff_ffff_ffffn, m.addressSize), bytes);
  m.setRegister(register, m.addressSize, truncate(add(m.getRegister(register, m.addressSize), step), m.addressSize));
}

/** The body once, or as often as a REP prefix says. */
export function repeated(m: Machine, body: (turns?: Variable<Bit>) => void, until?: () => Bit): void {
  if (m.rep === 'none') body();
  else if (until) m.repeat(body, until);
  else m.repeat(body);
}

/** Fewer elements than this are not worth the call. */
const BULK = 8n;

/** In a repetition: lets a helper do many elements at once, unless an event wants to be seen after each. `run` gives the number of elements it did. */
function inBulk(m: Machine, turns: Variable<Bit>, run: () => Bit): void {
  m.if(and(greaterU(m.getRegister(RCX, m.addressSize), BULK), isZeroValue(m.stateBit(EVENTS))), () => turns.set(sub(turns.get(), run())));
}

const movs: Text = (m, size, to, from) => {
  repeated(m, (turns) => {
    if (turns) inBulk(m, turns, () => m.callBit('copy_run', m.segmentOf(from), size / 8, m.addressSize, turns.get()));
    m.write(to, m.read(from));
    advance(m, RSI, size);
    advance(m, RDI, size);
  });
};
const stos: Text = (m, size, to) => {
  const value = m.getRegister(0, size);
  repeated(m, (turns) => {
    if (turns) inBulk(m, turns, () => m.callBit('fill_run', size / 8, m.addressSize, turns.get()));
    m.write(to, value);
    advance(m, RDI, size);
  });
};
const lods: Text = (m, size, from) => {
  repeated(m, () => {
    m.setRegister(0, size, m.read(from));
    advance(m, RSI, size);
  });
};

/** REPE stops at the first difference, REPNE at the first match. */
const stopped = (m: Machine) => (): Bit => m.condition(m.rep === 'repne' ? 'z' : 'nz');

const untilEqual = (m: Machine): Bit => (m.rep === 'repne' ? 1 : 0);

const cmps: Text = (m, size, from, to) => {
  repeated(
    m,
    (turns) => {
      if (turns) inBulk(m, turns, () => m.callBit('compare_run', m.segmentOf(from), size / 8, m.addressSize, turns.get(), untilEqual(m)));
      const a = m.read(from);
      const b = m.read(to);
      advance(m, RSI, size);
      advance(m, RDI, size);
      m.flagsSub(size, a, m.let(truncate(sub(a, b), size)));
    },
    stopped(m),
  );
};
const scas: Text = (m, size, to) => {
  const a = m.getRegister(0, size);
  repeated(
    m,
    (turns) => {
      if (turns) inBulk(m, turns, () => m.callBit('scan_run', size / 8, m.addressSize, turns.get(), untilEqual(m)));
      const b = m.read(to);
      advance(m, RDI, size);
      m.flagsSub(size, a, m.let(truncate(sub(a, b), size)));
    },
    stopped(m),
  );
};

export const stringEncodings: readonly Encoding[] = [
  { opcode: 'A4', operands: 'Yb Xb', text: movs, rep: true },
  { opcode: 'A5', operands: 'Yv Xv', text: movs, rep: true },
  { opcode: 'A6', operands: 'Xb Yb', text: cmps, rep: true },
  { opcode: 'A7', operands: 'Xv Yv', text: cmps, rep: true },
  { opcode: 'AA', operands: 'Yb', text: stos, rep: true },
  { opcode: 'AB', operands: 'Yv', text: stos, rep: true },
  { opcode: 'AC', operands: 'Xb', text: lods, rep: true },
  { opcode: 'AD', operands: 'Xv', text: lods, rep: true },
  { opcode: 'AE', operands: 'Yb', text: scas, rep: true },
  { opcode: 'AF', operands: 'Yv', text: scas, rep: true },
];
