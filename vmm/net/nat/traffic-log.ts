/** A log of what left the machine, or wanted to: the names it asked for, and the flows. */
export interface TrafficEntry {
  /** Grows by one with each entry. */
  readonly index: number;
  /** Unix ms */
  readonly time: number;
  readonly kind: 'name' | 'tcp' | 'udp' | 'ping';
  /** The name that was asked for, or that the guest had resolved to the address. */
  readonly name?: string;
  readonly address?: string;
  readonly port?: number;
  /** The rule that refused it; absent: it was let through. */
  readonly blockedBy?: string;
  /** How often the same happened in a row. */
  count: number;
}

const LENGTH = 1000;

export class TrafficLog {
  readonly #wallTime: () => number;
  readonly #entries: TrafficEntry[] = [];
  #next = 0;

  constructor(wallTime: () => number) {
    this.#wallTime = wallTime;
  }

  add(entry: Omit<TrafficEntry, 'index' | 'time' | 'count'>): void {
    const same = this.#entries
      .slice(-8)
      .findLast(
        (one) =>
          one.kind === entry.kind &&
          one.name === entry.name &&
          one.address === entry.address &&
          one.port === entry.port &&
          one.blockedBy === entry.blockedBy,
      );
    if (same !== undefined) {
      same.count++;
      return;
    }
    if (this.#entries.length >= LENGTH) this.#entries.shift();
    this.#entries.push({ ...entry, index: this.#next++, time: this.#wallTime(), count: 1 });
  }

  /** The newest `count`, the oldest of them first. */
  last(count: number): TrafficEntry[] {
    return this.#entries.slice(-count).map((entry) => ({ ...entry }));
  }
}
