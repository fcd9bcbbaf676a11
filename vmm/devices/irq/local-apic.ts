import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, exactly, guestTime, integer, u32, u8, unsigned } from '../../bus/schema.ts';
import * as apic from './apic-bus.ts';
import { addVector, hasVector, highestVector, newVectorSet, removeVector } from './vector-set.ts';

/* The local APIC (SDM vol.3 chapter 11, xAPIC mode). Offsets of table 11-1. */

const ID = 0x020;
const VERSION = 0x030;
const TPR = 0x080;
const APR = 0x090;
const PPR = 0x0a0;
const EOI = 0x0b0;
const RRD = 0x0c0;
const LDR = 0x0d0;
const DFR = 0x0e0;
const SVR = 0x0f0;
const ISR = 0x100;
const TMR = 0x180;
const IRR = 0x200;
const ESR = 0x280;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_THERMAL = 0x330;
const LVT_PERFORMANCE = 0x340;
const LVT_LINT0 = 0x350;
const LVT_LINT1 = 0x360;
const LVT_ERROR = 0x370;
const TIMER_INITIAL = 0x380;
const TIMER_CURRENT = 0x390;
const TIMER_DIVIDE = 0x3e0;

/** Six LVT entries, integrated APIC. */
const VERSION_VALUE = 0x00050014;

const LVT_FIRST = LVT_TIMER;
const LVT_COUNT = 6;
const LVT_MASKED = 0x10000;
const LVT_MODE_SHIFT = 8;
const LVT_LEVEL = 0x8000;
/** What software may change: vector and mask, and per entry delivery mode, polarity, trigger, timer mode (figure 11-8). */
const LVT_WRITABLE: Readonly<Record<number, number>> = {
  [LVT_TIMER]: 0x700ff,
  [LVT_THERMAL]: 0x107ff,
  [LVT_PERFORMANCE]: 0x107ff,
  [LVT_LINT0]: 0x1a7ff,
  [LVT_LINT1]: 0x1a7ff,
  [LVT_ERROR]: 0x100ff,
};
const TIMER_MODE_SHIFT = 17;
const TIMER_PERIODIC = 1;
const TIMER_DEADLINE = 2;

const SVR_ENABLED = 0x100;
const SVR_SUPPRESS_EOI_BROADCAST = 0x1000;
const SVR_WRITABLE = 0x11ff;

const ICR_LOGICAL = 0x800;
const ICR_ASSERT = 0x4000;
const ICR_LEVEL = 0x8000;
const ICR_WRITABLE = 0xccfff;

const ERROR_SEND_ILLEGAL_VECTOR = 0x20;
const ERROR_RECEIVE_ILLEGAL_VECTOR = 0x40;
const ERROR_ILLEGAL_REGISTER = 0x80;
const FIRST_LEGAL_VECTOR = 16;

// IA32_APIC_BASE (SDM vol.3 figure 11-5)
const BASE_BSP = 0x100n;
const BASE_ENABLE = 0x800n;
const BASE_ADDRESS = 0xf_ffff_f000n; // MAXPHYADDR 36 at least everywhere
const DEFAULT_BASE = 0xfee00000;

/** Timer interrupts closer than this (ns) run together. */
const SHORTEST_PERIOD = 10_000;

export interface LocalApicOptions {
  /** The initial APIC ID; 0 is the bootstrap processor. */
  readonly id: number;
  readonly bus: apic.ApicBus;
  /** INTR of the processor. */
  readonly intr: IrqLine;
  readonly signals: ProcessorSignals;
  /** The interrupt acknowledge cycle of the 8259s, for ExtINT. */
  readonly acknowledgeExternal: () => number;
  /** IA32_APIC_BASE moved the register page, or took it away. */
  readonly relocated?: (base: number, enabled: boolean) => void;
  /** Frequency of the timer's clock, a divisor of 1 GHz (default: 1 GHz, as QEMU and KVM have it). */
  readonly timerHz?: number;
  /** When (guest ns) the time stamp counter reaches a value: gives the timer its TSC-deadline mode. */
  readonly timeOfTsc?: (tsc: bigint) => number;
}

/** What a local APIC does to its processor besides INTR. */
export interface ProcessorSignals {
  nmi(): void;
  smi(): void;
  init(): void;
  startup(vector: number): void;
}

