import { z } from 'zod';
import { bool, bytes, integer, u16, u32, u8, unsigned } from '../../bus/schema.ts';
import { ATTRIBUTE_REGISTERS, CRTC_REGISTERS, DISPI_ID_LAST, DISPI_REGISTERS, GRAPHICS_WRITABLE, SEQUENCER_WRITABLE } from './registers.ts';

const DAC_BYTES = 256 * 3;

/** Every register of the adapter. Video memory is saved with guest memory, not here. */
export interface VgaState {
  miscellaneousOutput: number;
  featureControl: number;
  /** 3C3h bit 0. */
  subsystemEnable: boolean;
  sequencer: { index: number; registers: Uint8Array };
  graphics: { index: number; registers: Uint8Array };
  crtc: { index: number; registers: Uint8Array };
  attribute: {
    index: number;
    paletteOn: boolean;
    /** The next write to 3C0h is data for the indexed register. */
    expectsData: boolean;
    registers: Uint8Array;
  };
  dac: {
    mask: number;
    /** The next colour to be read or written. */
    address: number;
    /** Last set up for reading (3C7h) rather than writing (3C8h). */
    reading: boolean;
    /** 0 red, 1 green, 2 blue. */
    component: number;
    /** Red and green of a colour that is being written, or the colour that is being read. */
    latch: Uint8Array;
    colors: Uint8Array;
  };
  /** One byte of each plane as it was last read, plane 0 lowest. */
  latches: number;
  /** Input Status 1 bits 5 and 4 alternate between reads: a picture is being drawn. */
  diagnostic: boolean;
  dispi: { index: number; registers: number[] };
}

export const vgaStateSchema: z.ZodType<VgaState> = z.strictObject({
  miscellaneousOutput: u8,
  featureControl: u8,
  subsystemEnable: bool,
  sequencer: z.strictObject({ index: u8, registers: bytes(SEQUENCER_WRITABLE.length) }),
  graphics: z.strictObject({ index: u8, registers: bytes(GRAPHICS_WRITABLE.length) }),
  crtc: z.strictObject({ index: u8, registers: bytes(CRTC_REGISTERS) }),
  attribute: z.strictObject({ index: unsigned(5), paletteOn: bool, expectsData: bool, registers: bytes(ATTRIBUTE_REGISTERS) }),
  dac: z.strictObject({ mask: u8, address: u8, reading: bool, component: integer(0, 2), latch: bytes(3), colors: bytes(DAC_BYTES) }),
  latches: u32,
  diagnostic: bool,
  dispi: z.strictObject({ index: u16, registers: z.array(u16).length(DISPI_REGISTERS) }),
});

/** After power-on, before any BIOS: nothing is shown and the CPU does not reach video memory. */
export function powerOnState(): VgaState {
  const dispi = new Array<number>(DISPI_REGISTERS).fill(0);
  dispi[0] = DISPI_ID_LAST;
  return {
    miscellaneousOutput: 0,
    featureControl: 0,
    subsystemEnable: true,
    sequencer: { index: 0, registers: new Uint8Array(SEQUENCER_WRITABLE.length) },
    graphics: { index: 0, registers: new Uint8Array(GRAPHICS_WRITABLE.length) },
    crtc: { index: 0, registers: new Uint8Array(CRTC_REGISTERS) },
    attribute: { index: 0, paletteOn: false, expectsData: false, registers: new Uint8Array(ATTRIBUTE_REGISTERS) },
    dac: { mask: 0xff, address: 0, reading: false, component: 0, latch: new Uint8Array(3), colors: new Uint8Array(DAC_BYTES) },
    latches: 0,
    diagnostic: false,
    dispi: { index: 0, registers: dispi },
  };
}
