import type { MenuSection } from '../../main/bridge.ts';
import type { Client } from '../../vmm/protocol/client.ts';

export type LibraryClient = Client<'library'>;
export type MachineClient = Client<'machine'>;

/** A file the person picked or dropped, as the server can name it: by its path on the host, or as an upload (browsers tell no paths). */
export type Source = { readonly path: string } | { readonly upload: string };

export interface Offer {
  readonly signal: AbortSignal;
  /** 0..1 while the bytes travel */
  readonly progress: (done: number) => void;
}

export interface Desktop {
  publishMenu(menu: readonly MenuSection[]): void;
  onCommand(listener: (id: string) => void): void;
  onOpenFiles(listener: (paths: readonly string[]) => void): void;
}

/** How the page reaches the world outside. The browser's way, Electron's way and the fake of the component tests each implement it once. */
export interface Host {
  readonly kind: 'browser' | 'electron' | 'fake';
  openLibrary(): Promise<LibraryClient>;
  openMachine(id: string): Promise<MachineClient>;
  /** Makes a dropped or picked file known to the server. @throws with one line for people */
  offer(file: File, offer: Offer): Promise<Source>;
  /** Where the server runs on this computer, files can be used where they lie. */
  readonly filesStayInPlace: boolean;
  /** The desktop around the page: its application menu, and files that are opened from outside. */
  readonly desktop?: Desktop;
  /** Opens a view of a machine in a window of its own; undefined where there are no windows. */
  openWindow?(search: string): void;
  /** Shows a VM's folder in the desktop's file manager, where there is one. */
  revealFolder?(vm: string): void;
}
