/** `strate qmp VM`: QEMU's machine protocol on standard input and output. */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { strateVersion } from '../process/installation.node.ts';
import { withMachine } from './library-access.node.ts';
import type { Doing } from './main.node.ts';
import { QmpSession } from './qmp.ts';

export function addQmpCommand(program: Command, does: Doing): void {
  program
    .command('qmp')
    .description("QEMU's machine protocol on standard input and output, for scripts that know it")
    .argument('<vm>')
    .action(
      does((vm: string) =>
        withMachine(vm, async (machine) => {
          const session = new QmpSession({
            machine,
            version: strateVersion(),
            write: (line) => void process.stdout.write(`${line}\n`),
            save: (path, bytes) => writeFileSync(path, bytes),
            now: () => Date.now(),
          });
          const input = createInterface({ input: process.stdin });
          void machine.closed.then(() => input.close());
          for await (const line of input) if (line.trim() !== '') await session.line(line);
        }),
      ),
    );
}
