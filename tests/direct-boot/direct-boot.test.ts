/** Multiboot 1 and PVH with a kernel that is built here, by the whole of `strate run`: firmware, option ROM, processor. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

jest.setTimeout(240_000);

const COMPILE = ['-m32', '-O1', '-ffreestanding', '-fno-pic', '-no-pie', '-fno-toplevel-reorder', '-fcf-protection=none', '-fno-stack-protector'];
const LINK = ['-nostdlib', '-static', '-Wl,-Ttext-segment=0x100000', '-Wl,--no-warn-rwx-segments', '-Wl,--build-id=none', '-Wl,-z,norelro', '-Wl,-n'];

const canCompile = spawnSync('gcc', ['-m32', '-E', '-x', 'c', '-'], { input: '' }).status === 0;

(canCompile ? describe : describe.skip)('a kernel that gcc -m32 makes', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'strate-direct-boot-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function boot(...defines: string[]): { status: number | null; lines: string[] } {
    const [kernel, one, two, log] = ['kernel', 'one', 'two', 'log'].map((name) => join(folder, name)) as [string, string, string, string];
    execFileSync('gcc', [...COMPILE, ...LINK, ...defines, '-o', kernel, join(__dirname, 'kernel.c')]);
    writeFileSync(one, 'the first');
    writeFileSync(two, 'the second');
    const files = ['--kernel', kernel, '--append', 'root=here quiet', '--module', `${one} with words`, '--module', two];
    const machine = ['--memory', '32', '--display', 'none', '--serial', 'none', '--debugcon', `file:${log}`, '--debug-exit', '--timeout', '200'];
    const { status } = spawnSync(process.execPath, [join(process.cwd(), 'vmm/cli/strate.mjs'), 'run', ...files, ...machine], { stdio: 'inherit' });
    const said = readFileSync(log, 'latin1').split('\n');
    return { status, lines: said.slice(said.findIndex((line) => line.startsWith('magic'))) }; // the firmware speaks there, too
  }

  test('multiboot 1: memory, arguments, modules, map', () => {
    const { status, lines } = boot();
    expect(status).toBe(33);
    const kernel = join(folder, 'kernel');
    expect(lines.slice(0, 8)).toEqual([
      'magic 2badb002',
      'lower 27f', // 639 KiB: the firmware keeps one
      lines[2],
      `arguments ${kernel} root=here quiet`,
      'aligned 1',
      `module the first [${join(folder, 'one')} with words]`,
      'aligned 1',
      `module the second [${join(folder, 'two')}]`,
    ]);
    expect(Number.parseInt(lines[2]!.split(' ')[1]!, 16)).toBeGreaterThan(30 * 1024);
    expect(lines).toContain('memory 0 9fc00 1');
    expect(lines.at(-2)).toBe('end');
  });

  test('PVH: arguments, modules, root pointer, map', () => {
    const { status, lines } = boot('-DPVH');
    expect(status).toBe(33);
    expect(lines.slice(0, 5)).toEqual([
      'magic 336ec578',
      'arguments root=here quiet',
      'module the first [with words]',
      'module the second []',
      'rsdp 1',
    ]);
    expect(lines).toContain('memory 0 9fc00 1');
    expect(lines.at(-2)).toBe('end');
  });
});
