import { seeded } from '../crash/run-crash.ts';
import { damage, fuzzTargets, useDamaged } from './images.ts';

/* Image formats against damaged and hostile files (promises.md, isolation). tests/fuzz/images.node.ts goes on for as long as it is told. */

const ROUNDS = 150;

test('a damaged image is used or refused in one line that names it, with bounded memory and work', async () => {
  const counts: Record<string, { used: number; refused: number }> = {};
  for (const target of await fuzzTargets()) {
    const count = (counts[target.name] = { used: 0, refused: 0 });
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = seeded(seed);
      try {
        count[await useDamaged(target, damage(target, random), random)]++;
      } catch (error) {
        throw new Error(`${target.name}, seed ${seed}`, { cause: error });
      }
    }
  }
  for (const { used, refused } of Object.values(counts)) expect([used > 0, refused > 0]).toEqual([true, true]);
}, 120_000);
