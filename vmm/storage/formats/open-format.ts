import { VmmError } from '../../base/errors.ts';
import type { HostFile } from '../host-file.ts';
import type { BlockNode } from '../node.ts';
import type { ImageFormat } from '../probe.ts';

export interface FormatOptions {
  readonly readOnly: boolean;
}

/** Opens an image of a format other than raw. */
export function openFormat(format: Exclude<ImageFormat, 'raw' | 'iso'>, file: HostFile, _options: FormatOptions): Promise<BlockNode> {
  return Promise.reject(new VmmError('unsupported', `${file.path}: images of format ${format} are not available yet; convert it to raw`, { format }));
}
