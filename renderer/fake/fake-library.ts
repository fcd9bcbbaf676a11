import { silentLog } from '../../vmm/base/log.ts';
import { parseConfig, type VmConfig, type VmConfigInput } from '../../vmm/protocol/config.ts';
import { connect } from '../../vmm/protocol/client.ts';
import { serve, type Session } from '../../vmm/protocol/server.ts';
import type { DiskInfo } from '../../vmm/protocol/disk-methods.ts';
import type { ImportPreview, JobInfo, Medium, TrashedVm, VmSummary } from '../../vmm/protocol/shared.ts';
import { transportPair } from '../../vmm/protocol/transport.ts';
import { ProtocolError } from '../../vmm/protocol/wire.ts';
import type { Host, Source } from '../connection/host.ts';
import { FakeMachine, type Painter } from './fake-machine.ts';

export interface FakeOptions {
  readonly painter?: Painter;
  /** PNG in base64 for a VM's thumbnail. */
  readonly thumbnail?: (vm: VmSummary) => string | null;
  readonly firmware?: boolean;
  readonly filesStayInPlace?: boolean;
}

interface Entry {
  vm: VmSummary;
  config: VmConfig;
}

/** A disk that stands on another, where it is one that can. */
function diskOf({ id, bus, media, format, readOnly, file }: VmConfig['drives'][number]): DiskInfo {
  const image = {
    file: file ?? '',
    format,
    size: bus === 'floppy' ? 737_280 : 2 ** 34,
    allocated: bus === 'floppy' ? 737_280 : 3.2 * 2 ** 30,
    facts: {},
    snapshots: [],
  };
  const base = { ...image, file: '/images/base.qcow2', allocated: 1.1 * 2 ** 30 };
  return { drive: id, bus, media, format, readOnly, file, chain: file === null ? [] : format === 'qcow2' ? [image, base] : [image] };
}

let unique = 0;

