/**
 * The one object that the preload script gives to the page (`window.strate`), and the channels behind it. Only data crosses: strings, files and
 * message ports. The page can reach nothing of Node or Electron.
 */
export interface StrateBridge {
  readonly platform: string;
  /** Asks main for a connection. The port arrives as a window message `{ strate: 'port', ticket }`; ports cannot cross the bridge itself. */
  requestPort(ticket: number, target: PortTarget): void;
  /** The path of a file that was dropped or picked; empty for one that has none. */
  pathForFile(file: File): string;
  revealFolder(vm: string): void;
  /** Opens the page once more, at `?...`, in a window of its own. */
  openWindow(search: string): void;
  /** The command table's state, for the application menu: ids, titles and accelerators of what can be done now. */
  publishMenu(menu: readonly MenuSection[]): void;
  /** A menu entry was chosen. */
  onCommand(listener: (id: string) => void): void;
  /** Files opened from the desktop (double click, open-file event, command line). */
  onOpenFiles(listener: (paths: readonly string[]) => void): void;
}

export type PortTarget = { readonly connect: 'library' } | { readonly connect: 'machine'; readonly vm: string };

export interface MenuSection {
  readonly id: string;
  readonly title: string;
  readonly entries: readonly MenuEntryData[];
}

export interface MenuEntryData {
  readonly id: string;
  readonly title: string;
  readonly accelerator?: string | undefined;
  readonly enabled: boolean;
}

/** What main answers to a ticket: the port itself, or why there is none. */
export interface PortMessage {
  readonly strate: 'port';
  readonly ticket: number;
  readonly problem?: string | undefined;
}

export const channel = {
  requestPort: 'strate:request-port',
  port: 'strate:port',
  reveal: 'strate:reveal',
  openWindow: 'strate:open-window',
  menu: 'strate:menu',
  command: 'strate:command',
  openFiles: 'strate:open-files',
} as const;
