/** Reads what a machine starts from, so that a missing file is an error before anything begins. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EffectsTable } from '../cpu/isa/effects-table.ts';
import type { EngineBinaries } from '../accel/wasm/engine.ts';
import { VmmError } from '../base/errors.ts';
import type { BootFiles } from '../machine/boot/boot-plan.ts';
import type { VmConfig } from '../protocol/config.ts';
import { installationRoot } from './installation.node.ts';
import { reasonOf, resolveIn } from './vm-folder.node.ts';

/** @throws VmmError `not-found` */
export function readBootFiles({ kernel }: VmConfig, directory: string): BootFiles | undefined {
  if (kernel === undefined) return undefined;
  const read = (field: string, name: string) => {
    const path = resolveIn(directory, name);
    try {
      return { name, data: new Uint8Array(readFileSync(path)) };
    } catch (error) {
      throw new VmmError('not-found', `${field} ${path}: ${reasonOf(error)}`, { path }, error);
    }
  };
  return {
    kernel: read('kernel', kernel.file),
    ...(kernel.initrd !== undefined && { initrd: read('initrd', kernel.initrd) }),
    append: kernel.append,
    modules: kernel.modules.map(({ file, args }) => ({ ...read('module', file), args })),
  };
}

/**
 * The compiled parts of the CPU engine. In a source checkout they are built when they are older than their sources.
 * @throws VmmError `not-found` when they are missing from an installation.
 */
export async function engineBinaries(root: string = installationRoot()): Promise<EngineBinaries> {
  const builder = join(root, 'build', 'engine.node.ts');
  if (existsSync(builder)) {
    const build = (await import(pathToFileURL(builder).href)) as { engineModules(): Promise<EngineBinaries> };
    return build.engineModules();
  }
  const read = (name: string) => {
    const path = join(root, 'dist', 'engine', name);
    try {
      return new Uint8Array(readFileSync(path));
    } catch (error) {
      throw new VmmError('not-found', `${path}: ${reasonOf(error)}; install Strate again`, { path }, error);
    }
  };
  return {
    guestMemory: read('guest-memory.wasm'),
    system: read('system.wasm'),
    interpreter: read('interpreter.wasm'),
    effects: JSON.parse(new TextDecoder().decode(read('effects.json'))) as EffectsTable,
  };
}
