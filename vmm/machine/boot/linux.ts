import { VmmError } from '../../base/errors.ts';
import { Placement, type BootFiles, type BootMemory, type BootPlan, type Kernel } from './boot-plan.ts';

/*
 * The Linux/x86 boot protocol, 16-bit entry (Linux Documentation/arch/x86/boot.rst): the kernel's own setup code asks the firmware for the memory map, the
 * video mode and the rest, so that a directly booted kernel sees the machine as it would behind a boot loader.
 */

const SETUP_SECTORS = 0x1f1;
const VIDEO_MODE = 0x1fa;
const BOOT_FLAG = 0x1fe;
const HEADER_MAGIC = 0x202;
const VERSION = 0x206;
const TYPE_OF_LOADER = 0x210;
const LOAD_FLAGS = 0x211;
const CODE32_START = 0x214;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const HEAP_END = 0x224;
const COMMAND_LINE = 0x228;
const INITRD_MAX = 0x22c;
const COMMAND_LINE_SIZE = 0x238;
const PREFERRED_ADDRESS = 0x258;
const INIT_SIZE = 0x260;

const LOADED_HIGH = 0x01;
const CAN_USE_HEAP = 0x80;
const UNDEFINED_LOADER = 0xff;

const SECTOR = 512;
const DEFAULT_SETUP_SECTORS = 4;
const MAGIC = 0x5372_6448; // "HdrS"
const SETUP_ADDRESS = 0x1_0000;
const HEAP_TOP = 0xe000;
const COMMAND_LINE_ADDRESS = 0x2_0000;
const KERNEL_ADDRESS = 0x10_0000;
/** Limits of kernels whose header does not say (2.02 and older). */
const OLD_INITRD_MAX = 0x37ff_ffff;
const OLD_COMMAND_LINE_SIZE = 255;

/** `vga=` names (Linux Documentation/admin-guide/svga.rst). */
const VIDEO_MODES: Readonly<Record<string, number>> = { normal: 0xffff, ext: 0xfffe, ask: 0xfffd };

/** A bzImage, or undefined if the file is something else. Throws VmmError 'unsupported' for a Linux image of another kind. */
export function linuxKernel(files: BootFiles): Kernel | undefined {
  const { name, data } = files.kernel;
  if (data.length < INIT_SIZE + 4) return undefined;
  const header = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (header.getUint16(BOOT_FLAG, true) !== 0xaa55 || header.getUint32(HEADER_MAGIC, true) !== MAGIC) return undefined;
  const version = header.getUint16(VERSION, true);
  if (version < 0x0202 || (header.getUint8(LOAD_FLAGS) & LOADED_HIGH) === 0) {
    throw new VmmError(
      'unsupported',
      `${name} is a Linux image of the old kind (zImage, boot protocol ${version >> 8}.${version & 0xff}); use a bzImage`,
    );
  }
  const setupSize = ((header.getUint8(SETUP_SECTORS) || DEFAULT_SETUP_SECTORS) + 1) * SECTOR;
  if (setupSize >= data.length || setupSize > HEAP_TOP) throw new VmmError('invalid', `${name}: the Linux image is truncated or damaged`);
  const longest = version >= 0x0206 ? header.getUint32(COMMAND_LINE_SIZE, true) : OLD_COMMAND_LINE_SIZE;
  const commandLine = new TextEncoder().encode(files.append);
  if (commandLine.length > longest) {
    throw new VmmError('usage', `--append is ${commandLine.length} bytes long; ${name} takes at most ${longest}`);
  }
  if (files.modules.length > 0) throw new VmmError('usage', `${name} is a Linux kernel and takes no --module; use --initrd`);
  return { kind: 'linux', plan: (memory) => planLinux(files, version, setupSize, commandLine, memory) };
}

function planLinux(files: BootFiles, version: number, setupSize: number, commandLine: Uint8Array, memory: BootMemory): BootPlan {
  const { name, data } = files.kernel;
  const place = new Placement(memory.map, name);
  const setup = data.slice(0, setupSize);
  const kernel = data.subarray(setupSize);
  const header = new DataView(setup.buffer);

  place.fixed(SETUP_ADDRESS, HEAP_TOP);
  place.fixed(COMMAND_LINE_ADDRESS, commandLine.length + 1);
  place.fixed(KERNEL_ADDRESS, kernel.length);
  const loads = [
    { address: KERNEL_ADDRESS, data: kernel },
    { address: COMMAND_LINE_ADDRESS, data: Uint8Array.from([...commandLine, 0]) },
  ];

  if (files.initrd !== undefined && files.initrd.data.length > 0) {
    const limit = (version >= 0x0203 ? header.getUint32(INITRD_MAX, true) : OLD_INITRD_MAX) + 1;
    const address = place.high(
      files.initrd.name,
      files.initrd.data.length,
      Math.min(limit, memoryLimit(files.append)),
      runEnd(header, version, kernel.length),
    );
    header.setUint32(RAMDISK_IMAGE, address, true);
    header.setUint32(RAMDISK_SIZE, files.initrd.data.length, true);
    loads.push({ address, data: files.initrd.data });
  }
  header.setUint8(TYPE_OF_LOADER, UNDEFINED_LOADER);
  header.setUint8(LOAD_FLAGS, header.getUint8(LOAD_FLAGS) | CAN_USE_HEAP);
  header.setUint16(HEAP_END, HEAP_TOP - SECTOR, true);
  header.setUint32(CODE32_START, KERNEL_ADDRESS, true);
  header.setUint32(COMMAND_LINE, COMMAND_LINE_ADDRESS, true);
  const mode = videoMode(files.append);
  if (mode !== undefined) header.setUint16(VIDEO_MODE, mode, true);
  loads.push({ address: SETUP_ADDRESS, data: setup });
  const segment = SETUP_ADDRESS >> 4;
  return { loads, clears: [], entry: { mode: 'real', segment: segment + 0x20, offset: 0, data: segment, stack: HEAP_TOP } };
}

/** The end of what the kernel decompresses itself over, where an initrd would be in its way. */
function runEnd(header: DataView, version: number, kernelSize: number): number {
  const loaded = KERNEL_ADDRESS + kernelSize;
  if (version < 0x020a) return loaded;
  return Math.max(loaded, Number(header.getBigUint64(PREFERRED_ADDRESS, true)) + header.getUint32(INIT_SIZE, true));
}

/** `mem=` on the command line: the kernel will not look above it. */
function memoryLimit(append: string): number {
  const match = /(?:^|\s)mem=(\d+)([kmg]?)/i.exec(append);
  if (match === null) return Infinity;
  return Number(match[1]) * { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 }[match[2]!.toLowerCase()]!;
}

/** `vga=` is the boot loader's business: it goes into the header. */
function videoMode(append: string): number | undefined {
  const value = /(?:^|\s)vga=(\S+)/.exec(append)?.[1];
  if (value === undefined) return undefined;
  const number = Number(value);
  return VIDEO_MODES[value] ?? (Number.isInteger(number) && number >= 0 && number <= 0xffff ? number : undefined);
}
