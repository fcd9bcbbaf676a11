/** Images of a machine's disks as snapshots use them: frozen ones, and a new one on top of each. */
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { createHash, randomUUID } from 'node:crypto';
import { dirname, relative } from 'node:path';
import { VmmError } from '../base/errors.ts';
import type { DriveFormat } from '../protocol/config-drives.ts';
import { createQcow2 } from '../storage/formats/qcow2/create.ts';
import { syncFolder } from '../storage/host-folder.node.ts';
import { NodeFile } from '../storage/node-file.node.ts';
import { openAlone, openImage } from '../storage/open.node.ts';
import type { BlockNode } from '../storage/node.ts';
import type { Identity } from './manifest.ts';

/** An image that a layer lies on. */
export interface BaseImage {
  /** Absolute. */
  readonly file: string;
  readonly format: DriveFormat;
  /** Bytes the guest sees. */
  readonly size: number;
}

/** Makes an empty difference to `base`. On return it survives a power cut. */
export async function createLayer(file: string, base: BaseImage): Promise<void> {
  const image = NodeFile.open(file, { create: true });
  try {
    await createQcow2(image, { size: base.size, backingFile: relative(dirname(file), base.file), backingFormat: base.format });
    await image.flush();
  } finally {
    await image.close();
  }
  syncFolder(dirname(file));
}

export async function sizeOfImage(file: string, format: DriveFormat, role: 'disk' | 'floppy', parentFolders: readonly string[]): Promise<number> {
  const { node } = await openImage({ file, format, role, readOnly: true, parentFolders });
  try {
    return node.size;
  } finally {
    await node.close();
  }
}

const SAMPLES = 64;
const SAMPLE_BYTES = 4096;

export function identityOf(file: string): Identity {
  const fd = openSync(file, 'r');
  try {
    const { size, mtimeMs } = fstatSync(fd);
    const hash = createHash('sha256');
    const sample = Buffer.alloc(SAMPLE_BYTES);
    for (let index = 0; index < SAMPLES; index++)
      hash.update(sample.subarray(0, readSync(fd, sample, 0, SAMPLE_BYTES, Math.floor((size / SAMPLES) * index))));
    return { size, modified: mtimeMs, sample: hash.digest('hex').slice(0, 32) };
  } finally {
    closeSync(fd);
  }
}

/** A copy by hand has a new time of change, but what it holds is the same. @throws VmmError `invalid` when it was changed. */
export function checkIdentity(file: string, known: Identity): void {
  const now = identityOf(file);
  if (now.size === known.size && now.sample === known.sample) return;
  throw new VmmError('invalid', `${file} was changed by something else since snapshots stand on it; put back the file as it was`, { path: file });
}

const PIECE = 1 << 20;

/**
 * Makes `child`, which stands on `layer`, stand on `below` (or on nothing) instead: it takes in what `layer` holds and it does not. One step on disk: a complete
 * copy takes its name. Done again after a crash it gives the same.
 */
export async function mergeLayer(child: string, layer: string, below: BaseImage | undefined, signal?: AbortSignal): Promise<void> {
  const fresh = `${child}.${randomUUID().slice(0, 8)}.tmp`;
  const upper = await openAlone(child, 'qcow2', { readOnly: true });
  const lower = await openAlone(layer, 'qcow2', { readOnly: true });
  try {
    const image = NodeFile.open(fresh, { create: true });
    await createQcow2(image, {
      size: upper.size,
      ...(below && { backingFile: relative(dirname(child), below.file), backingFormat: below.format }),
    });
    await image.close();
    const target = await openAlone(fresh, 'qcow2', { readOnly: false });
    try {
      for (let at = 0; at < upper.size;) at += await copyExtent(at, upper, lower, target, signal);
      await target.flush();
    } finally {
      await target.close();
    }
    renameSync(fresh, child);
    syncFolder(dirname(child));
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  } finally {
    await upper.close();
    await lower.close();
  }
}

async function copyExtent(at: number, upper: BlockNode, lower: BlockNode, target: BlockNode, signal: AbortSignal | undefined): Promise<number> {
  signal?.throwIfAborted();
  const above = await upper.extent(at, Math.min(PIECE, upper.size - at));
  const [from, extent] = above.kind === 'absent' ? [lower, await lower.extent(at, above.length)] : [upper, above];
  if (extent.kind === 'zero') await target.zero?.(at, extent.length);
  else if (extent.kind === 'data') {
    const data = new Uint8Array(extent.length);
    await from.read(at, data);
    await target.write(at, data);
  }
  return extent.length;
}
