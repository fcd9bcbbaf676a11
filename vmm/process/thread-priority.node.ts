/** Priorities of threads, where the host has them for threads: Linux, whose setpriority(2) takes the number of a thread. */
import { readFileSync, readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { arch, platform } from 'node:process';
import { functionsOf } from '../base/ffi.node.ts';

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

// asm/unistd.h, linux/sched/types.h
const SCHED_SETATTR: Readonly<Record<string, bigint>> = { x64: 314n, arm64: 274n };
const ATTR_BYTES = 48;
const ATTR_NICE = 16;
const ATTR_RUNTIME = 24;
/** The shortest that Linux grants. ns */
const SHORT_SLICE = 100_000n;

/**
 * Lets the calling thread run at once when it is woken: others wait for it to answer, and it never runs long. Since 6.12 Linux lets a thread that asks for short slices
 * interrupt one that does not; otherwise that one finishes its slice first, a millisecond and more. Elsewhere, and where the host refuses, nothing changes.
 */
export function comeAtOnce(): void {
  const call = SCHED_SETATTR[arch];
  const libc = functionsOf('libc.so.6', { syscall: { arguments: ['int64', 'int64', 'buffer', 'int64'], return: 'int64' } });
  if (platform !== 'linux' || call === undefined || libc === undefined) return;
  const attributes = new DataView(new ArrayBuffer(ATTR_BYTES));
  attributes.setUint32(0, ATTR_BYTES, true);
  attributes.setInt32(ATTR_NICE, getPriority(0), true);
  attributes.setBigUint64(ATTR_RUNTIME, SHORT_SLICE, true);
  libc['syscall']!(call, 0n, new Uint8Array(attributes.buffer), 0n);
}
