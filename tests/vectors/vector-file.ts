/** The formats of ../shared/cpu-vectors and ../shared/cpu-vectors-286 (their README.md): gzipped JSON lines. */
import { gunzipSync } from 'node:zlib';

export type Registers = Readonly<Record<string, string>>;
export type Bytes = readonly (readonly [address: string, bytes: string])[];

export interface VectorCase {
  /** The instruction's bytes. */
  readonly c: string;
  readonly a?: string;
  readonly i: Registers;
  readonly m?: Bytes;
  readonly o: Registers;
  readonly w?: Bytes;
  readonly u?: string;
  readonly us?: string;
  readonly x?: string | number;
}

export interface VectorFile {
  /** 64, 32, 16: one instruction in that mode. 'real': an 80286 in real mode, up to the HLT behind the instruction. */
  readonly mode: 64 | 32 | 16 | 'real';
  readonly group: string;
  readonly base: Registers;
  readonly tolerance: number;
  readonly cases: readonly VectorCase[];
}

interface Header {
  readonly mode?: 64 | 32 | 16;
  readonly group?: string;
  readonly base?: Registers;
  readonly tol?: number;
}

export function parseVectorFile(compressed: Uint8Array): VectorFile {
  const [first, ...rest] = gunzipSync(compressed).toString('utf8').trimEnd().split('\n');
  const header = JSON.parse(first!) as Header;
  const cases = rest.map((line) => JSON.parse(line) as VectorCase);
  return { mode: header.mode ?? 'real', group: header.group ?? '286', base: header.base ?? {}, tolerance: header.tol ?? 0, cases };
}
