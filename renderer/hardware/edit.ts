import { checkConfig, type VmConfig } from '../../vmm/protocol/config.ts';
import type { Issue } from '../../vmm/protocol/issues.ts';

/** The top-level fields of `after` that differ, as `vm.configure` takes them. */
export function changesBetween(before: VmConfig, after: VmConfig): Partial<VmConfig> {
  const keys = Object.keys(after) as (keyof VmConfig)[];
  return Object.fromEntries(keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key])).map((key) => [key, after[key]]));
}

/** What is wrong, for the field it belongs to: `issueFor(issues, 'drives[0].file')`; a field also shows what is wrong inside it. */
export function issueFor(issues: readonly Issue[], field: string): string | undefined {
  return issues.find((issue) => issue.field === field || issue.field.startsWith(`${field}.`) || issue.field.startsWith(`${field}[`))?.message;
}

export function issuesOf(config: VmConfig): readonly Issue[] {
  const check = checkConfig(config);
  return check.ok ? [] : check.issues;
}

/** Tags as a person types them: separated by commas, each once. */
export function parseTags(text: string): string[] {
  return [...new Set(text.split(',').map((tag) => tag.trim()))].filter((tag) => tag !== '');
}

/** What a section of the form is given. */
export interface SectionProps {
  readonly config: VmConfig;
  readonly edit: (change: Partial<VmConfig>) => void;
  /** What is wrong with a field, if anything. */
  readonly issue: (field: string) => string | undefined;
}
