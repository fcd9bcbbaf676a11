/** Copies disk images: with holes for zeros, progress, and a cancel that leaves nothing behind. */
import { constants, copyFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { VmmError } from '../../base/errors.ts';
import { isZero } from '../../storage/node.ts';
import { reasonOf } from '../vm-folder.node.ts';
import type { JobControl } from './jobs.ts';

const CHUNK = 4 << 20;

/** `part`: the share of the whole job that this copy is, as [from, to] of 0..1. @throws VmmError `host`, or the signal's reason */
export async function copyImage(from: string, to: string, job: JobControl, part: readonly [number, number] = [0, 1]): Promise<void> {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE); // at once, where the file system can share blocks
    return;
  } catch {
    rmSync(to, { force: true });
  }
  try {
    await copyBytes(from, to, job, part);
  } catch (error) {
    rmSync(to, { force: true });
    job.signal.throwIfAborted();
    throw new VmmError('host', `${from} cannot be copied: ${reasonOf(error)}`, {}, error);
  }
}

async function copyBytes(from: string, to: string, job: JobControl, [low, high]: readonly [number, number]): Promise<void> {
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      const { size } = await source.stat();
      const buffer = new Uint8Array(CHUNK);
      for (let at = 0; at < size;) {
        job.signal.throwIfAborted();
        const { bytesRead } = await source.read(buffer, 0, CHUNK, at);
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        if (!isZero(chunk)) await target.write(chunk, 0, bytesRead, at);
        at += bytesRead;
        job.progress(low + (high - low) * (at / size));
      }
      await target.truncate(size);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
