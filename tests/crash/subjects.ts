import type { HostFile } from '../../vmm/storage/host-file.ts';
import type { BlockNode } from '../../vmm/storage/node.ts';
import { codecs } from '../../vmm/storage/formats/codecs.node.ts';
import type { FormatHost } from '../../vmm/storage/formats/format.ts';
import { openFormat, type ContainerFormat } from '../../vmm/storage/formats/open-format.ts';
import { checkQcow2 } from '../../vmm/storage/formats/qcow2/check.ts';
import { createQcow2, type Qcow2CreateOptions } from '../../vmm/storage/formats/qcow2/create.ts';
import { Qcow2Node } from '../../vmm/storage/formats/qcow2/qcow2.ts';
import { createVdi } from '../../vmm/storage/formats/vdi/vdi.ts';
import { createVhd } from '../../vmm/storage/formats/vhd/vhd.ts';
import { createVhdx } from '../../vmm/storage/formats/vhdx/vhdx.ts';
import { createVmdk, type VmdkKind } from '../../vmm/storage/formats/vmdk/vmdk.ts';
import { OverlayNode } from '../../vmm/storage/overlay.ts';
import { RawNode } from '../../vmm/storage/raw.ts';
import { INITIAL } from './crash-model.ts';

/** Opens or makes a file of the folder by its name. */
export type OpenFile = (name: string) => HostFile;

/** A kind of image that is to survive crashes. */
export interface Subject {
  readonly name: string;
  readonly sectors: number;
  /** Sectors of an allocation unit, whose edges are interesting. */
  readonly unit: number;
  /** Makes the image. Sectors for which it holds INITIAL afterwards: see `initial`. */
  create(file: OpenFile): Promise<void>;
  open(file: OpenFile): Promise<BlockNode>;
  /** What its own check finds damaged. */
  damage?(file: OpenFile): Promise<readonly string[]>;
  /** The sectors that hold INITIAL after `create`. */
  readonly initial: readonly (readonly [from: number, to: number])[];
}

const KIB = 1024;
const MIB = 1024 * KIB;

function hostFor(open: OpenFile): FormatHost {
  let count = 0;
  return {
    codecs,
    open: (name) => Promise.resolve(open(name)),
    uuid: () => Uint8Array.from({ length: 16 }, (_, at) => (++count * 31 + at) & 0xff),
    time: () => 1_700_000_000,
  };
}

const openImage =
  (format: ContainerFormat, name: string, readOnly = false) =>
  (file: OpenFile) =>
    openFormat(format, file(name), hostFor(file), { readOnly });

/** Over a raw base that is INITIAL throughout. */
function overBase(open: (file: OpenFile) => Promise<BlockNode>) {
  return async (file: OpenFile) => new OverlayNode(await open(file), await RawNode.open(file('base'), { readOnly: true }));
}

async function fillBase(file: OpenFile, size: number): Promise<void> {
  await file('base').write(0, new Uint8Array(size).fill(INITIAL));
}

async function fill(node: BlockNode, ranges: readonly (readonly [number, number])[]): Promise<void> {
  for (const [from, to] of ranges) await node.write(from * 512, new Uint8Array((to - from) * 512).fill(INITIAL));
  await node.close();
}

function qcow2(name: string, size: number, options: Omit<Qcow2CreateOptions, 'size'>, base = false): Subject {
  const [sectors, unit] = [size / 512, (options.clusterSize ?? 65536) / 512];
  const initial: Subject['initial'] = base
    ? [[0, sectors]]
    : [
        [0, unit + 3],
        [unit * 4 + 1, unit * 5],
      ];
  const open = base ? overBase(openImage('qcow2', 'image')) : openImage('qcow2', 'image');
  return {
    name,
    sectors,
    unit,
    initial,
    open,
    async create(file) {
      await createQcow2(file('image'), { ...options, size, ...(base && { backingFile: 'base', backingFormat: 'raw' }) });
      if (base) await fillBase(file, size);
      else await fill(await open(file), initial);
    },
    async damage(file) {
      return (await checkQcow2(file('image'), 'none')).errors;
    },
  };
}

/** Some clusters are compressed: writes to them have to move them. */
const compressed: Subject = {
  ...qcow2('qcow2 with compressed clusters', 256 * KIB, { clusterSize: 4096 }),
  initial: [[0, 512]],
  async create(file) {
    await createQcow2(file('image'), { clusterSize: 4096, size: 256 * KIB });
    const node = await Qcow2Node.open(file('image'), hostFor(file), { readOnly: false });
    for (let offset = 0; offset < node.size; offset += 4096) await node.writeCompressed(offset, new Uint8Array(4096).fill(INITIAL));
    await node.close();
  },
};

interface Simple {
  readonly name: string;
  readonly format: ContainerFormat;
  readonly size: number;
  readonly unit: number;
  readonly make: (file: OpenFile, host: FormatHost) => Promise<void>;
  readonly base?: boolean;
}

