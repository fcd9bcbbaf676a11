import { useStore } from 'zustand';
import type { MenuEntry, MenuGroup } from '../ui/menu.dom.tsx';
import { translate } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';
import { useApp } from '../state/context.dom.tsx';
import { type Command, type CommandContext, runCommand } from './command.ts';
import { codeCap, hostKeyCap, shortcutCaps } from './shortcut.ts';
import { command } from './table.ts';

export const isMac = (): boolean => typeof navigator !== 'undefined' && /^Mac/.test(navigator.platform);

/** What commands act on now: the active tab and its VM; or `vm`, for a menu that was opened on another. */
export function contextOf(app: App, vm?: string): CommandContext {
  const { tabs, active } = app.layout.getState();
  const tab = tabs.find((open) => open.id === active);
  const id = vm ?? (tab?.kind === 'machine' ? tab.vm : undefined);
  return {
    app,
    tab,
    vm: id === undefined ? undefined : app.library.getState().vms.get(id),
    session: id === undefined ? undefined : app.sessions.get(id),
  };
}

/** The same, drawn again whenever something that commands look at changes. */
export function useCommandContext(vm?: string): CommandContext {
  const app = useApp();
  useStore(app.layout);
  useStore(app.library);
  useStore(app.settings);
  useStore(app.transient, (state) => state.revision);
  useStore(app.transient, (state) => state.overlay);
  return contextOf(app, vm);
}

/** Key caps for a command: those that work in the guest's screen, else the plain shortcut. */
export function capsOf(of: Command, app: App): string[] | undefined {
  if (of.shortcut !== undefined) return shortcutCaps(of.shortcut, isMac());
  if (of.hostKey !== undefined) return [hostKeyCap(app.settings.getState().hostKey, isMac()), codeCap(of.hostKey)];
  return undefined;
}

export function entryOf(id: string, context: CommandContext): MenuEntry {
  const found = command(id);
  return {
    id,
    title: translate(found.title),
    icon: found.icon,
    keys: capsOf(found, context.app),
    enabled: found.enabled(context),
    checked: found.checked?.(context),
    danger: found.danger,
    run: () => void runCommand(found, context),
  };
}

/** A menu of commands; those that cannot run now are left out where `hideDisabled`. */
export function groupsOf(groups: readonly (readonly string[])[], context: CommandContext, hideDisabled = false): MenuGroup[] {
  return groups.map((ids, index) => ({
    id: `group-${index}`,
    entries: ids.map((id) => entryOf(id, context)).filter((entry) => !hideDisabled || entry.enabled === true),
  }));
}
