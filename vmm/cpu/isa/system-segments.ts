/** Segment registers and selectors: MOV, PUSH, POP, LxS, LAR, LSL, VERR, VERW, ARPL, FS and GS bases (SDM vol.2). */
import { SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Operand, Size, Text } from './machine.ts';
import { add, and, bitOf, lessU, or, toBit, truncate } from './value.ts';
import type { Int } from './value.ts';

function load(m: Machine, segment: number, selector: Int): void {
  m.call('load_segment', segment, toBit(truncate(selector, 16)));
  if (segment === SEG_SS) m.call('inhibit_interrupts');
}

const moveTo =
  (segment: number): Text =>
  (m, _size, source) => {
    load(m, segment, m.read(source));
  };

/** The destination is as wide as its operand code says: memory 16 bits, a register the operand size, zero-extended. */
const moveFrom: Text = (m, _size, destination, segment) => {
  m.write(destination, m.read(segment));
};

const push: Text = (m, size, segment) => {
  m.push(size, m.read(segment));
};

const pop =
  (segment: number): Text =>
  (m, size) => {
    load(m, segment, m.pop(size));
  };

/** A far pointer in memory: offset of the operand size, then the selector. */
export function readFarPointer(m: Machine, size: Size, memory: Operand): { readonly offset: Int; readonly selector: Int } {
  const address = m.let(m.effectiveAddress(memory));
  const segment = m.segmentOf(memory);
  const offset = m.load(segment, address, size);
  const selector = m.load(segment, add(address, BigInt(size / 8)), 16);
  return { offset, selector };
}

const loadFar =
  (segment: number): Text =>
  (m, size, destination, memory) => {
    const { offset, selector } = readFarPointer(m, size, memory);
    m.call('load_segment', segment, toBit(selector));
    m.write(destination, offset);
  };

/** LAR and LSL: ZF tells whether the destination was written. */
const query =
  (helper: 'lar' | 'lsl'): Text =>
  (m, size, destination, source) => {
    const answer = m.let(m.callInt(helper, toBit(truncate(m.read(source), 16))));
    const known = m.let(bitOf(answer, 63));
    m.if(known, () => m.write(destination, truncate(answer, size === 16 ? 16 : 32)));
    m.setFlags({ zf: known });
  };

const verify =
  (helper: 'verr' | 'verw'): Text =>
  (m, _size, source) => {
    m.setFlags({ zf: m.callBit(helper, toBit(truncate(m.read(source), 16))) });
  };

const arpl: Text = (m, _size, destination, source) => {
  const target = m.let(m.readForWrite(destination));
  const wanted = m.let(and(m.read(source), 3n));
  const raise = m.let(lessU(and(target, 3n), wanted));
  m.if(raise, () => m.write(destination, or(and(target, 0xfffcn), wanted)));
  m.setFlags({ zf: raise });
};

const readBase =
  (segment: number): Text =>
  (m, _size, destination) => {
    m.call('check_fsgsbase');
    m.write(destination, m.callInt('read_segment_base', segment));
  };

const writeBase =
  (segment: number): Text =>
  (m, _size, source) => {
    m.call('check_fsgsbase');
    m.call('write_segment_base', segment, m.read(source));
  };

const names = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const loadable = [SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS];

export const segmentEncodings: readonly Encoding[] = [
  ...loadable.map((segment): Encoding => ({
    opcode: `8E /${segment}`,
    operands: 'Ew',
    text: moveTo(segment),
    name: `mov ${names[segment]!.toLowerCase()}`,
  })),
  { opcode: '8C', operands: 'Rv Sw', text: moveFrom, name: 'mov' },
  { opcode: '8C', operands: 'Mw Sw', text: moveFrom, name: 'mov' },

  ...[SEG_ES, SEG_CS, SEG_SS, SEG_DS].map((segment): Encoding => ({
    opcode: hex(0x06 + 8 * segment),
    operands: names[segment]!,
    text: push,
    name: 'push',
    size: 'v',
    mode: 'i64',
  })),
  { opcode: '0F A0', operands: 'FS', text: push, name: 'push', size: 'd64' },
  { opcode: '0F A8', operands: 'GS', text: push, name: 'push', size: 'd64' },
  ...[SEG_ES, SEG_SS, SEG_DS].map((segment): Encoding => ({
    opcode: hex(0x07 + 8 * segment),
    text: pop(segment),
    name: `pop ${names[segment]!.toLowerCase()}`,
    size: 'v',
    mode: 'i64',
  })),
  { opcode: '0F A1', text: pop(SEG_FS), name: 'pop fs', size: 'd64' },
  { opcode: '0F A9', text: pop(SEG_GS), name: 'pop gs', size: 'd64' },

  { opcode: 'C4', operands: 'Gv M', text: loadFar(SEG_ES), name: 'les', mode: 'i64' },
  { opcode: 'C5', operands: 'Gv M', text: loadFar(SEG_DS), name: 'lds', mode: 'i64' },
  { opcode: '0F B2', operands: 'Gv M', text: loadFar(SEG_SS), name: 'lss' },
  { opcode: '0F B4', operands: 'Gv M', text: loadFar(SEG_FS), name: 'lfs' },
  { opcode: '0F B5', operands: 'Gv M', text: loadFar(SEG_GS), name: 'lgs' },

  { opcode: '0F 02', operands: 'Gv Ew', text: query('lar'), name: 'lar', protectedOnly: true },
  { opcode: '0F 03', operands: 'Gv Ew', text: query('lsl'), name: 'lsl', protectedOnly: true },
  { opcode: '0F 00 /4', operands: 'Ew', text: verify('verr'), name: 'verr', protectedOnly: true },
  { opcode: '0F 00 /5', operands: 'Ew', text: verify('verw'), name: 'verw', protectedOnly: true },
  { opcode: '63', operands: 'Ew Gw', text: arpl, name: 'arpl', mode: 'i64', protectedOnly: true },

  { opcode: 'F3 0F AE /0', operands: 'Ry', text: readBase(SEG_FS), name: 'rdfsbase', mode: 'o64', feature: 'fsgsbase' },
  { opcode: 'F3 0F AE /1', operands: 'Ry', text: readBase(SEG_GS), name: 'rdgsbase', mode: 'o64', feature: 'fsgsbase' },
  { opcode: 'F3 0F AE /2', operands: 'Ry', text: writeBase(SEG_FS), name: 'wrfsbase', mode: 'o64', feature: 'fsgsbase' },
  { opcode: 'F3 0F AE /3', operands: 'Ry', text: writeBase(SEG_GS), name: 'wrgsbase', mode: 'o64', feature: 'fsgsbase' },
];

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}
