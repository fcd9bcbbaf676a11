/*
 * Registers of the VGA by the names of the IBM VGA documentation (PS/2 Hardware Interface Technical Reference, "Video Subsystem"; also FreeVGA).
 * Each group: indices, the bits that this adapter acts upon, and which bits of each register exist.
 */

/** Miscellaneous Output register: written at 3C2h, read at 3CCh. */
export const MISC = {
  /** I/O address select: CRTC and status at 3Dxh (colour) rather than 3Bxh (monochrome). */
  COLOR_ADDRESSES: 0x01,
  /** The CPU may access video memory. */
  RAM_ENABLE: 0x02,
  /** 0: 25.175 MHz, 1: 28.322 MHz, 2 and 3: from the feature connector. */
  CLOCK_SELECT_SHIFT: 2,
  CLOCK_SELECT_MASK: 0x03,
} as const;

export const SEQUENCER = { RESET: 0, CLOCKING_MODE: 1, MAP_MASK: 2, CHARACTER_MAP_SELECT: 3, MEMORY_MODE: 4 } as const;
export const SEQUENCER_WRITABLE = [0x03, 0x3d, 0x0f, 0x3f, 0x0e] as const;
/** SR0: both resets released, the sequencer runs. */
export const SEQUENCER_RUNNING = 0x03;
/** SR1 */
export const CLOCKING_MODE = { EIGHT_DOTS: 0x01, HALF_DOT_CLOCK: 0x08, SCREEN_OFF: 0x20 } as const;
/** SR4. ODD_EVEN is named for what its 0 means: bit 2 *disables* it. */
export const MEMORY_MODE = { EXTENDED: 0x02, ODD_EVEN_DISABLE: 0x04, CHAIN_4: 0x08 } as const;

export const GRAPHICS = {
  SET_RESET: 0,
  ENABLE_SET_RESET: 1,
  COLOR_COMPARE: 2,
  DATA_ROTATE: 3,
  READ_MAP_SELECT: 4,
  MODE: 5,
  MISCELLANEOUS: 6,
  COLOR_DONT_CARE: 7,
  BIT_MASK: 8,
} as const;
export const GRAPHICS_WRITABLE = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff] as const;
/** GR5 */
export const GRAPHICS_MODE = { WRITE_MODE_MASK: 0x03, READ_COMPARE: 0x08, HOST_ODD_EVEN: 0x10, SHIFT_INTERLEAVE: 0x20, SHIFT_256: 0x40 } as const;
/** GR6 */
export const GRAPHICS_MISC = { ALPHANUMERIC_DISABLE: 0x01, CHAIN_ODD_EVEN: 0x02, MEMORY_MAP_SHIFT: 2, MEMORY_MAP_MASK: 0x03 } as const;

