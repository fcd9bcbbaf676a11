import { TimerQueue, type Timer } from '../bus/clock.ts';
import type { MachineClock } from './clock.ts';

/** The machine's timers. One that is set within a slice, for a time before the slice's end, ends the slice. */
export class MachineScheduler extends TimerQueue {
  /** Guest time at which the present slice ends by itself; -Infinity between slices. */
  sliceEnd = -Infinity;
  readonly #kick: () => void;

  constructor(clock: MachineClock, kick: () => void) {
    super(clock);
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
}
