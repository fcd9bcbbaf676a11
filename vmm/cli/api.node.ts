/**
 * `import { Library } from 'strate'`: machines from a script, in the manner of a browser driver. Machines run in processes of their own, as those that
 * `strate start` starts, and go on when the script ends unless it powers them off. docs/api.md is the guide; its examples are tests.
 */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { JobControl } from '../process/library/jobs.ts';
import { nodeLauncher } from '../process/library/launcher.node.ts';
import { Library as VmLibrary } from '../process/library/library.node.ts';
import { libraryDirectory } from '../process/library/locations.node.ts';
import { connectMachine } from '../process/library/machine-link.node.ts';
import { cloneVm, createVm, importMedium, type NewDisk } from '../process/library/make-vm.node.ts';
import { Store } from '../process/library/store.node.ts';
import { runStateOf } from '../process/run-record.node.ts';
import type { Client } from '../protocol/client.ts';
import type { VmConfigInput } from '../protocol/config.ts';
import type { ParamsOf, ResultOf } from '../protocol/method.ts';
import type { MachineMethods } from '../protocol/methods.ts';
import type { MachineStatus, Stats, VmSummary } from '../protocol/shared.ts';
import { findVm } from './library-access.node.ts';

export type { VmConfigInput, VmSummary };

export interface LibraryOptions {
  /** The library's folder. Default: the one that the application and the command use. */
  readonly directory?: string;
}

export interface ImportOptions {
  readonly name?: string;
  /** Take the file into the machine's folder (default), or use it where it lies. */
  readonly copy?: boolean;
  /** What shall differ from the configuration that is proposed. */
  readonly changes?: Partial<VmConfigInput>;
}

export interface WaitOptions {
  /** Milliseconds; default 60 000. */
  readonly timeout?: number;
}

/** A machine of the library: its settings, whether it runs or not, and what can be done with it. */
export class Machine implements AsyncDisposable {
  readonly id: string;
  readonly #library: VmLibrary;
  #client: Client<'machine'> | undefined;

  /** @internal use Library.find, create or import */
  constructor(library: VmLibrary, id: string) {
    this.#library = library;
    this.id = id;
  }

  get name(): string {
    return this.#library.find(this.id).name;
  }

  get directory(): string {
    return this.#library.find(this.id).directory;
  }

  /** What the library shows of it now. */
  async info(): Promise<VmSummary> {
    await this.#library.refresh();
    return this.#library.find(this.id).summary();
  }