const vectorSetSchema = exactly(8, u32);
const schema = z.strictObject({
  id: u8,
  base: unsigned(36),
  enabled: bool,
  tpr: u8,
  ldr: u8,
  /** Model, bits 31-28 of DFR. */
  dfr: integer(0, 15),
  svr: integer(0, 0x1fff),
  isr: vectorSetSchema,
  tmr: vectorSetSchema,
  irr: vectorSetSchema,
  /** Errors as ESR shows them, and those since it was written. */
  errors: u8,
  newErrors: u8,
  icrLow: u32,
  icrHigh: u32,
  lvt: exactly(LVT_COUNT, u32),
  /** Levels of the two pins, and an ExtINT message that waits. */
  lint: exactly(2, bool),
  extInt: bool,
  timerInitial: u32,
  timerDivide: integer(0, 11),
  /** When the count was loaded, and up to when expirations were handled (guest ns). */
  timerStart: guestTime,
  timerHandled: guestTime,
  /** IA32_TSC_DEADLINE, decimal; 0 is disarmed. */
  tscDeadline: z.string().regex(/^[0-9]{1,20}$/),
});

export type LocalApicState = z.infer<typeof schema>;

export interface LocalApic extends Device<LocalApicState>, apic.ApicAgent {
  /** 4 KiB of registers at FEE00000h. */
  readonly registers: Region;
  /** LINT0 is the 8259s' INTR, LINT1 is NMI. */
  readonly lint0: IrqLine;
  readonly lint1: IrqLine;
  /** Level of INTR. */
  readonly pending: boolean;
  /** The processor takes INTR: the vector, 0-255. */
  acknowledge(): number;
  /** IA32_APIC_BASE, CR8 and IA32_TSC_DEADLINE (0 outside TSC-deadline mode), for the processor. `write` is false where it faults. */
  readonly msr: {
    read(): bigint;
    write(value: bigint): boolean;
    readTaskPriority(): number;
    writeTaskPriority(priority: number): void;
    readTscDeadline(): bigint;
    writeTscDeadline(tsc: bigint): void;
  };
  /** INIT of the processor: all but the ID and IA32_APIC_BASE starts anew. */
  initialize(): void;
}

