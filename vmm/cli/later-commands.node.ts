/** Commands that are part of the contract (cli.md) and come with a later version: known, and plainly refused. */
import type { Command } from 'commander';
import { VmmError } from '../base/errors.ts';
import type { Doing } from './main.node.ts';

const later = ['export'];

export function addLaterCommands(program: Command, does: Doing): void {
  for (const name of later) {
    program
      .command(name, { hidden: true })
      .allowUnknownOption()
      .allowExcessArguments()
      .argument('[arguments...]')
      .action(does(() => Promise.reject(new VmmError('unsupported', `strate ${name} is not available yet`))));
  }
}
