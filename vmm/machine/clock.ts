import type { Clock } from '../bus/clock.ts';

/** The machine's time: it stands while the machine is paused. All times in guest ns since power-on. */
export interface MachineClock extends Clock {
  start(): void;
  stop(): void;
  /** A vCPU begins or ends a slice; `executed` tells how many instructions it has executed in this slice. */
  enter(executed: () => number): void;
  leave(): void;
  /** All vCPUs of a round had their slice. */
  endRound(): void;
  /** How many instructions may be executed until `deadline`, at the present speed. */
  instructionsUntil(deadline: number): number;
  /** Nothing runs until `deadline`. Returns how long the host must sleep for it (ns); 0 when time has been moved instead. */
  idleUntil(deadline: number): number;
  /** Called once per round. Returns the host time (ns) that was left out because the host itself stood still, 0 normally. */
  poll(): number;
  /** Takes over the time of a saved machine. */
  set(now: number): void;
}

/** Longer than any wait of the loop: if so much host time passes between two rounds, the host was asleep. ns */
const HOST_SLEPT = 5e9;
/**
 * A guest that asks for the time again and again is held up for longer than this (ns) only when the host did something else: another process, the translator, a
 * garbage collection. It is then told so bit by bit, this much (ns) at a time, and at most so far behind the host (ns).
 */
const STALL = 50_000;
const CATCH_UP = 4_000;
const MOST_LAG = 20e6;
/** What is caught up at once between two slices, for guests that seldom ask. */
const LAG_PER_ROUND = 50_000;
/** What a slow stretch of code may take against the measured speed before it counts as held up. */
const SLOW = 4;
/** First guess of the execution speed, instructions per ns. */
const INITIAL_SPEED = 0.1;
const SPEED_WEIGHT = 0.2;

/**
 * Guest time follows the host's monotonic clock, so it cannot drift. When the host was suspended it does not jump: guests that find hours missing between two timer
 * interrupts misbehave; the real-time clock is set instead. When the host held a slice up for a moment, time falls behind and catches up as the guest looks at it (or
 * halts): kernels calibrate one clock by polling another, and give up on clocks that jump (docs/decisions/0006).
 */
export class RealClock implements MachineClock {
  readonly #hostTime: () => number;
  /** Guest time = host time - #offset - #lag while running. */
  #offset = 0;
  /** The latest time anybody was told, and how many instructions of the slice had been executed then. */
  #told = 0;
  #toldAfter = 0;
  #lag = 0;
  #stoppedAt: number | undefined = 0;
  #lastPoll = 0;
  #speed = INITIAL_SPEED;
  #sliceStart = 0;
  #executed: () => number = () => 0;
  #running = false;

  /** `hostTime`: ns, never goes back. */
  constructor(hostTime: () => number) {
    this.#hostTime = hostTime;
  }

