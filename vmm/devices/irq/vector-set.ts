/** A set of interrupt vectors 0-255 as eight 32-bit registers, the way IRR, ISR and TMR lie in a local APIC. */
export type VectorSet = number[];

export function newVectorSet(): VectorSet {
  return [0, 0, 0, 0, 0, 0, 0, 0];
}

export function hasVector(set: VectorSet, vector: number): boolean {
  return (set[vector >> 5]! & (1 << (vector & 31))) !== 0;
}

export function addVector(set: VectorSet, vector: number): void {
  set[vector >> 5] = (set[vector >> 5]! | (1 << (vector & 31))) >>> 0;
}

export function removeVector(set: VectorSet, vector: number): void {
  set[vector >> 5] = (set[vector >> 5]! & ~(1 << (vector & 31))) >>> 0;
}

/** The highest vector, -1 of an empty set. */
export function highestVector(set: VectorSet): number {
  for (let word = 7; word >= 0; word--) {
    const bits = set[word]!;
    if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
  }
  return -1;
}
