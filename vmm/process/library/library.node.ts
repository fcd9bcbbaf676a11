/** The VMs of one library folder, whoever made or started them, and what can be done with them. */
import { randomUUID } from 'node:crypto';
import { isAbsolute, relative } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { parseConfig, type VmConfig } from '../../protocol/config.ts';
import type { JobInfo, VmSummary } from '../../protocol/shared.ts';
import type { VmState } from '../../protocol/states.ts';
import { Emitter } from '../emitter.ts';
import { writeConfig } from '../vm-folder.node.ts';
import { jobHistory } from './job-history.node.ts';
import { Jobs } from './jobs.ts';
import type { Launcher } from './launcher.node.ts';
import type { Store } from './store.node.ts';
import { foldText, VmEntry } from './vm-entry.node.ts';

export interface LibraryEventsData {
  changed: VmSummary;
  removed: string;
  notice: { id: string; level: 'info' | 'warning' | 'error'; message: string };
  trash: object;
  /** The VM's id. */
  snapshots: string;
  job: JobInfo;
  settings: Record<string, unknown>;
}

/** How often the folders are looked at for what others did, ms. */
const LOOK_INTERVAL = 1500;

/** Settings that a running machine takes at once, because they concern the library only. */
const AT_ONCE: ReadonlySet<string> = new Set(['name', 'notes', 'tags', 'folder', 'autostart', 'private', 'system']);

