/** IN, OUT, INS, OUTS (SDM vol.2). */
import { SEG_ES } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Size, Text } from './machine.ts';
import { repeated } from './strings.ts';
import { add, select, toBit, truncate } from './value.ts';

const RAX = 0;
const RDX = 2;
const RSI = 6;
const RDI = 7;

/** Ports are at most 32 bits wide, whatever REX.W says. */
function width(size: Size): Size {
  return size === 64 ? 32 : size;
}

/** The port in an immediate byte, or in DX. */
const input: Text = (m, size, _register, port) => {
  const bits = width(size);
  const value = m.callInt('port_in', toBit(m.read(port)), bits / 8);
  m.setRegister(RAX, bits, value);
};

const output: Text = (m, size, port) => {
  const bits = width(size);
  m.call('port_out', toBit(m.read(port)), bits / 8, m.getRegister(RAX, bits));
};

/** A form of its own, because the size of OUT DX, AL is not that of its first operand. */
const outputByte: Text = (m, _size, port) => {
  m.call('port_out', toBit(m.read(port)), 1, m.getRegister(RAX, 8));
};

/** rSI or rDI moved by one element. */
function advance(m: Machine, register: number, bits: Size): void {
  const bytes = BigInt(bits / 8);
  const size = m.addressSize;
  m.setRegister(register, size, truncate(add(m.getRegister(register, size), select(m.flag('df'), -bytes, bytes)), size));
}

const ins: Text = (m, size) => {
  const bits = width(size);
  repeated(m, () => {
    const port = m.let(toBit(m.getRegister(RDX, 16)));
    const to = m.let(m.getRegister(RDI, m.addressSize));
    // A port is read only when its value can be stored: permission of both first.
    m.call('port_check', port, bits / 8);
    m.call('prepare_store', SEG_ES, to, bits / 8);
    m.store(SEG_ES, to, bits, m.callInt('port_in', port, bits / 8));
    advance(m, RDI, bits);
  });
};

const outs: Text = (m, size) => {
  const bits = width(size);
  repeated(m, () => {
    const port = m.let(toBit(m.getRegister(RDX, 16)));
    m.call('port_check', port, bits / 8);
    m.call('port_out', port, bits / 8, m.load(m.dataSegment(), m.getRegister(RSI, m.addressSize), bits));
    advance(m, RSI, bits);
  });
};

export const portEncodings: readonly Encoding[] = [
  { opcode: 'E4', operands: 'AL Ib', text: input, name: 'in' },
  { opcode: 'E5', operands: 'rAX Ib', text: input, name: 'in' },
  { opcode: 'EC', operands: 'AL DX', text: input, name: 'in' },
  { opcode: 'ED', operands: 'rAX DX', text: input, name: 'in' },
  { opcode: 'E6', operands: 'Ib AL', text: outputByte, name: 'out' },
  { opcode: 'E7', operands: 'Ib rAX', text: output, name: 'out' },
  { opcode: 'EE', operands: 'DX AL', text: outputByte, name: 'out' },
  { opcode: 'EF', operands: 'DX rAX', text: output, name: 'out' },
  { opcode: '6C', operands: 'Yb', text: ins, rep: true, addressed: true },
  { opcode: '6D', operands: 'Yv', text: ins, rep: true, addressed: true },
  { opcode: '6E', operands: 'Xb', text: outs, rep: true, addressed: true },
  { opcode: '6F', operands: 'Xv', text: outs, rep: true, addressed: true },
];
