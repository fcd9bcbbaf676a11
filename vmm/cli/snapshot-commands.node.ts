/** Snapshots: `strate snapshot take|list|restore|delete|name|diff|fork|verify|free`, and `strate save`. */
import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { VmmError } from '../base/errors.ts';
import type { Library } from '../process/library/library.node.ts';
import type { VmEntry } from '../process/library/vm-entry.node.ts';
import { freeSpace, librarySnapshotHandlers } from '../process/snapshots/library-snapshots.node.ts';
import type { SnapshotInfo } from '../protocol/snapshots.ts';
import { exportSnapshot, importSnapshot } from '../process/snapshots/transfer.node.ts';
import { libraryMethods, type LibraryMethods } from '../protocol/methods.ts';
import type { ParamsOf, ResultOf } from '../protocol/method.ts';
import { findVm, withLibrary } from './library-access.node.ts';
import type { Doing } from './main.node.ts';
import { ownJob } from './own-job.node.ts';
import { print, printable, say, table } from './output.node.ts';

type SnapshotMethod = Extract<keyof LibraryMethods, `snapshot.${string}` | `rewind.${string}` | 'vm.save' | 'vm.discardState' | 'vm.endUndo'>;

/** Calls a method of the library as a client of a server would. */
async function call<M extends SnapshotMethod>(
  library: Library,
  entry: VmEntry,
  name: M,
  params: Omit<ParamsOf<LibraryMethods[M]>, 'vm'>,
): Promise<ResultOf<LibraryMethods[M]>> {
  const method = libraryMethods[name];
  if (method.when !== undefined && !method.when.includes(entry.state))
    throw new VmmError('state', `${entry.name} is ${entry.state}; it must be ${method.when.join(' or ')}`);
  const handler = librarySnapshotHandlers(library)[name] as unknown as (checked: unknown) => Promise<ResultOf<LibraryMethods[M]>>;
  return handler(method.params.parse({ ...params, vm: entry.id }));
}

