import type { DiskOperation, DiskStatus } from '../../base/disk-backend.ts';
import { messageOf, VmmError } from '../../base/errors.ts';
import { readSegments, writeSegments, type BlockNode } from '../node.ts';
import { Control, operations, SEGMENT_WORDS, SLOT_WORDS, SLOTS, Slot, statuses, viewRing, type Ring, type RingMessage } from './layout.ts';

/** After this many requests the io thread looks after its other work (files opened, timers) before it goes on. */
const BURST = 64;

/** What to do when the host cannot do what the guest asked: hold the request and have the machine paused, or tell the guest. */
export type HostErrorPolicy = 'pause' | 'report';

/** A request that waits for the host's trouble to be over. */
export interface Stall {
  readonly drive: number;
  readonly op: DiskOperation;
  /** One line for a person. */
  readonly message: string;
  /** The host's code: ENOSPC, EIO... */
  readonly code: string;
}

export interface DiskServerOptions {
  readonly memory: SharedArrayBuffer;
  /** Tells the machine thread that something completed. */
  readonly ring: () => void;
  /** Called once per failing request that is held; `resume` tries them again. */
  readonly onStall: (stall: Stall) => void;
  /** Lets the event loop run: setImmediate. */
  readonly breathe: () => Promise<void>;
}

interface Attached {
  readonly node: BlockNode;
  readonly policy: HostErrorPolicy;
  inFlight: number;
  idle: (() => void)[];
}

interface Job {
  readonly slot: number;
  readonly op: DiskOperation;
  readonly drive: number;
  readonly offset: number;
  readonly length: number;
  readonly fua: boolean;
  readonly segments: readonly Uint8Array[];
}

/** The io thread's end of the ring: takes requests, has the block nodes do them, and reports back. */
export class DiskServer {
  readonly #ring: Ring;
  readonly #options: DiskServerOptions;
  readonly #areas = new Map<number, SharedArrayBuffer>();
  readonly #drives = new Map<number, Attached>();
  #stalled: Job[] = [];
  #taken = 0;
  #draining = false;
  #nextDrive = 1;

