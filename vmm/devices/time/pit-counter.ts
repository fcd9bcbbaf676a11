import { z } from 'zod';
import { bool, integer, u8, unsigned } from '../../bus/schema.ts';

/*
 * One counter of an Intel 8254 (data sheet 231164). Nothing counts here: count and OUT follow from the tick at which the count was loaded, so
 * a counter costs nothing while nobody looks and never drifts. All times are in ticks of the counter's clock.
 */

const ticks = unsigned(53);

export const counterSchema = z.strictObject({
  /** Control word: M2-M0 as written (6 and 7 are 2 and 3), BCD, RW1-RW0 (1 low byte, 2 high byte, 3 low then high). */
  mode: integer(0, 7),
  bcd: bool,
  access: integer(1, 3),
  /** Not counting: no count written since the control word, or no trigger yet (modes 1 and 5). */
  idle: bool,
  /** The count in force: 1 to 65536, to 16665 in BCD (digits above 9 count as what they are). */
  count: integer(1, 65536),
  /** A count written but not in force, 0 if none, and the tick at which a periodic counter takes it. */
  next: integer(0, 65536),
  switchAt: ticks,
  /** Tick at which `count` was loaded. */
  origin: ticks,
  /** Mode 1: OUT in the tick between the trigger and the load. */
  outBeforeLoad: bool,
  gate: bool,
  /** Elapsed ticks, frozen while GATE is low. */
  held: ticks.nullable(),
  writeLow: u8,
  writeHigh: bool,
  readHigh: bool,
  /** Latched count and status; null: not latched. */
  latch: integer(0, 0xffff).nullable(),
  status: u8.nullable(),
});

export type CounterState = z.infer<typeof counterSchema>;

export function newCounter(gate: boolean): CounterState {
  return {
    mode: 0,
    bcd: false,
    access: 3,
    idle: true,
    count: 65536,
    next: 0,
    switchAt: 0,
    origin: 0,
    outBeforeLoad: true,
    gate,
    held: null,
    writeLow: 0,
    writeHigh: false,
    readHigh: false,
    latch: null,
    status: null,
  };
}

/** `switchAt` of a count that the next trigger takes. */
const AT_TRIGGER = Number.MAX_SAFE_INTEGER;

interface Loaded {
  readonly count: number;
  readonly origin: number;
}

const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;

export class PitCounter {
  readonly state: CounterState;

  constructor(state: CounterState) {
    this.state = state;
  }

  get mode(): number {
    return this.state.mode > 5 ? this.state.mode - 4 : this.state.mode;
  }

  get periodic(): boolean {
    return this.mode === 2 || this.mode === 3;
  }

  /** The period of modes 2 and 3. */
  get period(): number {
    return periodOf(this.state.count);
  }

