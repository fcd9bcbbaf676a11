/** The methods of the disks of VMs. What takes long is a job; what replaces an image does so when its copy has been compared with it. */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, relative } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import type { Drive, DriveInput } from '../../protocol/config.ts';
import { busSlots, type DriveFormat } from '../../protocol/config-drives.ts';
import type { DiskImageInfo, DiskInfo } from '../../protocol/disk-methods.ts';
import type { Handlers } from '../../protocol/server.ts';
import { folderToImage } from '../../storage/folder/folder-image.node.ts';
import { commitImage, discardImage } from '../../storage/tools/chain.node.ts';
import { checkImage } from '../../storage/tools/check.node.ts';
import { convertImage, rewriteImage, type SourceOptions, type ToolOptions } from '../../storage/tools/convert.node.ts';
import { createImage } from '../../storage/tools/formats.node.ts';
import { imageInfo, type ImageInfo } from '../../storage/tools/info.node.ts';
import { resizeImage } from '../../storage/tools/resize.node.ts';
import { resolveIn } from '../vm-folder.node.ts';
import type { JobControl } from './jobs.ts';
import type { Library } from './library.node.ts';
import { freeName } from './take-in.node.ts';
import type { VmEntry } from './vm-entry.node.ts';

type DiskHandlers = Pick<Handlers<'library'>, Extract<keyof Handlers<'library'>, `disk.${string}`>>;

/** A drive of a VM and the image in it. */
interface Chosen {
  readonly entry: VmEntry;
  readonly drive: Drive;
  readonly path: string;
  readonly source: SourceOptions & { readonly format: DriveFormat };
}

export function diskHandlers(library: Library): DiskHandlers {
  const choose = (vm: string, id: string): Chosen => {
    const entry = library.find(vm);
    const drive = driveOf(entry, id);
    if (drive.file === null) throw new VmmError('usage', `there is nothing in ${id} of ${entry.name}`);
    return { entry, drive, path: resolveIn(entry.directory, drive.file), source: sourceOf(entry, drive) };
  };
  const begin = (
    what: string,
    { entry, drive }: Chosen,
    work: (options: Required<ToolOptions>, control: JobControl) => Promise<object | undefined>,
  ) => ({
    job: library.jobs.start(`${what} ${drive.id} of ${entry.name}`, (control) => work(toolOptions(control), control)),
  });
  const attach = (entry: VmEntry, id: string, change: Partial<Drive>) =>
    library.configure(entry.id, { drives: entry.config.drives.map((one) => (one.id === id ? { ...one, ...change } : one)) });

  return {
    'disk.list': async ({ vm }) => {
      const entry = library.find(vm);
      return { disks: await Promise.all(entry.config.drives.map((drive) => describe(entry, drive))) };
    },
    'disk.inspect': async ({ path, format }) => ({ chain: shown(await imageInfo(path, { format, unlocked: true })) }),

    'disk.check': ({ vm, drive, repair }) => {
      const disk = choose(vm, drive);
      return begin(repair === 'none' ? 'Check' : 'Repair', disk, async (options) => ({
        ...(await checkImage(disk.path, repair, { ...options, format: disk.drive.format })),
      }));
    },
    'disk.compact': ({ vm, drive }) => {
      const disk = choose(vm, drive);
      return begin('Compact', disk, async (options) => {
        const before = allocated(disk.path);
        await rewriteImage(disk.path, { ...options, source: disk.source });
        return { before, after: allocated(disk.path) };
      });
    },
    'disk.resize': ({ vm, drive, size, shrink }) => {
      const disk = choose(vm, drive);
      refuseSnapshots(disk.entry, 'resized');
      if (disk.entry.state === 'saved')
        throw new VmmError('state', `${disk.entry.name} is saved: its guest expects the disk as it is; shut it down first`);
      return begin('Resize', disk, async (options) => {
        await resizeImage(disk.path, size, { ...options, format: disk.drive.format, shrink });
        return { size };
      });
    },
    'disk.convert': ({ vm, drive, format, keep, compress }) => {
      const disk = choose(vm, drive);
      refuseSnapshots(disk.entry, 'converted');
      const { entry, path } = disk;
      const file = imageFile(entry.directory, basename(path).replace(/\.[^.]*$/, ''), format);
      return begin('Convert', disk, async (options) => {
        await convertImage(path, join(entry.directory, file), format, { ...options, source: disk.source, compress, verify: true });
        await attach(entry, drive, { file, format });
        if (!keep && isInside(entry, path)) rmSync(path, { force: true });
        return { file: join(entry.directory, file) };
      });
    },
    'disk.export': ({ vm, drive, path, format, compress }) => {
      const disk = choose(vm, drive);
      return begin('Export', disk, async (options) => {
        await convertImage(disk.path, path, format, { ...options, source: disk.source, compress, verify: true });
        return { file: path };
      });
    },
    'disk.merge': ({ vm, drive }) => {
      const disk = choose(vm, drive);
      refuseSnapshots(disk.entry, 'merged');
      return begin('Merge', disk, async (options) => {
        await commitImage(disk.path, { ...options, format: disk.drive.format });
        return undefined;
      });
    },
    'disk.discard': async ({ vm, drive }) => {
      const disk = choose(vm, drive);
      refuseSnapshots(disk.entry, 'discarded');
      await discardImage(disk.path, { format: disk.drive.format });
    },
    'disk.create': async ({ vm, drive, size, format }) => {
      const entry = library.find(vm);
      if (entry.config.drives.some(({ id }) => id === drive)) throw new VmmError('usage', `${entry.name} has a drive ${drive} already`);
      const file = imageFile(entry.directory, drive, format);
      await createImage(join(entry.directory, file), format, size);
      try {
        await library.configure(vm, { drives: [...entry.config.drives, { ...placeOf(drive), id: drive, file, format }] });
      } catch (error) {
        rmSync(join(entry.directory, file), { force: true });
        throw error;
      }
      return { file: join(entry.directory, file) };
    },
    'disk.fromFolder': ({ vm, path, kind, label, free }) => {
      const entry = library.find(vm);
      const file = join(entry.directory, imageFile(entry.directory, basename(path), kind === 'iso' ? 'iso' : 'raw'));
      const job = library.jobs.start(`Make a disk of ${basename(path)}`, async (control) => {
        await folderToImage(path, file, { kind, label, free, ...toolOptions(control) });
        return { file, format: kind === 'iso' ? 'iso' : 'raw', media: kind === 'iso' ? 'cdrom' : kind === 'fat' ? 'disk' : 'floppy' };
      });
      return { job };
    },
  };
}