export class Library extends Emitter<LibraryEventsData> {
  readonly store: Store;
  readonly jobs: Jobs;
  readonly #launcher: Launcher;
  readonly #log: Log;
  readonly #entries = new Map<string, VmEntry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly store: Store; readonly launcher: Launcher; readonly log: Log }) {
    super();
    this.store = options.store;
    this.#launcher = options.launcher;
    this.#log = options.log;
    this.jobs = new Jobs((job) => this.emit('job', job), Date.now, jobHistory(this.store.root));
  }

  /** Looks at the folders. Resolves when the state of every VM is known. */
  async refresh(): Promise<void> {
    const found = this.store.scan();
    const present = new Set(found.map(({ directory }) => directory));
    for (const [directory, entry] of this.#entries) {
      if (present.has(directory)) continue;
      this.#entries.delete(directory);
      entry.close();
      this.emit('removed', entry.id);
    }
    await Promise.all(
      found.map((one) => {
        let entry = this.#entries.get(one.directory);
        if (entry === undefined) {
          entry = new VmEntry(one, {
            snapshots: (about) => this.emit('snapshots', about.id),
            changed: (changed) => this.emit('changed', changed.summary()),
            notice: (about, level, message) => this.emit('notice', { id: about.id, level, message }),
          });
          this.#entries.set(one.directory, entry);
        }
        return entry.update(one);
      }),
    );
  }

  /** Goes on looking until `close`. */
  watch(): void {
    this.#timer ??= setInterval(
      () => void this.refresh().catch((error: unknown) => this.#log.error('looking at the library failed', { error })),
      LOOK_INTERVAL,
    );
  }

  /** Lets go. Machines run on. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.jobs.cancelAll();
    for (const entry of this.#entries.values()) entry.close();
  }

  list(): VmSummary[] {
    return [...this.#entries.values()].map((entry) => entry.summary()).toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** A VM by its id, or by its name where only one has it. @throws VmmError `not-found`, `usage` when several do. */
  find(ref: string): VmEntry {
    const entries = [...this.#entries.values()];
    const byId = entries.find(({ id }) => id === ref);
    if (byId !== undefined) return byId;
    const named = entries.filter(({ name }) => name === ref);
    if (named.length === 1) return named[0]!;
    if (named.length > 1)
      throw new VmmError('usage', `${named.length} machines are called ${JSON.stringify(ref)}; use the id: ${named.map(({ id }) => id).join(', ')}`);
    throw new VmmError('not-found', `there is no machine ${JSON.stringify(ref)}`);
  }

  /** VMs that have every word in their notes or on their screen, with the line that tells. */
  search(text: string): { vm: string; where: 'notes' | 'screen'; line: string }[] {
    const words = foldText(text)
      .split(/\s+/)
      .filter((word) => word !== '');
    return [...this.#entries.values()].flatMap((entry) => entry.search(words) ?? []);
  }

  stateOf(ref: string): VmState | undefined {
    try {
      return this.find(ref).state;
    } catch {
      return undefined;
    }
  }

  /** The entry of a folder that was just made or changed. */
  async entryOf(directory: string): Promise<VmEntry> {
    await this.refresh();
    const entry = this.#entries.get(directory);
    if (entry === undefined) throw new VmmError('internal', `${directory} is not in the library`);
    return entry;
  }

  /** Writes a new VM into `directory`, which is in the library. @throws VmmError `invalid`, with nothing written */
  async add(directory: string, config: object): Promise<VmEntry> {
    writeConfig(directory, completeConfig(config));
    return this.entryOf(directory);
  }

  /** Each given top-level field replaces the present one; null takes it back to its default. @throws VmmError `invalid`, `usage` */
  async configure(ref: string, changes: Readonly<Record<string, unknown>>): Promise<{ entry: VmEntry; nextStart: string[] }> {
    const entry = this.find(ref);
    const before = entry.config;
    for (const fixed of ['id', 'schema', 'created'] as const) {
      if (fixed in changes && changes[fixed] !== before[fixed]) throw new VmmError('usage', `${fixed} of a machine cannot be changed`);
    }
    const merged = { ...before, ...changes };
    const after = parseConfig(withoutNulls(merged));
    writeConfig(entry.directory, after);
    const differing = (Object.keys({ ...before, ...after }) as (keyof VmConfig)[]).filter(
      (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
    );
    const stopped = ['off', 'saved', 'crashed'].includes(entry.state);
    const tuned = stopped ? new Set<string>() : await tune(entry, before, after);
    const nextStart = stopped ? [] : differing.filter((key) => !AT_ONCE.has(key) && !tuned.has(key));
    return { entry: await this.entryOf(entry.directory), nextStart };
  }

  /** A medium that was put into a drive is there at the next start, too. */
  async rememberMedium({ id, config, directory }: VmEntry, drive: string, file: string): Promise<void> {
    const inside = relative(directory, file);
    const kept = inside.startsWith('..') || isAbsolute(inside) ? file : inside;
    await this.configure(id, { drives: config.drives.map((one) => (one.id === drive ? { ...one, file: kept } : one)) });
  }

  /** @throws VmmError when it cannot be started, with the reason. */
  async start(ref: string, options: { paused: boolean }): Promise<VmEntry> {
    const entry = this.find(ref);
    entry.check();
    if (entry.config.template) throw new VmmError('state', `${entry.name} is a template; clone it, and start the clone`);
    entry.starting = true;
    try {
      await this.#launcher.launch(entry.directory, options);
    } finally {
      entry.starting = false;
    }
    await entry.update();
    return entry;
  }

  async trash(ref: string): Promise<string | undefined> {
    const entry = this.find(ref);
    if (!['off', 'saved', 'crashed'].includes(entry.state)) throw new VmmError('state', `${entry.name} is ${entry.state}; power it off first`);
    let config: VmConfig | undefined;
    try {
      ({ config } = entry);
    } catch {
      // a damaged one can be thrown away, too
    }
    const trashed = this.store.trash({ directory: entry.directory, config });
    await this.refresh();
    this.emit('trash', {});
    return trashed;
  }

  async restore(id: string): Promise<VmEntry> {
    const directory = this.store.restore(id);
    this.emit('trash', {});
    return this.entryOf(directory);
  }

  purge(id: string | undefined): void {
    for (const one of id === undefined ? this.store.trashed().map((vm) => vm.id) : [id]) this.store.purge(one);
    this.emit('trash', {});
  }

  changeSettings(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const settings = withoutNulls({ ...this.store.settings(), ...changes });
    if (JSON.stringify(settings).length > 1 << 20) throw new VmmError('usage', 'the settings are too long');
    this.store.writeSettings(settings);
    this.emit('settings', settings);
    return settings;
  }
}

/** Gives a running machine at once what it can take at once. @returns the fields of which nothing is left for the next start */
async function tune(entry: VmEntry, before: VmConfig, after: VmConfig): Promise<Set<string>> {
  const done = new Set<string>();
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const throttle = Object.fromEntries(
    after.drives
      .filter((drive) => before.drives.some((old) => old.id === drive.id && !same(old.throttle, drive.throttle)))
      .map((drive) => [drive.id, drive.throttle ?? {}]),
  );
  const cpuLimit = before.cpu.limit === after.cpu.limit ? undefined : after.cpu.limit;
  if (cpuLimit === undefined && Object.keys(throttle).length === 0) return done;
  await (await entry.machine()).call('machine.tune', { throttle, ...(cpuLimit !== undefined && { cpuLimit }) });
  if (same({ ...before.cpu, limit: 0 }, { ...after.cpu, limit: 0 })) done.add('cpu');
  const others = (drives: VmConfig['drives']) => drives.map((drive) => ({ ...drive, throttle: undefined }));
  if (same(others(before.drives), others(after.drives))) done.add('drives');
  return done;
}

/** Gives a configuration what only a machine that exists has. @throws VmmError `invalid` */
export function completeConfig(config: object): VmConfig {
  return parseConfig({ id: randomUUID(), created: new Date().toISOString(), ...config });
}

function withoutNulls(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
}
