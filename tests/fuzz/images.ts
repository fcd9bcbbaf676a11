import { VmmError } from '../../vmm/base/errors.ts';
import type { HostFile } from '../../vmm/storage/host-file.ts';
import { MemoryFile } from '../../vmm/storage/memory-file.ts';
import type { FormatHost } from '../../vmm/storage/formats/format.ts';
import { openFormat, type ContainerFormat } from '../../vmm/storage/formats/open-format.ts';
import { checkQcow2 } from '../../vmm/storage/formats/qcow2/check.ts';
import { createQcow2 } from '../../vmm/storage/formats/qcow2/create.ts';
import { Qcow2Node } from '../../vmm/storage/formats/qcow2/qcow2.ts';
import { testHost } from '../../vmm/storage/formats/test-host.ts';
import { createVdi } from '../../vmm/storage/formats/vdi/vdi.ts';
import { createVhd } from '../../vmm/storage/formats/vhd/vhd.ts';
import { createVhdx } from '../../vmm/storage/formats/vhdx/vhdx.ts';
import { createVmdk } from '../../vmm/storage/formats/vmdk/vmdk.ts';
import { writeStreamOptimised } from '../../vmm/storage/formats/vmdk/stream-writer.ts';
import type { BlockNode } from '../../vmm/storage/node.ts';
import { MemoryNode } from '../../vmm/storage/memory-node.ts';
import { probe } from '../../vmm/storage/probe.ts';

/** An image that is sound, and where the bytes are that say what the rest means. */
export interface FuzzTarget {
  readonly name: string;
  readonly format: ContainerFormat;
  readonly image: Uint8Array;
  /** Headers and tables, which damage is most likely to hit. */
  readonly regions: readonly (readonly [from: number, to: number])[];
}

const NAME = 'disk.image';
const KIB = 1024;
const MIB = 1024 * KIB;
/** More memory than any header of so small an image can ask for with reason. */
const MOST_MEMORY = 96 * MIB;
/** What a damaged image may make its user do, bytes that are read and written. */
const MOST_WORK = 512 * MIB;

export async function fuzzTargets(): Promise<FuzzTarget[]> {
  const made = async (make: (file: MemoryFile, host: FormatHost) => Promise<void>, format: ContainerFormat, writes: boolean) => {
    const file = new MemoryFile(NAME);
    await make(file, testHost());
    if (writes) {
      const node = await openFormat(format, file, testHost(), { readOnly: false });
      for (let offset = 0; offset + 512 <= node.size; offset += node.size / 4) await node.write(offset, new Uint8Array(512).fill(offset / 512 + 1));
      await node.close();
    }
    return file.bytes.slice();
  };
  const target = async (
    name: string,
    format: ContainerFormat,
    regions: FuzzTarget['regions'],
    make: (file: MemoryFile, host: FormatHost) => Promise<void>,
    writes = true,
  ): Promise<FuzzTarget> => ({ name, format, regions, image: await made(make, format, writes) });
  return [
    await target(
      'qcow2',
      'qcow2',
      [
        [0, 200],
        [4096, 4200],
        [8192, 8300],
        [12288, 12400],
        [16384, 16800],
      ],
      (file) => createQcow2(file, { size: 256 * KIB, clusterSize: 4096 }),
    ),
    await target(
      'qcow2 with extended L2 entries over a base',
      'qcow2',
      [
        [0, 500],
        [16384, 16500],
        [49152, 49200],
        [65536, 65700],
      ],
      (file) => createQcow2(file, { size: 512 * KIB, clusterSize: 16384, extendedL2: true, backingFile: 'base', backingFormat: 'raw' }),
    ),
    await target(
      'qcow2 compressed',
      'qcow2',
      [
        [0, 200],
        [12288, 12400],
        [16384, 17000],
      ],
      async (file) => {
        await createQcow2(file, { size: 64 * KIB, clusterSize: 4096, compression: 'zstd' });
        const node = await Qcow2Node.open(file, testHost(), { readOnly: false });
        for (let offset = 0; offset < node.size; offset += 4096) await node.writeCompressed(offset, new Uint8Array(4096).fill(offset / 4096));
        await node.close();
      },
      false,
    ),
    await target(
      'vdi',
      'vdi',
      [
        [0, 512],
        [MIB, MIB + 16],
      ],
      (file, host) => createVdi(file, host, { size: 4 * MIB }),
    ),
    await target('vhd', 'vhd', [[0, 2048]], (file, host) => createVhd(file, host, { size: 256 * KIB, blockSize: 32 * KIB })),
    await target('vhd over a base', 'vhd', [[0, 2600]], (file, host) =>
      createVhd(file, host, { size: 256 * KIB, blockSize: 32 * KIB, parent: { path: 'base.vhd', identity: '12345678-1234-1234-1234-123456789abc' } }),
    ),
    await target('vhd, fixed', 'vhd', [[256 * KIB, 256 * KIB + 512]], (file, host) => createVhd(file, host, { size: 256 * KIB, fixed: true })),
    await target(
      'vhdx',
      'vhdx',
      [
        [0, 16],
        [65536, 65700],
        [131072, 131200],
        [196608, 196800],
        [2 * MIB, 2 * MIB + 400],
        [2 * MIB + 65536, 2 * MIB + 65700],
        [3 * MIB, 3 * MIB + 64],
      ],
      (file, host) => createVhdx(file, host, { size: 4 * MIB, blockSize: MIB }),
    ),
    await target(
      'vmdk',
      'vmdk',
      [
        [0, 1300],
        [21 * 512, 22 * 512],
      ],
      (file, host) => createVmdk(file, host, { size: MIB, base: 'disk', create: () => Promise.reject(new Error('one file')) }),
    ),
    await target(
      'vmdk, stream-optimised',
      'vmdk',
      [
        [0, 1300],
        [65536, 65600],
      ],
      (file) =>
        writeStreamOptimised(file, new MemoryNode(new Uint8Array(256 * KIB).fill(3)), {
          codecs: testHost().codecs,
          name: NAME,
          descriptor: { cid: 'deadbeef' },
        }),
      false,
    ),
  ];
}

