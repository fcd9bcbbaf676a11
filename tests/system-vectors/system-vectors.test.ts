import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineBinaries } from '../../vmm/accel/wasm/engine.ts';
import { EngineRunner } from './engine-run.ts';
import { digest } from './golden.ts';
import { casesOf, groups } from './groups.ts';

const root = join(__dirname, '../..');
const read = (file: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(root, 'dist/engine', file)));
const binaries: EngineBinaries = { guestMemory: read('guest-memory.wasm'), system: read('system.wasm'), interpreter: read('interpreter.wasm') };
const golden = JSON.parse(readFileSync(join(__dirname, 'golden.json'), 'utf8')) as Record<string, string>;
const engine = new EngineRunner(binaries);

// Every case was compared with another implementation before its digest was recorded: README.md.
test.each(Object.keys(groups))('%s', (group) => {
  const expected = golden[group]!.split(' ');
  const wrong = casesOf(group)
    .filter((machineCase, index) => digest(engine.run(machineCase)) !== expected[index])
    .map(({ name }) => name);
  expect(wrong).toEqual([]);
});
