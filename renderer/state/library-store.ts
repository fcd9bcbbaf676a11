import { createStore } from 'zustand/vanilla';
import type { ResultOf } from '../../vmm/protocol/method.ts';
import type { LibraryMethods } from '../../vmm/protocol/methods.ts';
import type { JobInfo, TrashedVm, VmSummary } from '../../vmm/protocol/shared.ts';
import type { Template } from '../library/systems.ts';
import type { LibraryClient } from '../connection/host.ts';

export type HostInfo = ResultOf<LibraryMethods['host.info']>;
export type Guest = ResultOf<LibraryMethods['guests.list']>['guests'][number];

/** The library as the server last told it. Only this file's functions change it. */
export interface LibraryState {
  readonly link: 'connecting' | 'open' | 'lost';
  readonly linkProblem?: string | undefined;
  readonly host?: HostInfo | undefined;
  readonly vms: ReadonlyMap<string, VmSummary>;
  readonly trash: readonly TrashedVm[];
  readonly jobs: ReadonlyMap<string, JobInfo>;
  readonly guests: readonly Guest[];
  readonly templates: readonly Template[];
}

export const emptyLibrary: LibraryState = { link: 'connecting', vms: new Map(), trash: [], jobs: new Map(), guests: [], templates: [] };

export const createLibraryStore = () => createStore<LibraryState>(() => emptyLibrary);
export type LibraryStore = ReturnType<typeof createLibraryStore>;

function withEntry<T>(map: ReadonlyMap<string, T>, id: string, value: T): ReadonlyMap<string, T> {
  return new Map(map).set(id, value);
}

function without<T>(map: ReadonlyMap<string, T>, id: string): ReadonlyMap<string, T> {
  const copy = new Map(map);
  copy.delete(id);
  return copy;
}

/** Keeps `store` equal to what the server has: everything once, then each event. @returns a function that ends it */
export async function followLibrary(client: LibraryClient, store: LibraryStore): Promise<() => void> {
  const refreshTrash = async () => {
    const { vms } = await client.call('trash.list', {});
    store.setState({ trash: vms });
  };
  const ends = [
    client.on('vm.changed', ({ vm }) => store.setState((s) => ({ vms: withEntry(s.vms, vm.id, vm) }))),
    client.on('vm.removed', ({ id }) => store.setState((s) => ({ vms: without(s.vms, id) }))),
    client.on('trash.changed', () => void refreshTrash().catch(() => undefined)),
    client.on('job.changed', ({ job }) => store.setState((s) => ({ jobs: withEntry(s.jobs, job.id, job) }))),
  ];
  const [host, list, jobs, guests, { templates }] = await Promise.all([
    client.call('host.info', {}),
    client.call('vm.list', {}),
    client.call('jobs.list', {}),
    client.call('guests.list', {}),
    client.call('templates.list', {}),
    refreshTrash(),
  ]);
  store.setState({
    link: 'open',
    linkProblem: undefined,
    host,
    vms: new Map(list.vms.map((vm) => [vm.id, vm])),
    jobs: new Map(jobs.jobs.map((job) => [job.id, job])),
    guests: guests.guests,
    templates,
  });
  return () => ends.forEach((end) => end());
}
