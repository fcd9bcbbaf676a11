/** The examples of docs/api.md, run as they stand there, each in a process of its own. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

jest.setTimeout(240_000);

const FLOPPY = resolve('../shared/guests/freedos722.img');
const examples = [...readFileSync('docs/api.md', 'utf8').matchAll(/## (.+)\n\n```ts run\n([\s\S]*?)```/g)].map(
  ([, title, code]) => [title!, code!] as const,
);
const outputs: Readonly<Record<string, RegExp>> = {
  'Start a floppy and use it': /bytes free/,
  'Settings, media, state': /^paused \[ 'test' \]\nfalse$/,
};

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-api-'))));
afterEach(() => rmSync(directory, { recursive: true }));

it('has the examples that are expected here', () => {
  expect(examples.map(([title]) => title)).toEqual(Object.keys(outputs));
});

(existsSync(FLOPPY) ? it : it.skip).each(examples)('%s', async (title, code) => {
  // In the project's folder, so that `strate` is this package.
  const script = join(process.cwd(), 'dist', `api-example-${process.pid}-${examples.findIndex(([one]) => one === title)}.ts`);
  writeFileSync(
    script,
    `import { Library } from 'strate';\nconst directory = ${JSON.stringify(directory)};\nconst floppy = ${JSON.stringify(FLOPPY)};\n${code}`,
  );
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script], { env: { ...process.env, STRATE_HOME: directory } });
    expect(stdout.trim()).toMatch(outputs[title]!);
  } finally {
    rmSync(script, { force: true });
  }
  if (title.startsWith('Start')) expect(statSync(join(directory, 'dir.png')).size).toBeGreaterThan(500);
});
