/** The library: list, create, show, set, delete, clone, import, trash, try. */
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { cacheDirectory } from '../process/library/locations.node.ts';
import { findGuest, guestSource, listGuests } from '../process/library/guests.node.ts';
import { cloneVm, createVm, importMedium, tryGuest } from '../process/library/make-vm.node.ts';
import type { VmConfig } from '../protocol/config.ts';
import { findVm, withLibrary } from './library-access.node.ts';
import type { Doing } from './main.node.ts';
import { ownJob } from './own-job.node.ts';
import { parseSize, usage } from './option-values.ts';
import { complain, print, printable, say, table } from './output.node.ts';
import { resolveRun } from './resolve-config.node.ts';
import { addRunOptions } from './run-option-parser.node.ts';
import { newDraft } from './run-settings.ts';

export function addLibraryCommands(program: Command, does: Doing): void {
  program
    .command('list')
    .description('the machines of the library')
    .option('--json', 'as JSON')
    .action(
      does(({ json }: { json?: boolean }) =>
        withLibrary((library) => {
          const vms = library.list();
          if (json === true) print(JSON.stringify(vms, undefined, 2));
          else if (vms.length > 0)
            print(table([['NAME', 'STATE', 'MEMORY', 'ID'], ...vms.map((vm) => [printable(vm.name), vm.state, `${vm.memory} MiB`, vm.id])]));
        }),
      ),
    );

  const create = program.command('create').description('make a machine; takes the options of run that describe it').argument('<name>');
  const draft = newDraft();
  addRunOptions(create, draft, ['machine', 'boot', 'drives', 'devices']);
  create.option('--disk <size>', 'a new, empty disk of that size, such as 10G').action(
    does((name: string, { disk }: { disk?: string }) =>
      withLibrary(async (library) => {
        const { config, warnings = [] } = await resolveRun({ ...draft, config: { ...draft.config, name } });
        for (const warning of warnings) complain(warning);
        const drives = config.drives.map((drive) => ({ ...drive, file: drive.file === null ? null : resolve(drive.file) }));
        const disks = disk === undefined ? [] : [{ drive: 'hda', size: parseSize(disk, '--disk'), format: 'raw' as const }];
        const described: Partial<VmConfig> = { ...config, drives };
        delete described.id; // of the run that it is not
        if (draft.config.display === undefined) delete described.display;
        const entry = await createVm(library, described, disks);
        print(entry.id);
      }),
    ),
  );

  program
    .command('import')
    .description('make a machine of a disk, CD or floppy image')
    .argument('<file>')
    .option('--name <name>', 'name of the machine')
    .option('--in-place', 'use the file where it lies instead of a copy')
    .option('--start', 'start it')
    .action(
      does((file: string, options: { name?: string; inPlace?: boolean; start?: boolean }) =>
        withLibrary(async (library) => {
          const source = { path: file, name: basename(file), uploaded: false };
          const entry = await importMedium(library, source, { name: options.name, copy: options.inPlace !== true, changes: {} }, ownJob());
          if (options.start === true) await library.start(entry.id, { paused: false });
          print(entry.id);
        }),
      ),
    );

  program
    .command('show')
    .description('the configuration and state of a machine, as JSON')
    .argument('<vm>')
    .action(
      does((vm: string) =>
        withLibrary(async (library) => {
          const entry = await findVm(library, vm);
          print(JSON.stringify({ ...entry.summary(), config: entry.config }, undefined, 2));
        }),
      ),
    );

  program
    .command('set')
    .description('change settings: name=value, cpu.count=2, tags=\'["dos"]\'; an empty value takes one back to its default')
    .argument('<vm>')
    .argument('<settings...>')
    .action(
      does((vm: string, settings: string[]) =>
        withLibrary(async (library) => {
          const entry = await findVm(library, vm);
          const { nextStart } = await library.configure(entry.id, changesOf({ ...entry.config }, settings));
          if (nextStart.length > 0) say(`takes effect at the next start: ${nextStart.join(', ')}`);
        }),
      ),
    );

  program
    .command('delete')
    .description('move a machine to the trash')
    .argument('<vm>')
    .action(does((vm: string) => withLibrary(async (library) => library.trash((await findVm(library, vm)).id))));

  program
    .command('clone')
    .description('copy a machine with its disks')
    .argument('<vm>')
    .argument('[name]')
    .option('--linked', 'its disks are differences to this one’s (default: of a template)')
    .option('--full', 'its disks are copies')
    .action(
      does((vm: string, name: string | undefined, { linked, full }: { linked?: boolean; full?: boolean }) =>
        withLibrary(async (library) =>
          print((await cloneVm(library, await findVm(library, vm), { name, linked: full === true ? false : linked }, ownJob())).id),
        ),
      ),
    );

  addTrash(program, does);
  addTry(program, does);
}

function addTrash(program: Command, does: Doing): void {
  const trash = program.command('trash').description('deleted machines');
  trash
    .command('list')
    .description('what is in the trash')
    .action(
      does(() =>
        withLibrary((library) => {
          const vms = library.store.trashed();
          if (vms.length > 0)
            print(table([['NAME', 'DELETED', 'ID'], ...vms.map((vm) => [printable(vm.name), new Date(vm.deleted).toISOString(), vm.id])]));
        }),
      ),
    );
  trash
    .command('restore')
    .description('take a machine out of the trash')
    .argument('<id>')
    .action(does((id: string) => withLibrary(async (library) => print((await library.restore(id)).id))));
  trash
    .command('purge')
    .description('delete one machine in the trash, or all of them, for ever')
    .argument('[id]')
    .action(does((id?: string) => withLibrary((library) => library.purge(id))));
}

function addTry(program: Command, does: Doing): void {
  program
    .command('try')
    .description('fetch a small guest, make a machine of it and start it; without a name: what there is')
    .argument('[guest]')
    .action(
      does((id?: string) =>
        withLibrary(async (library) => {
          const source = guestSource(cacheDirectory());
          if (id === undefined) {
            const rows = listGuests(source).map((guest) => [guest.id, guest.available ? guest.description : (guest.help ?? '')]);
            print(table(rows));
            return;
          }
          const entry = await tryGuest(library, source, findGuest(id), ownJob());
          await library.start(entry.id, { paused: false });
          print(entry.id);
        }),
      ),
    );
}

/** `cpu.count=2` on top of the present configuration -> the top-level fields that change. */
export function changesOf(config: Readonly<Record<string, unknown>>, settings: readonly string[]): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw usage(`${JSON.stringify(setting)} must be name=value`);
    const [top = '', ...path] = setting.slice(0, equals).split('.');
    const last = path.pop();
    const value = valueOf(setting.slice(equals + 1));
    if (last === undefined) {
      changes[top] = value;
      continue;
    }
    const copy = structuredClone(changes[top] ?? config[top] ?? {}) as Record<string, unknown>;
    let at = copy;
    for (const key of path) at = (at[key] ??= {}) as Record<string, unknown>;
    if (value === null) Reflect.deleteProperty(at, last);
    else at[last] = value;
    changes[top] = copy;
  }
  return changes;
}

/** JSON where it is JSON, text otherwise; nothing: the default. */
function valueOf(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
