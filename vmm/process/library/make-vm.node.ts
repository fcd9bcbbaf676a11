/** New VMs: from a configuration, from a file that somebody dropped, from another VM. */
import { closeSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, extname, isAbsolute, join, resolve } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import type { Drive, DriveInput, VmConfig } from '../../protocol/config.ts';
import { SnapshotTree } from '../../snapshot/tree.node.ts';
import { convertImage } from '../../storage/tools/convert.node.ts';
import { createImage } from '../../storage/tools/formats.node.ts';
import { forkVm } from '../snapshots/fork.node.ts';
import { reasonOf, resolveIn } from '../vm-folder.node.ts';
import { copyImage } from './copy-file.node.ts';
import { detect, type Detection } from './detect.node.ts';
import { takeDrives, takeFromArchive } from './foreign/take-drives.node.ts';
import { fetchGuest, type Guest, guestConfig, type GuestSource } from './guests.node.ts';
import type { JobControl } from './jobs.ts';
import { completeConfig, type Library } from './library.node.ts';
import { withoutMacs } from './store.node.ts';
import { imageName, isFolder, NEW_DISK, type Source, takeIn } from './take-in.node.ts';
import type { VmEntry } from './vm-entry.node.ts';

export interface NewDisk {
  /** Id of the drive: `hda`. */
  readonly drive: string;
  /** bytes */
  readonly size: number;
  readonly format: 'raw' | 'qcow2';
}

/** @throws VmmError `invalid`, `unsupported`, `host`; nothing is left behind then. */
export async function createVm(library: Library, config: Readonly<Record<string, unknown>>, disks: readonly NewDisk[]): Promise<VmEntry> {
  const drives = [...((config['drives'] as DriveInput[] | undefined) ?? [])];
  const nameOf = ({ drive, format }: NewDisk) => `${drive}.${format === 'raw' ? 'img' : format}`;
  for (const disk of disks) drives.push({ ...slotOf(disk.drive), id: disk.drive, file: nameOf(disk), format: disk.format });
  const complete = completeConfig({ ...config, drives }); // refuses what is wrong before anything is made
  return inNewFolder(library, complete.name, async (directory) => {
    for (const disk of disks) await createImage(join(directory, nameOf(disk)), disk.format, disk.size);
    return complete;
  });
}

/** `hda` names its place; other ids go where there is room. */
function slotOf(id: string): DriveInput {
  const ide = ['hda', 'hdb', 'hdc', 'hdd'].indexOf(id);
  return ide >= 0 ? { bus: 'ide', slot: ide } : {};
}

export interface ImportOptions {
  readonly name?: string | undefined;
  /** Take the file into the VM's folder. */
  readonly copy: boolean;
  readonly changes: Readonly<Record<string, unknown>>;
}

/** Makes a VM of a file. @throws VmmError with one line when it is nothing that can be run; nothing is left behind then. */
export async function importMedium(library: Library, source: Source, options: ImportOptions, job: JobControl): Promise<VmEntry> {
  job.progress(null, `looking at ${source.name}`);
  const found = await detect(source.path, source.name);
  if (found.medium.kind === 'vm') return library.entryOf(library.store.open(source.path).directory);
  if (found.preview !== undefined) {
    const foreign = found.config;
    const { name = foreign.name ?? source.name } = options;
    return inNewFolder(library, name, async (directory) => {
      const { archive, preview } = found;
      const given = foreign.drives ?? [];
      // The disks of appliances are made to be sent, not written to: they are always taken over.
      const take = archive
        ? () => takeFromArchive({ path: source.path, entries: archive }, given, directory, imageName, job)
        : options.copy || preview?.product === 'OVF'
          ? () => takeDrives(given, directory, imageName, job, preview?.product === 'OVF')
          : () => given;
      const drives = await take();
      return completeConfig({ ...foreign, drives, name, ...options.changes });
    });
  }
  const name = options.name ?? found.config.name ?? source.name;
  if (isFolder(source.path)) {
    return inNewFolder(library, name, async (directory) => {
      const onProgress = (done: number, total: number) => job.progress(Math.min(1, done / total), `making a disk of ${source.name}`);
      const file = basename(await takeIn(source, directory, 'disk', { signal: job.signal, onProgress }));
      return completeConfig({ ...configFor(found, file), name, ...options.changes });
    });
  }
  const own = options.copy || source.uploaded;
  const file = own ? imageName(source.name) : resolve(source.path);
  const config = completeConfig({ ...configFor(found, file), name, ...options.changes });
  return inNewFolder(library, name, async (directory) => {
    if (own) {
      job.progress(0, `copying ${source.name}`);
      if (source.uploaded) renameSync(source.path, join(directory, file));
      else await copyImage(source.path, join(directory, file), job, [0, 0.95]);
    }
    if (found.newDisk !== undefined) makeEmptyImage(join(directory, NEW_DISK), found.newDisk);
    return config;
  });
}

