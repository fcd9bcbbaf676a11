/** Transfers through segments and gates: far JMP, CALL, RET, INT, IRET, SYSCALL, SYSENTER, HLT; the flags they guard (SDM vol.2). */
import type { Encoding } from './encoding.ts';
import type { Text } from './machine.ts';
import { readFarPointer } from './system-segments.ts';
import { toBit } from './value.ts';

const farImmediate =
  (helper: 'far_jump' | 'far_call'): Text =>
  (m, size, pointer) => {
    m.call(helper, m.farSelector(pointer), m.read(pointer), size, m.nextRip);
  };

const farMemory =
  (helper: 'far_jump' | 'far_call'): Text =>
  (m, size, memory) => {
    const { offset, selector } = readFarPointer(m, size, memory);
    m.call(helper, toBit(selector), offset, size, m.nextRip);
  };

const retf: Text = (m, size) => m.call('far_return', size, 0);
const retfRelease: Text = (m, size, bytes) => m.call('far_return', size, toBit(m.read(bytes)));
const iret: Text = (m, size) => m.call('interrupt_return', size, m.nextRip);
const int: Text = (m, _size, vector) => m.call('software_interrupt', toBit(m.read(vector)), m.nextRip);
const int3: Text = (m) => m.call('breakpoint_trap', m.nextRip);
const int1: Text = (m) => m.call('icebp', m.nextRip);
const into: Text = (m) => {
  m.if(m.flag('of'), () => m.call('overflow_trap', m.nextRip));
};

const syscall: Text = (m) => m.call('syscall', m.nextRip);
const sysret: Text = (m, size) => m.call('sysret', size);
const sysenter: Text = (m) => m.call('sysenter');
const sysexit: Text = (m, size) => m.call('sysexit', size);
const hlt: Text = (m) => m.call('halt', m.nextRip);

const pushf: Text = (m, size) => m.push(size, m.callInt('pushf_image', size));

const popf: Text = (m, size) => {
  m.call('popf_check', size);
  const value = m.pop(size);
  m.call('popf', size, value);
};

const cli: Text = (m) => m.call('cli');

const sti: Text = (m) => m.call('sti');

export const transferEncodings: readonly Encoding[] = [
  { opcode: 'EA', operands: 'Ap', text: farImmediate('far_jump'), name: 'jmp far', mode: 'i64' },
  { opcode: '9A', operands: 'Ap', text: farImmediate('far_call'), name: 'call far', mode: 'i64' },
  { opcode: 'FF /5', operands: 'M', text: farMemory('far_jump'), name: 'jmp far', size: 'v' },
  { opcode: 'FF /3', operands: 'M', text: farMemory('far_call'), name: 'call far', size: 'v' },
  { opcode: 'CB', text: retf, size: 'v' },
  { opcode: 'CA', operands: 'Iw', text: retfRelease, name: 'retf', size: 'v' },
  { opcode: 'CF', text: iret, size: 'v' },
  { opcode: 'CD', operands: 'Ib', text: int },
  { opcode: 'CC', text: int3 },
  { opcode: 'CE', text: into, mode: 'i64' },
  { opcode: 'F1', text: int1 },

  { opcode: '0F 05', text: syscall, feature: 'syscall' },
  { opcode: '0F 07', text: sysret, size: 'v', feature: 'syscall' },
  { opcode: '0F 34', text: sysenter },
  { opcode: '0F 35', text: sysexit, size: 'v' },
  { opcode: 'F4', text: hlt },

  { opcode: '9C', text: pushf, size: 'd64' },
  { opcode: '9D', text: popf, size: 'd64' },
  { opcode: 'FA', text: cli },
  { opcode: 'FB', text: sti },
];
