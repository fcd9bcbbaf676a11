import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { createFrequency } from '../../bus/frequency.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, bytes, guestTime, integer } from '../../bus/schema.ts';
import { civilOf } from './calendar.ts';
import * as reg from './rtc-registers.ts';

const SECOND = 1e9;
const DAY = 86400;
/** The divider starts half a second before the first update when its reset is released (data sheet, "divider control"). */
const FIRST_UPDATE = SECOND / 2;
/** UIP is set 244 µs before an update, which takes 1984 µs at 32768 Hz (data sheet, table 6). */
const UPDATE_IN_PROGRESS = 244_000 + 1_984_000;
const INDEX_MASK = 0x7f;
const NMI_MASK = 0x80;

/** As with IRQ 0 (pit-8254.ts): periodic interrupts that the guest had no chance to see come later, at most this long a time's worth. */
const LONGEST_BACKLOG = SECOND;
const SHORTEST_OWED_PERIOD = 400_000;

const timeBase = createFrequency(32768);

export interface RtcOptions {
  readonly irq8: IrqLine;
  /** The time at creation, in seconds since 1970-01-01 00:00 of the zone the guest shall see. */
  readonly time: number;
  /** What stands in CMOS RAM (cmos-layout.ts): 128 bytes; 00h-0Dh are not taken. */
  readonly cmos?: Uint8Array;
  /** Bit 7 of port 70h: the guest masks NMI. */
  readonly nmiMasked?: (masked: boolean) => void;
}

export interface RtcState {
  /** 128 registers and RAM bytes. The time registers are current only while updates are held off; otherwise time follows from the fields below. */
  cmos: Uint8Array;
  index: number;
  nmiMasked: boolean;
  /** The clock showed `seconds` at `origin` (guest ns), when the divider chain stood at zero. */
  seconds: number;
  origin: number;
  weekdayShift: number;
  /** Up to when flags were derived (guest ns). */
  handled: number;
  /** Periodic interrupts owed to the guest, and when the next of them comes (guest ns, 0 = none under way). */
  owed: number;
  owedAt: number;
}

export interface Rtc extends Device<RtcState> {
  /** Ports 70h-71h. */
  readonly registers: Region;
  /** Sets the clock, as after the host slept: seconds since 1970 in the guest's zone. */
  setTime(seconds: number): void;
  /** The time the clock shows, in the same unit. */
  readonly time: number;
}

