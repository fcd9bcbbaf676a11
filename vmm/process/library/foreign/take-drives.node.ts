/** The disks of another product's machine, taken into the folder of the new one. */
import { closeSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { basename, join, parse } from 'node:path';
import type { DriveInput } from '../../../protocol/config.ts';
import { NodeFile } from '../../../storage/node-file.node.ts';
import { convertImage, openSource } from '../../../storage/tools/convert.node.ts';
import { copyImage } from '../copy-file.node.ts';
import type { JobControl } from '../jobs.ts';
import type { TarEntry } from './tar-index.node.ts';

/** `nameFor` makes a name that the folder may have of one that it was called. CDs stay where they lie: they are read only, and large. `anew`: VMDK images are written anew in any case. */
export async function takeDrives(
  drives: readonly DriveInput[],
  directory: string,
  nameFor: (name: string) => string,
  job: JobControl,
  anew = false,
): Promise<DriveInput[]> {
  const taken: DriveInput[] = [];
  for (const [index, drive] of drives.entries()) {
    if (typeof drive.file !== 'string' || drive.media === 'cdrom') {
      taken.push(drive);
      continue;
    }
    job.progress(index / drives.length, `copying ${basename(drive.file)}`);
    const part = [index / drives.length, (index + 1) / drives.length] as const;
    taken.push({ ...drive, ...(await takeDrive(drive, drive.file, directory, `${index}-${nameFor(basename(drive.file))}`, job, part, anew)) });
  }
  return taken;
}

/** Copied as it is; an image in several files, or one that stands on others, is written anew as one. */
async function takeDrive(
  { format = 'raw' }: DriveInput,
  file: string,
  directory: string,
  name: string,
  job: JobControl,
  [low, high]: readonly [number, number],
  anew: boolean,
): Promise<Pick<DriveInput, 'file' | 'format'>> {
  if (format === 'raw' || !((anew && format === 'vmdk') || (await isSeveralFiles(file, format)))) {
    await copyImage(file, join(directory, name), job, [low, high]);
    return { file: name, format };
  }
  return writeAnew(file, format, directory, name, job, [low, high]);
}

async function writeAnew(
  file: string,
  format: NonNullable<DriveInput['format']>,
  directory: string,
  name: string,
  job: JobControl,
  [low, high]: readonly [number, number],
): Promise<Pick<DriveInput, 'file' | 'format'>> {
  const written = `${parse(name).name}.qcow2`;
  await convertImage(file, join(directory, written), 'qcow2', {
    source: { format },
    signal: job.signal,
    onProgress: (done, total) => job.progress(low + (high - low) * (done / Math.max(1, total))),
  });
  return { file: written, format: 'qcow2' };
}

export interface Archive {
  readonly path: string;
  readonly entries: ReadonlyMap<string, TarEntry>;
}

/** The same for drives that lie in an archive. Images but raw ones and CDs are written anew: those of appliances cannot be written to. */
export async function takeFromArchive(
  archive: Archive,
  drives: readonly DriveInput[],
  directory: string,
  nameFor: (name: string) => string,
  job: JobControl,
): Promise<DriveInput[]> {
  const taken: DriveInput[] = [];
  for (const [index, drive] of drives.entries()) {
    const entry = typeof drive.file === 'string' ? archive.entries.get(drive.file) : undefined;
    if (entry === undefined) {
      taken.push(drive);
      continue;
    }
    job.progress(index / drives.length, `unpacking ${basename(entry.name)}`);
    const [low, high] = [index / drives.length, (index + 1) / drives.length];
    const name = `${index}-${nameFor(basename(entry.name))}`;
    const { format = 'raw' } = drive;
    const unpacked = join(directory, `.${name}.part`);
    try {
      await unpack(archive.path, entry, unpacked, job, [low, (low + high) / 2]);
      if (format === 'raw' || format === 'iso') {
        renameSync(unpacked, join(directory, name));
        taken.push({ ...drive, file: name });
      } else taken.push({ ...drive, ...(await writeAnew(unpacked, format, directory, name, job, [(low + high) / 2, high])) });
    } finally {
      rmSync(unpacked, { force: true });
    }
  }
  return taken;
}

const PIECE = 4 << 20;

async function unpack(
  archive: string,
  { offset, size }: TarEntry,
  to: string,
  job: JobControl,
  [low, high]: readonly [number, number],
): Promise<void> {
  const source = NodeFile.open(archive, { readOnly: true });
  try {
    const target = NodeFile.open(to, { create: true });
    try {
      const buffer = new Uint8Array(PIECE);
      for (let at = 0; at < size; at += PIECE) {
        job.signal.throwIfAborted();
        const piece = buffer.subarray(0, Math.min(PIECE, size - at));
        await source.read(offset + at, piece);
        await target.write(at, piece);
        job.progress(low + (high - low) * (at / size));
      }
      await target.flush();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

const DESCRIPTOR = '# Disk DescriptorFile';

async function isSeveralFiles(file: string, format: NonNullable<DriveInput['format']>): Promise<boolean> {
  const { node, chain } = await openSource(file, { format });
  await node.close();
  const head = Buffer.alloc(DESCRIPTOR.length);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, head, 0, head.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return chain.length > 1 || head.toString('latin1') === DESCRIPTOR;
}
