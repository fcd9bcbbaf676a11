import { existsSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { randomBytes, randomUUID } from 'node:crypto';
import { VmmError } from '../../base/errors.ts';
import { codecs } from '../formats/codecs.node.ts';
import { isImageNode } from '../formats/format.ts';
import { Qcow2Node } from '../formats/qcow2/qcow2.ts';
import { randomCid } from '../formats/vmdk/descriptor.ts';
import { writeStreamOptimised } from '../formats/vmdk/stream-writer.ts';
import { syncFolder } from '../host-folder.node.ts';
import { NodeFile } from '../node-file.node.ts';
import type { BlockNode } from '../node.ts';
import { formatHost, openImage, type OpenedImage } from '../open.node.ts';
import type { ImageFormat } from '../probe.ts';
import { checkCancelled, copyDisk, firstDifference, type Progress } from './copy.ts';
import { createImage, formatOf, type CreateOptions, type ParentOption } from './formats.node.ts';

export interface ToolOptions {
  readonly onProgress?: Progress;
  readonly signal?: AbortSignal | undefined;
}

export interface SourceOptions {
  readonly format?: ImageFormat | undefined;
  /** Only looks, also while a machine uses it: see ImageSpec. */
  readonly unlocked?: boolean;
  /** Folders in which its parents may lie. */
  readonly parentFolders?: readonly string[] | undefined;
  /** An internal snapshot of a qcow2 image, by id or name. */
  readonly snapshot?: string | undefined;
}

export interface ConvertOptions extends ToolOptions {
  readonly source?: SourceOptions;
  readonly create?: CreateOptions;
  /** Writes compressed clusters (qcow2). */
  readonly compress?: boolean;
  /** Compares the new image with the old one when it is done. */
  readonly verify?: boolean;
}

/** Opens an image to read it as a person who gives the command may. */
export async function openSource(path: string, options: SourceOptions = {}): Promise<OpenedImage> {
  const { format, snapshot, unlocked = false, parentFolders } = options;
  const known = await formatOf(path, format);
  if (snapshot !== undefined) {
    if (known !== 'qcow2') throw new VmmError('usage', `${path}: only qcow2 images have snapshots of their own`, { path });
    const node = await Qcow2Node.open(NodeFile.open(path, { readOnly: true }), formatHost({ file: path }), { readOnly: true, snapshot });
    if (node.parent !== undefined) {
      await node.close();
      throw new VmmError('unsupported', `${path}: a snapshot of an image with a backing file cannot be read on its own`, { path });
    }
    return { node, chain: [{ file: path, format: 'qcow2', node }] };
  }
  const role = known === 'iso' ? 'cdrom' : 'disk';
  return openImage({ file: path, format: known, role, readOnly: true, unlocked, ...(parentFolders && { parentFolders }) });
}

/**
 * Writes the contents of an image into a new one. The new image appears under its name when it is complete; after an error or a cancellation nothing
 * is left of it.
 */
export async function convertImage(from: string, to: string, format: ImageFormat, options: ConvertOptions = {}): Promise<void> {
  if (existsSync(to)) throw new VmmError('usage', `${to} exists already; choose another name or delete it first`, { path: to });
  const source = await openSource(from, options.source);
  try {
    await writeImage(source.node, to, format, options);
  } finally {
    await source.node.close();
  }
}

/** A new image with the contents of `source`. */
async function writeImage(source: BlockNode, to: string, format: ImageFormat, options: ConvertOptions): Promise<void> {
  const { create = {}, verify = false } = options;
  const split = format === 'vmdk' && create.kind !== undefined && create.kind !== 'monolithicSparse' && create.kind !== 'streamOptimized';
  // An image in several files names them: it cannot be written under another name first.
  const path = split ? to : join(dirname(to), `.${basename(to, extname(to))}-${randomUUID().slice(0, 8)}${extname(to)}`);
  const halves: Progress | undefined = options.onProgress && ((done, total) => options.onProgress!(verify ? done / 2 : done, total));
  try {
    if (create.kind === 'streamOptimized') await writeStream(source, path, basename(to), { ...options, ...(halves && { onProgress: halves }) });
    else await writeRandomAccess(source, path, format, options, halves);
    if (verify) await verifyCopy(source, path, format, { ...options, onProgress: (done, total) => options.onProgress?.((total + done) / 2, total) });
    if (split) return;
    renameSync(path, to);
    syncFolder(dirname(to));
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

async function writeRandomAccess(
  source: BlockNode,
  path: string,
  format: ImageFormat,
  options: ConvertOptions,
  onProgress: Progress | undefined,
): Promise<void> {
  const { create = {}, signal, compress = false } = options;
  await createImage(path, format, source.size, create);
  const { node } = await openImage({ file: path, format, role: 'disk', readOnly: false });
  try {
    if (compress && !(node instanceof Qcow2Node))
      throw new VmmError('usage', `images of format ${format} cannot be written compressed; use qcow2, or vmdk of kind streamOptimized`);
    const write = compress && node instanceof Qcow2Node ? compressing(node) : undefined;
    await copyDisk(source, node, { signal, ...(onProgress && { onProgress }), ...(write && { write }) });
    await node.flush();
  } finally {
    await node.close();
  }
}

/** Whole clusters go compressed, one after the other; the rest of the last one is zeros. */
function compressing(node: Qcow2Node): (offset: number, bytes: Uint8Array) => Promise<void> {
  let turn: Promise<void> = Promise.resolve();
  return (offset, bytes) => {
    const copy = bytes.slice();
    turn = turn.then(async () => {
      for (let at = 0; at < copy.length; at += node.clusterSize) {
        const part = copy.subarray(at, at + node.clusterSize);
        const cluster = new Uint8Array(node.clusterSize);
        cluster.set(part);
        await node.writeCompressed(offset + at, cluster);
      }
    });
    return turn;
  };
}

async function writeStream(source: BlockNode, path: string, name: string, { onProgress, signal }: ToolOptions): Promise<void> {
  const file = NodeFile.open(path, { create: true });
  try {
    await writeStreamOptimised(file, source, {
      codecs,
      name,
      descriptor: { cid: randomCid(new Uint8Array(randomBytes(4))) },
      ...(onProgress && { onProgress }),
      check: () => checkCancelled(signal),
    });
  } finally {
    await file.close();
  }
}

async function verifyCopy(source: BlockNode, path: string, format: ImageFormat, options: ToolOptions): Promise<void> {
  const { node } = await openImage({ file: path, format, role: 'disk', readOnly: true });
  try {
    const at = await firstDifference(source, node, options);
    if (at !== undefined)
      throw new VmmError('host', `the copy of ${source.name} differs from it at byte ${at}; the original was kept as it is`, { path: source.name });
  } finally {
    await node.close();
  }
}

/**
 * Writes an image anew in its place: to give space back, to change its size or its options. It is replaced in one step by a copy that was compared
 * with it.
 */
export async function rewriteImage(path: string, options: ConvertOptions & { readonly size?: number } = {}): Promise<void> {
  const format = await formatOf(path, options.source?.format);
  const opened = await openImage({ file: path, format, role: 'disk', readOnly: false });
  const temporary = join(dirname(path), `.${basename(path, extname(path))}-${randomUUID().slice(0, 8)}${extname(path)}`);
  try {
    const top = opened.chain[0]!.node;
    if (isImageNode(top) && top.format === 'vmdk' && Number(top.describe()['extents']) > 1) {
      throw new VmmError('unsupported', `${path} consists of several files; convert it to a new image instead`, { path });
    }
    const parent = parentOf(opened);
    // A difference keeps what it has of its own; everything else shows through from the same parent.
    const source = parent === undefined ? opened.node : top;
    const size = options.size ?? source.size;
    await createImage(temporary, format, size, { ...optionsOf(top), ...options.create }, parent);
    await copyInto(source, temporary, format, options, parent !== undefined, size);
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    await opened.node.close();
  }
}

async function copyInto(
  source: BlockNode,
  path: string,
  format: ImageFormat,
  options: ConvertOptions,
  difference: boolean,
  size: number,
): Promise<void> {
  const { node, chain } = await openImage({ file: path, format, role: 'disk', readOnly: false });
  try {
    const target = difference ? chain[0]!.node : node;
    const shown = size < source.size ? shortened(source, size) : source;
    if (difference) await copyOwn(shown, target, options);
    else await copyDisk(shown, target, { signal: options.signal, onProgress: (done, total) => options.onProgress?.(done / 2, total) });
    await node.flush();
    const at = await firstDifference(shown, size > source.size ? shortened(target, source.size) : target, {
      signal: options.signal,
      onProgress: (done, total) => options.onProgress?.((total + done) / 2, total),
    });
    if (at !== undefined)
      throw new VmmError('host', `the copy of ${source.name} differs from it at byte ${at}; the original was kept as it is`, { path: source.name });
  } finally {
    await node.close();
  }
}

/** What a difference holds itself: data and zeros, not what is its parent's. */
export async function copyOwn(source: BlockNode, target: BlockNode, { onProgress, signal }: ToolOptions): Promise<void> {
  const buffer = new Uint8Array(2 << 20);
  for (let offset = 0; offset < source.size;) {
    checkCancelled(signal);
    const extent = await source.extent(offset, source.size - offset);
    if (extent.kind === 'zero') await target.zero!(offset, extent.length);
    const step = extent.kind === 'data' ? Math.min(extent.length, buffer.length) : extent.length;
    if (extent.kind === 'data') {
      await source.read(offset, buffer.subarray(0, step));
      await target.write(offset, buffer.subarray(0, step));
    }
    offset += step;
    onProgress?.(offset / 2, source.size);
  }
}

/** The first `size` bytes of a disk. */
function shortened(node: BlockNode, size: number): BlockNode {
  return {
    name: node.name,
    size,
    readOnly: true,
    granularity: node.granularity,
    read: (offset, into) => node.read(offset, into),
    write: () => Promise.reject(new VmmError('internal', 'not for writing')),
    flush: () => Promise.resolve(),
    extent: (offset, length) => node.extent(offset, Math.min(length, size - offset)),
    close: () => Promise.resolve(),
  };
}

/** The parent of an opened image as a new image would name it. */
export function parentOf(opened: OpenedImage): ParentOption | undefined {
  const top = opened.chain[0]!.node;
  const below = opened.chain[1];
  if (!isImageNode(top) || top.parent === undefined || below === undefined) return undefined;
  return { path: top.parent.paths[0] ?? below.file, format: below.format, identity: top.parent.identity };
}

/** The options an image was made with, as far as they matter for a new one like it. */
function optionsOf(node: BlockNode): CreateOptions {
  if (!isImageNode(node)) return {};
  const facts = node.describe();
  if (node instanceof Qcow2Node) {
    const { header } = node;
    return {
      version: header.version,
      clusterSize: node.clusterSize,
      refcountBits: 1 << header.refcountOrder,
      compression: header.compression === 1 ? 'zstd' : 'zlib',
      extendedL2: node.mapping.extended,
    };
  }
  return { fixed: facts['type'] === 'fixed', ...(typeof facts['block size'] === 'number' ? { blockSize: facts['block size'] } : {}) };
}
