/** Every encoding the decoder knows. Owners of instruction groups add their list here. */
import type { Encoding } from './encoding.ts';

export const encodings: readonly Encoding[] = [];
