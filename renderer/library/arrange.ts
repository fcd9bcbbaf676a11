/** Which machines the library shows, and in what order. */
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { alive } from '../../vmm/protocol/states.ts';
import type { LibrarySort } from '../state/settings.ts';

const fold = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/**
 * Matches every word of the query against name, system, tags and folder; accents and case do not count. `#word` wants a tag that begins so, and
 * `is:running` a state.
 */
export function matches(vm: VmSummary, query: string, systemTitle = vm.system): boolean {
  const text = fold([vm.name, systemTitle, vm.folder, ...vm.tags].join('\n'));
  return fold(query)
    .split(/\s+/)
    .every((word) => {
      if (word.startsWith('#')) return vm.tags.some((tag) => fold(tag).startsWith(word.slice(1)));
      if (word.startsWith('is:')) return vm.state.startsWith(word.slice(3));
      return text.includes(word);
    });
}

export interface FolderGroup {
  /** Empty: the top level. */
  readonly folder: string;
  readonly vms: readonly VmSummary[];
}

export interface Arrangement {
  readonly query: string;
  readonly sort?: LibrarySort;
  /** VMs that the server found by what stands in their notes or on their screen. */
  readonly found?: ReadonlyMap<string, unknown>;
  readonly titleOf?: (system: string) => string;
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

const orders: Readonly<Record<LibrarySort, (a: VmSummary, b: VmSummary) => number>> = {
  name: () => 0,
  used: (a, b) => (b.lastStarted ?? 0) - (a.lastStarted ?? 0),
  state: (a, b) => Number(alive.includes(b.state)) - Number(alive.includes(a.state)) || a.state.localeCompare(b.state),
  created: (a, b) => (b.created ?? 0) - (a.created ?? 0),
  memory: (a, b) => b.memory - a.memory,
};

/** The VMs to show, by folder: the top level first, then folders by name; VMs in the wanted order within, by name where that says nothing. */
export function grouped(vms: Iterable<VmSummary>, { query, sort = 'name', found, titleOf }: Arrangement): FolderGroup[] {
  const folders = new Map<string, VmSummary[]>();
  for (const vm of vms) {
    if (!matches(vm, query, titleOf?.(vm.system)) && !found?.has(vm.id)) continue;
    const group = folders.get(vm.folder);
    if (group) group.push(vm);
    else folders.set(vm.folder, [vm]);
  }
  return [...folders]
    .sort(([a], [b]) => byName.compare(a, b))
    .map(([folder, group]) => ({
      folder,
      vms: group.sort((a, b) => orders[sort](a, b) || byName.compare(a.name, b.name) || a.id.localeCompare(b.id)),
    }));
}

/** Every folder that holds a machine, and those that hold such folders. */
export function foldersOf(vms: Iterable<VmSummary>): string[] {
  const all = new Set<string>();
  for (const { folder } of vms) {
    const parts = folder.split('/').filter((part) => part !== '');
    parts.forEach((_, at) => all.add(parts.slice(0, at + 1).join('/')));
  }
  return [...all].sort((a, b) => byName.compare(a, b));
}

/** Every tag with how many machines carry it, the most used first. */
export function tagsOf(vms: Iterable<VmSummary>): readonly (readonly [tag: string, count: number])[] {
  const counts = new Map<string, number>();
  for (const { tags } of vms) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || byName.compare(a, b));
}
