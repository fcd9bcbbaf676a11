import { contents } from '../../vmm/storage/formats/model-test.ts';
import { createQcow2 } from '../../vmm/storage/formats/qcow2/create.ts';
import { Qcow2Node } from '../../vmm/storage/formats/qcow2/qcow2.ts';
import { testHost } from '../../vmm/storage/formats/test-host.ts';
import type { HostFile } from '../../vmm/storage/host-file.ts';
import { OverlayNode } from '../../vmm/storage/overlay.ts';
import { copyOwn } from '../../vmm/storage/tools/convert.node.ts';
import { crashStates } from './crash-states.ts';
import { CrashWorld, type CrashFile } from './crash-world.ts';
import { makeImage, runCrash, seeded } from './run-crash.ts';
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

const SIZE = 256 * 1024;
const openQcow2 = (file: HostFile, readOnly: boolean) => Qcow2Node.open(file, testHost(), { readOnly });
const chainOf = async (top: HostFile, base: HostFile) => contents(new OverlayNode(await openQcow2(top, true), await openQcow2(base, true)));

/** What `commitImage` does: the difference goes into the base, which is flushed; then an empty difference takes the old one's name. */
test('a commit that is interrupted has lost nothing, whichever difference the name stands for', async () => {
  const random = seeded(5);
  const made = new CrashWorld(() => 0);
  const [base, top] = [made.file('base'), made.file('top')];
  await createQcow2(base, { size: SIZE, clusterSize: 4096 });
  await createQcow2(top, { size: SIZE, clusterSize: 4096, backingFile: 'base', backingFormat: 'qcow2' });
  const below = await openQcow2(base, false);
  for (let count = 0; count < 12; count++) await below.write(Math.floor(random() * 500) * 512, new Uint8Array(4096).fill(100 + count));
  await below.close();
  const above = new OverlayNode(await openQcow2(top, false), await openQcow2(base, true));
  for (let count = 0; count < 12; count++) {
    const offset = Math.floor(random() * 500) * 512;
    if (count % 4 === 0) await above.zero(offset, 4096);
    else await above.write(offset, new Uint8Array(4096).fill(1 + count));
  }
  await above.close();
  const wanted = await chainOf(top, base);

  const world = new CrashWorld(random);
  const files = [world.file('base', base.now.copy()), world.file('top', top.now.copy()), world.file('fresh')];
  const target = await openQcow2(files[0]!, false);
  await copyOwn(await openQcow2(files[1]!, true), target, {});
  await target.flush();
  await target.close();
  await createQcow2(files[2]!, { size: SIZE, clusterSize: 4096, backingFile: 'base', backingFormat: 'qcow2' });
  const renamed = world.time;

  let states = 0;
  for (const { time, files: left } of crashStates(world, files, { random, most: 3, promises: new Set([renamed]) })) {
    const lookAt = (file: CrashFile) => new CrashWorld(() => 0).file(file.path, left.get(file));
    states++;
    expect(Buffer.compare(await chainOf(lookAt(files[1]!), lookAt(files[0]!)), wanted)).toBe(0);
    if (time >= renamed) expect(Buffer.compare(await chainOf(lookAt(files[2]!), lookAt(files[0]!)), wanted)).toBe(0);
  }
  expect(states).toBeGreaterThan(100);
});
