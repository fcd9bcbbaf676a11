import { VmmError } from '../../base/errors.ts';
import type { HostFile } from '../host-file.ts';
import type { BlockNode } from '../node.ts';
import type { ImageFormat } from '../probe.ts';

/** Decompressors the host gives; each yields at most `size` bytes, or throws on damaged data. */
export interface Codecs {
  inflateRaw(data: Uint8Array, size: number): Uint8Array;
  inflate(data: Uint8Array, size: number): Uint8Array;
  unzstd(data: Uint8Array, size: number): Uint8Array;
  deflateRaw(data: Uint8Array): Uint8Array;
  deflate(data: Uint8Array): Uint8Array;
  zstd(data: Uint8Array): Uint8Array;
  /** CRC-32C (Castagnoli), as VHDX uses. */
  crc32c?(data: Uint8Array): number;
}

/** What formats need from outside. */
export interface FormatHost {
  readonly codecs: Codecs;
  /** Opens another file of the image by the name the image gives (an extent, a data file); the host decides what may be opened. */
  open(name: string, readOnly: boolean): Promise<HostFile>;
  /** 128 random bits for identifiers, as 16 bytes. */
  uuid(): Uint8Array;
  /** Seconds since 1970. */
  time(): number;
}

export interface FormatOptions {
  readonly readOnly: boolean;
}

/** The image this one is a difference to, as the file says. Who opens it decides whether it may be. */
export interface ParentReference {
  /** As written: relative to the image's folder, or absolute. Possibly several, in order of preference. */
  readonly paths: readonly string[];
  readonly format?: ImageFormat | undefined;
  /** What the parent must say of itself, for formats that record it. */
  readonly identity?: string | undefined;
  /** What its file looked like, as whoever made the image noted it. */
  readonly recorded?: string | undefined;
}

/** An opened image of a format. */
export interface ImageNode extends BlockNode {
  readonly format: ImageFormat;
  readonly parent?: ParentReference | undefined;
  /** Of this image, for children that record it. */
  readonly identity?: string | undefined;
  /** More that `strate img info` shows. */
  describe(): Readonly<Record<string, string | number | boolean>>;
}

/** A damaged or hostile image: one sentence that names file, field and what to do. */
export function isImageNode(node: BlockNode): node is ImageNode {
  return 'describe' in node;
}

export function damaged(file: HostFile | string, what: string): VmmError {
  const path = typeof file === 'string' ? file : file.path;
  return new VmmError('invalid', `${path}: ${what}; try "strate img check"`, { path });
}

export function unsupported(file: HostFile, what: string): VmmError {
  return new VmmError('unsupported', `${file.path}: ${what}`, { path: file.path });
}
