import { useCallback, useEffect, useState } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import type { SnapshotTreeInfo } from '../../vmm/protocol/snapshots.ts';
import { useApp } from '../state/context.dom.tsx';

/** The tree of a machine's snapshots, as it is now; undefined until it is known. */
export function useSnapshots(vm: VmSummary): SnapshotTreeInfo | undefined {
  const app = useApp();
  const [tree, setTree] = useState<SnapshotTreeInfo>();
  const { id, state } = vm;
  const load = useCallback(() => {
    app.client
      .call('snapshot.list', { vm: id })
      .then(setTree)
      .catch((error: unknown) => app.reportError(error));
  }, [app, id]);
  useEffect(load, [load, state]);
  useEffect(
    () =>
      app.client.on('snapshots.changed', ({ vm: about }) => {
        if (about === id) load();
      }),
    [app, id, load],
  );
  return tree;
}
