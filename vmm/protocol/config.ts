/**
 * A virtual machine as data. `VmConfig` is what `config.json` in a VM's folder holds, what `strate run` builds from its options, and what
 * the hardware editor edits. Paths in it are absolute, or relative to the VM's folder (moving the folder does not break it).
 */
import { z } from 'zod';
import { VmmError } from '../base/errors.ts';
import { migrateConfig } from './config-migrate.ts';
import { type Drive, driveSchema, type DriveInput, placeDrives } from './config-drives.ts';
import { nicSchema } from './config-net.ts';
import { rewindSettingsSchema, timelineSettingsSchema } from './snapshots.ts';
import { hostPath, line } from './text.ts';
import { describeIssues, type Issue, issueLine } from './issues.ts';

export type { Drive, DriveInput } from './config-drives.ts';
export type { Nic } from './config-net.ts';

export const configVersion = 1;

/**
 * Most guest RAM in MiB. All of it lies in one 32-bit WebAssembly memory (4 GiB, SDM-style physical addresses below the PCI hole at
 * E000_0000h) together with video memory and ROMs.
 */
export const MAX_MEMORY_MIB = 3072;
export const MAX_CPUS = 8;
export const SERIAL_PORTS = 4;

export const accelKinds = ['wasm', 'interp', 'kvm', 'none'] as const;
export const displayKinds = ['none', 'window', 'browser', 'terminal'] as const;

/** Whatever a port leads to, all that the guest writes to it can be kept in a file, too. */
const serialLog = { log: hostPath.optional() };
const serialSchema = z.discriminatedUnion('backend', [
  z.strictObject({ backend: z.literal('none'), ...serialLog }),
  z.strictObject({ backend: z.literal('stdio'), ...serialLog }),
  z.strictObject({ backend: z.literal('file'), path: hostPath, ...serialLog }),
  /** A pseudo-terminal of the host; its name is told when the machine starts, and `com1.pty` in the VM's folder leads to it. */
  z.strictObject({ backend: z.literal('pty'), ...serialLog }),
  z.strictObject({
    backend: z.literal('tcp'),
    host: z.string().min(1).max(255),
    port: z.int().min(0).max(65535),
    server: z.boolean().default(false),
    ...serialLog,
  }),
  z.strictObject({ backend: z.literal('unix'), path: hostPath, server: z.boolean().default(false), ...serialLog }),
  /** A named pipe: on Windows a name below `\\\\.\\pipe\\`; elsewhere a FIFO, or two that end in `.in` and `.out`. */
  z.strictObject({ backend: z.literal('pipe'), path: hostPath, ...serialLog }),
]);

const byteSinkSchema = z.discriminatedUnion('backend', [
  z.strictObject({ backend: z.literal('none') }),
  z.strictObject({ backend: z.literal('stdio') }),
  z.strictObject({ backend: z.literal('file'), path: hostPath }),
]);

const RTC_FORMS = 'must be utc, local or a date such as 2000-01-31T12:00:00Z';
const rtcBase = z.union([z.enum(['utc', 'local']), z.iso.datetime({ local: true, offset: true, error: RTC_FORMS })], { error: RTC_FORMS });

