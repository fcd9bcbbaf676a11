import type { DiskBackend, DiskRequest, DiskStatus } from '../../base/disk-backend.ts';
import { assert } from '../../base/errors.ts';
import {
  Control,
  operations,
  SEGMENT_WORDS,
  SLOT_SEGMENTS,
  SLOT_WORDS,
  SLOTS,
  Slot,
  statuses,
  viewRing,
  type Ring,
  type RingMessage,
} from './layout.ts';

/** How long `settle` waits for the io thread before it gives up (a host disk that hangs), ms. */
const SETTLE_PATIENCE = 10_000;

/** A drive as the io thread opened it. */
export interface DriveHandle {
  readonly drive: number;
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
}

export interface DiskClientOptions {
  readonly memory: SharedArrayBuffer;
  /** A port to the io thread. */
  readonly post: (message: RingMessage) => void;
  /** The word the io thread changes and notifies when something completed; the machine loop sleeps on it. */
  readonly doorbell: Int32Array;
  /** Milliseconds, for `settle` only. */
  readonly hostTime: () => number;
}

/** A guest's request, of which some parts may still be with the io thread. */
interface Pending {
  readonly drive: number;
  readonly done: (status: DiskStatus) => void;
  parts: number;
  status: DiskStatus;
}

/** A part of a request that fits a slot. */
interface Part {
  readonly request: DiskRequest;
  readonly pending: Pending;
  readonly offset: number;
  readonly length: number;
  readonly segments: readonly Uint8Array[];
}

/** The machine thread's end of the ring: makes disk back ends, and delivers completions when the machine loop calls `drain`. */
export class DiskClient {
  readonly #ring: Ring;
  readonly #options: DiskClientOptions;
  readonly #areas = new WeakMap<SharedArrayBuffer, number>();
  #areaCount = 0;
  readonly #free: number[] = Array.from({ length: SLOTS }, (_, slot) => slot);
  readonly #slots: (Pending | undefined)[] = new Array<Pending | undefined>(SLOTS).fill(undefined);
  readonly #waiting: Part[] = [];
  /** Finished while something else was settled; delivered at the next `drain`. */
  readonly #ready: Pending[] = [];
  readonly #inFlight = new Map<number, number>();
  #seen = 0;

  constructor(options: DiskClientOptions) {
    this.#options = options;
    this.#ring = viewRing(options.memory);
    this.#seen = Atomics.load(this.#ring.control, Control.completed);
  }

  backend(handle: DriveHandle): DiskBackend {
    return {
      size: handle.size,
      readOnly: handle.readOnly,
      submit: (request, done) => this.submit(handle, request, done),
      settle: (abandon = false) => this.settle(handle.drive, abandon),
    };
  }

  private submit(handle: DriveHandle, request: DiskRequest, done: (status: DiskStatus) => void): void {
    const writes = request.op === 'write' || request.op === 'discard' || request.op === 'zero';
    if (request.offset < 0 || request.offset + request.length > handle.size || (writes && handle.readOnly)) return done('refused');
    const parts = cut(request);
    const pending: Pending = { drive: handle.drive, done, parts: parts.length, status: 'ok' };
    this.#inFlight.set(handle.drive, (this.#inFlight.get(handle.drive) ?? 0) + 1);
    for (const part of parts) this.#waiting.push({ request, pending, ...part });
    this.feed();
  }

