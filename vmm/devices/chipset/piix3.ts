import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, exactly, u8 } from '../../bus/schema.ts';
import { PciConfig, pciConfigSchema, type PciRegister } from '../pci/config-space.ts';
import type { PciFunction } from '../pci/function.ts';
import { PIRQ_COUNT } from '../pci/pci-bus.ts';
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, COMMAND_SERR, HEADER_MULTIFUNCTION, STATUS_DEVSEL_MEDIUM } from '../pci/registers.ts';

/* Intel 82371SB (PIIX3) PCI ISA IDE Xcelerator, function 0, data sheet 290550. Section numbers below are its. */

const PIRQ_ROUTE = 0x60; // 2.2.12: PIRQRC[A:D]
const PIRQ_ROUTE_DISABLE = 0x80;
const PIRQ_ROUTE_IRQ = 0x0f;
/** The ISA interrupts a PIRQ can be steered to; the others are reserved (table in 2.2.12). */
const STEERABLE = 0b1101_1110_1111_1000;

/** Ports of function 0 that this device serves itself; the board maps the regions there. */
export const RESET_CONTROL_PORT = 0xcf9;
export const PORT_92 = 0x92;
export const APM_CONTROL_PORT = 0xb2;
export const COPROCESSOR_ERROR_PORT = 0xf0;

const RESET_CPU = 0x04; // 2.5.4.5: a rising edge resets
const RESET_SYSTEM = 0x02; // 1: hard reset (PCIRST#), 0: INIT only

const FAST_INIT = 0x01; // 2.5.4.4, port 92h: a rising edge pulses INIT
const FAST_A20 = 0x02;

const ISA_IRQS = 16;
const COPROCESSOR_IRQ = 13;

const schema = z.strictObject({
  config: pciConfigSchema,
  /** Levels of PIRQA#..PIRQD#, 1 = asserted. */
  pirqs: exactly(PIRQ_COUNT, bool),
  resetControl: u8,
  port92: u8,
  apmControl: u8,
  apmStatus: u8,
  /** FERR# as the processor drives it, and the latch that became IRQ13. */
  coprocessorError: bool,
  coprocessorIrq: bool,
});
export type Piix3State = z.infer<typeof schema>;

/** `hard`: everything (PCIRST#). `init`: the processor only, memory and devices keep their state. */
export type ResetRequest = 'hard' | 'init';

export interface Piix3Options {
  /** This bridge's wire to each of the 16 ISA interrupts, for steered PIRQs and IRQ13. */
  readonly irqs: readonly IrqLine[];
  reset(request: ResetRequest): void;
  /** Port 92h's share in A20M#; the keyboard controller has the other. */
  readonly a20: IrqLine;
  /** IGNNE#: after an x87 error was acknowledged, until FERR# goes away. */
  readonly ignoreNumericError: IrqLine;
  /** A write to APMC: the firmware's system management interface. The board answers for the SMM handler that it does not have. */
  apmCommand(command: number): void;
}

export interface Piix3 extends PciFunction<Piix3State> {
  /** PIRQA#..PIRQD#, active high here. */
  readonly pirqs: readonly IrqLine[];
  /** FERR# from the processor. */
  readonly coprocessorError: IrqLine;
  readonly resetControl: Region;
  readonly port92: Region;
  readonly apm: Region;
  readonly coprocessor: Region;
}