export const vmConfigSchema = z.strictObject({
  schema: z.literal(configVersion).default(configVersion),
  /** Identity of the VM for its whole life; also its SMBIOS system UUID. */
  id: z.uuid(),
  name: line(120).refine((name) => name.trim().length > 0, 'must not be empty'),
  /** What is expected to run on it, as detected or chosen: a template's name. It never changes the hardware by itself. */
  system: line(64).default('other'),
  notes: z.string().max(65536).default(''),
  tags: z.array(line(64).min(1)).max(64).default([]),
  /** Folder in the library's tree, `/`-separated; empty: top level. */
  folder: line(255).default(''),
  created: z.iso.datetime({ offset: true }).optional(),
  autostart: z.boolean().default(false),
  /** Shows no thumbnail in the library. */
  private: z.boolean().default(false),

  chipset: z.enum(['i440fx']).default('i440fx'),
  cpu: z
    .strictObject({
      model: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/, 'must be the name of a CPU model')
        .default('qemu64'),
      count: z.int().min(1).max(MAX_CPUS).default(1),
      /** Share of one host core each vCPU may use, percent. */
      limit: z.int().min(1).max(100).default(100),
    })
    .prefault({}),
  accel: z.enum(accelKinds).default('wasm'),
  /** MiB */
  memory: z.int().min(1).max(MAX_MEMORY_MIB).default(256),

  /** `seabios`, `uefi`, or the file of another firmware image. */
  firmware: hostPath.default('seabios'),
  /** Direct boot: a Linux bzImage, a PVH or a multiboot 1 ELF. Without it the firmware boots from `boot`. */
  kernel: z
    .strictObject({
      file: hostPath,
      initrd: hostPath.optional(),
      append: z.string().max(65536).default(''),
      /** Multiboot modules: the file, then its arguments. */
      modules: z
        .array(z.strictObject({ file: hostPath, args: z.string().max(4096).default('') }))
        .max(64)
        .default([]),
    })
    .optional(),
  boot: z
    .strictObject({
      /** a: floppy, c: first hard disk, d: CD, n: network. Tried in this order. */
      order: z
        .string()
        .regex(/^(?!.*(.).*\1)[acdn]{1,4}$/, 'must be some of the letters a, c, d and n, each once')
        .default('acdn'),
      menu: z.boolean().default(false),
    })
    .prefault({}),

  drives: z.array(driveSchema).max(64).default([]),
  nics: z.array(nicSchema).max(8).default([]),
  /** COM1, COM2, ... Every port can also be read and written over the protocol. */
  serial: z
    .array(serialSchema)
    .max(SERIAL_PORTS)
    .default([{ backend: 'none' }]),
  parallel: byteSinkSchema.default({ backend: 'none' }),
  /** Bytes that the guest writes to ports E9h and 402h. */
  debugcon: byteSinkSchema.default({ backend: 'none' }),
  /** isa-debug-exit at port F4h: value v ends the run with status (v << 1) | 1. */
  debugExit: z.boolean().default(false),
  display: z
    .strictObject({
      kind: z.enum(displayKinds).default('window'),
      adapter: z.enum(['vga', 'none']).default('vga'),
      /** Video memory, MiB */
      memory: z.int().min(1).max(64).default(16),
    })
    .prefault({}),

  /** VMware's back door (port 5658h), through which guests with its driver know the pointer's position: the mouse need not be captured. */
  absolutePointer: z.boolean().default(true),

  /** Snapshots that are taken by themselves. */
  timeline: timelineSettingsSchema.prefault({}),
  /** The last minutes, to be gone back to. */
  rewind: rewindSettingsSchema.prefault({}),
  /** Undo disks: what a session writes is kept apart until somebody says `commit` or `discard` after power-off (`ask`), or is discarded at power-off. */
  undo: z.enum(['off', 'ask', 'discard']).default('off'),
  /** It is not started; machines are made of it. */
  template: z.boolean().default(false),
  /** `virtual`: guest time follows executed instructions, so that equal runs are equal. */
  time: z.enum(['real', 'virtual']).default('real'),
  rtc: rtcBase.default('utc'),
  /** All randomness that the machine uses; without it each run draws another. */
  seed: z.int().min(0).max(0xffff_ffff).optional(),
  /** A guest reset ends the run. */
  noReboot: z.boolean().default(false),
  /** No image is changed: writes are lost when the run ends. */
  discardWrites: z.boolean().default(false),
});

type Parsed = z.output<typeof vmConfigSchema>;
/** A complete configuration: every default filled in, every drive with an id and a slot. */
export type VmConfig = Omit<Parsed, 'drives'> & { drives: Drive[] };
/** What a person or a file may give: only what differs from the defaults. */
export type VmConfigInput = Omit<z.input<typeof vmConfigSchema>, 'drives'> & { drives?: DriveInput[] | undefined };
export type SerialConfig = z.output<typeof serialSchema>;
export type ByteSinkConfig = z.output<typeof byteSinkSchema>;

export type ConfigCheck = { readonly ok: true; readonly config: VmConfig } | { readonly ok: false; readonly issues: readonly Issue[] };

/** Checks data from anywhere (a file, a form, the wire), of this or an earlier schema version. Reads no file. */
export function checkConfig(data: unknown): ConfigCheck {
  const migrated = migrateConfig(data, configVersion);
  if (!migrated.ok) return { ok: false, issues: [{ field: 'schema', message: migrated.message }] };
  const parsed = vmConfigSchema.safeParse(migrated.data);
  if (!parsed.success) return { ok: false, issues: describeIssues(parsed.error) };
  const { drives, issues } = placeDrives(parsed.data.drives);
  issues.push(...checkTogether(parsed.data));
  return issues.length > 0 ? { ok: false, issues } : { ok: true, config: { ...parsed.data, drives } };
}

/** As `checkConfig`, but throws. @throws VmmError `invalid`, one line per error, each naming its field; `context.issues` has them as data. */
export function parseConfig(data: unknown): VmConfig {
  const check = checkConfig(data);
  if (check.ok) return check.config;
  throw new VmmError('invalid', check.issues.map(issueLine).join('\n'), { issues: check.issues });
}

/** What no single field can say. */
function checkTogether(config: Parsed): Issue[] {
  const issues: Issue[] = [];
  const stdio = [
    ...config.serial.map((port, index) => ({ port, field: `serial[${index}]` })),
    { port: config.debugcon, field: 'debugcon' },
    { port: config.parallel, field: 'parallel' },
  ];
  const users = stdio.filter(({ port }) => port.backend === 'stdio');
  for (const { field } of users.slice(1)) issues.push({ field, message: `stdio is already used by ${users[0]!.field}` });
  const ids = new Set<string>();
  config.nics.forEach((nic, index) => {
    if (ids.has(nic.id)) issues.push({ field: `nics[${index}].id`, message: `${nic.id} is used twice` });
    ids.add(nic.id);
  });
  return issues;
}
