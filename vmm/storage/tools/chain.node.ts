import { renameSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import { identityOf } from '../base-identity.node.ts';
import { isImageNode } from '../formats/format.ts';
import { readHeader } from '../formats/qcow2/header.ts';
import { syncFolder } from '../host-folder.node.ts';
import { ImageLock } from '../image-lock.node.ts';
import { NodeFile } from '../node-file.node.ts';
import type { BlockNode } from '../node.ts';
import { openImage } from '../open.node.ts';
import type { ImageFormat } from '../probe.ts';
import { copyOwn, parentOf, type ToolOptions } from './convert.node.ts';
import { checkCancelled, firstDifference } from './copy.ts';
import { createImage, formatOf, type ParentOption } from './formats.node.ts';

function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path, extname(path))}-${randomUUID().slice(0, 8)}${extname(path)}`);
}

/** The parent a new image in the folder of `path` would name. */
export async function parentOption(path: string, parent: string, format?: ImageFormat): Promise<ParentOption & { readonly size: number }> {
  const file = isAbsolute(parent) ? parent : join(dirname(path), parent);
  const known = await formatOf(file, format);
  const { node, chain } = await openImage({ file: resolve(file), format: known, role: 'disk', readOnly: true });
  try {
    const top = chain[0]!.node;
    return { path: parent, format: known, identity: isImageNode(top) ? top.identity : undefined, size: node.size };
  } finally {
    await node.close();
  }
}

/**
 * Writes what a difference holds into the image it stands on, and empties it. Interrupted, it can be done again: until the last step the difference
 * is as it was.
 */
export async function commitImage(path: string, options: ToolOptions & { readonly format?: ImageFormat } = {}): Promise<void> {
  const format = await formatOf(path, options.format);
  const opened = await openImage({ file: path, format, role: 'disk', readOnly: true });
  const parent = parentOf(opened);
  const below = opened.chain[1];
  const size = opened.node.size;
  await opened.node.close();
  if (parent === undefined || below === undefined)
    throw new VmmError('usage', `${path} is not a difference to another image: there is nothing to commit to`, { path });

  // The difference on its own; its parent is open for writing meanwhile.
  const top = await openImage({ file: path, format, role: 'disk', readOnly: true });
  const own = top.chain[0]!.node;
  try {
    for (const link of top.chain.slice(1)) await link.node.close();
    const target = await openImage({ file: below.file, format: below.format, role: 'disk', readOnly: false });
    try {
      if (target.node.size < size)
        throw new VmmError('usage', `${below.file} is smaller than ${path}; resize it to ${size} bytes first`, { path: below.file });
      await copyOwn(own, target.node, options);
      await target.node.flush();
    } finally {
      await target.node.close();
    }
  } finally {
    await own.close();
  }
  await empty(path, format, size, await parentOption(path, parent.path, below.format));
}

/** Puts an empty difference in the place of one that holds something, in one step. */
async function empty(path: string, format: ImageFormat, size: number, parent: ParentOption): Promise<void> {
  const fresh = temporaryName(path);
  await createImage(fresh, format, size, {}, parent);
  renameSync(fresh, path);
  syncFolder(dirname(path));
}

/** Forgets what a difference holds: the disk is again what it stands on. */
export async function discardImage(path: string, options: { readonly format?: ImageFormat } = {}): Promise<void> {
  const format = await formatOf(path, options.format);
  // For writing: nobody may be using it.
  const opened = await openImage({ file: path, format, role: 'disk', readOnly: false });
  const parent = parentOf(opened);
  const below = opened.chain[1];
  try {
    if (parent === undefined || below === undefined)
      throw new VmmError('usage', `${path} is not a difference to another image: there is nothing to go back to`, { path });
    await empty(path, format, opened.node.size, await parentOption(path, parent.path, below.format));
  } finally {
    await opened.node.close();
  }
}

/**
 * Makes an image a difference to another parent, or to none, with the same contents: it takes in what the new parent has otherwise. A verified copy
 * replaces it in one step.
 */
export async function rebaseImage(
  path: string,
  parent: string | undefined,
  options: ToolOptions & { readonly format?: ImageFormat; readonly parentFormat?: ImageFormat } = {},
): Promise<void> {
  const format = await formatOf(path, options.format);
  const old = await openImage({ file: path, format, role: 'disk', readOnly: true });
  const fresh = temporaryName(path);
  try {
    const option = parent === undefined ? undefined : await parentOption(path, parent, options.parentFormat);
    await createImage(fresh, format, old.node.size, {}, option);
    const target = await openImage({ file: fresh, format, role: 'disk', readOnly: false });
    try {
      await takeIn(old.node, target.node, options);
      await target.node.flush();
      const at = await firstDifference(old.node, target.node, { signal: options.signal });
      if (at !== undefined) throw new VmmError('host', `the new ${path} differs from the old one at byte ${at}; the old one was kept`, { path });
    } finally {
      await target.node.close();
    }
    renameSync(fresh, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  } finally {
    await old.node.close();
  }
}

/** Notes what the parent looks like now: somebody knows that a guest sees the same in it as before. */
export async function trustParent(path: string): Promise<void> {
  const { node, chain } = await openImage({ file: path, format: 'qcow2', role: 'disk', readOnly: true, trustParents: true });
  await node.close();
  const [, parent] = chain;
  if (parent === undefined) throw new VmmError('usage', `${path} is not a difference to another image`, { path });
  const file = NodeFile.open(path);
  try {
    const lock = ImageLock.take(file, 'write');
    try {
      const { base } = await readHeader(file);
      if (base === undefined) throw new VmmError('usage', `${path} does not say what its parent looked like: nothing has to be trusted`, { path });
      await file.write(base.offset, new TextEncoder().encode(JSON.stringify(identityOf(parent.file)).padEnd(base.length).slice(0, base.length)));
      await file.flush();
    } finally {
      lock.release();
    }
  } finally {
    await file.close();
  }
}

const PIECE = 1 << 20;

/** Writes to `target` where it differs from `source`. */
async function takeIn(source: BlockNode, target: BlockNode, { onProgress, signal }: ToolOptions): Promise<void> {
  const [wanted, present] = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  const grain = Math.max(65536, target.granularity);
  for (let offset = 0; offset < source.size; offset += PIECE) {
    checkCancelled(signal);
    const length = Math.min(PIECE, source.size - offset);
    await source.read(offset, wanted.subarray(0, length));
    await target.read(offset, present.subarray(0, length));
    for (let at = 0; at < length; at += grain) {
      const end = Math.min(length, at + grain);
      if (Buffer.compare(wanted.subarray(at, end), present.subarray(at, end)) !== 0) await target.write(offset + at, wanted.subarray(at, end));
    }
    onProgress?.(Math.min(source.size, offset + PIECE), source.size);
  }
}
