/** Data that several methods and events carry. */
import { z } from 'zod';
import { pauseReasons, vmStateSchema } from './states.ts';

/** A VM by its id, or by its name where that is unique. */
export const vmRef = z.string().min(1).max(255);

export const vmSummarySchema = z
  .looseObject({
    id: z.string(),
    name: z.string(),
    state: vmStateSchema,
    system: z.string(),
    folder: z.string(),
    tags: z.array(z.string()),
    private: z.boolean(),
    autostart: z.boolean(),
    /** MiB */
    memory: z.number(),
    cpus: z.number(),
    /** The VM's folder on the host. */
    directory: z.string(),
    /** Unix milliseconds */
    created: z.number().optional(),
    lastStarted: z.number().optional(),
    /** Changes when the thumbnail does; absent: there is none. */
    thumbnail: z.number().optional(),
    /** Why it cannot be used (config.json is damaged ...) or why it crashed. One line. */
    problem: z.string().optional(),
  })
  .meta({ id: 'VmSummary' });
export type VmSummary = z.output<typeof vmSummarySchema>;

export const trashedVmSchema = z
  .looseObject({ id: z.string(), name: z.string(), deleted: z.number(), bytes: z.number().optional() })
  .meta({ id: 'TrashedVm' });
export type TrashedVm = z.output<typeof trashedVmSchema>;

export const jobStates = ['running', 'done', 'failed', 'cancelled'] as const;
export const wireErrorSchema = z.looseObject({ code: z.number(), kind: z.string(), message: z.string(), data: z.unknown().optional() });
/** Long work. It goes on when its client leaves; cancelling leaves nothing half-done. */
export const jobSchema = z
  .looseObject({
    id: z.string(),
    title: z.string(),
    state: z.enum(jobStates),
    /** 0..1; null: unknown */
    progress: z.number().min(0).max(1).nullable(),
    /** What is being done now, for people. */
    detail: z.string().optional(),
    cancellable: z.boolean(),
    started: z.number(),
    ended: z.number().optional(),
    error: wireErrorSchema.optional(),
    result: z.unknown().optional(),
  })
  .meta({ id: 'Job' });
export type JobInfo = z.output<typeof jobSchema>;
export const jobRef = z.looseObject({ job: z.string() });

/** What a file that somebody dropped is, and what Strate would do with it. */
export const mediumSchema = z
  .looseObject({
    /** floppy, disk, cdrom, kernel, vm (a VM's folder), foreign (another product's machine), folder, unknown */
    kind: z.string(),
    /** raw, iso, qcow2, ... */
    format: z.string(),
    bytes: z.number(),
    /** `FreeDOS boot disk`, `Debian 12 installer`: for people. */
    description: z.string(),
    /** A template's name, see `VmConfig.system`. */
    system: z.string(),
    bootable: z.boolean(),
    /** Why it may not work, one line each. */
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Medium' });
export type Medium = z.output<typeof mediumSchema>;

/** Another product's machine: what maps to what here, and what is lost. */
export const importPreviewSchema = z.looseObject({
  product: z.string(),
  mapped: z.array(z.looseObject({ what: z.string(), from: z.string(), to: z.string() })),
  lost: z.array(z.string()),
});
export type ImportPreview = z.output<typeof importPreviewSchema>;

export const screenTextSchema = z.looseObject({
  /** False in a graphics mode: `lines` is then empty. */
  text: z.boolean(),
  columns: z.number(),
  rows: z.number(),
  lines: z.array(z.string()),
  cursor: z.looseObject({ column: z.number(), row: z.number(), visible: z.boolean() }).optional(),
});
export type ScreenText = z.output<typeof screenTextSchema>;

export const driveStatusSchema = z
  .looseObject({
    id: z.string(),
    bus: z.string(),
    media: z.string(),
    removable: z.boolean(),
    file: z.string().nullable(),
    format: z.string().optional(),
    readOnly: z.boolean(),
    /** bytes */
    size: z.number().optional(),
    /** The guest has locked the tray. */
    locked: z.boolean().optional(),
  })
  .meta({ id: 'DriveStatus' });
export type DriveStatus = z.output<typeof driveStatusSchema>;

export const machineStatusSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  state: vmStateSchema,
  reason: z.enum(pauseReasons).optional(),
  /** One line for people: why it is paused or how it ended. */
  notice: z.string().optional(),
  /** Guest time since power-on, ms. */
  guestTime: z.number(),
  /** Unix milliseconds */
  started: z.number(),
  pid: z.number(),
  accel: z.string(),
  memory: z.number(),
  cpus: z.number(),
  serialPorts: z.number(),
  display: z.looseObject({ width: z.number(), height: z.number(), text: z.boolean() }).optional(),
});
export type MachineStatus = z.output<typeof machineStatusSchema>;

export const statsSchema = z.looseObject({
  /** Unix ms when taken */
  time: z.number(),
  instructions: z.number(),
  /** Since the last sample, million guest instructions a second */
  mips: z.number(),
  /** Host CPU use of the VM's process since the last sample: 1 is one core */
  hostCpu: z.number(),
  /** Resident memory of the VM's process, bytes */
  rss: z.number(),
  /** Guest time in HLT since the last sample, 0..1 */
  idle: z.number().optional(),
  framesSent: z.number(),
  /** Exits from the accelerator by device or reason, since power-on */
  exits: z.record(z.string(), z.number()),
  drives: z.record(z.string(), z.looseObject({ readBytes: z.number(), writeBytes: z.number(), reads: z.number(), writes: z.number() })),
  nics: z.record(z.string(), z.looseObject({ receivedBytes: z.number(), sentBytes: z.number() })),
});
export type Stats = z.output<typeof statsSchema>;
