/**
 * `node tests/system-vectors/record.node.ts`: writes golden.json anew from what the engine does now. Look at what changed with against-qemu.node.ts first, and
 * say in the commit why it is right.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { engineModules } from '../../build/engine.node.ts';
import { EngineRunner } from './engine-run.ts';
import { digest } from './golden.ts';
import { casesOf, groups } from './groups.ts';

const engine = new EngineRunner(await engineModules());
const golden = Object.fromEntries(
  Object.keys(groups).map((group) => [
    group,
    casesOf(group)
      .map((each) => digest(engine.run(each)))
      .join(' '),
  ]),
);
writeFileSync(fileURLToPath(new URL('golden.json', import.meta.url)), `${JSON.stringify(golden, undefined, 1)}\n`);
