import { z } from 'zod';
import { bool, integer, u8 } from '../../bus/schema.ts';

/*
 * One Intel 8259A programmable interrupt controller (Intel 8259A data sheet, order number 231468). The two of a PC and their cascade are in
 * pic-8259.ts.
 */

// ICW1, OCW2 and OCW3 share the even port; data bits 4 and 3 tell them apart.
const ICW1 = 0x10;
const ICW1_IC4 = 0x01; // an ICW4 follows
const ICW1_SNGL = 0x02; // single: no cascade, no ICW3
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10; // special fully nested mode
const OCW3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;
const POLL_INTERRUPT = 0x80;

const OCW2_COMMAND_SHIFT = 5; // R, SL, EOI
const OCW2_EOI = 0b001;
const OCW2_SL = 0b010;
const OCW2_ROTATE = 0b100;

/** The level of an idle controller's spurious interrupt: the data sheet's "default IR7". */
const SPURIOUS = 7;

export const picChipSchema = z.strictObject({
  /** Levels of IR0-IR7 as last driven. */
  lines: u8,
  irr: u8,
  isr: u8,
  imr: u8,
  /** Edge/level control register of the 82371SB: 1 = level triggered. It replaces ICW1.LTIM. */
  elcr: u8,
  /** ICW2: vector of IR0. */
  vectorBase: integer(0, 0xf8).multipleOf(8),
  icw3: u8,
  /** The initialization word that the odd port takes next; 1 when initialized. */
  expects: integer(1, 4),
  needsIcw4: bool,
  single: bool,
  autoEoi: bool,
  rotateOnAutoEoi: bool,
  specialFullyNested: bool,
  specialMask: bool,
  /** The next read is an interrupt acknowledge (OCW3.P). */
  poll: bool,
  readIsr: bool,
  /** The input of lowest priority: 7 unless rotated. */
  lowest: integer(0, 7),
});

export type PicChipState = z.infer<typeof picChipSchema>;

export function newPicChip(): PicChipState {
  return {
    lines: 0,
    irr: 0,
    isr: 0,
    imr: 0,
    elcr: 0,
    vectorBase: 0,
    icw3: 0,
    expects: 1,
    needsIcw4: false,
    single: false,
    autoEoi: false,
    rotateOnAutoEoi: false,
    specialFullyNested: false,
    specialMask: false,
    poll: false,
    readIsr: false,
    lowest: 7,
  };
}

/** The logic of one chip over its state. `changed` is called after anything that can change INT. */
export class PicChip {
  readonly state: PicChipState;
  readonly #slaves: number;
  readonly #changed: () => void;

  /** `slaves`: the inputs that another controller's INT is wired to, as a mask. */
  constructor(state: PicChipState, slaves: number, changed: () => void) {
    this.state = state;
    this.#slaves = slaves;
    this.#changed = changed;
  }

  /**
   * Drives IR`input`. In both modes the input must stay high until it is acknowledged: a request that goes away takes its IRR bit with it
   * (data sheet, "edge and level triggered modes").
   */
  drive(input: number, level: boolean): void {
    const { state } = this;
    const bit = 1 << input;
    if (level === ((state.lines & bit) !== 0)) return;
    state.lines ^= bit;
    if (level) state.irr |= bit;
    else state.irr &= ~bit;
    this.#changed();
  }

  setTriggerModes(elcr: number): void {
    const { state } = this;
    const nowLevel = elcr & ~state.elcr;
    state.elcr = elcr;
    state.irr |= state.lines & nowLevel;
    this.#changed();
  }

