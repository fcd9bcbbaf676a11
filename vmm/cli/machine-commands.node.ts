/** Machines that run: start, stop, pause, look, type, change media, raw calls. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { VmmError } from '../base/errors.ts';
import type { Client } from '../protocol/client.ts';
import { layouts } from '../protocol/layouts.ts';
import { machineMethods, type MachineMethods } from '../protocol/methods.ts';
import { findVm, withLibrary, withMachine } from './library-access.node.ts';
import type { Doing } from './main.node.ts';
import { parseInteger, parseSeconds, usage } from './option-values.ts';
import { print, printable } from './output.node.ts';

/** Commands that are one call of one method. */
const simple = {
  stop: 'machine.powerOff',
  pause: 'machine.pause',
  resume: 'machine.resume',
  reset: 'machine.reset',
  'power-button': 'machine.powerButton',
} as const;

export function addMachineCommands(program: Command, does: Doing): void {
  program
    .command('start')
    .description('start a machine in a process of its own')
    .argument('<vm>')
    .option('--headless', 'open no window (there is none yet)')
    .option('--paused', 'do not let it run yet')
    .action(
      does((vm: string, { paused }: { paused?: boolean }) =>
        withLibrary(async (library) => library.start((await findVm(library, vm)).id, { paused: paused === true })),
      ),
    );

  for (const [name, method] of Object.entries(simple)) {
    program
      .command(name)
      .description(lowerFirst(machineMethods[method].summary))
      .argument('<vm>')
      .action(
        does((vm: string) =>
          withMachine(vm, async (machine) => {
            await machine.call(method, {});
            if (method === 'machine.powerOff') await machine.closed; // the next command finds it off
          }),
        ),
      );
  }

  program
    .command('screen')
    .description('what is on the screen: its text, or a picture')
    .argument('<vm>')
    .option('--png <file>', 'save a picture')
    .option('--text', 'print the text (default)')
    .action(
      does((vm: string, { png }: { png?: string }) =>
        withMachine(vm, (machine) => (png === undefined ? printScreen(machine) : savePicture(machine, png))),
      ),
    );

  program
    .command('type')
    .description('type text into the guest')
    .argument('<vm>')
    .argument('<text>', '\\n is Enter, \\t Tab, \\\\ a backslash')
    .option('--layout <name>', `keyboard layout that the guest uses: ${Object.keys(layouts).join(', ')}`, 'us')
    .action(
      does((vm: string, text: string, { layout }: { layout: string }) =>
        withMachine(vm, async (machine) => {
          const { skipped } = await machine.call('input.type', { text: unescape(text), layout });
          if (skipped !== '') throw usage(`not on the keyboard layout ${layout}, left out: ${printable(skipped)}`);
        }),
      ),
    );

  program
    .command('keys')
    .description('press keys: ctrl+alt+delete, f1, ...')
    .argument('<vm>')
    .argument('<keys...>')
    .action(does((vm: string, keys: string[]) => withMachine(vm, (machine) => machine.call('input.keys', { keys }))));

  program
    .command('wait')
    .description('wait until a text appears; prints its line')
    .argument('<vm>')
    .requiredOption('--text <regexp>', 'what to wait for')
    .option('--serial <port>', 'on serial port 1 to 4 instead of the screen')
    .option('--timeout <seconds>', 'give up after that time, with status 124', '60')
    .action(
      does((vm: string, { text, serial, timeout }: { text: string; serial?: string; timeout: string }) =>
        withMachine(vm, async (machine) => {
          const port = serial === undefined ? {} : { serial: parseInteger(serial, '--serial', 1, 4) - 1 };
          print(printable((await machine.call('screen.wait', { pattern: text, timeout: parseSeconds(timeout, '--timeout'), ...port })).line));
        }),
      ),
    );

  program
    .command('media')
    .description('change the medium in a drive; without a file: what is in the drives')
    .argument('<vm>')
    .argument('[drive]')
    .argument('[file]')
    .option('--eject', 'take it out')
    .option('--force', 'even if the guest has locked the tray')
    .option('--read-only', 'write-protect the medium')
    .action(
      does((vm: string, drive: string | undefined, file: string | undefined, options: { eject?: boolean; force?: boolean; readOnly?: boolean }) =>
        withMachine(vm, async (machine) => {
          if (drive === undefined) {
            for (const one of (await machine.call('media.list', {})).drives)
              print(`${one.id}: ${one.file ?? '(empty)'}${one.readOnly ? ' (read-only)' : ''}`);
          } else if (options.eject === true) await machine.call('media.eject', { drive, force: options.force === true });
          else if (file === undefined) throw usage('media: name a file, or --eject');
          else await machine.call('media.insert', { drive, file: resolve(file), readOnly: options.readOnly === true });
        }),
      ),
    );

  program
    .command('log')
    .description('the log of the last run')
    .argument('<vm>')
    .option('-n, --lines <n>', 'so many lines', '200')
    .action(
      does((vm: string, { lines }: { lines: string }) =>
        withLibrary(async (library) => {
          for (const line of (await findVm(library, vm)).log(parseInteger(lines, '--lines', 1, 100_000))) print(printable(line));
        }),
      ),
    );

  program
    .command('ctl')
    .description('raw call of a protocol method (docs/protocol.md); prints the result as JSON')
    .argument('<vm>')
    .argument('<method>')
    .argument('[json]', 'parameters', '{}')
    .action(
      does((vm: string, method: string, json: string) =>
        withMachine(vm, async (machine) => {
          if (!Object.hasOwn(machineMethods, method))
            throw new VmmError('usage', `there is no method ${JSON.stringify(method)}; there are ${Object.keys(machineMethods).join(', ')}`);
          const name = method as keyof MachineMethods;
          print(JSON.stringify(await machine.call(name, parseJson(json)), undefined, 2));
        }),
      ),
    );
}

async function printScreen(machine: Client<'machine'>): Promise<void> {
  const screen = await machine.call('screen.text', {});
  if (!screen.text) throw new VmmError('state', 'the screen is in a graphics mode; use --png FILE');
  for (const line of screen.lines) print(printable(line));
}

async function savePicture(machine: Client<'machine'>, file: string): Promise<void> {
  const { png } = await machine.call('screen.screenshot', {});
  writeFileSync(file, Buffer.from(png, 'base64'));
}

/** Escapes that a shell makes awkward to type. */
function unescape(text: string): string {
  const meanings: Readonly<Record<string, string>> = { n: '\n', t: '\t', e: '\u001b', b: '\b', '\\': '\\' };
  return text.replaceAll(/\\(.)/g, (whole, letter: string) => meanings[letter] ?? whole);
}

function parseJson(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // the same answer
  }
  throw usage(`parameters must be a JSON object, not ${text}`);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
