import type { Aspect, GraphicsScanout, LineBanks, PixelFormat, Scanout, SplitScreen, TextCursor, TextScanout } from '../../display/scanout.ts';
import type { Dac } from './dac.ts';
import type { Dispi } from './dispi.ts';
import { displayedLines, lineCompare } from './raster-timing.ts';
import {
  ATTRIBUTE,
  ATTRIBUTE_MODE,
  CLOCKING_MODE,
  CRTC,
  CURSOR_END,
  CURSOR_START,
  GRAPHICS,
  GRAPHICS_MISC,
  GRAPHICS_MODE,
  MAXIMUM_SCAN_LINE,
  MEMORY_MODE,
  MODE_CONTROL,
  PRESET_ROW_SCAN,
  SEQUENCER,
  SEQUENCER_RUNNING,
  UNDERLINE_LOCATION,
} from './registers.ts';
import type { VgaState } from './vga-state.ts';
import { PLANE_BYTES, TEXT_CELLS, type VideoMemory } from './video-memory.ts';

/** The monitor of a VGA: all its modes fill the same 4:3 screen. */
const MONITOR_ASPECT: Aspect = [4, 3];
const SQUARE_PIXELS: Aspect = [0, 0];
/** Square pixels from here on; VBE modes below are the old ones, meant for the same screen. */
const SQUARE_PIXELS_FROM_HEIGHT = 480;
const FONT_PLANE = 2;
const DISPI_FORMATS: Readonly<Record<number, PixelFormat>> = { 4: 'planar4', 8: 'indexed8', 15: 'rgb555', 16: 'rgb565', 24: 'rgb888', 32: 'rgb8888' };
/** Frames after which the cursor and blinking characters change (IBM: 16 and 32 frames for the whole period). */
const CURSOR_BLINK_FRAMES = 8;
const CHARACTER_BLINK_FRAMES = 16;

/** What the registers say is shown. All addresses are masked by `wrap` when they are used. */
export class ScanoutDecoder {
  readonly #state: VgaState;
  readonly #memory: VideoMemory;
  readonly #dac: Dac;
  readonly #dispi: Dispi;

  constructor(state: VgaState, memory: VideoMemory, dac: Dac, dispi: Dispi) {
    this.#state = state;
    this.#memory = memory;
    this.#dac = dac;
    this.#dispi = dispi;
  }

