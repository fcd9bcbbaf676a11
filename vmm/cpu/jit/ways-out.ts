/**
 * How a region is left: one constant says what is still to be done, since most of a region's code is places that leave it. Lowest two bits the way, then the instructions not
 * counted yet, then the displacement of RIP from the region's first page.
 */
export const LOOK_UP = 0;
/** The instruction at RIP must be interpreted. */
export const INTERPRET = 1;
/** A fault is pending. */
export const FAULT = 2;
/** RIP, not known while translating, is in its place already. */
export const LOOK_UP_THERE = 3;

export const WAY_MASK = 3;
export const COUNT_SHIFT = 2;
export const COUNT_MASK = 0x3fff;
export const RIP_SHIFT = 16n;

export function wayOut(way: number, count: number, displacement: number): bigint {
  return BigInt.asUintN(64, (BigInt(displacement) << RIP_SHIFT) | BigInt((count << COUNT_SHIFT) | way));
}
