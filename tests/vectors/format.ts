/** The instruction vectors of ../shared/cpu-vectors and ../shared/cpu-vectors-286 (their README.md tells the format), as records. */
export type Registers = Readonly<Record<string, string>>;
export type MemoryList = readonly (readonly [address: string, bytes: string])[];

export interface VectorHeader {
  readonly format?: string;
  readonly mode?: 64 | 32 | 16;
  readonly group?: string;
  readonly base?: Registers;
  /** Units in the last place that x87 transcendentals may differ by. */
  readonly tol?: number;
}

export interface VectorCase {
  readonly c: string;
  readonly a?: string;
  readonly i: Registers;
  readonly m?: MemoryList;
  readonly o?: Registers;
  readonly w?: MemoryList;
  readonly u?: string;
  readonly us?: string;
  readonly x?: string | number;
}

export interface VectorFile {
  readonly header: VectorHeader;
  readonly cases: readonly VectorCase[];
}

export function parseVectors(text: string): VectorFile {
  const [header, ...cases] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  return { header: header as VectorHeader, cases: cases as VectorCase[] };
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export const number = (hex: string): bigint => BigInt(`0x${hex}`);
