/** Snapshots of the library's machines: of those that run by their process, of the others here. */
import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { Handlers } from '../../protocol/server.ts';
import type { VmConfig } from '../../protocol/config.ts';
import { decodeContainer } from '../../snapshot/container.node.ts';
import { createLayer, identityOf } from '../../snapshot/layers.node.ts';
import { emptyManifest, type Layer, type Snapshot } from '../../snapshot/manifest.ts';
import { markLive } from '../../snapshot/memory-image.node.ts';
import { PageIndex } from '../../snapshot/page-index.ts';
import { PAGE_BYTES } from '../../snapshot/pack.node.ts';
import { PageStore } from '../../snapshot/page-store.node.ts';
import { SNAPSHOT_FOLDER, SnapshotTree } from '../../snapshot/tree.node.ts';
import type { JobControl } from '../library/jobs.ts';
import { completeConfig, type Library } from '../library/library.node.ts';
import { withoutMacs } from '../library/store.node.ts';
import type { VmEntry } from '../library/vm-entry.node.ts';
import { endRun, takeRun } from '../run-record.node.ts';
import { describeSnapshot, describeTree, difference, thumbnailOf } from './describe.node.ts';
import { nameNow } from './machine-snapshot-handlers.node.ts';
import { storeOf } from './store-folder.node.ts';

const isAlive = (entry: VmEntry) => entry.state === 'running' || entry.state === 'paused';

export function librarySnapshotHandlers(library: Library): Handlers<'library'> {
  const changed = ({ id }: VmEntry) => library.emit('snapshots', id);
  const treeOf = (entry: VmEntry) => new SnapshotTree(entry.directory);
  const clean = (entry: VmEntry) => library.jobs.start(`Free space of ${entry.name}`, (job) => freeSpace(library, entry, job));

  return {
    'snapshot.list': ({ vm }) => ({ ...describeTree(treeOf(library.find(vm))) }),
    'snapshot.take': async ({ vm, name, description }) => {
      const entry = library.find(vm);
      if (isAlive(entry)) return (await entry.machine()).call('snapshot.take', { name, description });
      const snapshot = await alone(entry, (tree) => tree.takeStopped({ name: name ?? nameNow(), description }, entry.config.drives));
      changed(entry);
      return { snapshot: describeSnapshot(treeOf(entry), snapshot), pause: 0 };
    },
    'snapshot.goTo': async ({ vm, snapshot, keepPresent }) => {
      const entry = library.find(vm);
      if (isAlive(entry)) return (await entry.machine()).call('snapshot.goTo', { snapshot, keepPresent });
      const before = await alone(entry, async (tree) => {
        const target = tree.find(snapshot);
        const kept = keepPresent
          ? await tree.takeStopped({ name: `before ${target.name}`.slice(0, 120), kind: 'before' }, entry.config.drives)
          : undefined;
        await tree.goTo(target.id);
        return kept;
      });
      changed(entry);
      await entry.update();
      return { pause: 0, ...(before && { before: before.id }) };
    },
    'snapshot.delete': async ({ vm, snapshot }) => {
      const entry = library.find(vm);
      const { id, name } = treeOf(entry).find(snapshot);
      const user = userOf(library, entry, id);
      if (user !== undefined) throw new VmmError('busy', `${name} is what ${user} stands on; delete that machine first, or copy it in full`);
      if (isAlive(entry)) await (await entry.machine()).call('snapshot.delete', { snapshot: id });
      else
        await alone(entry, (tree) => {
          tree.remove(id);
          return Promise.resolve();
        });
      changed(entry);
      clean(entry);
    },
    'snapshot.edit': async ({ vm, snapshot, name, description, pinned }) => {
      const entry = library.find(vm);
      if (isAlive(entry)) return (await entry.machine()).call('snapshot.edit', { snapshot, name, description, pinned });
      const changes = {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(pinned !== undefined && { pinned }),
      };
      const edited = await alone(entry, (tree) => Promise.resolve(tree.edit(snapshot, changes)));
      changed(entry);
      return { snapshot: describeSnapshot(treeOf(entry), edited) };
    },
    'snapshot.thumbnail': ({ vm, snapshot }) => thumbnailOf(treeOf(library.find(vm)), snapshot),
    'snapshot.diff': async ({ vm, snapshot, other }) => {
      const entry = library.find(vm);
      return { ...(await difference(treeOf(entry), storeOf(entry.directory), snapshot, other)) };
    },
    'snapshot.verify': ({ vm }) => verify(library.find(vm)),
    'snapshot.fork': async ({ vm, snapshot, name, start }) => {
      const entry = library.find(vm);
      const fork = await forkVm(library, entry, snapshot, name);
      if (start) await library.start(fork.id, { paused: false });
      return { vm: fork.summary() };
    },
    'vm.save': async ({ vm }) => {
      await (await library.find(vm).machine()).call('machine.save', {});
    },
    'vm.discardState': async ({ vm }) => {
      const entry = library.find(vm);
      await alone(entry, (tree) => {
        tree.setPresentState(undefined);
        return Promise.resolve();
      });
      await entry.update();
    },
  };
}

