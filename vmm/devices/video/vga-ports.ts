import type { Region } from '../../bus/bus.ts';
import type { Clock } from '../../bus/clock.ts';
import type { Dac } from './dac.ts';
import type { BeamPosition } from './raster-timing.ts';
import {
  ATTRIBUTE,
  ATTRIBUTE_INDEX_MASK,
  ATTRIBUTE_REGISTERS,
  ATTRIBUTE_WRITABLE,
  CRTC,
  CRTC_REGISTERS,
  GRAPHICS,
  GRAPHICS_WRITABLE,
  INPUT_STATUS_1,
  MISC,
  OVERFLOW,
  PALETTE_ADDRESS_SOURCE,
  PALETTE_REGISTERS,
  PALETTE_WRITABLE,
  PROTECT_REGISTERS_0_7,
  SEQUENCER_WRITABLE,
} from './registers.ts';
import type { VgaState } from './vga-state.ts';

const NOTHING = 0xff;
/** Input Status 0: a colour monitor is sensed; the feature connector's two inputs float high; no interrupt is pending. */
const INPUT_STATUS_0 = 0x70;
const CRTC_INDEX_MASK = 0x3f;

/** What the ports need of the rest of the adapter. */
export interface PortEffects {
  /** Registers that decide how memory is addressed have changed. */
  memoryChanged(): void;
  /** Registers that decide when the beam is where have changed. */
  timingChanged(): void;
  beam(now: number): BeamPosition;
}

interface Port {
  readonly read?: () => number;
  readonly write?: (value: number) => void;
}

/** The VGA's registers in port space. 3B4h, 3B5h, 3BAh answer in monochrome, 3D4h, 3D5h, 3DAh in colour addressing. */
export class VgaPorts {
  readonly #state: VgaState;
  readonly #dac: Dac;
  readonly #clock: Clock;
  readonly #effects: PortEffects;
  readonly #ports: ReadonlyMap<number, Port>;

  constructor(state: VgaState, dac: Dac, clock: Clock, effects: PortEffects) {
    this.#state = state;
    this.#dac = dac;
    this.#clock = clock;
    this.#effects = effects;
    this.#ports = this.#table();
  }

  /** 3B0h to 3BBh. What follows is a parallel port's. */
  readonly monochrome: Region = this.#region('vga-ports-mono', 0x3b0);
  /** 3C0h to 3DFh. */
  readonly color: Region = this.#region('vga-ports', 0x3c0);

  read(port: number): number {
    return this.#decoded(port) ? (this.#ports.get(port)?.read?.() ?? NOTHING) : NOTHING;
  }

  write(port: number, value: number): void {
    if (this.#decoded(port)) this.#ports.get(port)?.write?.(value);
  }

  #region(name: string, base: number): Region {
    return {
      name,
      sizes: 1,
      read: (offset) => this.read(base + offset),
      write: (offset, _size, value) => this.write(base + offset, value),
    };
  }

