interface Held {
  readonly start: number;
  readonly end: number;
  readonly shared: boolean;
  /** Who waits for it; made when somebody does. */
  waiting: (() => void)[] | undefined;
}

/** Lets operations on overlapping ranges take turns, in the order they came; operations on disjoint ranges, and shared ones, run together. */
export class RangeLock {
  readonly #held: Held[] = [];

  async run<T>(start: number, length: number, shared: boolean, work: () => Promise<T>): Promise<T> {
    const end = start + length;
    let before: Promise<void>[] | undefined;
    for (const other of this.#held) {
      if (other.start < end && start < other.end && !(shared && other.shared))
        (before ??= []).push(new Promise((resolve) => (other.waiting ??= []).push(resolve)));
    }
    const mine: Held = { start, end, shared, waiting: undefined };
    this.#held.push(mine);
    try {
      if (before !== undefined) await Promise.all(before);
      return await work();
    } finally {
      this.#held.splice(this.#held.indexOf(mine), 1);
      if (mine.waiting !== undefined) for (const resolve of mine.waiting) resolve();
    }
  }
}

/** One at a time, in the order they came. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
