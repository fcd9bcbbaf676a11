import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { createFrequency } from '../../bus/frequency.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, exactly, guestTime, integer, u8, unsigned } from '../../bus/schema.ts';
import { counterSchema, newCounter, PitCounter, type CounterState } from './pit-counter.ts';

/** 14.31818 MHz / 12. */
export const PIT_HZ = 1193182;
const clock = createFrequency(PIT_HZ);

// Control word, port 43h
const CONTROL_SELECT_SHIFT = 6;
const READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

// System control port B, port 61h (82371SB NMISC, 2.5.5)
const PORT_B_GATE_2 = 0x01;
const PORT_B_SPEAKER = 0x02;
const PORT_B_WRITABLE = 0x0f;
const PORT_B_REFRESH = 0x10;
const PORT_B_OUT_2 = 0x20;

/** Edges of IRQ 0 closer than this (ns) run together: no guest serves 100 000 interrupts a second. */
const SHORTEST_INTERVAL = 10_000;
/**
 * Ticks that the guest did not see, because the host was late or the guest kept interrupts off, are given to it later, at four times the rate and
 * at most this long a time's worth (ns): guests that count ticks keep the right time, and none is drowned in a burst.
 */
const LONGEST_BACKLOG = 1e9;
/** Faster ticks (ns) are sound or measurement, not time: what is lost stays lost, as on a slow PC. */
const SHORTEST_OWED_PERIOD = 500_000;

export interface Pit8254Options {
  readonly irq0: IrqLine;
  /** What became of IRQ 0; without it no lost tick is made up for. */
  readonly irq0Feedback?: {
    /** The interrupt controller wants IRQ 0. */
    wanted(): boolean;
    /** An edge of IRQ 0 waits to be acknowledged. */
    requested(): boolean;
  };
  /** Called when gate, data bit or count of the speaker changed (`speaker`). */
  readonly speakerChanged?: () => void;
}

export interface Pit8254State {
  counters: CounterState[];
  /** Level driven on IRQ 0. It rises with OUT 0; it falls only when OUT 0 is set low or just before it rises. */
  irq0: boolean;
  /** Tick up to which edges of OUT 0 were handed on. */
  handled: number;
  /** Ticks owed to the guest, and when the next of them comes (ns, 0 = none under way). */
  owed: number;
  owedAt: number;
  /** The writable bits of port 61h. */
  portB: number;
}

export interface Pit8254 extends Device<Pit8254State> {
  /** Ports 40h-43h. */
  readonly counters: Region;
  /** Port 61h: gate of counter 2, speaker, refresh toggle. */
  readonly systemControl: Region;
  /** IRQ 0 was acknowledged. */
  irq0Acknowledged(): void;
  /** What the speaker is given: level at guest time `at` (ns), and the tone in Hz when it is a steady one. */
  speaker(at: number): { readonly level: boolean; readonly tone: number | undefined };
}