/** A library in memory behind the real protocol: every call is checked and carried exactly as by the real server. */
export class FakeLibrary implements Host {
  readonly kind = 'fake';
  readonly filesStayInPlace: boolean;
  readonly entries = new Map<string, Entry>();
  readonly machines = new Map<string, FakeMachine>();
  readonly trash = new Map<string, Entry & { deleted: number }>();
  readonly jobs = new Map<string, JobInfo>();
  settings: Record<string, unknown> = {};
  readonly logs = new Map<string, string[]>();
  /** What `media.detect` answers, by file name; a string is an error. */
  readonly media = new Map<string, { medium: Medium; config: Record<string, unknown>; preview?: ImportPreview } | string>();
  guests: {
    id: string;
    name: string;
    description: string;
    bytes: number;
    cached: boolean;
    available: boolean;
    help?: string;
  }[] = [];
  readonly #options: FakeOptions;
  readonly #sessions = new Set<Session<'library'>>();

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.filesStayInPlace = options.filesStayInPlace ?? true;
  }

  add(input: Partial<VmConfigInput> & { name: string }, more: Partial<VmSummary> = {}): VmSummary {
    const id = `00000000-0000-4000-8000-${String(++unique).padStart(12, '0')}`;
    const config = parseConfig({ id, ...input });
    const vm: VmSummary = {
      id,
      name: config.name,
      state: 'off',
      system: config.system,
      folder: config.folder,
      tags: config.tags,
      private: config.private,
      autostart: config.autostart,
      memory: config.memory,
      cpus: config.cpu.count,
      directory: `~/Strate/${config.name}`,
      created: Date.now() - 864e5,
      ...more,
    };
    this.entries.set(id, { vm, config });
    if (vm.state === 'running' || vm.state === 'paused') this.machines.set(id, new FakeMachine(config, this.#options.painter));
    this.#emitVm(vm);
    return vm;
  }

  update(id: string, change: Partial<VmSummary>): VmSummary {
    const entry = this.#entry(id);
    entry.vm = { ...entry.vm, ...change };
    this.#emitVm(entry.vm);
    return entry.vm;
  }

  /** As when the process of a running machine dies. */
  crash(id: string, problem: string, log: readonly string[]): void {
    this.machines.get(id)?.end();
    this.machines.delete(id);
    this.logs.set(id, [...log]);
    this.update(id, { state: 'crashed', problem });
  }

  openLibrary() {
    const [near, far] = transportPair();
    this.#serve(far);
    return connect(near, 'library');
  }

  openMachine(id: string) {
    const machine = this.machines.get(id);
    if (machine === undefined) return Promise.reject(new Error('the machine does not run'));
    const [near, far] = transportPair();
    machine.serve(far);
    return connect(near, 'machine');
  }

  offer(file: File): Promise<Source> {
    return Promise.resolve({ path: `/images/${file.name}` });
  }

  #entry(ref: string): Entry {
    const entry = this.entries.get(ref);
    if (entry === undefined) throw new ProtocolError('not-found', `there is no machine ${ref}`);
    return entry;
  }

  #emitVm(vm: VmSummary): void {
    for (const session of this.#sessions) session.emit('vm.changed', { vm });
  }

  #detect(path: string | undefined) {
    const name = path?.split('/').at(-1) ?? '';
    const found = this.media.get(name) ?? `${name} is not a disk image that Strate knows`;
    if (typeof found === 'string') throw new ProtocolError('invalid', found);
    return found;
  }

  #job(title: string, work: () => unknown): { job: string } {
    const id = `job-${++unique}`;
    const begin: JobInfo = { id, title, state: 'running', progress: null, cancellable: true, started: Date.now() };
    const tell = (job: JobInfo) => {
      this.jobs.set(id, job);
      for (const session of this.#sessions) session.emit('job.changed', { job });
    };
    tell(begin);
    setTimeout(() => {
      try {
        tell({ ...begin, state: 'done', progress: 1, ended: Date.now(), result: work() });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        tell({ ...begin, state: 'failed', ended: Date.now(), error: { code: 7, kind: 'host', message } });
      }
    }, 0);
    return { job: id };
  }

  #start(id: string): VmSummary {
    const { config } = this.#entry(id);
    this.machines.set(id, new FakeMachine(config, this.#options.painter));
    return this.update(id, { state: 'running', lastStarted: Date.now() });
  }

  #stop(id: string): void {
    this.machines.get(id)?.end();
    this.machines.delete(id);
    this.update(id, { state: 'off' });
  }

  #serve(transport: Parameters<typeof serve>[0]): void {
    const setState = (state: 'running' | 'paused') => (params: { vm: string }) => {
      this.machines.get(params.vm)?.setState(state);
      this.update(params.vm, { state });
    };
    const session = serve(transport, {
      role: 'library',
      version: '0.1.0',
      log: silentLog,
      stateOf: (params) => this.entries.get(String(params['vm']))?.vm.state,
      handlers: {
        'host.info': () => ({
          version: '0.1.0',
          platform: 'linux',
          cpus: 8,
          memory: 32_768,
          library: '~/Strate',
          accelerators: ['wasm', 'interp'],
          cpuModels: ['486', 'pentium', 'i686', 'qemu64', 'x86-64-v2'],
          firmware: this.#options.firmware === false ? null : '/usr/share/seabios/bios-256k.bin',
          ...(this.#options.firmware === false && { firmwareHelp: 'Install the package seabios, or choose another firmware file under Hardware.' }),
        }),
        'vm.list': () => ({ vms: [...this.entries.values()].map(({ vm }) => vm) }),
        'vm.get': ({ vm }) => ({ vm: this.#entry(vm).vm, config: { ...this.#entry(vm).config } }),
        'vm.search': ({ text }) => ({
          hits: [...this.entries.values()]
            .filter(({ config }) => config.notes.toLowerCase().includes(text.toLowerCase()))
            .map(({ vm, config }) => ({ vm: vm.id, where: 'notes' as const, line: config.notes })),
        }),
        'vm.create': ({ config }) => ({ vm: this.add(config as { name: string }) }),
        'vm.configure': ({ vm, changes }) => {
          const entry = this.#entry(vm);
          entry.config = parseConfig({ ...entry.config, ...changes });
          const { name, system, folder, tags, memory, private: hidden, autostart } = entry.config;
          const changed = this.update(vm, { name, system, folder, tags, memory, private: hidden, autostart, cpus: entry.config.cpu.count });
          return { vm: changed, config: { ...entry.config }, nextStart: Object.keys(changes).filter((key) => key !== 'name' && key !== 'notes') };
        },
        'vm.rename': ({ vm, name }) => {
          const entry = this.#entry(vm);
          entry.config = { ...entry.config, name };
          return { vm: this.update(vm, { name }) };
        },
        'vm.clone': ({ vm }) => {
          const { config } = this.#entry(vm);
          return this.#job(`Cloning ${config.name}`, () => ({ vm: this.add({ ...config, id: undefined, name: `${config.name} copy` } as never).id }));
        },
        'vm.delete': ({ vm }) => {
          const entry = this.#entry(vm);
          this.entries.delete(vm);
          const trashed = `trashed-${++unique}`; // as in the real library, not the VM's own id
          this.trash.set(trashed, { ...entry, deleted: Date.now() });
          for (const client of this.#sessions) {
            client.emit('vm.removed', { id: vm });
            client.emit('trash.changed', {});
          }
          return { trashed };
        },
        'vm.thumbnail': ({ vm }) => ({ png: this.#options.thumbnail?.(this.#entry(vm).vm) ?? null }),
        'vm.log': ({ vm }) => ({ lines: this.logs.get(vm) ?? [] }),
        'disk.list': ({ vm }) => ({ disks: this.#entry(vm).config.drives.map(diskOf) }),
        'disk.check': ({ drive }) => this.#job(`Check ${drive}`, () => ({ errors: [], errorCount: 0, leaked: 0, allocated: 0, repaired: 0 })),
        'disk.compact': ({ drive }) => this.#job(`Compact ${drive}`, () => ({ before: 2 ** 31, after: 2 ** 30 })),
        'disk.resize': ({ drive }) => this.#job(`Resize ${drive}`, () => ({})),
        'disk.convert': ({ drive, format }) => this.#job(`Convert ${drive}`, () => ({ file: `${drive}.${format}` })),
        'vm.report': ({ vm }) => ({
          parts: [
            { name: 'host', text: 'Strate 0.1.0\nNode v26' },
            { name: 'log', text: (this.logs.get(vm) ?? []).join('\n') },
          ],
        }),
        'vm.start': ({ vm }) => ({ vm: this.#start(this.#entry(vm).vm.id) }),
        'vm.pause': setState('paused'),
        'vm.resume': setState('running'),
        'vm.reset': () => undefined,
        'vm.powerButton': ({ vm }) => this.#stop(vm),
        'vm.powerOff': ({ vm }) => this.#stop(vm),
        'trash.list': () => ({
          vms: [...this.trash].map(([id, { vm, deleted }]): TrashedVm => ({ id, name: vm.name, deleted, bytes: 1_474_560 })),
        }),
        'trash.restore': ({ id }) => {
          const entry = this.trash.get(id);
          if (entry === undefined) throw new ProtocolError('not-found', 'that machine is not in the trash');
          this.trash.delete(id);
          this.entries.set(entry.vm.id, entry);
          this.#emitVm(entry.vm);
          for (const client of this.#sessions) client.emit('trash.changed', {});
          return { vm: entry.vm };
        },
        'trash.purge': ({ id }) => {
          if (id === undefined) this.trash.clear();
          else this.trash.delete(id);
          for (const client of this.#sessions) client.emit('trash.changed', {});
        },
        'media.detect': ({ path }) => this.#detect(path),
        'media.import': ({ path, name, start, changes }) => {
          const { config } = this.#detect(path);
          return this.#job(`Importing ${path ?? ''}`, () => {
            const vm = this.add({ ...config, ...changes, name: name ?? 'machine' });
            if (start) this.#start(vm.id);
            return { vm: vm.id };
          });
        },
        'vm.eject': async ({ vm, drive }) => {
          if (!this.machines.has(vm)) return;
          const machine = await this.openMachine(vm);
          await machine.call('media.eject', { drive });
          machine.close();
        },
        'vm.attach': ({ vm, path }) => {
          const entry = this.#entry(vm);
          entry.config = parseConfig({ ...entry.config, drives: [...entry.config.drives, { file: path ?? 'disk.img' }] });
          this.update(vm, {});
          return { drive: entry.config.drives.at(-1)?.id ?? '', nextStart: this.machines.has(vm) };
        },
        'vm.insert': async ({ vm, drive, path }) => {
          const machine = await this.openMachine(vm);
          const answer = await machine.call('media.insert', { drive, file: path ?? '' });
          machine.close();
          return answer;
        },
        'templates.list': () => ({
          templates: [
            { id: 'dos', title: 'DOS', memory: 16, disk: 0.5 },
            { id: 'windows-9x', title: 'Windows 95/98/Me', memory: 128, disk: 2 },
            { id: 'linux', title: 'Linux', memory: 1024, disk: 16 },
            { id: 'bsd', title: 'BSD', memory: 512, disk: 16 },
            { id: 'other', title: 'Other', memory: 512, disk: 16 },
          ],
        }),
        'guests.list': () => ({ guests: this.guests }),
        'guests.try': ({ guest }) =>
          this.#job(`Fetching ${guest}`, () => {
            const vm = this.add({ name: this.guests.find(({ id }) => id === guest)?.name ?? guest });
            this.#start(vm.id);
            return { vm: vm.id };
          }),
        'jobs.list': () => ({ jobs: [...this.jobs.values()] }),
        'jobs.cancel': ({ job }) => {
          const known = this.jobs.get(job);
          if (known) this.jobs.set(job, { ...known, state: 'cancelled' });
        },
        'settings.get': () => ({ settings: this.settings }),
        'settings.set': ({ settings }) => {
          this.settings = { ...this.settings, ...settings };
          for (const client of this.#sessions) client.emit('settings.changed', { settings: this.settings });
          return { settings: this.settings };
        },
      },
    });
    this.#sessions.add(session);
    session.onClose(() => this.#sessions.delete(session));
  }

  /** As when the server goes away. */
  disconnect(): void {
    for (const session of this.#sessions) session.close('the server was stopped');
  }
}
