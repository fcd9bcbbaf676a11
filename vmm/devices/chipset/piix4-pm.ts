import { z } from 'zod';
import type { Bus, Mapping, Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice } from '../../bus/device.ts';
import { createFrequency } from '../../bus/frequency.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bytes, guestTime, u16 } from '../../bus/schema.ts';
import { PciConfig, pciConfigSchema, type PciRegister } from '../pci/config-space.ts';
import type { PciFunction } from '../pci/function.ts';
import { COMMAND_IO, COMMAND_SERR, STATUS_DEVSEL_MEDIUM, STATUS_FAST_BACK_TO_BACK } from '../pci/registers.ts';
import { newSmbus, SMBUS_PORTS, SmbusHost, smbusSchema, type SmbusDevice } from './piix4-smbus.ts';

/* Power management function of the Intel 82371AB (PIIX4), function 3, data sheet 290562. Section numbers below are its. */

export const PM_TIMER_HZ = 3_579_545;
const clock = createFrequency(PM_TIMER_HZ);
const TIMER_MASK = 0xff_ffff;
/** TMROF_STS is set whenever bit 23 changes. */
const OVERFLOW_TICKS = 0x80_0000;

// Configuration space (7.1)
const PM_BASE = 0x40;
const PM_BASE_MASK = 0xffc0;
const DEVACTB = 0x58;
const PM_MISC = 0x80;
const PM_MISC_IO_ENABLE = 0x01;
const SMBUS_BASE = 0x90;
const SMBUS_BASE_MASK = 0xfff0;
const SMBUS_HOST_CONFIG = 0xd2;
const SMBUS_ENABLE = 0x01;
const SMBUS_IRQ_SELECT = 0x0e;
const SMBUS_IRQ9 = 0x08;
/** DEVACTB.APMC_EN: firmware takes it as a sign that system management mode is set up already (SeaBIOS, fw/smm.c). */
const APMC_ENABLED = 0x0200_0000;

const REGISTERS: readonly PciRegister[] = [
  { offset: PM_BASE, size: 4, reset: 1, writable: PM_BASE_MASK },
  { offset: 0x44, size: 4, writable: 0xffffffff }, // CNTA
  { offset: 0x48, size: 4, writable: 0xffffffff }, // CNTB
  { offset: 0x4c, size: 4, writable: 0xffffffff }, // GPICTL
  { offset: 0x50, size: 4, writable: 0x00ffffff }, // DEVRESD
  { offset: 0x54, size: 4, writable: 0xffffffff }, // DEVACTA
  { offset: DEVACTB, size: 4, reset: APMC_ENABLED, writable: 0xffffffff },
  ...[0x5c, 0x60, 0x64, 0x68, 0x6c, 0x70, 0x74, 0x78, 0x7c].map((offset): PciRegister => ({ offset, size: 4, writable: 0xffffffff })), // DEVRESA-J
  { offset: PM_MISC, size: 1, writable: PM_MISC_IO_ENABLE },
  { offset: SMBUS_BASE, size: 4, reset: 1, writable: SMBUS_BASE_MASK },
  { offset: SMBUS_HOST_CONFIG, size: 1, writable: SMBUS_ENABLE | SMBUS_IRQ_SELECT },
  ...[0xd3, 0xd4, 0xd5].map((offset): PciRegister => ({ offset, size: 1, writable: 0xff })), // SMBus slave command and shadows
];

// Registers at the power management base (7.2)
const PM1_STATUS = 0x00;
const PM1_ENABLE = 0x02;
const PM1_CONTROL = 0x04;
const PM_TIMER = 0x08;
const GP_STATUS = 0x0c;
const GP_ENABLE = 0x0e;
const PM_PORTS = 64;

const TIMER_OVERFLOW = 0x0001;
const GLOBAL = 0x0020;
const POWER_BUTTON = 0x0100;
const RTC_ALARM = 0x0400;
const RESUME = 0x8000;
const PM1_STATUS_CLEARABLE = RESUME | RTC_ALARM | POWER_BUTTON | GLOBAL | 0x0010 | TIMER_OVERFLOW;
const PM1_ENABLE_WRITABLE = RTC_ALARM | POWER_BUTTON | GLOBAL | TIMER_OVERFLOW;
const PM1_EVENTS = PM1_ENABLE_WRITABLE;

const SCI_ENABLED = 0x0001;
const SLEEP_TYPE_SHIFT = 10;
const SLEEP_ENABLE = 0x2000; // write only
const PM1_CONTROL_WRITABLE = 0x1c03 & ~SCI_ENABLED;
const SOFT_OFF = 0;

/** Plain read and write registers beyond those above: processor, device and general purpose output control (7.2.7 ff.). */
const SCRATCH = [
  { offset: 0x10, mask: 0x001e1e00 },
  { offset: 0x20, mask: 0x0000ffff },
  { offset: 0x28, mask: 0xffffffff },
  { offset: 0x2c, mask: 0xffffffff },
  { offset: 0x34, mask: 0x7fffffff },
] as const;

