import { floppyFormatOf, floppyFormats } from '../base/floppy-formats.ts';
import { VmmError } from '../base/errors.ts';
import { openFormat } from './formats/open-format.ts';
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
}

/**
 * Opens an image and what it stands on. Throws VmmError: `not-found`, `usage`, `host`, `invalid` or `unsupported`, in one line that names the file
 * and what to do.
 */
export async function openImage(spec: ImageSpec): Promise<BlockNode> {
  const discard = spec.discardWrites === true && !spec.readOnly;
  const readOnly = spec.readOnly || discard || spec.role === 'cdrom';
  const file = NodeFile.open(spec.file, { readOnly });
  try {
    const node = await openNode(spec, file, readOnly);
    return discard ? new OverlayNode(new ScratchNode(NodeFile.temporary(), node.size, `${spec.file} (writes discarded)`), node) : node;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openNode(spec: ImageSpec, file: NodeFile, readOnly: boolean): Promise<BlockNode> {
  if (spec.format !== 'raw' && spec.format !== 'iso') return openFormat(spec.format, file, { readOnly });
  if (spec.role === 'floppy') return openFloppy(file, readOnly);
  if (spec.role === 'disk') return RawNode.open(file, { readOnly });
  const found = await probe({ name: spec.file, size: await file.size(), read: (offset, into) => file.read(offset, into) });
  if (found.format === 'iso' && found.problem !== undefined) throw new VmmError('invalid', found.problem, { path: spec.file });
  return RawNode.open(file, { readOnly: true, unit: CD_BLOCK });
}

const CD_BLOCK = 2048;

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