/** Intel 8254 programmable interval timer: IRQ 0, refresh request and speaker, with the PC's port 61h. */
export const pit8254 = defineDevice<Pit8254State, Pit8254Options, Pit8254>({
  type: 'pit-8254',
  state: {
    version: 1,
    schema: z.strictObject({
      counters: exactly(3, counterSchema),
      irq0: bool,
      handled: unsigned(53),
      owed: integer(0, 10_000),
      owedAt: guestTime,
      portB: u8,
    }),
  },
  create({ scheduler }, options) {
    const tick = () => clock.ticksAt(scheduler.now());
    const fresh = (): Pit8254State => ({
      counters: [newCounter(true), newCounter(true), newCounter(false)],
      irq0: false,
      handled: tick(),
      owed: 0,
      owedAt: 0,
      portB: 0,
    });
    const state = fresh();
    const counters = state.counters.map((counter) => new PitCounter(counter)) as [PitCounter, PitCounter, PitCounter];
    const [timer, refresh, speaker] = counters;
    let edgeTimer: Timer | undefined;
    let owedTimer: Timer | undefined;

    const periodTime = () => (timer.period / PIT_HZ) * 1e9;

    const drive = (level: boolean) => {
      state.irq0 = level;
      options.irq0.set(level);
    };
    const pulse = () => {
      drive(false);
      drive(true);
    };

    const owe = (ticks: number) => {
      const feedback = options.irq0Feedback;
      if (feedback === undefined || !timer.periodic || periodTime() < SHORTEST_OWED_PERIOD) return;
      if (feedback.wanted()) state.owed = Math.min(state.owed + ticks, Math.ceil(LONGEST_BACKLOG / periodTime()), 10_000);
      else state.owed = 0;
    };

    const armOwed = () => {
      owedTimer?.cancel();
      owedTimer = state.owedAt === 0 ? undefined : scheduler.at(state.owedAt, payOwed);
    };
    const payOwed = () => {
      state.owedAt = 0;
      const feedback = options.irq0Feedback;
      if (feedback === undefined || state.owed === 0) return;
      if (!feedback.wanted()) state.owed = 0;
      else if (!feedback.requested()) {
        state.owed--;
        pulse();
      }
    };

    const armEdge = () => {
      edgeTimer?.cancel();
      const rise = timer.nextRise(state.handled);
      edgeTimer = rise === undefined ? undefined : scheduler.at(Math.max(clock.timeOf(rise), clock.timeOf(state.handled) + SHORTEST_INTERVAL), edge);
    };
    /** Hands on the edges of OUT 0 up to the present: one now, the others owed. */
    const edge = () => {
      const now = tick();
      const rise = timer.nextRise(state.handled);
      if (rise !== undefined && rise <= now) {
        const unseen = options.irq0Feedback?.requested() === true ? 1 : 0;
        owe(timer.rises(state.handled, now) - 1 + unseen);
        state.handled = now;
        timer.settle(now);
        pulse();
      }
      armEdge();
    };

    /** Does something to counter 0, then brings IRQ 0 and its timers in line with it. */
    const reprogram = (apply: (now: number) => boolean) => {
      edge();
      const now = tick();
      if (!apply(now)) return;
      const out = timer.out(now);
      if (out !== state.irq0) drive(out);
      Object.assign(state, { handled: now, owed: 0, owedAt: 0 });
      armOwed();
      armEdge();
    };
    const change = (index: number, apply: (now: number) => boolean) => {
      if (index === 0) reprogram(apply);
      else apply(tick());
      if (index === 2) options.speakerChanged?.();
    };

    const writeControl = (value: number) => {
      const select = value >> CONTROL_SELECT_SHIFT;
      const counter = counters[select];
      if (select === READ_BACK || counter === undefined) {
        for (const [index, each] of counters.entries()) {
          if ((value & (2 << index)) === 0) continue;
          if ((value & READ_BACK_NO_COUNT) === 0) each.latchCount(tick());
          if ((value & READ_BACK_NO_STATUS) === 0) each.latchStatus(tick());
        }
        return;
      }
      const access = (value >> 4) & 3;
      if (access === 0) counter.latchCount(tick());
      else {
        change(select, () => {
          counter.writeControl(access, (value >> 1) & 7, (value & 1) !== 0);
          return true;
        });
      }
    };

    return {
      state,
      counters: {
        name: 'pit',
        sizes: 1,
        read: (offset) => counters[offset]?.read(tick()) ?? 0xff,
        write: (offset, _size, value) => {
          const counter = counters[offset];
          if (counter === undefined) writeControl(value);
          else change(offset, (now) => counter.write(value, now));
        },
      },
      systemControl: {
        name: 'system-control-b',
        sizes: 1,
        read: () => {
          const now = tick();
          // The refresh request toggles with each cycle of counter 1, about every 15 µs.
          const refreshCycle = Math.floor(now / (refresh.state.idle ? 18 : refresh.period)) & 1;
          return state.portB | (refreshCycle ? PORT_B_REFRESH : 0) | (speaker.out(now) ? PORT_B_OUT_2 : 0);
        },
        write: (_offset, _size, value) => {
          state.portB = value & PORT_B_WRITABLE;
          speaker.setGate((value & PORT_B_GATE_2) !== 0, tick());
          options.speakerChanged?.();
        },
      },
      irq0Acknowledged() {
        if (state.owed === 0 || state.owedAt !== 0) return;
        state.owedAt = scheduler.now() + Math.max(Math.ceil(periodTime() / 4), SHORTEST_INTERVAL);
        armOwed();
      },
      speaker(at) {
        const enabled = (state.portB & PORT_B_SPEAKER) !== 0;
        const steady = enabled && speaker.mode === 3 && !speaker.state.idle && speaker.state.gate;
        return { level: enabled && speaker.out(clock.ticksAt(at)), tone: steady ? PIT_HZ / speaker.period : undefined };
      },
      reset() {
        const initial = fresh();
        for (const [index, counter] of initial.counters.entries()) Object.assign(state.counters[index]!, counter);
        Object.assign(state, initial, { counters: state.counters });
        drive(false);
        armOwed();
        armEdge();
        options.speakerChanged?.();
      },
      loaded() {
        options.irq0.set(state.irq0);
        armOwed();
        armEdge();
        options.speakerChanged?.();
      },
      inspect: () => ({
        ...Object.fromEntries(counters.map((counter, index) => [`counter ${index}`, describeCounter(counter)])),
        'owed ticks': state.owed,
        'port 61h': `${state.portB.toString(16)}h`,
      }),
    };
  },
});

function describeCounter(counter: PitCounter): string {
  const { idle, count } = counter.state;
  if (idle) return `mode ${counter.mode}, idle`;
  return `mode ${counter.mode}, count ${count} (${(PIT_HZ / count).toFixed(2)} Hz)`;
}