export function addSnapshotCommands(program: Command, does: Doing): void {
  program
    .command('save')
    .description('save the state of a running machine and end it; the next start goes on from there')
    .argument('<vm>')
    .action(
      does((vm: string) =>
        withLibrary(async (library) => {
          const entry = await findVm(library, vm);
          await call(library, entry, 'vm.save', {});
        }),
      ),
    );

  program
    .command('rewind')
    .description('put a running machine so many seconds back (its configuration must give it memory for that: rewind.budget)')
    .argument('<vm>')
    .argument('[seconds]', 'default: 10', '10')
    .option('--list', 'only tell how far back one can go')
    .action(
      does((vm: string, seconds: string, { list }: { list?: boolean }) =>
        withLibrary(async (library) => {
          const entry = await findVm(library, vm);
          const wanted = Number(seconds);
          if (!(wanted > 0)) throw new VmmError('usage', `${seconds} is no number of seconds`);
          const before = list === true ? await call(library, entry, 'rewind.info', {}) : await call(library, entry, 'rewind.step', { by: 0 });
          if (list === true) {
            print(
              `${((before.points[0]?.ago ?? 0) / 1000).toFixed(1)} s in ${before.points.length} points, ${mib(before.bytes)} of ${mib(before.budget)} MiB`,
            );
            return;
          }
          const back = before.points.filter(({ ago }) => ago < wanted * 1000).length;
          const { points, at } = await call(library, entry, 'rewind.step', { by: -back });
          await call(library, entry, 'rewind.release', {});
          say(`went back ${((points.find(({ number }) => number === at)?.ago ?? 0) / 1000).toFixed(1)} s`);
        }),
      ),
    );

  program
    .command('undo')
    .description('undo disks: decide about what was written since the session began')
    .argument('<vm>')
    .addArgument(new Argument('<action>').choices(['commit', 'discard']))
    .action(
      does((vm: string, action: 'commit' | 'discard') =>
        withLibrary(async (library) => {
          await call(library, await findVm(library, vm), 'vm.endUndo', { action });
          for (const job of library.jobs.list()) await library.jobs.wait(job.id);
        }),
      ),
    );

  const snapshot = program.command('snapshot').description('snapshots of a machine, running or not');
  const on = <A extends unknown[]>(work: (library: Library, entry: VmEntry, ...args: A) => Promise<unknown>) =>
    does((vm: string, ...args: A) => withLibrary(async (library) => work(library, await findVm(library, vm), ...args)));

  snapshot
    .command('take')
    .description('keep the machine as it is now')
    .argument('<vm>')
    .argument('[name]')
    .option('--description <text>', 'what it is')
    .action(
      on(async (library, entry, name: string | undefined, { description = '' }: { description?: string }) => {
        const taken = await call(library, entry, 'snapshot.take', { name, description });
        print(taken.snapshot.id);
        if (entry.state !== 'off') say(`the machine stood still for ${taken.pause.toFixed(1)} ms`);
      }),
    );
  snapshot
    .command('list')
    .description('the tree; * is where the present goes on from')
    .argument('<vm>')
    .option('--json', 'as JSON')
    .action(
      on(async (library, entry, { json }: { json?: boolean }) => {
        const tree = await call(library, entry, 'snapshot.list', {});
        if (json === true) print(JSON.stringify(tree, undefined, 2));
        else if (tree.snapshots.length > 0) print(table([['NAME', 'TAKEN', 'STATE', 'MIB', 'ID'], ...rowsOf(tree.snapshots, null, 0, tree.present)]));
      }),
    );
  snapshot
    .command('restore')
    .description('go to a snapshot; the present is kept as one first')
    .argument('<vm>')
    .argument('<snapshot>')
    .option('--drop-present', 'do not keep the present')
    .action(
      on(async (library, entry, ref: string, { dropPresent }: { dropPresent?: boolean }) => {
        const { before } = await call(library, entry, 'snapshot.goTo', { snapshot: ref, keepPresent: dropPresent !== true });
        if (before !== undefined) print(before);
      }),
    );
  snapshot
    .command('delete')
    .description('free a snapshot; its children become its parent’s')
    .argument('<vm>')
    .argument('<snapshots...>')
    .action(
      on(async (library, entry, refs: string[]) => {
        for (const ref of refs) await call(library, entry, 'snapshot.delete', { snapshot: ref });
        for (const job of library.jobs.list()) await library.jobs.wait(job.id);
      }),
    );
  snapshot
    .command('name')
    .description('name, describe or pin a snapshot')
    .argument('<vm>')
    .argument('<snapshot>')
    .argument('[name]')
    .option('--description <text>', 'what it is')
    .option('--pin', 'never thin it')
    .option('--unpin', 'thin it as it ages')
    .action(
      on(async (library, entry, ref: string, name: string | undefined, options: { description?: string; pin?: boolean; unpin?: boolean }) => {
        const pinned = options.pin === true ? true : options.unpin === true ? false : undefined;
        await call(library, entry, 'snapshot.edit', { snapshot: ref, name, description: options.description, pinned });
      }),
    );
  snapshot
    .command('diff')
    .description('how much memory and disk changed since another snapshot (default: its parent)')
    .argument('<vm>')
    .argument('<snapshot>')
    .argument('[other]')
    .action(
      on(async (library, entry, ref: string, other: string | undefined) => {
        const { memory, disks } = await call(library, entry, 'snapshot.diff', { snapshot: ref, other });
        if (memory !== null) print(`memory: ${mib(memory.changed)} of ${mib(memory.total)} MiB`);
        for (const { drive, changed, total } of disks) print(`${drive}: ${mib(changed)} of ${mib(total)} MiB`);
      }),
    );
  snapshot
    .command('fork')
    .description('a second machine from this instant, or from a snapshot')
    .argument('<vm>')
    .argument('[name]')
    .option('--snapshot <snapshot>', 'from this one')
    .option('--no-start', 'do not start it')
    .action(
      on(async (library, entry, name: string | undefined, options: { snapshot?: string; start: boolean }) => {
        const { vm } = await call(library, entry, 'snapshot.fork', { name, snapshot: options.snapshot, start: options.start });
        print(vm.id);
      }),
    );
  snapshot
    .command('export')
    .description('write one snapshot as one file')
    .argument('<vm>')
    .argument('<snapshot>')
    .argument('<file>')
    .action(
      on(async (_library, entry, ref: string, file: string) => {
        const { bytes } = await exportSnapshot(entry, ref, resolve(file), ownJob());
        say(`${mib(bytes)} MiB`);
      }),
    );
  snapshot
    .command('import')
    .description('make a machine of an exported snapshot; it goes on from there')
    .argument('<file>')
    .argument('[name]')
    .action(
      does((file: string, name?: string) => withLibrary(async (library) => print((await importSnapshot(library, resolve(file), name, ownJob())).id))),
    );
  snapshot
    .command('verify')
    .description('compare every stored page with its checksum')
    .argument('<vm>')
    .action(
      on(async (library, entry) => {
        const { problems, pages, bytes } = await call(library, entry, 'snapshot.verify', {});
        for (const problem of problems) print(problem);
        say(`${pages} pages, ${mib(bytes)} MiB, ${problems.length} problems`);
        return problems.length > 0 ? 1 : 0;
      }),
    );
  snapshot
    .command('free')
    .description('merge images that nobody needs apart and give back pages that nothing refers to')
    .argument('<vm>')
    .action(on(async (library, entry) => say(`${mib((await freeSpace(library, entry)).freed)} MiB of pages freed`)));
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function rowsOf(snapshots: readonly SnapshotInfo[], parent: string | null, depth: number, present: string | null): string[][] {
  return snapshots
    .filter((one) => one.parent === parent)
    .flatMap((one) => [
      [
        `${'  '.repeat(depth)}${printable(one.name)}${one.id === present ? ' *' : ''}`,
        new Date(one.created).toISOString().slice(0, 19),
        one.live ? 'running' : 'off',
        mib(one.bytes),
        one.id.slice(0, 8),
      ],
      ...rowsOf(snapshots, one.id, depth + 1, present),
    ]);
}
