/**
 * Fuzzes the image formats: `node tests/fuzz/images.node.ts [SECONDS] [WORD...]`, kinds of image whose names contain a word (default: all). Prints the seed of
 * what fails, which SEED=n has again; status 1 if something did.
 */
import { seeded } from '../crash/run-crash.ts';
import { damage, fuzzTargets, useDamaged } from './images.ts';

const [seconds = '60', ...words] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
const targets = (await fuzzTargets()).filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const first = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));
const counts = { used: 0, refused: 0, failed: 0 };
const failing = new Set<string>();
for (let seed = first; Date.now() < end; seed++) {
  for (const target of targets) {
    if (failing.has(target.name)) continue;
    const random = seeded(seed);
    try {
      counts[await useDamaged(target, damage(target, random), random)]++;
    } catch (error) {
      counts.failed++;
      failing.add(target.name);
      console.log(`FAIL ${target.name}, seed ${seed}:`, error);
    }
  }
}
console.log(`${counts.used} used, ${counts.refused} refused, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
