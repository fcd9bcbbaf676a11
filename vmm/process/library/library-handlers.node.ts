/** The methods of the library, on top of it. */
import { availableParallelism, totalmem } from 'node:os';
import { basename } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { cpuModels } from '../../cpu/models/models.ts';
import { findFirmware } from '../../machine/firmware/find-firmware.node.ts';
import { isRemovable } from '../../protocol/config-drives.ts';
import { type Handlers, serve, type Session } from '../../protocol/server.ts';
import { alive } from '../../protocol/states.ts';
import type { Transport } from '../../protocol/transport.ts';
import { detect } from './detect.node.ts';
import { diskHandlers } from './disk-handlers.node.ts';
import { findGuest, type GuestSource, listGuests } from './guests.node.ts';
import type { JobControl } from './jobs.ts';
import type { Library } from './library.node.ts';
import { attachDisk } from './attach-disk.node.ts';
import { cloneVm, createVm, importMedium, tryGuest } from './make-vm.node.ts';
import { reportOf } from './report.node.ts';
import { type Source, takeIn } from './take-in.node.ts';
import { templates } from './templates.ts';
import { Terminals } from './terminals.node.ts';
import type { Uploads } from './uploads.node.ts';
import type { VmEntry } from './vm-entry.node.ts';
import { librarySnapshotHandlers } from '../snapshots/library-snapshots.node.ts';

export interface LibraryServices {
  readonly library: Library;
  readonly uploads: Uploads;
  readonly guests: GuestSource;
  readonly version: string;
  readonly log: Log;
}

/** What this version can do; the accelerators and models that the machine knows. */
const ACCELERATORS = ['wasm', 'interp', 'none'];
/** MiB, where a template names none. */
const DEFAULT_MEMORY = 256;