function configFor({ config, newDisk }: Detection, file: string): object {
  const drives = config.drives?.map((drive) => ({ ...drive, file })) ?? [];
  if (newDisk !== undefined) drives.push({ bus: 'ide', slot: 0, file: NEW_DISK, format: 'raw' });
  return { ...config, drives, ...(config.kernel && { kernel: { ...config.kernel, file } }) };
}

/** Copies a VM with its disks, as they are at present, or links it to them. CDs that lie elsewhere are shared, writable images are not. */
export async function cloneVm(
  library: Library,
  entry: VmEntry,
  { name, linked }: { readonly name?: string | undefined; readonly linked?: boolean | undefined },
  job: JobControl,
): Promise<VmEntry> {
  const from = entry.config;
  if (linked ?? from.template) return forkVm(library, entry, undefined, name ?? `${from.name} copy`);
  const tree = new SnapshotTree(entry.directory);
  const copies: { from: string; to: string }[] = [];
  const copyOf = (path: string): string => {
    if (isAbsolute(path)) {
      const own = `${copies.length}-${imageName(basename(path))}`;
      copies.push({ from: path, to: own });
      return own;
    }
    if (!copies.some(({ to }) => to === path)) copies.push({ from: resolveIn(entry.directory, path), to: path });
    return path;
  };
  const layered: { readonly file: string; readonly format: Drive['format']; readonly to: string }[] = [];
  const cloneDrive = (drive: Drive): Drive => {
    if (drive.file === null || (drive.readOnly && isAbsolute(drive.file))) return drive;
    const present = tree.diskOf(drive);
    if (present === undefined) return { ...drive, file: copyOf(drive.file) };
    // Snapshots stand on the image: what the disk holds is the whole chain.
    const to = `${drive.id}.qcow2`;
    layered.push({ ...present, to });
    const clone: Drive = { ...drive, file: to, format: 'qcow2' };
    delete clone.parents;
    return clone;
  };
  const inside = (path: string) => (isAbsolute(path) ? path : copyOf(path));
  const { kernel } = from;
  const config: Partial<VmConfig> = {
    ...from,
    name: name ?? `${from.name} copy`,
    template: false,
    drives: from.drives.map(cloneDrive),
    nics: withoutMacs(from.nics),
    ...(kernel && { kernel: { ...kernel, file: inside(kernel.file), ...(kernel.initrd !== undefined && { initrd: inside(kernel.initrd) }) } }),
  };
  delete config.id;
  delete config.created;
  const complete = completeConfig(config);
  return inNewFolder(library, complete.name, async (directory) => {
    const steps = copies.length + layered.length;
    for (const [index, { from: file, to }] of copies.entries()) {
      job.progress(index / steps, `copying ${basename(file)}`);
      if (resolve(directory, to) !== join(directory, basename(to)))
        throw new VmmError('unsupported', `${to} lies outside the machine's folder and cannot be copied with it`);
      await copyImage(file, join(directory, to), job, [index / steps, (index + 1) / steps]);
    }
    for (const [index, { file, format, to }] of layered.entries()) {
      const low = (copies.length + index) / steps;
      job.progress(low, `copying ${to}`);
      await convertImage(file, join(directory, to), 'qcow2', {
        source: { format, parentFolders: tree.imageFolders },
        signal: job.signal,
        onProgress: (done, total) => job.progress(low + done / total / steps),
      });
    }
    return complete;
  });
}

/** A machine with a small guest, fetched where it must be. @throws VmmError `unsupported`, `host` with what is needed. */
export async function tryGuest(library: Library, source: GuestSource, guest: Guest, job: JobControl): Promise<VmEntry> {
  const files = await fetchGuest(source, guest, job);
  const names = files.map((file) => basename(file));
  const config = completeConfig(guestConfig(guest, names));
  return inNewFolder(library, guest.name, async (directory) => {
    for (const [index, file] of files.entries()) await copyImage(file, join(directory, names[index]!), job, [0.9, 1]);
    return config;
  });
}

/** Fills a new folder, then makes it a VM. When that fails the folder goes again. */
async function inNewFolder(library: Library, name: string, fill: (directory: string) => Promise<VmConfig>): Promise<VmEntry> {
  const directory = library.store.newFolder(name);
  try {
    return await library.add(directory, await fill(directory));
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** A raw disk of zeros that takes no room until it is written to. */
export function makeEmptyImage(path: string, size: number): void {
  let descriptor;
  try {
    descriptor = openSync(path, 'wx', 0o600);
    ftruncateSync(descriptor, size);
  } catch (error) {
    throw new VmmError('host', `${path} cannot be made: ${reasonOf(error)}`, { extension: extname(path) }, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
