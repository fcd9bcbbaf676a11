import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endRun, lastRunOf, ownsRun, runStateOf, takeRun } from './run-record.node.ts';

let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

const write = (pid: number, process: string) =>
  writeFileSync(join(directory, 'run.json'), JSON.stringify({ pid, process, socket: '/s', started: 1 }));

function livingProcess(): number {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
  children.push(child);
  return child.pid!;
}

async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid!;
}

it('is taken, seen, and given back with how the run ended', () => {
  expect(runStateOf(directory)).toEqual({ state: 'off' });
  takeRun(directory, '/socket');
  expect(runStateOf(directory)).toMatchObject({ state: 'running', run: { pid: process.pid, socket: '/socket' } });
  expect(ownsRun(directory)).toBe(true);
  endRun(directory, { how: 'debug-exit', status: 3 });
  expect(runStateOf(directory)).toEqual({ state: 'off' });
  expect(lastRunOf(directory)).toMatchObject({ how: 'debug-exit', status: 3 });
  expect(readdirSync(directory)).toEqual(['last-run.json']);
});

it('is not taken twice', () => {
  takeRun(directory, '/socket');
  expect(() => takeRun(directory, '/other')).toThrow(`already running (process ${process.pid})`);
});

it('is not taken from a process that lives', () => {
  const pid = livingProcess();
  write(pid, '');
  expect(runStateOf(directory).state).toBe('running');
  expect(() => takeRun(directory, '/socket')).toThrow(`already running (process ${pid})`);
  expect(ownsRun(directory)).toBe(false);
});

it('shows a crash, and is taken over, when its process is gone', async () => {
  write(await deadProcess(), '');
  expect(runStateOf(directory).state).toBe('crashed');
  takeRun(directory, '/socket');
  expect(runStateOf(directory)).toMatchObject({ state: 'running', run: { pid: process.pid } });
});

const onLinux = process.platform === 'linux' ? it : it.skip;
onLinux('knows a later process with the same number from the one that ran it', () => {
  write(livingProcess(), 'another-boot 12345');
  expect(runStateOf(directory).state).toBe('crashed');
});

onLinux('takes a process that has ended, but whose parent has not asked, for gone', async () => {
  // A shell that leaves a child unasked for.
  const parent = spawn('sh', ['-c', 'sh -c "exit 0" & echo $!; exec sleep 60']);
  children.push(parent);
  const pid = Number(await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve)));
  await new Promise((resolve) => setTimeout(resolve, 300));
  write(pid, '');
  expect(runStateOf(directory).state).toBe('crashed');
});

it('survives a record that is damaged', () => {
  writeFileSync(join(directory, 'run.json'), '{"pid": -1');
  expect(runStateOf(directory)).toEqual({ state: 'off' });
  takeRun(directory, '/socket');
  expect(JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'))).toMatchObject({ pid: process.pid });
});

it('ends only its own run', async () => {
  write(await deadProcess(), '');
  endRun(directory, { how: 'powered-off', status: 0 });
  expect(lastRunOf(directory)).toBeUndefined();
});
