import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, exactly, guestTime, integer, u32 } from '../../bus/schema.ts';

/* High precision event timers (IA-PC HPET specification 1.0a). */

export const HPET_TIMERS = 3;
/** The counter's tick: 10 ns (the register counts femtoseconds). */
const TICK = 10;
const TICK_FEMTOSECONDS = TICK * 1e6;

const CAPABILITIES = 0x000;
const CONFIGURATION = 0x010;
const INTERRUPT_STATUS = 0x020;
const MAIN_COUNTER = 0x0f0;
const TIMERS = 0x100;
const TIMER_STRIDE = 0x20;
const TIMER_CONFIGURATION = 0x00;
const TIMER_COMPARATOR = 0x08;
const TIMER_FSB = 0x10;

/** Revision 1, three timers, 64-bit counter, legacy replacement, Intel. */
const CAPABILITIES_LOW = 0x80860000 | 0x8000 | 0x2000 | ((HPET_TIMERS - 1) << 8) | 1;

const ENABLE = 0x1;
const LEGACY_REPLACEMENT = 0x2;

const LEVEL = 0x0002;
const INTERRUPT_ENABLE = 0x0004;
const PERIODIC = 0x0008;
const PERIODIC_CAPABLE = 0x0010;
const SIZE_64 = 0x0020;
const SET_ACCUMULATOR = 0x0040;
const MODE_32 = 0x0100;
const ROUTE_SHIFT = 9;
const FSB_ENABLE = 0x4000;
const FSB_CAPABLE = 0x8000;
const CONFIGURATION_WRITABLE = 0x7f4e & ~FSB_ENABLE;
/** I/O APIC inputs 20-23, as Intel's I/O controller hubs have it. */
const ROUTES = 0x00f00000;

/** Interrupts of one timer closer than this (ns) run together. */
const SHORTEST_PERIOD = 10_000;
/**
 * A comparator that is written after the counter has passed it fires only when the counter has gone all the way round. On a slow processor that
 * happens to drivers that are safe on real hardware, so one passed by less than this (ticks: 10 ms) fires at once.
 */
const JUST_PASSED = 1_000_000n;
const FOREVER = 2 ** 60;

const timerSchema = z.strictObject({
  configuration: integer(0, 0xffff),
  comparatorLow: u32,
  comparatorHigh: u32,
  /** What the comparator advances by in periodic mode: the value last written. */
  periodLow: u32,
  periodHigh: u32,
  fsbValue: u32,
  fsbAddress: u32,
  /** Level of the timer's own output. */
  output: bool,
  /** When the counter reaches the comparator (guest ns); 0 = not under way. */
  fireAt: guestTime,
});
const schema = z.strictObject({
  configuration: integer(0, 3),
  status: integer(0, 2 ** HPET_TIMERS - 1),
  /** The counter's value at `since`; it stands while disabled. */
  counterLow: u32,
  counterHigh: u32,
  since: guestTime,
  timers: exactly(HPET_TIMERS, timerSchema),
  /** Levels of the 8254's IRQ 0 and the clock's IRQ 8, which legacy replacement cuts off. */
  legacyInputs: exactly(2, bool),
});

export type HpetState = z.infer<typeof schema>;
type TimerState = z.infer<typeof timerSchema>;

export interface HpetOptions {
  /** ISA IRQ 0 and IRQ 8: the timers' or, without legacy replacement, what drives `pit` and `rtc`. */
  readonly irq0: IrqLine;
  readonly irq8: IrqLine;
  /** I/O APIC inputs 20-23, in order. */
  readonly routes: readonly [IrqLine, IrqLine, IrqLine, IrqLine];
  /** Given: timers can interrupt by message (FSB delivery). */
  readonly messageSignalled?: (address: number, data: number) => void;
}

export interface Hpet extends Device<HpetState> {
  /** 1 KiB at FED00000h. */
  readonly registers: Region;
  /** Where the 8254 and the clock put their interrupts. */
  readonly pit: IrqLine;
  readonly rtc: IrqLine;
}

