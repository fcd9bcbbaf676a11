/** The command as scripts use it: its exit statuses, what it prints where, real machines behind it. Each machine boots a sector of our own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

jest.setTimeout(120_000);

let directory: string;
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterAll(() => rmSync(directory, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, ['vmm/cli/strate.mjs', ...args], { env: { ...process.env, STRATE_HOME: join(directory, 'library') } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return { child, outcome: new Promise((resolve) => child.once('close', (status) => resolve({ status, stdout, stderr }))) };
}
const strate = (...args: string[]) => start(args).outcome;

/** `out dx, al` of each byte. */
const outBytes = (port: number, bytes: readonly number[]) => [0xba, port & 0xff, port >> 8, ...bytes.flatMap((byte) => [0xb0, byte, 0xee])];
const EIGHT_BITS = outBytes(0x3fb, [3]); // COM1 line control
const HALT = [0xf4, 0xeb, 0xfd];

/** A 360 KB floppy whose boot sector is that code. */
function floppy(name: string, code: readonly number[]): string {
  const image = new Uint8Array(368_640);
  image.set(code);
  image.set([0x55, 0xaa], 510);
  const path = join(directory, name);
  writeFileSync(path, image);
  return path;
}

it('answers bad usage with one line on stderr and status 2, and makes nothing', async () => {
  const cases: [string[], RegExp][] = [
    [['fly'], /^strate: unknown command 'fly'/],
    [['run', '--nonsense'], /^strate: unknown option '--nonsense'/],
    [['run', '--frob'], /^strate: unknown option '--frob' \(Did you mean --fdb\?\)$/],
    [['run', '--memory', 'x'], /^strate: --memory must be a whole number from 1 to 3072, not "x"$/],
    [['run', '--hda', '/nowhere.img'], /^strate: --hda \/nowhere\.img: there is no such file$/],
    [['run', '--cpu', '8086', '--accel', 'none'], /^strate: .*8086/],
    [['snapshot', 'take', 'x'], /^strate: there is no machine "x"$/],
    [['start', 'nothing'], /^strate: there is no machine "nothing"$/],
  ];
  const outcomes = await Promise.all(cases.map(([args]) => strate(...args)));
  outcomes.forEach(({ status, stdout, stderr }, index) => {
    const [args, message] = cases[index]!;
    expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr.trim()).toMatch(message);
  });
  expect(readdirSync(join(directory, 'library', 'vms'))).toEqual([]);
});

it('prints its version and help', async () => {
  const [version, help, run] = await Promise.all([strate('--version'), strate('--help'), strate('run', '--help')]);
  expect(version).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
  expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining('power-button') as string });
  expect(run.stdout).toContain('--discard-writes');
});

