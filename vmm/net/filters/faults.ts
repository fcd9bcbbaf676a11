/** A worse cable than there is: delay, loss and a rate limit, the same in both directions. */
import { type Accepts, type CableUser, type NetBackend, type Offload, PLAIN } from '../cable/cable.ts';
import { cutFrames } from '../cable/offload.ts';
import { Filter } from './filter.ts';

export interface FaultSettings {
  /** ms, one way */
  readonly delay: number;
  /** 0..1 of the frames */
  readonly loss: number;
  /** bits per second; 0: no limit */
  readonly rate: number;
}

export const noFaults: FaultSettings = { delay: 0, loss: 0, rate: 0 };

/** Clock, timers and chance, as parameters. */
export interface FaultHost {
  now(): number;
  after(milliseconds: number, call: () => void): () => void;
  /** 0 <= value < 1 */
  chance(): number;
}

/** Bytes on their way in one direction; who sends more waits. */
const MOST_ON_THE_WAY = 1 << 20;

export class Faults extends Filter {
  readonly #out: Pipe;
  readonly #in: Pipe;
  #settings: FaultSettings = noFaults;
  #accepts: Accepts = PLAIN;

  constructor(cable: NetBackend, host: FaultHost) {
    super(cable);
    this.#out = new Pipe(
      host,
      (frame) => this.cable.send(frame),
      () => this.user?.room?.(),
    );
    this.#in = new Pipe(
      host,
      (frame) => this.user?.frame(frame) ?? true,
      () => this.cable.ready(),
    );
  }

  get settings(): FaultSettings {
    return this.#settings;
  }
  set settings(settings: FaultSettings) {
    this.#settings = settings;
    this.#out.settings = this.#in.settings = settings;
    this.attachCable(this.#active ? PLAIN : this.#accepts);
  }

  /** Frames that were lost on purpose. */
  get lost(): number {
    return this.#out.lost + this.#in.lost;
  }

  get #active(): boolean {
    return this.#settings.delay > 0 || this.#settings.loss > 0 || this.#settings.rate > 0;
  }

  override attach(user: CableUser, accepts: Accepts = PLAIN): void {
    this.#accepts = accepts;
    super.attach(user, accepts);
    if (this.#active) this.attachCable(PLAIN);
  }

  override send(frame: Uint8Array, offload?: Offload): boolean {
    if (!this.#active && this.#out.isEmpty) return this.cable.send(frame, offload);
    if (this.#out.isFull) return false;
    if (offload === undefined) this.#out.push(frame);
    else cutFrames(frame, offload, (one) => this.#out.push(one));
    return true;
  }

  override frame(bytes: Uint8Array, offload?: Offload): boolean {
    if (!this.#active && this.#in.isEmpty) return super.frame(bytes, offload);
    if (this.#in.isFull) return false;
    if (offload === undefined) this.#in.push(bytes);
    else cutFrames(bytes, offload, (one) => this.#in.push(one));
    return true;
  }

  override ready(): void {
    this.#in.retry();
    super.ready();
  }
  override room(): void {
    this.#out.retry();
    super.room();
  }

  close(): void {
    this.#out.close();
    this.#in.close();
  }
}

/** One direction. */
class Pipe {
  settings: FaultSettings = noFaults;
  lost = 0;
  readonly #host: FaultHost;
  readonly #deliver: (frame: Uint8Array) => boolean;
  readonly #room: () => void;
  #queue: { readonly due: number; readonly frame: Uint8Array }[] = [];
  #bytes = 0;
  /** When the line is free again. */
  #free = 0;
  #wasFull = false;
  #cancel: (() => void) | undefined;

  constructor(host: FaultHost, deliver: (frame: Uint8Array) => boolean, room: () => void) {
    this.#host = host;
    this.#deliver = deliver;
    this.#room = room;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }
  get isFull(): boolean {
    if (this.#bytes < MOST_ON_THE_WAY) return false;
    this.#wasFull = true;
    return true;
  }

  push(frame: Uint8Array): void {
    const { delay, loss, rate } = this.settings;
    const now = this.#host.now();
    this.#free = Math.max(this.#free, now) + (rate > 0 ? (frame.length * 8000) / rate : 0);
    if (loss > 0 && this.#host.chance() < loss) {
      this.lost++;
      return;
    }
    this.#queue.push({ due: this.#free + delay, frame: frame.slice() });
    this.#bytes += frame.length;
    this.#arm();
  }

  /** The other side can take frames again. */
  retry(): void {
    if (this.#queue.length > 0) this.#run();
  }

  close(): void {
    this.#cancel?.();
    this.#queue = [];
  }

  #arm(): void {
    const [first] = this.#queue;
    if (first === undefined || this.#cancel !== undefined) return;
    this.#cancel = this.#host.after(Math.max(0, first.due - this.#host.now()), () => this.#run());
  }

  #run(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#host.now();
    let sent = 0;
    while (sent < this.#queue.length && this.#queue[sent]!.due <= now) {
      if (!this.#deliver(this.#queue[sent]!.frame)) break; // `retry` follows
      this.#bytes -= this.#queue[sent++]!.frame.length;
    }
    const blocked = sent < this.#queue.length && this.#queue[sent]!.due <= now;
    this.#queue = this.#queue.slice(sent);
    if (!blocked) this.#arm();
    if (this.#wasFull && this.#bytes < MOST_ON_THE_WAY / 2) {
      this.#wasFull = false;
      this.#room();
    }
  }
}
