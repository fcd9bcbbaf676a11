import type { ResultOf } from '../../vmm/protocol/method.ts';
import type { LibraryMethods } from '../../vmm/protocol/methods.ts';

/** A system that the server knows, with the hardware that suits it. */
export type Template = ResultOf<LibraryMethods['templates.list']>['templates'][number];

export function systemTitle(templates: readonly Template[], id: string): string {
  return templates.find((template) => template.id === id)?.title ?? id;
}

/** Choices for a field whose present value may be one that no template names. */
export function systemChoices(templates: readonly Template[], current: string): readonly { id: string; title: string }[] {
  const known = templates.map(({ id, title }) => ({ id, title }));
  return known.some(({ id }) => id === current) ? known : [...known, { id: current, title: current }];
}

/** What stands on the screen of a machine that has shown no picture yet: the prompt that people know of it. */
const marks: readonly (readonly [RegExp, string])[] = [
  [/dos/, 'C:\\>'],
  [/windows/, '▚'],
  [/linux|debian/, '$ _'],
  [/bsd/, '% _'],
];

export function systemMark(id: string): string {
  return marks.find(([sign]) => sign.test(id))?.[1] ?? '> _';
}
