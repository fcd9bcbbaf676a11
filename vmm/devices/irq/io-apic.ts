import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { exactly, integer, u32, u8 } from '../../bus/schema.ts';
import type { ApicBus } from './apic-bus.ts';

/* Intel 82093AA I/O APIC (data sheet 290566), with the EOI register of its successors. */

export const IO_APIC_PINS = 24;

const IOREGSEL = 0x00;
const IOWIN = 0x10;
const IOEOI = 0x40;

const REGISTER_ID = 0;
const REGISTER_VERSION = 1;
const REGISTER_ARBITRATION = 2;
const REGISTER_REDIRECTION = 0x10;
const VERSION = ((IO_APIC_PINS - 1) << 16) | 0x20;

// Redirection table entry, low half (data sheet 3.2.4)
const ENTRY_LOGICAL = 0x800;
const ENTRY_REMOTE_IRR = 0x4000;
const ENTRY_LEVEL = 0x8000;
const ENTRY_MASKED = 0x10000;
/** Polarity is kept but not used: lines carry "asserted", whichever voltage the firmware's tables give it. */
const ENTRY_WRITABLE = 0x1afff;

const entrySchema = z.strictObject({ low: integer(0, 0x1ffff), destination: u8 });
const schema = z.strictObject({
  id: integer(0, 15),
  select: u8,
  entries: exactly(IO_APIC_PINS, entrySchema),
  /** Levels of the pins, one bit each. */
  lines: u32,
  /** Requests that no processor took yet. */
  requests: u32,
});

export type IoApicState = z.infer<typeof schema>;

export interface IoApicOptions {
  readonly bus: ApicBus;
  readonly id?: number;
}

export interface IoApic extends Device<IoApicState> {
  /** The register window, FEC00000h and 100h bytes. */
  readonly registers: Region;
  /** Input 0-23. */
  pin(index: number): IrqLine;
}

/** I/O APIC with 24 inputs. */
export const ioApic = defineDevice<IoApicState, IoApicOptions, IoApic>({
  type: 'io-apic',
  state: { version: 1, schema },
  create(_context, { bus, id = 0 }) {
    const fresh = (): IoApicState => ({
      id,
      select: 0,
      entries: Array.from({ length: IO_APIC_PINS }, () => ({ low: ENTRY_MASKED, destination: 0 })),
      lines: 0,
      requests: 0,
    });
    const state = fresh();

    /** Sends a pin's request if it may be sent. A level-triggered one is then remembered in remote IRR until its EOI. */
    const service = (pin: number) => {
      const entry = state.entries[pin]!;
      const bit = 1 << pin;
      const level = (entry.low & ENTRY_LEVEL) !== 0;
      if ((entry.low & ENTRY_MASKED) !== 0 || (state.requests & bit) === 0 || (level && (entry.low & ENTRY_REMOTE_IRR) !== 0)) return;
      const taken = bus.deliver({
        destination: entry.destination,
        logical: (entry.low & ENTRY_LOGICAL) !== 0,
        mode: (entry.low >> 8) & 7,
        vector: entry.low & 0xff,
        levelTriggered: level,
      });
      if (!taken) return;
      if (level) entry.low |= ENTRY_REMOTE_IRR;
      else state.requests = (state.requests & ~bit) >>> 0;
    };

    const drive = (pin: number, high: boolean) => {
      const bit = 1 << pin;
      if (((state.lines & bit) !== 0) === high) return;
      state.lines = (state.lines ^ bit) >>> 0;
      const entry = state.entries[pin]!;
      const level = (entry.low & ENTRY_LEVEL) !== 0;
      if (high) {
        // An edge on a masked input is ignored, not held pending (data sheet 3.2.4, interrupt mask).
        if (level || (entry.low & ENTRY_MASKED) === 0) state.requests = (state.requests | bit) >>> 0;
        service(pin);
      } else if (level) state.requests = (state.requests & ~bit) >>> 0;
    };

    const endOfInterrupt = (vector: number) => {
      for (const [pin, entry] of state.entries.entries()) {
        if ((entry.low & 0xff) !== vector || (entry.low & ENTRY_REMOTE_IRR) === 0) continue;
        entry.low &= ~ENTRY_REMOTE_IRR;
        service(pin);
      }
    };

    const writeEntry = (pin: number, half: number, value: number) => {
      const entry = state.entries[pin];
      if (entry === undefined) return;
      const bit = 1 << pin;
      if (half === 1) entry.destination = value >>> 24;
      else {
        const remoteIrr = (value & ENTRY_LEVEL) !== 0 ? entry.low & ENTRY_REMOTE_IRR : 0; // drivers clear it by a switch to edge and back
        const becomesLevel = (value & ~entry.low & ENTRY_LEVEL) !== 0;
        entry.low = (value & ENTRY_WRITABLE) | remoteIrr;
        const level = (entry.low & ENTRY_LEVEL) !== 0;
        if (becomesLevel) state.requests = (state.lines & bit) !== 0 ? (state.requests | bit) >>> 0 : (state.requests & ~bit) >>> 0;
        else if (!level && (entry.low & ENTRY_MASKED) !== 0) state.requests = (state.requests & ~bit) >>> 0;
      }
      service(pin);
    };

    const readSelected = (): number => {
      const register = state.select;
      if (register >= REGISTER_REDIRECTION) {
        const entry = state.entries[(register - REGISTER_REDIRECTION) >> 1];
        if (entry === undefined) return 0;
        return (register & 1) === 0 ? entry.low : (entry.destination << 24) >>> 0;
      }
      if (register === REGISTER_ID || register === REGISTER_ARBITRATION) return state.id << 24;
      return register === REGISTER_VERSION ? VERSION : 0;
    };

    const device: IoApic = {
      state,
      registers: {
        name: 'io-apic',
        read: (offset, size) => {
          const value = offset === IOREGSEL ? state.select : offset === IOWIN ? readSelected() : 0;
          return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
        },
        write: (offset, size, value) => {
          if (offset === IOREGSEL) state.select = value & 0xff;
          else if (offset === IOEOI) endOfInterrupt(value & 0xff);
          else if (offset === IOWIN && size === 4) {
            if (state.select >= REGISTER_REDIRECTION) writeEntry((state.select - REGISTER_REDIRECTION) >> 1, state.select & 1, value);
            else if (state.select === REGISTER_ID) state.id = (value >>> 24) & 15;
          }
        },
      },
      pin: (index) => ({ set: (level) => drive(index, level) }),
      reset() {
        const { lines } = state; // they belong to the devices
        Object.assign(state, fresh(), { lines });
      },
      inspect: () =>
        Object.fromEntries(
          state.entries.flatMap((entry, pin) => {
            if ((entry.low & ENTRY_MASKED) !== 0) return [];
            const trigger = (entry.low & ENTRY_LEVEL) !== 0 ? 'level' : 'edge';
            return [[`pin ${pin}`, `vector ${(entry.low & 0xff).toString(16)}h to ${entry.destination.toString(16)}h, ${trigger}`]];
          }),
        ),
    };
    bus.connect({
      endOfInterrupt,
      retry: () => {
        for (let pin = 0; state.requests >>> pin !== 0 && pin < IO_APIC_PINS; pin++) service(pin);
      },
    });
    return device;
  },
});
