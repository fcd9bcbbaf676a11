import { beginData, dataFailed, dataHostByte, resumeData } from './data-transfer.ts';
import { formatHostByte, formatIdMoved, formatTrack, resumeFormat } from './format-track.ts';
import { readId, resumeReadId } from './read-id.ts';
import type { Controller } from './fdc-82077.ts';
import { Command, ENHANCED, RELATIVE, RELATIVE_UP, St0, St3 } from './registers.ts';

export interface FloppyCommand {
  readonly name: string;
  /** Bytes, the code included. */
  readonly length: number;
  /** Where data go: `in` from the medium, `out` to it, `compare` from the host to be compared. */
  readonly direction?: 'in' | 'out' | 'compare';
  readonly run: (fdc: Controller, bytes: Uint8Array) => void;
  /** Goes on after a delay, or begins the request to the medium again. */
  readonly resume?: (fdc: Controller) => void;
  /** The DMA controller moved the buffer, or said that it was the last. */
  readonly moved?: (fdc: Controller) => void;
  /** The host reads (undefined) or writes a byte in the execution phase. */
  readonly hostByte?: (fdc: Controller, byte: number | undefined) => number;
  /** The medium went away. */
  readonly failed?: (fdc: Controller) => void;
}

/** Which of the top three bits of a code are parameters: MT, MFM, SK. */
const MODIFIERS: Readonly<Record<number, number>> = {
  [Command.READ_DATA]: 0xe0,
  [Command.READ_DELETED_DATA]: 0xe0,
  [Command.WRITE_DATA]: 0xc0,
  [Command.WRITE_DELETED_DATA]: 0xc0,
  [Command.READ_TRACK]: 0x40,
  [Command.VERIFY]: 0xe0,
  [Command.READ_ID]: 0x40,
  [Command.FORMAT_TRACK]: 0x40,
  [Command.SCAN_EQUAL]: 0xe0,
  [Command.SCAN_LOW_OR_EQUAL]: 0xe0,
  [Command.SCAN_HIGH_OR_EQUAL]: 0xe0,
  [Command.SEEK]: RELATIVE | RELATIVE_UP,
  [Command.LOCK]: 0x80,
};

function data(name: string, direction: 'in' | 'out' | 'compare'): FloppyCommand {
  return { name, length: 9, direction, run: beginData, resume: resumeData, hostByte: dataHostByte, failed: dataFailed };
}

const commands: Readonly<Record<number, FloppyCommand>> = {
  [Command.READ_DATA]: data('READ DATA', 'in'),
  [Command.READ_DELETED_DATA]: data('READ DELETED DATA', 'in'),
  [Command.WRITE_DATA]: data('WRITE DATA', 'out'),
  [Command.WRITE_DELETED_DATA]: data('WRITE DELETED DATA', 'out'),
  [Command.READ_TRACK]: data('READ TRACK', 'in'),
  [Command.VERIFY]: data('VERIFY', 'in'),
  [Command.SCAN_EQUAL]: data('SCAN EQUAL', 'compare'),
  [Command.SCAN_LOW_OR_EQUAL]: data('SCAN LOW OR EQUAL', 'compare'),
  [Command.SCAN_HIGH_OR_EQUAL]: data('SCAN HIGH OR EQUAL', 'compare'),
  [Command.READ_ID]: { name: 'READ ID', length: 2, run: readId, resume: resumeReadId },
  [Command.FORMAT_TRACK]: {
    name: 'FORMAT TRACK',
    length: 6,
    direction: 'out',
    run: formatTrack,
    resume: resumeFormat,
    moved: formatIdMoved,
    hostByte: formatHostByte,
    failed: dataFailed,
  },
  [Command.RECALIBRATE]: {
    name: 'RECALIBRATE',
    length: 2,
    run: (fdc, bytes) => fdc.startSeek(bytes[1]! & 3, 0, true),
  },
  [Command.SEEK]: { name: 'SEEK', length: 3, run: seek },
  [Command.SENSE_INTERRUPT_STATUS]: { name: 'SENSE INTERRUPT STATUS', length: 1, run: senseInterrupt },
  [Command.SENSE_DRIVE_STATUS]: { name: 'SENSE DRIVE STATUS', length: 2, run: senseDrive },
  [Command.SPECIFY]: {
    name: 'SPECIFY',
    length: 3,
    run: (fdc, bytes) => fdc.state.specify.set(bytes.subarray(1, 3)),
  },
  [Command.CONFIGURE]: {
    name: 'CONFIGURE',
    length: 4,
    run(fdc, bytes) {
      fdc.state.configure = bytes[2]! & 0x7f;
      fdc.state.precompensation = bytes[3]!;
    },
  },
  [Command.VERSION]: { name: 'VERSION', length: 1, run: (fdc) => fdc.respond([ENHANCED], false) },
  [Command.LOCK]: {
    name: 'LOCK',
    length: 1,
    run(fdc, bytes) {
      fdc.state.locked = (bytes[0]! & 0x80) !== 0;
      fdc.respond([fdc.state.locked ? 0x10 : 0], false);
    },
  },
  [Command.PERPENDICULAR_MODE]: {
    name: 'PERPENDICULAR MODE',
    length: 2,
    run(fdc, bytes) {
      // OW protects the drive bits (5.2.9).
      const { state } = fdc;
      state.perpendicular = (bytes[1]! & 0x80) !== 0 ? bytes[1]! & 0x3f : (state.perpendicular & 0x3c) | (bytes[1]! & 3);
    },
  },
  [Command.DUMPREG]: { name: 'DUMPREG', length: 1, run: dumpRegisters },
};