function simple({ name, format, size, unit, make, base = false }: Simple): Subject {
  const sectors = size / 512;
  const initial: Subject['initial'] = base
    ? [[0, sectors]]
    : [
        [0, Math.min(unit, sectors)],
        [Math.min(unit, sectors) - 1, Math.min(unit + 9, sectors)],
      ];
  const open = base ? overBase(openImage(format, 'image')) : openImage(format, 'image');
  return {
    name,
    sectors,
    unit,
    initial,
    open,
    async create(file) {
      await make(file, hostFor(file));
      if (base) await fillBase(file, size);
      else await fill(await open(file), initial);
    },
  };
}

function vmdk(name: string, kind: VmdkKind, base = false): Subject {
  return simple({
    name,
    format: 'vmdk',
    size: 512 * KIB,
    unit: 128,
    base,
    make: (file, host) =>
      createVmdk(file('image'), host, {
        size: 512 * KIB,
        kind,
        base: 'image',
        create: (extent) => Promise.resolve(file(extent)),
        parent: base ? { path: 'base', identity: 'deadbeef' } : undefined,
      }),
  });
}

const parent = { path: 'base', identity: '12345678-1234-1234-1234-123456789abc' };

export const subjects: readonly Subject[] = [
  {
    name: 'raw',
    sectors: 256,
    unit: 8,
    initial: [[0, 100]],
    create: async (file) => {
      await file('image').truncate(256 * 512);
      await file('image').write(0, new Uint8Array(100 * 512).fill(INITIAL));
    },
    open: (file) => RawNode.open(file('image')),
  },
  qcow2('qcow2', 1 * MIB, {}),
  qcow2('qcow2 with clusters of 4 KiB', 256 * KIB, { clusterSize: 4096 }),
  qcow2('qcow2 with clusters of 512 bytes', 128 * KIB, { clusterSize: 512 }),
  qcow2('qcow2 version 2', 128 * KIB, { clusterSize: 1024, version: 2 }),
  qcow2('qcow2 with refcounts of 1 bit', 128 * KIB, { clusterSize: 512, refcountBits: 1 }),
  qcow2('qcow2 with refcounts of 64 bits', 128 * KIB, { clusterSize: 512, refcountBits: 64 }),
  qcow2('qcow2 with extended L2 entries', 512 * KIB, { clusterSize: 16384, extendedL2: true }),
  qcow2('qcow2 over a base', 256 * KIB, { clusterSize: 4096 }, true),
  qcow2('qcow2 with extended L2 entries over a base', 512 * KIB, { clusterSize: 16384, extendedL2: true }, true),
  qcow2('qcow2 version 2 over a base', 128 * KIB, { clusterSize: 1024, version: 2 }, true),
  compressed,
  simple({ name: 'vdi', format: 'vdi', size: 2 * MIB, unit: 2048, make: (file, host) => createVdi(file('image'), host, { size: 2 * MIB }) }),
  simple({
    name: 'vdi over a base',
    format: 'vdi',
    size: 2 * MIB,
    unit: 2048,
    base: true,
    make: (file, host) => createVdi(file('image'), host, { size: 2 * MIB, parent: { uuid: parent.identity, modified: parent.identity } }),
  }),
  simple({
    name: 'vhd',
    format: 'vhd',
    size: 256 * KIB,
    unit: 64,
    make: (file, host) => createVhd(file('image'), host, { size: 256 * KIB, blockSize: 32 * KIB }),
  }),
  simple({
    name: 'vhd, fixed',
    format: 'vhd',
    size: 128 * KIB,
    unit: 64,
    make: (file, host) => createVhd(file('image'), host, { size: 128 * KIB, fixed: true }),
  }),
  simple({
    name: 'vhd over a base',
    format: 'vhd',
    size: 256 * KIB,
    unit: 64,
    base: true,
    make: (file, host) => createVhd(file('image'), host, { size: 256 * KIB, blockSize: 32 * KIB, parent }),
  }),
  simple({
    name: 'vhdx',
    format: 'vhdx',
    size: 2 * MIB,
    unit: 2048,
    make: (file, host) => createVhdx(file('image'), host, { size: 2 * MIB, blockSize: MIB }),
  }),
  simple({
    name: 'vhdx over a base',
    format: 'vhdx',
    size: 2 * MIB,
    unit: 2048,
    base: true,
    make: (file, host) => createVhdx(file('image'), host, { size: 2 * MIB, blockSize: MIB, parent }),
  }),
  vmdk('vmdk', 'monolithicSparse'),
  vmdk('vmdk, flat', 'monolithicFlat'),
  vmdk('vmdk, split', 'twoGbMaxExtentSparse'),
  vmdk('vmdk over a base', 'monolithicSparse', true),
];
