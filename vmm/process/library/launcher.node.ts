/** Starts VMM processes. One that was started goes on when whoever started it ends. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VmmError, type VmmErrorKind } from '../../base/errors.ts';

export const PROCESS_LOG = 'process.log';

/** What a VMM process tells whoever started it, once. */
export type LaunchReport = { readonly started: true } | { readonly failed: { readonly kind: VmmErrorKind; readonly message: string } };

export interface Launcher {
  /** Resolves when the machine runs and its socket answers. @throws VmmError when it could not be started, with the reason. */
  launch(directory: string, options: { readonly paused: boolean }): Promise<void>;
}

const START_PATIENCE = 120_000;

/** As a process of this Node. What it prints (a crash of the runtime itself) is in process.log in the VM's folder. */
export function nodeLauncher(entry: string = fileURLToPath(new URL('../vmm.node.ts', import.meta.url))): Launcher {
  return {
    launch(directory, { paused }) {
      const log = openSync(join(directory, PROCESS_LOG), 'w', 0o600);
      const child = spawn(process.execPath, [...process.execArgv, entry, directory, ...(paused ? ['--paused'] : [])], {
        cwd: directory,
        detached: true,
        stdio: ['ignore', log, log, 'ipc'],
      });
      closeSync(log);
      return new Promise<void>((resolve, reject) => {
        const settle = (finish: () => void) => {
          clearTimeout(timer);
          child.removeAllListeners();
          child.on('error', () => undefined);
          if (child.connected) child.disconnect();
          child.unref();
          finish();
        };
        const timer = setTimeout(() => {
          child.kill('SIGKILL');
          settle(() => reject(new VmmError('host', `the machine did not start within ${START_PATIENCE / 1000} s; see ${PROCESS_LOG} in its folder`)));
        }, START_PATIENCE);
        child.on('message', (report: LaunchReport) => {
          settle(() => ('started' in report ? resolve() : reject(new VmmError(report.failed.kind, report.failed.message))));
        });
        child.on('error', (error) =>
          settle(() => reject(new VmmError('host', `the machine's process cannot be started: ${error.message}`, {}, error))),
        );
        child.on('exit', (status, signal) => {
          settle(() =>
            reject(
              new VmmError(
                'host',
                `the machine's process ended while it was starting (${signal ?? `status ${status ?? ''}`}); see ${PROCESS_LOG} in its folder`,
              ),
            ),
          );
        });
      });
    },
  };
}
