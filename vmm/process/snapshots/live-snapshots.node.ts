/** The snapshots of a running machine: at one instant its memory, its devices and its disks, while the guest hardly notices. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { encodePng } from '../../display/png.node.ts';
import { thumbnail } from '../../display/scale.ts';
import type { SavedMachine } from '../../machine/machine.ts';
import type { Drive } from '../../protocol/config-drives.ts';
import type { Snapshot } from '../../snapshot/manifest.ts';
import type { Captured, NewSnapshot, SnapshotTree } from '../../snapshot/tree.node.ts';
import { thin } from '../../snapshot/thinning.ts';
import { Emitter } from '../emitter.ts';
import type { Session } from '../session.ts';
import { MemoryClient } from './memory-client.node.ts';
import { Rewind } from './rewind.node.ts';
import type { RewindInfo } from '../../protocol/snapshots.ts';
import { type CaptureOrder, Gate, type SharedMemory, type StoredState } from './messages.ts';

/** The disks of a running machine, as snapshots need them. */
export interface DiskLayers {
  /** Drives that are written to. */
  readonly writable: readonly Drive[];
  size(drive: string): number;
  /** Files in the others. */
  media(): Record<string, string | null>;
  prepare(drive: string, file: string): Promise<void>;
  abandon(): Promise<void>;
  /** @returns drives that were frozen */
  settle(): Promise<readonly string[]>;
  flush(): Promise<void>;
  /** Rewind (io-messages.ts). */
  forgetPoints(before: number): Promise<{ readonly bytes: number; readonly since: number }>;
  differing(point: number): Promise<readonly string[]>;
  fillLayers(point: number): Promise<void>;
  putLayersOn(point: number): Promise<void>;
  replace(drive: string, file: string, parentFolders: readonly string[]): Promise<void>;
  insert(drive: string, file: string | null): Promise<void>;
}

export interface LiveSnapshotsOptions {
  readonly session: Session;
  readonly disks: DiskLayers;
  readonly tree: SnapshotTree;
  /** Folder of the page store. */
  readonly store: string;
  readonly release: string;
  readonly log: Log;
}

/** What taking one cost. */
export interface Taken {
  readonly snapshot: Snapshot;
  /** ms the guest stood still */
  readonly pause: number;
  readonly stored: StoredState;
}

const THUMBNAIL_WIDTH = 240;
const MIB = 1 << 20;

export interface LiveSnapshotEvents {
  changed: object;
}

export class LiveSnapshots extends Emitter<LiveSnapshotEvents> {
  readonly tree: SnapshotTree;
  readonly rewind: Rewind;
  readonly #options: LiveSnapshotsOptions;
  #memory: { readonly client: MemoryClient; readonly shared: SharedMemory } | undefined;
  /** Of the last capture: one at a time is under way. */
  #others: SharedArrayBuffer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #timeline: NodeJS.Timeout | undefined;
  #pointing = false;