  #decoded(port: number): boolean {
    if (!this.#state.subsystemEnable && port !== 0x3c3) return false;
    const color = (this.#state.miscellaneousOutput & MISC.COLOR_ADDRESSES) !== 0;
    return port < 0x3c0 ? !color : port < 0x3d0 || color;
  }

  #table(): ReadonlyMap<number, Port> {
    const state = this.#state;
    const dac = this.#dac;
    const { sequencer, graphics, crtc } = state;
    const crtcIndex: Port = { read: () => crtc.index, write: (value) => (crtc.index = value & CRTC_INDEX_MASK) };
    const crtcData: Port = { read: () => this.#readCrtc(), write: (value) => this.#writeCrtc(value) };
    const status: Port = { read: () => this.#readInputStatus1(), write: (value) => (state.featureControl = value & 0x03) };
    return new Map<number, Port>([
      [0x3b4, crtcIndex],
      [0x3b5, crtcData],
      [0x3ba, status],
      [0x3c0, { read: () => this.#attributeIndex(), write: (value) => this.#writeAttribute(value) }],
      [0x3c1, { read: () => this.#readAttribute() }],
      [0x3c2, { read: () => INPUT_STATUS_0, write: (value) => this.#writeMisc(value) }],
      [0x3c3, { read: () => Number(state.subsystemEnable), write: (value) => this.#enableSubsystem((value & 1) !== 0) }],
      [0x3c4, { read: () => sequencer.index, write: (value) => (sequencer.index = value & 0x07) }],
      [0x3c5, { read: () => sequencer.registers[sequencer.index] ?? 0, write: (value) => this.#writeSequencer(value) }],
      [0x3c6, { read: () => state.dac.mask, write: (value) => (state.dac.mask = value) }],
      [0x3c7, { read: () => dac.readState(), write: (value) => dac.setReadAddress(value) }],
      [0x3c8, { read: () => dac.readAddress(), write: (value) => dac.setWriteAddress(value) }],
      [0x3c9, { read: () => dac.readData(), write: (value) => dac.writeData(value) }],
      [0x3ca, { read: () => state.featureControl }],
      [0x3cc, { read: () => state.miscellaneousOutput }],
      [0x3ce, { read: () => graphics.index, write: (value) => (graphics.index = value & 0x0f) }],
      [0x3cf, { read: () => graphics.registers[graphics.index] ?? 0, write: (value) => this.#writeGraphics(value) }],
      [0x3d4, crtcIndex],
      [0x3d5, crtcData],
      [0x3da, status],
    ]);
  }

  #writeMisc(value: number): void {
    this.#state.miscellaneousOutput = value;
    this.#effects.timingChanged();
    this.#effects.memoryChanged();
  }

  #enableSubsystem(on: boolean): void {
    this.#state.subsystemEnable = on;
    this.#effects.memoryChanged();
  }

  #writeSequencer(value: number): void {
    const { index, registers } = this.#state.sequencer;
    const writable = SEQUENCER_WRITABLE[index];
    if (writable === undefined) return;
    registers[index] = value & writable;
    this.#effects.timingChanged();
    this.#effects.memoryChanged();
  }

  #writeGraphics(value: number): void {
    const { index, registers } = this.#state.graphics;
    const writable = GRAPHICS_WRITABLE[index];
    if (writable === undefined) return;
    registers[index] = value & writable;
    this.#effects.memoryChanged();
  }

  #readCrtc(): number {
    const { index, registers } = this.#state.crtc;
    switch (index) {
      case CRTC.LATCH_READBACK:
        return (this.#state.latches >>> (8 * this.#state.graphics.registers[GRAPHICS.READ_MAP_SELECT]!)) & 0xff;
      case CRTC.ATTRIBUTE_FLIP_FLOP:
        return this.#state.attribute.expectsData ? 0x80 : 0;
      case CRTC.ATTRIBUTE_INDEX:
        return this.#attributeIndex();
      default:
        return registers[index] ?? 0;
    }
  }

  #writeCrtc(value: number): void {
    const { index, registers } = this.#state.crtc;
    if (index >= CRTC_REGISTERS) return;
    const guarded = index <= CRTC.OVERFLOW && (registers[CRTC.VERTICAL_RETRACE_END]! & PROTECT_REGISTERS_0_7) !== 0;
    if (!guarded) {
      registers[index] = value;
    } else if (index === CRTC.OVERFLOW) {
      registers[index] = (registers[index]! & ~OVERFLOW.LINE_COMPARE_8) | (value & OVERFLOW.LINE_COMPARE_8);
    }
    this.#effects.timingChanged();
  }

  #attributeIndex(): number {
    const { index, paletteOn } = this.#state.attribute;
    return index | (paletteOn ? PALETTE_ADDRESS_SOURCE : 0);
  }

  #readAttribute(): number {
    const { index, registers } = this.#state.attribute;
    return index < ATTRIBUTE_REGISTERS ? registers[index]! : 0;
  }

  #writeAttribute(value: number): void {
    const { attribute } = this.#state;
    attribute.expectsData = !attribute.expectsData;
    if (attribute.expectsData) {
      attribute.index = value & ATTRIBUTE_INDEX_MASK;
      attribute.paletteOn = (value & PALETTE_ADDRESS_SOURCE) !== 0;
    } else if (attribute.index >= PALETTE_REGISTERS) {
      const writable = ATTRIBUTE_WRITABLE[attribute.index - ATTRIBUTE.MODE_CONTROL];
      if (writable !== undefined) attribute.registers[attribute.index] = value & writable;
    } else if (!attribute.paletteOn) {
      // The palette belongs either to the screen or to the CPU (IBM: "Palette Address Source").
      attribute.registers[attribute.index] = value & PALETTE_WRITABLE;
    }
  }

  #readInputStatus1(): number {
    const state = this.#state;
    state.attribute.expectsData = false;
    state.diagnostic = !state.diagnostic;
    const { displaying, verticalRetrace } = this.#effects.beam(this.#clock.now());
    return (
      (displaying ? 0 : INPUT_STATUS_1.DISPLAY_DISABLED) |
      (verticalRetrace ? INPUT_STATUS_1.VERTICAL_RETRACE : 0) |
      (state.diagnostic ? INPUT_STATUS_1.DIAGNOSTIC : 0)
    );
  }
}