  /** `cells`: text is in the text cells. `frame`: frames shown since power-on, for blinking. */
  decode(cells: boolean, frame: number): Scanout {
    const picture = this.#dispi.enabled ? this.#dispiPicture() : this.#isText ? this.#text(cells, frame) : this.#graphics();
    if (this.#shown) return picture;
    return { kind: 'blank', width: picture.width, height: picture.height, aspect: picture.aspect };
  }

  get #isText(): boolean {
    return (this.#state.graphics.registers[GRAPHICS.MISCELLANEOUS]! & GRAPHICS_MISC.ALPHANUMERIC_DISABLE) === 0;
  }

  get #shown(): boolean {
    const sequencer = this.#state.sequencer.registers;
    if (!this.#state.attribute.paletteOn || sequencer[SEQUENCER.CLOCKING_MODE]! & CLOCKING_MODE.SCREEN_OFF) return false;
    if (this.#dispi.enabled) return true; // works without any BIOS having set up the VGA
    return sequencer[SEQUENCER.RESET] === SEQUENCER_RUNNING && (this.#state.crtc.registers[CRTC.MODE_CONTROL]! & MODE_CONTROL.RETRACE_ENABLE) !== 0;
  }

  #dispiPicture(): GraphicsScanout {
    const { width, height, bpp, pitch, start, skip } = this.#dispi.mode();
    return {
      kind: 'graphics',
      width,
      height,
      aspect: height < SQUARE_PIXELS_FROM_HEIGHT ? MONITOR_ASPECT : SQUARE_PIXELS,
      format: DISPI_FORMATS[bpp]!,
      start,
      pitch,
      wrap: this.#memory.size - 1,
      palette: bpp === 8 ? this.#palette256() : bpp === 4 ? this.#palette16() : undefined,
      banks: undefined,
      panX: skip,
      split: undefined,
    };
  }

  #graphics(): GraphicsScanout {
    const crtc = this.#state.crtc.registers;
    const mode = this.#state.graphics.registers[GRAPHICS.MODE]!;
    const format = mode & GRAPHICS_MODE.SHIFT_256 ? 'indexed8' : mode & GRAPHICS_MODE.SHIFT_INTERLEAVE ? 'cga2' : 'planar4';
    const banks = this.#banks();
    const scansPerLine = (banks === undefined ? this.#scansPerRow : 1) * this.#scanFactor;
    const scans = displayedLines(crtc);
    return {
      kind: 'graphics',
      // A word of the planes is shown in eight dots, or as four pixels of two dots.
      width: (crtc[CRTC.HORIZONTAL_DISPLAY_END]! + 1) * (format === 'indexed8' ? 4 : 8),
      height: Math.max(1, Math.floor(scans / scansPerLine)),
      aspect: MONITOR_ASPECT,
      format,
      start: this.#startAddress * 4,
      pitch: crtc[CRTC.OFFSET]! * 8,
      wrap: Math.min(PLANE_BYTES * 4, this.#memory.size) - 1,
      palette: format === 'indexed8' ? this.#palette256() : this.#palette16(),
      banks,
      panX: format === 'indexed8' ? (this.#panning >> 1) & 3 : this.#panning & 7,
      split: this.#split(scans, scansPerLine),
    };
  }

  #text(cells: boolean, frame: number): TextScanout {
    const crtc = this.#state.crtc.registers;
    const sequencer = this.#state.sequencer.registers;
    const attribute = this.#state.attribute.registers[ATTRIBUTE.MODE_CONTROL]!;
    const columns = crtc[CRTC.HORIZONTAL_DISPLAY_END]! + 1;
    const cellWidth = sequencer[SEQUENCER.CLOCKING_MODE]! & CLOCKING_MODE.EIGHT_DOTS ? 8 : 9;
    const cellHeight = this.#scansPerRow;
    const scans = displayedLines(crtc);
    const height = Math.max(1, Math.floor(scans / this.#scanFactor));
    const underline = crtc[CRTC.UNDERLINE_LOCATION]! & UNDERLINE_LOCATION.LINE_MASK;
    const panning = this.#panning;
    const words = Math.min(PLANE_BYTES, this.#memory.size >>> 2);
    return {
      kind: 'text',
      width: columns * cellWidth,
      height,
      aspect: MONITOR_ASPECT,
      columns,
      rows: Math.ceil(height / cellHeight),
      cellWidth,
      cellHeight,
      cells: cells ? { base: this.#memory.size, stride: 2, count: TEXT_CELLS } : { base: 0, stride: 4, count: words },
      start: this.#startAddress,
      pitch: crtc[CRTC.OFFSET]! * 2,
      fonts: this.#fonts,
      wrap: this.#memory.size - 1,
      palette: this.#palette16(),
      blink: !(attribute & ATTRIBUTE_MODE.BLINK) ? 'off' : (Math.floor(frame / CHARACTER_BLINK_FRAMES) & 1) === 0 ? 'shown' : 'hidden',
      lineGraphics: (attribute & ATTRIBUTE_MODE.LINE_GRAPHICS) !== 0,
      underline: underline < cellHeight ? underline : -1,
      cursor: this.#cursor(cellHeight, frame),
      // Nine dots: 8 is no shift, 0 to 7 shift by one dot more than they say.
      panX: cellWidth === 9 ? (panning > 7 ? 0 : panning + 1) : panning & 7,
      panY: (crtc[CRTC.PRESET_ROW_SCAN]! & PRESET_ROW_SCAN.ROW_MASK) % cellHeight,
      split: this.#split(scans, this.#scanFactor),
    };
  }

  #cursor(cellHeight: number, frame: number): TextCursor | undefined {
    const crtc = this.#state.crtc.registers;
    const start = crtc[CRTC.CURSOR_START]!;
    const end = crtc[CRTC.CURSOR_END]!;
    const first = start & CURSOR_START.LINE_MASK;
    const last = Math.min(end & CURSOR_END.LINE_MASK, cellHeight - 1);
    if (start & CURSOR_START.DISABLE || first > last) return undefined;
    const location = (crtc[CRTC.CURSOR_LOCATION_HIGH]! << 8) | crtc[CRTC.CURSOR_LOCATION_LOW]!;
    const skew = (end >> CURSOR_END.SKEW_SHIFT) & CURSOR_END.SKEW_MASK;
    return { cell: (location + skew) & 0xffff, first, last, lit: (Math.floor(frame / CURSOR_BLINK_FRAMES) & 1) === 0 };
  }

  get #startAddress(): number {
    const crtc = this.#state.crtc.registers;
    const bytePanning = (crtc[CRTC.PRESET_ROW_SCAN]! >> PRESET_ROW_SCAN.BYTE_PANNING_SHIFT) & PRESET_ROW_SCAN.BYTE_PANNING_MASK;
    return ((crtc[CRTC.START_ADDRESS_HIGH]! << 8) | crtc[CRTC.START_ADDRESS_LOW]!) + bytePanning;
  }

  get #panning(): number {
    return this.#state.attribute.registers[ATTRIBUTE.PIXEL_PANNING]!;
  }

  get #scansPerRow(): number {
    return (this.#state.crtc.registers[CRTC.MAXIMUM_SCAN_LINE]! & MAXIMUM_SCAN_LINE.LINES_MASK) + 1;
  }

  get #scanFactor(): 1 | 2 {
    return this.#state.crtc.registers[CRTC.MAXIMUM_SCAN_LINE]! & MAXIMUM_SCAN_LINE.DOUBLE_SCAN ? 2 : 1;
  }

  /** Row scan counter bits in place of address bits 13 and 14. Packed storage moves those down where the CRTC counts words or double words. */
  #banks(): LineBanks | undefined {
    const crtc = this.#state.crtc.registers;
    const control = crtc[CRTC.MODE_CONTROL]!;
    if ((control & MODE_CONTROL.MAP_13) !== 0 && (control & MODE_CONTROL.MAP_14) !== 0) return undefined;
    const shift = crtc[CRTC.UNDERLINE_LOCATION]! & UNDERLINE_LOCATION.DOUBLE_WORD ? 2 : control & MODE_CONTROL.BYTE_MODE ? 0 : 1;
    const byteAddressBit = (bit: number): number => 4 << (bit - shift);
    return {
      lines: this.#scansPerRow,
      bits: [control & MODE_CONTROL.MAP_13 ? 0 : byteAddressBit(13), control & MODE_CONTROL.MAP_14 ? 0 : byteAddressBit(14)],
    };
  }

  #split(scans: number, scansPerLine: number): SplitScreen | undefined {
    const scan = lineCompare(this.#state.crtc.registers) + 1;
    if (scan >= scans) return undefined;
    const attribute = this.#state.attribute.registers[ATTRIBUTE.MODE_CONTROL]!;
    return { line: Math.floor(scan / scansPerLine), panned: (attribute & ATTRIBUTE_MODE.PANNING_COMPATIBILITY) === 0 };
  }

  /** Character maps B (attribute bit 3 clear) and A (set): 8 KiB each in plane 2, selected by SR3 once there is more than 64 KiB. */
  get #fonts(): readonly [number, number] {
    const sequencer = this.#state.sequencer.registers;
    if ((sequencer[SEQUENCER.MEMORY_MODE]! & MEMORY_MODE.EXTENDED) === 0) return [FONT_PLANE, FONT_PLANE];
    const select = sequencer[SEQUENCER.CHARACTER_MAP_SELECT]!;
    const base = (quarter: number, odd: number): number => (quarter * 0x4000 + odd * 0x2000) * 4 + FONT_PLANE;
    return [base(select & 3, (select >> 4) & 1), base((select >> 2) & 3, (select >> 5) & 1)];
  }

  #palette256(): Int32Array {
    return Int32Array.from({ length: 256 }, (_, value) => this.#dac.color(value));
  }

  /** The Attribute Controller: plane enable, palette register, Color Select, then the DAC. */
  #palette16(): Int32Array {
    const { registers } = this.#state.attribute;
    const mode = registers[ATTRIBUTE.MODE_CONTROL]!;
    const select = registers[ATTRIBUTE.COLOR_SELECT]!;
    return Int32Array.from({ length: 16 }, (_, value) => {
      const color = registers[value & registers[ATTRIBUTE.COLOR_PLANE_ENABLE]! & 0x0f]!;
      const low = mode & ATTRIBUTE_MODE.P5_P4_SELECT ? (color & 0x0f) | ((select & 0x03) << 4) : color & 0x3f;
      return this.#dac.color(low | ((select & 0x0c) << 4));
    });
  }
}
