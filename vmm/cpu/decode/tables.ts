/** The opcode tables of decode/form-layout.ts, made from the encodings. */
import { assert } from '../../base/errors.ts';
import type { Encoding } from '../isa/encoding.ts';
import type { Form, Instructions } from '../isa/handlers.ts';
import type { ImmediateKind, OperandSpec } from '../isa/operands.ts';
import { OPCODE_TABLES, SEG_ES } from '../layout.ts';
import * as F from './form-layout.ts';
import { parseOpcode } from './opcode.ts';
import type { Opcode } from './opcode.ts';

const IMMEDIATES: Readonly<Record<ImmediateKind, number>> = {
  byte: F.IMM_BYTE,
  byteSigned: F.IMM_BYTE_SIGNED,
  word: F.IMM_WORD,
  z: F.IMM_Z,
  v: F.IMM_V,
  relativeByte: F.IMM_REL_BYTE,
  relativeZ: F.IMM_REL_Z,
  far: F.IMM_FAR,
  offset: F.IMM_OFFSET,
};
const SIZE_CLASSES = { fixed: F.SIZE_FIXED, v: F.SIZE_V, y: F.SIZE_Y, d64: F.SIZE_D64, f64: F.SIZE_F64 };
const SOURCES = { reg: F.SOURCE_REG, rm: F.SOURCE_RM, vvvv: F.SOURCE_VVVV, opcode: F.SOURCE_OPCODE, immediate: F.SOURCE_IMMEDIATE };
const SLOTS = 3;

/** Which of the 4 prefix columns an opcode without a prefix of its own leaves to others. */
type Column = 0 | 1 | 2 | 3;

/** Forms of one opcode byte under one prefix in one mode, by ModRM byte: 0..7 memory with reg, 8..71 register with reg and rm. */
interface Cell {
  readonly forms: (number | undefined)[];
  usesModrm: boolean;
}
const MEMORY = (reg: number): number => reg;
const REGISTER = (reg: number, rm: number): number => 8 + reg * 8 + rm;

/** Writes the tables into core memory. Encodings whose `feature` the CPU model lacks are invalid opcodes. */
export function writeOpcodeTables(core: DataView, instructions: Instructions, hasFeature: (feature: string) => boolean): void {
  new TablesWriter(core).write(instructions.forms.filter(({ encoding }) => encoding.feature === undefined || hasFeature(encoding.feature)));
}

class TablesWriter {
  readonly #core: DataView;
  #splits = 8; // index 0 stays unused
  #forms = 1; // form 0 is the invalid opcode
  #handlers = 0;
  readonly #splitIndex = new Map<string, number>();

  constructor(core: DataView) {
    this.#core = core;
  }

  write(forms: readonly Form[]): void {
    const core = this.#core;
    bytesOf(core, OPCODE_TABLES, F.FORMS).fill(0);
    const cells = new Map<number, Cell>();
    for (const form of forms) {
      const opcode = parseOpcode(form.encoding.opcode);
      this.#place(cells, form, opcode, this.#writeForm(form, opcode));
    }
    for (const [index, cell] of cells) core.setUint16(F.ENTRIES + index * 2, this.#node(cell), true);
  }

  #place(cells: Map<number, Cell>, form: Form, opcode: Opcode, number: number): void {
    const { encoding, side } = form;
    const modes = encoding.mode === 'i64' ? [0] : encoding.mode === 'o64' ? [1] : [0, 1];
    const maps = opcode.vex ? vexMaps(opcode) : [opcode.map];
    const modrm = usesModrm(form.specs, opcode);
    const modrms = modrmsOf(form, opcode);
    for (const mode of modes)
      for (const place of maps.flatMap((map) => columnsOf(opcode).map((column) => map * F.ENTRIES_PER_MAP + column * F.ENTRIES_PER_PREFIX)))
        for (const byte of opcode.bytes) {
          const index = mode * F.ENTRIES_PER_MODE + place + byte;
          let cell = cells.get(index);
          if (!cell) cells.set(index, (cell = { forms: [], usesModrm: modrm }));
          for (const at of modrms) {
            const taken = cell.forms[at];
            if (taken !== undefined) {
              const [held, own] = [this.#rank(this.#placed.get(taken)!), this.#rank(opcode)];
              assert(held !== own, `${encoding.opcode} ${encoding.operands ?? ''} (${side}) is defined twice`);
              if (held > own) continue;
            }
            cell.usesModrm ||= modrm;
            cell.forms[at] = number;
          }
        }
  }

  readonly #placed = new Map<number, Opcode>();
  /** The more particular of two encodings counts: a named prefix, a fixed ModRM byte, an opcode byte of its own (NOP among XCHG rAX). */
  #rank({ prefix, modrm, register }: Opcode): number {
    return (prefix === 'any' ? 0 : 4) + (modrm ? 2 : 0) + (register ? 0 : 1);
  }

