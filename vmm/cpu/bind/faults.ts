import type { FaultName } from '../isa/machine.ts';

/** Vectors of exceptions, and whether they push an error code (SDM vol.3 table 6-1). */
export const FAULTS: Readonly<Record<FaultName, readonly [vector: number, hasCode: boolean]>> = {
  DE: [0, false],
  DB: [1, false],
  BP: [3, false],
  OF: [4, false],
  BR: [5, false],
  UD: [6, false],
  NM: [7, false],
  TS: [10, true],
  NP: [11, true],
  SS: [12, true],
  GP: [13, true],
  PF: [14, true],
  MF: [16, false],
  AC: [17, true],
  XM: [19, false],
};