  constructor(options: LiveSnapshotsOptions) {
    super();
    this.#options = options;
    this.tree = options.tree;
    const { session, disks, tree, log } = options;
    this.rewind = new Rewind({ session, disks, tree, log, memory: async () => (await this.#memoryOf()).client });
    session.beforeResume = () => (this.rewind.active ? this.#inTurn(() => this.rewind.release()) : Promise.resolve());
  }

  /** The machine as it is now. */
  take(wanted: NewSnapshot): Promise<Taken> {
    return this.#inTurn(() => this.#take(wanted));
  }

  /** Rewinds; the machine stands there. */
  step(by: number): Promise<RewindInfo> {
    return this.#inTurn(() => this.rewind.step(by));
  }

  /** It goes on from where it was rewound to. */
  release(): Promise<void> {
    return this.#options.session.resume();
  }

  #notRewinding(): void {
    if (this.rewind.active) throw new VmmError('state', 'the machine stands at a moment of its past; let it go on first');
  }

  /** Takes a point every `interval` seconds of running, and thins the older ones. */
  startTimeline({ interval, budget }: { readonly interval: number; readonly budget: number }): void {
    if (interval === 0) return;
    this.#timeline = setInterval(() => void this.#point(budget * MIB), interval * 1000);
    this.#timeline.unref();
  }

  async #point(budget: number): Promise<void> {
    const { session, log } = this.#options;
    // A chain of images that has grown long is read slowly: it is merged when the machine is off.
    if (session.state !== 'running' || this.#pointing || this.tree.deep) return;
    this.#pointing = true;
    try {
      await this.take({ name: new Date().toLocaleTimeString('sv-SE'), kind: 'auto' });
      for (const id of thin(this.tree.snapshots, Date.now(), budget)) await this.remove(id);
      while (await this.mergeOne());
    } catch (error) {
      log.warn(`no automatic point: ${messageOf(error)}`);
    } finally {
      this.#pointing = false;
    }
  }

  /** Puts the running machine back to a snapshot; the present is kept as one first. @returns ms the guest stood still, and pages that were put back */
  goTo(ref: string, keepPresent = true): Promise<{ pause: number; pages: number; before?: Snapshot }> {
    return this.#inTurn(async () => {
      this.#notRewinding();
      const { session, disks } = this.#options;
      const target = this.tree.find(ref);
      if (target.state === undefined) throw new VmmError('state', `${target.name} was taken while the machine was off; power it off, then go there`);
      const before = keepPresent ? (await this.#take({ name: `before ${target.name}`.slice(0, 120), kind: 'before' })).snapshot : undefined;
      const { client } = await this.#memoryOf();
      const opened = await client.ask('open', { file: this.tree.statePath(target.state) });
      const plan = await this.tree.planGoTo(target.id, { running: true });
      const gate = new SharedArrayBuffer(4);
      const word = new Int32Array(gate);
      const restored = session.order('restore', {
        saved: opened.saved,
        gate,
        another: opened.vm !== session.config.id,
        ...this.#calendar(opened.taken),
      });
      restored.catch(() => undefined); // looked at below
      await changed(word, Gate.waiting);
      if (Atomics.load(word, 0) !== Gate.stands) {
        this.tree.cleanUp();
        await restored;
      }
      let pages: number;
      try {
        plan.commit();
        for (const [drive, file] of Object.entries(plan.tops)) await disks.replace(drive, file, this.tree.imageFolders);
        pages = (await client.ask('fill', { gate })).pages;
      } catch (error) {
        Atomics.store(word, 0, Gate.failed);
        Atomics.notify(word, 0);
        void session.stop({ how: 'error', status: 1, message: `going to ${target.name} failed: ${messageOf(error)}` });
        throw error;
      }
      const { pause } = await restored;
      this.tree.cleanUp();
      await this.#media(target.media);
      await this.rewind.forget();
      this.emit('changed', {});
      return { pause, pages, ...(before && { before }) };
    });
  }

  /** Saves the machine and ends its process; the next start goes on from there. */
  suspend(): Promise<void> {
    return this.#inTurn(async () => {
      this.#notRewinding();
      const { session, disks } = this.#options;
      const file = `${randomUUID()}.state`;
      const order = await this.#order(false, true);
      const wasRunning = session.state === 'running';
      const { saved } = await session.order('capture', order);
      try {
        await this.#store(order, saved, file);
        await disks.flush();
        this.tree.setPresentState(file, disks.media());
      } catch (error) {
        session.post({ type: 'captured', stored: false });
        if (wasRunning) await session.resume();
        throw error;
      }
      void session.stop({ how: 'powered-off', status: 0, message: 'saved' });
    });
  }

  /** Goes on from where the machine was saved. It was just built, and is paused. @returns whether it was another machine that was saved: this is a fork */
  resumeSaved(): Promise<boolean> {
    return this.#inTurn(async () => {
      const { state } = this.tree.manifest.present;
      if (state === undefined) return false;
      const { client } = await this.#memoryOf();
      const { saved, taken, vm } = await client.ask('open', { file: this.tree.statePath(state) });
      const gate = new SharedArrayBuffer(4);
      const filled = client.ask('fill', { gate });
      filled.catch(() => undefined);
      const { session } = this.#options;
      const another = vm !== session.config.id;
      await session.order('restore', { saved, gate, another, ...this.#calendar(taken) });
      await filled;
      this.tree.setPresentState(undefined); // from here on the disks go their own way
      return another;
    });
  }

