const WIDTH = 30;
const EVERY = 100;

/** A bar on the terminal's last line. Nothing where stderr is no terminal. */
export class ProgressBar {
  readonly #what: string;
  #last = 0;
  #shown = false;

  constructor(what: string) {
    this.#what = what;
  }

  /** `fraction`: 0 to 1. */
  show(fraction: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || (now - this.#last < EVERY && fraction < 1)) return;
    this.#last = now;
    this.#shown = true;
    const filled = Math.round(Math.min(1, fraction) * WIDTH);
    process.stderr.write(`\r${this.#what} [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${Math.floor(fraction * 100)} %`);
  }

  clear(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K');
  }
}
