/** zod's findings in the words of a person: one line each, with the name of the field. */
import type { z } from 'zod';

export interface Issue {
  /** `drives[1].file`; empty for the whole. */
  readonly field: string;
  readonly message: string;
}

export function issueLine(issue: Issue): string {
  return issue.field === '' ? issue.message : `${issue.field}: ${issue.message}`;
}

export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => (typeof key === 'number' ? `${name}[${key}]` : name === '' ? String(key) : `${name}.${String(key)}`), '');
}

export function describeIssues(error: z.ZodError, unknownKey = 'there is no such setting'): Issue[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ field: fieldName([...issue.path, key]), message: unknownKey }));
    return [{ field: fieldName(issue.path), message: messageOfIssue(issue) }];
  });
}

function messageOfIssue(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined && issue.message.endsWith('received undefined')) return 'is missing';
      return issue.message.startsWith('Invalid input') ? `must be ${withArticle(issue.expected)}` : issue.message;
    case 'invalid_value':
      return `must be ${listOf(issue.values.map(String))}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options) ? `must be ${listOf(issue.options.map(String))}` : issue.message;
    case 'too_small':
      return issue.message.startsWith('Too small') ? measure(issue.origin, `at least ${issue.minimum}`) : issue.message;
    case 'too_big':
      return issue.message.startsWith('Too big') ? measure(issue.origin, `at most ${issue.maximum}`) : issue.message;
    default:
      return issue.message;
  }
}

function measure(origin: string, bound: string): string {
  if (origin === 'string') return `must have ${bound} characters`;
  if (origin === 'array') return `must have ${bound} entries`;
  return `must be ${bound}`;
}

function withArticle(type: string): string {
  if (type === 'int') return 'a whole number';
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type === 'record' ? 'object' : type}`;
}

function listOf(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)!}`;
}