  remove(ref: string): Promise<void> {
    return this.#inTurn(() => {
      this.tree.remove(ref);
      this.emit('changed', {});
      return Promise.resolve();
    });
  }

  edit(ref: string, changes: Parameters<SnapshotTree['edit']>[1]): Promise<Snapshot> {
    return this.#inTurn(() => {
      const snapshot = this.tree.edit(ref, changes);
      this.emit('changed', {});
      return Promise.resolve(snapshot);
    });
  }

  /** Makes one image of those that nobody needs apart, where the machine does not write them. */
  mergeOne(signal?: AbortSignal): Promise<boolean> {
    return this.#inTurn(() => {
      const { present, layers } = this.tree.manifest;
      const tops = new Set(Object.values(present.disks).map((id) => this.tree.layerPath(layers[id]!)));
      return this.tree.mergeOne((file) => tops.has(file), signal);
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timeline);
    this.rewind.close();
    await this.#memory?.client.close();
  }

  async #take(wanted: NewSnapshot): Promise<Taken> {
    this.#notRewinding();
    const { session, disks } = this.#options;
    const { config } = session;
    if (config.discardWrites) throw new VmmError('unsupported', 'this machine discards its writes; snapshots need its disks');
    const id = randomUUID();
    const order = await this.#order(disks.writable.length > 0, false);
    const before = this.tree.manifest;
    const { frozen, tops } = await this.tree.freeze(disks.writable, (drive) => disks.size(drive));
    let capture;
    try {
      for (const [drive, file] of Object.entries(tops)) await disks.prepare(drive, file);
      capture = await session.order('capture', order);
    } catch (error) {
      await disks.abandon();
      this.tree.commit(before);
      this.tree.cleanUp();
      throw error;
    }
    const file = `${id}.state`;
    const picture = this.#thumbnail(id);
    try {
      const settled = new Set(await disks.settle());
      const layers = this.tree.keepTops(
        Object.keys(frozen).filter((drive) => !settled.has(drive)),
        frozen,
      );
      this.tree.noteBases();
      const stored = await this.#store(order, capture.saved, file);
      const captured: Captured = {
        guestTime: capture.saved.time,
        state: file,
        media: disks.media(),
        pages: stored.pages,
        bytes: stored.bytes,
        ...((await picture) && { thumbnail: `${id}.png` }),
      };
      const snapshot = this.tree.add(id, wanted, layers, captured);
      this.tree.cleanUp();
      this.#options.log.info(`snapshot ${snapshot.name}`, {
        pause: round(capture.pause),
        took: round(stored.took),
        pages: stored.pages,
        bytes: stored.bytes,
      });
      this.emit('changed', {});
      return { snapshot, pause: capture.pause, stored };
    } catch (error) {
      this.tree.cleanUp();
      throw error;
    }
  }

  async #store(order: CaptureOrder, saved: SavedMachine, file: string): Promise<StoredState> {
    const { session, release } = this.#options;
    const path = this.tree.statePath(file);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    let stored = false;
    try {
      const { client } = await this.#memoryOf();
      const result = await client.ask('store', { order, saved, file: path, meta: { release, vm: session.config.id, taken: Date.now() } });
      stored = true;
      return result;
    } finally {
      session.post({ type: 'captured', stored });
    }
  }

  async #order(freeze: boolean, stop: boolean): Promise<CaptureOrder> {
    const { shared } = await this.#memoryOf();
    const pages = shared.changed.length;
    const [ram, ...others] = shared.blocks;
    return {
      slots: new SharedArrayBuffer(pages * 4),
      before: new SharedArrayBuffer(ram!.length),
      changed: new SharedArrayBuffer(pages),
      others: (this.#others ??= touched(others.reduce((sum, { length }) => sum + Math.ceil(length / 4096) * 4096, 0))),
      freeze,
      stop,
    };
  }

  async #memoryOf(): Promise<{ readonly client: MemoryClient; readonly shared: SharedMemory }> {
    if (this.#memory === undefined) {
      const shared = await this.#options.session.ask('memory');
      this.#memory = { shared, client: new MemoryClient({ memory: shared, store: this.#options.store }) };
    }
    return this.#memory;
  }

  #calendar(taken: number): { calendar?: number } {
    return this.#options.session.config.time === 'real' ? { calendar: Math.max(0, Date.now() - taken) * 1e6 } : {};
  }

  async #media(wanted: Readonly<Record<string, string | null>>): Promise<void> {
    const present = this.#options.disks.media();
    for (const [drive, file] of Object.entries(wanted)) {
      if (present[drive] === file || !(drive in present)) continue;
      try {
        await this.#options.disks.insert(drive, file);
      } catch (error) {
        this.#options.session.emit('notice', { level: 'warning', message: `${drive}: ${messageOf(error)}` });
      }
    }
  }

  async #thumbnail(id: string): Promise<boolean> {
    const { session } = this.#options;
    if (!session.hasDisplay || session.config.private) return false;
    try {
      const { surface, aspect } = (await session.frames.look()).mode;
      const path = this.tree.thumbnailPath(`${id}.png`);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, encodePng(thumbnail(surface, aspect, THUMBNAIL_WIDTH)));
      return true;
    } catch {
      return false; // a snapshot without a picture is one all the same
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Memory that the host has given already: the guest does not stand still while it does. */
function touched(bytes: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes);
  new Uint8Array(buffer).fill(1);
  return buffer;
}

/** Resolves when the word is no longer `value`. */
async function changed(word: Int32Array, value: number): Promise<void> {
  while (Atomics.load(word, 0) === value) {
    const wait = Atomics.waitAsync(word, 0, value, 100);
    if (wait.async) await wait.value;
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
