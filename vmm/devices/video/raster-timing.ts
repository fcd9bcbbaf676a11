import type { Dispi } from './dispi.ts';
import { CLOCKING_MODE, CRTC, MAXIMUM_SCAN_LINE, MISC, MODE_CONTROL, OVERFLOW, SEQUENCER } from './registers.ts';
import type { VgaState } from './vga-state.ts';

/** Dot clocks by Clock Select, Hz; what a feature connector would give is taken as the first. */
const DOT_CLOCKS = [25_175_000, 28_322_000, 25_175_000, 25_175_000] as const;
const NANOSECONDS = 1e9;
/** Linear modes have no CRTC timing of their own: 60 Hz with blanking in the proportions of VESA GTF. */
const DISPI_REFRESH_HZ = 60;
const DISPI_VERTICAL_BLANKING = 1.045;
const DISPI_HORIZONTAL_BLANKING = 1.28;

/** When the beam is where. Times in ns, lines and line times counted from the start of the display area. */
export interface RasterTiming {
  readonly frame: number;
  readonly line: number;
  /** Of each line, ns that show pixels. */
  readonly active: number;
  /** Scan lines that show pixels. */
  readonly displayed: number;
  readonly retraceStart: number;
  readonly retraceEnd: number;
}

/** Scan lines of the display area. */
export function displayedLines(crtc: Uint8Array): number {
  const overflow = crtc[CRTC.OVERFLOW]!;
  const end =
    crtc[CRTC.VERTICAL_DISPLAY_END]! |
    (overflow & OVERFLOW.VERTICAL_DISPLAY_END_8 ? 0x100 : 0) |
    (overflow & OVERFLOW.VERTICAL_DISPLAY_END_9 ? 0x200 : 0);
  return (end + 1) * verticalFactor(crtc);
}

/** The scan line after which the address counter restarts at 0 (split screen). */
export function lineCompare(crtc: Uint8Array): number {
  const line =
    crtc[CRTC.LINE_COMPARE]! |
    (crtc[CRTC.OVERFLOW]! & OVERFLOW.LINE_COMPARE_8 ? 0x100 : 0) |
    (crtc[CRTC.MAXIMUM_SCAN_LINE]! & MAXIMUM_SCAN_LINE.LINE_COMPARE_9 ? 0x200 : 0);
  return line * verticalFactor(crtc);
}

function verticalFactor(crtc: Uint8Array): number {
  return crtc[CRTC.MODE_CONTROL]! & MODE_CONTROL.HALF_VERTICAL ? 2 : 1;
}

export function rasterTiming(state: VgaState, dispi: Dispi): RasterTiming {
  return dispi.enabled ? dispiTiming(dispi) : crtcTiming(state);
}

function crtcTiming(state: VgaState): RasterTiming {
  const crtc = state.crtc.registers;
  const clocking = state.sequencer.registers[SEQUENCER.CLOCKING_MODE]!;
  const clock = DOT_CLOCKS[(state.miscellaneousOutput >> MISC.CLOCK_SELECT_SHIFT) & MISC.CLOCK_SELECT_MASK]!;
  const dots = (clocking & CLOCKING_MODE.EIGHT_DOTS ? 8 : 9) * (clocking & CLOCKING_MODE.HALF_DOT_CLOCK ? 2 : 1);
  const character = (dots * NANOSECONDS) / clock;
  const overflow = crtc[CRTC.OVERFLOW]!;
  const factor = verticalFactor(crtc);
  const total =
    2 + (crtc[CRTC.VERTICAL_TOTAL]! | (overflow & OVERFLOW.VERTICAL_TOTAL_8 ? 0x100 : 0) | (overflow & OVERFLOW.VERTICAL_TOTAL_9 ? 0x200 : 0));
  const retraceStart =
    crtc[CRTC.VERTICAL_RETRACE_START]! |
    (overflow & OVERFLOW.VERTICAL_RETRACE_START_8 ? 0x100 : 0) |
    (overflow & OVERFLOW.VERTICAL_RETRACE_START_9 ? 0x200 : 0);
  // Retrace ends when the low four bits of the line counter match.
  const retraceLines = (crtc[CRTC.VERTICAL_RETRACE_END]! - retraceStart) & 0x0f || 16;
  const line = (crtc[CRTC.HORIZONTAL_TOTAL]! + 5) * character;
  return {
    line,
    frame: line * total * factor,
    active: Math.min((crtc[CRTC.HORIZONTAL_DISPLAY_END]! + 1) * character, line),
    displayed: displayedLines(crtc),
    retraceStart: retraceStart * factor,
    retraceEnd: (retraceStart + retraceLines) * factor,
  };
}

function dispiTiming(dispi: Dispi): RasterTiming {
  const { height } = dispi.mode();
  const total = Math.ceil(height * DISPI_VERTICAL_BLANKING) + 1;
  const frame = NANOSECONDS / DISPI_REFRESH_HZ;
  const line = frame / total;
  return {
    frame,
    line,
    active: line / DISPI_HORIZONTAL_BLANKING,
    displayed: height,
    retraceStart: height + 1,
    retraceEnd: Math.min(height + 4, total),
  };
}

export interface BeamPosition {
  readonly displaying: boolean;
  readonly verticalRetrace: boolean;
}

/** Where the beam is at `now` (guest ns). */
export function beamAt(timing: RasterTiming, now: number): BeamPosition {
  const inFrame = now % timing.frame;
  const line = Math.floor(inFrame / timing.line);
  return {
    displaying: line < timing.displayed && inFrame - line * timing.line < timing.active,
    verticalRetrace: line >= timing.retraceStart && line < timing.retraceEnd,
  };
}
