/** Starts VMM processes. One that was started goes on when whoever started it ends. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VmmError, type VmmErrorKind } from '../../base/errors.ts';
import { CONFIG_FILE, readConfig } from '../vm-folder.node.ts';

export const PROCESS_LOG = 'process.log';

/** What a VMM process tells whoever started it, once. */
export type LaunchReport = { readonly started: true } | { readonly failed: { readonly kind: VmmErrorKind; readonly message: string } };

/**
 * A VMM process runs what Strate consists of and nothing else: no code from strings, no native addons. Node's permission model is not among
 * these: it disables fsync, without which a guest's flush would mean nothing (docs/decisions/0003-permission-model.md).
 */
const HARDENING = ['--disallow-code-generation-from-strings'];
/** A machine with a port on a pseudo-terminal needs one addon, node-pty; every other none. */
const NO_ADDONS = '--no-addons';

function hardening(directory: string): readonly string[] {
  try {
    if (readConfig(join(directory, CONFIG_FILE)).serial.some(({ backend }) => backend === 'pty')) return HARDENING;
  } catch {
    // the process itself says what is wrong with its configuration
  }
  return [...HARDENING, NO_ADDONS];
}

/** What a VMM process needs to know of its surroundings; nothing that changes what Node loads. */
const PASSED_ON = /^(PATH|HOME|USERPROFILE|LANG|LC_.*|TZ|XDG_.*|STRATE_.*|LOCALAPPDATA|APPDATA|SystemRoot|TEMP|TMP)$/i;

export function vmmEnvironment(environment: NodeJS.ProcessEnv, directory: string): NodeJS.ProcessEnv {
  const passed = Object.fromEntries(Object.entries(environment).filter(([name]) => PASSED_ON.test(name)));
  return {
    ...passed,
    // What Node makes of the TypeScript is kept, where cli/strate.mjs keeps it: a third of what a start takes.
    NODE_COMPILE_CACHE: join(homedir(), '.cache', 'strate', 'compiled'),
    // Temporary files (writes to be discarded) lie beside the disks, where there is room.
    TMPDIR: directory,
    ...('electron' in process.versions && { ELECTRON_RUN_AS_NODE: '1' }), // Electron's binary is to be Node
  };
}

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
      const child = spawn(process.execPath, [...hardening(directory), entry, directory, ...(paused ? ['--paused'] : [])], {
        cwd: directory,
        env: vmmEnvironment(process.env, directory),
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
