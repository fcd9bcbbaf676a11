/** What servers tell without being asked. Every client gets all of them; frames and serial output are subscribed to and are binary. */
import { z } from 'zod';
import { event } from './method.ts';
import { driveStatusSchema, jobSchema, vmSummarySchema } from './shared.ts';
import { pauseReasons, vmStateSchema } from './states.ts';

const level = z.enum(['info', 'warning', 'error']);

export const libraryEvents = {
  'vm.changed': event('A VM is new, or something about it changed', { vm: vmSummarySchema }),
  'snapshots.changed': event('Snapshots of a VM were taken, deleted or renamed, or the present is elsewhere among them', { vm: z.string() }),
  'vm.removed': event('A VM is no longer in the library', { id: z.string() }),
  'vm.notice': event('Something a person should know about a VM', { id: z.string(), level, message: z.string() }),
  'trash.changed': event('A VM was deleted, restored or purged', {}),
  'job.changed': event('A job began, went on or ended', { job: jobSchema }),
  'terminal.ended': event('What ran in a terminal of this client has ended', { terminal: z.number(), status: z.number() }),
  'settings.changed': event('Settings of the application changed', { settings: z.record(z.string(), z.unknown()) }),
} as const;

export const machineEvents = {
  'machine.state': event('The machine is in another state', {
    state: vmStateSchema,
    reason: z.enum(pauseReasons).optional(),
    /** One line for people. */
    notice: z.string().optional(),
  }),
  'machine.notice': event('Something a person should know: a triple fault, an image error', { level, message: z.string() }),
  'machine.reset': event('The machine was reset', { by: z.enum(['guest', 'user', 'triple-fault']) }),
  'machine.ended': event('The last message of a VMM process: how the run ended and its exit status', {
    how: z.enum(['powered-off', 'reset', 'debug-exit', 'timeout', 'interrupted', 'error', 'killed']),
    status: z.number(),
    message: z.string().optional(),
  }),
  'snapshots.changed': event('Snapshots were taken, deleted or renamed, or the present is elsewhere among them', {}),
  'display.mode': event('The screen has another size', { width: z.number(), height: z.number(), text: z.boolean() }),
  'keyboard.leds': event('The guest set the keyboard lights', { scroll: z.boolean(), num: z.boolean(), caps: z.boolean() }),
  'pointer.mode': event('The guest began or ceased to use an absolute pointer', { absolute: z.boolean() }),
  'network.changed': event('Forwards, rules, faults, capture or plug of a NIC changed', { nic: z.string() }),
  'media.changed': event('A drive has another medium, or its tray was locked', { drive: driveStatusSchema }),
} as const;
