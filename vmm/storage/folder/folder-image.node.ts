/** Disk images of folders: a CD (ISO 9660 with Joliet), a hard disk or a diskette (FAT). */
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import { syncFolder } from '../host-folder.node.ts';
import { NodeFile } from '../node-file.node.ts';
import type { ToolOptions } from '../tools/convert.node.ts';
import { checkCancelled } from '../tools/copy.ts';
import { planFatDisk, planFatFloppy } from './fat.ts';
import { planIso } from './iso9660.ts';
import type { ImagePlan, TreeEntry, TreeFile, TreeFolder } from './tree.ts';

export const folderImageKinds = ['iso', 'fat', 'floppy'] as const;

export interface FolderImageOptions extends ToolOptions {
  readonly kind: (typeof folderImageKinds)[number];
  /** Default: the folder's name. */
  readonly label?: string | undefined;
  /** fat: room for so many more bytes. */
  readonly free?: number | undefined;
}

const DEFAULT_FREE = 64 << 20;
const MOST_ENTRIES = 1_000_000;
const DEEPEST = 64;
const PIECE = 4 << 20;

/**
 * Writes an image with a copy of everything in a folder. It appears under its name when it is complete. Symbolic links and what is neither file nor
 * folder are left out: a link could lead out of the folder. Returns the names of what was left out, the first hundred.
 */
export async function folderToImage(folder: string, to: string, options: FolderImageOptions): Promise<{ readonly leftOut: readonly string[] }> {
  const { tree, leftOut } = readTree(folder);
  const label = (options.label ?? basename(folder)).slice(0, options.kind === 'iso' ? 32 : 11) || 'FILES';
  const serial = randomBytes(4).readUInt32LE();
  const plan =
    options.kind === 'iso'
      ? planIso(tree, { label, now: new Date() })
      : options.kind === 'fat'
        ? planFatDisk(tree, { label, serial, free: options.free ?? DEFAULT_FREE })
        : planFatFloppy(tree, { label, serial });
  const temporary = join(dirname(to), `.${basename(to)}-${randomBytes(4).toString('hex')}`);
  try {
    await write(plan, temporary, options);
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined)
      throw new VmmError('usage', `${to} exists already; choose another name or delete it first`, { path: to });
    renameSync(temporary, to);
    syncFolder(dirname(to));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return { leftOut };
}

function readTree(path: string): { tree: TreeFolder; leftOut: string[] } {
  const leftOut: string[] = [];
  let entries = 0;
  const folderOf = (at: string, depth: number): TreeFolder => {
    if (depth > DEEPEST) throw new VmmError('usage', `${at} lies deeper than ${DEEPEST} folders, which is too deep for a disk`);
    const children: TreeEntry[] = [];
    for (const name of readdirSync(at).sort()) {
      if (++entries > MOST_ENTRIES) throw new VmmError('usage', `${path} has more than ${MOST_ENTRIES} files and folders`);
      const child = join(at, name);
      const stat = lstatSync(child);
      if (stat.isDirectory()) children.push(folderOf(child, depth + 1));
      else if (stat.isFile()) children.push({ kind: 'file', name, size: stat.size, modified: stat.mtime, source: child });
      else if (leftOut.length < 100) leftOut.push(child);
    }
    return { kind: 'folder', name: basename(at), modified: lstatSync(at).mtime, entries: children };
  };
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new VmmError('not-found', `${path} does not exist`, { path });
  if (!stat.isDirectory()) throw new VmmError('usage', `${path} is not a folder`, { path });
  return { tree: folderOf(path, 0), leftOut };
}

async function write(plan: ImagePlan, path: string, { onProgress, signal }: ToolOptions): Promise<void> {
  const file = NodeFile.open(path, { create: true });
  const buffer = new Uint8Array(PIECE);
  try {
    await file.truncate(plan.size);
    for (const { offset, content } of plan.pieces) {
      checkCancelled(signal);
      if (content instanceof Uint8Array) await file.write(offset, content);
      else await copyFile(content, file, offset, buffer, signal);
      onProgress?.(offset, plan.size);
    }
    await file.flush();
  } finally {
    await file.close();
  }
}

/** As many bytes as the file had when the image was planned: one that grows or shrinks meanwhile must not run into its neighbours. */
async function copyFile(from: TreeFile, to: NodeFile, offset: number, buffer: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  const source = NodeFile.open(from.source, { readOnly: true });
  try {
    for (let at = 0; at < from.size; at += buffer.length) {
      checkCancelled(signal);
      const part = buffer.subarray(0, Math.min(buffer.length, from.size - at));
      await source.read(at, part);
      await to.write(offset + at, part);
    }
  } finally {
    await source.close();
  }
}
