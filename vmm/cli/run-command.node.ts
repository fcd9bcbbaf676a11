/** `strate run`: its options from the table, its action. */
import type { Command } from 'commander';
import { join } from 'node:path';
import { CONFIG_FILE, readConfig } from '../process/vm-folder.node.ts';
import type { Doing } from './main.node.ts';
import { resolveRun } from './resolve-config.node.ts';
import { addRunOptions } from './run-option-parser.node.ts';
import { runMachine } from './run.node.ts';
import { newDraft } from './run-settings.ts';

export function addRun(program: Command, does: Doing): void {
  const run = program
    .command('run')
    .description('run a machine in this process until it powers off')
    .argument('[vm]', 'a machine of the library, by name or id, or the folder of one');
  const draft = newDraft();
  addRunOptions(run, draft, ['machine', 'boot', 'drives', 'devices', 'run']);
  run.option('--verbose', 'print warnings of the machine').action(
    does(async (name: string | undefined, { verbose }: { verbose?: boolean }) => {
      const settings = { draft, verbose: verbose === true };
      if (name === undefined) return runMachine({ ...settings, resolved: await resolveRun(draft) });
      const { findVm, withLibrary } = await import('./library-access.node.ts');
      const folder = await withLibrary(async (library) => (await findVm(library, name)).directory);
      const base = { config: readConfig(join(folder, CONFIG_FILE)), directory: folder };
      return runMachine({ ...settings, folder, resolved: await resolveRun(draft, base) });
    }),
  );
}
