import { z } from 'zod';
import { bool, bytes, exactly, guestTime, integer, u8 } from '../../../bus/schema.ts';
import { floppyDriveSchema } from './drive.ts';

/** A side of the densest track: what moves per request to the medium. */
export const BUFFER_BYTES = 36 * 512;
/** The longest command and the longest result. */
export const COMMAND_BYTES = 9;
export const RESULT_BYTES = 10;

/**
 * `command`: command bytes come in; `delay`: mechanics and rotation take until `deadline`; `medium`: a request is out (begun anew when a state is
 * loaded); `dma`: DREQ is raised; `host`: the host moves data through the FIFO; `result`: result bytes go out.
 */
export const phaseSchema = z.enum(['command', 'delay', 'medium', 'dma', 'host', 'result']);

/** The data command being executed: the address it is at, and the one buffer it moves data through. */
const transferSchema = z
  .strictObject({
    drive: integer(0, 1),
    cylinder: u8,
    head: integer(0, 1),
    sector: u8,
    /** EOT. */
    last: u8,
    /** Sectors of this run in the buffer, or to be in it; and bytes the host or the DMA controller moved. */
    filled: integer(0, BUFFER_BYTES),
    position: integer(0, BUFFER_BYTES),
    /** TC came. */
    ended: bool,
    /** Sectors FORMAT TRACK has still to get IDs for. */
    formatLeft: u8,
    status1: u8,
    status2: u8,
  })
  .refine((t) => t.position <= t.filled, { error: 'position beyond the buffer' });
export type Transfer = z.infer<typeof transferSchema>;

export const controllerSchema = z.strictObject({
  dor: u8,
  rate: integer(0, 3),
  tapeDrive: u8,
  phase: phaseSchema,
  /** Guest time, ns: the end of phase `delay`. */
  deadline: guestTime,
  command: bytes(COMMAND_BYTES),
  commandLength: integer(0, COMMAND_BYTES),
  result: bytes(RESULT_BYTES),
  resultLength: integer(0, RESULT_BYTES),
  resultAt: integer(0, RESULT_BYTES),
  /** INT. */
  interrupt: bool,
  /** Drives whose seek or whose change of readiness after a reset SENSE INTERRUPT STATUS has still to tell: their ST0. */
  pending: exactly(4, u8.nullable()),
  /** Tracks the controller believes its drives are at (PCN). */
  presentCylinder: exactly(4, u8),
  /** Seeks under way: the target cylinder. */
  seeking: exactly(4, z.strictObject({ deadline: guestTime, target: u8, recalibrate: bool }).nullable()),
  specify: bytes(2),
  configure: u8,
  precompensation: u8,
  perpendicular: u8,
  locked: bool,
  transfer: transferSchema,
  buffer: bytes(BUFFER_BYTES),
  drives: exactly(2, floppyDriveSchema),
});
export type ControllerState = z.infer<typeof controllerSchema>;

export function noTransfer(): Transfer {
  return { drive: 0, cylinder: 0, head: 0, sector: 1, last: 0, filled: 0, position: 0, ended: false, formatLeft: 0, status1: 0, status2: 0 };
}

/** POLL enabled, FIFO disabled, threshold 1: what CONFIGURE is set to after a hardware reset (5.2.7). */
export const CONFIGURE_DEFAULT = 0x20;

export function newControllerState(drives: ControllerState['drives']): ControllerState {
  return {
    dor: 0x0c,
    rate: 2, // 250 kbit/s (2.1.5)
    tapeDrive: 0,
    phase: 'command',
    deadline: 0,
    command: new Uint8Array(COMMAND_BYTES),
    commandLength: 0,
    result: new Uint8Array(RESULT_BYTES),
    resultLength: 0,
    resultAt: 0,
    interrupt: false,
    pending: [null, null, null, null],
    presentCylinder: [0, 0, 0, 0],
    seeking: [null, null, null, null],
    specify: new Uint8Array(2),
    configure: CONFIGURE_DEFAULT,
    precompensation: 0,
    perpendicular: 0,
    locked: false,
    transfer: noTransfer(),
    buffer: new Uint8Array(BUFFER_BYTES),
    drives,
  };
}
