/** `strate run`: a machine in this process, until it ends. */
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { VmmError } from '../base/errors.ts';
import { encodePng } from '../display/png.node.ts';
import { listenPath } from '../process/control-socket.node.ts';
import { hostVm } from '../process/hosted-vm.node.ts';
import { LogFile } from '../process/log-file.node.ts';
import type { RunEnd } from '../process/machine-messages.ts';
import type { Session } from '../process/session.ts';
import { reasonOf } from '../process/vm-folder.node.ts';
import type { VmConfig } from '../protocol/config.ts';
import { exitStatus } from './exit-status.ts';
import type { ResolvedRun } from './resolve-config.node.ts';
import { complain, say } from './output.node.ts';
import { showInTerminal } from './terminal-display.node.ts';
import type { RunDraft } from './run-settings.ts';
import { guestInput } from './terminal.node.ts';

export interface RunOptions {
  readonly resolved: ResolvedRun;
  readonly draft: RunDraft;
  /** The VM's folder when it is one of a library. */
  readonly folder?: string;
  readonly verbose: boolean;
}

/** Runs to the end; returns the exit status. @throws VmmError when the machine cannot be started. */
export async function runMachine({ resolved, draft, folder, verbose }: RunOptions): Promise<number> {
  const { config, directory, warnings = [] } = resolved;
  for (const warning of warnings) complain(warning);
  const interrupt = new AbortController();
  const inTerminal = wantsTerminal(draft, config);
  const stdin =
    inTerminal || config.serial.some(({ backend }) => backend === 'stdio')
      ? guestInput(process.stdin, {
          quit: () => interrupt.abort({ how: 'interrupted', status: exitStatus.poweredOff } satisfies RunEnd),
          help: () => say('\r\nCtrl-A X: quit   Ctrl-A Ctrl-A: send Ctrl-A\r'),
        })
      : process.stdin;
  process.on('SIGINT', () => interrupt.abort({ how: 'interrupted', status: exitStatus.interrupted } satisfies RunEnd));
  process.on('SIGTERM', () => interrupt.abort({ how: 'interrupted', status: exitStatus.terminated } satisfies RunEnd));
  const log = new LogFile(undefined, (line) => {
    if (verbose) complain(line);
  });
  const { vm, ended } = await hostVm({
    config,
    directory,
    log,
    paused: false,
    stdin,
    stdout: process.stdout,
    progress: say,
    ...(folder !== undefined && { folder }),
    ...(draft.control !== undefined && { control: draft.control }),
  });
  const { session } = vm;
  session.on('notice', ({ level, message }) => {
    if (level !== 'info') complain(message);
  });
  const stop = () => void session.stop(interrupt.signal.reason as RunEnd);
  if (interrupt.signal.aborted)
    stop(); // while it was being built
  else interrupt.signal.addEventListener('abort', stop);
  if (draft.timeout !== undefined) setTimeout(() => void session.stop({ how: 'timeout', status: exitStatus.timeout }), draft.timeout * 1000).unref();
  for (const { file, at } of draft.screenshots) if (at !== undefined) setTimeout(() => void takeScreenshot(session, file), at * 1000).unref();
  if (draft.qtest !== undefined) await serveQtest(session, draft.qtest);
  if (inTerminal) showInTerminal(session, stdin, process.stdout);

  const end = await ended;
  if (end.message !== undefined) complain(end.message);
  for (const { file, at } of draft.screenshots) if (at === undefined) await takeScreenshot(session, file);
  if (draft.stats !== undefined) writeOutput(draft.stats, `${JSON.stringify(vm.stats(end), undefined, 2)}\n`);
  return end.status;
}

/** @throws VmmError for a display that cannot be. A VM whose own display is a window runs without one here. */
function wantsTerminal(draft: RunDraft, config: VmConfig): boolean {
  const kind = draft.config.display?.kind;
  if (kind === 'window' || kind === 'browser')
    throw new VmmError('unsupported', `--display ${kind} is not available yet; use strate serve, and start the machine there`);
  if (config.display.kind !== 'terminal') return false;
  if (config.serial.some(({ backend }) => backend === 'stdio'))
    throw new VmmError('usage', '--display terminal and --serial stdio cannot share one terminal');
  if (!process.stdin.isTTY || !process.stdout.isTTY) throw new VmmError('usage', '--display terminal needs a terminal as standard input and output');
  return true;
}

async function takeScreenshot(session: Session, file: string): Promise<void> {
  try {
    const { surface } = (await session.frames.look()).mode;
    writeFileSync(file, encodePng(surface));
  } catch (error) {
    complain(`--screenshot ${file}: ${reasonOf(error)}`);
  }
}

function writeOutput(file: string, text: string): void {
  try {
    if (file === '-') process.stdout.write(text);
    else writeFileSync(file, text);
  } catch (error) {
    complain(`${file}: ${reasonOf(error)}`);
  }
}

/** A test program listens at that path, as QEMU's do, and is connected to; where nobody does, it is listened at. */
async function serveQtest(session: Session, path: string): Promise<void> {
  const speak = (socket: Socket) => {
    createInterface({ input: socket }).on('line', (line) => session.post({ type: 'qtest', line }));
    const stop = session.on('qtest', (line) => socket.write(`${line}\n`));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      stop();
      void session.powerOff(); // QEMU ends with its test, too
    });
  };
  const socket = connect(path);
  const connected = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
  if (connected) {
    speak(socket);
    return;
  }
  const server = createServer((accepted) => {
    server.close(); // one test at a time
    speak(accepted);
  });
  await listenPath(server, path);
  session.on('ended', () => server.close());
}
