import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeLauncher, vmmEnvironment } from './launcher.node.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => rmSync(directory, { recursive: true }));

/** A process in place of the VMM's. */
function launcher(script: string) {
  writeFileSync(join(directory, 'entry.mjs'), script);
  return nodeLauncher(join(directory, 'entry.mjs'));
}

it('resolves when the machine runs, and the process lives on without its launcher', async () => {
  await launcher(`
    import { writeFileSync } from 'node:fs';
    process.send({ started: true });
    process.on('disconnect', () => { writeFileSync('alone', process.argv.slice(2).join()); process.exit(); });
  `).launch(directory, { paused: true });
  for (let tries = 0; !existsSync(join(directory, 'alone')) && tries < 500; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(readFileSync(join(directory, 'alone'), 'utf8')).toBe(`${directory},--paused`);
});

it('rejects with what the process reports', async () => {
  const failing = launcher(`process.send({ failed: { kind: 'not-found', message: 'hda: there is no such file' } }, () => process.exit(2));`);
  await expect(failing.launch(directory, { paused: false })).rejects.toMatchObject({ kind: 'not-found', message: 'hda: there is no such file' });
});

it('rejects when the process dies, and keeps what it printed', async () => {
  const dying = launcher(`process.stderr.write('FATAL: no memory\\n'); process.exit(9);`);
  await expect(dying.launch(directory, { paused: false })).rejects.toThrow('ended while it was starting (status 9); see process.log');
  expect(readFileSync(join(directory, 'process.log'), 'utf8')).toContain('FATAL: no memory');
});

it('lets no code be made of strings, and passes on no options for Node', async () => {
  process.env['NODE_OPTIONS_PROBE'] = 'x';
  await launcher(`
    import { writeFileSync } from 'node:fs';
    let made = true;
    try { new Function('return 1')(); } catch { made = false; }
    writeFileSync('seen', JSON.stringify({ made, names: Object.keys(process.env) }));
    process.send({ started: true }, () => process.exit());
  `).launch(directory, { paused: false });
  const { made, names } = JSON.parse(readFileSync(join(directory, 'seen'), 'utf8')) as { made: boolean; names: string[] };
  delete process.env['NODE_OPTIONS_PROBE'];
  expect(made).toBe(false);
  expect(names).not.toContain('NODE_OPTIONS_PROBE');
  expect(names).toContain('TMPDIR');
});

it('chooses what a VMM process knows', () => {
  expect(vmmEnvironment({ PATH: '/bin', NODE_OPTIONS: '--require evil', STRATE_HOME: '/s', SECRET: 'x', LC_ALL: 'C' }, '/vm')).toEqual({
    PATH: '/bin',
    STRATE_HOME: '/s',
    LC_ALL: 'C',
    NODE_COMPILE_CACHE: expect.stringContaining('compiled') as string,
    TMPDIR: '/vm',
  });
});

it('cannot use the permission model, which takes fdatasync away (docs/decisions/0003-permission-model.md)', () => {
  const script = `const fs = require('fs'); const f = fs.openSync(process.argv[1], 'w'); try { fs.fdatasyncSync(f); console.log('works'); } catch (e) { console.log(e.code); }`;
  const { stdout } = spawnSync(process.execPath, [
    '--permission',
    `--allow-fs-read=${directory}`,
    `--allow-fs-write=${directory}`,
    '-e',
    script,
    join(directory, 'file'),
  ]);
  expect(stdout.toString().trim()).toBe('ERR_ACCESS_DENIED');
});
