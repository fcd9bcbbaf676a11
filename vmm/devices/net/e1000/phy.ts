import { z } from 'zod';
import { exactly, guestTime, bool, u16 } from '../../../bus/schema.ts';

/* The PHY inside the 82540EM: a Marvell 88E1011S (IEEE 802.3 clause 22 registers, and the maker's own). */

const REGISTERS = 32;
/** Shorter than a real negotiation (seconds), long enough that a driver sees the link go. */
const NEGOTIATION_NS = 5_000_000;

const MiiRegister = {
  CONTROL: 0,
  STATUS: 1,
  ID1: 2,
  ID2: 3,
  ADVERTISEMENT: 4,
  PARTNER: 5,
  EXPANSION: 6,
  GIGABIT_CONTROL: 9,
  GIGABIT_STATUS: 10,
  EXTENDED_STATUS: 15,
  SPECIFIC_CONTROL: 16,
  SPECIFIC_STATUS: 17,
  EXTENDED_CONTROL: 20,
  ERRORS: 21,
  PAGE: 29,
} as const;
const Control = { RESET: 0x8000, LOOPBACK: 0x4000, NEGOTIATE: 0x1000, POWER_DOWN: 0x0800, RESTART: 0x0200 } as const;
const LINK_UP = 0x0004;
const NEGOTIATED = 0x0020;

const initial: Partial<Record<number, number>> = {
  [MiiRegister.CONTROL]: 0x1140,
  [MiiRegister.STATUS]: 0x7949,
  [MiiRegister.ID1]: 0x0141,
  [MiiRegister.ID2]: 0x0c20,
  [MiiRegister.ADVERTISEMENT]: 0x0de1,
  [MiiRegister.GIGABIT_CONTROL]: 0x0e00,
  [MiiRegister.EXTENDED_STATUS]: 0x3000,
  [MiiRegister.SPECIFIC_CONTROL]: 0x0360,
  [MiiRegister.EXTENDED_CONTROL]: 0x0d60,
};
const writable: Partial<Record<number, number>> = {
  [MiiRegister.CONTROL]: 0x7fff & ~Control.RESTART,
  [MiiRegister.ADVERTISEMENT]: 0xffff,
  7: 0xffff,
  [MiiRegister.GIGABIT_CONTROL]: 0xffff,
  [MiiRegister.SPECIFIC_CONTROL]: 0xffff,
  18: 0xffff,
  [MiiRegister.EXTENDED_CONTROL]: 0xffff,
  [MiiRegister.PAGE]: 0xffff,
  30: 0xffff,
};
/** What a gigabit partner says. */
const PARTNER_ABILITY = 0xcde1;
const PARTNER_GIGABIT = 0x3c00;
/** 1000 Mb/s full duplex, resolved, link, page received. */
const SPECIFIC_UP = 0xbc08;

export const phySchema = z.strictObject({
  registers: exactly(REGISTERS, u16),
  /** When the negotiation ends; 0: it has. */
  negotiatedAt: guestTime,
  cable: bool,
});
export type PhyState = z.infer<typeof phySchema>;

export class Phy {
  readonly state: PhyState;
  readonly #now: () => number;

  constructor(now: () => number, cable: boolean) {
    this.#now = now;
    this.state = { registers: fresh(), negotiatedAt: 0, cable };
  }

  get up(): boolean {
    const { registers, negotiatedAt, cable } = this.state;
    return cable && negotiatedAt === 0 && (registers[MiiRegister.CONTROL]! & Control.POWER_DOWN) === 0;
  }

  get loopback(): boolean {
    return (this.state.registers[MiiRegister.CONTROL]! & Control.LOOPBACK) !== 0;
  }

  read(register: number): number {
    const { registers } = this.state;
    switch (register) {
      case MiiRegister.STATUS:
        return registers[register]! | (this.up ? LINK_UP | NEGOTIATED : 0);
      case MiiRegister.PARTNER:
        return this.up ? PARTNER_ABILITY : 0;
      case MiiRegister.EXPANSION:
        return this.up ? 0x0f : 0x04;
      case MiiRegister.GIGABIT_STATUS:
        return this.up ? PARTNER_GIGABIT : 0;
      case MiiRegister.SPECIFIC_STATUS:
        return this.up || this.loopback ? SPECIFIC_UP : 0x0008;
      default:
        return registers[register]!;
    }
  }

  write(register: number, value: number): void {
    const { registers } = this.state;
    const mask = writable[register] ?? 0;
    registers[register] = (registers[register]! & ~mask) | (value & mask);
    if (register !== MiiRegister.CONTROL) return;
    if ((value & Control.RESET) !== 0) {
      // A reset takes over what was written to the other registers, and negotiates unless told not to.
      registers[MiiRegister.CONTROL] = value & mask & ~Control.LOOPBACK;
      if ((value & Control.NEGOTIATE) !== 0) this.#negotiate();
    } else if ((value & Control.RESTART) !== 0 && (value & Control.NEGOTIATE) !== 0) this.#negotiate();
  }

  /** The cable was plugged in or out. */
  plug(cable: boolean): void {
    this.state.cable = cable;
    if (cable) this.#negotiate();
  }

  hardReset(): void {
    this.state.registers.splice(0, REGISTERS, ...fresh());
    this.#negotiate();
  }

  /** The present when the negotiation was to end. */
  negotiated(): void {
    this.state.negotiatedAt = 0;
  }

  #negotiate(): void {
    this.state.negotiatedAt = this.#now() + NEGOTIATION_NS;
  }
}

function fresh(): number[] {
  return Array.from({ length: REGISTERS }, (_, register) => initial[register] ?? 0);
}
