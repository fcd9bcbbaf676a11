import { createStore } from 'zustand/vanilla';

export const machineViews = ['console', 'timeline', 'serial', 'terminal', 'hardware', 'disks', 'network', 'monitor', 'log'] as const;
export type MachineView = (typeof machineViews)[number];

/** What the centre shows. The library is always there; every other tab can be closed. */
export type Tab =
  | { readonly kind: 'library'; readonly id: 'library' }
  | { readonly kind: 'machine'; readonly id: string; readonly vm: string; readonly view: MachineView }
  | { readonly kind: 'create'; readonly id: string }
  | { readonly kind: 'trash' | 'jobs' | 'settings' | 'help'; readonly id: string };

export interface Layout {
  readonly tabs: readonly Tab[];
  readonly active: string;
  readonly sidebar: boolean;
  readonly inspector: boolean;
}

export const libraryTab: Tab = { kind: 'library', id: 'library' };
export const emptyLayout: Layout = { tabs: [libraryTab], active: 'library', sidebar: true, inspector: true };

export const machineTabId = (vm: string) => `machine:${vm}`;

/** Opens `tab`, or goes to it where it is open already. */
export function openTab(layout: Layout, tab: Tab): Layout {
  const open = layout.tabs.some((t) => t.id === tab.id);
  return { ...layout, tabs: open ? layout.tabs : [...layout.tabs, tab], active: tab.id };
}

/** Closes a tab; its right neighbour becomes active, else the left one. The library stays. */
export function closeTab(layout: Layout, id: string): Layout {
  const at = layout.tabs.findIndex((tab) => tab.id === id);
  if (at < 0 || id === libraryTab.id) return layout;
  const tabs = layout.tabs.filter((tab) => tab.id !== id);
  const active = layout.active === id ? (tabs[at] ?? tabs[at - 1] ?? libraryTab).id : layout.active;
  return { ...layout, tabs, active };
}

export function showView(layout: Layout, vm: string, view: MachineView): Layout {
  const id = machineTabId(vm);
  const opened = openTab(layout, { kind: 'machine', id, vm, view });
  return { ...opened, tabs: opened.tabs.map((tab) => (tab.id === id && tab.kind === 'machine' ? { ...tab, view } : tab)) };
}

export function stepTab(layout: Layout, by: 1 | -1): Layout {
  const at = layout.tabs.findIndex((tab) => tab.id === layout.active);
  const next = layout.tabs[(at + by + layout.tabs.length) % layout.tabs.length];
  return next ? { ...layout, active: next.id } : layout;
}

/** Reads a layout back from storage; anything that does not fit is left out. A create tab's draft lives in memory only. */
export function parseLayout(text: string | null): Layout {
  if (text === null) return emptyLayout;
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return emptyLayout;
  }
  if (typeof data !== 'object' || data === null) return emptyLayout;
  const stored = data as Partial<Record<keyof Layout, unknown>>;
  const tabs = Array.isArray(stored.tabs) ? stored.tabs.flatMap(parseTab) : [];
  const all = [libraryTab, ...tabs.filter((tab, at) => tabs.findIndex((t) => t.id === tab.id) === at)];
  const active = all.some((tab) => tab.id === stored.active) ? (stored.active as string) : libraryTab.id;
  return { tabs: all, active, sidebar: stored.sidebar !== false, inspector: stored.inspector !== false };
}

function parseTab(value: unknown): Tab[] {
  if (typeof value !== 'object' || value === null) return [];
  const tab = value as Record<string, unknown>;
  const { kind, vm, view } = tab;
  if (kind === 'machine' && typeof vm === 'string')
    return [{ kind, id: machineTabId(vm), vm, view: machineViews.find((known) => known === view) ?? 'console' }];
  if (kind === 'trash' || kind === 'jobs' || kind === 'settings' || kind === 'help') return [{ kind, id: kind }];
  return [];
}

/** A window torn off: one view of one machine. Its address says which (`?machine=ID&view=serial`). */
export interface Solo {
  readonly vm: string;
  readonly view: MachineView;
}

export function parseSolo(search: string): Solo | undefined {
  const query = new URLSearchParams(search);
  const vm = query.get('machine');
  if (vm === null || vm === '') return undefined;
  return { vm, view: machineViews.find((known) => known === query.get('view')) ?? 'console' };
}

export const soloSearch = ({ vm, view }: Solo): string => `?${new URLSearchParams({ machine: vm, view }).toString()}`;

export const soloLayout = ({ vm, view }: Solo): Layout => ({ ...showView(emptyLayout, vm, view), sidebar: false, inspector: false });

export type LayoutStore = ReturnType<typeof createLayoutStore>;
export const createLayoutStore = (layout: Layout = emptyLayout) => createStore<Layout>(() => layout);
