import fc from 'fast-check';
import { closeTab, emptyLayout, libraryTab, machineTabId, openTab, parseLayout, showView, stepTab } from './layout-store.ts';

const settings = { kind: 'settings', id: 'settings' } as const;

describe('tabs', () => {
  it('opens a tab once', () => {
    const layout = openTab(openTab(emptyLayout, settings), settings);
    expect(layout.tabs).toEqual([libraryTab, settings]);
    expect(layout.active).toBe('settings');
  });

  it('goes to the right neighbour when the active tab closes, else to the left one', () => {
    let layout = openTab(openTab(emptyLayout, settings), { kind: 'jobs', id: 'jobs' });
    layout = closeTab({ ...layout, active: 'settings' }, 'settings');
    expect(layout.active).toBe('jobs');
    expect(closeTab(layout, 'jobs').active).toBe('library');
  });

  it('never closes the library', () => {
    expect(closeTab(emptyLayout, 'library')).toBe(emptyLayout);
  });

  it('shows a view of a machine, opening its tab where needed', () => {
    const once = showView(emptyLayout, 'vm1', 'serial');
    expect(once.tabs.at(-1)).toEqual({ kind: 'machine', id: machineTabId('vm1'), vm: 'vm1', view: 'serial' });
    expect(showView(once, 'vm1', 'log').tabs).toHaveLength(2);
  });

  it('steps round', () => {
    const layout = openTab(emptyLayout, settings);
    expect(stepTab(layout, 1).active).toBe('library');
    expect(stepTab(layout, -1).active).toBe('library');
  });
});

describe('a stored layout', () => {
  it('comes back', () => {
    const layout = showView(openTab(emptyLayout, settings), 'vm1', 'hardware');
    expect(parseLayout(JSON.stringify(layout))).toEqual(layout);
  });

  it('drops what it does not know', () => {
    const text = JSON.stringify({ tabs: [{ kind: 'machine' }, { kind: 'create', id: 'create:1' }, 7, { kind: 'help' }], active: 'create:1' });
    expect(parseLayout(text)).toEqual({ ...emptyLayout, tabs: [libraryTab, { kind: 'help', id: 'help' }] });
  });

  it('is a layout whatever was stored', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const layout = parseLayout(text);
        expect(layout.tabs[0]).toEqual(libraryTab);
        expect(layout.tabs.some((tab) => tab.id === layout.active)).toBe(true);
      }),
    );
  });
});
