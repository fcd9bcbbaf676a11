/**
 * `npm run vectors -- DIR... [--binding oracle|interp] [--files REGEX] [--groups a,b]`: runs recorded instruction vectors, a line per failing file with its
 * first failing case, and ends with `N passed, N failed`.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { parseVectors } from './format.ts';
import type { VectorCase } from './format.ts';
import { createProcessor } from './processor.node.ts';
import type { Binding, Processor } from './processor.node.ts';
import { ProtectedModeRunner } from './protected-mode.ts';
import { RealModeRunner } from './real-mode.ts';

export interface Outcome {
  passed: number;
  failed: number;
}

/** The vector files of a directory and those below it. */
export function vectorFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => {
      const child = join(path, name);
      if (statSync(child).isDirectory()) return vectorFiles(child);
      return name.endsWith('.jsonl.gz') ? [child] : [];
    });
}

/** Runs one file, every `step`-th case. `report` is given the first failure. */
export function runFile(processor: Processor, file: string, report: (line: string) => void, groups?: ReadonlySet<string>, step = 1): Outcome {
  const { header, cases } = parseVectors(gunzipSync(readFileSync(file)).toString('utf8'));
  if (header.group === 'avx' || (groups && !groups.has(header.group ?? '286'))) return { passed: 0, failed: 0 };
  const runner = header.mode ? new ProtectedModeRunner(processor, header) : new RealModeRunner(processor, basename(file, '.jsonl.gz'));
  const outcome = { passed: 0, failed: 0 };
  let first = '';
  for (let i = 0; i < cases.length; i += step) {
    const test: VectorCase = cases[i]!;
    const problem = runner.run(test);
    if (problem === '') outcome.passed++;
    else {
      outcome.failed++;
      if (first === '') first = `#${i} ${test.c} ${test.a ?? ''}: ${problem}`;
    }
  }
  if (outcome.failed > 0) report(`${file.split('/').slice(-2).join('/')}: ${outcome.failed} of ${cases.length} failed; ${first}`);
  return outcome;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { binding: { type: 'string', default: 'interp' }, files: { type: 'string' }, groups: { type: 'string' } },
  });
  if (positionals.length === 0) positionals.push('../shared/cpu-vectors', '../shared/cpu-vectors-286');
  const processor = await createProcessor(values.binding as Binding);
  const groups = values.groups === undefined ? undefined : new Set(values.groups.split(','));
  const total = { passed: 0, failed: 0 };
  for (const directory of positionals) {
    for (const file of vectorFiles(directory)) {
      if (values.files !== undefined && !new RegExp(values.files).test(file)) continue;
      const { passed, failed } = runFile(processor, file, (line) => console.log(line), groups);
      total.passed += passed;
      total.failed += failed;
    }
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

if (process.argv[1]?.endsWith('vectors/run.node.ts')) await main();
