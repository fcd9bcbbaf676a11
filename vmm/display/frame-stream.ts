import { encodeFrame, MAX_RECTANGLES } from '../protocol/frames.ts';
import { Damage } from './damage.ts';
import type { DisplaySink, ScreenMode } from './screen.ts';

export interface FrameStreamOptions {
  /** Frames that may be on their way at once. */
  readonly credits: number;
  /** Frames per second at most. */
  readonly maxRate: number;
  readonly send: (message: Uint8Array<ArrayBuffer>) => void;
}

export interface FrameTimes {
  /** Host time that only grows, ms. */
  readonly now: number;
  /** ms */
  readonly guestTime: number;
}

/** Rectangles in one frame: beyond that, covering more pixels is cheaper. */
const RECTANGLES = Math.min(64, MAX_RECTANGLES);

/**
 * The screen as frame messages (protocol/frames.ts) for one viewer. Damage is gathered until the viewer has drawn what it was sent before and given
 * its credit back; so a slow viewer gets fewer frames, never old ones, and nothing queues up.
 */
export class FrameStream implements DisplaySink {
  readonly #options: FrameStreamOptions;
  #mode: ScreenMode | undefined;
  #pending = new Damage(0, 0);
  #whole = true;
  #credits: number;
  #sequence = 0;
  #lastSent = -Infinity;

  constructor(options: FrameStreamOptions) {
    this.#options = options;
    this.#credits = options.credits;
  }

  mode(mode: ScreenMode): void {
    this.#mode = mode;
    this.#pending = new Damage(mode.surface.width, mode.surface.height);
    this.#pending.addAll();
    this.#whole = true;
  }

  damage(damage: Damage): void {
    this.#pending.merge(damage);
  }

  /** The viewer drew `frames` frames. More than were sent are not counted: a client cannot run up credit. */
  credit(frames: number): void {
    this.#credits = Math.min(this.#credits + frames, this.#options.credits);
  }

  /** Sends what has changed, unless nothing has, the viewer is behind, or the last frame was sent too short a time ago. */
  poll({ now, guestTime }: FrameTimes): boolean {
    const mode = this.#mode;
    if (mode === undefined || this.#credits === 0 || this.#pending.empty) return false;
    if (!this.#whole && now - this.#lastSent < 1000 / this.#options.maxRate) return false;
    const header = { sequence: this.#sequence, whole: this.#whole, aspect: mode.aspect, guestTime: guestTime >>> 0 };
    const message = encodeFrame(header, mode.surface, this.#pending.rectangles(RECTANGLES));
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#credits--;
    this.#lastSent = now;
    this.#whole = false;
    this.#pending.clear();
    this.#options.send(message);
    return true;
  }
}
