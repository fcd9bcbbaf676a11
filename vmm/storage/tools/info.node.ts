import { statSync } from 'node:fs';
import { isImageNode } from '../formats/format.ts';
import { Qcow2Node } from '../formats/qcow2/qcow2.ts';
import type { ExtentKind } from '../node.ts';
import { openSource, type SourceOptions, type ToolOptions } from './convert.node.ts';
import { checkCancelled, firstDifference } from './copy.ts';

/** One image of a chain. */
export interface ImageInfo {
  readonly file: string;
  readonly format: string;
  /** What a guest sees, bytes. */
  readonly size: number;
  /** What it takes on the host, bytes. */
  readonly allocated: number;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly snapshots: readonly { readonly id: string; readonly name: string; readonly date: number; readonly stateSize: number }[];
}

/** The image and what it stands on, from top to bottom. */
export async function imageInfo(path: string, options: SourceOptions = {}): Promise<ImageInfo[]> {
  const opened = await openSource(path, options);
  try {
    return opened.chain.map(({ file, format, node }) => ({
      file,
      format,
      size: node.size,
      allocated: statSync(file).blocks * 512,
      facts: isImageNode(node) ? node.describe() : {},
      snapshots: node instanceof Qcow2Node ? node.snapshots.map(({ id, name, date, stateSize }) => ({ id, name, date, stateSize })) : [],
    }));
  } finally {
    await opened.node.close();
  }
}

export interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly kind: ExtentKind;
  /** The image of the chain that holds it; absent: none. */
  readonly file?: string;
}

/** Where a disk's contents come from, in runs. */
export async function mapImage(path: string, options: SourceOptions & ToolOptions = {}): Promise<MapEntry[]> {
  const opened = await openSource(path, options);
  try {
    const entries: MapEntry[] = [];
    const { size } = opened.node;
    for (let offset = 0; offset < size;) {
      checkCancelled(options.signal);
      let [length, kind, file] = [size - offset, 'absent' as ExtentKind, undefined as string | undefined];
      for (const link of opened.chain) {
        if (offset >= link.node.size) break;
        const extent = await link.node.extent(offset, Math.min(length, link.node.size - offset));
        length = extent.length;
        if (extent.kind === 'absent') continue;
        [kind, file] = [extent.kind, link.file];
        break;
      }
      const last = entries[entries.length - 1];
      if (last?.kind === kind && last.file === file) entries[entries.length - 1] = { ...last, length: last.length + length };
      else entries.push({ start: offset, length, kind, ...(file === undefined ? {} : { file }) });
      offset += length;
    }
    return entries;
  } finally {
    await opened.node.close();
  }
}

export interface Comparison {
  readonly sameSize: boolean;
  /** undefined: the contents are the same, as far as both reach, and zeros beyond. */
  readonly differsAt: number | undefined;
}

export async function compareImages(
  a: string,
  b: string,
  options: ToolOptions & { readonly first?: SourceOptions; readonly second?: SourceOptions } = {},
): Promise<Comparison> {
  const one = await openSource(a, options.first);
  try {
    const other = await openSource(b, options.second);
    try {
      return { sameSize: one.node.size === other.node.size, differsAt: await firstDifference(one.node, other.node, options) };
    } finally {
      await other.node.close();
    }
  } finally {
    await one.node.close();
  }
}