describe('machines', () => {
  it('pass on serial output alone on stdout, the debug console, and the debug-exit value', async () => {
    const text = (line: string) => [...Buffer.from(line)];
    const image = floppy('exit.img', [
      0xfa,
      ...EIGHT_BITS,
      ...outBytes(0x3f8, text('Hello\r\n')),
      ...outBytes(0xe9, text('debug\n')),
      ...outBytes(0xf4, [3]),
      ...HALT,
    ]);
    const log = join(directory, 'debugcon');
    const outcome = await strate('run', '--fda', image, '--serial', 'stdio', '--debugcon', `file:${log}`, '--debug-exit', '--timeout', '60');
    expect(outcome).toEqual({ status: 7, stdout: 'Hello\r\n', stderr: '' });
    expect(readFileSync(log, 'latin1')).toMatch(/debug\n$/);
  });

  it.each(['qcow2', 'vmdk', 'vhdx'])('boot from a difference to a %s image, which stays as it is', async (format) => {
    const raw = join(directory, `boot-${format}.img`);
    const code = [0xfa, ...EIGHT_BITS, ...outBytes(0x3f8, [...Buffer.from(format)]), ...outBytes(0xf4, [3]), ...HALT];
    const disk = new Uint8Array(1 << 20);
    disk.set(code);
    disk.set([0x80, 0, 1, 0, 0x0c, 15, 63, 1, 1, 0, 0, 0, 0, 4, 0, 0, 0x55, 0xaa].slice(0, 16), 446);
    disk.set([0x55, 0xaa], 510);
    writeFileSync(raw, disk);
    const [base, top] = [join(directory, `base.${format}`), join(directory, `top-${format}.qcow2`)];
    expect(await strate('img', 'convert', raw, base)).toMatchObject({ status: 0 });
    const before = readFileSync(base);
    expect(await strate('img', 'create', '-b', base, top)).toMatchObject({ status: 0 });
    const run = (...drive: string[]) => strate('run', ...drive, '--boot', 'c', '--serial', 'stdio', '--debug-exit', '--timeout', '60');
    expect(await run('--hda', top)).toEqual({ status: 7, stdout: format, stderr: '' });
    expect(await run('--drive', `file=${base},format=${format},throttle.read-iops=1000`)).toMatchObject({ status: 7, stdout: format });
    expect(readFileSync(base).equals(before)).toBe(true);
  });

  it('end with 0 at a triple fault under --no-reboot', async () => {
    // lidt of 0 bytes, protected mode, int3
    const image = floppy('fault.img', [0xfa, 0x2e, 0x0f, 0x01, 0x1e, 0x10, 0x7c, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0xcc]);
    await expect(strate('run', '--fda', image, '--no-reboot', '--timeout', '60')).resolves.toMatchObject({ status: 0, stdout: '' });
  });

  it('end with 124 at the timeout, with pictures and figures', async () => {
    const image = floppy('idle.img', [0xfb, 0xf4, 0xeb, 0xfc]);
    const [early, late] = [join(directory, 'early.png'), join(directory, 'late.png')];
    const outcome = await strate('run', '--fda', image, '--timeout', '6', '--stats', '-', '--screenshot', `${early}@3`, '--screenshot', late);
    expect(outcome.status).toBe(124);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      end: 'timeout',
      status: 124,
      instructions: expect.any(Number) as number,
      exits: expect.any(Object) as object,
    });
    for (const picture of [early, late]) expect(readFileSync(picture).subarray(1, 4).toString()).toBe('PNG');
  });

  it('end with 130 when interrupted', async () => {
    const { child, outcome } = start([
      'run',
      '--fda',
      floppy('idle2.img', [0xfb, 0xf4, 0xeb, 0xfc]),
      '--control',
      join(directory, 'c.sock'),
      '--timeout',
      '60',
    ]);
    while (!existsSync(join(directory, 'c.sock'))) await sleep(50);
    await sleep(1500);
    child.kill('SIGINT');
    await expect(outcome).resolves.toMatchObject({ status: 130 });
    expect(existsSync(join(directory, 'c.sock'))).toBe(false);
  });

  it('talk over TCP, and are driven through --control', async () => {
    // for ever: wait for a byte, send it back
    const image = floppy('echo.img', [...EIGHT_BITS, 0xfa, 0xba, 0xfd, 3, 0xec, 0xa8, 1, 0x74, 0xfb, 0xba, 0xf8, 3, 0xec, 0xee, 0xeb, 0xf1]);
    let received = '';
    const server = createServer((socket) => socket.setEncoding('latin1').on('data', (text: string) => (received += text)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const control = join(directory, 'd.sock');
    const { outcome } = start(['run', '--fda', image, '--serial', `tcp:127.0.0.1:${port}`, '--control', control, '--timeout', '90']);
    while (!existsSync(control)) await sleep(50);
    await expect(strate('wait', control, '--text', 'Booting from Floppy', '--timeout', '60')).resolves.toMatchObject({ status: 0 });
    await sleep(500);
    await expect(strate('ctl', control, 'serial.write', '{"port": 0, "data": "ping"}')).resolves.toMatchObject({ status: 0, stdout: '{}\n' });
    while (received !== 'ping') await sleep(50);
    await expect(strate('stop', control)).resolves.toMatchObject({ status: 0 });
    await expect(outcome).resolves.toMatchObject({ status: 0 });
    server.close();
  });

  it('whose process is killed show as crashed, and start again', async () => {
    const image = floppy('idle3.img', [0xfb, 0xf4, 0xeb, 0xfc]);
    const { stdout } = await strate('import', image, '--name', 'victim', '--start');
    expect(stdout.trim()).toMatch(/^[0-9a-f-]{36}$/);
    const run = JSON.parse(readFileSync(join(directory, 'library', 'vms', 'victim', 'run.json'), 'utf8')) as { pid: number };
    await expect(strate('delete', 'victim')).resolves.toMatchObject({ status: 2, stderr: expect.stringContaining('power it off first') as string });
    process.kill(run.pid, 'SIGKILL');
    await sleep(500);
    const shown = JSON.parse((await strate('show', 'victim')).stdout) as { state: string; problem: string };
    expect(shown).toMatchObject({ state: 'crashed', problem: expect.stringContaining('ended unexpectedly') as string });
    await expect(strate('start', 'victim')).resolves.toMatchObject({ status: 0 });
    expect((await strate('list')).stdout).toMatch(/victim\s+running/);
    await expect(strate('start', 'victim')).resolves.toMatchObject({ status: 2 });
    await expect(strate('stop', 'victim')).resolves.toMatchObject({ status: 0 });
    await expect(strate('delete', 'victim')).resolves.toMatchObject({ status: 0 });
  });
});
