import { z } from 'zod';
import type { Issue } from './issues.ts';
import { hostPath } from './text.ts';

export const driveFormats = ['raw', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'iso'] as const;
export const driveBuses = ['ide', 'ahci', 'virtio', 'floppy'] as const;
export type DriveFormat = (typeof driveFormats)[number];
export type DriveBus = (typeof driveBuses)[number];

/** How many slots a bus has and what its slots are called, by slot. */
export const busSlots: Readonly<Record<DriveBus, readonly string[]>> = {
  ide: ['hda', 'hdb', 'hdc', 'hdd'], // primary master, primary slave, secondary master, secondary slave
  ahci: ['sata0', 'sata1', 'sata2', 'sata3', 'sata4', 'sata5'],
  virtio: ['vda', 'vdb', 'vdc', 'vdd', 'vde', 'vdf', 'vdg', 'vdh'],
  floppy: ['fda', 'fdb'],
};

const rate = z.number().positive().max(1e12);

/** What a drive may use of the host. */
export const throttleSchema = z.strictObject({
  /** bytes per second */
  readBandwidth: rate.optional(),
  writeBandwidth: rate.optional(),
  /** operations per second */
  readOperations: rate.optional(),
  writeOperations: rate.optional(),
  /** Seconds of the rate that may be used at once after a rest. */
  burst: z.number().min(0).max(3600).optional(),
});

export const driveSchema = z.strictObject({
  /** What the protocol and the command line call it. Default: `hda`, `fda`, `sata0`, `vda`, ... by bus and slot. */
  id: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, 'must be a short word such as hda')
    .optional(),
  /** Absolute, or relative to the VM's folder. null: a removable drive without a medium. */
  file: hostPath.nullable().default(null),
  /** Decided once, when the drive is added. A guest-writable raw disk is never probed again (promises.md, isolation). */
  format: z.enum(driveFormats).default('raw'),
  bus: z.enum(driveBuses).default('ide'),
  media: z.enum(['disk', 'cdrom']).default('disk'),
  /** Place on the bus. Default: the first free one (for an IDE CD-ROM: from the secondary master on). */
  slot: z.int().min(0).max(63).optional(),
  readOnly: z.boolean().default(false),
  throttle: throttleSchema.optional(),
  /** Folders in which the images that this one is a difference to may lie, besides its own and those below it. */
  parents: z.array(hostPath).max(16).optional(),
  /** MiB of memory for what was read lately: for images that are slow to read. */
  cache: z.int().min(1).max(1024).optional(),
  /** A line for each request goes to this file. */
  trace: hostPath.optional(),
  /** Host failures to simulate: `write:ENOSPC@100+3` has the 101st to 103rd write fail. */
  faults: z
    .array(z.string().regex(/^(read|write|flush|zero|discard):(EIO|ENOSPC)(@\d{1,9})?(\+\d{1,9})?$/, 'must be such as write:ENOSPC@100+3'))
    .max(16)
    .optional(),
});

type Parsed = z.output<typeof driveSchema>;
export type Drive = Omit<Parsed, 'id' | 'slot'> & { id: string; slot: number };
export type DriveInput = z.input<typeof driveSchema>;

/** A drive whose medium changes while the machine runs. */
export const isRemovable = ({ bus, media }: Pick<Drive, 'bus' | 'media'>): boolean => bus === 'floppy' || media === 'cdrom';

/** CDs go where PCs have them, behind the hard disk: hdc, hdd, hdb, hda. */
const CDROM_SLOT_ORDER = [2, 3, 1, 0];

/** Gives every drive a slot and an id, and says what cannot be. */
export function placeDrives(parsed: readonly Parsed[]): { drives: Drive[]; issues: Issue[] } {
  const issues: Issue[] = [];
  const taken = new Map<string, number>();
  const fail = (index: number, field: string, message: string) => void issues.push({ field: `drives[${index}].${field}`, message });

  parsed.forEach((drive, index) => {
    if (drive.media === 'cdrom' && drive.bus === 'floppy') fail(index, 'media', 'a floppy drive cannot hold a CD');
    if (drive.media === 'cdrom' && drive.bus === 'virtio') fail(index, 'media', 'a CD-ROM drive must be on the ide or ahci bus');
    if (drive.media === 'disk' && drive.bus !== 'floppy' && drive.file === null) fail(index, 'file', 'a hard disk needs an image file');
    if (drive.format === 'iso' && drive.media !== 'cdrom') fail(index, 'format', 'an iso image needs media=cdrom');
    if (drive.slot === undefined) return;
    const names = busSlots[drive.bus];
    if (drive.slot >= names.length) {
      fail(index, 'slot', `the ${drive.bus} bus has slots 0 to ${names.length - 1}`);
      return;
    }
    const key = `${drive.bus} ${drive.slot}`;
    const other = taken.get(key);
    if (other !== undefined) {
      fail(index, 'slot', `${names[drive.slot]!} is already used by drives[${other}]`);
      return;
    }
    taken.set(key, index);
  });

  if (issues.length > 0) return { drives: [], issues };

  const drives: Drive[] = [];
  const ids = new Set<string>();
  parsed.forEach((drive, index) => {
    let slot = drive.slot;
    if (slot === undefined) {
      const names = busSlots[drive.bus];
      const order = drive.media === 'cdrom' && drive.bus === 'ide' ? CDROM_SLOT_ORDER : names.map((_, at) => at);
      slot = order.find((at) => !taken.has(`${drive.bus} ${at}`));
      if (slot === undefined) {
        fail(index, 'bus', `all ${names.length} slots of the ${drive.bus} bus are taken`);
        return;
      }
      taken.set(`${drive.bus} ${slot}`, index);
    }
    const id = drive.id ?? busSlots[drive.bus][slot] ?? `${drive.bus}${slot}`;
    if (ids.has(id)) fail(index, 'id', `${id} is used twice`);
    ids.add(id);
    drives.push({ ...drive, id, slot, readOnly: drive.readOnly || drive.media === 'cdrom' });
  });
  return { drives, issues };
}
