/** Snapshots of the library's machines: of those that run by their process, of the others here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Handlers } from '../../protocol/server.ts';
import { decodeContainer } from '../../snapshot/container.node.ts';
import { markLive } from '../../snapshot/memory-image.node.ts';
import { PageIndex } from '../../snapshot/page-index.ts';
import { PAGE_BYTES } from '../../snapshot/pack.node.ts';
import { PageStore } from '../../snapshot/page-store.node.ts';
import { SNAPSHOT_FOLDER, SnapshotTree } from '../../snapshot/tree.node.ts';
import type { JobControl } from '../library/jobs.ts';
import type { Library } from '../library/library.node.ts';
import type { VmEntry } from '../library/vm-entry.node.ts';
import { alone } from './alone.node.ts';
import { describeSnapshot, describeTree, difference, thumbnailOf } from './describe.node.ts';
import { forkVm } from './fork.node.ts';
import { nameNow } from './machine-snapshot-handlers.node.ts';
import { storeOf } from './store-folder.node.ts';
import { exportSnapshot, importSnapshot } from './transfer.node.ts';

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
      const { id } = treeOf(entry).find(snapshot);
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
    'rewind.info': async ({ vm }) => (await library.find(vm).machine()).call('rewind.info', {}),
    'rewind.step': async ({ vm, by }) => (await library.find(vm).machine()).call('rewind.step', { by }),
    'rewind.release': async ({ vm }) => {
      await (await library.find(vm).machine()).call('rewind.release', {});
    },
    'vm.endUndo': async ({ vm, action }) => {
      const entry = library.find(vm);
      await alone(entry, (tree) => tree.endUndo(action));
      changed(entry);
      await entry.update();
      clean(entry);
    },
    'snapshot.export': ({ vm, snapshot, file }) => {
      const entry = library.find(vm);
      const { id, name } = treeOf(entry).find(snapshot);
      return { job: library.jobs.start(`Export ${name}`, (job) => exportSnapshot(entry, id, file, job)) };
    },
    'snapshot.import': ({ file, name }) => ({
      job: library.jobs.start('Import a snapshot', async (job) => ({ vm: (await importSnapshot(library, file, name, job)).id })),
    }),
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

/** Merges images and collects pages, as far as that can be done now. */
export async function freeSpace(library: Library, entry: VmEntry, job?: JobControl): Promise<{ freed: number }> {
  job?.progress(null, 'merging images');
  if (!isAlive(entry)) {
    await alone(entry, async (tree) => {
      while (await tree.mergeOne(undefined, job?.signal)) job?.signal.throwIfAborted();
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
