/** Every encoding the decoder knows. Owners of instruction groups add their list here. */
import { arithmeticEncodings } from './arithmetic.ts';
import { bitEncodings } from './bits.ts';
import { branchEncodings } from './branches.ts';
import type { Encoding } from './encoding.ts';
import { moveEncodings } from './moves.ts';
import { multiplyEncodings } from './multiply.ts';
import { shiftEncodings } from './shifts.ts';
import { sseEncodings } from './sse-float.ts';
import { packedIntegerEncodings } from './sse-integer.ts';
import { stringEncodings } from './strings.ts';
import { systemEncodings } from './system.ts';
import { x87Encodings } from './x87.ts';

export const encodings: readonly Encoding[] = [
  ...arithmeticEncodings,
  ...multiplyEncodings,
  ...shiftEncodings,
  ...bitEncodings,
  ...moveEncodings,
  ...stringEncodings,
  ...branchEncodings,
  ...systemEncodings,
  ...x87Encodings,
  ...packedIntegerEncodings,
  ...sseEncodings,
];
