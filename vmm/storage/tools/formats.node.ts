import { existsSync, rmSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import { identityOf } from '../base-identity.node.ts';
import { createQcow2 } from '../formats/qcow2/create.ts';
import { createVdi, readVdiIds, type VdiIds } from '../formats/vdi/vdi.ts';
import { createVhd } from '../formats/vhd/vhd.ts';
import { createVhdx } from '../formats/vhdx/vhdx.ts';
import { createVmdk, vmdkKinds, type VmdkKind } from '../formats/vmdk/vmdk.ts';
import { NodeFile } from '../node-file.node.ts';
import { formatHost } from '../open.node.ts';
import { probe, type ImageFormat, type Probe } from '../probe.ts';

/** How an image of a format is made: `strate img create -o name=value`. Sizes in bytes. */
export interface CreateOptions {
  /** raw, vhd, vhdx, vdi: all space is there from the start. */
  readonly fixed?: boolean;
  /** qcow2 */
  readonly version?: 2 | 3;
  readonly clusterSize?: number;
  readonly refcountBits?: number;
  readonly compression?: 'zlib' | 'zstd';
  readonly extendedL2?: boolean;
  /** vhd, vhdx */
  readonly blockSize?: number;
  /** vmdk */
  readonly kind?: VmdkKind | 'streamOptimized';
}

/** The image a new one is a difference to. */
export interface ParentOption {
  /** As it is written into the new image: relative to its folder, or absolute. */
  readonly path: string;
  readonly format: ImageFormat;
  /** What the parent says of itself now, for formats that record it. */
  readonly identity?: string | undefined;
}

const extensions: Readonly<Record<string, ImageFormat>> = {
  '.raw': 'raw',
  '.img': 'raw',
  '.ima': 'raw',
  '.flp': 'raw',
  '.dsk': 'raw',
  '.iso': 'iso',
  '.qcow2': 'qcow2',
  '.qcow': 'qcow2',
  '.vmdk': 'vmdk',
  '.vhd': 'vhd',
  '.vpc': 'vhd',
  '.vhdx': 'vhdx',
  '.vdi': 'vdi',
};

/** The format a file name asks for. */
export function formatOfName(path: string): ImageFormat | undefined {
  return extensions[extname(path).toLowerCase()];
}

/** What a file seems to be. For commands a person gives, not for drives of machines. */
export async function probeFile(path: string): Promise<Probe> {
  const file = NodeFile.open(path, { readOnly: true });
  try {
    const size = await file.size();
    return await probe({ name: path, size, read: (offset, into) => file.read(offset, into) });
  } finally {
    await file.close();
  }
}

/** The format of an existing image: as given, or as it looks. Everything that looks like nothing is raw. */
export async function formatOf(path: string, given?: ImageFormat): Promise<ImageFormat> {
  if (given !== undefined) return given;
  const found = await probeFile(path);
  return found.format ?? 'raw';
}

/** Makes an empty image, or nothing. Fails if the file exists. */
export async function createImage(
  path: string,
  format: ImageFormat,
  size: number,
  options: CreateOptions = {},
  parent?: ParentOption,
): Promise<void> {
  if (!Number.isSafeInteger(size) || size <= 0) throw new VmmError('usage', `${path}: an image cannot have a size of ${size} bytes`, { path });
  if (parent !== undefined && (format === 'raw' || format === 'iso')) {
    throw new VmmError('usage', `${path}: an image of format ${format} cannot be a difference to another; use qcow2, vmdk, vhd, vhdx or vdi`, {
      path,
    });
  }
  if (parent !== undefined && format !== 'qcow2' && parent.format !== format) {
    throw new VmmError(
      'usage',
      `${path}: a ${format} image can be a difference to a ${format} image only; use qcow2, or convert ${parent.path} first`,
      { path },
    );
  }
  const made: string[] = [path];
  const file = NodeFile.open(path, { create: true });
  try {
    await fill(path, file, format, size, options, parent, made);
    await file.close();
  } catch (error) {
    await file.close();
    for (const one of made) rmSync(one, { force: true });
    throw error;
  }
}

async function fill(
  path: string,
  file: NodeFile,
  format: ImageFormat,
  size: number,
  options: CreateOptions,
  parent: ParentOption | undefined,
  made: string[],
): Promise<void> {
  const host = formatHost({ file: path });
  const difference = parent === undefined ? undefined : { path: parent.path, identity: parent.identity ?? '' };
  switch (format) {
    case 'raw':
    case 'iso':
      await file.truncate(Math.ceil(size / 512) * 512);
      return file.flush();
    case 'qcow2':
      return createQcow2(file, {
        ...options,
        size,
        ...(parent && {
          backingFile: parent.path,
          backingFormat: qemuName(parent.format),
          base: recordOf(isAbsolute(parent.path) ? parent.path : join(dirname(path), parent.path)),
        }),
      });
    case 'vdi':
      return createVdi(file, host, { ...options, size, ...(parent && { parent: await vdiIdsOf(path, parent) }) });
    case 'vhd':
      return createVhd(file, host, { ...options, size, parent: difference });
    case 'vhdx':
      return createVhdx(file, host, { ...options, size, parent: difference });
    case 'vmdk': {
      const kind = vmdkKinds.find((one) => one === (options.kind ?? 'monolithicSparse'));
      if (kind === undefined) throw new VmmError('usage', `${path}: images of kind ${options.kind ?? ''} are made by convert only`, { path });
      const create = (name: string) => {
        const extent = join(dirname(path), name);
        if (existsSync(extent)) throw new VmmError('usage', `${extent} exists already; choose another name or delete it first`, { path: extent });
        made.push(extent);
        return Promise.resolve(NodeFile.open(extent, { create: true }));
      };
      return createVmdk(file, host, { size, kind, base: basename(path, extname(path)), create, parent: difference });
    }
  }
}

async function vdiIdsOf(child: string, parent: ParentOption): Promise<VdiIds> {
  if (dirname(resolve(dirname(child), parent.path)) !== dirname(resolve(child)))
    throw new VmmError('usage', `${child}: a VDI image does not say where its parent is; put it into the folder of ${parent.path}, or use qcow2`, {
      path: child,
    });
  const file = NodeFile.open(resolve(dirname(child), parent.path), { readOnly: true });
  try {
    const ids = await readVdiIds(file);
    if (ids === undefined) throw new VmmError('invalid', `${file.path} is not a VDI image`, { path: file.path });
    return ids;
  } finally {
    await file.close();
  }
}

/** A parent that is not there yet cannot be recognised later. */
function recordOf(parent: string): string | undefined {
  return existsSync(parent) ? JSON.stringify(identityOf(parent)) : undefined;
}

/** What qcow2 calls a format in its header. */
function qemuName(format: ImageFormat): string {
  return format === 'vhd' ? 'vpc' : format === 'iso' ? 'raw' : format;
}
