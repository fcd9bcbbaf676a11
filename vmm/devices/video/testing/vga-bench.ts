import { AddressSpace } from '../../../bus/address-space.ts';
import { ManualScheduler } from '../../../bus/clock.ts';
import { PRIORITY_LEGACY } from '../../../bus/memory-bus.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { silentLog } from '../../../base/log.ts';
import { Screen } from '../../../display/screen.ts';
import { GuestMemory, PAGE_SHIFT, PhysicalMap } from '../../../memory/physical-map.ts';
import { createDirectWindow } from '../direct-window.ts';
import { DISPI, DISPI_ENABLE } from '../registers.ts';
import { vga, type VgaAdapter } from '../vga.ts';
import { TEXT_CELLS_BYTES } from '../video-memory.ts';
import { STANDARD_MODES, standardPalette, type StandardModeNumber } from './standard-modes.ts';

const WINDOW = 0xa0000;
export const LFB = 0xe000_0000;
export const MMIO = 0xfebf_0000;

const noDma = { view: () => undefined, wrote: () => undefined, read: () => undefined, write: () => undefined };

/** What may be programmed: our adapter on its buses, or QEMU's through its qtest socket. */
export interface VgaTarget {
  out8(port: number, value: number): void;
  out16(port: number, value: number): void;
  in8(port: number): number;
  write8(address: number, value: number): void;
  /** Stretches of memory. */
  fill(address: number, bytes: Uint8Array): void;
  /** Where the linear frame buffer is mapped. */
  readonly lfb: number;
}

/** The adapter on a board of its own: both address spaces, guest memory, a clock. */
export class VgaBench implements VgaTarget {
  readonly lfb = LFB;
  readonly scheduler = new ManualScheduler();
  readonly memory: GuestMemory;
  readonly physical: PhysicalMap;
  readonly space: AddressSpace;
  readonly ports = new PortSpace();
  readonly adapter: VgaAdapter;
  readonly screen: Screen;

  constructor(vramSize = 0x100_0000) {
    this.memory = new GuestMemory(0x1000, vramSize + TEXT_CELLS_BYTES);
    this.physical = new PhysicalMap(this.memory);
    this.space = new AddressSpace(this.physical);
    const block = this.memory.allocate('video', vramSize + TEXT_CELLS_BYTES);
    const firstPage = block.offset >>> PAGE_SHIFT;
    this.adapter = vga.create(
      { scheduler: this.scheduler, dma: noDma, log: silentLog },
      {
        block,
        dirty: this.memory.dirty.subarray(firstPage, firstPage + (block.length >>> PAGE_SHIFT)),
        direct: createDirectWindow(this.space, WINDOW, block),
      },
    );
    this.space.map(WINDOW, 0x20000, this.adapter.window, PRIORITY_LEGACY);
    this.ports.map(0x3b0, 12, this.adapter.monochromePorts);
    this.ports.map(0x3c0, 32, this.adapter.ports);
    this.ports.map(0x1ce, 4, this.adapter.dispiPorts);
    this.adapter.config.connect({ ports: this.ports, memory: this.space, intx: { set: () => undefined } });
    this.adapter.config.write(0x10, 4, LFB);
    this.adapter.config.write(0x18, 4, MMIO);
    this.adapter.config.write(0x04, 2, 0x0003);
    this.screen = new Screen(this.adapter);
  }

  out8(port: number, value: number): void {
    this.ports.write(port, 1, value);
  }

  out16(port: number, value: number): void {
    this.ports.write(port, 2, value);
  }

  in8(port: number): number {
    return this.ports.read(port, 1);
  }

  write8(address: number, value: number): void {
    this.space.write(address, 1, value);
  }

  fill(address: number, bytes: Uint8Array): void {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const whole = bytes.length & ~3;
    for (let at = 0; at < whole; at += 4) this.space.write(address + at, 4, words.getUint32(at, true));
    for (let at = whole; at < bytes.length; at++) this.write8(address + at, bytes[at]!);
  }

  read8(address: number): number {
    return this.space.read(address, 1);
  }

  /** An indexed register. */
  get(indexPort: number, index: number): number {
    this.out8(indexPort, index);
    return this.in8(indexPort + 1);
  }

  dispi(index: number): number {
    this.out16(0x1ce, index);
    return this.ports.read(0x1cf, 2);
  }