function toolOptions(control: JobControl): Required<ToolOptions> {
  return { signal: control.signal, onProgress: (done, total) => control.progress(total === 0 ? null : Math.min(1, done / total)) };
}

function driveOf(entry: VmEntry, id: string): Drive {
  const drive = entry.config.drives.find((one) => one.id === id);
  if (drive !== undefined) return drive;
  throw new VmmError(
    'not-found',
    `${entry.name} has no drive ${JSON.stringify(id)}; it has ${entry.config.drives.map((one) => one.id).join(', ') || 'none'}`,
  );
}

function sourceOf(entry: VmEntry, drive: Drive) {
  return { format: drive.format, parentFolders: drive.parents?.map((folder) => resolveIn(entry.directory, folder)) };
}

function shown(chain: readonly ImageInfo[]): DiskImageInfo[] {
  return chain.map((image) => ({ ...image, facts: { ...image.facts }, snapshots: [...image.snapshots] }));
}

async function describe(entry: VmEntry, drive: Drive): Promise<DiskInfo> {
  const { id, bus, media, format, readOnly } = drive;
  const known = { drive: id, bus, media, format, readOnly };
  if (drive.file === null) return { ...known, file: null, chain: [] };
  const file = resolveIn(entry.directory, drive.file);
  try {
    const chain = await imageInfo(file, { ...sourceOf(entry, drive), unlocked: true });
    return { ...known, file, chain: shown(chain) };
  } catch (error) {
    if (!(error instanceof VmmError)) throw error;
    return { ...known, file, chain: [], problem: error.message };
  }
}

/** What snapshots stand on must not change: they are merged and deleted with the snapshots. */
function refuseSnapshots(entry: VmEntry, done: string): void {
  let tree: unknown;
  try {
    tree = JSON.parse(readFileSync(join(entry.directory, 'snapshots', 'tree.json'), 'utf8'));
  } catch {
    return;
  }
  const snapshots = (tree as { snapshots?: unknown } | null)?.snapshots;
  if (typeof snapshots === 'object' && snapshots !== null && Object.keys(snapshots).length > 0)
    throw new VmmError('state', `${entry.name} has snapshots, which need its disks as they are; delete them before a disk is ${done}`);
}

function allocated(path: string): number {
  return statSync(path).blocks * 512;
}

function isInside(entry: VmEntry, path: string): boolean {
  const way = relative(entry.directory, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
}

function imageFile(directory: string, wanted: string, format: string): string {
  const base =
    wanted
      .replaceAll(/[^\p{L}\p{N} ._-]/gu, '')
      .replace(/^\.+/, '')
      .slice(0, 100) || 'disk';
  return freeName(directory, `${base}.${format === 'raw' ? 'img' : format}`);
}

/** The place that an id names, such as `hda`; others go where there is room. */
function placeOf(id: string): DriveInput {
  for (const [bus, names] of Object.entries(busSlots)) {
    const slot = names.indexOf(id);
    if (slot >= 0) return { bus: bus as keyof typeof busSlots, slot };
  }
  return {};
}
