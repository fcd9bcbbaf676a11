/** `strate run`: its options from the table, its action. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { VmmError } from '../base/errors.ts';
import type { Doing } from './main.node.ts';
import { resolveRun } from './resolve-config.node.ts';
import { runMachine } from './run.node.ts';
import { runOptions } from './run-options.ts';
import { newDraft } from './run-settings.ts';

const groups: Readonly<Record<(typeof runOptions)[number]['group'], string>> = {
  machine: 'Machine:',
  boot: 'Start:',
  drives: 'Drives:',
  devices: 'Devices:',
  run: 'This run:',
};

export function addRun(program: Command, does: Doing): void {
  const run = program
    .command('run')
    .description('run a machine in this process until it powers off')
    .argument('[vm]', 'a machine of the library, by name or id, or the folder of one');
  const draft = newDraft();
  let verbose = false;
  for (const option of runOptions) {
    let given = 0;
    const parse = (value: string) => {
      if (++given > 1 && option.repeatable !== true) throw new VmmError('usage', `${option.flags.split(' ')[0]!} is given twice`);
      option.apply(draft, value);
    };
    const described = new Option(option.flags, option.summary + (option.repeatable ? '; repeatable' : ''))
      .helpGroup(groups[option.group])
      .argParser(parse);
    run.addOption(described);
    if (!option.flags.includes('<')) run.on(`option:${described.name()}`, () => parse(''));
  }
  run.option('--verbose', 'print warnings of the machine', () => (verbose = true));
  run.action(
    does(async () => {
      return runMachine({ resolved: await resolveRun(draft), draft, verbose });
    }),
  );
}
