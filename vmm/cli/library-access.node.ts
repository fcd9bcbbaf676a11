/** Commands work on the library's folder itself; no server is needed. */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { Library } from '../process/library/library.node.ts';
import { nodeLauncher } from '../process/library/launcher.node.ts';
import { libraryDirectory } from '../process/library/locations.node.ts';
import { connectMachine } from '../process/library/machine-link.node.ts';
import { Store } from '../process/library/store.node.ts';
import type { VmEntry } from '../process/library/vm-entry.node.ts';
import { runStateOf } from '../process/run-record.node.ts';
import { CONFIG_FILE } from '../process/vm-folder.node.ts';
import type { Client } from '../protocol/client.ts';

/** Does something with the library, then lets go of it. Machines run on. */
export async function withLibrary<T>(work: (library: Library) => Promise<T> | T): Promise<T> {
  const library = new Library({ store: new Store(libraryDirectory()), launcher: nodeLauncher(), log: silentLog });
  try {
    await library.refresh();
    return await work(library);
  } finally {
    await library.close();
  }
}

/** A VM by id, name, or its folder wherever that lies. @throws VmmError `not-found`, `usage` */
export async function findVm(library: Library, ref: string): Promise<VmEntry> {
  const folder = vmFolder(ref);
  if (folder === undefined) return library.find(ref);
  const known = library.list().find(({ directory }) => directory === folder);
  return known === undefined ? library.entryOf(library.store.open(folder).directory) : library.find(known.id);
}

/** The folder that a path-like argument names, if it is that of a VM. */
export function vmFolder(ref: string): string | undefined {
  const folder = resolve(ref);
  return /[/\\]/.test(ref) && existsSync(join(folder, CONFIG_FILE)) ? folder : undefined;
}

/**
 * Speaks to a running machine: one of the library, one whose folder is given, or any by the path of its control socket.
 * @throws VmmError `state` when it does not run.
 */
export async function withMachine<T>(ref: string, work: (machine: Client<'machine'>) => Promise<T>): Promise<T> {
  if (statSync(ref, { throwIfNoEntry: false })?.isSocket() === true) return speak(ref, work);
  const folder = vmFolder(ref) ?? (await withLibrary((library) => library.find(ref).directory));
  const state = runStateOf(folder);
  if (state.state !== 'running') throw new VmmError('state', `${ref} is not running; start it with strate start`);
  return speak(state.run.socket, work);
}

async function speak<T>(socket: string, work: (machine: Client<'machine'>) => Promise<T>): Promise<T> {
  const machine = await connectMachine(socket);
  try {
    return await work(machine);
  } finally {
    machine.close();
  }
}
