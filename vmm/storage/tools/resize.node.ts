import { VmmError } from '../../base/errors.ts';
import { growQcow2 } from '../formats/qcow2/grow.ts';
import { Qcow2Node } from '../formats/qcow2/qcow2.ts';
import { ImageLock } from '../image-lock.node.ts';
import { NodeFile } from '../node-file.node.ts';
import { openImage } from '../open.node.ts';
import type { ImageFormat } from '../probe.ts';
import { rewriteImage, type ToolOptions } from './convert.node.ts';
import { formatOf } from './formats.node.ts';

export interface ResizeOptions extends ToolOptions {
  readonly format?: ImageFormat;
  /** Without it an image is not made smaller: what lies beyond the new end is lost. */
  readonly shrink?: boolean;
}

/** Changes what a guest sees as the size of a disk. Growing raw and qcow2 is a change of numbers; all else makes a verified copy. */
export async function resizeImage(path: string, size: number, options: ResizeOptions = {}): Promise<void> {
  if (!Number.isSafeInteger(size) || size <= 0 || size % 512 !== 0)
    throw new VmmError('usage', `${path}: the size has to be a multiple of 512 bytes, not ${size}`, { path });
  const format = await formatOf(path, options.format);
  if (format === 'iso') throw new VmmError('usage', `${path} is a CD image, which cannot be resized`, { path });
  const { node } = await openImage({ file: path, format, role: 'disk', readOnly: true });
  const present = node.size;
  await node.close();
  if (size === present) return;
  if (size < present && options.shrink !== true) {
    throw new VmmError('usage', `${path} has ${present} bytes; making it smaller loses what lies beyond ${size}: say --shrink if that is meant`, {
      path,
    });
  }
  if (format === 'raw') return resizeRaw(path, size);
  if (format === 'qcow2' && size > present && (await growInPlace(path, size))) return;
  await rewriteImage(path, { ...options, source: { format }, size });
}

async function resizeRaw(path: string, size: number): Promise<void> {
  const file = NodeFile.open(path);
  try {
    const lock = ImageLock.take(file, 'write');
    try {
      await file.truncate(size);
      await file.flush();
    } finally {
      lock.release();
    }
  } finally {
    await file.close();
  }
}

async function growInPlace(path: string, size: number): Promise<boolean> {
  const { node, chain } = await openImage({ file: path, format: 'qcow2', role: 'disk', readOnly: false });
  try {
    const top = chain[0]!.node;
    return top instanceof Qcow2Node && (await growQcow2(top, size));
  } finally {
    await node.close();
  }
}
