/** The methods of a running machine's snapshots. */
import { VmmError } from '../../base/errors.ts';
import type { Handlers } from '../../protocol/server.ts';
import { describeSnapshot, describeTree, difference, thumbnailOf } from './describe.node.ts';
import type { LiveSnapshots } from './live-snapshots.node.ts';
import { storeOf } from './store-folder.node.ts';

export function machineSnapshotHandlers(snapshots: LiveSnapshots | undefined, folder: string | undefined): Handlers<'machine'> {
  const here = (): LiveSnapshots => {
    if (snapshots === undefined) throw new VmmError('unsupported', 'this machine has no folder to keep snapshots in; make one with strate create');
    return snapshots;
  };
  return {
    'snapshot.list': () => ({ ...describeTree(here().tree) }),
    'snapshot.take': async ({ name, description }) => {
      const { snapshot, pause } = await here().take({ name: name ?? nameNow(), description });
      return { snapshot: describeSnapshot(here().tree, snapshot), pause };
    },
    'snapshot.goTo': async ({ snapshot, keepPresent }) => {
      const { before, pause } = await here().goTo(snapshot, keepPresent);
      return { pause, ...(before && { before: before.id }) };
    },
    'snapshot.delete': ({ snapshot }) => here().remove(snapshot),
    'snapshot.edit': async ({ snapshot, name, description, pinned }) => ({
      snapshot: describeSnapshot(
        here().tree,
        await here().edit(snapshot, {
          ...(name !== undefined && { name }),
          ...(description !== undefined && { description }),
          ...(pinned !== undefined && { pinned }),
        }),
      ),
    }),
    'snapshot.thumbnail': ({ snapshot }) => thumbnailOf(here().tree, snapshot),
    'snapshot.diff': async ({ snapshot, other }) => ({ ...(await difference(here().tree, storeOf(folder!), snapshot, other)) }),
    'rewind.info': () => here().rewind.info(),
    'rewind.step': ({ by }) => here().step(by),
    'rewind.release': () => here().release(),
    'machine.save': () => here().suspend(),
  };
}

/** What a snapshot is called that nobody named. */
export function nameNow(): string {
  return new Date().toLocaleString('sv-SE').slice(0, 16);
}
