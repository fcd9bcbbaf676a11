import type { PixelFormat } from './scanout.ts';

/** Memory to read pixels from, seen in three widths. */
export class PixelSource {
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Int32Array;

  /** `bytes` begins at a multiple of 4 of its buffer. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 1);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  }
}

/** Fills `into` from its start with at least `count` RGBA words for the pixels that begin at byte `at`; `into` has room for 8 more. */
export type Converter = (source: PixelSource, at: number, count: number, palette: Int32Array, into: Int32Array) => void;

const OPAQUE = 0xff << 24;

/** Bits of a byte, each in the lowest bit of a nibble of its own, bit 7 in the highest nibble: four planes become eight pixel values at once. */
const SPREAD = Int32Array.from({ length: 256 }, (_, byte) => {
  let spread = 0;
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) spread |= 1 << (4 * bit);
  return spread;
});

/** The same for CGA: the four two-bit values of a byte in the low bits of four nibbles. */
const SPREAD_PAIRS = Int32Array.from({ length: 256 }, (_, byte) => {
  let spread = 0;
  for (let pair = 0; pair < 4; pair++) spread |= ((byte >> (2 * pair)) & 3) << (4 * pair);
  return spread;
});

function eightPixels(nibbles: number, palette: Int32Array, into: Int32Array, at: number): void {
  into[at] = palette[nibbles >>> 28]!;
  into[at + 1] = palette[(nibbles >>> 24) & 15]!;
  into[at + 2] = palette[(nibbles >>> 20) & 15]!;
  into[at + 3] = palette[(nibbles >>> 16) & 15]!;
  into[at + 4] = palette[(nibbles >>> 12) & 15]!;
  into[at + 5] = palette[(nibbles >>> 8) & 15]!;
  into[at + 6] = palette[(nibbles >>> 4) & 15]!;
  into[at + 7] = palette[nibbles & 15]!;
}

const planar4: Converter = ({ bytes }, at, count, palette, into) => {
  for (let pixel = 0, from = at; pixel < count; pixel += 8, from += 4) {
    const nibbles = SPREAD[bytes[from]!]! | (SPREAD[bytes[from + 1]!]! << 1) | (SPREAD[bytes[from + 2]!]! << 2) | (SPREAD[bytes[from + 3]!]! << 3);
    eightPixels(nibbles, palette, into, pixel);
  }
};

const cga2: Converter = ({ bytes }, at, count, palette, into) => {
  for (let pixel = 0, from = at; pixel < count; pixel += 8, from += 4) {
    const first = SPREAD_PAIRS[bytes[from]!]! | (SPREAD_PAIRS[bytes[from + 2]!]! << 2);
    const second = SPREAD_PAIRS[bytes[from + 1]!]! | (SPREAD_PAIRS[bytes[from + 3]!]! << 2);
    eightPixels((first << 16) | second, palette, into, pixel);
  }
};

const indexed8: Converter = ({ bytes }, at, count, palette, into) => {
  for (let pixel = 0; pixel < count; pixel++) into[pixel] = palette[bytes[at + pixel]!]!;
};

/** Colour components from the low and the high byte of a 16-bit pixel; the parts do not overlap. `fields`: shift and width of blue, green, red. */
function halfTables(fields: readonly (readonly [number, number])[]): readonly [Int32Array, Int32Array] {
  const expand = (pixel: number): number =>
    fields.reduce((color, [shift, width], index) => {
      const value = (pixel >> shift) & ((1 << width) - 1);
      return color | (((value << (8 - width)) | (value >> (2 * width - 8))) << (16 - 8 * index));
    }, OPAQUE);
  return [Int32Array.from({ length: 256 }, (_, low) => expand(low)), Int32Array.from({ length: 256 }, (_, high) => expand(high << 8))];
}

function halves(fields: readonly (readonly [number, number])[]): Converter {
  const [low, high] = halfTables(fields);
  return ({ halves: pixels }, at, count, _palette, into) => {
    for (let pixel = 0, from = at >>> 1; pixel < count; pixel++) {
      const value = pixels[from + pixel]!;
      into[pixel] = low[value & 0xff]! | high[value >>> 8]!;
    }
  };
}

const rgb888: Converter = ({ bytes }, at, count, _palette, into) => {
  for (let pixel = 0, from = at; pixel < count; pixel++, from += 3) {
    into[pixel] = OPAQUE | (bytes[from]! << 16) | (bytes[from + 1]! << 8) | bytes[from + 2]!;
  }
};

const rgb8888: Converter = ({ words }, at, count, _palette, into) => {
  for (let pixel = 0, from = at >>> 2; pixel < count; pixel++) {
    const value = words[from + pixel]!;
    into[pixel] = OPAQUE | ((value & 0xff) << 16) | (value & 0xff00) | ((value >>> 16) & 0xff);
  }
};

/** By format: how to convert, and bits that a pixel takes in memory (planar and CGA formats: on average, in units of 8 pixels). */
export const CONVERTERS: Readonly<Record<PixelFormat, { readonly convert: Converter; readonly bits: number }>> = {
  planar4: { convert: planar4, bits: 4 },
  cga2: { convert: cga2, bits: 4 },
  indexed8: { convert: indexed8, bits: 8 },
  rgb555: {
    convert: halves([
      [0, 5],
      [5, 5],
      [10, 5],
    ]),
    bits: 16,
  },
  rgb565: {
    convert: halves([
      [0, 5],
      [5, 6],
      [11, 5],
    ]),
    bits: 16,
  },
  rgb888: { convert: rgb888, bits: 24 },
  rgb8888: { convert: rgb8888, bits: 32 },
};
