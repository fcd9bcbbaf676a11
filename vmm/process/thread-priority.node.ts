/** Priorities of threads, where the host has them for threads: Linux, whose setpriority(2) takes the number of a thread. */
import { readFileSync, readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { platform } from 'node:process';

const TASKS = '/proc/self/task';
/** Enough that the processor keeps most of a core of two; not so much that other programs keep the compiler from its work. */
const BEHIND = 5;
const LOWEST = 19;

/**
 * Lets the calling thread and V8's own (they compile) stand back: with as many cores as a small host has, compiling for a guest would otherwise take the time of the
 * thread that runs it. Elsewhere, and where the host refuses, nothing changes.
 */
export function standBack(): void {
  if (platform !== 'linux') return;
  try {
    const priority = Math.min(getPriority(0) + BEHIND, LOWEST);
    setPriority(0, priority);
    for (const thread of readdirSync(TASKS)) {
      if (readFileSync(`${TASKS}/${thread}/comm`, 'latin1').startsWith('node-V8Worker')) setPriority(Number(thread), priority);
    }
  } catch {
    // A thread that has ended, or a sandbox without /proc.
  }
}
