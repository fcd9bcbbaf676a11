/** One running machine: served by its VMM process. */
import { z } from 'zod';
import { throttleSchema } from './config-drives.ts';
import { method } from './method.ts';
import { networkMethods } from './network-methods.ts';
import { driveStatusSchema, machineStatusSchema, screenTextSchema, statsSchema } from './shared.ts';
import { alive, type VmState } from './states.ts';
import { machineSnapshotMethods } from './snapshot-methods.ts';
import { hostPath } from './text.ts';

const port = z.int().min(0).max(3);
const driveId = z.string().min(1).max(32);
const buttons = z.int().min(0).max(31);
const layout = z
  .string()
  .regex(/^[a-z]{2}(-[a-z0-9]+)?$/)
  .default('us');

export const machineMethods = {
  ...machineSnapshotMethods,
  'machine.status': method({ summary: 'What it is and how it fares', result: machineStatusSchema.shape }),
  'machine.config': method({ summary: 'The configuration it was started with', result: { config: z.record(z.string(), z.unknown()) } }),
  'machine.pause': method({ summary: 'Stop its clock', when: ['running'] }),
  'machine.resume': method({ summary: 'Let it go on', when: ['paused'] }),
  'machine.reset': method({ summary: 'Press the reset button', when: alive }),
  'machine.powerButton': method({ summary: 'Press the power button: the guest is asked to shut down (ACPI)', when: ['running'] }),
  'machine.powerOff': method({
    summary: 'Pull the plug. What the guest has flushed is on disk. The process ends',
    when: ['starting', 'running', 'paused', 'stopping'] satisfies VmState[],
  }),
  'machine.stats': method({ summary: 'Counters since power-on and rates since the last call by this client', result: statsSchema.shape }),
  'machine.tune': method({
    summary: 'Change at once what a running machine may use of the host: its share of a core in percent, rates of its drives ({}: no limit)',
    params: { cpuLimit: z.int().min(1).max(100).optional(), throttle: z.record(driveId, throttleSchema).default({}) },
    when: alive,
  }),
  'machine.inspect': method({
    summary: 'Each device and what the guest sees of it: addresses, IRQ, PCI id, registers',
    result: {
      devices: z.array(z.looseObject({ name: z.string(), type: z.string(), values: z.record(z.string(), z.union([z.string(), z.number()])) })),
    },
    when: alive,
  }),
  'machine.log': method({
    summary: 'End of the log',
    params: { lines: z.int().min(1).max(10000).default(200) },
    result: { lines: z.array(z.string()) },
  }),

  'screen.screenshot': method({
    summary: 'The screen as the guest draws it, PNG in base64. `maxWidth` scales it down for a thumbnail',
    params: { maxWidth: z.int().min(16).max(8192).optional() },
    result: { png: z.string(), width: z.number(), height: z.number() },
    when: alive,
  }),
  'screen.text': method({ summary: 'The characters on a text-mode screen', result: screenTextSchema.shape, when: alive }),
  'screen.wait': method({
    summary: 'Answers when a regular expression matches a line of the screen (or of the output of a serial port); kind `timeout` otherwise',
    params: {
      pattern: z.string().min(1).max(1000),
      /** Absent: the screen */
      serial: port.optional(),
      /** seconds */
      timeout: z.number().positive().max(86400).default(60),
    },
    result: { line: z.string() },
    when: alive,
  }),

  'display.subscribe': method({
    summary:
      'Send frames as binary messages (frames.ts), the whole screen first. One frame is on its way per credit; `display.credit` gives it back when it was drawn',
    params: { credits: z.int().min(1).max(4).default(1), maxRate: z.number().min(1).max(120).default(60) },
    when: ['starting', 'running', 'paused', 'stopping'] satisfies VmState[],
  }),
  'display.credit': method({
    summary: 'A frame was drawn: send another when something changed',
    params: { frames: z.int().min(1).max(4).default(1) },
    notification: true,
  }),
  'display.unsubscribe': method({ summary: 'No more frames' }),

  'input.key': method({
    summary: 'A key by position (KeyboardEvent.code) goes down or up',
    params: { code: z.string().min(1).max(32), down: z.boolean() },
    when: alive,
    notification: true,
  }),
  'input.releaseAll': method({ summary: 'All keys and mouse buttons that are down go up (the window lost focus)', when: alive, notification: true }),
  'input.keys': method({
    summary: 'Press chords one after the other: `ctrl+alt+delete`, `f1`, `shift+a`',
    params: { keys: z.array(z.string().min(1).max(64)).min(1).max(256) },
    when: alive,
  }),
  'input.type': method({
    summary: 'Type text as a person would on a keyboard of that layout; answers when the last key is up',
    params: { text: z.string().max(65536), layout },
    result: { typed: z.number(), skipped: z.string() },
    when: alive,
  }),
  'input.mouse': method({
    summary: 'Relative movement in pixels (y grows downwards), wheel steps, and the buttons that are down (1 left, 2 right, 4 middle)',
    params: {
      dx: z.number().min(-32768).max(32767).default(0),
      dy: z.number().min(-32768).max(32767).default(0),
      wheel: z.number().min(-128).max(127).default(0),
      buttons,
    },
    when: alive,
    notification: true,
  }),
  'input.pointer': method({
    summary: 'Absolute position, 0..1 from the top left of the screen, for guests that know an absolute pointer',
    params: { x: z.number().min(0).max(1), y: z.number().min(0).max(1), wheel: z.number().min(-128).max(127).default(0), buttons },
    when: alive,
    notification: true,
  }),

  'media.list': method({ summary: 'Drives and what is in them', result: { drives: z.array(driveStatusSchema) } }),
  'media.insert': method({
    summary: 'Put an image into a CD-ROM or floppy drive',
    params: { drive: driveId, file: hostPath, readOnly: z.boolean().default(false) },
    result: { drive: driveStatusSchema },
    when: alive,
  }),
  'media.eject': method({
    summary: 'Take the medium out. `force` ignores that the guest has locked the tray',
    params: { drive: driveId, force: z.boolean().default(false) },
    result: { drive: driveStatusSchema },
    when: alive,
  }),

  'serial.subscribe': method({
    summary: 'Send what the guest writes to a serial port as binary messages (frames.ts), beginning with the last `backlog` bytes',
    params: { port, backlog: z.int().min(0).max(65536).default(65536) },
  }),
  'serial.unsubscribe': method({ summary: 'No more output of that port', params: { port } }),
  'serial.write': method({
    summary: 'Bytes to a serial port, as text (UTF-8) or base64; answers when the port has taken them into its queue',
    params: { port, data: z.string().max(262144), encoding: z.enum(['utf8', 'base64']).default('utf8') },
    when: alive,
  }),
  ...networkMethods,
} as const;

export type MachineMethods = typeof machineMethods;
