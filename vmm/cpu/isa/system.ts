/** Control, debug and model-specific registers, descriptor tables, CPUID, caches, the TLB (SDM vol.2; what they do is in assembly/system). */
import { SEGMENTS, SEG_BASE, SEG_GDTR, SEG_IDTR, SEG_LDTR, SEG_LIMIT, SEG_STRIDE, SEG_TR } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Text } from './machine.ts';
import { portEncodings } from './system-io.ts';
import { segmentEncodings } from './system-segments.ts';
import { transferEncodings } from './system-transfers.ts';
import type { Int } from './value.ts';
import { add, and, fromBit, low32, or, shl, shrU, toBit, truncate } from './value.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;

/** EDX:EAX, as RDMSR, RDTSC and XGETBV give it and their opposites take it. */
function setPair(m: Machine, value: Int): void {
  m.setRegister(RAX, 32, low32(value));
  m.setRegister(RDX, 32, shrU(value, 32n));
}
function pair(m: Machine): Int {
  return m.let(or(m.getRegister(RAX, 32), shl(m.getRegister(RDX, 32), 32n)));
}

const move: Text = (m, _size, destination, source) => m.write(destination, m.read(source));

/** A helper without operands. */
const simple =
  (helper: string): Text =>
  (m) =>
    m.call(helper);

/** A helper that takes a selector. */
const onSelector =
  (helper: 'lldt' | 'ltr'): Text =>
  (m, _size, source) =>
    m.call(helper, toBit(truncate(m.read(source), 16)));

const storeSelector =
  (segment: number): Text =>
  (m, _size, destination) => {
    m.call('check_umip');
    m.write(destination, fromBit(m.callBit('selector', segment)));
  };

/** The 24-bit base of 16-bit code is a 286's; 64-bit code always has 8 bytes. */
const loadTable =
  (helper: 'lgdt' | 'lidt'): Text =>
  (m, size, memory) => {
    const address = m.let(m.effectiveAddress(memory));
    const segment = m.segmentOf(memory);
    const limit = m.load(segment, address, 16);
    const base = m.load(segment, add(address, 2n), size === 64 ? 64 : 32);
    m.call(helper, toBit(limit), size === 16 ? and(base, 0xffffffn) : base);
  };

const storeTable =
  (table: number): Text =>
  (m, size, memory) => {
    m.call('check_umip');
    const at = SEGMENTS + table * SEG_STRIDE;
    const address = m.let(m.effectiveAddress(memory));
    const segment = m.segmentOf(memory);
    const base = m.stateInt(at + SEG_BASE);
    m.store(segment, address, 16, truncate(fromBit(m.stateBit(at + SEG_LIMIT)), 16));
    m.store(segment, add(address, 2n), size === 64 ? 64 : 32, size === 64 ? base : low32(base));
  };

const smsw: Text = (m, size, destination) => {
  m.call('check_umip');
  m.write(destination, truncate(m.callInt('smsw'), size));
};
const smswMemory: Text = (m, _size, destination) => {
  m.call('check_umip');
  m.write(destination, truncate(m.callInt('smsw'), 16));
};
const lmsw: Text = (m, _size, source) => {
  m.call('lmsw', toBit(truncate(m.read(source), 16)));
};

const invlpg: Text = (m, _size, memory) => {
  m.call('invlpg', m.segmentOf(memory), m.effectiveAddress(memory));
};
const invpcid: Text = (m, _size, type, memory) => {
  const address = m.let(m.effectiveAddress(memory));
  const segment = m.segmentOf(memory);
  const pcid = m.load(segment, address, 64);
  const linear = m.load(segment, add(address, 8n), 64);
  m.call('invpcid', m.read(type), pcid, linear);
};

const rdmsr: Text = (m) => setPair(m, m.callInt('rdmsr', toBit(m.getRegister(RCX, 32))));
const wrmsr: Text = (m) => {
  m.call('wrmsr', toBit(m.getRegister(RCX, 32)), pair(m));
};
const rdtsc: Text = (m) => setPair(m, m.callInt('rdtsc'));
const rdtscp: Text = (m) => {
  setPair(m, m.callInt('rdtsc'));
  m.setRegister(RCX, 32, m.callInt('rdtsc_aux'));
};
const rdpmc: Text = (m) => setPair(m, m.callInt('rdpmc', toBit(m.getRegister(RCX, 32))));
const xgetbv: Text = (m) => setPair(m, m.callInt('xgetbv', toBit(m.getRegister(RCX, 32))));
const xsetbv: Text = (m) => {
  m.call('xsetbv', toBit(m.getRegister(RCX, 32)), pair(m));
};

