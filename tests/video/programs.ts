import { DISPI, DISPI_ENABLE } from '../../vmm/devices/video/registers.ts';
import { loadFont, set, setAttribute, setDispi, setMode, setVbeMode, type VgaTarget } from '../../vmm/devices/video/testing/vga-bench.ts';

export interface VideoProgram {
  readonly name: string;
  /** Why QEMU is known to show something else, when the documentation is with us. */
  readonly qemuDiffers?: string;
  readonly run: (target: VgaTarget) => void;
}

const A0000 = 0xa0000;
const B0000 = 0xb0000;
const B8000 = 0xb8000;

/** The same bytes everywhere: a linear congruential generator (Numerical Recipes). */
export function noise(length: number, seed = 1): Uint8Array {
  let value = seed;
  return Uint8Array.from({ length }, () => (value = (Math.imul(value, 1664525) + 1013904223) >>> 0) >>> 24);
}

function hideCursor(target: VgaTarget, crtc = 0x3d4): void {
  set(target, crtc, 0x0a, 0x20);
}

/**
 * Characters with every attribute but blinking ones, which would depend on the time. B0h to BFh are left out: QEMU repeats their eighth dot in the
 * ninth column, IBM only that of C0h to DFh.
 */
function textNoise(cells: number, attributes = 0x7f): Uint8Array {
  return noise(cells * 2).map((byte, index) => (index & 1 ? byte & attributes : (byte & 0xf0) === 0xb0 ? byte - 0x80 : byte));
}

function text(target: VgaTarget, mode: 0x01 | 0x03 | 0x07, cells: number): void {
  const crtc = mode === 0x07 ? 0x3b4 : 0x3d4;
  setMode(target, mode);
  loadFont(target);
  if (mode === 0x07) set(target, 0x3ce, 6, 0x0a);
  hideCursor(target, crtc);
  // QEMU does not underline (attribute bits 001 in mode 07h).
  if (mode === 0x07) target.fill(B0000, textNoise(cells, 0x7e));
  else target.fill(B8000, textNoise(cells));
}

/** Each plane filled apart, as programs do it. */
function planar(target: VgaTarget, bytes: number): void {
  for (let plane = 0; plane < 4; plane++) {
    set(target, 0x3c4, 2, 1 << plane);
    target.fill(A0000, noise(bytes, plane + 1));
  }
  set(target, 0x3c4, 2, 0x0f);
}

/** Mode 13h without chain-4, byte mode: 320x240 as Abrash's mode X (Dr. Dobb's Journal, July 1991). */
function modeX(target: VgaTarget): void {
  setMode(target, 0x13);
  set(target, 0x3c4, 4, 0x06);
  target.out8(0x3c2, 0xe3);
  set(target, 0x3d4, 0x11, 0x00);
  for (const [index, value] of [
    [0x06, 0x0d],
    [0x07, 0x3e],
    [0x09, 0x41],
    [0x10, 0xea],
    [0x11, 0xac],
    [0x12, 0xdf],
    [0x14, 0x00],
    [0x15, 0xe7],
    [0x16, 0x06],
    [0x17, 0xe3],
  ] as const)
    set(target, 0x3d4, index, value);
}

