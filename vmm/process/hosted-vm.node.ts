/** A machine together with what makes it a VM of a library: its folder's run record, log, socket and thumbnail. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Transport } from '../protocol/transport.ts';
import { thumbnail } from '../display/scale.ts';
import { encodePng } from '../display/png.node.ts';
import { type ControlSocket, controlPath, listenOnSocket } from './control-socket.node.ts';
import type { RunEnd } from './machine-messages.ts';
import type { Session } from './session.ts';
import { endRun, takeRun } from './run-record.node.ts';
import { storeOf } from './snapshots/store-folder.node.ts';
import { Vm, type VmOptions } from './vm.node.ts';
import { SCREEN_TEXT_FILE, THUMBNAIL_FILE } from './vm-folder.node.ts';

export interface HostedVmOptions extends Omit<VmOptions, 'snapshots'> {
  /** The VM's folder; absent for a machine that is in no library. */
  readonly folder?: string;
  /** Where to listen for clients. Default: in the folder, if there is one. */
  readonly control?: string;
}

export interface HostedVm {
  readonly vm: Vm;
  /** Everything is closed and written. */
  readonly ended: Promise<RunEnd>;
}

const THUMBNAIL_WIDTH = 320;
const THUMBNAIL_INTERVAL = 5000;

/** @throws VmmError with one line for people when it cannot be started; the folder is as before then. */
export async function hostVm(options: HostedVmOptions): Promise<HostedVm> {
  const { folder } = options;
  const socketPath = options.control ?? (folder === undefined ? undefined : controlPath(folder));
  if (folder !== undefined) takeRun(folder, socketPath!);
  let socket: ControlSocket | undefined;
  let vm: Vm | undefined;
  // Who connects while the machine is being built waits for it.
  const early: Transport[] = [];
  try {
    if (socketPath !== undefined)
      socket = await listenOnSocket(socketPath, (transport) => {
        if (vm === undefined) early.push(transport);
        else vm.attach(transport);
      });
    vm = await Vm.start({ ...options, ...(folder !== undefined && { snapshots: { folder, store: storeOf(folder) } }) });
    for (const transport of early) vm.attach(transport);
  } catch (error) {
    socket?.close();
    if (folder !== undefined) endRun(folder, { how: 'killed', status: 2 });
    throw error;
  }
  const picture = folder !== undefined && !options.config.private ? new ScreenFiles(vm.session, folder) : undefined;
  const ended = vm.ended.then(async (end) => {
    await picture?.finish();
    if (folder !== undefined) endRun(folder, end);
    socket?.close();
    return end;
  });
  return { vm, ended };
}

/** Keeps the screen for libraries, every few seconds: small, and its characters in a text mode. */
class ScreenFiles {
  readonly #session: Session;
  readonly #picture: string;
  readonly #text: string;
  readonly #timer: NodeJS.Timeout;
  readonly #last = new Map<string, string>();

  constructor(session: Session, folder: string) {
    this.#session = session;
    this.#picture = join(folder, THUMBNAIL_FILE);
    this.#text = join(folder, SCREEN_TEXT_FILE);
    this.#timer = setInterval(() => {
      if (session.state === 'running') void this.#draw();
    }, THUMBNAIL_INTERVAL);
  }

  /** The last picture of a machine that has ended. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    await this.#draw();
  }

  async #draw(): Promise<void> {
    if (!this.#session.hasDisplay) return;
    try {
      const screen = await this.#session.frames.look();
      const { surface, aspect } = screen.mode;
      const lines = screen.text()?.lines.map((line) => line.trimEnd());
      this.#write(this.#picture, encodePng(thumbnail(surface, aspect, THUMBNAIL_WIDTH)));
      this.#write(this.#text, Buffer.from(lines?.join('\n').trimEnd() ?? ''));
    } catch {
      // no picture is not worth a word
    }
  }

  #write(path: string, contents: Uint8Array): void {
    const key = Buffer.from(contents).toString('base64');
    if (this.#last.get(path) === key) return;
    this.#last.set(path, key);
    try {
      writeFileSync(`${path}.tmp`, contents, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    } catch {
      rmSync(`${path}.tmp`, { force: true });
    }
  }
}
