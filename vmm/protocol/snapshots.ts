/** Snapshots as clients see them. */
import { z } from 'zod';

/** `user`: somebody took it. `auto`: a point of the timeline. `before`: the present, kept before something else took its place. */
export const snapshotKinds = ['user', 'auto', 'before'] as const;

export const snapshotInfoSchema = z
  .looseObject({
    id: z.string(),
    parent: z.string().nullable(),
    name: z.string(),
    description: z.string(),
    /** Unix ms */
    created: z.number(),
    kind: z.enum(snapshotKinds),
    pinned: z.boolean(),
    /** With the state of the running machine; without: disks only, the machine was off. */
    live: z.boolean(),
    /** Guest time, ms */
    guestTime: z.number().optional(),
    /** It has a picture of the screen. */
    thumbnail: z.boolean(),
    /** What deleting it would give back, bytes. */
    bytes: z.number(),
  })
  .meta({ id: 'Snapshot' });
export type SnapshotInfo = z.output<typeof snapshotInfoSchema>;

export const timelineSettingsSchema = z.strictObject({
  /** Seconds of running between automatic points; 0: none. */
  interval: z.int().min(0).max(86_400).default(0),
  /** MiB of disk for automatic points. */
  budget: z
    .int()
    .min(16)
    .max(1 << 20)
    .default(2048),
});

export const rewindSettingsSchema = z.strictObject({
  /** MiB of memory for the last minutes; 0: they are not kept. */
  budget: z.int().min(0).max(8192).default(0),
});

export const rewindInfoSchema = z.looseObject({
  /** Moments that can be gone to, oldest first; `ago`: ms of guest time before the newest. */
  points: z.array(z.object({ number: z.number(), ago: z.number() })),
  /** Where the machine stands; null: it goes its own way. */
  at: z.number().nullable(),
  /** Memory that is taken, and may be. */
  bytes: z.number(),
  budget: z.number(),
  /** ms the guest stood still for the newest point. */
  pause: z.number(),
});
export type RewindInfo = z.output<typeof rewindInfoSchema>;

export const snapshotTreeSchema = z.looseObject({
  /** Parents before their children. */
  snapshots: z.array(snapshotInfoSchema),
  /** The snapshot that the present went on from. */
  present: z.string().nullable(),
  /** The store and the disks, bytes. */
  bytes: z.number(),
  /** Undo disks: a session has written what nobody has decided about. */
  undo: z.boolean(),
});
export type SnapshotTreeInfo = z.output<typeof snapshotTreeSchema>;
