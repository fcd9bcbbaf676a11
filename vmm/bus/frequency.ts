const SECOND = 1e9;

/** Conversion between guest time (ns) and the ticks of a free-running counter that was 0 at time 0. */
export interface Frequency {
  readonly hz: number;
  /** Ticks completed at `nanoseconds`. */
  ticksAt(nanoseconds: number): number;
  /** The first nanosecond at which `ticks` are completed: `ticksAt(timeOf(n)) === n`. */
  timeOf(ticks: number): number;
}

/**
 * A frequency of up to 9 MHz, or a divisor of 1 GHz. Seconds and the rest are converted apart, so that every product stays below 2^53 and the
 * result is exact: counters derived this way do not drift, and a timer set for `timeOf(n)` never wakes one tick early.
 */
export function createFrequency(hz: number): Frequency {
  if (SECOND % hz === 0) {
    const period = SECOND / hz;
    return { hz, ticksAt: (time) => Math.floor(time / period), timeOf: (ticks) => ticks * period };
  }
  return {
    hz,
    ticksAt(time) {
      const seconds = Math.floor(time / SECOND);
      return seconds * hz + Math.floor(((time - seconds * SECOND) * hz) / SECOND);
    },
    timeOf(ticks) {
      const seconds = Math.floor(ticks / hz);
      return seconds * SECOND + Math.ceil(((ticks - seconds * hz) * SECOND) / hz);
    },
  };
}
