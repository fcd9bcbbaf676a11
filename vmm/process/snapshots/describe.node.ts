/** A tree of snapshots as clients see it, whether its machine runs or not. */
import { readFileSync } from 'node:fs';
import { VmmError } from '../../base/errors.ts';
import type { SnapshotInfo, SnapshotTreeInfo } from '../../protocol/snapshots.ts';
import { decodeContainer } from '../../snapshot/container.node.ts';
import type { Snapshot } from '../../snapshot/manifest.ts';
import { readNames } from '../../snapshot/memory-image.node.ts';
import { HASH_BYTES } from '../../snapshot/page-index.ts';
import { PAGE_BYTES } from '../../snapshot/pack.node.ts';
import { PageStore } from '../../snapshot/page-store.node.ts';
import type { SnapshotTree } from '../../snapshot/tree.node.ts';

export function describeSnapshot(tree: SnapshotTree, snapshot: Snapshot): SnapshotInfo {
  const { id, parent, name, description, created, kind, pinned, state, guestTime, thumbnail, bytes } = snapshot;
  return {
    id,
    parent,
    name,
    description,
    created,
    kind,
    pinned,
    live: state !== undefined,
    thumbnail: thumbnail !== undefined,
    bytes: bytes + tree.ownBytes(snapshot),
    ...(guestTime !== undefined && { guestTime: guestTime / 1e6 }),
  };
}

export function describeTree(tree: SnapshotTree): SnapshotTreeInfo {
  const { snapshots, manifest } = tree;
  const depth = (snapshot: Snapshot): number => (snapshot.parent === null ? 0 : 1 + depth(manifest.snapshots[snapshot.parent]!));
  const ordered = snapshots.map((one) => ({ one, depth: depth(one) })).sort((a, b) => a.depth - b.depth || a.one.created - b.one.created);
  return {
    snapshots: ordered.map(({ one }) => describeSnapshot(tree, one)),
    present: manifest.present.parent,
    bytes: tree.diskBytes + snapshots.reduce((sum, { bytes }) => sum + bytes, 0),
    undo: tree.undoable,
  };
}

export function thumbnailOf(tree: SnapshotTree, ref: string): { png: string | null } {
  const { thumbnail } = tree.find(ref);
  if (thumbnail === undefined) return { png: null };
  try {
    return { png: readFileSync(tree.thumbnailPath(thumbnail)).toString('base64') };
  } catch {
    return { png: null };
  }
}

/** What differs between two snapshots. */
export interface Difference {
  readonly memory: { readonly changed: number; readonly total: number } | null;
  readonly disks: { readonly drive: string; readonly changed: number; readonly total: number }[];
}

/** `otherRef`: default its parent. */
export async function difference(tree: SnapshotTree, storeFolder: string, ref: string, otherRef: string | undefined): Promise<Difference> {
  const snapshot = tree.find(ref);
  const otherId = otherRef === undefined ? snapshot.parent : tree.find(otherRef).id;
  if (otherId === null) throw new VmmError('usage', `${snapshot.name} is the first snapshot; name another to compare it with`);
  const other = tree.find(otherId);
  const { openImage } = await import('../../storage/open.node.ts');
  const disks: Difference['disks'] = [];
  for (const [drive, layer] of Object.entries(snapshot.disks)) {
    const otherLayer = other.disks[drive];
    if (otherLayer === undefined) continue;
    const { layers } = tree.manifest;
    const [a, b] = [layers[layer]!, layers[otherLayer]!];
    if (layer === otherLayer) {
      disks.push({ drive, changed: 0, total: a.size });
      continue;
    }
    const open = (one: typeof a) =>
      openImage({ file: tree.layerPath(one), format: one.format, role: 'disk', readOnly: true, parentFolders: tree.imageFolders });
    const [left, right] = [await open(a), await open(b)];
    try {
      disks.push({ drive, changed: await differingBytes(left.node, right.node), total: a.size });
    } finally {
      await left.node.close();
      await right.node.close();
    }
  }
  return { memory: memoryDifference(tree, storeFolder, snapshot, other), disks };
}

function memoryDifference(tree: SnapshotTree, storeFolder: string, a: Snapshot, b: Snapshot): Difference['memory'] {
  if (a.state === undefined || b.state === undefined) return null;
  const store = new PageStore(storeFolder);
  store.refresh();
  try {
    const [left, right] = [a.state, b.state].map((file) => {
      const { meta, roots } = decodeContainer(readFileSync(tree.statePath(file)), file);
      return readNames(
        store,
        roots,
        meta.blocks.reduce((sum, { length }) => sum + Math.ceil(length / PAGE_BYTES), 0),
      );
    });
    let changed = 0;
    for (let at = 0; at < left!.length; at += HASH_BYTES)
      if (Buffer.compare(left!.subarray(at, at + HASH_BYTES), right!.subarray(at, at + HASH_BYTES)) !== 0) changed += PAGE_BYTES;
    return { changed, total: (left!.length / HASH_BYTES) * PAGE_BYTES };
  } finally {
    store.close();
  }
}

const GRAIN = 65536;

async function differingBytes(a: { readonly size: number; read(at: number, into: Uint8Array): Promise<void> }, b: typeof a): Promise<number> {
  const [left, right] = [new Uint8Array(1 << 20), new Uint8Array(1 << 20)];
  let changed = 0;
  for (let at = 0; at < a.size; at += left.length) {
    const length = Math.min(left.length, a.size - at);
    await a.read(at, left.subarray(0, length));
    await b.read(at, right.subarray(0, length));
    for (let from = 0; from < length; from += GRAIN)
      if (Buffer.compare(left.subarray(from, Math.min(length, from + GRAIN)), right.subarray(from, Math.min(length, from + GRAIN))) !== 0)
        changed += Math.min(GRAIN, length - from);
  }
  return changed;
}