  constructor(options: DiskServerOptions) {
    this.#options = options;
    this.#ring = viewRing(options.memory);
    this.#taken = Atomics.load(this.#ring.control, Control.submitted);
    Atomics.store(this.#ring.control, Control.ioSleeps, 1);
  }

  /** Makes a node reachable from the machine thread; the number goes into its DriveHandle. */
  attach(node: BlockNode, policy: HostErrorPolicy = 'pause'): number {
    const drive = this.#nextDrive++;
    this.#drives.set(drive, { node, policy, inFlight: 0, idle: [] });
    return drive;
  }

  node(drive: number): BlockNode | undefined {
    return this.#drives.get(drive)?.node;
  }

  /** Takes the node out when its last request is done. Later requests are refused. Does not close it. */
  async detach(drive: number): Promise<BlockNode | undefined> {
    const attached = this.#drives.get(drive);
    if (attached === undefined) return undefined;
    this.#drives.delete(drive);
    this.abandon(drive, attached);
    if (attached.inFlight > 0) await new Promise<void>((resolve) => attached.idle.push(resolve));
    return attached.node;
  }

  get drives(): readonly number[] {
    return [...this.#drives.keys()];
  }

  /** Tries again what the host could not do. */
  resume(): void {
    const jobs = this.#stalled;
    this.setStalled([]);
    for (const job of jobs) {
      const attached = this.#drives.get(job.drive);
      if (attached !== undefined) void this.perform(job, attached);
    }
  }

  /** Fails what waits for the host: the guest that asked was reset, or the medium is taken out. */
  private abandon(drive: number, attached: Attached): void {
    const mine = this.#stalled.filter((job) => job.drive === drive);
    this.setStalled(this.#stalled.filter((job) => job.drive !== drive));
    for (const job of mine) this.complete(job, attached, 'failed');
  }

  private setStalled(jobs: Job[]): void {
    this.#stalled = jobs;
    Atomics.store(this.#ring.control, Control.stalled, jobs.length);
  }

  message(message: RingMessage): void {
    if (message === 'kick') void this.drain();
    else if ('area' in message) this.#areas.set(message.area, message.memory);
    else {
      const attached = this.#drives.get(message.abandon);
      if (attached !== undefined) this.abandon(message.abandon, attached);
    }
  }

  private async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const { control } = this.#ring;
    let burst = 0;
    for (;;) {
      while (this.#taken !== Atomics.load(control, Control.submitted)) {
        const slot = control[Control.submissions + (this.#taken & (SLOTS - 1))]!;
        while (!this.knowsAreas(slot)) await this.#options.breathe(); // the message that shares it is on its way
        this.#taken = (this.#taken + 1) | 0;
        this.start(slot);
        if (++burst % BURST === 0) await this.#options.breathe();
        else await Promise.resolve(); // completions of what the page cache answered at once go out in between
      }
      Atomics.store(control, Control.ioSleeps, 1);
      if (this.#taken === Atomics.load(control, Control.submitted)) break;
      Atomics.store(control, Control.ioSleeps, 0);
    }
    this.#draining = false;
  }

  private start(slot: number): void {
    const job = this.copy(slot);
    const attached = this.#drives.get(job.drive);
    if (attached === undefined) {
      this.finish(job.slot, 'failed');
      return;
    }
    attached.inFlight++;
    void this.perform(job, attached);
  }

  private knowsAreas(slot: number): boolean {
    const words = this.#ring.slots.subarray(slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS);
    for (let index = 0; index < words[Slot.segments]!; index++) if (!this.#areas.has(words[Slot.list + index * SEGMENT_WORDS]!)) return false;
    return true;
  }

  private copy(slot: number): Job {
    const words = this.#ring.slots.subarray(slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS);
    const segments: Uint8Array[] = [];
    for (let index = 0; index < words[Slot.segments]!; index++) {
      const at = Slot.list + index * SEGMENT_WORDS;
      segments.push(new Uint8Array(this.#areas.get(words[at]!)!, words[at + 1], words[at + 2]));
    }
    return {
      slot,
      op: operations[words[Slot.op]!] ?? 'flush',
      drive: words[Slot.drive]!,
      offset: words[Slot.offset]!,
      length: words[Slot.length]!,
      fua: words[Slot.fua] === 1,
      segments,
    };
  }

  private async perform(job: Job, attached: Attached): Promise<void> {
    try {
      await run(job, attached.node);
    } catch (error) {
      this.failed(job, attached, error);
      return;
    }
    this.complete(job, attached, 'ok');
  }

  private failed(job: Job, attached: Attached, error: unknown): void {
    const code = error instanceof VmmError ? error.context['code'] : undefined;
    const stall = { drive: job.drive, op: job.op, message: messageOf(error), code: typeof code === 'string' ? code : '' };
    if (attached.policy === 'report' || !this.#drives.has(job.drive)) return this.complete(job, attached, 'failed');
    this.setStalled([...this.#stalled, job]);
    this.#options.ring(); // a machine thread that settles must learn that it waits in vain
    this.#options.onStall(stall);
  }

  private complete(job: Job, attached: Attached, status: DiskStatus): void {
    this.finish(job.slot, status);
    if (--attached.inFlight === 0) for (const resolve of attached.idle.splice(0)) resolve();
  }

  private finish(slot: number, status: DiskStatus): void {
    const { control, slots } = this.#ring;
    slots[slot * SLOT_WORDS + Slot.status] = statuses.indexOf(status);
    const completed = control[Control.completed]!;
    control[Control.completions + (completed & (SLOTS - 1))] = slot;
    Atomics.store(control, Control.completed, (completed + 1) | 0);
    this.#options.ring();
  }
}

async function run(job: Job, node: BlockNode): Promise<void> {
  switch (job.op) {
    case 'read':
      return readSegments(node, job.offset, job.segments);
    case 'write':
      await writeSegments(node, job.offset, job.segments);
      if (job.fua) await node.flush();
      return;
    case 'flush':
      return node.flush();
    case 'discard':
      return node.discard?.(job.offset, job.length);
    case 'zero':
      if (node.zero !== undefined) return node.zero(job.offset, job.length);
      return writeZeros(node, job.offset, job.length);
  }
}

async function writeZeros(node: BlockNode, offset: number, length: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(length, 1 << 20));
  for (let at = 0; at < length; at += zeros.length) await node.write(offset + at, zeros.subarray(0, Math.min(zeros.length, length - at)));
}
