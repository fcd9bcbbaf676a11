/** How much may be on its way (RFC 5681, 6582, initial window of RFC 6928). */
export class Congestion {
  readonly #mss: number;
  readonly #limit: number;
  window: number;
  threshold = Number.POSITIVE_INFINITY;

  /** `limit`: the send buffer; a window beyond it would mean nothing. */
  constructor(mss: number, limit: number) {
    this.#mss = mss;
    this.#limit = limit;
    this.window = Math.min(10 * mss, Math.max(2 * mss, 14600));
  }

  /** New data was acknowledged while the window was in use. */
  acknowledged(bytes: number): void {
    if (this.window < this.threshold) this.window += Math.min(bytes, 8 * this.#mss);
    else this.window += Math.max(1, Math.floor((this.#mss * Math.min(bytes, this.window)) / this.window));
    this.window = Math.min(this.window, this.#limit);
  }

  /** Duplicate acknowledgments say that a segment is lost. */
  lost(inFlight: number): void {
    this.threshold = Math.max(Math.floor(inFlight / 2), 2 * this.#mss);
    this.window = this.threshold;
  }

  timedOut(inFlight: number): void {
    this.threshold = Math.max(Math.floor(inFlight / 2), 2 * this.#mss);
    this.window = this.#mss;
  }
}