export function libraryHandlers({ library, uploads, guests, version }: LibraryServices): Handlers<'library'> {
  const sourceOf = ({ path, upload }: { path?: string | undefined; upload?: string | undefined }): Source => {
    if (upload !== undefined && path === undefined) return { ...uploads.find(upload), uploaded: true };
    if (path !== undefined && upload === undefined) return { path, name: basename(path), uploaded: false };
    throw new VmmError('usage', 'name the file by path or by upload');
  };
  const tell = async (vm: string, method: 'machine.pause' | 'machine.resume' | 'machine.reset' | 'machine.powerButton' | 'machine.powerOff') => {
    const machine = await library.find(vm).machine();
    await machine.call(method, {});
  };
  const terminals = new Terminals();
  const summary = (entry: VmEntry) => ({ vm: entry.summary() });

  return {
    'host.info': async () => ({
      version,
      platform: process.platform,
      cpus: availableParallelism(),
      memory: Math.floor(totalmem() / 2 ** 20),
      library: library.store.root,
      accelerators: ACCELERATORS,
      cpuModels: cpuModels.map((model) => model.name),
      ...(await firmware()),
    }),

    'vm.list': () => ({ vms: library.list() }),
    'vm.get': ({ vm }) => {
      const entry = library.find(vm);
      return { vm: entry.summary(), config: { ...entry.config } };
    },
    'vm.search': ({ text }) => ({ hits: library.search(text) }),
    'vm.create': async ({ config, disks }) => summary(await createVm(library, config, disks)),
    'vm.configure': async ({ vm, changes }) => {
      const { entry, nextStart } = await library.configure(vm, changes);
      return { vm: entry.summary(), config: { ...entry.config }, nextStart };
    },
    'vm.rename': async ({ vm, name }) => summary((await library.configure(vm, { name })).entry),
    'vm.clone': ({ vm, name, linked }) => {
      const entry = library.find(vm);
      return { job: library.jobs.start(`Clone ${entry.name}`, async (job) => ({ vm: (await cloneVm(library, entry, { name, linked }, job)).id })) };
    },
    'vm.delete': async ({ vm }) => {
      const trashed = await library.trash(vm);
      return trashed === undefined ? {} : { trashed };
    },
    'vm.open': async ({ directory }) => summary(await library.entryOf(library.store.open(directory).directory)),
    'vm.thumbnail': ({ vm }) => {
      const picture = library.find(vm).thumbnail();
      return { png: picture === undefined ? null : Buffer.from(picture).toString('base64') };
    },
    'vm.report': ({ vm }) => ({ parts: reportOf(library.find(vm), version).map((part) => ({ ...part })) }),
    'vm.log': ({ vm, lines }) => ({ lines: library.find(vm).log(lines) }),

    'vm.start': async ({ vm, paused }) => summary(await library.start(vm, { paused })),
    'vm.pause': ({ vm }) => tell(vm, 'machine.pause'),
    'vm.resume': ({ vm }) => tell(vm, 'machine.resume'),
    'vm.reset': ({ vm }) => tell(vm, 'machine.reset'),
    'vm.powerButton': ({ vm }) => tell(vm, 'machine.powerButton'),
    'vm.powerOff': ({ vm }) => tell(vm, 'machine.powerOff'),

    'vm.insert': async ({ vm, drive, path, upload, readOnly }) => {
      const entry = library.find(vm);
      const source = sourceOf({ path, upload });
      const place = entry.config.drives.find(({ id }) => id === drive);
      if (place === undefined || !isRemovable(place))
        throw new VmmError('usage', `${entry.name} has no CD or floppy drive ${JSON.stringify(drive)}; vm.attach gives it a disk`);
      const file = await takeIn(source, entry.directory, place.media === 'cdrom' ? 'cdrom' : 'floppy');
      if (upload !== undefined) uploads.forget(upload);
      const result = alive.includes(entry.state)
        ? await (await entry.machine()).call('media.insert', { drive, file, readOnly })
        : { drive: { id: drive, bus: place.bus, media: place.media, removable: true, file, readOnly: readOnly || place.readOnly } };
      await library.rememberMedium(entry, drive, file);
      return result;
    },
    'vm.eject': async ({ vm, drive, force }) => {
      const entry = library.find(vm);
      if (alive.includes(entry.state)) await (await entry.machine()).call('media.eject', { drive, force });
      await library.configure(entry.id, {
        drives: entry.config.drives.map((one) => (one.id === drive && isRemovable(one) ? { ...one, file: null } : one)),
      });
    },
    'vm.attach': async ({ vm, path, upload, readOnly }) => {
      const entry = library.find(vm);
      const { drive, nextStart } = await attachDisk(library, entry, sourceOf({ path, upload }), readOnly);
      if (upload !== undefined) uploads.forget(upload);
      return { drive, nextStart };
    },

    'templates.list': () => ({
      templates: Object.entries(templates).map(([id, { title, config, disk }]) => ({
        id,
        title,
        memory: config.memory ?? DEFAULT_MEMORY,
        ...(disk !== undefined && { disk }),
      })),
    }),

    'trash.list': () => ({ vms: library.store.trashed() }),
    'trash.restore': async ({ id }) => summary(await library.restore(id)),
    'trash.purge': ({ id }) => library.purge(id),

    'media.detect': async (source) => {
      const { path, name } = sourceOf(source);
      const { medium, config, preview } = await detect(path, name);
      const shown = preview && {
        preview: { product: preview.product, mapped: preview.mapped.map((line) => ({ ...line })), lost: [...preview.lost] },
      };
      return { medium, config: { ...config }, ...shown };
    },
    'media.import': ({ path, upload, name, copy, start, changes }) => {
      const source = sourceOf({ path, upload });
      const job = library.jobs.start(`Make a machine of ${source.name}`, async (control) => {
        const entry = await importMedium(library, source, { name, copy, changes }, control);
        if (upload !== undefined) uploads.forget(upload);
        return startIf(start, entry, control);
      });
      return { job };
    },

    'guests.list': () => ({ guests: listGuests(guests).map((guest) => ({ ...guest })) }),
    'guests.try': ({ guest: id, start }) => {
      const guest = findGuest(id);
      const job = library.jobs.start(`Try ${guest.name}`, async (control) => {
        return startIf(start, await tryGuest(library, guests, guest, control), control);
      });
      return { job };
    },

    ...diskHandlers(library),
    'terminal.open': ({ vm, user, columns, rows }, session) => terminals.ssh(session, library.find(vm).config, user, columns, rows),
    'terminal.write': ({ terminal, data }, session) => terminals.write(session, terminal, data),
    'terminal.resize': ({ terminal, columns, rows }, session) => terminals.resize(session, terminal, columns, rows),
    'terminal.close': ({ terminal }, session) => terminals.close(session, terminal),

    ...librarySnapshotHandlers(library),

    'jobs.list': () => ({ jobs: library.jobs.list() }),
    'jobs.cancel': ({ job }) => library.jobs.cancel(job),
    'settings.get': () => ({ settings: library.store.settings() }),
    'settings.set': ({ settings }) => ({ settings: library.changeSettings(settings) }),
  };

  async function startIf(start: boolean, entry: VmEntry, control: JobControl): Promise<{ vm: string }> {
    if (start) {
      control.progress(1, 'starting');
      await library.start(entry.id, { paused: false });
    }
    return { vm: entry.id };
  }
}

async function firmware(): Promise<{ firmware: string | null; firmwareHelp?: string }> {
  try {
    return { firmware: (await findFirmware('seabios', { download: false })).from };
  } catch (error) {
    return { firmware: null, firmwareHelp: error instanceof Error ? error.message : String(error) };
  }
}

/** Serves the library to one client. */
export function serveLibrary(transport: Transport, services: LibraryServices): Session<'library'> {
  const { library, version, log } = services;
  const stateOf = (params: Readonly<Record<string, unknown>>) => (typeof params['vm'] === 'string' ? library.stateOf(params['vm']) : undefined);
  const session = serve(transport, { role: 'library', version, handlers: libraryHandlers(services), stateOf, log });
  const stops = [
    library.on('changed', (vm) => session.emit('vm.changed', { vm })),
    library.on('removed', (id) => session.emit('vm.removed', { id })),
    library.on('notice', (notice) => session.emit('vm.notice', notice)),
    library.on('snapshots', (vm) => session.emit('snapshots.changed', { vm })),
    library.on('trash', () => session.emit('trash.changed', {})),
    library.on('job', (job) => session.emit('job.changed', { job })),
    library.on('settings', (settings) => session.emit('settings.changed', { settings })),
  ];
  session.onClose(() => {
    for (const stop of stops) stop();
  });
  return session;
}
