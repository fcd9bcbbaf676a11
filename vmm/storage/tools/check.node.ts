import { VmmError } from '../../base/errors.ts';
import { found, newReport, type CheckReport, type RepairMode } from '../check-report.ts';
import { isImageNode } from '../formats/format.ts';
import { checkQcow2 } from '../formats/qcow2/check.ts';
import { ImageLock } from '../image-lock.node.ts';
import { NodeFile } from '../node-file.node.ts';
import { openImage } from '../open.node.ts';
import type { ImageFormat } from '../probe.ts';
import type { ToolOptions } from './convert.node.ts';
import { formatOf } from './formats.node.ts';

/** Checks an image, and repairs it if asked to. It must not be in use. */
export async function checkImage(
  path: string,
  mode: RepairMode,
  options: ToolOptions & { readonly format?: ImageFormat } = {},
): Promise<CheckReport> {
  const format = await formatOf(path, options.format);
  if (format === 'qcow2') return checkLocked(path, mode, options);
  if (mode !== 'none' && (format === 'raw' || format === 'iso'))
    throw new VmmError(
      'usage',
      `${path}: there is nothing to repair in a raw image; what is damaged in it is for the guest's own tools (fsck, chkdsk)`,
      { path },
    );
  return checkByOpening(path, format, mode !== 'none');
}

async function checkLocked(path: string, mode: RepairMode, { onProgress }: ToolOptions): Promise<CheckReport> {
  const file = NodeFile.open(path, { readOnly: mode === 'none' });
  try {
    const lock = ImageLock.take(file, mode === 'none' ? 'read' : 'write');
    try {
      return await checkQcow2(file, mode, (fraction) => onProgress?.(fraction, 1));
    } finally {
      lock.release();
    }
  } finally {
    await file.close();
  }
}

/**
 * The other formats have one table of places: opening an image for writing looks at each entry. That repairs what they keep twice, too (the footer of VHD, headers and region tables of
 * VHDX, whose log is replayed); there is nothing to rebuild a table from.
 */
async function checkByOpening(path: string, format: ImageFormat, repair: boolean): Promise<CheckReport> {
  const report = newReport();
  try {
    const { node, chain } = await openImage({ file: path, format, role: format === 'iso' ? 'cdrom' : 'disk', readOnly: !repair });
    const top = chain[0]!.node;
    for (let offset = 0; isImageNode(top) && offset < top.size;) {
      const extent = await top.extent(offset, top.size - offset);
      if (extent.kind === 'data') report.allocated += extent.length;
      offset += extent.length;
    }
    await node.close();
  } catch (error) {
    if (!(error instanceof VmmError) || error.kind !== 'invalid') throw error;
    found(report, error.message);
    if (repair)
      found(
        report,
        'this cannot be repaired: nothing in the file says what belongs there (what the format keeps twice was tried); use an older copy of it',
      );
  }
  return report;
}
