import { useEffect, useMemo, useState } from 'react';
import { useStore } from 'zustand';
import { useApp, useLibrary, useSettings } from '../state/context.dom.tsx';
import { type FolderGroup, grouped } from './arrange.ts';
import { systemTitle } from './systems.ts';

/** Where the server found a word that is not in the name: in the notes, or on the guest's screen. */
export interface Hit {
  readonly where: 'notes' | 'screen';
  readonly line: string;
}

/** Typing goes on for so long before the server is asked, ms. */
const PAUSE = 200;
const none: ReadonlyMap<string, Hit> = new Map();

/** The machines as the search and the settings arrange them, the same in the panel and on the page. */
export function useArrangement(): { groups: readonly FolderGroup[]; hits: ReadonlyMap<string, Hit>; query: string } {
  const app = useApp();
  const vms = useLibrary((s) => s.vms);
  const templates = useLibrary((s) => s.templates);
  const query = useStore(app.transient, (s) => s.query);
  const sort = useSettings((s) => s.librarySort);
  const hits = useHits(query);
  const groups = useMemo(
    () => grouped(vms.values(), { query, sort, found: hits, titleOf: (id) => systemTitle(templates, id) }),
    [vms, query, sort, hits, templates],
  );
  return { groups, hits, query };
}

function useHits(query: string): ReadonlyMap<string, Hit> {
  const app = useApp();
  const [hits, setHits] = useState(none);
  const wanted = query.trim();
  useEffect(() => {
    setHits(none);
    if (wanted.length < 2 || wanted.startsWith('#') || wanted.startsWith('is:')) return undefined;
    let current = true;
    const timer = setTimeout(() => {
      app.client
        .call('vm.search', { text: wanted })
        .then(({ hits: found }) => current && setHits(new Map(found.map(({ vm, where, line }) => [vm, { where, line }]))))
        .catch(() => undefined); // names are searched all the same
    }, PAUSE);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [app, wanted]);
  return hits;
}