  /** Moves waiting parts into free slots and wakes the io thread if it sleeps. */
  private feed(): void {
    const { control } = this.#ring;
    let submitted = control[Control.submitted]!;
    const before = submitted;
    while (this.#waiting.length > 0 && this.#free.length > 0) {
      const slot = this.#free.pop()!;
      this.fill(slot, this.#waiting.shift()!);
      control[Control.submissions + (submitted & (SLOTS - 1))] = slot;
      submitted = (submitted + 1) | 0;
    }
    if (submitted === before) return;
    Atomics.store(control, Control.submitted, submitted);
    if (Atomics.exchange(control, Control.ioSleeps, 0) === 1) this.#options.post('kick');
  }

  private fill(slot: number, part: Part): void {
    this.#slots[slot] = part.pending;
    const words = this.#ring.slots;
    const at = slot * SLOT_WORDS;
    words[at + Slot.op] = operations.indexOf(part.request.op);
    words[at + Slot.drive] = part.pending.drive;
    words[at + Slot.offset] = part.offset;
    words[at + Slot.length] = part.length;
    words[at + Slot.fua] = part.request.fua === true ? 1 : 0;
    words[at + Slot.segments] = part.segments.length;
    part.segments.forEach((segment, index) => {
      const to = at + Slot.list + index * SEGMENT_WORDS;
      words[to] = this.areaOf(segment.buffer);
      words[to + 1] = segment.byteOffset;
      words[to + 2] = segment.length;
    });
  }

  private areaOf(memory: ArrayBufferLike): number {
    assert(memory instanceof SharedArrayBuffer, 'disk transfers name shared memory');
    let area = this.#areas.get(memory);
    if (area === undefined) {
      area = this.#areaCount++;
      this.#areas.set(memory, area);
      this.#options.post({ area, memory });
    }
    return area;
  }

  /** Delivers what was completed. Called by the machine loop between slices when the doorbell changed; costs one load if nothing was. */
  drain(): void {
    this.collect();
    for (let pending = this.#ready.shift(); pending !== undefined; pending = this.#ready.shift()) {
      pending.done(pending.status);
      this.collect();
    }
  }

  private collect(): void {
    const { control, slots } = this.#ring;
    const completed = Atomics.load(control, Control.completed);
    if (completed === this.#seen) return;
    for (; this.#seen !== completed; this.#seen = (this.#seen + 1) | 0) {
      const slot = control[Control.completions + (this.#seen & (SLOTS - 1))]!;
      const pending = this.#slots[slot];
      assert(pending !== undefined, 'a completed slot was in use');
      this.#slots[slot] = undefined;
      this.#free.push(slot);
      const status = statuses[slots[slot * SLOT_WORDS + Slot.status]!] ?? 'failed';
      if (pending.status === 'ok') pending.status = status;
      if (--pending.parts > 0) continue;
      this.#inFlight.set(pending.drive, this.#inFlight.get(pending.drive)! - 1);
      this.#ready.push(pending);
    }
    this.feed();
  }

  private settle(drive: number, abandon: boolean): boolean {
    const { doorbell, hostTime, post } = this.#options;
    const end = hostTime() + SETTLE_PATIENCE;
    for (;;) {
      const bell = Atomics.load(doorbell, 0);
      this.collect();
      this.deliver(drive);
      if ((this.#inFlight.get(drive) ?? 0) === 0) return true;
      if (Atomics.load(this.#ring.control, Control.stalled) > 0) {
        if (!abandon) return false;
        post({ abandon: drive });
      }
      const left = end - hostTime();
      if (left <= 0) return false;
      Atomics.wait(doorbell, 0, bell, Math.min(left, 100));
    }
  }

  /** Of all drives: before a machine is saved. */
  settleAll(): boolean {
    return [...this.#inFlight.keys()].every((drive) => this.settle(drive, false));
  }

  private deliver(drive: number): void {
    for (let index = this.#ready.findIndex((one) => one.drive === drive); index >= 0; index = this.#ready.findIndex((one) => one.drive === drive)) {
      const [pending] = this.#ready.splice(index, 1);
      pending!.done(pending!.status);
    }
  }

  /** Requests not yet done, all drives. */
  get inFlight(): number {
    let sum = this.#ready.length;
    for (const count of this.#inFlight.values()) sum += count;
    return sum;
  }
}

/** Parts of a request that name no more memory than a slot can. */
function cut(request: DiskRequest): { offset: number; length: number; segments: readonly Uint8Array[] }[] {
  const { offset, length, segments } = request;
  if (segments.length <= SLOT_SEGMENTS) return [{ offset, length, segments }];
  const parts = [];
  for (let first = 0, at = offset; first < segments.length; first += SLOT_SEGMENTS) {
    const some = segments.slice(first, first + SLOT_SEGMENTS);
    const bytes = some.reduce((sum, segment) => sum + segment.length, 0);
    parts.push({ offset: at, length: bytes, segments: some });
    at += bytes;
  }
  return parts;
}
