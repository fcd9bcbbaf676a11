import { z } from 'zod';
import { bool, integer, u16, u32, u8 } from '../../../bus/schema.ts';
import { taskSchema } from '../ata/drive-state.ts';
import { cursorSchema } from './prdt.ts';
import { PortCommand, SLOTS } from './registers.ts';

const addressSchema = z.tuple([u32, u32]);

/** The command that the drive works on; queued commands are not among these. */
const commandSchema = z.strictObject({
  slot: integer(0, SLOTS - 1),
  /** Its table, and what of the table's memory was used. */
  table: integer(0, 2 ** 64),
  entries: u16,
  cursor: cursorSchema,
  /** Bytes moved: goes into the command header. */
  moved: integer(0, 2 ** 41),
});
export type PortCommandState = z.infer<typeof commandSchema>;

const queuedErrorSchema = z.strictObject({
  tag: integer(0, SLOTS - 1),
  status: u8,
  error: u8,
  device: u8,
  task: taskSchema,
  previous: taskSchema,
});

export const portSchema = z.strictObject({
  list: addressSchema,
  received: addressSchema,
  interrupts: u32,
  enabled: u32,
  command: u32,
  taskFile: u16,
  signature: u32,
  control: u32,
  error: u32,
  active: u32,
  issued: u32,
  current: commandSchema.nullable(),
  /** Queued commands the medium works on, by tag. */
  queued: u32,
  /** What the log of queued errors shows. */
  queuedError: queuedErrorSchema.nullable(),
  /** The slot that was begun last. */
  last: integer(0, SLOTS - 1),
  /** An error stopped the port: it takes no commands until software clears PxCMD.ST. */
  stopped: bool,
  /** The register FIS of the last reset waits for software to enable FIS receive. */
  signatureWaits: bool,
  /** SRST as the last control FIS had it. */
  softReset: bool,
});
export type PortState = z.infer<typeof portSchema>;

export const NO_SIGNATURE = 0xffff_ffff;
/** PxTFD of a port without a device (3.3.8). */
const NO_DEVICE_STATUS = 0x7f;

export function newPortState(): PortState {
  return {
    list: [0, 0],
    received: [0, 0],
    interrupts: 0,
    enabled: 0,
    command: PortCommand.SUD | PortCommand.POD,
    taskFile: NO_DEVICE_STATUS,
    signature: NO_SIGNATURE,
    control: 0,
    error: 0,
    active: 0,
    issued: 0,
    current: null,
    queued: 0,
    queuedError: null,
    last: SLOTS - 1,
    stopped: false,
    signatureWaits: false,
    softReset: false,
  };
}
