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

/** A snapshot's picture as an object URL. */
export function usePicture(vm: string, snapshot: { readonly id: string; readonly thumbnail: boolean } | undefined): string | undefined {
  const app = useApp();
  const [url, setUrl] = useState<string>();
  const id = snapshot?.thumbnail === true ? snapshot.id : undefined;
  useEffect(() => {
    setUrl(undefined);
    if (id === undefined) return undefined;
    const wait = new AbortController();
    let made: string | undefined;
    void (async () => {
      const { png } = await app.client.call('snapshot.thumbnail', { vm, snapshot: id });
      if (wait.signal.aborted || png === null) return;
      made = URL.createObjectURL(new Blob([Uint8Array.from(atob(png), (character) => character.charCodeAt(0))], { type: 'image/png' }));
      setUrl(made);
    })().catch(() => undefined); // a missing picture is no news
    return () => {
      wait.abort();
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [app, vm, id]);
  return url;
}
