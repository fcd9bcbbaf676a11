import { makeImage, runCrash } from './run-crash.ts';
import { subjects } from './subjects.ts';

/*
 * Promises D1 and D2, in a form that is over in a minute; tests/crash/long.node.ts looks for as long as it is told.
 */

/** Calls that are made to fail, of each subject's. */
const MOST_FAULTS = 6;

describe.each(subjects)('$name', (subject) => {
  test('whatever moment the power goes off at, what was flushed is there and nothing else has changed', async () => {
    const image = await makeImage(subject);
    let states = 0;
    for (const seed of [1, 2]) states += (await runCrash(subject, image, { seed, actions: 10, most: 1 })).states;
    expect(states).toBeGreaterThan(50);
  });

  test('a host that fails at any of its calls loses nothing either', async () => {
    const image = await makeImage(subject);
    const { calls } = await runCrash(subject, image, { seed: 3, actions: 8, most: 0 });
    let failed = 0;
    for (let call = 0; call < calls; call += Math.ceil(calls / MOST_FAULTS)) {
      const code = call % 2 === 0 ? 'ENOSPC' : 'EIO';
      failed += (await runCrash(subject, image, { seed: 3, actions: 8, most: 0, faults: [{ call, code, short: 512 * (call % 3) }] })).failed;
    }
    expect(failed).toBeGreaterThan(0);
  });
});
