/** Guest time in nanoseconds since power-on. Wall clock or executed instructions behind it: a device cannot tell and must not care. */
export interface Clock {
  now(): number;
}

/** A pending callback. Cancelling one that fired or was cancelled does nothing. */
export interface Timer {
  readonly deadline: number;
  cancel(): void;
}

/** Calls back on the machine thread, between slices of guest execution, at or after `deadline` (guest ns). */
export interface Scheduler extends Clock {
  at(deadline: number, fire: () => void): Timer;
  /** The earliest deadline that is pending, guest ns. */
  next(): number | undefined;
}

interface Entry extends Timer {
  readonly order: number;
  fire: (() => void) | undefined;
}

/** Deadline-ordered timers over any clock. Equal deadlines fire in the order they were set, so runs are reproducible. */
export class TimerQueue implements Scheduler {
  readonly #clock: Clock;
  #entries: Entry[] = [];
  #order = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  at(deadline: number, fire: () => void): Timer {
    const entry: Entry = {
      deadline,
      order: this.#order++,
      fire,
      cancel: () => {
        if (entry.fire === undefined) return;
        entry.fire = undefined;
        const index = this.#entries.indexOf(entry);
        if (index >= 0) this.#entries.splice(index, 1);
      },
    };
    let index = this.#entries.length;
    while (index > 0 && (this.#entries[index - 1] as Entry).deadline > deadline) index--;
    this.#entries.splice(index, 0, entry);
    return entry;
  }

  next(): number | undefined {
    return this.#entries[0]?.deadline;
  }

  /** Fires everything due at the clock's present. A timer set by a callback fires in the same call when it is already due. */
  runDue(): void {
    for (;;) {
      const entry = this.#entries[0];
      if (entry === undefined || entry.deadline > this.#clock.now()) return;
      this.#entries.shift();
      const fire = entry.fire;
      entry.fire = undefined;
      fire?.();
    }
  }
}

/** A clock that is set by hand: tests, qtest's clock_step. */
export class ManualClock implements Clock {
  #now = 0;
  now(): number {
    return this.#now;
  }
  set(now: number): void {
    this.#now = now;
  }
}

/** A scheduler for tests: `advance` moves time and fires what falls due, each timer seeing its own deadline as the present. */
export class ManualScheduler extends TimerQueue {
  readonly #manual: ManualClock;

  constructor() {
    const clock = new ManualClock();
    super(clock);
    this.#manual = clock;
  }

  advance(nanoseconds: number): void {
    const end = this.now() + nanoseconds;
    for (;;) {
      const next = this.next();
      if (next === undefined || next > end) break;
      this.#manual.set(Math.max(next, this.now()));
      this.runDue();
    }
    this.#manual.set(end);
  }
}
