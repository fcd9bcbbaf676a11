/** Who runs a VM: `run.json` in its folder, taken exclusively, found stale when its process is gone. */
import { linkSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { VmmError } from '../base/errors.ts';
import type { RunEnd } from './machine-messages.ts';
import { LAST_RUN_FILE, readJson, RUN_FILE, writeFileAtomically } from './vm-folder.node.ts';

const runSchema = z.object({
  pid: z.int().positive(),
  /** What tells this process from a later one of the same number: boot id and start time. */
  process: z.string(),
  socket: z.string(),
  /** Unix ms */
  started: z.number(),
});
export type RunRecord = z.output<typeof runSchema>;

const lastRunSchema = z.object({ how: z.string(), status: z.number(), message: z.string().optional(), started: z.number(), ended: z.number() });
export type LastRun = z.output<typeof lastRunSchema>;

export type RunState =
  { readonly state: 'running'; readonly run: RunRecord } | { readonly state: 'crashed'; readonly run: RunRecord } | { readonly state: 'off' };

export function runStateOf(directory: string): RunState {
  const parsed = runSchema.safeParse(readJson(join(directory, RUN_FILE)));
  if (!parsed.success) return { state: 'off' };
  return { state: isAlive(parsed.data) ? 'running' : 'crashed', run: parsed.data };
}

/** Takes the VM for this process. @throws VmmError `busy` when another has it. */
export function takeRun(directory: string, socket: string): void {
  const path = join(directory, RUN_FILE);
  const record: RunRecord = { pid: process.pid, process: processOf(process.pid)?.identity ?? '', socket, started: Date.now() };
  const mine = `${path}.${process.pid}`;
  writeFileAtomically(mine, JSON.stringify(record));
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        linkSync(mine, path); // fails when there is one: two processes never both succeed
        return;
      } catch (error) {
        const other = runStateOf(directory);
        if (other.state === 'running') throw new VmmError('busy', `this machine is already running (process ${other.run.pid})`, {}, error);
        if (attempt > 2) throw new VmmError('host', `${path} cannot be written: ${(error as Error).message}`, {}, error);
        rmSync(path, { force: true }); // of a process that is gone
      }
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Whether the folder is still there and still this process's. */
export function ownsRun(directory: string): boolean {
  return runSchema.safeParse(readJson(join(directory, RUN_FILE))).data?.pid === process.pid;
}

/** A clean end: the VM is free, and how it ended is kept. undefined: it was taken, and not run. */
export function endRun(directory: string, end: RunEnd | undefined): void {
  const run = runSchema.safeParse(readJson(join(directory, RUN_FILE))).data;
  if (run?.pid !== process.pid) return;
  if (end !== undefined) {
    const last: LastRun = {
      how: end.how,
      status: end.status,
      ...(end.message !== undefined && { message: end.message }),
      started: run.started,
      ended: Date.now(),
    };
    writeFileAtomically(join(directory, LAST_RUN_FILE), JSON.stringify(last));
  }
  rmSync(join(directory, RUN_FILE), { force: true });
}

export function lastRunOf(directory: string): LastRun | undefined {
  return lastRunSchema.safeParse(readJson(join(directory, LAST_RUN_FILE))).data;
}

function isAlive(run: RunRecord): boolean {
  try {
    process.kill(run.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const present = processOf(run.pid);
  if (present?.ended === true) return false;
  return present === undefined || run.process === '' || present.identity === run.process;
}

/**
 * Linux: the boot's id and the start time in clock ticks tell a process from a later one of its number; one that has ended keeps its number until
 * its parent has asked (proc(5), stat fields 3 and 22). Elsewhere unknown: the number alone decides.
 */
function processOf(pid: number): { identity: string; ended: boolean } | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from field 3: the name in field 2 may hold spaces
    return { identity: `${boot} ${fields[19] ?? ''}`, ended: 'ZX'.includes(fields[0]!) };
  } catch {
    return undefined;
  }
}