/** The local APIC of one processor. */
export const localApic = defineDevice<LocalApicState, LocalApicOptions, LocalApic>({
  type: 'local-apic',
  state: { version: 1, schema },
  create({ scheduler, log }, options) {
    const { bus, signals } = options;
    const bootstrap = options.id === 0;
    const clockPeriod = 1e9 / (options.timerHz ?? 1e9);

    const afterInit = () => ({
      tpr: 0,
      ldr: 0,
      dfr: 15,
      svr: 0xff,
      isr: newVectorSet(),
      tmr: newVectorSet(),
      irr: newVectorSet(),
      errors: 0,
      newErrors: 0,
      icrLow: 0,
      icrHigh: 0,
      // LINT0 of the bootstrap processor starts as ExtINT, so that the 8259s work before anybody knows of APICs (virtual wire mode).
      lvt: [LVT_MASKED, LVT_MASKED, LVT_MASKED, bootstrap ? apic.DELIVERY_EXTINT << LVT_MODE_SHIFT : LVT_MASKED, LVT_MASKED, LVT_MASKED],
      extInt: false,
      timerInitial: 0,
      timerDivide: 0,
      timerStart: 0,
      timerHandled: 0,
      tscDeadline: '0',
    });
    const fresh = (): LocalApicState => ({ id: options.id, base: DEFAULT_BASE, enabled: true, lint: [false, false], ...afterInit() });
    const state = fresh();
    let intr = false;
    let timer: Timer | undefined;

    const softwareEnabled = () => state.enabled && (state.svr & SVR_ENABLED) !== 0;
    const lvt = (register: number) => state.lvt[(register - LVT_FIRST) >> 4]!;
    const deliveryMode = (entry: number) => (entry >> LVT_MODE_SHIFT) & 7;

    // -- priorities (SDM vol.3 11.8.3)

    const processorPriority = (): number => {
      const inService = highestVector(state.isr);
      return inService >> 4 > state.tpr >> 4 ? inService & 0xf0 : state.tpr;
    };
    /** The vector that would be dispensed now, -1 if none. */
    const dispensable = (): number => {
      if (!softwareEnabled()) return -1;
      const vector = highestVector(state.irr);
      return vector >> 4 > processorPriority() >> 4 ? vector : -1;
    };
    const externalRequested = (): boolean => {
      if (state.extInt) return true;
      const lint0 = lvt(LVT_LINT0);
      const passes = !state.enabled || ((lint0 & LVT_MASKED) === 0 && deliveryMode(lint0) === apic.DELIVERY_EXTINT);
      return passes && state.lint[0]!;
    };
    const update = () => {
      intr = dispensable() >= 0 || externalRequested();
      options.intr.set(intr);
    };

    // -- errors and local interrupts

    const reportError = (error: number) => {
      state.newErrors |= error;
      const entry = lvt(LVT_ERROR);
      if ((entry & LVT_MASKED) === 0 && (entry & 0xff) >= FIRST_LEGAL_VECTOR) requestVector(entry & 0xff, false);
    };
    const requestVector = (vector: number, levelTriggered: boolean) => {
      if (vector < FIRST_LEGAL_VECTOR) {
        reportError(ERROR_RECEIVE_ILLEGAL_VECTOR);
        return;
      }
      addVector(state.irr, vector);
      if (levelTriggered) addVector(state.tmr, vector);
      else removeVector(state.tmr, vector);
      update();
    };
    const accept = (mode: number, vector: number, levelTriggered: boolean): boolean => {
      if (!state.enabled) return false;
      switch (mode) {
        case apic.DELIVERY_FIXED:
        case apic.DELIVERY_LOWEST_PRIORITY:
          if (!softwareEnabled()) return false;
          requestVector(vector, levelTriggered);
          return true;
        case apic.DELIVERY_SMI:
          signals.smi();
          return true;
        case apic.DELIVERY_NMI:
          signals.nmi();
          return true;
        case apic.DELIVERY_INIT:
          device.initialize();
          signals.init();
          return true;
        case apic.DELIVERY_STARTUP:
          signals.startup(vector);
          return true;
        case apic.DELIVERY_EXTINT:
          state.extInt = true;
          update();
          return true;
        default:
          log.guest('apic: reserved delivery mode', { mode });
          return false;
      }
    };
    const driveLint = (pin: 0 | 1, level: boolean) => {
      if (state.lint[pin] === level) return;
      state.lint[pin] = level;
      const entry = lvt(pin === 0 ? LVT_LINT0 : LVT_LINT1);
      const mode = deliveryMode(entry);
      if (!state.enabled) {
        if (pin === 1 && level) signals.nmi();
      } else if (level && (entry & LVT_MASKED) === 0 && mode !== apic.DELIVERY_EXTINT) {
        accept(mode, entry & 0xff, mode === apic.DELIVERY_FIXED && (entry & LVT_LEVEL) !== 0);
      }
      update();
    };

    // -- timer (SDM vol.3 11.5.4)

    const timerMode = () => (lvt(LVT_TIMER) >> TIMER_MODE_SHIFT) & 3;
    const divisor = () => DIVISORS[(state.timerDivide & 3) | ((state.timerDivide & 8) >> 1)]!;
    const tickTime = () => clockPeriod * divisor();
    const currentCount = (): number => {
      if (state.timerInitial === 0 || timerMode() >= TIMER_DEADLINE) return 0;
      const elapsed = Math.floor((scheduler.now() - state.timerStart) / tickTime());
      if (timerMode() === TIMER_PERIODIC) return state.timerInitial - (Math.max(elapsed, 0) % state.timerInitial);
      return Math.max(0, Math.min(state.timerInitial, state.timerInitial - elapsed));
    };
    /** The next expiration after `timerHandled`, undefined if none comes. */
    const nextExpiration = (): number | undefined => {
      const mode = timerMode();
      if (mode === TIMER_DEADLINE) {
        return state.tscDeadline === '0' || options.timeOfTsc === undefined ? undefined : options.timeOfTsc(BigInt(state.tscDeadline));
      }
      if (state.timerInitial === 0) return undefined;
      const period = state.timerInitial * tickTime();
      if (mode === TIMER_PERIODIC) return state.timerStart + (Math.floor((state.timerHandled - state.timerStart) / period) + 1) * period;
      const expiration = state.timerStart + period;
      return expiration > state.timerHandled ? expiration : undefined;
    };
    const armTimer = () => {
      timer?.cancel();
      timer = undefined;
      const at = nextExpiration();
      if (at === undefined) return;
      const earliest = timerMode() === TIMER_PERIODIC ? state.timerHandled + SHORTEST_PERIOD : 0;
      timer = scheduler.at(Math.max(at, earliest), expire);
    };
    const expire = () => {
      if (timerMode() === TIMER_DEADLINE) state.tscDeadline = '0';
      state.timerHandled = scheduler.now();
      const entry = lvt(LVT_TIMER);
      if ((entry & LVT_MASKED) === 0 && softwareEnabled()) requestVector(entry & 0xff, false);
      armTimer();
    };
    const startTimer = (initial: number) => {
      if (timerMode() === TIMER_DEADLINE) return;
      // One reading of the clock: time goes on between two, and a short count would have expired unseen.
      const now = scheduler.now();
      Object.assign(state, { timerInitial: initial, timerStart: now, timerHandled: now });
      armTimer();
    };
    /** A new divisor counts on from the present count. */
    const setDivide = (value: number) => {
      const remaining = currentCount();
      state.timerDivide = value & 11;
      const now = scheduler.now();
      state.timerStart = Math.max(0, now - (state.timerInitial - remaining) * tickTime());
      state.timerHandled = now;
      if (remaining === 0 && timerMode() !== TIMER_PERIODIC) state.timerInitial = 0;
      armTimer();
    };

    // -- registers

    const writeLvt = (register: number, value: number) => {
      const previousMode = timerMode();
      let entry = value & LVT_WRITABLE[register]!;
      if (!softwareEnabled()) entry |= LVT_MASKED;
      if (register === LVT_TIMER && options.timeOfTsc === undefined) entry &= ~(TIMER_DEADLINE << TIMER_MODE_SHIFT);
      state.lvt[(register - LVT_FIRST) >> 4] = entry;
      if (register === LVT_TIMER && timerMode() !== previousMode) {
        // Between one-shot and periodic the count goes on; into and out of TSC-deadline mode everything is disarmed.
        if (timerMode() === TIMER_DEADLINE || previousMode === TIMER_DEADLINE) Object.assign(state, { timerInitial: 0, tscDeadline: '0' });
        else if (currentCount() === 0) state.timerInitial = 0;
        armTimer();
      }
      update();
    };
    const sendIpi = (value: number) => {
      state.icrLow = value & ICR_WRITABLE;
      const mode = (value >> 8) & 7;
      const vector = value & 0xff;
      if (mode === apic.DELIVERY_INIT && (value & ICR_LEVEL) !== 0 && (value & ICR_ASSERT) === 0) return; // INIT level de-assert
      if ((mode === apic.DELIVERY_FIXED || mode === apic.DELIVERY_LOWEST_PRIORITY) && vector < FIRST_LEGAL_VECTOR) {
        reportError(ERROR_SEND_ILLEGAL_VECTOR);
        return;
      }
      const message = { destination: state.icrHigh >>> 24, logical: (value & ICR_LOGICAL) !== 0, mode, vector, levelTriggered: false };
      const shorthand = (value >> 18) & 3;
      if (shorthand === 0) bus.deliver(message);
      else if (shorthand === 1) accept(mode, vector, false);
      else bus.deliverToAll(message, shorthand === 3 ? device : undefined);
    };
    const endOfInterrupt = () => {
      const vector = highestVector(state.isr);
      if (vector < 0) return;
      removeVector(state.isr, vector);
      if (hasVector(state.tmr, vector) && (state.svr & SVR_SUPPRESS_EOI_BROADCAST) === 0) bus.endOfInterrupt(vector);
      update();
    };
    const writeSvr = (value: number) => {
      const was = softwareEnabled();
      state.svr = value & SVR_WRITABLE;
      if (!was && softwareEnabled()) bus.processorEnabled();
      if ((value & SVR_ENABLED) === 0) for (let entry = 0; entry < LVT_COUNT; entry++) state.lvt[entry] = state.lvt[entry]! | LVT_MASKED;
      update();
    };

    const read = (register: number): number => {
      if (register >= ISR && register < ISR + 0x80) return state.isr[(register - ISR) >> 4]!;
      if (register >= TMR && register < TMR + 0x80) return state.tmr[(register - TMR) >> 4]!;
      if (register >= IRR && register < IRR + 0x80) return state.irr[(register - IRR) >> 4]!;
      if (register >= LVT_FIRST && register <= LVT_ERROR) return lvt(register);
      switch (register) {
        case ID:
          return (state.id << 24) >>> 0;
        case VERSION:
          return VERSION_VALUE;
        case TPR:
          return state.tpr;
        case APR:
        case PPR:
          return processorPriority();
        case LDR:
          return (state.ldr << 24) >>> 0;
        case DFR:
          return ((state.dfr << 28) | 0x0fffffff) >>> 0;
        case SVR:
          return state.svr;
        case ESR:
          return state.errors;
        case ICR_LOW:
          return state.icrLow;
        case ICR_HIGH:
          return state.icrHigh;
        case TIMER_INITIAL:
          return state.timerInitial;
        case TIMER_CURRENT:
          return currentCount();
        case TIMER_DIVIDE:
          return state.timerDivide;
        default:
          if (register !== EOI && register !== RRD) reportError(ERROR_ILLEGAL_REGISTER);
          return 0;
      }
    };
    const write = (register: number, value: number): void => {
      switch (register) {
        case ID:
          state.id = value >>> 24;
          break;
        case TPR:
          state.tpr = value & 0xff;
          update();
          break;
        case EOI:
          endOfInterrupt();
          break;
        case LDR:
          state.ldr = value >>> 24;
          break;
        case DFR:
          state.dfr = value >>> 28;
          break;
        case SVR:
          writeSvr(value);
          break;
        case ESR: // a write makes the errors since the last one readable
          state.errors = state.newErrors;
          state.newErrors = 0;
          break;
        case ICR_LOW:
          sendIpi(value);
          break;
        case ICR_HIGH:
          state.icrHigh = (value & 0xff000000) >>> 0;
          break;
        case TIMER_INITIAL:
          startTimer(value);
          break;
        case TIMER_DIVIDE:
          setDivide(value);
          break;
        default:
          if (register in LVT_WRITABLE) writeLvt(register, value);
          else if (register < VERSION || register > TIMER_DIVIDE) reportError(ERROR_ILLEGAL_REGISTER); // the others are read only
      }
    };

    const relocate = () => options.relocated?.(state.base, state.enabled);

    const device: LocalApic = {
      state,
      registers: {
        name: 'local-apic',
        // Registers are 32 bits wide on 16-byte boundaries; nothing else is defined (SDM vol.3 11.4.1).
        read: (offset, size) => {
          if ((offset & 15) > 3) return 0;
          const value = read(offset & ~15) >>> (8 * (offset & 3));
          return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
        },
        write: (offset, size, value) => {
          if (size === 4 && (offset & 15) === 0) write(offset, value);
          else log.guest('apic: access of an undefined size', { offset, size });
        },
      },
      lint0: { set: (level) => driveLint(0, level) },
      lint1: { set: (level) => driveLint(1, level) },
      get pending() {
        return intr;
      },
      acknowledge() {
        const vector = dispensable();
        if (vector >= 0) {
          removeVector(state.irr, vector);
          addVector(state.isr, vector);
          update();
          return vector;
        }
        if (!externalRequested()) return state.svr & 0xff; // it went away: the spurious vector
        state.extInt = false;
        const external = options.acknowledgeExternal();
        update();
        return external;
      },
      msr: {
        read: () => BigInt(state.base) | (state.enabled ? BASE_ENABLE : 0n) | (bootstrap ? BASE_BSP : 0n),
        write(value) {
          if ((value & ~(BASE_ADDRESS | BASE_ENABLE | BASE_BSP)) !== 0n) return false; // EXTD too: there is no x2APIC
          state.base = Number(value & BASE_ADDRESS);
          const enabled = (value & BASE_ENABLE) !== 0n;
          if (state.enabled && !enabled) device.initialize();
          state.enabled = enabled;
          relocate();
          update();
          return true;
        },
        readTaskPriority: () => state.tpr >> 4,
        writeTaskPriority(priority) {
          state.tpr = (priority & 15) << 4;
          update();
        },
        readTscDeadline: () => BigInt(timerMode() === TIMER_DEADLINE ? state.tscDeadline : '0'),
        writeTscDeadline(tsc) {
          if (timerMode() !== TIMER_DEADLINE) return;
          state.tscDeadline = BigInt.asUintN(64, tsc).toString();
          armTimer();
        },
      },
      get id() {
        return state.id;
      },
      matchesLogical(destination) {
        if (destination === apic.BROADCAST) return true;
        if (state.dfr === 15) return (state.ldr & destination) !== 0;
        return state.ldr >> 4 === destination >> 4 && (state.ldr & destination & 15) !== 0;
      },
      get priority() {
        return processorPriority();
      },
      accept,
      initialize() {
        Object.assign(state, afterInit());
        armTimer();
        update();
      },
      reset() {
        const { lint } = state;
        Object.assign(state, fresh(), { lint });
        armTimer();
        relocate();
        update();
      },
      loaded() {
        armTimer();
        relocate();
        update();
      },
      inspect: () => ({
        ID: state.id,
        enabled: !state.enabled ? 'no' : softwareEnabled() ? 'yes' : 'by hardware only',
        TPR: state.tpr,
        'highest IRR': highestVector(state.irr),
        'highest ISR': highestVector(state.isr),
        'LVT timer': state.lvt[0]!.toString(16),
        'LVT LINT0': lvt(LVT_LINT0).toString(16),
        'timer count': currentCount(),
      }),
    };
    bus.attach(device);
    return device;
  },
});

/** By divide configuration bits 3, 1, 0. */
const DIVISORS = [2, 4, 8, 16, 32, 64, 128, 1] as const;
