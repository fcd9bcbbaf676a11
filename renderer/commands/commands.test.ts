import { FakeLibrary } from '../fake/fake-library.ts';
import { App } from '../state/app.dom.ts';
import { emptyLayout } from '../state/layout-store.ts';
import type { CommandContext } from './command.ts';
import { accelerator, matchesShortcut, parseShortcut, shortcutCaps } from './shortcut.ts';
import { command, commands } from './table.ts';

const key = (code: string, letter: string, mods: Partial<Record<'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey', boolean>> = {}) => ({
  code,
  key: letter,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...mods,
});

describe('shortcuts', () => {
  it('are all understood, and no two are the same', () => {
    const texts = commands.flatMap((c) => (c.shortcut === undefined ? [] : [JSON.stringify(parseShortcut(c.shortcut))]));
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('share a host key only where never both can run', () => {
    const byKey = Map.groupBy(
      commands.filter((c) => c.hostKey !== undefined),
      (c) => c.hostKey,
    );
    const shared = [...byKey.values()].filter((group) => group.length > 1).map((group) => group.map((c) => c.id));
    expect(shared).toEqual([['pause', 'resume']]);
  });

  it('use Cmd on a Mac and Ctrl elsewhere', () => {
    const chord = parseShortcut('Mod+K');
    expect(matchesShortcut(key('KeyK', 'k', { ctrlKey: true }), chord, false)).toBe(true);
    expect(matchesShortcut(key('KeyK', 'k', { metaKey: true }), chord, true)).toBe(true);
    expect(matchesShortcut(key('KeyK', 'k', { ctrlKey: true, shiftKey: true }), chord, false)).toBe(false);
  });

  it('go by the letter that is written, wherever it lies', () => {
    expect(matchesShortcut(key('KeyQ', 'a', { altKey: true }), parseShortcut('Alt+A'), false)).toBe(true);
    expect(matchesShortcut(key('KeyA', 'q', { altKey: true }), parseShortcut('Alt+A'), false)).toBe(false);
  });

  it('are written as people and as Electron write them', () => {
    expect(shortcutCaps('Mod+Alt+Right', false)).toEqual(['Ctrl', 'Alt', '→']);
    expect(shortcutCaps('Mod+Enter', true)).toEqual(['⌘', '↩']);
    expect(accelerator('Mod+Enter')).toBe('CommandOrControl+Return');
  });
});

describe('the command table', () => {
  it('names each command once', () => {
    expect(new Set(commands.map((c) => c.id)).size).toBe(commands.length);
  });

  it('enables what the protocol allows in each state', async () => {
    const library = new FakeLibrary();
    const app = new App(library, {} as Document);
    await app.start();
    const enabledIn = (state: 'off' | 'running' | 'paused' | 'crashed') => {
      const vm = library.add({ name: state }, { state });
      const context: CommandContext = { app, tab: undefined, vm, session: undefined };
      return commands.filter((c) => c.group === 'power' && c.enabled(context)).map((c) => c.id);
    };
    expect(enabledIn('off')).toEqual(['start']);
    expect(enabledIn('crashed')).toEqual(['start']);
    expect(enabledIn('running')).toEqual(['pause', 'power-button', 'save', 'reset', 'power-off']);
    expect(enabledIn('paused')).toEqual(['resume', 'save', 'reset', 'power-off']);
    app.stop();
  });

  it('enables nothing of a machine without one, and nothing of the server without a connection', () => {
    const app = new App(new FakeLibrary(), {} as Document);
    app.layout.setState(emptyLayout, true);
    const context: CommandContext = { app, tab: undefined, vm: undefined, session: undefined };
    for (const id of ['start', 'rename', 'screenshot', 'ctrl-alt-del', 'new', 'open-file'])
      expect([id, command(id).enabled(context)]).toEqual([id, false]);
  });
});
