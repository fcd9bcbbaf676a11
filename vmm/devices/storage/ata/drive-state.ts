import { z } from 'zod';
import { bool, bytes, integer, u8 } from '../../../bus/schema.ts';

/** The drive's sector buffer: what moves per request in PIO, and all of a command's parameter data. */
export const BUFFER_BYTES = 16384;

/** The command block registers that keep their previous value for 48-bit commands. */
export const taskSchema = z.strictObject({ features: u8, count: u8, low: u8, mid: u8, high: u8 });
export type TaskRegisters = z.infer<typeof taskSchema>;

/**
 * What the drive does now. `fill`, `commit`, `dma` and `work` wait for the medium (and are begun anew when a state is loaded), `host` for the
 * host to move a DRQ block, `dma-wait` for a bus master, `dma` for one that moves data.
 */
const stageSchema = z.enum(['idle', 'fill', 'host', 'commit', 'dma-wait', 'dma', 'work']);

/** The one object that owns the lengths of a data transfer. All in bytes. */
const transferSchema = z
  .strictObject({
    direction: z.enum(['in', 'out']),
    dma: bool,
    /** The buffer is a window on the medium; otherwise it is all the data there is. */
    media: bool,
    /** On the medium: where the buffer's window (or the next DMA) starts, and how much of the command is left from there on. */
    offset: integer(0, 2 ** 52),
    remaining: integer(0, 2 ** 41),
    /** Valid data in the buffer (in), or what the host is to put there (out). */
    filled: integer(0, BUFFER_BYTES),
    position: integer(0, BUFFER_BYTES),
    blockEnd: integer(0, BUFFER_BYTES),
    /** Bytes per DRQ block, even. */
    block: integer(2, BUFFER_BYTES),
  })
  .refine((t) => t.position <= t.blockEnd && t.blockEnd <= t.filled && t.block % 2 === 0, { error: 'transfer beyond its buffer' })
  .refine((t) => !t.media || (t.offset % 512 === 0 && t.remaining % 512 === 0 && t.filled % 512 === 0), { error: 'part of a sector' })
  .refine((t) => !t.media || t.direction === 'in' || t.filled <= t.remaining, { error: 'more data than the command moves' });
export type Transfer = z.infer<typeof transferSchema>;

export const noTransfer: Transfer = {
  direction: 'in',
  dma: false,
  media: false,
  offset: 0,
  remaining: 0,
  filled: 0,
  position: 0,
  blockEnd: 0,
  block: 512,
};

/** What disks and packet devices have in common. */
export const driveShape = {
  task: taskSchema,
  previous: taskSchema,
  device: u8,
  status: u8,
  error: u8,
  command: u8,
  /** The interrupt pending flip-flop (5.2.9). */
  interrupt: bool,
  stage: stageSchema,
  transfer: transferSchema,
  buffer: bytes(BUFFER_BYTES),
  /** Transfer mode set by SET FEATURES: 8 = PIO flow control 0.., 20h = multiword DMA 0.., 40h = Ultra DMA 0.. */
  dmaMode: u8,
} as const;

export type DriveState = z.infer<z.ZodObject<typeof driveShape>>;

export function newDriveState(dmaMode: number): DriveState {
  const task = { features: 0, count: 0, low: 0, mid: 0, high: 0 };
  return {
    task,
    previous: { ...task },
    device: 0,
    status: 0,
    error: 0,
    command: 0,
    interrupt: false,
    stage: 'idle',
    transfer: { ...noTransfer },
    buffer: new Uint8Array(BUFFER_BYTES),
    dmaMode,
  };
}
