/** The memory thread: one worker that moves guest memory to and from the page store while the guest runs. */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, VmmError } from '../../base/errors.ts';
import { decodeContainer, encodeContainer, type SavedState } from '../../snapshot/container.node.ts';
import { readNames, writeNames } from '../../snapshot/memory-image.node.ts';
import { HASH_BYTES } from '../../snapshot/page-index.ts';
import { PAGE_BYTES } from '../../snapshot/pack.node.ts';
import { PageStore } from '../../snapshot/page-store.node.ts';
import { RewindBuffer } from '../../snapshot/rewind-buffer.node.ts';
import { replaceFile } from '../../storage/replace-file.node.ts';
import {
  type CaptureOrder,
  Gate,
  type MemoryAnswers,
  type MemoryRequest,
  type MemoryThreadData,
  NOT_TAKEN,
  type OpenedState,
  type StateMeta,
  type StoredState,
  TAKEN,
  type ToMemory,
} from './messages.ts';

class MemoryThread {
  readonly #data: MemoryThreadData;
  readonly #store: PageStore;
  readonly #ramPages: number;
  readonly #pages: number;
  /** Names of memory's pages as of the last save or load: those of pages that were not changed since still hold. */
  #names: Uint8Array | undefined;
  readonly #rewind: RewindBuffer;
  #opened: { state: SavedState; names: Uint8Array } | undefined;

  constructor(data: MemoryThreadData) {
    this.#data = data;
    this.#store = new PageStore(data.store);
    this.#rewind = new RewindBuffer(data.memory.bytes);
    this.#ramPages = data.memory.blocks[0]!.length / PAGE_BYTES;
    this.#pages = data.memory.blocks.reduce((sum, { length }) => sum + Math.ceil(length / PAGE_BYTES), 0);
  }

