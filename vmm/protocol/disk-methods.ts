/** The disks of VMs as files: what they are, whether they are sound, and long work on them. Part of the library. */
import { z } from 'zod';
import { driveFormats } from './config-drives.ts';
import { method } from './method.ts';
import { jobRef, vmRef } from './shared.ts';
import { stopped } from './states.ts';
import { hostPath, line } from './text.ts';

/** One file of a disk: the image a drive names, what it is a difference to, and so on. */
export const diskImageSchema = z
  .looseObject({
    /** Absolute path on the host. */
    file: z.string(),
    format: z.string(),
    /** Bytes that a guest sees. */
    size: z.number(),
    /** Bytes that it takes on the host. */
    allocated: z.number(),
    /** What else the format says: cluster size, type, ids... by name, for people. */
    facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    /** Snapshots within a qcow2 image. */
    snapshots: z.array(z.looseObject({ id: z.string(), name: z.string(), date: z.number(), stateSize: z.number() })),
  })
  .meta({ id: 'DiskImage' });
export type DiskImageInfo = z.output<typeof diskImageSchema>;

export const diskSchema = z
  .looseObject({
    drive: z.string(),
    bus: z.string(),
    media: z.string(),
    format: z.string(),
    readOnly: z.boolean(),
    /** null: a removable drive without a medium */
    file: z.string().nullable(),
    /** From the image down to its last parent; empty when it cannot be opened. */
    chain: z.array(diskImageSchema),
    /** Why it cannot be opened: one line. */
    problem: z.string().optional(),
  })
  .meta({ id: 'Disk' });
export type DiskInfo = z.output<typeof diskSchema>;

const driveId = z.string().min(1).max(32);
const disk = { vm: vmRef, drive: driveId };
const job = { job: jobRef.shape.job };
const size = z
  .int()
  .positive()
  .max(2 ** 50);
/** Formats a new disk can have. */
export const newDiskFormats = ['raw', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi'] as const;

export const diskMethods = {
  'disk.list': method({
    summary: 'The disks of a VM with their chains, as they were last flushed if it runs',
    params: { vm: vmRef },
    result: { disks: z.array(diskSchema) },
  }),
  'disk.inspect': method({
    summary: 'An image file with its chain, whether or not a VM has it',
    params: { path: hostPath, format: z.enum(driveFormats).optional() },
    result: { chain: z.array(diskImageSchema) },
  }),
  'disk.check': method({
    summary:
      'Look for damage in a disk; `repair` also mends it, or only gives back lost space (`leaks`). The result is { errors, errorCount, leaked, allocated, repaired }',
    params: { ...disk, repair: z.enum(['none', 'leaks', 'all']).default('none') },
    result: job,
    when: stopped,
  }),
  'disk.compact': method({
    summary: 'Give back the space of zeros and of what is not used; a verified copy takes its place. The result is { before, after } in bytes',
    params: disk,
    result: job,
    when: stopped,
  }),
  'disk.resize': method({
    summary: 'Change the size a guest sees; smaller only with `shrink`, as what lies beyond it is lost',
    params: { ...disk, size, shrink: z.boolean().default(false) },
    result: job,
    when: stopped,
  }),
  'disk.convert': method({
    summary:
      'Write a disk into a new image beside it, compared with the old one, which the VM uses from then on; the old one is deleted unless `keep`. The result is { file }',
    params: { ...disk, format: z.enum(newDiskFormats), keep: z.boolean().default(true), compress: z.boolean().default(false) },
    result: job,
    when: stopped,
  }),
  'disk.export': method({
    summary: 'Write the contents of a disk into a new file that is in no VM',
    params: { ...disk, path: hostPath, format: z.enum(newDiskFormats), compress: z.boolean().default(false) },
    result: job,
    when: stopped,
  }),
  'disk.merge': method({
    summary: 'Write a difference into the image it stands on, and empty it',
    params: disk,
    result: job,
    when: stopped,
  }),
  'disk.discard': method({
    summary: 'Forget what a difference holds: the disk is again what it stands on',
    params: disk,
    when: stopped,
  }),
  'disk.create': method({
    summary: 'Make a new, empty image in the folder of a VM and attach it to a drive',
    params: { ...disk, size, format: z.enum(newDiskFormats).default('qcow2') },
    result: { file: z.string() },
    when: stopped,
  }),
  'disk.fromFolder': method({
    summary:
      'Make an image of a folder in the folder of a VM: a CD (`iso`, read-only), a FAT disk (`fat`) with room for `free` more bytes, or a diskette (`floppy`). The result is { file, format, media }; attach it with vm.insert or vm.configure',
    params: {
      vm: vmRef,
      path: hostPath,
      kind: z.enum(['iso', 'fat', 'floppy']).default('iso'),
      label: line(32).optional(),
      free: z
        .int()
        .min(0)
        .max(2 ** 41)
        .optional(),
    },
    result: job,
  }),
} as const;
