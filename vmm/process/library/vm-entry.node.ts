/** One VM as the library sees it: its folder, and its process while it has one. */
import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { Client } from '../../protocol/client.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { VmSummary } from '../../protocol/shared.ts';
import type { VmState } from '../../protocol/states.ts';
import { lastRunOf, runStateOf } from '../run-record.node.ts';
import { LOG_FILE, SCREEN_TEXT_FILE, THUMBNAIL_FILE } from '../vm-folder.node.ts';
import { PROCESS_LOG } from './launcher.node.ts';
import { connectMachine } from './machine-link.node.ts';
import { hasSavedState } from '../../snapshot/tree.node.ts';
import type { Found } from './store.node.ts';

export interface VmEntryEvents {
  changed(entry: VmEntry): void;
  snapshots(entry: VmEntry): void;
  notice(entry: VmEntry, level: 'info' | 'warning' | 'error', message: string): void;
}

/** A library looks again this soon after a process has gone, ms: its last file may not be written yet. */
const SETTLE = 100;
/** Of process.log, which a crash of the runtime fills with stacks. */
const MAX_LOG_BYTES = 1 << 20;

export class VmEntry {
  readonly directory: string;
  #found: Found;
  readonly #events: VmEntryEvents;
  #client: Client<'machine'> | undefined;
  #linkState: VmState | undefined;
  #connecting: Promise<void> | undefined;
  /** This library is starting it: there is no process to ask yet. */
  #starting = false;
  #state: VmState = 'off';
  #crash: string | undefined;
  #shown = '';

  constructor(found: Found, events: VmEntryEvents) {
    this.directory = found.directory;
    this.#found = found;
    this.#events = events;
  }

  get id(): string {
    return this.#found.config?.id ?? `folder:${basename(this.directory)}`;
  }

  get name(): string {
    return this.#found.config?.name ?? basename(this.directory);
  }

  get state(): VmState {
    return this.#state;
  }

  /** @throws VmmError `invalid` when its config.json cannot be used. */
  get config(): VmConfig {
    this.check();
    return this.#found.config!;
  }