  now(): number {
    if (this.#stoppedAt !== undefined) return this.#stoppedAt;
    const present = this.#hostTime() - this.#offset;
    if (this.#running) this.#smooth(present);
    // What was told stays true: a deadline that has passed has passed.
    this.#told = Math.max(this.#told, Math.floor(present - this.#lag));
    return this.#told;
  }

  /** Within a slice: a step of time that nothing the guest did explains becomes lag; otherwise lag becomes less. */
  #smooth(present: number): void {
    const executed = this.#executed();
    const step = present - this.#lag - this.#told;
    const explained = ((executed - this.#toldAfter) * SLOW) / this.#speed;
    this.#toldAfter = executed;
    if (step > STALL && step > explained) this.#lag = Math.min(this.#lag + step - Math.min(explained, STALL), MOST_LAG);
    else this.#lag = Math.max(0, this.#lag - CATCH_UP);
  }

  start(): void {
    if (this.#stoppedAt === undefined) return;
    this.#lastPoll = this.#hostTime();
    this.#offset = this.#lastPoll - this.#stoppedAt;
    this.#lag = 0;
    this.#stoppedAt = undefined;
  }

  stop(): void {
    this.#stoppedAt = this.now();
  }

  enter(executed: () => number): void {
    this.now(); // between slices time goes on as it likes
    this.#executed = executed;
    this.#toldAfter = 0;
    this.#running = true;
    this.#sliceStart = this.#hostTime();
  }

  leave(): void {
    this.#running = false;
    const took = this.#hostTime() - this.#sliceStart;
    if (took < 10_000) return; // too short to measure
    this.#speed += (this.#executed() / took - this.#speed) * SPEED_WEIGHT;
  }

  endRound(): void {
    // Time runs by itself.
  }

  instructionsUntil(deadline: number): number {
    return (deadline - this.now()) * this.#speed;
  }

  idleUntil(deadline: number): number {
    this.#lag = 0; // nobody is looking
    return Math.max(0, deadline - this.now());
  }

  poll(): number {
    this.#lag = Math.max(0, this.#lag - LAG_PER_ROUND);
    const now = this.#hostTime();
    const gap = now - this.#lastPoll;
    this.#lastPoll = now;
    if (gap < HOST_SLEPT || this.#stoppedAt !== undefined) return 0;
    // What the guest saw of the gap before the host stood still, or after, stays: timers were set by it, and a clock that went back would hold them up for as long.
    const hidden = Math.max(0, Math.min(gap, now - this.#offset - this.#lag - this.#told));
    this.#offset += hidden;
    return hidden;
  }

  set(now: number): void {
    this.#told = now;
    this.#lag = 0;
    if (this.#stoppedAt !== undefined) {
      this.#stoppedAt = now;
      return;
    }
    this.#lastPoll = this.#hostTime(); // what that took is no sleep of the host
    this.#offset = this.#lastPoll - now;
  }
}

/** One instruction takes this long under `--time virtual`: a CPU of 250 MIPS. ns */
export const VIRTUAL_INSTRUCTION_TIME = 4;

/** Guest time follows executed instructions and skips idle time: equal runs are equal. With several vCPUs a round takes as long as its longest slice. */
export class VirtualClock implements MachineClock {
  #base = 0;
  /** Most instructions that a finished slice of this round took. */
  #longest = 0;
  #executed: (() => number) | undefined;

  now(): number {
    return this.#base + Math.max(this.#longest, this.#executed?.() ?? 0) * VIRTUAL_INSTRUCTION_TIME;
  }

  start(): void {
    // Time passes only with instructions.
  }

  stop(): void {
    // The same.
  }

  enter(executed: () => number): void {
    this.#executed = executed;
  }

  leave(): void {
    this.#longest = Math.max(this.#longest, this.#executed?.() ?? 0);
    this.#executed = undefined;
  }

  endRound(): void {
    this.#base += this.#longest * VIRTUAL_INSTRUCTION_TIME;
    this.#longest = 0;
  }

  instructionsUntil(deadline: number): number {
    return (deadline - this.now()) / VIRTUAL_INSTRUCTION_TIME;
  }

  idleUntil(deadline: number): number {
    if (Number.isFinite(deadline)) this.#base = Math.max(this.#base, deadline);
    return Number.isFinite(deadline) ? 0 : Infinity;
  }

  poll(): number {
    return 0;
  }

  set(now: number): void {
    this.#base = now;
    this.#longest = 0;
  }
}

/** Time that is moved from outside only: qtest's clock_step. */
export class SteppedClock implements MachineClock {
  #now = 0;

  now(): number {
    return this.#now;
  }

  start(): void {
    // Time stands until it is stepped.
  }

  stop(): void {
    // The same.
  }

  enter(): void {
    // Nothing is executed.
  }

  leave(): void {
    // Nothing is executed.
  }

  endRound(): void {
    // Nothing is executed.
  }

  instructionsUntil(): number {
    return 0;
  }

  idleUntil(): number {
    return Infinity;
  }

  poll(): number {
    return 0;
  }

  set(now: number): void {
    this.#now = Math.max(this.#now, now);
  }
}
