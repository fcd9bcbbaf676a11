import { createStore } from 'zustand/vanilla';
import type { VmConfigInput } from '../../vmm/protocol/config.ts';
import type { ImportPreview, JobInfo, Medium } from '../../vmm/protocol/shared.ts';
import type { Host, LibraryClient, Source } from '../connection/host.ts';

/** What a person may still change before the machine is made. Everything else of the proposed configuration stays as proposed. */
export interface DraftFields {
  readonly name: string;
  readonly system: string;
  /** MiB */
  readonly memory: number;
  readonly cpus: number;
  readonly network: boolean;
  readonly copy: boolean;
  /** GiB of a new, empty hard disk; 0: none. */
  readonly newDisk: number;
}

export interface DraftState {
  readonly fileName: string | undefined;
  readonly fileSize: number | undefined;
  readonly phase: 'sending' | 'detecting' | 'ready' | 'creating' | 'failed';
  /** 0..1 while the file is being sent or copied */
  readonly progress: number | undefined;
  readonly detail?: string | undefined;
  readonly problem?: string | undefined;
  readonly source?: Source | undefined;
  readonly medium?: Medium | undefined;
  /** Of another product's machine. */
  readonly preview?: ImportPreview | undefined;
  readonly proposal: VmConfigInput | Record<string, unknown>;
  readonly fields: DraftFields;
}

const plainFields: DraftFields = { name: '', system: 'other', memory: 256, cpus: 1, network: true, copy: true, newDisk: 8 };

const text = (value: unknown, fallback: string) => (typeof value === 'string' ? value : fallback);

/** The proposal's values as the form shows them. */
export function fieldsOf(proposal: Record<string, unknown>, copy: boolean): DraftFields {
  const cpu = proposal['cpu'] as { count?: unknown } | undefined;
  const nics = proposal['nics'];
  return {
    name: text(proposal['name'], plainFields.name),
    system: text(proposal['system'], plainFields.system),
    memory: typeof proposal['memory'] === 'number' ? proposal['memory'] : plainFields.memory,
    cpus: typeof cpu?.count === 'number' ? cpu.count : plainFields.cpus,
    network: Array.isArray(nics) && nics.length > 0,
    copy,
    newDisk: 0,
  };
}

/** What differs from the proposal, as `changes` of media.import: nothing, where nothing was touched. */
export function changesOf(proposal: Record<string, unknown>, fields: DraftFields): Record<string, unknown> {
  const before = fieldsOf(proposal, fields.copy);
  const changes: Record<string, unknown> = {};
  if (fields.system !== before.system) changes['system'] = fields.system;
  if (fields.memory !== before.memory) changes['memory'] = fields.memory;
  if (fields.cpus !== before.cpus) changes['cpu'] = { ...(proposal['cpu'] as object | undefined), count: fields.cpus };
  if (fields.network !== before.network) changes['nics'] = fields.network ? [{ id: 'net0' }] : [];
  return changes;
}

export type Draft = ReturnType<typeof createDraft>;

/** A machine to be: from a file that was dropped (detected, then imported), or from nothing (a template and a new disk). */
export function createDraft(id: string, copyByDefault: boolean) {
  const store = createStore<DraftState>(() => ({
    fileName: undefined,
    fileSize: undefined,
    phase: 'ready',
    progress: undefined,
    proposal: {},
    fields: { ...plainFields, copy: copyByDefault },
  }));
  const abort = new AbortController();
  let job: string | undefined;

  return {
    id,
    store,

    edit(change: Partial<DraftFields>): void {
      store.setState((s) => ({ fields: { ...s.fields, ...change } }));
    },

    /** Sends the file where it must be sent, and asks what it is. Fails into the state, never by throwing. */
    async takeFile(file: File, host: Host, library: LibraryClient): Promise<void> {
      store.setState({ fileName: file.name, fileSize: file.size, phase: 'sending', progress: host.filesStayInPlace ? undefined : 0 });
      try {
        const source = await host.offer(file, { signal: abort.signal, progress: (progress) => store.setState({ progress }) });
        await this.detect(source, library);
      } catch (error) {
        store.setState({ phase: 'failed', progress: undefined, problem: error instanceof Error ? error.message : String(error) });
      }
    },

    /** A file by its path on the host, as the desktop opens it. */
    async takePath(path: string, library: LibraryClient): Promise<void> {
      store.setState({ fileName: path.replace(/^.*[/\\]/, '') });
      await this.detect({ path }, library);
    },

    async detect(source: Source, library: LibraryClient): Promise<void> {
      store.setState({ phase: 'detecting', progress: undefined, source });
      try {
        const { medium, config, preview } = await library.call('media.detect', source);
        store.setState((s) => ({ phase: 'ready', medium, preview, proposal: config, fields: fieldsOf(config, s.fields.copy) }));
      } catch (error) {
        store.setState({ phase: 'failed', problem: error instanceof Error ? error.message : String(error) });
      }
    },

    /** Makes the machine. @returns its id. @throws with one line for people, after which the form can be tried again */
    async create(library: LibraryClient, start: boolean, waitForJob: (id: string) => Promise<JobInfo>): Promise<string> {
      const { source, proposal, fields } = store.getState();
      store.setState({ phase: 'creating', progress: undefined, problem: undefined });
      try {
        if (source === undefined) return await createEmpty(library, fields, start);
        const answer = await library.call('media.import', {
          ...source,
          name: fields.name,
          copy: fields.copy,
          start,
          changes: changesOf(proposal, fields),
        });
        job = answer.job;
        const done = await waitForJob(answer.job);
        const vm = (done.result as { vm?: unknown } | undefined)?.vm;
        if (done.state !== 'done' || typeof vm !== 'string') throw new Error(done.error?.message ?? 'the machine was not made');
        return vm;
      } catch (error) {
        store.setState({ phase: 'ready', problem: error instanceof Error ? error.message : String(error) });
        throw error;
      }
    },

    cancel(library: LibraryClient | undefined): void {
      abort.abort();
      if (job !== undefined) void library?.call('jobs.cancel', { job }).catch(() => undefined);
    },
  };
}

const GIB = 2 ** 30;

async function createEmpty(library: LibraryClient, fields: DraftFields, start: boolean): Promise<string> {
  const disk = fields.newDisk > 0 ? [{ drive: 'hda', size: Math.round(fields.newDisk * GIB), format: 'qcow2' as const }] : [];
  const { vm } = await library.call('vm.create', {
    config: {
      name: fields.name,
      system: fields.system,
      memory: fields.memory,
      cpu: { count: fields.cpus },
      nics: fields.network ? [{ id: 'net0' }] : [],
      drives: [{ bus: 'ide', media: 'cdrom' }],
    },
    disks: disk,
  });
  if (start) await library.call('vm.start', { vm: vm.id });
  return vm.id;
}