  /** @throws VmmError `invalid` when it cannot be started as it is. */
  check(): void {
    if (this.#found.config === undefined) throw new VmmError('invalid', this.#found.problem ?? 'its configuration cannot be read');
  }

  /** The connection to its process. @throws VmmError `state` when it has none. */
  async machine(): Promise<Client<'machine'>> {
    // It may run all the same: a connection that was lost, or that could not be made while the host was busy, is made again.
    if (this.#client === undefined) await this.update();
    if (this.#client === undefined) throw new VmmError('state', `${this.name} is not running`);
    return this.#client;
  }

  get modified(): number {
    return this.#found.modified;
  }

  /** Takes over what is on disk now; connects to a process that has appeared. Resolves when its state is known. */
  async update(found: Found = this.#found): Promise<void> {
    this.#found = found;
    const run = runStateOf(this.directory);
    if (run.state === 'running') {
      if (this.#client === undefined) this.#connecting ??= this.#connect(run.run.socket).finally(() => (this.#connecting = undefined));
      this.#state = this.#linkState ?? 'starting';
    } else {
      this.#setStopped(run.state);
    }
    this.#tell();
    await this.#connecting;
  }

  set starting(starting: boolean) {
    this.#starting = starting;
    void this.update();
  }

  #setStopped(state: 'off' | 'crashed'): void {
    const last = state === 'off' ? lastRunOf(this.directory) : undefined;
    const failed = state === 'crashed' || last?.how === 'error';
    this.#state = this.#starting ? 'starting' : failed ? 'crashed' : hasSavedState(this.directory) ? 'saved' : 'off';
    if (!failed) this.#crash = undefined;
    else this.#crash = last?.message ?? this.#lastWords() ?? 'its process ended unexpectedly; the log may tell why';
  }

  /** The line of process.log that says most about a crash of the runtime. */
  #lastWords(): string | undefined {
    const lines = this.processLog();
    if (lines.length === 0) return undefined;
    const line = lines.find((one) => /FATAL|Error:|out of memory|Segmentation/i.test(one)) ?? lines[lines.length - 1]!;
    return `its process ended unexpectedly: ${line.trim().slice(0, 200)}`;
  }

  async #connect(socket: string): Promise<void> {
    let client: Client<'machine'>;
    try {
      client = await connectMachine(socket);
    } catch {
      return; // it is on its way up or down: the next look will tell
    }
    this.#client = client;
    client.on('machine.state', ({ state }) => {
      this.#linkState = state;
      this.#state = state;
      this.#tell();
    });
    client.on('snapshots.changed', () => this.#events.snapshots(this));
    client.on('machine.notice', ({ level, message }) => this.#events.notice(this, level, message));
    client.on('machine.ended', ({ how, message }) => {
      if (how === 'error' && message !== undefined) this.#events.notice(this, 'error', message);
    });
    void client.closed.then(() => {
      this.#client = undefined;
      this.#linkState = undefined;
      setTimeout(() => void this.update(), SETTLE);
    });
    try {
      this.#linkState = (await client.call('machine.status', {})).state;
      this.#state = this.#linkState;
      this.#tell();
    } catch {
      // it has just ended
    }
  }

  close(): void {
    this.#client?.close();
  }

  summary(): VmSummary {
    const { config, problem } = this.#found;
    const trouble = problem ?? (this.#state === 'crashed' ? this.#crash : undefined);
    const picture = config?.private === true ? undefined : statSync(join(this.directory, THUMBNAIL_FILE), { throwIfNoEntry: false })?.mtimeMs;
    const lastStarted = lastRunOf(this.directory)?.started;
    return {
      id: this.id,
      name: this.name,
      state: this.#state,
      system: config?.system ?? 'other',
      folder: config?.folder ?? '',
      tags: config?.tags ?? [],
      private: config?.private ?? false,
      autostart: config?.autostart ?? false,
      memory: config?.memory ?? 0,
      cpus: config?.cpu.count ?? 0,
      directory: this.directory,
      ...(config?.created !== undefined && { created: Date.parse(config.created) }),
      ...(lastStarted !== undefined && { lastStarted }),
      ...(picture !== undefined && { thumbnail: picture }),
      ...(trouble !== undefined && { problem: trouble }),
    };
  }

  /** Where every word stands: in the notes, or in the text of the screen as last seen. */
  search(words: readonly string[]): { vm: string; where: 'notes' | 'screen'; line: string } | undefined {
    const { config } = this.#found;
    if (config === undefined || words.length === 0) return undefined;
    const places = [
      { where: 'notes', lines: config.notes.split('\n') },
      { where: 'screen', lines: config.private ? [] : readLines(join(this.directory, SCREEN_TEXT_FILE)) },
    ] as const;
    for (const { where, lines } of places) {
      const text = foldText(lines.join('\n'));
      if (!words.every((word) => text.includes(word))) continue;
      const line = lines.find((one) => words.some((word) => foldText(one).includes(word))) ?? '';
      return { vm: this.id, where, line: line.trim().slice(0, 200) };
    }
    return undefined;
  }

  thumbnail(): Uint8Array | undefined {
    if (this.#found.config?.private === true) return undefined;
    try {
      return readFileSync(join(this.directory, THUMBNAIL_FILE));
    } catch {
      return undefined;
    }
  }

  /** The end of the last run's log; what the process itself printed, if it did, comes last. */
  log(lines: number): string[] {
    return [...readLines(join(this.directory, LOG_FILE)), ...this.processLog()].slice(-lines);
  }

  processLog(): string[] {
    return readLines(join(this.directory, PROCESS_LOG));
  }

  #tell(): void {
    const shown = JSON.stringify(this.summary());
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#events.changed(this);
  }
}

/** Without case and accents. */
export function foldText(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

function readLines(path: string): string[] {
  try {
    const bytes = readFileSync(path);
    return bytes
      .subarray(-MAX_LOG_BYTES)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : [messageOf(error)];
  }
}
