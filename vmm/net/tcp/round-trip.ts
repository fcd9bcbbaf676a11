/** The retransmission timeout from measured round trips (RFC 6298), ms. */
const INITIAL = 1000;
/** Linux's: the RFC's second is for clocks that tick twice a second. */
const MINIMUM = 200;
const MAXIMUM = 60_000;
const GRANULARITY = 1;

export class RoundTrip {
  #smoothed: number | undefined;
  #variation = 0;
  #timeout = INITIAL;
  #backoff = 0;

  get timeout(): number {
    return Math.min(MAXIMUM, this.#timeout * 2 ** this.#backoff);
  }
  get smoothed(): number | undefined {
    return this.#smoothed;
  }

  sample(rtt: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
    } else {
      this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - rtt);
      this.#smoothed = 0.875 * this.#smoothed + 0.125 * rtt;
    }
    this.#timeout = Math.max(MINIMUM, this.#smoothed + Math.max(GRANULARITY, 4 * this.#variation));
    this.#backoff = 0;
  }

  /** A timeout went by (5.5). */
  backOff(): void {
    this.#backoff = Math.min(this.#backoff + 1, 10);
  }
  /** New data was acknowledged: the peer is there. */
  progress(): void {
    this.#backoff = 0;
  }
}
