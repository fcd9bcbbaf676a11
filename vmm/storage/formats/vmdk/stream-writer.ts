import type { HostFile } from '../../host-file.ts';
import { isZero, type BlockNode } from '../../node.ts';
import { roundUp, setU64le, viewOf } from '../bytes.ts';
import type { Codecs } from '../format.ts';
import { formatDescriptor, type NewDescriptor } from './descriptor.ts';
import { encodeSparseHeader } from './sparse-extent.ts';

/*
 * Stream-optimised extents (VMware Virtual Disk Format 1.1, "Stream-Optimized Compressed Sparse Extents"): what appliances (OVA) hold. Written from
 * front to end in one go: header, descriptor, compressed grains and grain tables behind markers, directory, footer.
 */

const SECTOR = 512;
const GRAIN = 65536;
const ENTRIES = 512;
const Marker = { END: 0, TABLE: 1, DIRECTORY: 2, FOOTER: 3 } as const;
const FLAGS = 0x3_0001;

export interface StreamOptions {
  readonly codecs: Codecs;
  readonly descriptor: Omit<NewDescriptor, 'createType' | 'sectors' | 'extents'>;
  /** The file's own name, as the descriptor has it. */
  readonly name: string;
  readonly onProgress?: (done: number, total: number) => void;
  readonly check?: () => void;
}

/** Writes `source` into an empty file. */
export async function writeStreamOptimised(file: HostFile, source: BlockNode, options: StreamOptions): Promise<void> {
  const size = roundUp(source.size, SECTOR);
  let end = 0;
  const append = async (bytes: Uint8Array) => {
    const at = end;
    const padded = new Uint8Array(roundUp(bytes.length, SECTOR));
    padded.set(bytes);
    await file.write(at, padded);
    end += padded.length;
    return at / SECTOR;
  };
  /** A marker's value is how many sectors follow it. */
  const marker = (type: number, sectors: number) => {
    const bytes = new Uint8Array(SECTOR);
    setU64le(viewOf(bytes), 0, sectors);
    viewOf(bytes).setUint32(12, type, true);
    return append(bytes);
  };
  const header = (directory: number | 'at-end') =>
    encodeSparseHeader({
      size,
      grain: GRAIN,
      flags: FLAGS,
      version: 3,
      descriptorOffset: 1,
      descriptorSectors: 20,
      redundant: 0,
      directory,
      overhead: GRAIN / SECTOR,
      compressed: true,
    });

  await append(header('at-end'));
  const descriptor = new Uint8Array(20 * SECTOR);
  const extent = { access: 'RW', sectors: size / SECTOR, type: 'SPARSE', file: options.name, offset: 0 } as const;
  descriptor.set(
    new TextEncoder().encode(formatDescriptor({ ...options.descriptor, createType: 'streamOptimized', sectors: size / SECTOR, extents: [extent] })),
  );
  await append(descriptor);
  end = GRAIN;

  const tables = Math.ceil(size / GRAIN / ENTRIES);
  const directory = new Uint8Array(roundUp(tables * 4, SECTOR));
  for (let index = 0; index < tables; index++) {
    const table = new Uint8Array(ENTRIES * 4);
    let used = false;
    for (let entry = 0; entry < ENTRIES; entry++) {
      const offset = (index * ENTRIES + entry) * GRAIN;
      if (offset >= size) break;
      const place = await writeGrain(source, offset, options, append);
      if (place === undefined) continue;
      viewOf(table).setUint32(entry * 4, place, true);
      used = true;
    }
    options.check?.();
    options.onProgress?.(Math.min(size, (index + 1) * ENTRIES * GRAIN), size);
    if (!used) continue;
    await marker(Marker.TABLE, table.length / SECTOR);
    viewOf(directory).setUint32(index * 4, await append(table), true);
  }
  await marker(Marker.DIRECTORY, directory.length / SECTOR);
  const place = await append(directory);
  await marker(Marker.FOOTER, 1);
  await append(header(place));
  await marker(Marker.END, 0);
  await file.flush();
}

/** The sector of the grain's marker; undefined: it holds zeros only and is left out. */
async function writeGrain(
  source: BlockNode,
  offset: number,
  { codecs }: StreamOptions,
  append: (bytes: Uint8Array) => Promise<number>,
): Promise<number | undefined> {
  const length = Math.min(GRAIN, source.size - offset);
  const extent = await source.extent(offset, length);
  if (extent.kind !== 'data' && extent.length === length) return undefined;
  const plain = new Uint8Array(GRAIN);
  await source.read(offset, plain.subarray(0, length));
  if (isZero(plain)) return undefined;
  const packed = codecs.deflate(plain);
  const bytes = new Uint8Array(12 + packed.length);
  setU64le(viewOf(bytes), 0, offset / SECTOR);
  viewOf(bytes).setUint32(8, packed.length, true);
  bytes.set(packed, 12);
  return append(bytes);
}