export const piix3 = defineDevice({
  type: 'piix3',
  state: { version: 1, schema },
  create(_context, options: Piix3Options): Piix3 {
    const config = new PciConfig({
      vendor: 0x8086,
      device: 0x7000,
      classCode: 0x06_0100,
      headerType: HEADER_MULTIFUNCTION,
      command: { reset: COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER, writable: COMMAND_SERR },
      status: STATUS_DEVSEL_MEDIUM,
      registers: REGISTERS,
    });
    const state: Piix3State = { config: config.bytes, ...poweredOn() };

    const isaLevel = (irq: number): boolean =>
      (irq === COPROCESSOR_IRQ && state.coprocessorIrq) ||
      state.pirqs.some((level, pirq) => level && routeOf(config.bytes[PIRQ_ROUTE + pirq]!) === irq);
    const driveIrqs = (): void => {
      for (let irq = 0; irq < ISA_IRQS; irq++) options.irqs[irq]?.set(isaLevel(irq));
    };
    const driveLines = (): void => {
      driveIrqs();
      options.a20.set((state.port92 & FAST_A20) !== 0);
      options.ignoreNumericError.set(state.coprocessorError && !state.coprocessorIrq);
    };
    config.onChange((offset, length) => {
      if (offset < PIRQ_ROUTE + PIRQ_COUNT && offset + length > PIRQ_ROUTE) driveIrqs();
    });

    return {
      state,
      config,
      pirqs: state.pirqs.map((_, pirq) => ({
        set: (level) => {
          state.pirqs[pirq] = level;
          const irq = routeOf(config.bytes[PIRQ_ROUTE + pirq]!);
          if (irq !== undefined) options.irqs[irq]?.set(isaLevel(irq));
        },
      })),
      // 2.5.4.6: FERR# latches IRQ13; a write to F0h ends it and asserts IGNNE# for as long as FERR# stays.
      coprocessorError: {
        set: (level) => {
          if (level && !state.coprocessorError) state.coprocessorIrq = true;
          state.coprocessorError = level;
          driveLines();
        },
      },
      resetControl: {
        name: 'reset control',
        sizes: 1,
        read: () => state.resetControl,
        write: (_offset, _size, value) => {
          const edge = (value & RESET_CPU) !== 0 && (state.resetControl & RESET_CPU) === 0;
          state.resetControl = value & (RESET_SYSTEM | RESET_CPU);
          if (edge) options.reset((value & RESET_SYSTEM) !== 0 ? 'hard' : 'init');
        },
      },
      port92: {
        name: 'port 92h',
        sizes: 1,
        read: () => state.port92,
        write: (_offset, _size, value) => {
          const edge = (value & FAST_INIT) !== 0 && (state.port92 & FAST_INIT) === 0;
          state.port92 = value & (FAST_A20 | FAST_INIT);
          options.a20.set((value & FAST_A20) !== 0);
          if (edge) options.reset('init');
        },
      },
      apm: {
        name: 'APM control',
        sizes: 1,
        read: (offset) => (offset === 0 ? state.apmControl : state.apmStatus),
        write: (offset, _size, value) => {
          if (offset === 1) {
            state.apmStatus = value;
            return;
          }
          state.apmControl = value;
          options.apmCommand(value);
        },
      },
      coprocessor: {
        name: 'coprocessor error',
        sizes: 1,
        read: () => 0xff,
        write: (offset) => {
          if (offset !== 0) return;
          state.coprocessorIrq = false;
          driveLines();
        },
      },
      reset: () => {
        const { pirqs } = state; // levels that others drive; FERR# ends with the processor's own reset
        Object.assign(state, poweredOn(), { pirqs });
        config.reset();
        driveLines();
      },
      loaded: () => {
        config.loaded();
        driveLines();
      },
      inspect: () => ({
        pirqs: Array.from({ length: PIRQ_COUNT }, (_, pirq) => routeOf(config.bytes[PIRQ_ROUTE + pirq]!) ?? 'off').join(' '),
        a20: (state.port92 & FAST_A20) !== 0 ? 1 : 0,
      }),
    };
  },
});

function poweredOn(): Omit<Piix3State, 'config'> {
  return {
    pirqs: Array.from({ length: PIRQ_COUNT }, () => false),
    resetControl: 0,
    port92: 0,
    apmControl: 0,
    apmStatus: 0,
    coprocessorError: false,
    coprocessorIrq: false,
  };
}

function routeOf(register: number): number | undefined {
  const irq = register & PIRQ_ROUTE_IRQ;
  return (register & PIRQ_ROUTE_DISABLE) !== 0 || ((STEERABLE >> irq) & 1) === 0 ? undefined : irq;
}

const REGISTERS: readonly PciRegister[] = [
  { offset: 0x4c, size: 1, reset: 0x4d, writable: 0x7f }, // IORT: ISA I/O recovery timer
  { offset: 0x4e, size: 2, reset: 0x0003, writable: 0x07ff }, // XBCS: X-bus chip select
  ...Array.from({ length: PIRQ_COUNT }, (_, pirq): PciRegister => ({
    offset: PIRQ_ROUTE + pirq,
    size: 1,
    reset: PIRQ_ROUTE_DISABLE,
    writable: PIRQ_ROUTE_DISABLE | PIRQ_ROUTE_IRQ,
  })),
  { offset: 0x69, size: 1, reset: 0x02, writable: 0xfe }, // TOM: top of memory
  { offset: 0x6a, size: 2, writable: 0x8045 }, // MSTAT: miscellaneous status
  { offset: 0x70, size: 1, reset: 0x80, writable: 0xef }, // MBIRQ0: motherboard device IRQ route
  { offset: 0x76, size: 2, reset: 0x0c0c, writable: 0x8f8f }, // MBDMA
  { offset: 0x78, size: 2, reset: 0x0002, writable: 0xffff }, // PCSC: programmable chip select
  { offset: 0x80, size: 1, writable: 0x7f }, // APICBASE: I/O APIC base address relocation
  { offset: 0x82, size: 1, writable: 0x0f }, // DLC: deterministic latency control
  { offset: 0xa0, size: 1, reset: 0x08, writable: 0x1f }, // SMICNTL
  { offset: 0xa2, size: 2, writable: 0x01ff }, // SMIEN
  { offset: 0xa4, size: 4, writable: 0xffff_ffff }, // SEE: system event enable
  { offset: 0xa8, size: 1, reset: 0x0f, writable: 0xff }, // FTMR: fast off timer
  { offset: 0xaa, size: 2, writable: 0x00ff }, // SMIREQ
  { offset: 0xac, size: 1, writable: 0xff }, // CTLTMR: clock scale STPCLK# low timer
  { offset: 0xae, size: 1, writable: 0xff }, // CTHTMR: clock scale STPCLK# high timer
];