  /** Changes settings; of a running machine most take effect at the next start. @returns those that wait for it */
  async configure(changes: Partial<VmConfigInput>): Promise<string[]> {
    return (await this.#library.configure(this.id, changes)).nextStart;
  }

  /** Resolves when it runs. */
  async start({ paused = false }: { paused?: boolean } = {}): Promise<void> {
    await this.#library.start(this.id, { paused });
  }

  /** Any method of the protocol (docs/protocol.md). @throws VmmError `state` when it does not run */
  async call<M extends keyof MachineMethods>(method: M, params: ParamsOf<MachineMethods[M]>): Promise<ResultOf<MachineMethods[M]>> {
    return (await this.#connect()).call(method, params);
  }

  async pause(): Promise<void> {
    await this.call('machine.pause', {});
  }
  async resume(): Promise<void> {
    await this.call('machine.resume', {});
  }
  async reset(): Promise<void> {
    await this.call('machine.reset', {});
  }
  /** ACPI: the guest is asked to shut down. */
  async pressPowerButton(): Promise<void> {
    await this.call('machine.powerButton', {});
  }
  status(): Promise<MachineStatus> {
    return this.call('machine.status', {});
  }
  stats(): Promise<Stats> {
    return this.call('machine.stats', {});
  }

  /** Pulls the plug; resolves when the process has ended. */
  async powerOff(): Promise<void> {
    const client = await this.#connect();
    await client.call('machine.powerOff', {});
    await client.closed;
    this.#client = undefined;
    await this.#library.refresh();
  }

  /** Resolves when the machine has ended, by itself or not. */
  async ended(): Promise<void> {
    await (
      await this.#connect()
    ).closed;
    this.#client = undefined;
  }

  readonly screen = {
    /** The lines of a text-mode screen; undefined in a graphics mode. */
    text: async (): Promise<string[] | undefined> => {
      const { text, lines } = await this.call('screen.text', {});
      return text ? lines : undefined;
    },
    /** Waits until a line of the screen matches. @returns the line. @throws ProtocolError `timeout` */
    waitForText: (pattern: RegExp | string, options?: WaitOptions): Promise<string> => this.#wait(pattern, options, undefined),
    /** The picture exactly as the guest draws it, PNG; into `file` where one is named. */
    screenshot: async (file?: string): Promise<Uint8Array> => {
      const { png } = await this.call('screen.screenshot', {});
      const bytes = new Uint8Array(Buffer.from(png, 'base64'));
      if (file !== undefined) writeFileSync(file, bytes);
      return bytes;
    },
  };

  /** Types text as a person would, on the keyboard layout of the guest (`us`, `uk`, `fr`, `de`). */
  async type(text: string, layout = 'us'): Promise<void> {
    const { skipped } = await this.call('input.type', { text, layout });
    if (skipped !== '') throw new VmmError('usage', `not on the keyboard layout ${layout}: ${skipped}`);
  }

  /** Presses keys: `press('ctrl+alt+delete')`, `press('f2', 'enter')`. */
  async press(...keys: string[]): Promise<void> {
    await this.call('input.keys', { keys });
  }

  /** A serial port, COM1 by default. */
  serial(port = 1) {
    return {
      write: async (data: string): Promise<void> => {
        await this.call('serial.write', { port: port - 1, data });
      },
      waitForText: (pattern: RegExp | string, options?: WaitOptions): Promise<string> => this.#wait(pattern, options, port - 1),
    };
  }

  /** Puts an image into a CD or floppy drive. */
  async insert(drive: string, file: string): Promise<void> {
    await this.call('media.insert', { drive, file });
  }

  async eject(drive: string): Promise<void> {
    await this.call('media.eject', { drive });
  }

  /** `linked`: with differences to its disks instead of copies. */
  async clone(name?: string, { linked }: { linked?: boolean } = {}): Promise<Machine> {
    return new Machine(this.#library, (await cloneVm(this.#library, this.#library.find(this.id), { name, linked }, ownJob())).id);
  }

  /** To the trash. */
  async delete(): Promise<void> {
    await this.#library.trash(this.id);
  }

  /** Lets go of the connection; the machine runs on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
    await this.#client?.closed;
    this.#client = undefined;
  }

  async #wait(pattern: RegExp | string, { timeout = 60_000 }: WaitOptions = {}, serial: number | undefined): Promise<string> {
    const source = typeof pattern === 'string' ? escape(pattern) : patternOf(pattern);
    const { line } = await this.call('screen.wait', { pattern: source, timeout: timeout / 1000, ...(serial !== undefined && { serial }) });
    return line;
  }

  async #connect(): Promise<Client<'machine'>> {
    if (this.#client !== undefined) return this.#client;
    const state = runStateOf(this.directory);
    if (state.state !== 'running') throw new VmmError('state', `${this.name} is not running; start it first`);
    const client = await connectMachine(state.run.socket);
    void client.closed.then(() => {
      if (this.#client === client) this.#client = undefined;
    });
    this.#client = client;
    return client;
  }
}

/** The machines of one folder, whoever made or started them. */
export class Library implements AsyncDisposable {
  readonly #library: VmLibrary;

  private constructor(library: VmLibrary) {
    this.#library = library;
  }

  static async open({ directory = libraryDirectory() }: LibraryOptions = {}): Promise<Library> {
    const library = new VmLibrary({ store: new Store(directory), launcher: nodeLauncher(), log: silentLog });
    await library.refresh();
    return new Library(library);
  }

  async list(): Promise<VmSummary[]> {
    await this.#library.refresh();
    return this.#library.list();
  }

  /** A machine by its id, its name, or the path of its folder. @throws VmmError `not-found`, `usage` when several have the name */
  async find(ref: string): Promise<Machine> {
    await this.#library.refresh();
    return new Machine(this.#library, (await findVm(this.#library, ref)).id);
  }

  /** A machine from a configuration; only the name is needed. `disks` are made new and empty. */
  async create(config: Partial<VmConfigInput> & { readonly name: string }, disks: readonly NewDisk[] = []): Promise<Machine> {
    return new Machine(this.#library, (await createVm(this.#library, { ...config }, disks)).id);
  }

  /** A machine of a floppy, CD or disk image, a kernel, or a machine of another product: hardware is chosen to suit. */
  async import(file: string, { name, copy = true, changes = {} }: ImportOptions = {}): Promise<Machine> {
    const source = { path: file, name: basename(file), uploaded: false };
    return new Machine(this.#library, (await importMedium(this.#library, source, { name, copy, changes: { ...changes } }, ownJob())).id);
  }

  /** Lets go; machines run on. */
  async close(): Promise<void> {
    await this.#library.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const ownJob = (): JobControl => ({ signal: new AbortController().signal, progress: () => undefined });

const escape = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Flags that change what a pattern matches cannot cross the wire, but for `i`, which can be written into it. */
function patternOf({ source, flags }: RegExp): string {
  const unusual = flags.replaceAll(/[gmuy]/g, '');
  if (unusual === '') return source;
  if (unusual === 'i') return `(?i:${source})`;
  throw new VmmError('usage', `a pattern may have the flag i, not ${unusual}`);
}
