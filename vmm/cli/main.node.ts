/** The `strate` command. Each group of subcommands adds itself to the program. */
import { Command, CommanderError } from 'commander';
import { strateVersion } from '../process/installation.node.ts';
import { exitStatus } from './exit-status.ts';
import { failure } from './output.node.ts';
import { addRun } from './run-command.node.ts';

/** What commander complains of, its suggestion included. */
const oneLine = (message: string): string =>
  message
    .trim()
    .replace(/^error: /, 'strate: ')
    .replaceAll('\n', ' ');

/** Sets the process's exit status; ends the process, since a machine's threads may be in the middle of something. */
export async function main(argv: readonly string[]): Promise<void> {
  let status: number = exitStatus.poweredOff;
  const program = new Command('strate')
    .description('Virtual machines: a whole PC in TypeScript and WebAssembly')
    .version(strateVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .showSuggestionAfterError()
    .configureOutput({ outputError: (message, write) => write(`${oneLine(message)}\n`) })
    .exitOverride();
  const does =
    <A extends unknown[]>(work: (...args: A) => Promise<unknown>) =>
    async (...args: A): Promise<void> => {
      const result = await work(...args);
      if (typeof result === 'number') status = result;
    };
  addRun(program, does);
  // A machine is to start soon: what other commands need is not loaded for it.
  if (argv[0] !== 'run') (await import('./other-commands.node.ts')).addOtherCommands(program, does);
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
