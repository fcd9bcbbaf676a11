import { decodeFrame } from '../../vmm/protocol/frames.ts';
import type { Mode } from './scale.ts';

/**
 * A guest's screen on a canvas, at its own resolution: each frame's rectangles are put where they belong, nothing is blended or scaled, so the
 * canvas is an exact picture at all times. One canvas per session; views adopt it, so changing tabs loses nothing.
 */
export class Screen {
  readonly canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #mode: Mode = { width: 0, height: 0, aspect: [0, 0] };
  /** Frames drawn since the beginning. */
  frames = 0;

  constructor(document: Document) {
    this.canvas = document.createElement('canvas');
    this.canvas.width = 0;
    this.canvas.height = 0;
    const context = this.canvas.getContext('2d', { alpha: false, desynchronized: true });
    if (context === null) throw new Error('this browser has no 2D canvas');
    this.#context = context;
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** Draws a frame message. @returns true when the screen has another size or shape. @throws VmmError on a damaged message */
  draw(message: Uint8Array): boolean {
    const frame = decodeFrame(message);
    const old = this.#mode;
    const resized = frame.width !== old.width || frame.height !== old.height;
    const changed = resized || frame.aspect[0] !== old.aspect[0] || frame.aspect[1] !== old.aspect[1];
    if (resized) {
      this.canvas.width = frame.width;
      this.canvas.height = frame.height;
    }
    if (changed) this.#mode = { width: frame.width, height: frame.height, aspect: frame.aspect };
    for (const { x, y, width, height, pixels } of frame.rectangles) {
      if (width === 0 || height === 0) continue;
      this.#context.putImageData(new ImageData(pixels as Uint8ClampedArray<ArrayBuffer>, width, height), x, y);
    }
    this.frames++;
    return changed;
  }

  /** The picture as it stands, every guest pixel once. */
  toPng(): Promise<Blob> {
    return new Promise((resolve, reject) => {
      this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the picture could not be made'))), 'image/png');
    });
  }
}