  /** The input that INT stands for: the most urgent request not masked and not held off by one in service. */
  get requesting(): number | undefined {
    const { state } = this;
    const requests = state.irr & ~state.imr;
    if (requests === 0) return undefined;
    let blocking = state.isr;
    if (state.specialMask) blocking &= ~state.imr;
    // SFNM: an input with a cascaded slave in service still lets that slave's more urgent requests through.
    if (state.specialFullyNested) blocking &= ~(state.icw3 & this.#slaves);
    for (let order = 1; order <= 8; order++) {
      const input = (state.lowest + order) & 7;
      if ((blocking & (1 << input)) !== 0) return undefined;
      if ((requests & (1 << input)) !== 0) return input;
    }
    return undefined;
  }

  /** INTA: takes the request into service and returns its input, SPURIOUS if it went away. */
  acknowledge(): number {
    const { state } = this;
    const input = this.requesting;
    if (input === undefined) return SPURIOUS;
    const bit = 1 << input;
    if ((state.elcr & bit) === 0) state.irr &= ~bit;
    if (!state.autoEoi) state.isr |= bit;
    else if (state.rotateOnAutoEoi) state.lowest = input;
    this.#changed();
    return input;
  }

  readEven(): number {
    const { state } = this;
    return state.poll ? this.#poll() : state.readIsr ? state.isr : state.irr;
  }

  readOdd(): number {
    return this.state.poll ? this.#poll() : this.state.imr;
  }

  #poll(): number {
    this.state.poll = false;
    return this.requesting === undefined ? 0 : POLL_INTERRUPT | this.acknowledge();
  }

  writeEven(value: number): void {
    if ((value & ICW1) !== 0) this.#initialize(value);
    else if ((value & OCW3) !== 0) this.#operate(value);
    else this.#endOfInterrupt(value >> OCW2_COMMAND_SHIFT, value & 7);
    this.#changed();
  }

  writeOdd(value: number): void {
    const { state } = this;
    switch (state.expects) {
      case 2:
        state.vectorBase = value & 0xf8;
        state.expects = state.single ? (state.needsIcw4 ? 4 : 1) : 3;
        break;
      case 3:
        state.icw3 = value;
        state.expects = state.needsIcw4 ? 4 : 1;
        break;
      case 4:
        state.autoEoi = (value & ICW4_AEOI) !== 0;
        state.specialFullyNested = (value & ICW4_SFNM) !== 0;
        state.expects = 1;
        break;
      default:
        state.imr = value;
    }
    this.#changed();
  }

  /** ICW1 resets the edge sense circuit: an edge-triggered input must rise again to be seen. */
  #initialize(icw1: number): void {
    const { state } = this;
    const { lines, elcr } = state;
    Object.assign(state, newPicChip(), { lines, elcr, irr: lines & elcr });
    state.expects = 2;
    state.needsIcw4 = (icw1 & ICW1_IC4) !== 0;
    state.single = (icw1 & ICW1_SNGL) !== 0;
  }

  #operate(ocw3: number): void {
    const { state } = this;
    if ((ocw3 & OCW3_POLL) !== 0) state.poll = true;
    else if ((ocw3 & OCW3_RR) !== 0) state.readIsr = (ocw3 & OCW3_RIS) !== 0;
    if ((ocw3 & OCW3_ESMM) !== 0) state.specialMask = (ocw3 & OCW3_SMM) !== 0;
  }

  /** OCW2: the eight combinations of R, SL and EOI. */
  #endOfInterrupt(command: number, level: number): void {
    const { state } = this;
    const rotate = (command & OCW2_ROTATE) !== 0;
    if ((command & OCW2_EOI) === 0) {
      if ((command & OCW2_SL) === 0) state.rotateOnAutoEoi = rotate;
      else if (rotate) state.lowest = level; // set priority; without R it is the no-operation
      return;
    }
    const input = (command & OCW2_SL) !== 0 ? level : this.#mostUrgentInService();
    if (input === undefined) return;
    state.isr &= ~(1 << input);
    if (rotate) state.lowest = input;
  }

  /** What a non-specific EOI ends; in special mask mode it leaves masked levels alone. */
  #mostUrgentInService(): number | undefined {
    const { state } = this;
    const candidates = state.specialMask ? state.isr & ~state.imr : state.isr;
    for (let order = 1; order <= 8; order++) {
      const input = (state.lowest + order) & 7;
      if ((candidates & (1 << input)) !== 0) return input;
    }
    return undefined;
  }
}
