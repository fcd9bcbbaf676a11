import { Damage } from './damage.ts';
import { GraphicsDrawer } from './draw-graphics.ts';
import { TextDrawer } from './draw-text.ts';
import type { DisplaySource, Scanout } from './scanout.ts';
import { BLACK, Surface } from './surface.ts';

/** Keeps a surface equal to what a display adapter shows, and tells what has changed on it. */
export class Renderer {
  readonly #source: DisplaySource;
  readonly #text = new TextDrawer();
  readonly #graphics = new GraphicsDrawer();
  /** Pages written to since the last call: the source's marks, taken away. */
  readonly #written: Uint8Array;
  #surface = new Surface(1, 1);
  #damage = new Damage(1, 1);
  #scanout: Scanout | undefined;

  constructor(source: DisplaySource) {
    this.#source = source;
    this.#written = new Uint8Array(source.dirty.length);
  }

  /** The present picture. Another object after each change of resolution. */
  get surface(): Surface {
    return this.#surface;
  }

  /** What the last `render` found on the cable. */
  get scanout(): Scanout | undefined {
    return this.#scanout;
  }

  /** Draws what changed. The damage is valid until the next call; all of the surface after a change of resolution. */
  render(): Damage {
    const scanout = this.#source.scanout();
    const { memory } = this.#source;
    this.#fit(scanout);
    const surface = this.#surface;
    const damage = this.#damage;
    if (scanout.kind !== this.#scanout?.kind) {
      this.#text.invalidate();
      this.#graphics.invalidate();
    }
    const written = this.#takeDirty();
    if (scanout.kind === 'text') this.#text.draw(scanout, memory, written !== undefined, surface, damage);
    else if (scanout.kind === 'graphics') this.#graphics.draw(scanout, memory, written, surface, damage);
    else if (this.#scanout?.kind !== 'blank') {
      surface.words.fill(BLACK);
      damage.addAll();
    }
    this.#scanout = scanout;
    return damage;
  }

  #fit({ width, height }: Scanout): void {
    if (width === this.#surface.width && height === this.#surface.height) {
      this.#damage.clear();
      return;
    }
    this.#surface = new Surface(width, height);
    this.#damage = new Damage(width, height);
    this.#damage.addAll();
    this.#text.invalidate();
    this.#graphics.invalidate();
  }

  /** Moves the dirty marks over; a write that comes in between is seen the next time. */
  #takeDirty(): Uint8Array | undefined {
    const { dirty } = this.#source;
    if (dirty.indexOf(1) < 0) return undefined;
    const written = this.#written;
    for (let page = 0; page < dirty.length; page++) {
      written[page] = dirty[page]!;
      if (written[page] !== 0) dirty[page] = 0;
    }
    return written;
  }
}
