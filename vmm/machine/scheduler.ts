import { TimerQueue, type Clock, type Timer } from '../bus/clock.ts';

/** A clock that can be made to stand: real time would go on while a device computes. */
class LatchedClock implements Clock {
  readonly #clock: Clock;
  #depth = 0;
  #latched: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    if (this.#depth === 0) return this.#clock.now();
    return (this.#latched ??= this.#clock.now());
  }

  hold(): void {
    this.#depth++;
  }

  /** Time was set: asked next, it is looked at again. */
  forget(): void {
    this.#latched = undefined;
  }

  release(): void {
    if (--this.#depth === 0) this.#latched = undefined;
  }
}

/**
 * The machine's timers and the clock its devices see. Within one access, one callback or one message from outside time stands still, so that a device that
 * asks twice gets one answer. A timer that is set within a slice, for a time before the slice's end, ends the slice.
 */
export class MachineScheduler extends TimerQueue {
  /** Guest time at which the present slice ends by itself; -Infinity between slices. */
  sliceEnd = -Infinity;
  readonly #clock: LatchedClock;
  readonly #kick: () => void;

  constructor(clock: Clock, kick: () => void) {
    const latched = new LatchedClock(clock);
    super(latched);
    this.#clock = latched;
    this.#kick = kick;
  }

  override at(deadline: number, fire: () => void): Timer {
    const timer = super.at(deadline, fire);
    if (deadline < this.sliceEnd) {
      this.sliceEnd = deadline;
      this.#kick();
    }
    return timer;
  }

  override runDue(): void {
    if ((this.next() ?? Infinity) <= this.now()) this.atOnce(() => super.runDue());
  }

  /** Time stands still until `action` has returned. */
  atOnce<T>(action: () => T): T {
    this.#clock.hold();
    try {
      return action();
    } finally {
      this.#clock.release();
    }
  }

  /** The machine's time was set, possibly within `atOnce`. */
  timeSet(): void {
    this.#clock.forget();
  }

  /** The same in two halves, for bus accesses: every `hold` is followed by a `release`. */
  hold(): void {
    this.#clock.hold();
  }

  release(): void {
    this.#clock.release();
  }
}
