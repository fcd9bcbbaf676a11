import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, relative, resolve } from 'node:path';
import { floppyFormatOf, floppyFormats } from '../base/floppy-formats.ts';
import { VmmError } from '../base/errors.ts';
import { checkBase, readIdentity } from './base-identity.node.ts';
import { codecs } from './formats/codecs.node.ts';
import { isImageNode, type FormatHost, type ImageNode, type ParentReference } from './formats/format.ts';
import { readVdiIds } from './formats/vdi/vdi.ts';
import { openFormat } from './formats/open-format.ts';
import { ImageLock } from './image-lock.node.ts';
import { NodeFile } from './node-file.node.ts';
import type { BlockNode } from './node.ts';
import { OverlayNode } from './overlay.ts';
import { probe, type ImageFormat } from './probe.ts';
import { RawNode } from './raw.ts';
import { ScratchNode } from './scratch.ts';

/** What an image is used for: it decides how its size is rounded, and what is checked. */
export type MediumRole = 'disk' | 'cdrom' | 'floppy';

export interface ImageSpec {
  /** Absolute path. */
  readonly file: string;
  /** Never guessed here: a raw disk that its guest can write could pretend to be anything (promises.md, isolation). */
  readonly format: ImageFormat;
  readonly role: MediumRole;
  readonly readOnly: boolean;
  /** Writes go to a temporary file and are forgotten; the image is opened for reading only. */
  readonly discardWrites?: boolean;
  /** Read-only and without a lock, for figures only: a machine may be writing it, and what it has not flushed is not there. */
  readonly unlocked?: boolean;
  /** Parents need not look as they did when the differences to them were made. */
  readonly trustParents?: boolean;
  /** Folders in which images that this one stands on may lie, besides its own and those below it. */
  readonly parentFolders?: readonly string[];
}

/** One file of an opened image: the image itself, what it is a difference to, and so on. */
export interface ChainLink {
  readonly file: string;
  readonly format: ImageFormat;
  readonly node: BlockNode;
}

export interface OpenedImage {
  readonly node: BlockNode;
  /** From the image down to its last parent. */
  readonly chain: readonly ChainLink[];
}

/** Deeper chains are a mistake, or made to exhaust us. */
const MOST_PARENTS = 64;
/** Files of a folder among which a parent is looked for. */
const MOST_LOOKED_AT = 10_000;
const CD_BLOCK = 2048;

/**
 * Opens an image and what it stands on. Throws VmmError: `not-found`, `usage`, `busy`, `host`, `invalid` or `unsupported`, in one line that names the
 * file and what to do.
 */
export async function openImage(spec: ImageSpec): Promise<OpenedImage> {
  const discard = spec.discardWrites === true && !spec.readOnly;
  const readOnly = spec.readOnly || discard || spec.role === 'cdrom';
  const chain: ChainLink[] = [];
  try {
    const node = await openLink(spec, readOnly, chain);
    if (!discard) return { node, chain };
    return { node: new OverlayNode(new ScratchNode(NodeFile.temporary(), node.size, `${spec.file} (writes discarded)`), node), chain };
  } catch (error) {
    for (const link of chain) await link.node.close();
    throw error;
  }
}

async function openLink(spec: ImageSpec, readOnly: boolean, chain: ChainLink[]): Promise<BlockNode> {
  const file = NodeFile.open(spec.file, { readOnly });
  let node: BlockNode | ImageNode;
  try {
    if (spec.unlocked !== true) file.onClose(takeLock(file, readOnly));
    node = await openNode(spec, file, readOnly);
  } catch (error) {
    await file.close();
    throw error;
  }
  chain.push({ file: spec.file, format: spec.format, node });
  const parent = isImageNode(node) ? node.parent : undefined;
  return parent === undefined ? node : new OverlayNode(node, await openParent(spec, parent, chain));
}

function takeLock(file: NodeFile, readOnly: boolean): () => void {
  const lock = ImageLock.take(file, readOnly ? 'read' : 'write');
  return () => lock.release();
}

async function openNode(spec: ImageSpec, file: NodeFile, readOnly: boolean): Promise<BlockNode> {
  if (spec.format !== 'raw' && spec.format !== 'iso') return openFormat(spec.format, file, formatHost(spec), { readOnly });
  if (spec.role === 'floppy') return openFloppy(file, readOnly);
  if (spec.role === 'disk') return RawNode.open(file, { readOnly });
  const found = await probe(source(file, await file.size()));
  if (found.format === 'iso' && found.problem !== undefined) throw new VmmError('invalid', found.problem, { path: spec.file });
  return RawNode.open(file, { readOnly: true, unit: CD_BLOCK });
}

function source(file: NodeFile, size: number) {
  return { name: file.path, size, read: (offset: number, into: Uint8Array) => file.read(offset, into) };
}

/** A diskette is as large as its format, also when its image was cut after the last used sector. */
async function openFloppy(file: NodeFile, readOnly: boolean): Promise<BlockNode> {
  const size = await file.size();
  const format = floppyFormatOf(size);
  if (format === undefined) {
    const largest = Math.max(...floppyFormats.map((one) => one.bytes));
    throw new VmmError('usage', `${file.path} has ${size} bytes, more than the largest diskette (${largest}); use it as a hard disk or CD`, { size });
  }
  return RawNode.open(file, { readOnly, least: format.bytes });
}

