/**
 * Rewind: the last minutes of a running machine, about one point a second, in memory. Going to a point leaves the machine standing there, so that one can go on, or back
 * again; letting go makes its disks what they were then, in one step, and has it run on. What came after is gone.
 */
import { messageOf, VmmError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { RewindInfo } from '../../protocol/snapshots.ts';
import type { RewindPoint } from '../../snapshot/rewind-buffer.node.ts';
import type { SnapshotTree } from '../../snapshot/tree.node.ts';
import type { Session } from '../session.ts';
import type { DiskLayers } from './live-snapshots.node.ts';
import type { MemoryClient } from './memory-client.node.ts';

/** ms between two points. */
const GRAIN = 1000;

export interface RewindOptions {
  readonly session: Session;
  readonly disks: DiskLayers;
  readonly tree: SnapshotTree;
  readonly log: Log;
  readonly memory: () => Promise<MemoryClient>;
}

export class Rewind {
  readonly #options: RewindOptions;
  #budget = 0;
  #timer: NodeJS.Timeout | undefined;
  #marking: Promise<void> | undefined;
  #next = 1;
  #points: readonly RewindPoint[] = [];
  #memoryBytes = 0;
  #diskBytes = 0;
  #pause = 0;
  /** The point at which the machine stands; undefined: it goes its own way. */
  #at: number | undefined;

  constructor(options: RewindOptions) {
    this.#options = options;
  }

  /** `budget`: bytes for memory and disks together; 0: nothing is kept. */
  start(budget: number): void {
    this.#budget = budget;
    if (budget === 0) return;
    this.#timer = setInterval(() => {
      if (this.#options.session.state === 'running' && this.#at === undefined) void this.#mark();
    }, GRAIN);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get active(): boolean {
    return this.#at !== undefined;
  }

  info(): RewindInfo {
    const newest = this.#points[this.#points.length - 1]?.time ?? 0;
    return {
      points: this.#points.map(({ number, time }) => ({ number, ago: (newest - time) / 1e6 })),
      at: this.#at ?? null,
      bytes: this.#memoryBytes + this.#diskBytes,
      budget: this.#budget,
      pause: this.#pause,
    };
  }

  /** Goes so many points back or forth, as far as there are any; the machine stands there. */
  async step(by: number): Promise<RewindInfo> {
    if (this.#budget === 0)
      throw new VmmError('state', 'nothing is kept of this machine’s last minutes; give it memory for that (rewind.budget) and start it anew');
    const { session } = this.#options;
    let first = false;
    if (this.#at === undefined) {
      await this.#marking;
      const ran = session.state === 'running';
      if (ran) await session.pause();
      if (ran || this.#points.length === 0) await this.#mark();
      const newest = this.#points[this.#points.length - 1];
      if (newest === undefined) throw new VmmError('state', 'there is no moment to go back to yet');
      this.#at = newest.number;
      first = true;
    }
    const here = this.#points.findIndex(({ number }) => number === this.#at);
    const target = this.#points[Math.max(0, Math.min(this.#points.length - 1, here + by))]!;
    if (target.number !== this.#at) await this.#go(target.number, first);
    return this.info();
  }

  async #go(number: number, first: boolean): Promise<void> {
    const { session, memory } = this.#options;
    const client = await memory();
    const saved = await client.ask('pointState', { number });
    const gate = new SharedArrayBuffer(4);
    const filled = client.ask('goToPoint', { number, gate });
    filled.catch(() => undefined); // looked at below
    try {
      await session.order('rewindGo', { saved, gate, first });
      await filled;
    } catch (error) {
      void session.stop({ how: 'error', status: 1, message: `going back failed: ${messageOf(error)}` });
      throw error;
    }
    this.#at = number;
    if (session.hasDisplay) session.frames.wake();
  }

  /** The machine goes on from where it stands. */
  async release(): Promise<void> {
    const at = this.#at;
    if (at === undefined) return;
    const { disks, tree } = this.#options;
    if (at !== this.#points[this.#points.length - 1]!.number) {
      const drives = await disks.differing(at);
      if (drives.length > 0) {
        const plan = await tree.planAbove(disks.writable, drives, (drive) => disks.size(drive));
        try {
          for (const [drive, file] of Object.entries(plan.tops)) await disks.prepare(drive, file);
          await disks.fillLayers(at);
        } catch (error) {
          await disks.abandon();
          tree.cleanUp();
          throw error;
        }
        plan.commit();
      }
      await disks.putLayersOn(at);
      await disks.settle();
      tree.noteBases();
      this.#points = this.#points.filter(({ number }) => number <= at);
      this.#next = at + 1;
    }
    this.#at = undefined;
  }

  /** The past is another one now. */
  async forget(): Promise<void> {
    if (this.#budget === 0) return;
    await this.#marking;
    const { session, disks, memory } = this.#options;
    session.post({ type: 'rewindStop' });
    await (await memory()).ask('forgetPoints', undefined);
    await disks.forgetPoints(Infinity);
    this.#points = [];
  }

  #mark(): Promise<void> {
    this.#marking ??= this.#markNow()
      .catch((error: unknown) => this.#options.log.warn(`no point to go back to: ${messageOf(error)}`))
      .finally(() => (this.#marking = undefined));
    return this.#marking;
  }

  async #markNow(): Promise<void> {
    const { session, disks, memory } = this.#options;
    const client = await memory();
    const number = this.#next++;
    const { saved, pages, pieces, pause } = await session.order('rewindMark', { number });
    const oldest = this.#points[0]?.number ?? number;
    const { bytes, since } = await disks.forgetPoints(oldest);
    const point = { number, time: saved.time };
    const kept = await client.ask('keep', { point, saved, delta: { pages, pieces }, budget: Math.max(0, this.#budget - bytes), since });
    this.#points = kept.points;
    this.#memoryBytes = kept.bytes;
    this.#diskBytes = bytes;
    this.#pause = pause;
  }
}
