/** Random words whose place in the sequence can be saved. */
export interface SeededRandom {
  (): number;
  position: number;
}

/** 32 random bits at a time from a seed: the same ones in every run (Marsaglia's xorshift32 over a Weyl sequence; not for secrets). */
export function seededRandom(seed: number): SeededRandom {
  const next: SeededRandom = () => {
    next.position = (next.position + 0x9e37_79b9) >>> 0;
    let mixed = next.position;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  next.position = seed >>> 0;
  return next;
}
