/**
 * The VMM process: one machine, from the folder that is its argument. Started by a launcher (library/launcher.node.ts), to which it reports once;
 * after that it is on its own until the machine ends, and speaks the protocol on its socket. `--paused` starts it paused.
 */
import { join } from 'node:path';
import { messageOf, VmmError } from '../base/errors.ts';
import { hostVm } from './hosted-vm.node.ts';
import type { LaunchReport } from './library/launcher.node.ts';
import { LogFile } from './log-file.node.ts';
import { ownsRun } from './run-record.node.ts';
import { CONFIG_FILE, LOG_FILE, readConfig } from './vm-folder.node.ts';

const INTERNAL_ERROR = 1;
const BAD_USAGE = 2;
const TERMINATED = 143; // 128 + SIGTERM
/** How soon it is noticed that the folder is gone, ms: nobody could reach the machine any more. */
const WATCH_INTERVAL = 5000;

const [folder, ...flags] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('vmm.node.ts is started by Strate with the folder of a VM\n');
  process.exit(BAD_USAGE);
}
await main(folder, flags.includes('--paused'));

async function main(directory: string, paused: boolean): Promise<void> {
  process.on('SIGHUP', () => undefined); // the terminal it was started from may close
  try {
    const config = readConfig(join(directory, CONFIG_FILE));
    const log = new LogFile(join(directory, LOG_FILE), (line) => process.stderr.write(`${line}\n`));
    process.on('uncaughtException', (error) => {
      log.line(`error process: ${error.stack ?? error.message}`, true);
      process.exit(INTERNAL_ERROR); // run.json stays: the library shows a crash
    });
    const { vm, ended } = await hostVm({ config, directory, folder: directory, log, paused, stdin: process.stdin, stdout: process.stdout });
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => void vm.session.stop({ how: 'interrupted', status: TERMINATED, message: `ended by ${signal}` }));
    const watch = setInterval(() => {
      if (ownsRun(directory)) return;
      clearInterval(watch);
      void vm.session.stop({ how: 'error', status: INTERNAL_ERROR, message: 'the folder of the machine was removed while it ran' });
    }, WATCH_INTERVAL);
    report({ started: true });
    const end = await ended;
    log.line(`info process: ended (${end.how})${end.message === undefined ? '' : `: ${end.message}`}`);
    process.exit(end.status);
  } catch (error) {
    report({ failed: { kind: error instanceof VmmError ? error.kind : 'internal', message: messageOf(error) } });
    process.stderr.write(`${error instanceof VmmError ? error.message : ((error as Error).stack ?? messageOf(error))}\n`);
    process.exit(error instanceof VmmError ? BAD_USAGE : INTERNAL_ERROR);
  }
}

function report(what: LaunchReport): void {
  process.send?.(what);
}
