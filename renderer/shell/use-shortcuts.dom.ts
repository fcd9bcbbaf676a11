import { useEffect } from 'react';
import { runCommand } from '../commands/command.ts';
import { contextOf, isMac } from '../commands/context.dom.ts';
import { matchesShortcut, parseShortcut } from '../commands/shortcut.ts';
import { commands } from '../commands/table.ts';
import { useApp } from '../state/context.dom.tsx';

const table = commands.flatMap((command) => (command.shortcut === undefined ? [] : [{ command, chord: parseShortcut(command.shortcut) }]));

/** Shortcuts of the window. A captured console never lets its keys come this far. */
export function useShortcuts(): void {
  const app = useApp();
  useEffect(() => {
    const mac = isMac();
    const down = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const found = table.find(({ chord }) => matchesShortcut(event, chord, mac));
      if (found === undefined) return;
      const plainKey = !found.chord.mod && !found.chord.alt;
      if (plainKey && event.target instanceof Element && event.target.closest('input, textarea, [contenteditable]')) return;
      if (runCommand(found.command, contextOf(app))) event.preventDefault();
    };
    window.addEventListener('keydown', down);
    return () => window.removeEventListener('keydown', down);
  }, [app]);
}