  async perform(request: MemoryRequest): Promise<MemoryAnswers[keyof MemoryAnswers]> {
    switch (request.method) {
      case 'store': {
        const release = await this.#store.use();
        try {
          return this.#save(request.params.order, request.params.saved, request.params.file, request.params.meta);
        } finally {
          release();
        }
      }
      case 'open': {
        const release = await this.#store.use();
        try {
          return this.#open(request.params.file);
        } finally {
          release();
        }
      }
      case 'fill': {
        const release = await this.#store.use();
        try {
          return this.#fill(request.params.gate);
        } finally {
          release();
        }
      }
      case 'verify':
        this.#store.refresh();
        return { problems: this.#store.verify() };
      case 'keep': {
        const { point, saved, delta, budget, since } = request.params;
        this.#rewind.add(point, saved, delta);
        this.#rewind.shrink(budget, since);
        return { points: this.#rewind.points.map(({ number, time }) => ({ number, time })), bytes: this.#rewind.bytes };
      }
      case 'pointState':
        return this.#rewind.savedAt(request.params.number);
      case 'goToPoint':
        return this.#goToPoint(request.params.number, request.params.gate);
      case 'forgetPoints':
        this.#rewind.clear();
        return {};
    }
  }

  #save(order: CaptureOrder, saved: SavedState['machine'], file: string, meta: StateMeta): StoredState {
    const started = performance.now();
    const writer = this.#store.writer();
    try {
      const names = new Uint8Array(this.#pages * HASH_BYTES);
      const old = this.#names;
      const [slots, before, changed] = [new Int32Array(order.slots), new Uint8Array(order.before), new Uint8Array(order.changed)];
      const { bytes } = this.#data.memory;
      const page = new Uint8Array(PAGE_BYTES);
      let count = 0;
      for (let index = 0; index < this.#ramPages; index++) {
        const at = index * HASH_BYTES;
        if (old !== undefined && changed[index] === 0) {
          names.set(old.subarray(at, at + HASH_BYTES), at);
          Atomics.store(slots, index, TAKEN);
          continue;
        }
        count++;
        page.set(bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES));
        const slot = Atomics.compareExchange(slots, index, NOT_TAKEN, TAKEN);
        // Written by the guest meanwhile: the copy just made may be torn, the machine thread has a good one.
        if (slot === NOT_TAKEN) writer.add(page, names, at);
        else writer.add(before.subarray((slot - 1) * PAGE_BYTES, slot * PAGE_BYTES), names, at);
      }
      const others = new Uint8Array(order.others);
      for (let index = this.#ramPages; index < this.#pages; index++)
        writer.add(others.subarray((index - this.#ramPages) * PAGE_BYTES, (index - this.#ramPages + 1) * PAGE_BYTES), names, index * HASH_BYTES);
      const roots = writeNames(writer, names);
      const pages = writer.added;
      const written = writer.finish(); // before the file that names them
      const { blocks } = this.#data.memory;
      const container = encodeContainer({
        meta: { ...meta, guestTime: saved.time, blocks: blocks.map(({ name, length }) => ({ name, length })) },
        machine: saved,
        roots,
      });
      replaceFile(file, container);
      this.#names = names;
      return { pages, bytes: written + container.length, changed: count, took: performance.now() - started };
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }

  #open(file: string): OpenedState {
    this.#store.refresh();
    const state = decodeContainer(readFileSync(file), file);
    const wanted = this.#data.memory.blocks.map(({ name, length }) => `${name} ${length}`).join(', ');
    const found = state.meta.blocks.map(({ name, length }) => `${name} ${length}`).join(', ');
    if (wanted !== found) throw new VmmError('invalid', `the saved state is of a machine with other memory (${found}); this one has ${wanted}`);
    const names = readNames(this.#store, state.roots, this.#pages);
    for (let index = 0; index < this.#pages; index++)
      if (!this.#store.has(names, index * HASH_BYTES)) throw new VmmError('invalid', 'pages of the saved state are missing from the store');
    this.#opened = { state, names };
    return { saved: state.machine, vm: state.meta.vm, taken: state.meta.taken };
  }

  #goToPoint(number: number, gate: SharedArrayBuffer): { pages: number } {
    const word = new Int32Array(gate);
    if (Atomics.load(word, 0) === Gate.waiting) Atomics.wait(word, 0, Gate.waiting);
    if (Atomics.load(word, 0) !== Gate.stands) return { pages: 0 };
    try {
      const { changed } = this.#data.memory;
      let pages = 0;
      this.#rewind.go(number, (page) => {
        if (page < this.#ramPages) changed[page] = 1; // snapshots must look at it
        pages++;
      });
      Atomics.store(word, 0, Gate.filled);
      return { pages };
    } catch (error) {
      Atomics.store(word, 0, Gate.failed);
      throw error;
    } finally {
      Atomics.notify(word, 0);
    }
  }

  /** Only pages that differ from what is there are read. */
  #fill(gate: SharedArrayBuffer): { pages: number } {
    const word = new Int32Array(gate);
    const opened = this.#opened;
    if (Atomics.load(word, 0) === Gate.waiting) Atomics.wait(word, 0, Gate.waiting);
    if (Atomics.load(word, 0) !== Gate.stands || opened === undefined) return { pages: 0 };
    try {
      const { names } = opened;
      const { bytes, changed } = this.#data.memory;
      const old = this.#names;
      let pages = 0;
      const differs = Uint8Array.from({ length: this.#pages }, (_, index) => {
        if (old === undefined || index >= this.#ramPages || changed[index] !== 0) return 1;
        const at = index * HASH_BYTES;
        for (let byte = at; byte < at + HASH_BYTES; byte++) if (old[byte] !== names[byte]) return 1;
        return 0;
      });
      for (const one of differs) pages += one;
      this.#names = undefined;
      this.#store.read(names, (index) => (differs[index] === 1 ? bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES) : undefined));
      this.#names = names;
      Atomics.store(word, 0, Gate.filled);
      return { pages };
    } catch (error) {
      Atomics.store(word, 0, Gate.failed);
      throw error;
    } finally {
      this.#opened = undefined;
      Atomics.notify(word, 0);
    }
  }
}

if (parentPort !== null && workerData !== null) {
  const port = parentPort;
  const thread = new MemoryThread(workerData as MemoryThreadData);
  let turn: Promise<unknown> = Promise.resolve();
  port.on('message', (message: ToMemory) => {
    turn = turn.then(async () => {
      try {
        port.postMessage({ id: message.id, result: await thread.perform(message) });
      } catch (error) {
        port.postMessage({ id: message.id, failed: { kind: error instanceof VmmError ? error.kind : 'internal', message: messageOf(error) } });
      }
    });
  });
}