/** Works on the snapshots of a machine that does not run, and keeps it from being started meanwhile. */
export async function alone<T>({ directory, name }: VmEntry, work: (tree: SnapshotTree) => Promise<T>): Promise<T> {
  try {
    takeRun(directory, '');
  } catch (error) {
    throw new VmmError('busy', `${name} is in use: ${messageOf(error)}`, {}, error);
  }
  try {
    const tree = new SnapshotTree(directory);
    tree.cleanUp();
    return await work(tree);
  } finally {
    endRun(directory, undefined);
  }
}

/** Merges images and collects pages, as far as that can be done now. */
export async function freeSpace(library: Library, entry: VmEntry, job?: JobControl): Promise<{ freed: number }> {
  job?.progress(null, 'merging images');
  const others = (file: string) => library.list().some(({ directory }) => directory !== entry.directory && filesOf(directory).has(file));
  if (!isAlive(entry)) {
    await alone(entry, async (tree) => {
      while (await tree.mergeOne(others, job?.signal)) job?.signal.throwIfAborted();
    });
  }
  job?.progress(null, 'collecting pages');
  return { freed: collectPages(storeOf(entry.directory), stateFolders(library, entry)) };
}

/** Folders of all machines that share the store. */
function stateFolders(library: Library, entry: VmEntry): string[] {
  const store = storeOf(entry.directory);
  const trash = join(library.store.root, 'trash');
  const folders = [...library.list().map(({ directory }) => directory), ...readdirSync(trash).map((name) => join(trash, name)), entry.directory];
  return [...new Set(folders)].filter((folder) => storeOf(folder) === store);
}

/** @returns bytes freed */
export function collectPages(storeFolder: string, machines: readonly string[]): number {
  const store = new PageStore(storeFolder);
  try {
    return store.collect(() => {
      const live = new PageIndex();
      for (const machine of machines) {
        const states = join(machine, SNAPSHOT_FOLDER, 'states');
        if (!existsSync(states)) continue;
        for (const name of readdirSync(states).filter((one) => one.endsWith('.state'))) {
          const { meta, roots } = decodeContainer(readFileSync(join(states, name)), name);
          markLive(
            store,
            roots,
            meta.blocks.reduce((sum, { length }) => sum + Math.ceil(length / PAGE_BYTES), 0),
            live,
          );
        }
      }
      return live;
    });
  } finally {
    store.close();
  }
}

async function verify({ directory }: VmEntry): Promise<{ problems: string[]; pages: number; bytes: number }> {
  const store = new PageStore(storeOf(directory));
  const release = await store.use();
  try {
    store.refresh();
    const problems = store.verify();
    const { pages, bytes } = store.size();
    return { problems, pages, bytes };
  } catch (error) {
    return { problems: [messageOf(error)], pages: 0, bytes: 0 };
  } finally {
    release();
    store.close();
  }
}