  get #hardwareTriggered(): boolean {
    return this.mode === 1 || this.mode === 5;
  }

  writeControl(access: number, mode: number, bcd: boolean): void {
    const { gate } = this.state;
    Object.assign(this.state, newCounter(gate), { access, mode, bcd, count: this.state.count });
  }

  /** A byte to the counter's port. False: nothing came of it yet. */
  write(value: number, now: number): boolean {
    const { state } = this;
    if (state.access === 3 && !state.writeHigh) {
      state.writeLow = value;
      state.writeHigh = true;
      if (this.mode === 0) state.idle = true; // mode 0: the first byte stops counting and lowers OUT
      return this.mode === 0;
    }
    state.writeHigh = false;
    const raw = state.access === 1 ? value : state.access === 2 ? value << 8 : state.writeLow | (value << 8);
    this.#load(state.bcd ? fromBcd(raw) || 10000 : raw || 65536, now);
    return true;
  }

  #load(count: number, now: number): void {
    const { state } = this;
    this.settle(now);
    if (this.#hardwareTriggered || (this.periodic && !state.idle && !state.gate)) {
      state.next = count;
      state.switchAt = AT_TRIGGER;
    } else if (this.periodic && !state.idle) {
      state.next = count;
      state.switchAt = this.#endOfCycle(now);
    } else {
      this.#start(count, now + 1); // loaded by the next CLK
      if (!state.gate) state.held = 0;
    }
  }

  #start(count: number, origin: number): void {
    Object.assign(this.state, { idle: false, count, next: 0, switchAt: 0, origin, held: null });
  }

  /** The end of the period (mode 2) or half period (mode 3), where a new count is taken. */
  #endOfCycle(now: number): number {
    const { origin } = this.state;
    const phase = Math.max(now - origin, 0) % this.period;
    const high = highTicks(this.period);
    return Math.max(now, origin) - phase + (this.mode === 3 && phase < high ? high : this.period);
  }

  /** The count in force at `now`, and when it was loaded: a periodic counter may have taken a new one since the state was last settled. */
  #inForce(now: number): Loaded {
    const { state } = this;
    const { next, switchAt } = state;
    if (next === 0 || switchAt > now || !this.periodic || state.idle || state.held !== null) return state;
    const highBefore = this.mode === 3 && this.#isHighBeforeSwitch();
    // A high half (mode 3) that ended is followed by a low half of the new count.
    return { count: next, origin: highBefore ? Math.max(0, switchAt - highTicks(periodOf(next))) : switchAt };
  }

  #isHighBeforeSwitch(): boolean {
    return Math.max(this.state.switchAt - 1 - this.state.origin, 0) % this.period < highTicks(this.period);
  }

  /** Commits to what `now` finds in force. Looking at the counter never does, so that rises before `now` can still be found. */
  settle(now: number): void {
    const loaded = this.#inForce(now);
    if (loaded !== this.state) this.#start(loaded.count, loaded.origin);
  }

  setGate(level: boolean, now: number): void {
    const { state } = this;
    if (level === state.gate) return;
    this.settle(now);
    state.gate = level;
    const counting = !state.idle;
    if (this.#hardwareTriggered) {
      if (!level || (state.idle && state.next === 0)) return;
      state.outBeforeLoad = this.out(now);
      this.#start(state.next || state.count, now + 1);
    } else if (level && this.periodic) {
      if (counting) this.#start(state.next || state.count, now + 1);
    } else if (level) {
      if (state.held !== null) state.origin = Math.max(0, now - state.held);
      state.held = null;
    } else if (counting) state.held = Math.max(now - state.origin, 0);
  }

  out(now: number): boolean {
    const { state } = this;
    if (state.idle) return this.mode !== 0;
    const { count, origin } = this.#inForce(now);
    const elapsed = state.held ?? Math.max(now - origin, 0);
    const period = periodOf(count);
    switch (this.mode) {
      case 0:
        return elapsed >= count;
      case 1:
        return now < origin ? state.outBeforeLoad : elapsed >= count;
      case 2:
        return !state.gate || elapsed % period !== period - 1;
      case 3:
        return !state.gate || elapsed % period < highTicks(period);
      default:
        return elapsed !== count;
    }
  }

  /** The first tick after `now` at which OUT rises, if there is one. */
  nextRise(now: number): number | undefined {
    const { state } = this;
    if (state.idle || state.held !== null || (this.periodic && !state.gate)) return undefined;
    if (!this.periodic) {
      const rise = state.origin + state.count + (this.mode >= 4 ? 1 : 0);
      return rise > now ? rise : undefined;
    }
    if (state.next !== 0 && state.switchAt > now && state.switchAt < AT_TRIGGER) {
      return this.mode === 3 && this.#isHighBeforeSwitch() ? state.switchAt + (periodOf(state.next) >> 1) : state.switchAt;
    }
    const { count, origin } = this.#inForce(now);
    const period = periodOf(count);
    return now < origin ? origin + period : now + period - ((now - origin) % period);
  }

  /** How many times OUT rose in (from, to], given that it did; exact while the count stays the same. */
  rises(from: number, to: number): number {
    const { origin } = this.state;
    if (!this.periodic) return 1;
    const cycles = (at: number) => Math.floor(Math.max(at - origin, 0) / this.period);
    return Math.max(1, cycles(to) - cycles(from));
  }

  /** The counting element as the counter's port shows it. */
  #value(now: number): number {
    const { state } = this;
    const { count, origin } = this.#inForce(now);
    const wrap = state.bcd ? 10000 : 65536;
    const elapsed = state.idle ? 0 : (state.held ?? Math.max(now - origin, 0));
    const period = periodOf(count);
    const phase = elapsed % period;
    let value: number;
    if (this.mode === 2) value = period - phase;
    else if (this.mode === 3) {
      // Counts by two from the count made even, twice per period; an odd count stays at 0 for one more tick while OUT is high.
      value = (period & ~1) - 2 * (phase < highTicks(period) ? phase : phase - highTicks(period));
    } else value = (count % wrap) - (elapsed % wrap) + wrap;
    value %= wrap;
    return state.bcd ? toBcd(value) : value;
  }

  latchCount(now: number): void {
    this.state.latch ??= this.#value(now);
  }

  latchStatus(now: number): void {
    const { state } = this;
    if (state.status !== null) return;
    const { origin, count } = this.#inForce(now);
    const nullCount = state.idle || (state.next !== 0 && state.next !== count) || now < origin;
    state.status =
      (this.out(now) ? STATUS_OUT : 0) | (nullCount ? STATUS_NULL_COUNT : 0) | (state.access << 4) | (state.mode << 1) | (state.bcd ? 1 : 0);
  }

  /** A byte from the counter's port: the latched status, then the latched or the running count. */
  read(now: number): number {
    const { state } = this;
    if (state.status !== null) {
      const { status } = state;
      state.status = null;
      return status;
    }
    const value = state.latch ?? this.#value(now);
    const high = state.access === 2 || (state.access === 3 && state.readHigh);
    if (state.access === 3) state.readHigh = !state.readHigh;
    if (state.access !== 3 || high) state.latch = null;
    return high ? value >> 8 : value & 0xff;
  }
}

/** A count of 1 is illegal in the periodic modes; it behaves as 2. */
function periodOf(count: number): number {
  return Math.max(count, 2);
}

/** Mode 3: an odd count is high for the longer half. */
function highTicks(period: number): number {
  return (period + 1) >> 1;
}

function fromBcd(raw: number): number {
  return (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15);
}

function toBcd(value: number): number {
  return ((Math.floor(value / 1000) % 10) << 12) | ((Math.floor(value / 100) % 10) << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10);
}