/** Three 64-bit comparators on a 100 MHz counter. */
export const hpet = defineDevice<HpetState, HpetOptions, Hpet>({
  type: 'hpet',
  state: { version: 1, schema },
  create({ scheduler, log }, options) {
    const fsb = options.messageSignalled !== undefined;
    const freshTimer = (): TimerState => ({
      configuration: PERIODIC_CAPABLE | SIZE_64 | (fsb ? FSB_CAPABLE : 0),
      comparatorLow: 0xffffffff,
      comparatorHigh: 0xffffffff,
      periodLow: 0,
      periodHigh: 0,
      fsbValue: 0,
      fsbAddress: 0,
      output: false,
      fireAt: 0,
    });
    const fresh = (): HpetState => ({
      configuration: 0,
      status: 0,
      counterLow: 0,
      counterHigh: 0,
      since: 0,
      timers: Array.from({ length: HPET_TIMERS }, freshTimer),
      legacyInputs: [false, false],
    });
    const state = fresh();
    const armed: (Timer | undefined)[] = [];

    // -- the counter

    const enabled = () => (state.configuration & ENABLE) !== 0;
    const ticks = () => (enabled() ? Math.max(0, Math.floor((scheduler.now() - state.since) / TICK)) : 0);
    const counter = (): bigint => BigInt.asUintN(64, u64(state.counterLow, state.counterHigh) + BigInt(ticks()));
    const setCounter = (value: bigint) => {
      state.counterLow = low(value);
      state.counterHigh = high(value);
      // Whole ticks only: the counter's phase stays.
      state.since = enabled() ? state.since + ticks() * TICK : 0;
    };

    // -- outputs

    const legacy = () => state.configuration === (ENABLE | LEGACY_REPLACEMENT);
    const interrupts = (timer: TimerState) => (timer.configuration & INTERRUPT_ENABLE) !== 0;
    const drive = () => {
      const [first, second] = state.timers as [TimerState, TimerState];
      options.irq0.set(legacy() ? first.output : state.legacyInputs[0]!);
      options.irq8.set(legacy() ? second.output : state.legacyInputs[1]!);
      for (const [index, line] of options.routes.entries()) {
        line.set(state.timers.some((timer, number) => timer.output && !(legacy() && number < 2) && routeOf(timer) === 20 + index));
      }
    };
    const setOutput = (timer: TimerState, level: boolean) => {
      timer.output = level;
      drive();
    };
    /** The counter met the comparator. An edge stays high until the next one: the 8259s want to see it when they are asked. */
    const interrupt = (index: number, timer: TimerState) => {
      const level = (timer.configuration & LEVEL) !== 0;
      if (level) state.status |= 1 << index; // set whether or not the interrupt is enabled
      if (!interrupts(timer)) return;
      if ((timer.configuration & FSB_ENABLE) !== 0) options.messageSignalled?.(timer.fsbAddress, timer.fsbValue);
      else {
        if (!level) setOutput(timer, false);
        setOutput(timer, true);
      }
    };
    /** Brings the output in line with a changed configuration or status. */
    const settleOutput = (index: number, timer: TimerState) => {
      const wired = interrupts(timer) && (timer.configuration & FSB_ENABLE) === 0;
      if ((timer.configuration & LEVEL) !== 0) timer.output = wired && (state.status & (1 << index)) !== 0;
      else if (!wired) timer.output = false;
    };

    // -- comparators

    const bitsOf = (timer: TimerState) => ((timer.configuration & MODE_32) !== 0 ? 32 : 64);
    const comparator = (timer: TimerState) => BigInt.asUintN(bitsOf(timer), u64(timer.comparatorLow, timer.comparatorHigh));
    const periodOf = (timer: TimerState) => BigInt.asUintN(bitsOf(timer), u64(timer.periodLow, timer.periodHigh));

    const schedule = (index: number) => {
      armed[index]?.cancel();
      const timer = state.timers[index]!;
      const silent = timer.fireAt === 0 || !interrupts(timer);
      armed[index] = silent ? undefined : scheduler.at(timer.fireAt, () => fire(index));
    };
    /** Timers whose interrupt is off wake nobody (Linux leaves one counting at its tick rate): what they did is worked out when somebody looks. */
    const catchUp = () => {
      const now = scheduler.now();
      for (const [index, timer] of state.timers.entries()) {
        if (!interrupts(timer) && timer.fireAt !== 0 && timer.fireAt <= now) fire(index);
      }
    };
    /** Works out when the counter next meets the comparator. `written`: a comparator just passed fires at once. */
    const arm = (index: number, written: boolean) => {
      const timer = state.timers[index]!;
      timer.fireAt = 0;
      if (enabled()) {
        const bits = bitsOf(timer);
        const now = BigInt.asUintN(bits, counter());
        const behind = BigInt.asUintN(bits, now - comparator(timer));
        const immediately = behind === 0n || behind <= JUST_PASSED;
        const ahead = behind === 0n ? 1n << BigInt(bits) : BigInt.asUintN(bits, -behind);
        if (written && immediately) timer.fireAt = Math.max(1, scheduler.now());
        else {
          const at = state.since + (ticks() + Number(ahead)) * TICK;
          if (at < FOREVER) timer.fireAt = at;
        }
      }
      schedule(index);
    };
    const armAll = (written: boolean) => {
      for (let index = 0; index < HPET_TIMERS; index++) arm(index, written);
    };
    const fire = (index: number) => {
      const timer = state.timers[index]!;
      timer.fireAt = 0;
      const period = (timer.configuration & PERIODIC) !== 0 ? periodOf(timer) : 0n;
      if (period !== 0n) {
        // On to the first multiple that is not past: periods that went by unseen are lost, drivers read the counter.
        const behind = BigInt.asUintN(bitsOf(timer), counter() - comparator(timer));
        const next = comparator(timer) + (behind / period + 1n) * period;
        timer.comparatorLow = low(next);
        timer.comparatorHigh = (timer.configuration & MODE_32) !== 0 ? timer.comparatorHigh : high(next);
      }
      arm(index, false);
      if (timer.fireAt !== 0 && timer.fireAt < scheduler.now() + SHORTEST_PERIOD) {
        timer.fireAt = scheduler.now() + SHORTEST_PERIOD;
        schedule(index);
      }
      interrupt(index, timer);
    };

    // -- registers

    const writeConfiguration = (value: number) => {
      const present = counter();
      const was = enabled();
      state.configuration = value & (ENABLE | LEGACY_REPLACEMENT);
      if (was !== enabled()) {
        state.since = enabled() ? scheduler.now() : 0;
        state.counterLow = low(present);
        state.counterHigh = high(present);
        armAll(false);
      }
      drive();
    };
    const writeStatus = (value: number) => {
      state.status &= ~value;
      for (const [index, timer] of state.timers.entries()) settleOutput(index, timer);
      drive();
    };
    const writeTimerConfiguration = (index: number, value: number) => {
      const timer = state.timers[index]!;
      const writable = CONFIGURATION_WRITABLE | (fsb ? FSB_ENABLE : 0);
      timer.configuration = (timer.configuration & ~writable) | (value & writable);
      if ((timer.configuration & LEVEL) === 0) state.status &= ~(1 << index);
      settleOutput(index, timer);
      drive();
      arm(index, false);
    };
    /** In periodic mode a write sets the period, and with SET_ACCUMULATOR (which ends with it) the next match, too. */
    const writeComparator = (index: number, half: 0 | 1, value: number) => {
      const timer = state.timers[index]!;
      const periodic = (timer.configuration & PERIODIC) !== 0;
      if (!periodic || (timer.configuration & SET_ACCUMULATOR) !== 0) {
        if (half === 0) timer.comparatorLow = value;
        else timer.comparatorHigh = value;
      }
      if (periodic) {
        if (half === 0) timer.periodLow = value;
        else timer.periodHigh = value;
      }
      // A 64-bit comparator is written in two halves, low first.
      if (half === 1 || (timer.configuration & MODE_32) !== 0) timer.configuration &= ~SET_ACCUMULATOR;
      arm(index, true);
    };
    const writeCounter = (half: 0 | 1, value: number) => {
      if (enabled()) log.guest('hpet: the counter is written while it runs');
      const present = counter();
      setCounter(half === 0 ? u64(value, high(present)) : u64(low(present), value));
      armAll(false);
    };

    const read = (offset: number): number => {
      const half = (offset & 4) === 0 ? 0 : 1;
      const register = offset & ~4;
      if (register >= TIMERS && register < TIMERS + HPET_TIMERS * TIMER_STRIDE) {
        const timer = state.timers[(register - TIMERS) >> 5]!;
        switch (register & (TIMER_STRIDE - 1)) {
          case TIMER_CONFIGURATION:
            return half === 0 ? timer.configuration : ROUTES;
          case TIMER_COMPARATOR:
            return half === 0 ? timer.comparatorLow : (timer.configuration & MODE_32) !== 0 ? 0 : timer.comparatorHigh;
          case TIMER_FSB:
            return half === 0 ? timer.fsbValue : timer.fsbAddress;
          default:
            return 0;
        }
      }
      switch (register) {
        case CAPABILITIES:
          return half === 0 ? CAPABILITIES_LOW >>> 0 : TICK_FEMTOSECONDS;
        case CONFIGURATION:
          return half === 0 ? state.configuration : 0;
        case INTERRUPT_STATUS:
          return half === 0 ? state.status : 0;
        case MAIN_COUNTER:
          return half === 0 ? (state.counterLow + (ticks() % 2 ** 32)) % 2 ** 32 : high(counter());
        default:
          return 0;
      }
    };
    const write = (offset: number, value: number): void => {
      const half = (offset & 4) === 0 ? 0 : 1;
      const register = offset & ~4;
      if (register >= TIMERS && register < TIMERS + HPET_TIMERS * TIMER_STRIDE) {
        const index = (register - TIMERS) >> 5;
        const timer = state.timers[index]!;
        switch (register & (TIMER_STRIDE - 1)) {
          case TIMER_CONFIGURATION:
            if (half === 0) writeTimerConfiguration(index, value);
            break;
          case TIMER_COMPARATOR:
            writeComparator(index, half, value);
            break;
          case TIMER_FSB:
            if (half === 0) timer.fsbValue = value;
            else timer.fsbAddress = value;
            break;
          default:
        }
        return;
      }
      if (register === CONFIGURATION && half === 0) writeConfiguration(value);
      else if (register === INTERRUPT_STATUS && half === 0) writeStatus(value);
      else if (register === MAIN_COUNTER) writeCounter(half, value);
    };

    return {
      state,
      registers: {
        name: 'hpet',
        read: (offset, size) => {
          catchUp();
          const value = read(offset & ~3) >>> (8 * (offset & 3));
          return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
        },
        write: (offset, size, value) => {
          catchUp();
          if (size === 4 && (offset & 3) === 0) write(offset, value);
          else log.guest('hpet: write of less than 32 bits', { offset, size });
        },
      },
      pit: legacyInput(0),
      rtc: legacyInput(1),
      reset() {
        const { legacyInputs, timers } = state;
        const initial = fresh();
        for (const [index, timer] of initial.timers.entries()) Object.assign(timers[index]!, timer);
        Object.assign(state, initial, { legacyInputs, timers });
        armAll(false);
        drive();
      },
      loaded() {
        for (let index = 0; index < HPET_TIMERS; index++) schedule(index);
        drive();
      },
      inspect: () => ({
        counter: counter().toString(),
        running: enabled() ? 'yes' : 'no',
        'legacy replacement': legacy() ? 'yes' : 'no',
        ...Object.fromEntries(
          state.timers.map((timer, index) => [
            `timer ${index}`,
            `${(timer.configuration & PERIODIC) !== 0 ? 'periodic' : 'one-shot'}, interrupt ${interrupts(timer) ? 'on' : 'off'}`,
          ]),
        ),
      }),
    };

    function legacyInput(index: 0 | 1): IrqLine {
      return {
        set: (level) => {
          state.legacyInputs[index] = level;
          drive();
        },
      };
    }
  },
});

function routeOf(timer: TimerState): number {
  return (timer.configuration >> ROUTE_SHIFT) & 31;
}

function u64(lowHalf: number, highHalf: number): bigint {
  return (BigInt(highHalf) << 32n) | BigInt(lowHalf);
}

function low(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

function high(value: bigint): number {
  return Number(BigInt.asUintN(32, value >> 32n));
}
