import type { DiskBackend, DiskRequest, DiskStatus } from '../../base/disk-backend.ts';

/** Lets completions through until the device is reset: those of an older generation are dropped. */
export class RequestGate {
  #generation = 0;
  #inFlight = 0;

  submit(backend: DiskBackend, request: DiskRequest, done: (status: DiskStatus) => void): void {
    const generation = this.#generation;
    this.#inFlight++;
    backend.submit(request, (status) => {
      if (generation !== this.#generation) return;
      this.#inFlight--;
      done(status);
    });
  }

  /** After this nothing of the past arrives, and nothing of it touches memory any more. */
  drop(backend: DiskBackend | undefined): void {
    if (this.#inFlight === 0) return;
    this.#generation++;
    this.#inFlight = 0;
    backend?.settle(true);
  }

  get inFlight(): number {
    return this.#inFlight;
  }
}