export const PROGRAMS: readonly VideoProgram[] = [
  { name: 'mode 01h', qemuDiffers: 'it draws 40-column characters 16 dots wide, not 18', run: (target) => text(target, 0x01, 1000) },
  { name: 'mode 03h', run: (target) => text(target, 0x03, 2000) },
  { name: 'mode 07h', run: (target) => text(target, 0x07, 2000) },
  {
    name: 'text of 8-dot characters',
    run(target) {
      text(target, 0x03, 2000);
      set(target, 0x3c4, 1, 0x01);
      setAttribute(target, 0x33, 0);
    },
  },
  {
    name: '80x50 text',
    run(target) {
      text(target, 0x03, 4000);
      set(target, 0x3d4, 0x09, 0x47);
    },
  },
  {
    name: 'text with bright backgrounds and two fonts',
    run(target) {
      text(target, 0x03, 2000);
      loadFont(target, 1, (character, line) => (character * 3 + line) & 0xff);
      set(target, 0x3c4, 3, 0x04); // map A (attribute bit 3) = 1, map B = 0
      setAttribute(target, 0x30, 0x04);
      target.fill(B8000, textNoise(2000, 0xff));
    },
  },
  {
    name: 'text from another start address',
    run(target) {
      text(target, 0x03, 8000);
      set(target, 0x3d4, 0x0c, 0x07);
      set(target, 0x3d4, 0x0d, 0x93);
    },
  },
  {
    name: 'mode 04h',
    run(target) {
      setMode(target, 0x04);
      target.fill(B8000, noise(0x4000));
    },
  },
  {
    name: 'mode 06h',
    run(target) {
      setMode(target, 0x06);
      target.fill(B8000, noise(0x4000));
    },
  },
  {
    name: 'mode 0Dh',
    run(target) {
      setMode(target, 0x0d);
      planar(target, 8000);
    },
  },
  {
    name: 'mode 0Eh',
    run(target) {
      setMode(target, 0x0e);
      planar(target, 16000);
    },
  },
  {
    name: 'mode 10h',
    run(target) {
      setMode(target, 0x10);
      planar(target, 28000);
    },
  },
  {
    name: 'mode 11h',
    run(target) {
      setMode(target, 0x11);
      planar(target, 38400);
    },
  },
  {
    name: 'mode 12h',
    run(target) {
      setMode(target, 0x12);
      planar(target, 38400);
    },
  },
  {
    name: 'mode 12h, colour select and plane enable',
    run(target) {
      setMode(target, 0x12);
      planar(target, 38400);
      setAttribute(target, 0x30, 0x81);
      setAttribute(target, 0x32, 0x07);
      setAttribute(target, 0x34, 0x01);
    },
  },
  {
    name: 'mode 12h, another start address and offset',
    run(target) {
      setMode(target, 0x12);
      planar(target, 0x10000);
      set(target, 0x3d4, 0x0c, 0x12);
      set(target, 0x3d4, 0x0d, 0x34);
      set(target, 0x3d4, 0x13, 0x2c);
    },
  },
  {
    name: 'mode 12h, split screen',
    run(target) {
      setMode(target, 0x12);
      planar(target, 38400);
      set(target, 0x3d4, 0x0c, 0x20);
      set(target, 0x3d4, 0x18, 0x2c); // line 300
      set(target, 0x3d4, 0x07, 0x3e);
      set(target, 0x3d4, 0x09, 0x00);
    },
  },
  {
    name: 'mode 13h',
    run(target) {
      setMode(target, 0x13);
      target.fill(A0000, noise(64000));
    },
  },
  {
    name: 'mode X',
    run(target) {
      modeX(target);
      planar(target, 19200);
    },
  },
  {
    name: 'mode 13h through the DAC mask',
    qemuDiffers: 'it ignores 3C6h',
    run(target) {
      setMode(target, 0x13);
      target.fill(A0000, noise(64000));
      target.out8(0x3c6, 0x3c);
    },
  },
  ...([8, 15, 16, 24, 32] as const).map((bpp) => ({
    name: `VBE 400x300x${bpp}`,
    run(target: VgaTarget) {
      setMode(target, 0x13);
      setVbeMode(target, 400, 300, bpp);
      target.fill(target.lfb, noise((400 * 300 * (bpp + 1)) >> 3));
    },
  })),
  {
    name: 'VBE 1024x768x4',
    run(target) {
      setMode(target, 0x12);
      setVbeMode(target, 1024, 768, 4);
      target.fill(target.lfb, noise((1024 * 768) / 2));
    },
  },
  {
    name: 'VBE 640x480x16, virtual screen',
    run(target) {
      setMode(target, 0x13);
      setVbeMode(target, 640, 480, 16);
      setDispi(target, DISPI.VIRT_WIDTH, 1000);
      setDispi(target, DISPI.X_OFFSET, 120);
      setDispi(target, DISPI.Y_OFFSET, 77);
      target.fill(target.lfb, noise(1000 * 560 * 2));
    },
  },
  {
    name: 'VBE 640x480x8, eight-bit DAC, banks',
    run(target) {
      setMode(target, 0x13);
      setVbeMode(target, 640, 480, 8, DISPI_ENABLE.DAC_8BIT);
      target.out8(0x3c8, 0);
      for (const value of noise(768, 9)) target.out8(0x3c9, value);
      for (let bank = 0; bank < 5; bank++) {
        setDispi(target, DISPI.BANK, bank);
        target.fill(A0000, noise(0x10000, bank + 1));
      }
    },
  },
];
