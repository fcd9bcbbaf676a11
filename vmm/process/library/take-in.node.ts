/** Files that a machine is to use: what was uploaded moves into its folder, another file stays where it lies, of a folder an image is made. */
import { existsSync, renameSync, statSync } from 'node:fs';
import { basename, join, parse, resolve } from 'node:path';
import { folderToImage } from '../../storage/folder/folder-image.node.ts';
import type { ToolOptions } from '../../storage/tools/convert.node.ts';
import { folderName } from './store.node.ts';

export interface Source {
  readonly path: string;
  /** What the file was called where it came from. */
  readonly name: string;
  /** It lies in the library already and is moved, not copied. */
  readonly uploaded: boolean;
}

/** Of the empty disk that a machine is made with. */
export const NEW_DISK = 'disk.img';

/** Its own name, unless that is one of the folder's own files. */
export function imageName(name: string): string {
  const own = folderName(basename(name));
  return /\.(json|sock|log|png|tmp)~?$|\.log\.1$/i.test(own) || own === NEW_DISK ? `image-${own}` : own;
}

/** `hda.qcow2`, `hda 2.qcow2`... */
export function freeName(directory: string, wanted: string): string {
  const { name, ext } = parse(wanted);
  let free = wanted;
  for (let n = 2; existsSync(join(directory, free)); n++) free = `${name} ${n}${ext}`;
  return free;
}

export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** What of a folder a disk, a CD or a diskette is made as, and how such a file is called. */
const folderImages = {
  disk: { kind: 'fat', extension: '.img' },
  cdrom: { kind: 'iso', extension: '.iso' },
  floppy: { kind: 'floppy', extension: '.img' },
} as const;

/** A file that a machine is to use as such a medium. @returns its path @throws VmmError for a folder that does not fit on it */
export async function takeIn(source: Source, directory: string, medium: keyof typeof folderImages, options: ToolOptions = {}): Promise<string> {
  if (source.uploaded) {
    const path = join(directory, freeName(directory, imageName(source.name)));
    renameSync(source.path, path);
    return path;
  }
  if (!isFolder(source.path)) return resolve(source.path);
  const { kind, extension } = folderImages[medium];
  const path = join(directory, freeName(directory, imageName(`${source.name}${extension}`)));
  await folderToImage(source.path, path, { ...options, kind });
  return path;
}
