/*
 * What a display adapter puts on its cable, as plain data: how the picture lies in video memory and what its values mean. An adapter describes, a
 * renderer draws; a description may be copied to another thread, video memory is shared.
 *
 * Addresses are byte offsets in video memory; a renderer applies `wrap` (size - 1, a power of two) to each, so no description can make it read
 * elsewhere. Colours are little-endian RGBA words (red in the low byte), as canvas image data has them.
 */

/** Width to height of the whole picture as a monitor shows it (4:3); 0:0: pixels are square. */
export type Aspect = readonly [x: number, y: number];

interface Picture {
  /** Pixels that differ from their neighbours: doubled lines and columns are counted once. */
  readonly width: number;
  readonly height: number;
  readonly aspect: Aspect;
}

/** The adapter shows nothing: the screen is black. */
export interface BlankScanout extends Picture {
  readonly kind: 'blank';
}

export interface TextCursor {
  /** Cell number, counted from the start of video memory. */
  readonly cell: number;
  /** Lines of the cell that are lit, first to last. */
  readonly first: number;
  readonly last: number;
  /** In the lit half of its blinking. */
  readonly lit: boolean;
}

/** What the part of the screen below a split shows: memory from the first cell or byte on. */
export interface SplitScreen {
  /** The first line of the lower part. */
  readonly line: number;
  /** The lower part is panned like the upper one. */
  readonly panned: boolean;
}

export interface TextScanout extends Picture {
  readonly kind: 'text';
  readonly columns: number;
  /** Rows that are at least partly visible. */
  readonly rows: number;
  readonly cellWidth: 8 | 9;
  readonly cellHeight: number;
  /** Where cell 0 is, bytes from one cell to the next (character, then attribute), and the last cell + 1 after which cell 0 follows again. */
  readonly cells: { readonly base: number; readonly stride: 2 | 4; readonly count: number };
  /** Top left cell, and cells from one row to the next. */
  readonly start: number;
  readonly pitch: number;
  /** Glyphs as the planes hold them: the byte for line l of character c is at base + 4 * (32 * c + l). Second font for attribute bit 3. */
  readonly fonts: readonly [number, number];
  readonly wrap: number;
  /** Colour of each of the 16 attribute values. */
  readonly palette: Int32Array;
  /** Attribute bit 7 makes characters blink (rather than brighten the background); `hidden`: they are in the dark half. */
  readonly blink: 'off' | 'shown' | 'hidden';
  /** Column 9 of the characters C0h to DFh repeats column 8. */
  readonly lineGraphics: boolean;
  /** Line of the cell that is underlined for attributes with low bits 001, or -1. */
  readonly underline: number;
  readonly cursor: TextCursor | undefined;
  /** Pixels that the picture is moved to the left and lines it is moved up. */
  readonly panX: number;
  readonly panY: number;
  readonly split: SplitScreen | undefined;
}

/**
 * How pixels lie in memory:
 * `planar4`: each 4 bytes are 8 pixels, one bit of each pixel in each byte, first pixel in bit 7, plane 0 first;
 * `cga2`: each 4 bytes are 8 pixels, two bits of each: pixels 0-3 in bytes 0 (low bits) and 2, pixels 4-7 in bytes 1 and 3;
 * `indexed8`; and direct colour of 15, 16, 24 and 32 bits, little-endian, blue lowest.
 */
export type PixelFormat = 'planar4' | 'cga2' | 'indexed8' | 'rgb555' | 'rgb565' | 'rgb888' | 'rgb8888';

/** CGA and Hercules: lines come from several banks by turns. The bank's number (line modulo `lines`) replaces bits of the address. */
export interface LineBanks {
  /** Lines that share a start address, each from another bank (or the same, where no bit is replaced). */
  readonly lines: number;
  /** Address bits (as masks) that bits 0 and 1 of the bank's number replace; 0: none. */
  readonly bits: readonly [number, number];
}

export interface GraphicsScanout extends Picture {
  readonly kind: 'graphics';
  readonly format: PixelFormat;
  readonly start: number;
  /** Bytes from one line to the next (of the same bank). */
  readonly pitch: number;
  readonly wrap: number;
  /** Colour of each pixel value: 256 entries for `indexed8`, 16 for planar and CGA formats, none for direct colour. */
  readonly palette: Int32Array | undefined;
  readonly banks: LineBanks | undefined;
  /** Pixels that the picture is moved to the left. */
  readonly panX: number;
  readonly split: SplitScreen | undefined;
}

export type Scanout = BlankScanout | TextScanout | GraphicsScanout;

/** A display adapter, as a renderer sees it. One renderer per adapter: it takes the dirty marks away. */
export interface DisplaySource {
  /** What is on the cable now; a new object each time. */
  scanout(): Scanout;
  /** Video memory, to which a scanout's addresses refer. */
  readonly memory: Uint8Array;
  /** One byte per 4 KiB of `memory`: 1 where it was written to. The renderer stores 0 before it reads a page. */
  readonly dirty: Uint8Array;
}

const KEYS_WITH_ARRAYS: ReadonlySet<string> = new Set(['palette']);

/** Whether two descriptions differ in nothing but the keys of `except`. */
export function sameScanout(a: Scanout, b: Scanout, except: ReadonlySet<string> = KEYS_WITH_ARRAYS): boolean {
  return sameValue(a, b, except);
}

function sameValue(a: unknown, b: unknown, except: ReadonlySet<string>): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => except.has(key) || sameValue(left[key], right[key], except));
}

/** Whether two palettes have the same colours. */
export function samePalette(a: Int32Array | undefined, b: Int32Array | undefined): boolean {
  if (a === b) return true;
  if (a?.length !== b?.length || a === undefined || b === undefined) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
