import { z } from 'zod';

/**
 * Life of a VM.
 * off: no process; nothing kept. saved: no process; a saved state is kept. crashed: its process died by itself; the log is kept.
 * starting, running, paused, stopping: a process has it.
 */
export const vmStates = ['off', 'saved', 'crashed', 'starting', 'running', 'paused', 'stopping'] as const;
export const vmStateSchema = z.enum(vmStates);
export type VmState = (typeof vmStates)[number];

/** Why a machine is paused. */
export const pauseReasons = ['user', 'io-error', 'internal-error', 'shutdown'] as const;
export type PauseReason = (typeof pauseReasons)[number];

export const stopped: readonly VmState[] = ['off', 'saved', 'crashed'];
export const alive: readonly VmState[] = ['running', 'paused'];