  /** The page table's entry for an address without its flags, relative to the video block; undefined: registers. */
  directOffset(address: number): number | undefined {
    const entry = this.physical.entry(address);
    return entry === 0 ? undefined : (entry & ~0xfff) - this.memory.blocks.at(-1)!.offset;
  }
}

/** An indexed register of the sequencer (3C4h), graphics controller (3CEh) or CRTC (3B4h, 3D4h). */
export function set(target: VgaTarget, indexPort: number, index: number, value: number): void {
  target.out8(indexPort, index);
  target.out8(indexPort + 1, value);
}

export function setAttribute(target: VgaTarget, index: number, value: number): void {
  target.in8(0x3da);
  target.in8(0x3ba);
  target.out8(0x3c0, index);
  target.out8(0x3c0, value);
}

/** Lets the palette drive the screen. */
function screenOn(target: VgaTarget): void {
  target.in8(0x3da);
  target.in8(0x3ba);
  target.out8(0x3c0, 0x20);
}

/** Programs a standard mode, screen on, memory as it is. */
export function setMode(target: VgaTarget, number: StandardModeNumber): void {
  const { misc, sequencer, crtc, attribute, graphics, palette } = STANDARD_MODES[number];
  target.out16(0x1ce, DISPI.ENABLE);
  target.out16(0x1cf, 0);
  target.out8(0x3c2, misc);
  const crtcPort = misc & 1 ? 0x3d4 : 0x3b4;
  set(target, 0x3c4, 0, 0x01);
  for (const [index, value] of sequencer.entries()) set(target, 0x3c4, index + 1, value);
  set(target, 0x3c4, 0, 0x03);
  set(target, crtcPort, 0x11, 0x00);
  for (const [index, value] of crtc.entries()) set(target, crtcPort, index, value);
  for (const [index, value] of graphics.entries()) set(target, 0x3ce, index, value);
  for (const [index, value] of attribute.entries()) setAttribute(target, index, value);
  setAttribute(target, 0x14, 0);
  target.out8(0x3c6, 0xff);
  setPalette(target, standardPalette(palette));
  screenOn(target);
}

function setPalette(target: VgaTarget, colors: readonly (readonly [number, number, number])[]): void {
  target.out8(0x3c8, 0);
  for (const color of colors) for (const component of color) target.out8(0x3c9, component);
}

export function setDispi(target: VgaTarget, index: number, value: number): void {
  target.out16(0x1ce, index);
  target.out16(0x1cf, value);
}

/** A linear mode, as a driver sets it. */
export function setVbeMode(target: VgaTarget, width: number, height: number, bpp: number, flags: number = DISPI_ENABLE.LFB): void {
  setDispi(target, DISPI.ENABLE, 0);
  setDispi(target, DISPI.BPP, bpp);
  setDispi(target, DISPI.XRES, width);
  setDispi(target, DISPI.YRES, height);
  setDispi(target, DISPI.ENABLE, DISPI_ENABLE.ENABLED | flags);
  screenOn(target);
}

/** 8x16 patterns for 256 characters into plane 2, `map` (0 to 7) as SR3 numbers it; the registers are left as in text modes. */
export function loadFont(target: VgaTarget, map = 0, glyph: (character: number, line: number) => number = testGlyph): void {
  set(target, 0x3c4, 2, 0x04);
  set(target, 0x3c4, 4, 0x07);
  set(target, 0x3ce, 4, 0x02);
  set(target, 0x3ce, 5, 0x00);
  set(target, 0x3ce, 6, 0x04);
  const base = WINDOW + (map & 3) * 0x4000 + (map >> 2) * 0x2000;
  for (let character = 0; character < 256; character++) {
    for (let line = 0; line < 16; line++) target.write8(base + character * 32 + line, glyph(character, line));
  }
  set(target, 0x3c4, 2, 0x03);
  set(target, 0x3c4, 4, 0x02);
  set(target, 0x3ce, 4, 0x00);
  set(target, 0x3ce, 5, 0x10);
  set(target, 0x3ce, 6, 0x0e);
}

/** A pattern that differs for each character and line; blank for the space. */
export function testGlyph(character: number, line: number): number {
  return character === 0x20 || character === 0 ? 0 : (character ^ (line * 0x1d)) & 0xff;
}
