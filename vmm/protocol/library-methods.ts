/** The library: VMs that exist, run or not. A process of its own, or inside the command. */
import { z } from 'zod';
import { diskMethods } from './disk-methods.ts';
import { method } from './method.ts';
import { hostPath, line } from './text.ts';
import { driveStatusSchema, importPreviewSchema, jobRef, jobSchema, mediumSchema, trashedVmSchema, vmRef, vmSummarySchema } from './shared.ts';
import { librarySnapshotMethods } from './snapshot-methods.ts';
import { alive, stopped, type VmState } from './states.ts';

/** Checked against `vmConfigSchema` by the server, so that errors name fields of the configuration. */
const configInput = z.record(z.string(), z.unknown());
/** A file on the host by its path, or one that was uploaded (browsers do not tell paths). */
const source = { path: hostPath.optional(), upload: z.string().max(64).optional() };

export const libraryMethods = {
  ...librarySnapshotMethods,
  'host.info': method({
    summary: 'What this host offers: version, accelerators, firmware, memory, CPU models',
    result: {
      version: z.string(),
      platform: z.string(),
      cpus: z.number(),
      /** MiB */
      memory: z.number(),
      library: z.string(),
      accelerators: z.array(z.string()),
      cpuModels: z.array(z.string()),
      /** Null where it is missing; `firmwareHelp` then says what to do. */
      firmware: z.string().nullable(),
      firmwareHelp: z.string().optional(),
    },
  }),

  'vm.list': method({ summary: 'All VMs of the library', result: { vms: z.array(vmSummarySchema) } }),
  'vm.get': method({
    summary: 'One VM with its whole configuration',
    params: { vm: vmRef },
    result: { vm: vmSummarySchema, config: z.record(z.string(), z.unknown()) },
  }),
  'vm.search': method({
    summary: 'VMs whose notes, or the text last seen on their screen, have every word; private VMs are found by their notes only',
    params: { text: z.string().min(1).max(200) },
    result: { hits: z.array(z.looseObject({ vm: z.string(), where: z.enum(['notes', 'screen']), line: z.string() })) },
  }),
  'vm.create': method({
    summary: 'Make a VM from a configuration; only the name is needed. `disks` are made as new, empty images',
    params: {
      config: configInput,
      disks: z.array(z.strictObject({ drive: z.string(), size: z.int().positive(), format: z.enum(['raw', 'qcow2']).default('raw') })).default([]),
    },
    result: { vm: vmSummarySchema },
  }),
  'vm.configure': method({
    summary: 'Change settings: each given top-level field replaces the present one. `nextStart` lists those that take effect at the next start',
    params: { vm: vmRef, changes: configInput },
    result: { vm: vmSummarySchema, config: z.record(z.string(), z.unknown()), nextStart: z.array(z.string()) },
  }),
  'vm.rename': method({ summary: 'Give a VM another name', params: { vm: vmRef, name: line(120) }, result: { vm: vmSummarySchema } }),
  'vm.clone': method({
    summary: 'Copy a VM with its disks; the copy has its own id and MAC addresses. `linked`: its disks are differences (default: of a template)',
    params: { vm: vmRef, name: line(120).optional(), linked: z.boolean().optional() },
    result: { job: jobRef.shape.job },
    when: stopped,
  }),
  'vm.delete': method({
    summary: 'Move a VM to the trash. `trashed` takes it out again with trash.restore; absent for a VM that lies elsewhere, which is only let go of',
    params: { vm: vmRef },
    result: { trashed: z.string().optional() },
    when: stopped,
  }),
  'vm.open': method({
    summary: 'Show a VM folder that lies elsewhere in this library, without moving it',
    params: { directory: hostPath },
    result: { vm: vmSummarySchema },
  }),
  'vm.thumbnail': method({
    summary: 'Small picture of the screen as last seen, PNG in base64; null: none',
    params: { vm: vmRef },
    result: { png: z.string().nullable() },
  }),
  'vm.log': method({
    summary: 'End of the log of the last run',
    params: { vm: vmRef, lines: z.int().min(1).max(10000).default(200) },
    result: { lines: z.array(z.string()) },
  }),
  'vm.report': method({
    summary: 'What helps to understand a crash, without names, notes and addresses: texts for a person to read and to give away',
    params: { vm: vmRef },
    result: { parts: z.array(z.looseObject({ name: z.string(), text: z.string() })) },
  }),

  'vm.start': method({
    summary: 'Start a VM in a process of its own; answers when it runs',
    params: { vm: vmRef, paused: z.boolean().default(false) },
    result: { vm: vmSummarySchema },
    when: stopped,
  }),
  'vm.pause': method({ summary: 'Stop its clock', params: { vm: vmRef }, when: ['running'] }),
  'vm.resume': method({ summary: 'Let it go on', params: { vm: vmRef }, when: ['paused'] }),
  'vm.reset': method({ summary: 'Press the reset button', params: { vm: vmRef }, when: alive }),
  'vm.powerButton': method({ summary: 'Press the power button: the guest is asked to shut down (ACPI)', params: { vm: vmRef }, when: ['running'] }),
  'vm.powerOff': method({
    summary: 'Pull the plug. What the guest has flushed is on disk',
    params: { vm: vmRef },
    when: ['starting', 'running', 'paused', 'stopping'] satisfies VmState[],
  }),

  'vm.insert': method({
    summary:
      'Put an image into a CD-ROM or floppy drive, of a running VM at once. An uploaded file is taken into the VM folder first; of a folder an image is made there',
    params: { vm: vmRef, drive: z.string().min(1).max(32), ...source, readOnly: z.boolean().default(false) },
    result: { drive: driveStatusSchema },
  }),
  'vm.eject': method({
    summary: 'Take the medium out of a drive, of a running VM at once. `force` ignores that the guest has locked the tray',
    params: { vm: vmRef, drive: z.string().min(1).max(32), force: z.boolean().default(false) },
  }),
  'vm.attach': method({
    summary:
      'Give a VM an image as a further disk, at the first free place; a running VM has it at the next start. An uploaded file is taken into the VM folder; of a folder a FAT disk is made there',
    params: { vm: vmRef, ...source, readOnly: z.boolean().default(false) },
    result: { drive: z.string(), nextStart: z.boolean() },
  }),

  'templates.list': method({
    summary: 'The systems that are known, each with the hardware that suits it: for making a VM from nothing',
    result: {
      templates: z.array(
        z.looseObject({
          id: z.string(),
          title: z.string(),
          /** MiB */
          memory: z.number(),
          /** GiB of a new disk; absent: it needs none */
          disk: z.number().optional(),
        }),
      ),
    },
  }),

  'trash.list': method({ summary: 'Deleted VMs', result: { vms: z.array(trashedVmSchema) } }),
  'trash.restore': method({ summary: 'Take a VM out of the trash', params: { id: z.string() }, result: { vm: vmSummarySchema } }),
  'trash.purge': method({ summary: 'Delete a VM in the trash, or all of them, for ever', params: { id: z.string().optional() } }),

  'media.detect': method({
    summary: 'Say what a file is and which machine would suit it; changes nothing',
    params: source,
    result: { medium: mediumSchema, config: z.record(z.string(), z.unknown()), preview: importPreviewSchema.optional() },
  }),
  'media.import': method({
    summary:
      'Make a VM of a dropped file. `copy` takes the image into the VM folder (uploads always are); without it the VM uses the file where it lies. `changes` override the proposed configuration',
    params: {
      ...source,
      name: line(120).optional(),
      copy: z.boolean().default(true),
      start: z.boolean().default(false),
      changes: configInput.default({}),
    },
    result: { job: jobRef.shape.job },
  }),

  'guests.list': method({
    summary: 'Small guests that can be fetched to try Strate',
    result: {
      guests: z.array(
        z.looseObject({
          id: z.string(),
          name: z.string(),
          description: z.string(),
          bytes: z.number(),
          cached: z.boolean(),
          available: z.boolean(),
          /** What is needed where it is not available. */
          help: z.string().optional(),
        }),
      ),
    },
  }),
  'guests.try': method({
    summary: 'Fetch a small guest where the host can, make a VM of it and start it',
    params: { guest: z.string(), start: z.boolean().default(true) },
    result: { job: jobRef.shape.job },
  }),

  ...diskMethods,
  'terminal.open': method({
    summary:
      'Open a terminal with ssh to a guest, through the forward that leads to its port 22. Its output comes as binary messages (serial output, the port is the terminal)',
    params: {
      vm: vmRef,
      user: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/, 'must be a user name'),
      columns: z.int().min(2).max(1000).default(80),
      rows: z.int().min(1).max(1000).default(24),
    },
    result: { terminal: z.number(), command: z.string() },
    when: ['running'],
  }),
  'terminal.write': method({
    summary: 'What a person types into a terminal',
    params: { terminal: z.int().min(0).max(255), data: z.string().max(262144) },
    notification: true,
  }),
  'terminal.resize': method({
    summary: 'A terminal has another size',
    params: { terminal: z.int().min(0).max(255), columns: z.int().min(2).max(1000), rows: z.int().min(1).max(1000) },
    notification: true,
  }),
  'terminal.close': method({ summary: 'End a terminal and what runs in it', params: { terminal: z.int().min(0).max(255) } }),

  'jobs.list': method({ summary: 'Long work, running and recent', result: { jobs: z.array(jobSchema) } }),
  'jobs.cancel': method({ summary: 'Stop a job; nothing half-done stays', params: { job: z.string() } }),

  'settings.get': method({ summary: 'Settings of the application', result: { settings: z.record(z.string(), z.unknown()) } }),
  'settings.set': method({
    summary: 'Change settings of the application; null takes one back to its default',
    params: { settings: z.record(z.string().max(64), z.unknown()) },
    result: { settings: z.record(z.string(), z.unknown()) },
  }),
} as const;

export type LibraryMethods = typeof libraryMethods;
