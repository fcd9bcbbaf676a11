/** Rewind on the machine thread: keeps what the guest overwrites, a page once between two points, and goes to another point when it is told to. */
import { VmmError } from '../../base/errors.ts';
import type { BuiltMachine } from '../../machine/build.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../memory/physical-map.ts';
import { failure, type SnapshotHost } from './machine-side.ts';
import { Gate, type RewindGoAnswer, type RewindGoOrder, type RewindMarkAnswer } from './messages.ts';

const PATIENCE = 20_000;
/** Pages in a piece. */
const PIECE = 256;

/** Pages as they were, gathered while the guest runs. */
class Epoch {
  readonly pages: number[] = [];
  readonly pieces: Uint8Array[] = [];

  add(page: number, contents: Uint8Array): void {
    const at = this.pages.length % PIECE;
    if (at === 0) this.pieces.push(new Uint8Array(new SharedArrayBuffer(PIECE * PAGE_SIZE)));
    this.pieces[this.pieces.length - 1]!.set(contents, at * PAGE_SIZE);
    this.pages.push(page);
  }

  /** The last piece holds only what was added. */
  get filled(): Uint8Array[] {
    const last = this.pages.length % PIECE;
    return this.pieces.map((piece, index) => (index === this.pieces.length - 1 && last > 0 ? piece.subarray(0, last * PAGE_SIZE) : piece));
  }

  undo(memory: Uint8Array, touched: (page: number) => void): void {
    this.pages.forEach((page, index) => {
      memory.set(this.pieces[Math.floor(index / PIECE)]!.subarray((index % PIECE) * PAGE_SIZE, ((index % PIECE) + 1) * PAGE_SIZE), page * PAGE_SIZE);
      touched(page);
    });
  }
}

export class RewindSide {
  readonly #built: BuiltMachine;
  readonly #host: SnapshotHost;
  /** Which epoch each page of RAM was kept in last. */
  readonly #seen: Uint32Array;
  /** Blocks behind RAM as they were at the last point: whoever draws does not say so page by page. */
  #behind: Buffer;
  #count = 0;
  #epoch: Epoch | undefined;
  #stopListening: (() => void) | undefined;

  constructor(built: BuiltMachine, host: SnapshotHost) {
    this.#built = built;
    this.#host = host;
    this.#seen = new Uint32Array(built.machine.writes.pages);
    this.#behind = Buffer.alloc(0);
  }

  /** A point: the machine as it is now, and what was changed since the last one. */
  mark(number: number): RewindMarkAnswer {
    const started = this.#host.hostTime();
    const { machine } = this.#built;
    try {
      if (!this.#host.settle()) throw new VmmError('host', 'a disk does not answer');
      this.#host.mark(number, PATIENCE);
      const saved = machine.save();
      if (this.#epoch === undefined) this.#start();
      else this.#compareBehind(this.#epoch);
      const epoch = this.#epoch!;
      this.#next();
      return { saved, pages: Int32Array.from(epoch.pages), pieces: epoch.filled, pause: (this.#host.hostTime() - started) / 1e6 };
    } catch (error) {
      return failure(error);
    }
  }

  /** Everything is checked first, as for a snapshot. */
  go({ saved, gate, first }: RewindGoOrder): RewindGoAnswer {
    const { machine } = this.#built;
    const word = new Int32Array(gate);
    try {
      const load = machine.prepare(saved);
      if (!this.#host.settle()) throw new VmmError('host', 'a disk does not answer');
      load(() => {
        // A machine that stands may have been sent something all the same.
        if (!first) this.#epoch?.undo(machine.board.memory.bytes, (page) => (machine.writes.changed[page] = 1));
        Atomics.store(word, 0, Gate.stands);
        Atomics.notify(word, 0);
        if (Atomics.wait(word, 0, Gate.stands, PATIENCE) === 'timed-out' || Atomics.load(word, 0) !== Gate.filled)
          throw new VmmError('host', 'the memory of that moment could not be put in place; the machine cannot go on');
        machine.board.memory.dirty.fill(1, machine.writes.pages); // video memory is drawn anew
      });
      this.#keepBehind();
      this.#next();
      return { time: saved.time };
    } catch (error) {
      Atomics.store(word, 0, Gate.failed);
      Atomics.notify(word, 0);
      return failure(error);
    }
  }

  stop(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#epoch = undefined;
    this.#behind = Buffer.alloc(0);
  }

  #start(): void {
    const { machine } = this.#built;
    const { bytes } = machine.board.memory;
    this.#keepBehind();
    this.#epoch = new Epoch();
    this.#stopListening = machine.writes.listen((page, offset) => {
      if (this.#seen[page] === this.#count) return;
      this.#seen[page] = this.#count;
      this.#epoch!.add(page, bytes.subarray(offset, offset + PAGE_SIZE));
    });
  }

  #next(): void {
    this.#epoch = new Epoch();
    this.#count++;
    this.#built.machine.writes.beginEpoch();
  }

  get #blocks(): Buffer {
    const { memory } = this.#built.machine.board;
    const last = memory.blocks[memory.blocks.length - 1]!;
    return Buffer.from(memory.bytes.buffer, memory.ram.length, Math.ceil((last.offset + last.length) / PAGE_SIZE) * PAGE_SIZE - memory.ram.length);
  }

  #keepBehind(): void {
    const blocks = this.#blocks;
    if (this.#behind.length === blocks.length) blocks.copy(this.#behind);
    else this.#behind = Buffer.from(blocks);
  }

  /** Adds the pages behind RAM that differ, as they were. */
  #compareBehind(epoch: Epoch): void {
    const { memory } = this.#built.machine.board;
    const [now, before] = [this.#blocks, this.#behind];
    const first = memory.ram.length >>> PAGE_SHIFT;
    for (let at = 0; at < now.length; at += PAGE_SIZE) {
      if (now.compare(before, at, at + PAGE_SIZE, at, at + PAGE_SIZE) === 0) continue;
      epoch.add(first + (at >>> PAGE_SHIFT), before.subarray(at, at + PAGE_SIZE));
      now.copy(before, at, at, at + PAGE_SIZE);
    }
  }
}
