/**
 * Machines made of another one's instant: forks and linked clones. Their disks are differences to images that never change again, their memory is the same pages
 * of the store. The images are linked (or copied, where the file system cannot) into the new machine's folder, so that each machine can be merged, moved to the trash and deleted without the other.
 */
import { randomUUID } from 'node:crypto';
import { copyFileSync, linkSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { VmConfig } from '../../protocol/config.ts';
import type { Drive } from '../../protocol/config-drives.ts';
import { createLayer, identityOf, sizeOfImage } from '../../snapshot/layers.node.ts';
import { emptyManifest, type Layer, type Snapshot } from '../../snapshot/manifest.ts';
import { SNAPSHOT_FOLDER, SnapshotTree } from '../../snapshot/tree.node.ts';
import { convertImage } from '../../storage/tools/convert.node.ts';
import { completeConfig, type Library } from '../library/library.node.ts';
import { withoutMacs } from '../library/store.node.ts';
import type { VmEntry } from '../library/vm-entry.node.ts';
import { alone } from './alone.node.ts';

/** What a new machine begins with. */
type Beginning = Pick<Snapshot, 'disks' | 'state' | 'media'>;

/** From a snapshot, or from this instant, whether the machine runs or not. */
export async function forkVm(library: Library, entry: VmEntry, ref: string | undefined, name = `${entry.name} fork`): Promise<VmEntry> {
  const { id: taken, from } = await beginningOf(entry, ref, name);
  const directory = library.store.newFolder(name);
  try {
    return await library.add(directory, await forkInto(directory, new SnapshotTree(entry.directory), from, entry.config, name));
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  } finally {
    // It was only there to be forked from; what it held has its names in the fork now.
    if (taken !== undefined) await (await entry.machine()).call('snapshot.delete', { snapshot: taken });
  }
}

async function beginningOf(entry: VmEntry, ref: string | undefined, name: string): Promise<{ readonly id?: string; readonly from: Beginning }> {
  if (ref !== undefined) return { from: new SnapshotTree(entry.directory).find(ref) };
  if (entry.state === 'running' || entry.state === 'paused') {
    const { snapshot } = await (await entry.machine()).call('snapshot.take', { name: name.slice(0, 120) });
    return { id: snapshot.id, from: new SnapshotTree(entry.directory).find(snapshot.id) };
  }
  return alone(entry, async (tree) => {
    const { state, media } = tree.manifest.present;
    const { frozen } = await tree.freeze(entry.config.drives);
    tree.noteBases();
    return { from: { disks: frozen, media: media ?? {}, ...(state !== undefined && { state }) } };
  });
}

async function forkInto(
  directory: string,
  source: SnapshotTree,
  { disks: from, state: saved, media }: Beginning,
  config: VmConfig,
  name: string,
): Promise<VmConfig> {
  const folder = join(directory, SNAPSHOT_FOLDER);
  const owner = dirname(source.folder);
  mkdirSync(join(folder, 'disks'), { recursive: true, mode: 0o700 });
  const layers: Record<string, Layer> = {};
  const disks: Record<string, string> = {};
  const drives: Drive[] = [];
  for (const drive of config.drives) {
    const id = from[drive.id];
    if (id === undefined) {
      // CDs and such are shared where they lie.
      drives.push({ ...drive, file: media[drive.id] ?? (drive.file === null ? null : resolve(owner, drive.file)) });
      continue;
    }
    const shared = (await linkChain(source, id, directory)) ?? (await copyChain(source, id, directory));
    Object.assign(layers, shared.layers);
    const { root, top: below } = shared;
    const top = randomUUID();
    const file = join(folder, 'disks', `${top}.qcow2`);
    const base = shared.layers[below]!;
    await createLayer(file, { file: resolve(directory, base.file), format: base.format, size: base.size });
    layers[top] = { drive: drive.id, file: relative(directory, file), format: 'qcow2', parent: below, size: base.size };
    disks[drive.id] = top;
    const { file: image, format } = shared.layers[root]!;
    const parents = [...(drive.parents ?? []).map((parent) => resolve(owner, parent)), ...shared.folders];
    drives.push({ ...drive, file: image, format, ...(parents.length > 0 && { parents: [...new Set(parents)] }) });
  }
  let state: string | undefined;
  if (saved !== undefined) {
    state = `${randomUUID()}.state`;
    mkdirSync(join(folder, 'states'), { recursive: true, mode: 0o700 });
    copyFileSync(source.statePath(saved), join(folder, 'states', state));
  }
  const { kernel } = config;
  const inside = (file: string) => resolve(owner, file);
  const copy: Partial<VmConfig> = { ...config };
  delete copy.id;
  delete copy.created;
  const tree = new SnapshotTree(directory);
  tree.commit({ ...emptyManifest, layers, present: { parent: null, disks, media, ...(state !== undefined && { state }) } });
  return completeConfig({
    ...copy,
    name,
    template: false,
    drives,
    nics: withoutMacs(config.nics),
    ...(kernel && { kernel: { ...kernel, file: inside(kernel.file), ...(kernel.initrd !== undefined && { initrd: inside(kernel.initrd) }) } }),
  });
}

interface Shared {
  readonly layers: Record<string, Layer>;
  readonly root: string;
  readonly top: string;
  /** In which images lie that the root stands on. */
  readonly folders: string[];
}

/**
 * Links all images of a chain to the same places in the new folder: what they say of each other is relative, and holds there, too. undefined: the host's file
 * systems do not allow it, or the folders lie at different depths.
 */
async function linkChain(source: SnapshotTree, top: string, directory: string): Promise<Shared | undefined> {
  const owner = dirname(source.folder);
  if (dirname(owner) !== dirname(directory)) return undefined;
  const layers: Record<string, Layer> = {};
  let root = top;
  for (let at: string | null = top; at !== null; at = layers[at]!.parent) {
    const layer: Layer = source.manifest.layers[at]!;
    root = at;
    layers[at] = layer.base === null ? { ...layer, base: identityOf(source.layerPath(layer)) } : layer;
    if (isAbsolute(layer.file)) continue;
    const to = resolve(directory, layer.file);
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    try {
      linkSync(source.layerPath(layer), to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return undefined;
    }
  }
  const folders = source.imageFolders.filter((folder) => !folder.startsWith(owner));
  const { file, format } = layers[top]!;
  try {
    await sizeOfImage(resolve(directory, file), format, 'disk', [directory, join(directory, SNAPSHOT_FOLDER, 'disks'), ...folders]);
  } catch {
    return undefined; // the user's own image stands on others that are not linked
  }
  return { layers, root, top, folders };
}

/** A complete copy, where images cannot be linked. */
async function copyChain(source: SnapshotTree, id: string, directory: string): Promise<Shared> {
  const layer = source.manifest.layers[id]!;
  const file = `${layer.drive}.qcow2`;
  await convertImage(source.layerPath(layer), join(directory, file), 'qcow2', {
    source: { format: layer.format, parentFolders: source.imageFolders, unlocked: true },
  });
  const root = randomUUID();
  const { drive, size } = layer;
  return {
    layers: { [root]: { drive, file, format: 'qcow2', parent: null, size, base: identityOf(join(directory, file)) } },
    root,
    top: root,
    folders: [],
  };
}
