/** Every encoding the decoder knows. Owners of instruction groups add their list here. */
import type { Encoding } from './encoding.ts';
import { sseEncodings } from './sse-float.ts';
import { packedIntegerEncodings } from './sse-integer.ts';
import { systemEncodings } from './system.ts';
import { x87Encodings } from './x87.ts';

export const encodings: readonly Encoding[] = [...systemEncodings, ...x87Encodings, ...packedIntegerEncodings, ...sseEncodings];
