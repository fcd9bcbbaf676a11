import type { MessagePortMain, UtilityProcess } from 'electron';
import { type Client, connect } from '../vmm/protocol/client.ts';
import { messagePortTransport } from '../vmm/protocol/message-port.ts';
import type { PortTarget } from './bridge.ts';
import type { Electron } from './electron.ts';

/** A library process that dies is started again, but not for ever: something is wrong that a person must know. */
const RESTARTS = 3;
const RESTART_WINDOW_MS = 60_000;

export interface LibraryProcessOptions {
  /** The entry point that is forked, vmm/process/library-process. */
  readonly entry: string;
  readonly env?: Readonly<Record<string, string>>;
  /** It ended by itself for the last time. */
  readonly onGivenUp: (code: number) => void;
}

/**
 * The process that keeps the library and forks one VMM process per running machine. Main emulates nothing and never waits for it: it only brokers
 * message ports between it and the pages.
 */
export class LibraryProcess {
  readonly #electron: Pick<Electron, 'utilityProcess' | 'MessageChannelMain'>;
  readonly #options: LibraryProcessOptions;
  #process: UtilityProcess | undefined;
  #client: Promise<Client<'library'>> | undefined;
  #starts: number[] = [];
  #ending = false;

  constructor(electron: Pick<Electron, 'utilityProcess' | 'MessageChannelMain'>, options: LibraryProcessOptions) {
    this.#electron = electron;
    this.#options = options;
  }

  #running(): UtilityProcess {
    if (this.#process) return this.#process;
    const now = Date.now();
    this.#starts = [...this.#starts.filter((at) => now - at < RESTART_WINDOW_MS), now];
    const child = this.#electron.utilityProcess.fork(this.#options.entry, [], {
      serviceName: 'Strate library',
      stdio: 'inherit',
      ...(this.#options.env && { env: { ...process.env, ...this.#options.env } }),
    });
    child.on('exit', (code) => {
      if (this.#process === child) this.#process = undefined;
      this.#client = undefined;
      if (!this.#ending && this.#starts.length > RESTARTS) this.#options.onGivenUp(code);
    });
    this.#process = child;
    return child;
  }

  start(): void {
    this.#running();
  }

  /** A port whose other end the library process serves. @throws when the process has died too often to be tried again */
  openPort(target: PortTarget): MessagePortMain {
    if (this.#process === undefined && this.#starts.length > RESTARTS && Date.now() - Math.max(...this.#starts) < RESTART_WINDOW_MS) {
      throw new Error('Strate’s library process keeps ending; its log is in the library folder. Restart Strate to try again');
    }
    const { port1, port2 } = new this.#electron.MessageChannelMain();
    this.#running().postMessage(target, [port1]);
    return port2;
  }

  /** Main's own connection, for what the menu, the tray and quitting need to know. */
  client(): Promise<Client<'library'>> {
    this.#client ??= connect(messagePortTransport(this.openPort({ connect: 'library' })), 'library');
    return this.#client;
  }

  /** Names of the machines that have a process. */
  async runningMachines(): Promise<string[]> {
    const client = await this.client();
    const { vms } = await client.call('vm.list', {});
    return vms.filter((vm) => vm.state !== 'off' && vm.state !== 'saved' && vm.state !== 'crashed').map((vm) => vm.name);
  }

  stop(): void {
    this.#ending = true;
    this.#process?.kill();
    this.#process = undefined;
  }
}
