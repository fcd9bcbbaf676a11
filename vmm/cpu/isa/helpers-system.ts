import type { Helper } from './helpers.ts';

/** Functions of assembly/system/ that texts call. */
export const systemHelpers = {} as const satisfies Record<string, Helper>;
