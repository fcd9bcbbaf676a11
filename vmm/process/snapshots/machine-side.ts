/** Saving and loading on the machine thread: short, between slices. The memory thread does what takes time, while the guest runs. */
import { messageOf, VmmError } from '../../base/errors.ts';
import type { BuiltMachine } from '../../machine/build.ts';
import { PAGE_SIZE } from '../../memory/physical-map.ts';
import {
  type CaptureAnswer,
  type CaptureOrder,
  type Failure,
  Gate,
  NOT_TAKEN,
  type RestoreAnswer,
  type RestoreOrder,
  type SharedMemory,
} from './messages.ts';

/** The io thread and the memory thread answer at once; if not, something is wrong with them. ms */
const PATIENCE = 20_000;
const FILL_PATIENCE = 600_000;

export interface SnapshotHost {
  /** Waits for what is in flight to disks. False: the host cannot finish it now. */
  settle(): boolean;
  /** Has the io thread put the new layers on; it changes the word when that is done. */
  freeze(word: SharedArrayBuffer): void;
  /** Has the io thread remember what disks hold from here on. @throws VmmError when it does not answer, ms */
  mark(number: number, patience: number): void;
  /** ns */
  hostTime(): number;
}

/** Keeps the old contents of pages that the guest writes while the memory thread copies them. */
class CopyOnWrite {
  readonly #slots: Int32Array;
  readonly #before: Uint8Array;
  readonly #ram: Uint8Array;
  #used = 0;

  constructor(order: CaptureOrder, ram: Uint8Array) {
    this.#slots = new Int32Array(order.slots);
    this.#before = new Uint8Array(order.before);
    this.#ram = ram;
  }

  /** The copy is complete before its slot says that there is one; the guest's write comes after that. */
  readonly beforeWrite = (page: number, offset: number): void => {
    if (Atomics.load(this.#slots, page) !== NOT_TAKEN) return;
    this.#before.set(this.#ram.subarray(offset, offset + PAGE_SIZE), this.#used * PAGE_SIZE);
    if (Atomics.compareExchange(this.#slots, page, NOT_TAKEN, this.#used + 1) === NOT_TAKEN) this.#used++;
  };
}

export class SnapshotSide {
  readonly #built: BuiltMachine;
  readonly #host: SnapshotHost;
  #stopCopying: (() => void) | undefined;
  #lastChanged: Uint8Array | undefined;

  constructor(built: BuiltMachine, host: SnapshotHost) {
    this.#built = built;
    this.#host = host;
  }

  get shared(): SharedMemory {
    const { memory } = this.#built.machine.board;
    return {
      bytes: memory.bytes,
      blocks: memory.blocks.map(({ name, offset, length }) => ({ name, offset, length })),
      changed: this.#built.machine.writes.changed,
    };
  }

  /** The instant of a snapshot. */
  capture(order: CaptureOrder): CaptureAnswer {
    const started = this.#host.hostTime();
    try {
      const { machine } = this.#built;
      if (!this.#host.settle()) throw new VmmError('host', 'a disk does not answer; let the machine go on first, or repair the disk');
      if (order.freeze) this.#freezeDisks();
      const { memory } = machine.board;
      const saved = machine.save();
      const others = new Uint8Array(order.others);
      others.set(memory.bytes.subarray(memory.ram.length, memory.ram.length + others.length));
      this.#lastChanged = new Uint8Array(order.changed);
      this.#lastChanged.set(machine.writes.changed);
      machine.writes.clearChanged();
      this.#stopCopying?.();
      this.#stopCopying = machine.writes.listen(new CopyOnWrite(order, memory.ram.bytes).beforeWrite);
      machine.writes.beginEpoch();
      if (order.stop) machine.pause();
      return { saved, pause: (this.#host.hostTime() - started) / 1e6 };
    } catch (error) {
      return failure(error);
    }
  }

  /** The memory thread has all it needs; when it has failed, what was changed before is still to be saved. */
  captured(stored: boolean): void {
    this.#stopCopying?.();
    this.#stopCopying = undefined;
    const { changed } = this.#built.machine.writes;
    if (!stored) this.#lastChanged?.forEach((was, page) => (changed[page] ||= was));
    this.#lastChanged = undefined;
  }

  /** Everything is checked first; then memory is replaced by the memory thread while this one waits, and the devices' states here. */
  restore({ saved, gate, calendar, another }: RestoreOrder): RestoreAnswer {
    const { machine } = this.#built;
    const word = new Int32Array(gate);
    try {
      const load = machine.prepare(saved);
      if (!this.#host.settle()) throw new VmmError('host', 'a disk does not answer; let the machine go on first, or repair the disk');
      const started = this.#host.hostTime();
      load(() => {
        Atomics.store(word, 0, Gate.stands);
        Atomics.notify(word, 0);
        if (Atomics.wait(word, 0, Gate.stands, FILL_PATIENCE) === 'timed-out' || Atomics.load(word, 0) !== Gate.filled)
          throw new VmmError('host', 'the memory of the saved state could not be put in place; the machine cannot go on');
        machine.board.memory.dirty.fill(1, machine.writes.pages); // video memory is drawn anew
      });
      machine.writes.clearChanged();
      machine.writes.beginEpoch();
      if (another) this.#built.identify();
      if (calendar !== undefined) machine.calendarStood(calendar);
      return { pause: (this.#host.hostTime() - started) / 1e6 };
    } catch (error) {
      Atomics.store(word, 0, Gate.failed);
      Atomics.notify(word, 0);
      return failure(error);
    }
  }

  #freezeDisks(): void {
    const word = new SharedArrayBuffer(4);
    this.#host.freeze(word);
    if (Atomics.wait(new Int32Array(word), 0, 0, PATIENCE) === 'timed-out')
      throw new VmmError('host', 'the thread that serves the disks does not answer');
  }
}

export function failure(error: unknown): Failure {
  return { failed: { kind: error instanceof VmmError ? error.kind : 'internal', message: messageOf(error) } };
}
