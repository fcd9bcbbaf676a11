/** An opaque black pixel. */
export const BLACK = 0xff << 24;

/** A picture in memory, rows without gaps. */
export class Surface {
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
  /** One little-endian RGBA word per pixel: red in the low byte. */
  readonly words: Int32Array;
  /** The same memory as bytes R, G, B, A: what `ImageData` takes. */
  readonly pixels: Uint8Array;

  /** `words`: an existing picture of that size; without it, black. */
  constructor(width: number, height: number, words: Int32Array = new Int32Array(width * height).fill(BLACK)) {
    this.width = width;
    this.height = height;
    this.stride = width * 4;
    this.words = words;
    this.pixels = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  }
}
