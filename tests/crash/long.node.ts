/**
 * The crash harness at length: `node tests/crash/long.node.ts [SECONDS] [WORD...]` runs the subjects whose names contain a word (default: all), by turns
 * with new seeds, until the time is over. Says how to have a failure again; status 1 if there was one.
 */
import { makeImage, runCrash } from './run-crash.ts';
import { subjects } from './subjects.ts';

const [seconds = '60', ...words] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
const first = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));
let [failures, states, runs] = [0, 0, 0];
const chosen = subjects.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const images = await Promise.all(chosen.map(makeImage));
const failing = new Set<string>();
for (let seed = first; Date.now() < end && failing.size < chosen.length; seed++) {
  for (const [index, subject] of chosen.entries()) {
    if (failing.has(subject.name) || Date.now() >= end) continue;
    const image = images[index]!;
    try {
      const result = await runCrash(subject, image, { seed, actions: 20, most: 4 });
      states += result.states;
      runs++;
      // One fault at some call, besides.
      const call = seed % result.calls;
      const short = seed % 3 === 0 ? 512 * (1 + (seed % 5)) : 0;
      const faulty = await runCrash(subject, image, {
        seed,
        actions: 20,
        most: 2,
        faults: [{ call, code: seed % 2 === 0 ? 'EIO' : 'ENOSPC', short }],
      });
      states += faulty.states;
      runs++;
    } catch (error) {
      failures++;
      failing.add(subject.name);
      console.log(`FAIL ${error instanceof Error ? error.message : String(error)}`);
      if (process.env['STACK'] !== undefined) console.log(error);
    }
  }
}
console.log(`${runs} runs of ${chosen.length} kinds of image, ${states} states after crashes, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
