/** What a machine's snapshots are, as data: `snapshots/tree.json` in its folder. The one place that says which files count; replaced as a whole. */
import { z } from 'zod';
import { driveFormats } from '../protocol/config-drives.ts';
import { snapshotKinds } from '../protocol/snapshots.ts';

export const manifestVersion = 1;

const id = z.string().regex(/^[0-9a-z-]{1,64}$/);
const driveId = z.string().min(1).max(32);

/** How a file that is not ours is recognised, so that a change by others is noticed. */
export const identitySchema = z.object({ size: z.number(), modified: z.number(), sample: z.string() });
export type Identity = z.output<typeof identitySchema>;

/** One image of a drive's chain. All but the newest are never written again. */
const layerSchema = z.object({
  drive: driveId,
  /** Relative to the machine's folder where it lies in it. */
  file: z.string().min(1).max(4096),
  format: z.enum(driveFormats),
  parent: id.nullable(),
  /** Bytes the guest sees. */
  size: z.number(),
  /** Of an image that the user or another machine owns: never merged or deleted here, and not written once a layer lies on it. null: not yet looked at. */
  base: identitySchema.nullable().optional(),
});
export type Layer = z.output<typeof layerSchema>;

const disksSchema = z.record(driveId, id);

export const snapshotSchema = z.object({
  id,
  parent: id.nullable(),
  name: z.string().max(120),
  description: z.string().max(65536).default(''),
  /** Unix ms */
  created: z.number(),
  /** `auto`: a point of the timeline, thinned as it ages. */
  kind: z.enum(snapshotKinds),
  pinned: z.boolean().default(false),
  /** ns; absent: the machine was off */
  guestTime: z.number().optional(),
  /** A saved state's file in `states/`; absent: the machine was off. */
  state: z.string().max(128).optional(),
  thumbnail: z.string().max(128).optional(),
  disks: disksSchema,
  /** Files in removable drives. */
  media: z.record(driveId, z.string().max(4096).nullable()).default({}),
  /** Pages of memory that were new in the store, and what they took, bytes. */
  pages: z.number().default(0),
  bytes: z.number().default(0),
});
export type Snapshot = z.output<typeof snapshotSchema>;

export const manifestSchema = z.object({
  schema: z.literal(manifestVersion),
  present: z.object({
    /** The snapshot it went on from. */
    parent: id.nullable(),
    disks: disksSchema,
    /** Saved state to go on from; absent: it is switched on. */
    state: z.string().max(128).optional(),
    media: z.record(driveId, z.string().max(4096).nullable()).optional(),
    /** Undo disks: the snapshot at which the session began whose changes are not decided upon. */
    undo: id.optional(),
  }),
  layers: z.record(id, layerSchema),
  snapshots: z.record(id, snapshotSchema),
});
export type Manifest = z.output<typeof manifestSchema>;

export const emptyManifest: Manifest = { schema: manifestVersion, present: { parent: null, disks: {} }, layers: {}, snapshots: {} };

/** Layers that something needs: with all they stand on. */
export function neededLayers({ present, snapshots, layers }: Manifest): Set<string> {
  const needed = new Set<string>();
  for (const disks of [present.disks, ...Object.values(snapshots).map((one) => one.disks)])
    for (const top of Object.values(disks))
      for (let layer: string | null = top; layer !== null && !needed.has(layer); layer = layers[layer]?.parent ?? null) needed.add(layer);
  return needed;
}

/** Without layers that nothing needs. */
export function pruned(manifest: Manifest): Manifest {
  const needed = neededLayers(manifest);
  return { ...manifest, layers: Object.fromEntries(Object.entries(manifest.layers).filter(([layer]) => needed.has(layer))) };
}

/** What no field alone can say: every name that is used exists, and nothing runs in a circle. @returns what is wrong, undefined: nothing */
export function inconsistency({ present, snapshots, layers }: Manifest): string | undefined {
  for (const [key, snapshot] of Object.entries(snapshots)) if (snapshot.id !== key) return `snapshot ${key}`;
  for (const disks of [present.disks, ...Object.values(snapshots).map((one) => one.disks)])
    for (const [drive, layer] of Object.entries(disks)) if (layers[layer]?.drive !== drive) return `disk ${drive}`;
  const parents = [present.parent, ...Object.values(snapshots).map((one) => one.parent)];
  if (parents.some((parent) => parent !== null && snapshots[parent] === undefined)) return 'parents';
  if (Object.values(layers).some(({ parent }) => parent !== null && layers[parent] === undefined)) return 'layers';
  for (const graph of [snapshots, layers] as Record<string, { parent: string | null }>[])
    for (const start of Object.keys(graph)) {
      let steps = 0;
      for (let at: string | null = start; at !== null; at = graph[at]!.parent) if (++steps > Object.keys(graph).length) return 'a circle';
    }
  return undefined;
}

/** Mergeable layers: nobody's disk by themselves, ours, with exactly one layer on top. @returns pairs of a layer and what stands on it */
export function mergeable(manifest: Manifest): (readonly [layer: string, child: string])[] {
  const { present, snapshots, layers } = manifest;
  const named = new Set([present.disks, ...Object.values(snapshots).map((one) => one.disks)].flatMap((disks) => Object.values(disks)));
  const children = new Map<string, string[]>();
  for (const [layer, { parent }] of Object.entries(layers)) if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), layer]);
  return Object.entries(layers)
    .filter(([layer, { base }]) => base === undefined && !named.has(layer))
    .flatMap(([layer]) => {
      const [child, ...others] = children.get(layer) ?? [];
      return child !== undefined && others.length === 0 ? [[layer, child] as const] : [];
    });
}