/** Counts what is asked of a file, and ends it when that is beyond reason. */
class CountingFile extends MemoryFile implements HostFile {
  work = 0;
  override read(offset: number, into: Uint8Array): Promise<void> {
    this.count(into.length);
    return super.read(offset, into);
  }
  override write(offset: number, from: Uint8Array): Promise<void> {
    this.count(from.length);
    if (offset + from.length > MOST_WORK) throw new Error(`the file would grow to ${offset + from.length} bytes`);
    return super.write(offset, from);
  }
  override truncate(size: number): Promise<void> {
    if (size > MOST_WORK) throw new Error(`the file would grow to ${size} bytes`);
    return super.truncate(size);
  }
  private count(bytes: number): void {
    this.work += bytes + 64;
    if (this.work > MOST_WORK) throw new Error('reading and writing without end');
  }
}

/** Values at which bounds are often wrong. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x1ff, 0x200, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** A damaged copy: bytes and fields changed within the regions, the file cut short, or bytes of the whole changed. */
export function damage({ image, regions }: FuzzTarget, random: () => number): Uint8Array {
  const whole = (below: number) => Math.floor(random() * below);
  const bytes = image.slice();
  const view = new DataView(bytes.buffer);
  for (let count = 1 + whole(4); count > 0; count--) {
    const [from, to] = random() < 0.9 ? regions[whole(regions.length)]! : [0, bytes.length];
    const at = Math.min(from + whole(to - from), bytes.length - 8);
    const kind = random();
    if (kind < 0.4) bytes[at] = whole(256);
    else if (kind < 0.7) view.setUint32(at & ~3, EDGES[whole(EDGES.length)]!, random() < 0.5);
    else if (kind < 0.9) view.setBigUint64(at & ~7, BigInt(EDGES[whole(EDGES.length)]!) << BigInt(whole(33)), random() < 0.5);
    else bytes[at] = bytes[at]! ^ (1 << whole(8));
  }
  return random() < 0.15 ? bytes.slice(0, whole(bytes.length)) : bytes;
}

/**
 * Probes, opens and uses a damaged image. Whatever happens is success or a refusal: an error of ours in one line that names the file.
 * @throws Error that says what else it was
 */
export async function useDamaged(target: FuzzTarget, bytes: Uint8Array, random: () => number): Promise<'used' | 'refused'> {
  const before = process.memoryUsage().arrayBuffers;
  try {
    await probe({ name: NAME, size: bytes.length, read: (offset, into) => new MemoryFile(NAME, bytes).read(offset, into) });
    const readOnly = random() < 0.3;
    if (target.format === 'qcow2') await checkQcow2(new CountingFile(NAME, bytes.slice()), random() < 0.5 ? 'none' : 'all');
    const node = await openFormat(target.format, new CountingFile(NAME, bytes.slice()), testHost(), { readOnly });
    await use(node, readOnly, random);
    return 'used';
  } catch (error) {
    if (!(error instanceof VmmError) || error.kind === 'internal') throw error;
    if (error.message.includes('\n') || error.message.length > 400) throw new Error(`not one line: ${error.message}`, { cause: error });
    if (!error.message.includes(NAME) && !/^no file /.test(error.message))
      throw new Error(`does not name the file: ${error.message}`, { cause: error });
    return 'refused';
  } finally {
    const grown = process.memoryUsage().arrayBuffers - before;
    // eslint-disable-next-line no-unsafe-finally -- memory beyond reason is what is looked for, whatever else went wrong
    if (grown > MOST_MEMORY) throw new Error(`${Math.round(grown / MIB)} MiB of memory for an image of ${Math.round(bytes.length / KIB)} KiB`);
  }
}

async function use(node: BlockNode, readOnly: boolean, random: () => number): Promise<void> {
  const size = Math.min(node.size, 2 ** 45);
  const sector = new Uint8Array(4096);
  for (let count = 0; count < 12 && size >= 4096; count++) {
    const offset = Math.floor((random() * (random() < 0.5 ? Math.min(size, MIB) : size - 4096)) / 512) * 512;
    const length = Math.min(4096, size - offset) & ~511;
    if (length <= 0) continue;
    await node.extent(offset, length);
    await node.read(offset, sector.subarray(0, length));
    if (readOnly || random() < 0.5) continue;
    if (random() < 0.7) await node.write(offset, sector.subarray(0, length));
    else await node.zero?.(offset, length);
    if (random() < 0.3) await node.flush();
  }
  await node.close();
}