const setAc =
  (value: 0 | 1): Text =>
  (m) => {
    m.call('set_alignment_check', value);
  };

/** The address is checked as a load of one byte would be; there is nothing to flush. */
const clflush: Text = (m, _size, memory) => {
  m.read(memory);
};

export const systemEncodings: readonly Encoding[] = [
  ...segmentEncodings,
  ...transferEncodings,
  ...portEncodings,

  { opcode: '0F 20', operands: 'Ry Cy', text: move, name: 'mov', size: 'f64' },
  { opcode: '0F 21', operands: 'Ry Dy', text: move, name: 'mov', size: 'f64' },
  { opcode: '0F 22', operands: 'Cy Ry', text: move, name: 'mov', size: 'f64' },
  { opcode: '0F 23', operands: 'Dy Ry', text: move, name: 'mov', size: 'f64' },
  { opcode: '0F 06', text: simple('clts'), name: 'clts' },
  { opcode: '0F 01 /4', operands: 'Rv', text: smsw },
  { opcode: '0F 01 /4', operands: 'Mw', text: smswMemory, name: 'smsw' },
  { opcode: '0F 01 /6', operands: 'Ew', text: lmsw },

  { opcode: '0F 00 /0', operands: 'Rv', text: storeSelector(SEG_LDTR), name: 'sldt', protectedOnly: true },
  { opcode: '0F 00 /0', operands: 'Mw', text: storeSelector(SEG_LDTR), name: 'sldt', protectedOnly: true },
  { opcode: '0F 00 /1', operands: 'Rv', text: storeSelector(SEG_TR), name: 'str', protectedOnly: true },
  { opcode: '0F 00 /1', operands: 'Mw', text: storeSelector(SEG_TR), name: 'str', protectedOnly: true },
  { opcode: '0F 00 /2', operands: 'Ew', text: onSelector('lldt'), name: 'lldt', protectedOnly: true },
  { opcode: '0F 00 /3', operands: 'Ew', text: onSelector('ltr'), name: 'ltr', protectedOnly: true },
  { opcode: '0F 01 /0', operands: 'M', text: storeTable(SEG_GDTR), name: 'sgdt', size: 'f64' },
  { opcode: '0F 01 /1', operands: 'M', text: storeTable(SEG_IDTR), name: 'sidt', size: 'f64' },
  { opcode: '0F 01 /2', operands: 'M', text: loadTable('lgdt'), name: 'lgdt', size: 'f64' },
  { opcode: '0F 01 /3', operands: 'M', text: loadTable('lidt'), name: 'lidt', size: 'f64' },

  { opcode: '0F 01 /7', operands: 'M', text: invlpg },
  { opcode: '66 0F 38 82', operands: 'Gy M', text: invpcid, size: 'f64', feature: 'invpcid' },
  { opcode: '0F 08', text: simple('wbinvd'), name: 'invd' },
  { opcode: '0F 09', text: simple('wbinvd'), name: 'wbinvd' },

  { opcode: '0F 32', text: rdmsr },
  { opcode: '0F 30', text: wrmsr },
  { opcode: '0F 31', text: rdtsc, feature: 'tsc' },
  { opcode: '0F 01 F9', text: rdtscp, feature: 'rdtscp' },
  { opcode: '0F 33', text: rdpmc },
  { opcode: '0F A2', text: simple('cpuid'), name: 'cpuid' },
  { opcode: '0F 01 F8', text: simple('swapgs'), name: 'swapgs', mode: 'o64' },
  { opcode: '0F 01 D0', text: xgetbv, feature: 'xsave' },
  { opcode: '0F 01 D1', text: xsetbv, feature: 'xsave' },
  { opcode: '0F 01 CA', text: setAc(0), name: 'clac', feature: 'smap' },
  { opcode: '0F 01 CB', text: setAc(1), name: 'stac', feature: 'smap' },

  { opcode: 'NP 0F AE /7', operands: 'Mb', text: clflush, feature: 'clflush' },
];
