/**
 * `npm run vectors -- DIR... [--binding interp|oracle] [--filter TEXT] [--show N]`: runs every case of the vector files under the directories (default: both of ../shared)
 * and ends with `N passed, N failed`, after a line for each file that has failures.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { engineModules } from '../../build/engine.node.ts';
import { checkCase } from './check.ts';
import { Rig, createEngine } from './rig.ts';
import type { Mode } from './rig.ts';
import { changedSince286 } from './undefined-286.ts';
import { parseVectorFile } from './vector-file.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const DEFAULTS = [join(root, '../shared/cpu-vectors'), join(root, '../shared/cpu-vectors-286')];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      binding: { type: 'string', default: 'interp' },
      filter: { type: 'string' },
      group: { type: 'string' },
      show: { type: 'string', default: '0' },
      sample: { type: 'string', default: '1' },
    },
  });
  const { binding } = values;
  if (binding !== 'interp' && binding !== 'oracle' && binding !== 'jit') return usage(`--binding ${binding}: there are interp, jit and oracle`);
  const directories = positionals.length > 0 ? positionals : DEFAULTS;
  for (const path of directories) if (!existsSync(path)) return usage(`${path}: no such file or directory`);
  const files = directories
    .flatMap((path) => (statSync(path).isFile() ? [path] : globSync('**/*.jsonl.gz', { cwd: path }).map((file) => join(path, file))))
    .sort();
  if (files.length === 0) return usage('no vector files (*.jsonl.gz) there');

  const engine = createEngine(await engineModules());
  const rigs = new Map<Mode, Rig>();
  const rigFor = (mode: Mode): Rig => {
    let rig = rigs.get(mode);
    if (!rig) rigs.set(mode, (rig = new Rig(engine, binding, mode)));
    return rig;
  };
  let [passed, failed, skipped, changed] = [0, 0, 0, 0];
  for (const path of files) {
    if (values.filter !== undefined && !path.includes(values.filter)) continue;
    const file = parseVectorFile(readFileSync(path));
    if (values.group !== undefined && file.group !== values.group) continue;
    // AVX is not part of the processor yet.
    if (file.group === 'avx') {
      skipped += file.cases.length;
      continue;
    }
    const rig = rigFor(file.mode);
    let failures = 0;
    const step = Number(values.sample);
    for (let i = 0; i < file.cases.length; i += step) {
      const vector = file.cases[i]!;
      if (file.mode === 'real' && changedSince286(vector.c, vector.x) !== undefined) {
        changed++;
        continue;
      }
      const differences = checkCase(rig, file, vector);
      if (differences.length === 0) {
        passed++;
        continue;
      }
      if (failures++ < Number(values.show)) process.stdout.write(`  ${vector.c} ${vector.a ?? ''}: ${differences.join('; ')}\n`);
    }
    failed += failures;
    if (failures > 0) process.stdout.write(`${relative(root, path)}: ${failures} of ${file.cases.length} failed\n`);
  }
  if (skipped > 0) process.stdout.write(`group avx: ${skipped} not run\n`);
  if (changed > 0) process.stdout.write(`80286: ${changed} not run, because later processors differ as documented\n`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

function usage(message: string): number {
  process.stderr.write(`vectors: ${message}\n`);
  return 2;
}

process.exitCode = await main();
