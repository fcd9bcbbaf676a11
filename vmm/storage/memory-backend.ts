import { assert } from '../base/errors.ts';
import type { DiskBackend, DiskRequest, DiskStatus } from '../base/disk-backend.ts';

interface Held {
  readonly request: DiskRequest;
  readonly done: (status: DiskStatus) => void;
}

/** A medium in memory without an io thread, for tests and machines built in one: answers at once, or, when `held`, at `settle`. */
export class MemoryBackend implements DiskBackend {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  /** Keeps requests until `settle` or `release`. */
  held = false;
  /** What the next requests are answered with. */
  answer: DiskStatus = 'ok';
  flushes = 0;
  readonly requests: DiskRequest[] = [];
  #waiting: Held[] = [];

  constructor(bytes: Uint8Array, options: { readOnly?: boolean; held?: boolean } = {}) {
    assert(bytes.length % 512 === 0, 'a medium is made of whole sectors');
    this.bytes = bytes;
    this.readOnly = options.readOnly ?? false;
    this.held = options.held ?? false;
  }

  get size(): number {
    return this.bytes.length;
  }

  submit(request: DiskRequest, done: (status: DiskStatus) => void): void {
    const sum = request.segments.reduce((total, segment) => total + segment.length, 0);
    assert(sum === (request.op === 'read' || request.op === 'write' ? request.length : 0), `segments of a ${request.op} add up to its length`);
    this.requests.push(request);
    if (this.requests.length > 1000) this.requests.splice(0, 500);
    if (this.held) this.#waiting.push({ request, done });
    else done(this.perform(request));
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  /** Answers the oldest held request, or all. */
  release(count = Infinity): void {
    for (; count > 0 && this.#waiting.length > 0; count--) {
      const { request, done } = this.#waiting.shift()!;
      done(this.perform(request));
    }
  }

  settle(): boolean {
    this.release();
    return true;
  }

  private perform({ op, offset, length, segments, fua }: DiskRequest): DiskStatus {
    if (this.answer !== 'ok') return this.answer;
    const writes = op === 'write' || op === 'discard' || op === 'zero';
    if (offset < 0 || offset + length > this.size || (writes && this.readOnly)) return 'refused';
    if (op === 'flush' || fua) this.flushes++;
    if (op === 'discard' || op === 'zero') this.bytes.fill(0, offset, offset + length);
    let at = offset;
    for (const segment of segments) {
      if (op === 'read') segment.set(this.bytes.subarray(at, at + segment.length));
      else this.bytes.set(segment, at);
      at += segment.length;
    }
    return 'ok';
  }
}
