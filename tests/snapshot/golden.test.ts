/**
 * promises.md D8: a saved state of every release is kept here, and loads in every later one. STRATE_GOLDEN=RELEASE makes the files of a new release; those that are there are
 * never made again. A device whose state changed needs a new version and a step from the old one (StateFormat.migrate), not another golden state.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { encodeContainer } from '../../vmm/snapshot/container.node.ts';
import { counterOf, GOLDEN, goldenMachine, loadGolden } from './golden-machine.ts';

const MS = 1e6;
const AT = 20 * MS;

const wanted = process.env['STRATE_GOLDEN'];
if (wanted !== undefined) {
  test(`makes ${wanted}`, () => {
    mkdirSync(GOLDEN, { recursive: true });
    if (existsSync(join(GOLDEN, `${wanted}.state`))) throw new Error(`${wanted} is there already`);
    const one = goldenMachine();
    one.run(AT);
    const { blocks } = one.machine.board.memory;
    const saved = one.machine.save();
    writeFileSync(
      join(GOLDEN, `${wanted}.state`),
      encodeContainer({
        meta: {
          release: wanted,
          vm: '00000000-0000-4000-8000-000000000001',
          taken: 0,
          guestTime: saved.time,
          blocks: blocks.map(({ name, length }) => ({ name, length })),
        },
        machine: saved,
        roots: new Uint8Array(),
      }),
    );
    writeFileSync(join(GOLDEN, `${wanted}.memory.zst`), zstdCompressSync(Buffer.concat(blocks.map(({ bytes }) => bytes))));
  });
}

const releases = existsSync(GOLDEN) ? readdirSync(GOLDEN).filter((name) => name.endsWith('.state')) : [];

test('there is a golden state', () => {
  expect(releases).not.toEqual([]);
});

test.each(releases.map((name) => name.replace(/\.state$/, '')))('the state of %s loads, and goes on as a machine that was never saved', (release) => {
  const one = goldenMachine();
  const { time } = loadGolden(release, one);
  expect(one.machine.clock.now()).toBe(time);
  const before = counterOf(one);
  expect(before).toBeGreaterThan(100_000);
  one.run(AT * 2);
  const straight = goldenMachine();
  straight.run(AT * 2);
  // Its timing is this release's from here on: a budget may end elsewhere, but not by much.
  expect(Math.abs(counterOf(one) - counterOf(straight))).toBeLessThan(counterOf(straight) / 100);
  // It went on with the letter that was next.
  expect(one.serial.length).toBeGreaterThan(10);
  expect(one.serial).toEqual(straight.serial.slice(-one.serial.length));
  expect(Object.keys(one.machine.save().devices).sort()).toEqual(Object.keys(straight.machine.save().devices).sort());
});
