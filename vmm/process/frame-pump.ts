/**
 * Takes the picture from the machine to those who look at it. Nobody looks: nothing is drawn. The machine thread only says what the adapter
 * shows (`scanout`); the drawing is done here, on the control thread, from video memory, which both share.
 */
import { FrameStream } from '../display/frame-stream.ts';
import type { Scanout } from '../display/scanout.ts';
import { Screen, type ScreenMode } from '../display/screen.ts';

export interface FramePumpHost {
  /** Asks the machine thread what the display shows now. */
  scanout(): Promise<Scanout>;
  readonly memory: Uint8Array;
  readonly dirty: Uint8Array;
  /** ms */
  guestTime(): number;
  /** Host time that only grows, ms. */
  now(): number;
  after(milliseconds: number, call: () => void): void;
  /** The screen is of another size or kind. */
  modeChanged(mode: ScreenMode): void;
}

export interface Viewer {
  sendBinary(frame: Uint8Array): void;
}

interface Watch {
  readonly stream: FrameStream;
  readonly maxRate: number;
  readonly stop: () => void;
}

/** A still picture is looked at this many times a second, until something changes or somebody touches a key. */
const IDLE_RATE = 15;
/** ms without a change after which a picture counts as still */
const IDLE_AFTER = 500;

export class FramePump {
  readonly #host: FramePumpHost;
  readonly #screen: Screen;
  readonly #watches = new Map<Viewer, Watch>();
  #scanout: Scanout | undefined;
  #final = false;
  #refreshing: Promise<void> | undefined;
  #ticking = false;
  #lastChange: number;
  #nextTick = 0;
  framesSent = 0;

  constructor(host: FramePumpHost) {
    this.#host = host;
    this.#lastChange = host.now();
    this.#screen = new Screen({
      memory: host.memory,
      dirty: host.dirty,
      scanout: () => this.#scanout ?? { kind: 'blank', width: 720, height: 400, aspect: [4, 3] },
    });
  }

  /** Sends the whole screen to `viewer` first, then what changes. A second call by the same viewer replaces its first. */
  async subscribe(viewer: Viewer, options: { credits: number; maxRate: number }): Promise<void> {
    await this.#refresh();
    this.unsubscribe(viewer);
    const stream = new FrameStream({
      ...options,
      send: (frame) => {
        this.framesSent++;
        viewer.sendBinary(frame);
      },
    });
    this.#watches.set(viewer, { stream, maxRate: options.maxRate, stop: this.#screen.watch(stream) });
    this.wake();
  }

  credit(viewer: Viewer, frames: number): void {
    this.#watches.get(viewer)?.stream.credit(frames);
  }

  unsubscribe(viewer: Viewer): void {
    this.#watches.get(viewer)?.stop();
    this.#watches.delete(viewer);
  }

  /** Something is about to change on the screen (a key was pressed): look at it at the full rate again. */
  wake(): void {
    this.#lastChange = this.#host.now();
    this.#nextTick = Math.min(this.#nextTick, this.#lastChange);
    this.#schedule();
  }

  /** The machine has ended: this is what its display shows from now on. */
  finish(scanout: Scanout): void {
    this.#scanout = scanout;
    this.#final = true;
  }

  /** The screen as it is now, for a picture or for its text. */
  async look(): Promise<Screen> {
    await this.#refresh();
    return this.#screen;
  }

  #schedule(): void {
    if (this.#ticking || this.#watches.size === 0) return;
    this.#ticking = true;
    this.#host.after(Math.max(0, this.#nextTick - this.#host.now()), () => void this.#tick());
  }

  async #tick(): Promise<void> {
    const started = this.#host.now();
    try {
      await this.#refresh();
    } catch {
      return; // the machine has ended: no further tick
    }
    this.#ticking = false;
    const times = { now: this.#host.now(), guestTime: this.#host.guestTime() };
    for (const { stream } of this.#watches.values()) stream.poll(times);
    const rate = Math.max(...[...this.#watches.values()].map((watch) => watch.maxRate));
    const still = times.now - this.#lastChange > IDLE_AFTER;
    this.#nextTick = started + 1000 / (still ? Math.min(rate, IDLE_RATE) : rate);
    this.#schedule();
  }

  /** Callers at the same time share one look at the machine. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#refreshNow().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refreshNow(): Promise<void> {
    if (!this.#final) this.#scanout = await this.#host.scanout();
    const { mode } = this.#screen;
    if (this.#screen.refresh()) this.#lastChange = this.#host.now();
    if (mode !== this.#screen.mode) this.#host.modeChanged(this.#screen.mode);
  }
}
