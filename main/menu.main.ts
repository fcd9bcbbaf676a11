import type { MenuItemConstructorOptions } from 'electron';
import type { MenuSection } from './bridge.ts';

/**
 * The application menu, from the command table that the page publishes. Editing and window commands are Electron's own roles, because they act
 * on text fields and windows, not on machines.
 */
export function menuTemplate(sections: readonly MenuSection[], mac: boolean, choose: (id: string) => void): MenuItemConstructorOptions[] {
  const own = sections.map((section): MenuItemConstructorOptions => ({
    label: section.title,
    submenu: [
      ...section.entries.map((entry): MenuItemConstructorOptions => ({
        id: entry.id,
        label: entry.title,
        enabled: entry.enabled,
        // Shown, not registered: the page itself hears its shortcuts, and only while the guest does not have the keyboard.
        ...(entry.accelerator !== undefined && { accelerator: entry.accelerator, registerAccelerator: false }),
        click: () => choose(entry.id),
      })),
      ...(section.id === 'file' && !mac ? [{ type: 'separator' as const }, { role: 'quit' as const }] : []),
    ],
  }));
  const [first, ...rest] = own;
  return [...(mac ? [{ role: 'appMenu' as const }] : []), ...(first ? [first] : []), { role: 'editMenu' }, ...rest, { role: 'windowMenu' }];
}