function filesOf(directory: string): Set<string> {
  try {
    const tree = new SnapshotTree(directory);
    return new Set(Object.values(tree.manifest.layers).map((layer) => tree.layerPath(layer)));
  } catch {
    return new Set();
  }
}

/** The name of a machine whose disks stand on what only this snapshot holds. */
function userOf(library: Library, entry: VmEntry, snapshot: string): string | undefined {
  const tree = new SnapshotTree(entry.directory);
  const files = new Set(Object.values(tree.find(snapshot).disks).map((id) => tree.layerPath(tree.manifest.layers[id]!)));
  const user = library.list().find(({ directory }) => directory !== entry.directory && [...filesOf(directory)].some((file) => files.has(file)));
  return user?.name;
}

/**
 * A second machine that begins where a snapshot is: its disks are differences to the snapshot's, its memory is the same pages of the store. Without a snapshot:
 * from this instant.
 */
export async function forkVm(library: Library, entry: VmEntry, ref: string | undefined, name: string | undefined): Promise<VmEntry> {
  if (ref === undefined && isAlive(entry)) {
    const taken = await (await entry.machine()).call('snapshot.take', { name: name ?? `${entry.name} fork` });
    ref = taken.snapshot.id;
  }
  const snapshot =
    ref === undefined
      ? await alone(entry, (tree) => tree.takeStopped({ name: name ?? `${entry.name} fork` }, entry.config.drives))
      : new SnapshotTree(entry.directory).find(ref);
  const source = new SnapshotTree(entry.directory);
  const directory = library.store.newFolder(name ?? `${entry.name} fork`);
  try {
    return await library.add(directory, await forkInto(directory, source, snapshot, entry.config, name ?? `${entry.name} fork`));
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

async function forkInto(directory: string, source: SnapshotTree, snapshot: Snapshot, from: VmConfig, name: string): Promise<VmConfig> {
  const folder = join(directory, SNAPSHOT_FOLDER);
  mkdirSync(join(folder, 'disks'), { recursive: true, mode: 0o700 });
  const layers: Record<string, Layer> = {};
  const disks: Record<string, string> = {};
  const drives = [];
  for (const drive of from.drives) {
    const id = snapshot.disks[drive.id];
    if (id === undefined) {
      // CDs and such are shared where they lie.
      const file = snapshot.media[drive.id] ?? (drive.file === null ? null : resolve(join(source.folder, '..'), drive.file));
      drives.push({ ...drive, file });
      continue;
    }
    const layer = source.manifest.layers[id]!;
    const path = source.layerPath(layer);
    const [base, top] = [randomUUID(), randomUUID()];
    const file = join(folder, 'disks', `${top}.qcow2`);
    await createLayer(file, { file: path, format: layer.format, size: layer.size });
    layers[base] = { ...layer, file: path, parent: null, base: identityOf(path) };
    layers[top] = { drive: drive.id, file: relative(directory, file), format: 'qcow2', parent: base, size: layer.size };
    disks[drive.id] = top;
    drives.push({ ...drive, file: path, format: layer.format, parents: source.imageFolders });
  }
  let state: string | undefined;
  if (snapshot.state !== undefined) {
    state = `${randomUUID()}.state`;
    mkdirSync(join(folder, 'states'), { recursive: true, mode: 0o700 });
    copyFileSync(source.statePath(snapshot.state), join(folder, 'states', state));
  }
  const { kernel } = from;
  const inside = (file: string) => resolve(join(source.folder, '..'), file);
  const copy: Partial<VmConfig> = { ...from };
  delete copy.id;
  delete copy.created;
  const config = completeConfig({
    ...copy,
    name,
    drives,
    nics: withoutMacs(from.nics),
    ...(kernel && { kernel: { ...kernel, file: inside(kernel.file), ...(kernel.initrd !== undefined && { initrd: inside(kernel.initrd) }) } }),
  });
  const tree = new SnapshotTree(directory);
  tree.commit({ ...emptyManifest, layers, present: { parent: null, disks, media: snapshot.media, ...(state !== undefined && { state }) } });
  return config;
}
