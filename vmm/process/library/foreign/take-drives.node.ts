/** The disks of another product's machine, taken into the folder of the new one. */
import { closeSync, openSync, readSync } from 'node:fs';
import { basename, join, parse } from 'node:path';
import type { DriveInput } from '../../../protocol/config.ts';
import { convertImage, openSource } from '../../../storage/tools/convert.node.ts';
import { copyImage } from '../copy-file.node.ts';
import type { JobControl } from '../jobs.ts';

/** `nameFor` makes a name that the folder may have of one that it was called. CDs stay where they lie: they are read only, and large. */
export async function takeDrives(
  drives: readonly DriveInput[],
  directory: string,
  nameFor: (name: string) => string,
  job: JobControl,
): Promise<DriveInput[]> {
  const taken: DriveInput[] = [];
  for (const [index, drive] of drives.entries()) {
    if (typeof drive.file !== 'string' || drive.media === 'cdrom') {
      taken.push(drive);
      continue;
    }
    job.progress(index / drives.length, `copying ${basename(drive.file)}`);
    const part = [index / drives.length, (index + 1) / drives.length] as const;
    taken.push({ ...drive, ...(await takeDrive(drive, drive.file, directory, `${index}-${nameFor(basename(drive.file))}`, job, part)) });
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
): Promise<Pick<DriveInput, 'file' | 'format'>> {
  if (format === 'raw' || !(await isSeveralFiles(file, format))) {
    await copyImage(file, join(directory, name), job, [low, high]);
    return { file: name, format };
  }
  const written = `${parse(name).name}.qcow2`;
  await convertImage(file, join(directory, written), 'qcow2', {
    source: { format },
    signal: job.signal,
    onProgress: (done, total) => job.progress(low + (high - low) * (done / Math.max(1, total))),
  });
  return { file: written, format: 'qcow2' };
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
