/** Snapshots: the same methods at the library, which names the VM, and at a running machine. */
import { z } from 'zod';
import { method } from './method.ts';
import { vmRef, vmSummarySchema } from './shared.ts';
import { rewindInfoSchema, snapshotInfoSchema, snapshotTreeSchema } from './snapshots.ts';
import { alive, stopped, type VmState } from './states.ts';
import { hostPath, line } from './text.ts';

/** By its id, the beginning of its id, or its name where that is unique. */
const snapshot = z.string().min(1).max(255);
const text = z.string().max(65536);
const settled: readonly VmState[] = [...stopped, ...alive];

/** `of`: what names the machine. */
function common<S extends Record<string, z.ZodType>>(of: S) {
  return {
    'snapshot.list': method({
      summary: 'The tree of snapshots, what each would give back, and where the present is in it',
      params: of,
      result: snapshotTreeSchema.shape,
    }),
    'snapshot.take': method({
      summary:
        'Keep the machine as it is now: disks, and of a running machine also memory and devices, at one instant. `pause`: ms the guest stood still',
      params: { ...of, name: line(120).optional(), description: text.default('') },
      result: { snapshot: snapshotInfoSchema, pause: z.number() },
      when: settled,
    }),
    'snapshot.goTo': method({
      summary:
        'Put the machine back to a snapshot. The present is kept as a snapshot first (`before`), unless `keepPresent` is false: that undoes it',
      params: { ...of, snapshot, keepPresent: z.boolean().default(true) },
      result: { before: z.string().optional(), pause: z.number() },
      when: settled,
    }),
    'snapshot.delete': method({
      summary: 'Free it. Its children become its parent’s; images that nobody needs apart are merged in the background',
      params: { ...of, snapshot },
      when: settled,
    }),
    'snapshot.edit': method({
      summary: 'Name, describe or pin it. A pinned automatic point is not thinned',
      params: { ...of, snapshot, name: line(120).optional(), description: text.optional(), pinned: z.boolean().optional() },
      result: { snapshot: snapshotInfoSchema },
    }),
    'snapshot.thumbnail': method({
      summary: 'Small picture of the screen, PNG in base64; null: none',
      params: { ...of, snapshot },
      result: { png: z.string().nullable() },
    }),
    'rewind.info': method({
      summary: 'Moments of the last minutes that a running machine can go back to (`rewind.budget` in its configuration)',
      params: of,
      result: rewindInfoSchema.shape,
      when: alive,
    }),
    'rewind.step': method({
      summary: 'Go so many moments (about a second each) back, or forth again; the machine stands there until it is released',
      params: { ...of, by: z.int().min(-100_000).max(100_000).default(-1) },
      result: rewindInfoSchema.shape,
      when: alive,
    }),
    'rewind.release': method({ summary: 'Go on from the moment that was gone to; what came after is gone', params: of, when: alive }),
    'snapshot.diff': method({
      summary: 'What changed between a snapshot and another (default: its parent): bytes of memory and of each disk',
      params: { ...of, snapshot, other: snapshot.optional() },
      result: {
        memory: z.object({ changed: z.number(), total: z.number() }).nullable(),
        disks: z.array(z.object({ drive: z.string(), changed: z.number(), total: z.number() })),
      },
    }),
  };
}

export const machineSnapshotMethods = {
  ...common({}),
  'machine.save': method({ summary: 'Save its state and end the process; the next start goes on from there', when: alive }),
};

export const librarySnapshotMethods = {
  ...common({ vm: vmRef }),
  'vm.save': method({ summary: 'Save its state and end its process; the next start goes on from there', params: { vm: vmRef }, when: alive }),
  'vm.discardState': method({
    summary: 'Forget the saved state: the next start switches it on. As if the power had failed',
    params: { vm: vmRef },
    when: ['saved'],
  }),
  'vm.endUndo': method({
    summary: 'Undo disks: commit or discard what was written since the session began',
    params: { vm: vmRef, action: z.enum(['commit', 'discard']) },
    when: stopped,
  }),
  'snapshot.export': method({
    summary: 'Write one snapshot as one file, to be taken elsewhere: disks, and of a running machine memory and devices',
    params: { vm: vmRef, snapshot, file: hostPath },
    result: { job: z.string() },
  }),
  'snapshot.import': method({
    summary: 'Make a machine of an exported snapshot; it goes on from there',
    params: { file: hostPath, name: line(120).optional() },
    result: { job: z.string() },
  }),
  'snapshot.verify': method({
    summary: 'Read every page of the snapshot store and compare it with its checksum',
    params: { vm: vmRef },
    result: { problems: z.array(z.string()), pages: z.number(), bytes: z.number() },
  }),
  'snapshot.fork': method({
    summary: 'A second machine from this instant, or from a snapshot: memory shared on disk, disks as differences, its own id and MAC addresses',
    params: { vm: vmRef, snapshot: snapshot.optional(), name: line(120).optional(), start: z.boolean().default(true) },
    result: { vm: vmSummarySchema },
    when: settled,
  }),
};
