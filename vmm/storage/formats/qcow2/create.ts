import { VmmError } from '../../../base/errors.ts';
import type { HostFile } from '../../host-file.ts';
import { setU64be, viewOf } from '../bytes.ts';
import { Compression, encodeHeader, Incompatible } from './header.ts';
import { writeRefcount } from './refcounts.ts';

export interface Qcow2CreateOptions {
  /** Bytes. */
  readonly size: number;
  readonly version?: 2 | 3;
  /** 512 to 2 MiB, a power of two; default 64 KiB. */
  readonly clusterSize?: number;
  /** 1, 2, 4 .. 64; default 16. */
  readonly refcountBits?: number;
  readonly compression?: 'zlib' | 'zstd';
  readonly extendedL2?: boolean;
  readonly backingFile?: string | undefined;
  readonly backingFormat?: string | undefined;
  /** What the backing file looks like now, for extension BASE. */
  readonly base?: string | undefined;
}

const DEFAULT_CLUSTER = 65536;

/** Writes an empty qcow2 image into an empty file: header, refcount table and block, L1 table. */
export async function createQcow2(file: HostFile, options: Qcow2CreateOptions): Promise<void> {
  const { size, version = 3, clusterSize = DEFAULT_CLUSTER, refcountBits = 16, compression = 'zlib', extendedL2 = false } = options;
  const fail = (what: string): never => {
    throw new VmmError('usage', `${file.path}: ${what}`, { path: file.path });
  };
  const clusterBits = Math.log2(clusterSize);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21)
    fail(`cluster size ${clusterSize} is not a power of two from 512 to 2097152`);
  const refcountOrder = Math.log2(refcountBits);
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > 6)
    fail(`refcount bits ${refcountBits} is not 1, 2, 4, 8, 16, 32 or 64`);
  if (version === 2 && (refcountBits !== 16 || compression !== 'zlib' || extendedL2)) fail('version 2 knows 16-bit refcounts and zlib only');
  if (extendedL2 && clusterSize < 16384) fail('extended L2 entries need clusters of at least 16 KiB');

  const perL1 = clusterSize * (clusterSize / (extendedL2 ? 16 : 8));
  const l1Size = Math.max(1, Math.ceil(size / perL1));
  if (l1Size * 8 > 32 << 20) fail(`${size} bytes are too many for clusters of ${clusterSize} bytes; use larger clusters`);
  const l1Clusters = Math.ceil((l1Size * 8) / clusterSize);

  // Header, refcount table, refcount blocks for all of this, L1 table.
  const perBlock = (clusterSize * 8) >> refcountOrder;
  let blocks = 1;
  while (blocks * perBlock < 2 + blocks + l1Clusters) blocks++;
  const total = 2 + blocks + l1Clusters;
  const table = new Uint8Array(clusterSize);
  if (blocks * 8 > clusterSize) fail(`${size} bytes are too many for clusters of ${clusterSize} bytes; use larger clusters`);
  for (let index = 0; index < blocks; index++) {
    setU64be(viewOf(table), index * 8, (2 + index) * clusterSize);
    const block = new Uint8Array(clusterSize);
    for (let i = 0; i < perBlock && index * perBlock + i < total; i++) writeRefcount(block, i, refcountOrder, 1);
    await file.write((2 + index) * clusterSize, block);
  }
  await file.write(clusterSize, table);
  await file.write((2 + blocks) * clusterSize, new Uint8Array(l1Clusters * clusterSize));
  await file.flush();
  const header = encodeHeader({
    version,
    clusterBits,
    size: Math.ceil(size / 512) * 512,
    l1Size,
    l1Offset: (2 + blocks) * clusterSize,
    refcountOffset: clusterSize,
    refcountClusters: 1,
    refcountOrder,
    incompatible: (compression === 'zstd' ? Incompatible.COMPRESSION : 0) | (extendedL2 ? Incompatible.EXTENDED_L2 : 0),
    compatible: 0,
    compression: compression === 'zstd' ? Compression.ZSTD : Compression.ZLIB,
    backingFile: options.backingFile,
    backingFormat: options.backingFormat,
    base: clusterSize >= 1024 ? options.base : undefined, // the header has to fit
  });
  await file.write(0, header);
  await file.flush();
}
