import type { BlockNode } from '../node.ts';
import { FilterNode, type BlockOperation } from './filter.ts';

/** Rates per second; absent: no limit. */
export interface ThrottleLimits {
  readonly readBandwidth?: number | undefined;
  readonly writeBandwidth?: number | undefined;
  readonly readOperations?: number | undefined;
  readonly writeOperations?: number | undefined;
  /** Seconds of the rate that may be used at once after a rest. */
  readonly burst?: number | undefined;
}

/** The host's clock, in ms. */
export interface ThrottleClock {
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** As QEMU's: a tenth of a second's worth. */
const DEFAULT_BURST = 0.1;

/**
 * A leaky bucket: each operation pours in what it costs, and what is poured in leaks at the allowed rate. An operation waits until the bucket is no
 * fuller than the burst, its own part not counted: so one that is larger than the burst passes at last, and then keeps others waiting.
 */
class Bucket {
  readonly #rate: number;
  readonly #burst: number;
  #level = 0;
  #at: number;

  /** `rate` per ms. */
  constructor(rate: number, burst: number, now: number) {
    this.#rate = rate;
    this.#burst = rate * burst;
    this.#at = now;
  }

  /** Pours `cost` in; returns for how many ms its operation has to wait. */
  pour(cost: number, now: number): number {
    this.#level = Math.max(0, this.#level - (now - this.#at) * this.#rate);
    this.#at = now;
    const wait = Math.max(0, this.#level - this.#burst) / this.#rate;
    this.#level += cost;
    return wait;
  }
}

type Buckets = Readonly<Record<'read' | 'write', { readonly bytes?: Bucket | undefined; readonly operations?: Bucket | undefined }>>;

function bucketsOf(limits: ThrottleLimits, clock: ThrottleClock): Buckets {
  const burst = (limits.burst ?? DEFAULT_BURST) * 1000;
  const bucket = (rate: number | undefined) => (rate === undefined ? undefined : new Bucket(rate / 1000, burst, clock.now()));
  return {
    read: { bytes: bucket(limits.readBandwidth), operations: bucket(limits.readOperations) },
    write: { bytes: bucket(limits.writeBandwidth), operations: bucket(limits.writeOperations) },
  };
}

/** Slows a disk down to given rates. Zeros and discards count as operations only: they move no data. Flushes pass. */
export class ThrottleNode extends FilterNode {
  readonly #clock: ThrottleClock;
  #buckets: Buckets;

  constructor(below: BlockNode, limits: ThrottleLimits, clock: ThrottleClock) {
    super(below);
    this.#clock = clock;
    this.#buckets = bucketsOf(limits, clock);
  }

  /** Other rates from now on; what waits already waits on. */
  set limits(limits: ThrottleLimits) {
    this.#buckets = bucketsOf(limits, this.#clock);
  }

  protected async around<T>(operation: BlockOperation, _offset: number, length: number, work: () => Promise<T>): Promise<T> {
    if (operation !== 'flush') {
      const { bytes, operations } = this.#buckets[operation === 'read' ? 'read' : 'write'];
      const now = this.#clock.now();
      const moved = operation === 'read' || operation === 'write' ? length : 0;
      const wait = Math.max(bytes?.pour(moved, now) ?? 0, operations?.pour(1, now) ?? 0);
      if (wait > 0) await this.#clock.sleep(wait);
    }
    return work();
  }
}
