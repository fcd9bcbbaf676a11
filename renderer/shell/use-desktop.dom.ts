import { useEffect } from 'react';
import type { MenuSection } from '../../main/bridge.ts';
import { type CommandContext, commandGroups, runCommand } from '../commands/command.ts';
import { contextOf, useCommandContext } from '../commands/context.dom.ts';
import { accelerator } from '../commands/shortcut.ts';
import { commandById, commands } from '../commands/table.ts';
import { translate, useText } from '../i18n/i18n.ts';
import { useApp } from '../state/context.dom.tsx';

/** The command table as the application menu shows it. */
export function menuOf(context: CommandContext): MenuSection[] {
  return commandGroups.map((group) => ({
    id: group,
    title: translate(`group.${group}`),
    entries: commands
      .filter((command) => command.group === group)
      .map((command) => ({
        id: command.id,
        title: translate(command.title),
        ...(command.shortcut !== undefined && { accelerator: accelerator(command.shortcut) }),
        enabled: command.enabled(context),
      })),
  }));
}

/** Joins the page to the desktop it runs in, where there is one: its menu, and the files it is asked to open. */
export function useDesktop(): void {
  const app = useApp();
  const { desktop } = app.host;
  const t = useText();
  const context = useCommandContext();
  const menu = desktop ? JSON.stringify(menuOf(context)) : '';

  useEffect(() => {
    if (menu !== '') desktop?.publishMenu(JSON.parse(menu) as MenuSection[]);
  }, [desktop, menu, t]);

  useEffect(() => {
    desktop?.onCommand((id) => {
      const found = commandById.get(id);
      if (found) runCommand(found, contextOf(app));
    });
    desktop?.onOpenFiles((paths) => {
      for (const path of paths) void app.whenConnected().then((client) => app.newDraft().takePath(path, client));
    });
  }, [app, desktop]);
}
