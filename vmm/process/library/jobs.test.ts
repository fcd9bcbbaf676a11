import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import type { JobInfo } from '../../protocol/shared.ts';
import { jobHistory } from './job-history.node.ts';
import { type JobControl, Jobs } from './jobs.ts';

function bench() {
  const told: JobInfo[] = [];
  let now = 1000;
  const jobs = new Jobs(
    (job) => told.push(job),
    () => now,
  );
  return { jobs, told, pass: (milliseconds: number) => (now += milliseconds) };
}

it('tells of beginning, progress and end', async () => {
  const { jobs, told, pass } = bench();
  const id = jobs.start('Copy', async (job) => {
    job.progress(0.1, 'first');
    job.progress(0.2);
    pass(200);
    job.progress(0.5);
    await Promise.resolve();
    return { vm: 'x' };
  });
  await expect(jobs.wait(id)).resolves.toMatchObject({ state: 'done', progress: 1, result: { vm: 'x' }, cancellable: false });
  expect(told.map(({ state, progress }) => `${state} ${progress}`)).toEqual(['running null', 'running 0.1', 'running 0.5', 'done 1']);
});

it('is cancelled through its signal', async () => {
  const { jobs } = bench();
  let control: JobControl | undefined;
  const id = jobs.start('Wait', (job) => {
    control = job;
    return new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(new Error('stopped'))));
  });
  await Promise.resolve();
  jobs.cancel(id);
  expect(control?.signal.aborted).toBe(true);
  await expect(jobs.wait(id)).resolves.toMatchObject({ state: 'cancelled' });
  expect(() => jobs.cancel('job99')).toThrow('there is no job job99');
});

it('tells why one failed', async () => {
  const { jobs } = bench();
  const id = jobs.start('Fail', () => Promise.reject(new Error('disk on fire')));
  await expect(jobs.wait(id)).resolves.toMatchObject({ state: 'failed', error: { kind: 'internal', message: 'disk on fire' } });
});

it('remembers the last fifty', async () => {
  const { jobs } = bench();
  for (let count = 0; count < 60; count++) await jobs.wait(jobs.start('x', () => Promise.resolve(undefined)));
  expect(jobs.list()).toHaveLength(50);
  expect(jobs.list()[0]!.id).toMatch(/-11$/);
});

it('remembers what ended, also what another process did', async () => {
  const root = mkdtempSync(join(tmpdir(), 'strate-'));
  try {
    const first = new Jobs(
      () => undefined,
      () => 5000,
      jobHistory(root),
    );
    const second = new Jobs(
      () => undefined,
      () => 6000,
      jobHistory(root),
    );
    await first.wait(first.start('Copy', () => Promise.resolve({ vm: 'x' })));
    await second.wait(second.start('Convert', () => Promise.reject(new VmmError('host', 'the disk is full'))));
    const running = second.start('Check', () => new Promise(() => undefined));
    const later = new Jobs(
      () => undefined,
      () => 7000,
      jobHistory(root),
    );
    expect(later.list().map(({ title, state, error }) => `${title} ${state} ${error?.message ?? ''}`)).toEqual([
      'Copy done ',
      'Convert failed the disk is full',
    ]);
    expect(second.list().map(({ title }) => title)).toEqual(['Copy', 'Convert', 'Check']);
    expect(second.list().at(-1)?.id).toBe(running);
    writeFileSync(join(root, 'jobs.json'), '{ broken');
    expect(later.list()).toEqual([]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