export const unknownCommand: FloppyCommand = { name: 'invalid', length: 1, run: (fdc) => fdc.respond([St0.INVALID], false) };

/** The command a first byte names; undefined: an invalid code. */
export function commandOf(byte: number): FloppyCommand | undefined {
  const code = byte & 0x1f;
  const modifiers = byte & 0xe0;
  return (modifiers & ~(MODIFIERS[code] ?? 0)) === 0 ? commands[code] : undefined;
}

function seek(fdc: Controller, bytes: Uint8Array): void {
  const drive = bytes[1]! & 3;
  const present = fdc.state.presentCylinder[drive]!;
  const target =
    (bytes[0]! & RELATIVE) === 0
      ? bytes[2]!
      : (bytes[0]! & RELATIVE_UP) !== 0
        ? Math.min(255, present + bytes[2]!)
        : Math.max(0, present - bytes[2]!);
  fdc.startSeek(drive, target, false);
}

/** Without a reason for an interrupt this is an invalid command (5.2.5). */
function senseInterrupt(fdc: Controller): void {
  const { state } = fdc;
  const drive = state.pending.findIndex((status) => status !== null);
  if (drive < 0) {
    fdc.setInterrupt(false);
    return fdc.respond([St0.INVALID], false);
  }
  const status = state.pending[drive]!;
  state.pending[drive] = null;
  fdc.respond([status, state.presentCylinder[drive]!], false);
  // Of what polling found after a reset only the first is announced.
  fdc.setInterrupt(state.pending.some((other) => other !== null && (other & St0.POLLING) !== St0.POLLING));
}

function senseDrive(fdc: Controller, bytes: Uint8Array): void {
  const drive = fdc.drives[bytes[1]! & 3];
  let status = (bytes[1]! & 7) | St3.TWO_SIDED | St3.READY;
  if (drive?.state.track === 0) status |= St3.TRACK_0;
  if (drive?.medium?.readOnly === true) status |= St3.WRITE_PROTECTED;
  fdc.respond([status], false);
}

function dumpRegisters(fdc: Controller): void {
  const { state } = fdc;
  fdc.respond(
    [
      ...state.presentCylinder,
      state.specify[0]!,
      state.specify[1]!,
      state.transfer.last,
      (state.locked ? 0x80 : 0) | (state.perpendicular & 0x3f),
      state.configure,
      state.precompensation,
    ],
    false,
  );
}