/** One file of a chain by itself: what it does not hold is `absent`, whatever it is a difference to. */
export async function openAlone(file: string, format: ImageFormat, { readOnly }: { readonly readOnly: boolean }): Promise<BlockNode> {
  const opened = NodeFile.open(file, { readOnly });
  try {
    opened.onClose(takeLock(opened, readOnly));
    return await openNode({ file, format, role: 'disk', readOnly }, opened, readOnly);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

// Parents

async function openParent(child: ImageSpec, reference: ParentReference, chain: ChainLink[]): Promise<BlockNode> {
  if (chain.length > MOST_PARENTS)
    throw new VmmError('invalid', `${child.file}: the chain of parents is longer than ${MOST_PARENTS} images`, { path: child.file });
  const file = reference.paths.length === 0 && reference.format === 'vdi' ? await findVdi(child, reference.identity) : findParent(child, reference);
  if (chain.some((link) => realpathSync(link.file) === realpathSync(file))) {
    throw new VmmError('invalid', `${child.file}: the chain of parents runs in a circle at ${file}`, { path: child.file });
  }
  if (reference.recorded !== undefined && child.trustParents !== true) {
    const recorded = readIdentity(reference.recorded);
    if (recorded !== undefined) checkBase(child.file, file, recorded);
  }
  const format = reference.format ?? (await guessFormat(file));
  const node = await openLink({ ...child, file, format, role: 'disk' }, true, chain);
  const base = chain.find((link) => link.file === file)?.node;
  if (reference.identity !== undefined && base !== undefined && isImageNode(base) && base.identity !== reference.identity) {
    throw new VmmError(
      'invalid',
      `${child.file}: ${file} is not the image it was made on, or was changed since (its id is ${base.identity ?? 'none'}, not ${reference.identity})`,
      {
        path: child.file,
      },
    );
  }
  return node;
}

/** The parent's file, if it is there and lies where parents may lie: an image from elsewhere could name any file of this computer. */
function findParent(child: ImageSpec, { paths }: ParentReference): string {
  const folder = dirname(child.file);
  const file = paths.map((path) => (isAbsolute(path) ? path : join(folder, path))).find((path) => existsSync(path));
  if (file === undefined)
    throw new VmmError('not-found', `${child.file} is a difference to ${paths[0] ?? 'another image'}, which does not exist`, { path: child.file });
  const real = realpathSync(file);
  const allowed = [folder, ...(child.parentFolders ?? [])].some((one) => isWithin(real, realpathSync(one)));
  if (allowed) return file;
  throw new VmmError(
    'usage',
    `${child.file} is a difference to ${file}, which lies outside its folder; put both into one folder, or name that folder (parents)`,
    {
      path: child.file,
      parent: file,
    },
  );
}

/** A VDI image knows its parent by an id only; where it is, VirtualBox keeps to itself. It is looked for in the folders where parents may lie. */
async function findVdi(child: ImageSpec, identity: string | undefined): Promise<string> {
  for (const folder of [dirname(child.file), ...(child.parentFolders ?? [])]) {
    for (const name of readdirSync(folder).slice(0, MOST_LOOKED_AT)) {
      const path = join(folder, name);
      if (extname(name).toLowerCase() !== '.vdi' || !statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
      const file = NodeFile.open(path, { readOnly: true });
      try {
        if ((await readVdiIds(file))?.modified === identity) return path;
      } finally {
        await file.close();
      }
    }
  }
  throw new VmmError(
    'not-found',
    `${child.file} is a difference to a VDI image with the modification id ${identity ?? 'none'}, and none in its folder has it: put its parent there, as it was; or name its folder (parents)`,
    { path: child.file },
  );
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
}

async function guessFormat(path: string): Promise<ImageFormat> {
  const file = NodeFile.open(path, { readOnly: true });
  try {
    return (await probe(source(file, await file.size()))).format ?? 'raw';
  } finally {
    await file.close();
  }
}

/** What formats are given of this computer, for one image: files they name have to lie in its folder. */
export function formatHost(spec: Pick<ImageSpec, 'file' | 'parentFolders' | 'unlocked'>): FormatHost {
  const folder = dirname(resolve(spec.file));
  return {
    codecs,
    uuid: () => new Uint8Array(randomBytes(16)),
    time: () => Date.now() / 1000,
    open: (name, readOnly) =>
      new Promise((resolvePromise) => {
        const path = isAbsolute(name) ? name : join(folder, name);
        if (!existsSync(path)) throw new VmmError('not-found', `${spec.file} needs ${path}, which does not exist`, { path: spec.file });
        const allowed = [folder, ...(spec.parentFolders ?? [])].some((one) => isWithin(realpathSync(path), realpathSync(one)));
        if (!allowed)
          throw new VmmError(
            'usage',
            `${spec.file} needs ${path}, which lies outside its folder; put both into one folder, or name that folder (parents)`,
            { path: spec.file },
          );
        const file = NodeFile.open(path, { readOnly });
        if (spec.unlocked !== true) file.onClose(takeLock(file, readOnly));
        resolvePromise(file);
      }),
  };
}