/** Motorola MC146818A real-time clock with 114 bytes of battery-backed RAM. */
export const rtcMc146818 = defineDevice<RtcState, RtcOptions, Rtc>({
  type: 'rtc-mc146818',
  state: {
    version: 1,
    schema: z.strictObject({
      cmos: bytes(128),
      index: integer(0, INDEX_MASK),
      nmiMasked: bool,
      seconds: integer(-1e12, 1e12),
      origin: z
        .number()
        .min(-SECOND)
        .max(2 ** 62),
      weekdayShift: integer(0, 6),
      handled: guestTime,
      owed: integer(0, 10_000),
      owedAt: guestTime,
    }),
  },
  create({ scheduler }, options) {
    const cmos = new Uint8Array(128);
    if (options.cmos !== undefined) cmos.set(options.cmos.subarray(0, 128));
    cmos.fill(0, 0, reg.REG_D);
    cmos[reg.REG_A] = reg.A_DV_32768 | 6; // as a PC's firmware leaves it: 1024 Hz
    cmos[reg.REG_B] = reg.B_24H;
    cmos[reg.REG_D] = reg.D_VRT;
    const now = scheduler.now();
    const state: RtcState = {
      cmos,
      index: 0,
      nmiMasked: false,
      seconds: Math.floor(options.time),
      origin: now,
      weekdayShift: 0,
      handled: now,
      owed: 0,
      owedAt: 0,
    };
    let timer: Timer | undefined;

    const get = (register: number) => state.cmos[register]!;
    const dividing = () => (get(reg.REG_A) & reg.A_DV_RESET) !== reg.A_DV_RESET;
    const updating = () => dividing() && (get(reg.REG_B) & reg.B_SET) === 0;
    const secondAt = (time: number) => state.seconds + Math.floor((time - state.origin) / SECOND);
    const timeOfSecond = (second: number) => state.origin + (second - state.seconds) * SECOND;

    const storeTime = (time: number) => {
      reg.storeTime(state.cmos, secondAt(time), state.weekdayShift);
    };
    /** Takes the time registers as the present; the divider chain, and so the moment of the next update, stays. */
    const adoptTime = (time: number) => {
      state.origin += Math.floor((time - state.origin) / SECOND) * SECOND;
      Object.assign(state, reg.readTime(state.cmos));
    };

    /** The first second after `after` that the alarm registers match; undefined if none does. */
    const nextAlarm = (after: number): number | undefined => {
      const regB = get(reg.REG_B);
      const matches = (register: number, encoded: number) => {
        const wanted = get(register);
        return (wanted & reg.ALARM_ANY) === reg.ALARM_ANY || wanted === encoded;
      };
      const hours = fieldMatches(24, (hour) => matches(reg.HOURS_ALARM, reg.encodeHour(hour, regB)));
      const minutes = fieldMatches(60, (minute) => matches(reg.MINUTES_ALARM, reg.encodeSixtieth(minute, regB)));
      const seconds = fieldMatches(60, (second) => matches(reg.SECONDS_ALARM, reg.encodeSixtieth(second, regB)));
      if (hours.length === 0 || minutes.length === 0 || seconds.length === 0) return undefined;
      const { hour, minute, second } = civilOf(after + 1);
      const earliest = hour * 3600 + minute * 60 + second;
      const midnight = after + 1 - earliest;
      const today = firstAtLeast(earliest, hours, minutes, seconds);
      return today !== undefined ? midnight + today : midnight + DAY + hours[0]! * 3600 + minutes[0]! * 60 + seconds[0]!;
    };

    const periodTime = () => (reg.periodicTicks(get(reg.REG_A)) / timeBase.hz) * SECOND;
    const periodsAt = (time: number) => Math.floor(timeBase.ticksAt(time - state.origin) / reg.periodicTicks(get(reg.REG_A)));
    const periodic = () => dividing() && reg.periodicTicks(get(reg.REG_A)) !== 0;

    const owe = (periods: number) => {
      if ((get(reg.REG_B) & reg.B_PIE) === 0 || periodTime() < SHORTEST_OWED_PERIOD) return;
      state.owed = Math.min(state.owed + periods, Math.ceil(LONGEST_BACKLOG / periodTime()));
    };

    const raise = (flags: number) => {
      state.cmos[reg.REG_C] = get(reg.REG_C) | flags;
      updateIrq();
    };
    const updateIrq = () => {
      const pending = (get(reg.REG_C) & get(reg.REG_B) & (reg.C_PF | reg.C_AF | reg.C_UF)) !== 0;
      state.cmos[reg.REG_C] = (get(reg.REG_C) & ~reg.C_IRQF) | (pending ? reg.C_IRQF : 0);
      options.irq8.set(pending);
    };

    /** Sets the flags of everything that happened up to now. */
    const settle = () => {
      const time = scheduler.now();
      let flags = 0;
      if (periodic()) {
        const periods = periodsAt(time) - periodsAt(state.handled);
        if (periods > 0) {
          flags |= reg.C_PF;
          owe(periods - 1 + ((get(reg.REG_C) & reg.C_PF) !== 0 ? 1 : 0));
        }
      }
      if (updating()) {
        const [from, to] = [secondAt(state.handled), secondAt(time)];
        if (to > from) {
          flags |= reg.C_UF;
          const alarm = nextAlarm(from);
          if (alarm !== undefined && alarm <= to) flags |= reg.C_AF;
        }
      }
      if (state.owedAt !== 0 && state.owedAt <= time) {
        state.owedAt = 0;
        const seen = ((flags | get(reg.REG_C)) & reg.C_PF) === 0; // otherwise the next read of register C goes on with it
        if (state.owed > 0 && seen) {
          state.owed--;
          flags |= reg.C_PF;
        }
      }
      state.handled = time;
      if (flags !== 0) raise(flags);
    };

    /** One timer, for the earliest thing that is enabled to interrupt. */
    const arm = () => {
      timer?.cancel();
      const regB = get(reg.REG_B);
      let deadline = state.owedAt !== 0 ? state.owedAt : Infinity;
      if ((regB & reg.B_PIE) !== 0 && periodic()) {
        const ticks = (periodsAt(state.handled) + 1) * reg.periodicTicks(get(reg.REG_A));
        deadline = Math.min(deadline, state.origin + timeBase.timeOf(ticks));
      }
      if ((regB & reg.B_UIE) !== 0 && updating()) deadline = Math.min(deadline, timeOfSecond(secondAt(state.handled) + 1));
      if ((regB & reg.B_AIE) !== 0 && updating()) {
        const alarm = nextAlarm(secondAt(state.handled));
        if (alarm !== undefined) deadline = Math.min(deadline, timeOfSecond(alarm));
      }
      timer = deadline === Infinity ? undefined : scheduler.at(deadline, fire);
    };
    const fire = () => {
      settle();
      arm();
    };

    const read = (register: number): number => {
      const time = scheduler.now();
      if (reg.TIME_REGISTERS.includes(register) && updating()) storeTime(time);
      switch (register) {
        case reg.REG_A: {
          const untilUpdate = timeOfSecond(secondAt(time) + 1) - time;
          return get(reg.REG_A) | (updating() && untilUpdate <= UPDATE_IN_PROGRESS ? reg.A_UIP : 0);
        }
        case reg.REG_C: {
          settle();
          const flags = get(reg.REG_C);
          state.cmos[reg.REG_C] = 0;
          if (state.owed > 0 && state.owedAt === 0) state.owedAt = time + Math.ceil(periodTime() / 4);
          updateIrq();
          arm();
          return flags;
        }
        default:
          return get(register);
      }
    };

    const writeDivider = (value: number, time: number) => {
      const wasDividing = dividing();
      if (updating()) storeTime(time);
      state.cmos[reg.REG_A] = value & ~reg.A_UIP;
      state.owed = state.owedAt = 0;
      if (!wasDividing && dividing()) {
        Object.assign(state, reg.readTime(state.cmos));
        state.origin = time - FIRST_UPDATE;
      } else if (wasDividing && updating()) adoptTime(time);
    };

    const writeControl = (value: number, time: number) => {
      const wasUpdating = updating();
      if (wasUpdating) storeTime(time);
      // SET clears UIE (data sheet, register B).
      state.cmos[reg.REG_B] = (value & reg.B_SET) !== 0 ? value & ~reg.B_UIE : value;
      if ((value & reg.B_PIE) === 0) state.owed = state.owedAt = 0;
      // Without SET the registers keep their meaning: a change of DM or 24/12 re-reads the same bytes, as the chip does.
      if (updating()) adoptTime(time);
      updateIrq();
    };

    const write = (register: number, value: number) => {
      settle();
      const time = scheduler.now();
      if (register === reg.REG_A) writeDivider(value, time);
      else if (register === reg.REG_B) writeControl(value, time);
      else if (register === reg.REG_C || register === reg.REG_D)
        return; // read only
      else if (reg.TIME_REGISTERS.includes(register)) {
        if (updating()) storeTime(time);
        state.cmos[register] = value;
        if (register === reg.CENTURY || register === reg.CENTURY_PS2) state.cmos[reg.CENTURY] = state.cmos[reg.CENTURY_PS2] = value;
        if (updating()) adoptTime(time);
      } else state.cmos[register] = value;
      arm();
    };

    return {
      state,
      registers: {
        name: 'rtc',
        sizes: 1,
        read: (offset) => (offset === 0 ? 0xff : read(state.index)),
        write: (offset, _size, value) => {
          if (offset === 1) {
            write(state.index, value);
            return;
          }
          state.index = value & INDEX_MASK;
          state.nmiMasked = (value & NMI_MASK) !== 0;
          options.nmiMasked?.(state.nmiMasked);
        },
      },
      get time() {
        return updating() ? secondAt(scheduler.now()) : reg.readTime(state.cmos).seconds;
      },
      setTime(seconds) {
        settle();
        state.origin = scheduler.now();
        state.seconds = Math.floor(seconds);
        storeTime(state.origin);
        arm();
      },
      /** RESET# clears the interrupt enables and flags; time and RAM live on the battery (data sheet, "RESET"). */
      reset() {
        settle();
        state.cmos[reg.REG_B] = get(reg.REG_B) & ~(reg.B_PIE | reg.B_AIE | reg.B_UIE | reg.B_SQWE);
        state.cmos[reg.REG_C] = 0;
        state.index = 0;
        state.nmiMasked = false;
        state.owed = state.owedAt = 0;
        options.nmiMasked?.(false);
        updateIrq();
        arm();
      },
      loaded() {
        options.nmiMasked?.(state.nmiMasked);
        updateIrq();
        arm();
      },
      inspect() {
        const { year, month, day, hour, minute, second } = civilOf(this.time);
        const two = (value: number) => String(value).padStart(2, '0');
        const hex = (register: number) => `${get(register).toString(16)}h`;
        return {
          time: `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`,
          'register A': hex(reg.REG_A),
          'register B': hex(reg.REG_B),
          'register C': hex(reg.REG_C),
          'owed ticks': state.owed,
        };
      },
    };
  },
});

function fieldMatches(count: number, matches: (value: number) => boolean): number[] {
  return Array.from({ length: count }, (_, value) => value).filter(matches);
}

/** The earliest second of a day, not before `earliest`, made of these hours, minutes and seconds (each ascending and not empty). */
function firstAtLeast(earliest: number, hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): number | undefined {
  for (const hour of hours) {
    if (hour * 3600 + 3599 < earliest) continue;
    for (const minute of minutes) {
      const start = hour * 3600 + minute * 60;
      if (start + 59 < earliest) continue;
      const second = seconds.find((each) => start + each >= earliest);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}