/** Commands of the FADT to the SMI command port: there is no SMM handler, the board answers in its place. */
export const APM_ACPI_ENABLE = 0xf1;
export const APM_ACPI_DISABLE = 0xf0;

const schema = z.strictObject({
  config: pciConfigSchema,
  status: u16,
  enable: u16,
  control: u16,
  gpStatus: u16,
  gpEnable: u16,
  /** The scratch registers, at their offsets. */
  scratch: bytes(PM_PORTS),
  /** Up to when timer overflows were noted (guest ns). */
  handled: guestTime,
  smbus: smbusSchema,
});

export type Piix4PmState = z.infer<typeof schema>;

export interface Piix4PmOptions {
  readonly ports: Bus;
  /** System control interrupt, IRQ 9 of the 8259s. */
  readonly sci: IrqLine;
  /** The SMBus host's own wire to IRQ 9. */
  readonly smbusIrq: IrqLine;
  /** The guest switches the machine off (S5). */
  readonly powerOff: () => void;
  /** The guest asks for another sleep state: SUS_TYP as it wrote it (7.2.3). */
  readonly sleep?: (type: number) => void;
  /** Devices on the SMBus by 7-bit address. */
  readonly smbus?: ReadonlyMap<number, SmbusDevice>;
}

export interface Piix4Pm extends PciFunction<Piix4PmState> {
  /** Somebody presses the power button. False: the guest has not enabled it, and will not react. */
  pressPowerButton(): boolean;
  /** A general purpose event (0-15) happens, for the guest's ACPI method _Exx or _Lxx. */
  raiseEvent(event: number): void;
  /** A write to the SMI command port, B2h. */
  apmCommand(command: number): void;
}

