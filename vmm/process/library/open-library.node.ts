/** A library with everything that serves it: for `strate serve` and the desktop application. */
import type { LogRecord } from '../../base/log.ts';
import { createLog } from '../../base/log.ts';
import { strateVersion } from '../installation.node.ts';
import { guestSource } from './guests.node.ts';
import { type Launcher, nodeLauncher } from './launcher.node.ts';
import { Library } from './library.node.ts';
import type { LibraryServices } from './library-handlers.node.ts';
import { cacheDirectory, libraryDirectory } from './locations.node.ts';
import { Store } from './store.node.ts';
import { Uploads } from './uploads.node.ts';

export interface LibraryOptions {
  readonly root?: string;
  readonly launcher?: Launcher;
  readonly onLog: (record: LogRecord) => void;
}

/** Reads the library, goes on watching it, and starts the machines that are marked for it. @throws VmmError `host` */
export async function openLibrary({ root = libraryDirectory(), launcher = nodeLauncher(), onLog }: LibraryOptions): Promise<LibraryServices> {
  const log = createLog('library', onLog);
  const library = new Library({ store: new Store(root), launcher, log });
  await library.refresh();
  library.watch();
  return { library, uploads: new Uploads(library.store.root), guests: guestSource(cacheDirectory()), version: strateVersion(), log };
}

/** Starts the machines that are marked to start with the library, one after the other. */
export async function autostart({ library, log }: LibraryServices): Promise<void> {
  for (const vm of library.list()) {
    if (!vm.autostart || vm.state !== 'off') continue;
    try {
      await library.start(vm.id, { paused: false });
    } catch (error) {
      log.error(`${vm.name} did not start by itself`, { error: error instanceof Error ? error.message : String(error) });
    }
  }
}
