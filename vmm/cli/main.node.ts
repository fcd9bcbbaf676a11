/** The `strate` command. Each group of subcommands adds itself to the program. */
import { Command, CommanderError } from 'commander';
import { strateVersion } from '../process/installation.node.ts';
import { exitStatus } from './exit-status.ts';
import { failure } from './output.node.ts';
import { addImgCommands } from './img-commands.node.ts';
import { addLaterCommands } from './later-commands.node.ts';
import { addLibraryCommands } from './library-commands.node.ts';
import { addMachineCommands } from './machine-commands.node.ts';
import { addNetworkCommands } from './network-commands.node.ts';
import { addRun } from './run-command.node.ts';
import { addSnapshotCommands } from './snapshot-commands.node.ts';
import { addServe } from './serve.node.ts';

/** Sets the process's exit status; ends the process, since a machine's threads may be in the middle of something. */
export async function main(argv: readonly string[]): Promise<void> {
  let status: number = exitStatus.poweredOff;
  const program = new Command('strate')
    .description('Virtual machines: a whole PC in TypeScript and WebAssembly')
    .version(strateVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .showSuggestionAfterError()
    // One line, the suggestion in it.
    .configureOutput({
      outputError: (message, write) =>
        write(
          `${message
            .trim()
            .replace(/^error: /, 'strate: ')
            .replaceAll('\n', ' ')}\n`,
        ),
    })
    .exitOverride();
  const does =
    <A extends unknown[]>(work: (...args: A) => Promise<unknown>) =>
    async (...args: A): Promise<void> => {
      const result = await work(...args);
      if (typeof result === 'number') status = result;
    };
  addRun(program, does);
  addLibraryCommands(program, does);
  addMachineCommands(program, does);
  addNetworkCommands(program, does);
  addSnapshotCommands(program, does);
  addServe(program, does);
  addImgCommands(program, does);
  addLaterCommands(program, does);
  for (const command of program.commands) command.copyInheritedSettings(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) status = error.exitCode === 0 ? exitStatus.poweredOff : exitStatus.badUsage;
    else status = failure(error);
  }
  process.exitCode = status;
  if (process.stdout.writableLength === 0) process.exit(status);
  process.stdout.once('drain', () => process.exit(status));
}

/** Makes an action of a function that returns an exit status, or anything else for success. */
export type Doing = <A extends unknown[]>(work: (...args: A) => Promise<unknown>) => (...args: A) => Promise<void>;
