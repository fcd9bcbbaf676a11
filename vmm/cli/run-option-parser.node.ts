import { type Command, Option } from 'commander';
import { VmmError } from '../base/errors.ts';
import { type RunOption, runOptions } from './run-options.ts';
import type { RunDraft } from './run-settings.ts';

const groups: Readonly<Record<RunOption['group'], string>> = {
  machine: 'Machine:',
  boot: 'Start:',
  drives: 'Drives:',
  devices: 'Devices:',
  run: 'This run:',
};

/** Gives a command the options of some groups; they write into `draft` as they are parsed. */
export function addRunOptions(command: Command, draft: RunDraft, chosen: readonly RunOption['group'][]): void {
  for (const option of runOptions.filter(({ group }) => chosen.includes(group))) {
    let given = 0;
    const parse = (value: string) => {
      if (++given > 1 && option.repeatable !== true) throw new VmmError('usage', `${option.flags.split(' ')[0]!} is given twice`);
      option.apply(draft, value);
    };
    const described = new Option(option.flags, option.summary + (option.repeatable ? '; repeatable' : '')).helpGroup(groups[option.group]);
    const takesValue = option.flags.includes('<');
    command.addOption(takesValue ? described.argParser(parse) : described);
    if (!takesValue) command.on(`option:${described.name()}`, () => parse(''));
  }
}
