/*
 * EDID 1.4 (VESA Enhanced EDID Standard, release A revision 2): how a monitor describes itself. One 128-byte block.
 */

export interface MonitorDescription {
  /** Preferred resolution in pixels. */
  readonly width: number;
  readonly height: number;
  /** Shown to people by guests, up to 13 ASCII characters. */
  readonly name: string;
}

const EDID_BYTES = 128;
const HEADER = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/** Three letters of five bits, 1 = A. */
const MANUFACTURER = 'STR';
const DPI = 96;
const MM_PER_INCH = 25.4;
/** sRGB primaries and white point in 1/1024, as EDID bytes 19h to 22h pack them (3.7). */
const SRGB_CHROMATICITY = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
/** 3.8: 720x400@70, 640x480@60, 800x600@60, 1024x768@60. */
const ESTABLISHED_TIMINGS = [0xa1, 0x08, 0x00];
const STANDARD_TIMINGS: readonly (readonly [number, number])[] = [
  [1280, 1024],
  [1280, 800],
  [1440, 900],
  [1600, 1200],
  [1680, 1050],
  [1920, 1080],
  [1920, 1200],
];
/** 3.9: aspect ratio codes of standard timings. */
const ASPECT_CODES: readonly (readonly [number, number])[] = [
  [16 / 10, 0],
  [4 / 3, 1],
  [5 / 4, 2],
  [16 / 9, 3],
];
const REFRESH_HZ = 60;
const DESCRIPTOR = { MONITOR_NAME: 0xfc, RANGE_LIMITS: 0xfd } as const;
const SEPARATE_SYNC = 0x18;

/** The block for a monitor of 96 dpi. `width` and `height` up to 4095. */
export function createEdid({ width, height, name }: MonitorDescription): Uint8Array {
  const edid = new Uint8Array(EDID_BYTES);
  const millimetres = (pixels: number): number => Math.round((pixels / DPI) * MM_PER_INCH);
  edid.set(HEADER, 0x00);
  edid.set(manufacturerCode(MANUFACTURER), 0x08);
  edid.set([0x01, 0x00, 0, 0, 0, 0], 0x0a); // product code, no serial number
  edid.set([0, 2025 - 1990], 0x10);
  edid.set([1, 4], 0x12);
  // Digital, 8 bits a colour; size in cm; gamma 2.2; RGB 4:4:4, sRGB is the default space, first timing is the native one.
  edid.set([0xa0, Math.round(millimetres(width) / 10), Math.round(millimetres(height) / 10), 120, 0x06], 0x14);
  edid.set(SRGB_CHROMATICITY, 0x19);
  edid.set(ESTABLISHED_TIMINGS, 0x23);
  edid.set(standardTimings(), 0x26);
  edid.set(detailedTiming(width, height, millimetres(width), millimetres(height)), 0x36);
  // Ranges: 50-125 Hz, 30-160 kHz, 300 MHz, no more timing information.
  edid.set([0, 0, 0, DESCRIPTOR.RANGE_LIMITS, 0, 50, 125, 30, 160, 30, 0x01, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20], 0x48);
  edid.set(monitorName(name), 0x5a);
  edid.set([0, 0, 0, 0x10], 0x6c); // unused descriptor
  edid[0x7f] = -edid.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return edid;
}

function manufacturerCode(letters: string): [number, number] {
  const code = Array.from(letters, (letter) => letter.charCodeAt(0) - 0x40).reduce((value, letter) => (value << 5) | letter, 0);
  return [code >> 8, code & 0xff];
}

function standardTimings(): Uint8Array {
  const timings = new Uint8Array(16).fill(0x01); // 01 01: unused
  for (const [index, [width, height]] of STANDARD_TIMINGS.entries()) {
    const code = ASPECT_CODES.find(([aspect]) => Math.abs(aspect - width / height) < 0.01)?.[1] ?? 0;
    timings.set([width / 8 - 31, (code << 6) | (REFRESH_HZ - 60)], index * 2);
  }
  return timings;
}

/** 3.10.2: the preferred timing, with blanking like CVT reduced blanking. */
function detailedTiming(width: number, height: number, widthMm: number, heightMm: number): Uint8Array {
  const horizontal = { blank: 160, front: 48, sync: 32 };
  const vertical = { blank: Math.max(8, Math.round(height * 0.03)), front: 3, sync: 4 };
  const clock = Math.round(((width + horizontal.blank) * (height + vertical.blank) * REFRESH_HZ) / 10_000);
  return Uint8Array.of(
    clock & 0xff,
    clock >> 8,
    width & 0xff,
    horizontal.blank,
    (width >> 8) << 4,
    height & 0xff,
    vertical.blank & 0xff,
    ((height >> 8) << 4) | (vertical.blank >> 8),
    horizontal.front,
    horizontal.sync,
    (vertical.front << 4) | vertical.sync,
    0,
    widthMm & 0xff,
    heightMm & 0xff,
    ((widthMm >> 8) << 4) | (heightMm >> 8),
    0,
    0,
    SEPARATE_SYNC,
  );
}

function monitorName(name: string): Uint8Array {
  const block = new Uint8Array(18).fill(0x20);
  block.set([0, 0, 0, DESCRIPTOR.MONITOR_NAME, 0]);
  const text = Array.from(name.slice(0, 13), (character) => character.charCodeAt(0) & 0x7f);
  block.set(text, 5);
  if (text.length < 13) block[5 + text.length] = 0x0a;
  return block;
}
