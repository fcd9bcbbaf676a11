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
/** First guess of the execution speed, instructions per ns. */
const INITIAL_SPEED = 0.1;
const SPEED_WEIGHT = 0.2;

/**
 * Guest time follows the host's monotonic clock, so it cannot drift. When the host was suspended it does not jump: guests that find hours missing between two timer
 * interrupts misbehave; the real-time clock is set instead.
 */
export class RealClock implements MachineClock {
  readonly #hostTime: () => number;
  /** Guest time = host time - #offset while running. */
  #offset = 0;
  #stoppedAt: number | undefined = 0;
  #lastPoll = 0;
  #speed = INITIAL_SPEED;
  #sliceStart = 0;
  #executed: () => number = () => 0;

  /** `hostTime`: ns, never goes back. */
  constructor(hostTime: () => number) {
    this.#hostTime = hostTime;
  }

  now(): number {
    return this.#stoppedAt ?? Math.floor(this.#hostTime() - this.#offset);
  }

  start(): void {
    if (this.#stoppedAt === undefined) return;
    this.#lastPoll = this.#hostTime();
    this.#offset = this.#lastPoll - this.#stoppedAt;
    this.#stoppedAt = undefined;
  }

  stop(): void {
    this.#stoppedAt = this.now();
  }

  enter(executed: () => number): void {
    this.#executed = executed;
    this.#sliceStart = this.#hostTime();
  }

  leave(): void {
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
    return Math.max(0, deadline - this.now());
  }

  poll(): number {
    const now = this.#hostTime();
    const gap = now - this.#lastPoll;
    this.#lastPoll = now;
    if (gap < HOST_SLEPT || this.#stoppedAt !== undefined) return 0;
    this.#offset += gap;
    return gap;
  }

  set(now: number): void {
    if (this.#stoppedAt !== undefined) this.#stoppedAt = now;
    else this.#offset = this.#hostTime() - now;
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
