import type { Helper } from './helpers.ts';

/** Functions of assembly/fpu/ that texts call. */
export const fpuHelpers = {} as const satisfies Record<string, Helper>;
