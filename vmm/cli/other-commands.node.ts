/** Every group of commands but `strate run`. */
import type { Command } from 'commander';
import { addImgCommands } from './img-commands.node.ts';
import { addLaterCommands } from './later-commands.node.ts';
import { addLibraryCommands } from './library-commands.node.ts';
import { addMachineCommands } from './machine-commands.node.ts';
import type { Doing } from './main.node.ts';
import { addNetworkCommands } from './network-commands.node.ts';
import { addQmpCommand } from './qmp-command.node.ts';
import { addServe } from './serve.node.ts';
import { addSnapshotCommands } from './snapshot-commands.node.ts';

export function addOtherCommands(program: Command, does: Doing): void {
  addLibraryCommands(program, does);
  addMachineCommands(program, does);
  addNetworkCommands(program, does);
  addQmpCommand(program, does);
  addSnapshotCommands(program, does);
  addServe(program, does);
  addImgCommands(program, does);
  addLaterCommands(program, does);
}