  /** Most cells are as another: under another prefix, in the other mode. */
  readonly #nodes = new Map<string, number>();

  /** The node that finds a cell's form. */
  #node({ forms, usesModrm }: Cell): number {
    if (!usesModrm) return forms[0] ?? 0;
    const key = forms.join();
    let node = this.#nodes.get(key);
    if (node === undefined) this.#nodes.set(key, (node = this.#tree(forms)));
    return node;
  }

  /** As few levels as it needs. */
  #tree(forms: Cell['forms']): number {
    const at = (index: number): number => forms[index] ?? 0;
    const byRm = (reg: number): number =>
      this.#split(
        F.NODE_BY_RM,
        Array.from({ length: 8 }, (_, rm) => at(REGISTER(reg, rm))),
      );
    const registers = Array.from({ length: 8 }, (_, reg) => byRm(reg));
    const memory = Array.from({ length: 8 }, (_, reg) => at(MEMORY(reg)));
    const same = (list: readonly number[]): boolean => list.every((node) => node === list[0]);
    if (same(registers) && same(memory)) return this.#split(F.NODE_BY_MOD, [memory[0]!, registers[0]!]);
    return this.#split(F.NODE_BY_REG, [...memory, ...registers]);
  }

  #split(kind: number, nodes: readonly number[]): number {
    if (nodes.every((node) => node === nodes[0])) return nodes[0]!;
    const key = `${kind} ${nodes.join()}`;
    let index = this.#splitIndex.get(key);
    if (index === undefined) {
      index = this.#splits;
      this.#splits += nodes.length;
      assert(this.#splits <= F.SPLITS_COUNT, 'too many opcode groups');
      nodes.forEach((node, i) => this.#core.setUint16(F.SPLITS + (index! + i) * 2, node, true));
      this.#splitIndex.set(key, index);
    }
    return (kind << F.NODE_KIND_SHIFT) | index;
  }

  #writeForm(form: Form, opcode: Opcode): number {
    const { encoding, specs } = form;
    const number = this.#forms++;
    assert(number < F.FORMS_COUNT, 'too many instruction forms');
    this.#placed.set(number, opcode);
    const core = this.#core;
    const at = F.FORMS + number * F.FORM_SIZE;
    bytesOf(core, at, at + F.FORM_SIZE).fill(0);
    core.setUint16(at + F.FORM_FLAGS, flagsOf(form, opcode), true);
    core.setUint8(at + F.FORM_SIZE_CLASS, SIZE_CLASSES[form.sizeClass]);
    core.setUint8(at + F.FORM_IMMEDIATE, immediateOf(specs, encoding));
    specs.slice(0, SLOTS).forEach((spec, slot) => this.#writeSlot(at, spec, slot, form.side));
    const destination = specs.find((spec) => spec.string === 'destination');
    const source = specs.find((spec) => spec.string === 'source');
    if (destination && !source) core.setUint8(at + F.FORM_FIXED_SEGMENT, 1 + SEG_ES);
    this.#writeHandlers(at, form);
    return number;
  }

  #writeSlot(at: number, spec: OperandSpec, slot: number, side: Form['side']): void {
    const { source } = spec;
    if (source === undefined || (spec.rm === 'either' && side === 'memory')) return;
    const core = this.#core;
    if (typeof source === 'object') {
      core.setUint8(at + F.FORM_SOURCES + slot, F.SOURCE_FIXED);
      core.setUint8(at + F.FORM_FIXED + slot, source.field);
      return;
    }
    core.setUint8(at + F.FORM_SOURCES + slot, SOURCES[source]);
    const general = spec.size(32, 'register') === 8 ? F.CLASS_BYTE : F.CLASS_GENERAL;
    const classes = { reg: general, segment: F.CLASS_SEGMENT, mmx: F.CLASS_NUMBER_LOW, x87: F.CLASS_NUMBER_LOW } as Readonly<Record<string, number>>;
    core.setUint8(at + F.FORM_CLASSES + slot, classes[spec.kind] ?? F.CLASS_NUMBER);
  }

  #writeHandlers(at: number, form: Form): void {
    const core = this.#core;
    const { varies } = form;
    const [sizes, addressings, repeats] = [varies.size ? 3 : 1, varies.addressing ? 5 : 1, varies.repeat ? 3 : 1];
    core.setInt32(at + F.FORM_HANDLERS, this.#handlers, true);
    core.setUint16(at + F.FORM_STRIDE_SIZE, varies.size ? addressings * repeats : 0, true);
    core.setUint16(at + F.FORM_STRIDE_ADDRESSING, varies.addressing ? repeats : 0, true);
    core.setUint16(at + F.FORM_STRIDE_REPEAT, varies.repeat ? 1 : 0, true);
    for (let size = 0; size < sizes; size++)
      for (let addressing = 0; addressing < addressings; addressing++)
        for (let repeat = 0; repeat < repeats; repeat++)
          core.setUint16(F.HANDLER_TABLE + this.#handlers++ * 2, form.handler(size, addressing, repeat), true);
    assert(this.#handlers <= F.HANDLER_TABLE_COUNT, 'too many specialised forms');
  }
}

function bytesOf(core: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(core.buffer, core.byteOffset + start, end - start);
}

function columnsOf({ prefix, vex }: Opcode): Column[] {
  if (prefix === 'any') return [0, 1, 2, 3];
  if (prefix === '66') return [F.PREFIX_66];
  if (prefix === 'F3') return [vex ? 2 : F.PREFIX_F3];
  return prefix === 'F2' ? [F.PREFIX_F2] : [F.PREFIX_NONE];
}

function vexMaps({ map, vex }: Opcode): number[] {
  const [w0, w1] = [F.MAP_VEX + map, F.MAP_VEX_W1 + map];
  return vex!.w === '0' ? [w0] : vex!.w === '1' ? [w1] : [w0, w1];
}

function usesModrm(specs: readonly OperandSpec[], opcode: Opcode): boolean {
  if (opcode.reg !== undefined || opcode.modrm !== undefined) return true;
  return specs.some((spec) => spec.rm !== undefined || spec.source === 'reg' || spec.source === 'rm');
}

/** The ModRM bytes (as Cell counts them) that select a form. */
function modrmsOf({ side, specs }: Form, opcode: Opcode): number[] {
  if (!usesModrm(specs, opcode)) return [0];
  const regs = opcode.reg !== undefined ? [opcode.reg] : [0, 1, 2, 3, 4, 5, 6, 7];
  if (opcode.modrm) return Array.from({ length: opcode.modrm.count }, (_, i) => 8 + ((opcode.modrm!.byte + i) & 0x3f));
  if (side === 'memory') return regs.map(MEMORY);
  const registers = regs.flatMap((reg) => [0, 1, 2, 3, 4, 5, 6, 7].map((rm) => REGISTER(reg, rm)));
  return modIgnored(specs) ? [...regs.map(MEMORY), ...registers] : registers;
}

/** MOV to and from control and debug registers treat every ModRM as a register one (SDM vol.2 MOV CR). */
function modIgnored(specs: readonly OperandSpec[]): boolean {
  return specs.some((spec) => spec.kind === 'control' || spec.kind === 'debug');
}

function flagsOf(form: Form, opcode: Opcode): number {
  const { encoding, specs } = form;
  let flags = 0;
  if (usesModrm(specs, opcode)) flags |= F.FORM_MODRM;
  if (modIgnored(specs)) flags |= F.FORM_MOD_IGNORED;
  if (encoding.lock) flags |= F.FORM_LOCKABLE;
  if (encoding.protectedOnly) flags |= F.FORM_PROTECTED_ONLY;
  if (form.ends) flags |= F.FORM_ENDS;
  if (form.addressed) flags |= F.FORM_ADDRESSED;
  if (specs.some((spec) => spec.string === 'source')) flags |= F.FORM_STRING_SOURCE;
  if (opcode.vex) {
    if (opcode.vex.l === '1') flags |= F.FORM_VEX_L1;
    if (opcode.vex.l === 'any') flags |= F.FORM_VEX_LIG;
    if (!specs.some((spec) => spec.source === 'vvvv')) flags |= F.FORM_VEX_NO_VVVV;
  }
  return flags;
}

function immediateOf(specs: readonly OperandSpec[], encoding: Encoding): number {
  const kinds = specs.flatMap((spec) => (spec.immediate ? [spec.immediate] : []));
  if (kinds.length === 0) return specs.some((spec) => spec.source === 'immediate') ? F.IMM_BYTE : F.IMM_NONE;
  if (kinds.length === 1) return IMMEDIATES[kinds[0]!];
  if (kinds.join() === 'word,byte') return F.IMM_WORD_BYTE;
  assert(kinds.join() === 'byte,byte', `immediates of ${encoding.opcode}`);
  return F.IMM_BYTE_BYTE;
}
