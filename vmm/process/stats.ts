import type { Stats } from '../protocol/shared.ts';
import type { Counters } from './machine-messages.ts';

/** What the operating system says of this process. */
export interface ProcessUse {
  /** Processor seconds since it began. */
  readonly cpu: number;
  /** Resident memory, bytes. */
  readonly rss: number;
  /** ms, only grows */
  readonly now: number;
}

interface Sample {
  readonly use: ProcessUse;
  readonly counters: Counters;
}

const ZERO: Counters = { instructions: 0, guestTime: 0, idleTime: 0, exits: {}, drives: {}, nics: {}, accel: {} };

/** Turns counters into rates. Each client keeps one, so that its rates are since its own last look. */
export class StatsMeter {
  #last: Sample;

  constructor(start: ProcessUse) {
    this.#last = { use: start, counters: ZERO };
  }

  /** `time`: Unix ms */
  sample(counters: Counters, use: ProcessUse, time: number, framesSent: number): Stats {
    const last = this.#last;
    this.#last = { use, counters };
    const seconds = Math.max((use.now - last.use.now) / 1000, 0.001);
    return {
      time,
      instructions: counters.instructions,
      mips: (counters.instructions - last.counters.instructions) / seconds / 1e6,
      hostCpu: (use.cpu - last.use.cpu) / seconds,
      rss: use.rss,
      idle: Math.min(1, Math.max(0, (counters.idleTime - last.counters.idleTime) / 1e9 / seconds)),
      framesSent,
      exits: counters.exits,
      drives: counters.drives,
      nics: counters.nics,
    };
  }
}

/** The figures of a whole run, for `--stats`. */
export function runStats(counters: Counters, use: ProcessUse, started: ProcessUse, end: { how: string; status: number }): object {
  const wall = (use.now - started.now) / 1000;
  const awake = Math.max(wall - counters.idleTime / 1e9, 0.001);
  return {
    end: end.how,
    status: end.status,
    instructions: counters.instructions,
    mips: round(counters.instructions / 1e6 / awake),
    wallSeconds: round(wall),
    cpuSeconds: round(use.cpu),
    idleSeconds: round(counters.idleTime / 1e9),
    guestSeconds: round(counters.guestTime / 1e9),
    rss: use.rss,
    exits: counters.exits,
    drives: counters.drives,
    nics: counters.nics,
    accel: counters.accel,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