export const CRTC = {
  HORIZONTAL_TOTAL: 0x00,
  HORIZONTAL_DISPLAY_END: 0x01,
  START_HORIZONTAL_RETRACE: 0x04,
  END_HORIZONTAL_RETRACE: 0x05,
  VERTICAL_TOTAL: 0x06,
  OVERFLOW: 0x07,
  PRESET_ROW_SCAN: 0x08,
  MAXIMUM_SCAN_LINE: 0x09,
  CURSOR_START: 0x0a,
  CURSOR_END: 0x0b,
  START_ADDRESS_HIGH: 0x0c,
  START_ADDRESS_LOW: 0x0d,
  CURSOR_LOCATION_HIGH: 0x0e,
  CURSOR_LOCATION_LOW: 0x0f,
  VERTICAL_RETRACE_START: 0x10,
  VERTICAL_RETRACE_END: 0x11,
  VERTICAL_DISPLAY_END: 0x12,
  OFFSET: 0x13,
  UNDERLINE_LOCATION: 0x14,
  MODE_CONTROL: 0x17,
  LINE_COMPARE: 0x18,
  /** Undocumented by IBM, present in every VGA: the latch of the plane that Read Map Select names. */
  LATCH_READBACK: 0x22,
  /** The same: bit 7 tells whether 3C0h expects data. */
  ATTRIBUTE_FLIP_FLOP: 0x24,
  /** The same: the attribute index. */
  ATTRIBUTE_INDEX: 0x26,
} as const;
export const CRTC_REGISTERS = 0x19;
/** CR7: bit 8 or 9 of values whose low bytes are elsewhere. */
export const OVERFLOW = {
  VERTICAL_TOTAL_8: 0x01,
  VERTICAL_DISPLAY_END_8: 0x02,
  VERTICAL_RETRACE_START_8: 0x04,
  LINE_COMPARE_8: 0x10,
  VERTICAL_TOTAL_9: 0x20,
  VERTICAL_DISPLAY_END_9: 0x40,
  VERTICAL_RETRACE_START_9: 0x80,
} as const;
/** CR9 */
export const MAXIMUM_SCAN_LINE = { LINES_MASK: 0x1f, LINE_COMPARE_9: 0x40, DOUBLE_SCAN: 0x80 } as const;
/** CR0A */
export const CURSOR_START = { LINE_MASK: 0x1f, DISABLE: 0x20 } as const;
/** CR0B */
export const CURSOR_END = { LINE_MASK: 0x1f, SKEW_SHIFT: 5, SKEW_MASK: 0x03 } as const;
/** CR8 */
export const PRESET_ROW_SCAN = { ROW_MASK: 0x1f, BYTE_PANNING_SHIFT: 5, BYTE_PANNING_MASK: 0x03 } as const;
/** CR11: CR0 to CR7 are write-protected (but for line compare bit 8). */
export const PROTECT_REGISTERS_0_7 = 0x80;
/** CR14 */
export const UNDERLINE_LOCATION = { LINE_MASK: 0x1f, DOUBLE_WORD: 0x40 } as const;
/** CR17 */
export const MODE_CONTROL = {
  /** 0: row scan counter bit 0 is address bit 13 (CGA). */
  MAP_13: 0x01,
  /** 0: row scan counter bit 1 is address bit 14 (Hercules). */
  MAP_14: 0x02,
  /** Vertical counter counts every second line: all vertical values double. */
  HALF_VERTICAL: 0x04,
  BYTE_MODE: 0x40,
  RETRACE_ENABLE: 0x80,
} as const;

export const ATTRIBUTE = { MODE_CONTROL: 0x10, OVERSCAN: 0x11, COLOR_PLANE_ENABLE: 0x12, PIXEL_PANNING: 0x13, COLOR_SELECT: 0x14 } as const;
export const ATTRIBUTE_REGISTERS = 0x15;
export const PALETTE_REGISTERS = 0x10;
/** Bits that exist in AR10h to AR14h; palette registers have six. */
export const PALETTE_WRITABLE = 0x3f;
export const ATTRIBUTE_WRITABLE = [0xef, 0xff, 0x3f, 0x0f, 0x0f] as const;
/** AR10 */
export const ATTRIBUTE_MODE = {
  GRAPHICS: 0x01,
  MONOCHROME: 0x02,
  LINE_GRAPHICS: 0x04,
  BLINK: 0x08,
  /** Below the split, pixel panning is 0. */
  PANNING_COMPATIBILITY: 0x20,
  PIXEL_CLOCK_HALF: 0x40,
  /** Palette bits 5 and 4 come from the Color Select register. */
  P5_P4_SELECT: 0x80,
} as const;
/** Index written to 3C0h: the palette drives the screen (1) or is being loaded (0, screen shows nothing). */
export const PALETTE_ADDRESS_SOURCE = 0x20;
export const ATTRIBUTE_INDEX_MASK = 0x1f;

/** Input Status 1, 3BAh/3DAh. */
export const INPUT_STATUS_1 = { DISPLAY_DISABLED: 0x01, VERTICAL_RETRACE: 0x08, DIAGNOSTIC: 0x30 } as const;

/** Bochs VBE DISPI registers, 16 bits each (Bochs vbe.h; QEMU standard-vga). */
export const DISPI = {
  ID: 0,
  XRES: 1,
  YRES: 2,
  BPP: 3,
  ENABLE: 4,
  BANK: 5,
  VIRT_WIDTH: 6,
  VIRT_HEIGHT: 7,
  X_OFFSET: 8,
  Y_OFFSET: 9,
  VIDEO_MEMORY_64K: 10,
} as const;
export const DISPI_REGISTERS = 11;
export const DISPI_ENABLE = { ENABLED: 0x01, GET_CAPABILITIES: 0x02, DAC_8BIT: 0x20, LFB: 0x40, NO_CLEAR: 0x80 } as const;
/** Versions of the interface: B0C0h to B0C5h. */
export const DISPI_ID_FIRST = 0xb0c0;
export const DISPI_ID_LAST = 0xb0c5;
/** What the interface reports as its limits. A 32-bit picture of this size fills 15.6 of the default 16 MiB. */
export const DISPI_MAX = { width: 2560, height: 1600, bpp: 32 } as const;