/** ACPI power management and SMBus of the PIIX4, as function 3 of the ISA bridge's slot. */
export const piix4Pm = defineDevice<Piix4PmState, Piix4PmOptions, Piix4Pm>({
  type: 'piix4-pm',
  state: { version: 1, schema },
  create({ scheduler, log }, options) {
    const config = new PciConfig({
      vendor: 0x8086,
      device: 0x7113,
      revision: 3,
      classCode: 0x06_8000,
      interruptPin: 1,
      command: { reset: 0, writable: COMMAND_IO | COMMAND_SERR },
      status: STATUS_DEVSEL_MEDIUM | STATUS_FAST_BACK_TO_BACK,
      registers: REGISTERS,
    });
    const fresh = () => ({
      status: 0,
      enable: 0,
      control: 0,
      gpStatus: 0,
      gpEnable: 0,
      scratch: new Uint8Array(PM_PORTS),
      handled: scheduler.now(),
    });
    const state: Piix4PmState = { config: config.bytes, ...fresh(), smbus: newSmbus() };
    let overflowTimer: Timer | undefined;

    const overflowsAt = (time: number) => Math.floor(clock.ticksAt(time) / OVERFLOW_TICKS);
    /** Notes the timer's overflows up to now. */
    const settle = () => {
      const now = scheduler.now();
      if (overflowsAt(now) !== overflowsAt(state.handled)) state.status |= TIMER_OVERFLOW;
      state.handled = now;
    };
    const update = () => {
      const events = (state.status & state.enable & PM1_EVENTS) !== 0 || (state.gpStatus & state.gpEnable) !== 0;
      options.sci.set(events && (state.control & SCI_ENABLED) !== 0);
      overflowTimer?.cancel();
      overflowTimer = undefined;
      if ((state.enable & TIMER_OVERFLOW) === 0 || (state.status & TIMER_OVERFLOW) !== 0) return;
      overflowTimer = scheduler.at(clock.timeOf((overflowsAt(state.handled) + 1) * OVERFLOW_TICKS), () => {
        settle();
        update();
      });
    };

    const sleep = (type: number) => {
      if (type === SOFT_OFF) options.powerOff();
      else if (options.sleep !== undefined) options.sleep(type);
      else log.guest('piix4: sleep state that is not offered', { type });
    };
    const writeControlHigh = (value: number) => {
      state.control = (state.control & 0xff) | ((value << 8) & PM1_CONTROL_WRITABLE & 0xff00);
      if (((value << 8) & SLEEP_ENABLE) !== 0) sleep((state.control >> SLEEP_TYPE_SHIFT) & 7);
    };

    /** A 16-bit register's byte `at` replaced. */
    const merge = (word: number, at: number, value: number) => (word & ~(0xff << (8 * at))) | (value << (8 * at));
    const readByte = (offset: number, timer: number): number => {
      const shift = 8 * (offset & 1);
      if (offset >= PM_TIMER && offset < PM_TIMER + 4) return (timer >>> (8 * (offset & 3))) & 0xff;
      switch (offset & ~1) {
        case PM1_STATUS:
          return (state.status >> shift) & 0xff;
        case PM1_ENABLE:
          return (state.enable >> shift) & 0xff;
        case PM1_CONTROL:
          return (state.control >> shift) & 0xff;
        case GP_STATUS:
          return (state.gpStatus >> shift) & 0xff;
        case GP_ENABLE:
          return (state.gpEnable >> shift) & 0xff;
        default:
          return state.scratch[offset]!;
      }
    };
    const writeByte = (offset: number, value: number): void => {
      const at = offset & 1;
      switch (offset & ~1) {
        case PM1_STATUS:
          state.status &= ~((value << (8 * at)) & PM1_STATUS_CLEARABLE);
          break;
        case PM1_ENABLE:
          state.enable = merge(state.enable, at, value) & PM1_ENABLE_WRITABLE;
          break;
        case PM1_CONTROL:
          // SCI_EN follows the SMI command port; ACPI says that software leaves it alone, but some writes it all the same.
          if (at === 1) writeControlHigh(value);
          else state.control = merge(state.control, 0, value) & (PM1_CONTROL_WRITABLE | SCI_ENABLED);
          break;
        case GP_STATUS:
          state.gpStatus &= ~(value << (8 * at));
          break;
        case GP_ENABLE:
          state.gpEnable = merge(state.gpEnable, at, value) & 0xffff;
          break;
        default: {
          const register = SCRATCH.find((each) => offset >= each.offset && offset < each.offset + 4);
          if (register !== undefined) state.scratch[offset] = value & (register.mask >>> (8 * (offset & 3)));
        }
      }
    };

    const region: Region = {
      name: 'piix4-pm',
      read: (offset, size) => {
        settle();
        update();
        const timer = clock.ticksAt(scheduler.now()) & TIMER_MASK;
        let value = 0;
        for (let at = 0; at < size; at++) value |= readByte(offset + at, timer) << (8 * at);
        return value >>> 0;
      },
      write: (offset, size, value) => {
        settle();
        for (let at = 0; at < size; at++) writeByte(offset + at, (value >>> (8 * at)) & 0xff);
        update();
      },
    };
    const smbus = new SmbusHost(state.smbus, options.smbus ?? new Map<number, SmbusDevice>(), () => updateSmbus());
    const updateSmbus = () => {
      options.smbusIrq.set(smbus.interrupt && (config.bytes[SMBUS_HOST_CONFIG]! & SMBUS_IRQ_SELECT) === SMBUS_IRQ9);
    };

    /** Where the two register blocks decode follows from configuration space. */
    const mappings = {
      pm: disabled(options.ports.map(0, PM_PORTS, region)),
      smbus: disabled(options.ports.map(0, SMBUS_PORTS, smbus.region)),
    };
    const decode = (mapping: Mapping, base: number, enabled: boolean) => {
      const on = enabled && base !== 0;
      if (on) mapping.move(base);
      mapping.enable(on);
    };
    config.onChange((offset, length) => {
      if (offset + length <= PM_BASE) return;
      decode(mappings.pm, config.read(PM_BASE, 2) & PM_BASE_MASK, (config.bytes[PM_MISC]! & PM_MISC_IO_ENABLE) !== 0);
      decode(mappings.smbus, config.read(SMBUS_BASE, 2) & SMBUS_BASE_MASK, (config.bytes[SMBUS_HOST_CONFIG]! & SMBUS_ENABLE) !== 0);
      updateSmbus();
    });

    return {
      state,
      config,
      pressPowerButton() {
        settle();
        state.status |= POWER_BUTTON;
        update();
        return (state.enable & POWER_BUTTON) !== 0 && (state.control & SCI_ENABLED) !== 0;
      },
      raiseEvent(event) {
        settle();
        state.gpStatus |= 1 << (event & 15);
        update();
      },
      apmCommand(command) {
        if (command === APM_ACPI_ENABLE) state.control |= SCI_ENABLED;
        else if (command === APM_ACPI_DISABLE) state.control &= ~SCI_ENABLED;
        settle();
        update();
      },
      reset() {
        Object.assign(state, fresh());
        Object.assign(state.smbus, newSmbus());
        config.reset();
        update();
      },
      loaded() {
        config.loaded();
        update();
      },
      inspect: () => ({
        'PM base': `${(config.read(PM_BASE, 2) & PM_BASE_MASK).toString(16)}h`,
        'PM1 status': state.status.toString(16),
        'PM1 enable': state.enable.toString(16),
        SCI: (state.control & SCI_ENABLED) !== 0 ? 'on' : 'off',
        timer: clock.ticksAt(scheduler.now()) & TIMER_MASK,
      }),
    };
  },
});

function disabled(mapping: Mapping): Mapping {
  mapping.enable(false);
  return mapping;
}
