interface Held {
  readonly start: number;
  readonly end: number;
  readonly shared: boolean;
  readonly free: Promise<void>;
}

/** Lets operations on overlapping ranges take turns, in the order they came; operations on disjoint ranges, and shared ones, run together. */
export class RangeLock {
  #held: Held[] = [];

  async run<T>(start: number, length: number, shared: boolean, work: () => Promise<T>): Promise<T> {
    const end = start + length;
    const before = this.#held.filter((other) => other.start < end && start < other.end && !(shared && other.shared)).map((other) => other.free);
    let release!: () => void;
    const mine: Held = { start, end, shared, free: new Promise((resolve) => (release = resolve)) };
    this.#held.push(mine);
    try {
      if (before.length > 0) await Promise.all(before);
      return await work();
    } finally {
      this.#held.splice(this.#held.indexOf(mine), 1);
      release();
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
