import { deriveInstructions } from '../../isa/handlers.ts';
import { encodings } from '../../isa/index.ts';
import { generateInterpreter } from './module.ts';

/** The interpreter of all instructions there are. */
export function interpreterBinary(): Uint8Array<ArrayBuffer> {
  return generateInterpreter(deriveInstructions(encodings).handlers, { names: true });
}
