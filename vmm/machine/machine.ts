import type { Vcpu, VcpuExit, X86State } from '../accel/accelerator.ts';
import { VmmError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { SavedDevice } from '../bus/saved-state.ts';
import type { ResetRequest } from '../devices/chipset/piix3.ts';
import type { Board } from './board.ts';
import type { MachineClock } from './clock.ts';
import type { MachineHost, RunEnd } from './host.ts';
import type { SeededRandom } from './random.ts';
import { WriteTracker } from '../memory/write-tracker.ts';

/** The longest slice (guest ns): how late a vCPU may see what another thread did without ringing, and how coarse statistics are. */
const SLICE = 2_000_000;
/** Fewest and most instructions of a slice: below, the loop costs more than the guest; above, the measured speed must be wrong. */
const LEAST_BUDGET = 500;
const MOST_BUDGET = 2_000_000;
/** With several vCPUs on one thread a spinning one must not keep the others waiting. */
const SHARED_BUDGET = 20_000;
/** Waits shorter than this are not worth a sleep (ns). */
const SHORTEST_SLEEP = 60_000;
/** To be woken takes as long as most disk transfers: so long the loop looks itself for one that is under way (ns). */
const LOOKOUT = 200_000;
/** Between two looks at the clock. */
const LOOKS = 50;
/** The loop looks around at least this often (ns). */
const LONGEST_SLEEP = 1e9;
/** A pause that a calendar of whole seconds need not hear of (ns). */
const CALENDAR_GRAIN = 1e9;
/** CPU cap: how much run time is gathered before it is slept off (ns). */
const THROTTLE_GRAIN = 5e6;

export interface MachineOptions {
  readonly board: Board;
  readonly clock: MachineClock;
  readonly vcpus: readonly Vcpu[];
  readonly host: MachineHost;
  readonly log: Log;
  /** A guest reset ends the run. */
  readonly noReboot: boolean;
  /** Share of one host core, percent. */
  readonly limit: number;
  /** Budgets are exact, and equal runs are equal. */
  readonly deterministic: boolean;
  /** Whether INIT returns to a program (the CMOS shutdown code says so) rather than to the firmware's start. */
  readonly returnsFromInit: () => boolean;
  /** Where the configuration has a seed. */
  readonly random?: SeededRandom;
  readonly pressPowerButton: () => void;
  /** The host slept for so many ns: clocks that keep civil time are set. */
  readonly hostSlept: (gap: number) => void;
}

export interface MachineCounters {
  readonly instructions: number;
  readonly guestTime: number;
  /** Host time spent asleep, ns. */
  readonly idleTime: number;
  /** Accesses by region, slices by why they ended. */
  readonly exits: Record<string, number>;
  readonly accel: Record<string, number>;
}

/** Everything of a machine but its memory. */
export interface SavedMachine {
  readonly time: number;
  readonly devices: Record<string, SavedDevice>;
  readonly vcpus: X86State[];
  /** Place in the sequence of a seeded machine's random words. */
  readonly random?: number;
}

/**
 * A machine and its loop: slices of guest execution, timers between them, sleep while all vCPUs are halted. It never returns to the event loop while it runs; everything
 * from outside comes through `host.drain`, which may call any method here.
 */
export class Machine {
  readonly board: Board;
  readonly clock: MachineClock;
  readonly vcpus: readonly Vcpu[];
  readonly writes: WriteTracker;
  readonly #options: MachineOptions;
  readonly #host: MachineHost;
  readonly #slices: Record<string, number> = {};
  #paused = false;
  #pausedAt = 0;
  #end: RunEnd | undefined;
  #pendingReset: { request: ResetRequest; by: 'guest' | 'user' | 'triple-fault' } | undefined;
  #idleTime = 0;
  #throttleDebt = 0;
  #limit: number;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#host = options.host;
    this.board = options.board;
    this.clock = options.clock;
    this.vcpus = options.vcpus;
    this.#limit = options.limit;
    this.writes = new WriteTracker(options.board.physical);
  }

  /** Share of one host core from now on, percent. */
  set limit(percent: number) {
    this.#limit = percent;
    this.#throttleDebt = 0;
  }

  /** Runs until the machine ends. */
  run(): RunEnd {
    if (!this.#paused) this.clock.start();
    let end = this.pass();
    while (end === undefined) end = this.pass();
    this.clock.stop();
    return end;
  }

  /** One turn of the loop: what arrived, resets, timers, a slice of every vCPU, sleep. Returns how the run ended, if it did. */
  pass(): RunEnd | undefined {
    if (Atomics.exchange(this.#host.doorbell, 0, 0) !== 0) this.board.scheduler.atOnce(() => this.#host.drain());
    if (this.#pendingReset !== undefined) this.#performReset(this.#pendingReset);
    if (this.#end !== undefined) return this.#end;
    if (this.#paused) {
      this.#sleep(Infinity);
      return undefined;
    }
    const gap = this.clock.poll();
    if (gap > 0) this.#options.hostSlept(gap);
    this.board.scheduler.runDue();
    if (this.#runSlices()) this.#idle();
    return this.#end;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#pausedAt = this.#host.hostTime();
    this.clock.stop();
    this.#kick();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.clock.start();
    const stood = this.#host.hostTime() - this.#pausedAt;
    if (stood > CALENDAR_GRAIN) this.calendarStood(stood);
  }

  /** The guest's time stood for so many ns of the world's: where it can be told, its calendar is set. */
  calendarStood(gap: number): void {
    this.#options.hostSlept(gap);
  }

  /** The user's reset button. */
  reset(): void {
    this.requestReset('hard', 'user');
  }

  powerButton(): void {
    this.#options.pressPowerButton();
  }

  /** Ends the run; the first reason counts. */
  end(how: RunEnd): void {
    this.#end ??= how;
    this.#kick();
  }

  /** A reset happens between slices: the vCPU may be in the middle of an instruction now. */
  requestReset(request: ResetRequest, by: 'guest' | 'user' | 'triple-fault'): void {
    if (this.#pendingReset?.request !== 'hard') this.#pendingReset = { request, by };
    this.#kick();
  }

  counters(): MachineCounters {
    const accel: Record<string, number> = {};
    for (const vcpu of this.vcpus) {
      for (const [name, value] of Object.entries(vcpu.stats?.() ?? {})) accel[name] = (accel[name] ?? 0) + value;
    }
    return {
      instructions: this.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0),
      guestTime: this.clock.now(),
      idleTime: this.#idleTime,
      exits: { ...this.#slices, ...this.board.ports.counts(), ...this.board.space.counts() },
      accel,
    };
  }

  /** Between slices only, with all back ends settled. */
  save(): SavedMachine {
    const { random } = this.#options;
    return {
      time: this.clock.now(),
      devices: this.board.save(),
      vcpus: this.vcpus.map((vcpu) => vcpu.save()),
      ...(random && { random: random.position }),
    };
  }

  /**
   * Checks a saved state without touching anything, then returns what puts it in place of the present one: between slices, with all back ends settled.
   * `fill` replaces guest memory. Throws VmmError `invalid` or `unsupported`; the machine goes on as it was then.
   */
  prepare(saved: SavedMachine): (fill: () => void) => void {
    if (saved.vcpus.length !== this.vcpus.length) {
      throw new VmmError('invalid', `the saved state has ${saved.vcpus.length} processors, this machine has ${this.vcpus.length}`);
    }
    const load = this.board.prepare(saved.devices);
    this.vcpus.forEach((vcpu, index) => vcpu.check?.(saved.vcpus[index]!));
    return (fill) => {
      this.board.reset('power'); // no timer, no level and no transfer of the present is left
      this.#pendingReset = undefined;
      fill();
      this.clock.set(saved.time);
      this.board.scheduler.timeSet();
      if (this.#options.random !== undefined && saved.random !== undefined) this.#options.random.position = saved.random;
      load();
      // Last, because a processor's state has the levels of its pins, and devices drive them while they are loaded.
      this.vcpus.forEach((vcpu, index) => vcpu.load(saved.vcpus[index]!));
    };
  }

  /** Takes a saved state, memory already in place. Throws VmmError; the machine is as before then. */
  load(saved: SavedMachine): void {
    this.prepare(saved)(() => undefined);
  }

  dispose(): void {
    for (const vcpu of this.vcpus) vcpu.dispose();
  }

  /** Returns whether all vCPUs are halted. */
  #runSlices(): boolean {
    const { scheduler } = this.board;
    const now = this.clock.now();
    const end = Math.min(scheduler.next() ?? Infinity, now + SLICE);
    let budget = Math.ceil(this.clock.instructionsUntil(end));
    budget = this.#options.deterministic ? Math.max(budget, 1) : Math.min(Math.max(budget, LEAST_BUDGET), MOST_BUDGET);
    if (this.vcpus.length > 1) budget = Math.min(budget, SHARED_BUDGET);
    scheduler.sliceEnd = end;
    const started = this.#host.hostTime();
    let halted = true;
    for (const vcpu of this.vcpus) {
      const before = vcpu.instructions;
      this.clock.enter(() => vcpu.instructions - before);
      const exit = vcpu.run(budget, this.#options.deterministic);
      this.clock.leave();
      if (exit !== 'halt') halted = false;
      this.#handle(exit);
    }
    this.clock.endRound();
    scheduler.sliceEnd = -Infinity;
    if (this.#limit < 100) this.#throttle(this.#host.hostTime() - started);
    return halted;
  }

  #handle(exit: VcpuExit): void {
    const why = typeof exit === 'string' ? exit : 'debug' in exit ? 'debug' : 'error';
    this.#slices[`slice ${why}`] = (this.#slices[`slice ${why}`] ?? 0) + 1;
    if (why === 'shutdown') this.requestReset('init', 'triple-fault');
    else if (typeof exit === 'object' && 'error' in exit) {
      this.#options.log.error(exit.error.message, exit.error.context);
      this.end({ how: 'error', message: exit.error.message });
    } else if (typeof exit === 'object') {
      this.#host.events.notice('info', `stopped by a ${exit.debug.reason} at 0x${exit.debug.address.toString(16)}`);
      this.pause();
    }
  }

  #performReset({ request, by }: { request: ResetRequest; by: 'guest' | 'user' | 'triple-fault' }): void {
    this.#pendingReset = undefined;
    if (request === 'init' && this.#options.returnsFromInit()) {
      this.vcpus[0]?.init();
      return;
    }
    if (this.#options.noReboot && by !== 'user') {
      if (by === 'triple-fault') this.#host.events.notice('warning', 'the guest caused a triple fault, and a reset ends this run (--no-reboot)');
      this.end({ how: 'reset' });
      return;
    }
    this.#options.log.info('reset', { by });
    this.board.reset('warm');
    for (const vcpu of this.vcpus) vcpu.reset();
    this.#host.events.reset(by);
  }

  #idle(): void {
    if (this.#end !== undefined || this.#pendingReset !== undefined) return;
    const wait = this.clock.idleUntil(this.board.scheduler.next() ?? Infinity);
    if (wait >= SHORTEST_SLEEP) this.#sleep(Math.min(wait, LONGEST_SLEEP));
  }

  /** Until `duration` (ns) has passed or the doorbell rings. */
  #sleep(duration: number): void {
    if (this.#host.soon?.() === true && this.#lookOut(Math.min(duration, LOOKOUT))) return;
    const started = this.#host.hostTime();
    Atomics.wait(this.#host.doorbell, 0, 0, duration / 1e6);
    this.#idleTime += this.#host.hostTime() - started;
  }

  /** Returns whether the doorbell has rung, after `duration` (ns) at most. */
  #lookOut(duration: number): boolean {
    const { doorbell } = this.#host;
    const end = this.#host.hostTime() + duration;
    do {
      for (let look = 0; look < LOOKS; look++) {
        if (Atomics.load(doorbell, 0) !== 0) return true;
        Atomics.pause();
      }
    } while (this.#host.hostTime() < end);
    return false;
  }

  /** Keeps the machine thread's share of a host core at the limit. */
  #throttle(ran: number): void {
    const limit = this.#limit;
    this.#throttleDebt += (ran * (100 - limit)) / limit;
    if (this.#throttleDebt < THROTTLE_GRAIN) return;
    const started = this.#host.hostTime();
    Atomics.wait(this.#host.doorbell, 0, 0, this.#throttleDebt / 1e6);
    this.#throttleDebt = Math.max(0, this.#throttleDebt - (this.#host.hostTime() - started));
  }

  /** Ends the present slice. */
  #kick(): void {
    Atomics.add(this.#host.doorbell, 0, 1);
  }
}
