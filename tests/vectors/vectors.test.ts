import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineModules } from '../../build/engine.node.ts';
import { checkCase } from './check.ts';
import { Rig, createEngine } from './rig.ts';
import type { Binding, Mode } from './rig.ts';
import { changedSince286 } from './undefined-286.ts';
import { parseVectorFile } from './vector-file.ts';

const directories = ['cpu-vectors', 'cpu-vectors-286'].map((name) => join(__dirname, '../../../shared', name));
/** Every file, every STEPth case: all of them take minutes (`npm run vectors`). */
const STEP = 60;

(directories.every((path) => existsSync(path)) ? describe : describe.skip)('recorded instructions', () => {
  test.each(['interp', 'oracle'] as const)(
    '%s agrees with the processors',
    async (binding: Binding) => {
      const engine = createEngine(await engineModules());
      const rigs = new Map<Mode, Rig>();
      const wrong: string[] = [];
      for (const path of directories.flatMap((cwd) => globSync('**/*.jsonl.gz', { cwd }).map((file) => join(cwd, file)))) {
        const file = parseVectorFile(readFileSync(path));
        if (file.group === 'avx') continue;
        const rig = rigs.get(file.mode) ?? new Rig(engine, binding, file.mode);
        rigs.set(file.mode, rig);
        for (let i = 0; i < file.cases.length; i += STEP) {
          const vector = file.cases[i]!;
          if (file.mode === 'real' && changedSince286(vector.c, vector.x) !== undefined) continue;
          const differences = checkCase(rig, file, vector);
          if (differences.length > 0) wrong.push(`${path} ${i} ${vector.c} ${vector.a ?? ''}: ${differences.join('; ')}`);
        }
      }
      expect(wrong).toEqual([]);
    },
    120_000,
  );
});
