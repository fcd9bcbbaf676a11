import { VmmError } from '../../base/errors.ts';
import { E820_RAM, type E820Entry } from '../firmware/e820.ts';
import { Placement, type BootFiles, type BootMemory, type BootPlan, type Kernel, type Load } from './boot-plan.ts';
import { parseElf } from './elf.ts';

/* Multiboot Specification 0.6.96. */

const HEADER_MAGIC = 0x1bad_b002;
const LOADER_MAGIC = 0x2bad_b002;
const HEADER_SEARCH = 8192;
const HEADER_FLAG_VIDEO = 1 << 2;
const HEADER_FLAG_ADDRESSES = 1 << 16;
/** Flags 0..15 are demands: page-aligned modules, memory information, a video mode. The last is only a wish for us: text mode is always legal. */
const KNOWN_DEMANDS = 0b11 | HEADER_FLAG_VIDEO;

const INFO_MEMORY = 1 << 0;
const INFO_COMMAND_LINE = 1 << 2;
const INFO_MODULES = 1 << 3;
const INFO_MEMORY_MAP = 1 << 6;
const INFO_LOADER_NAME = 1 << 9;
const INFO_SIZE = 120;
const MODULE_SIZE = 16;
const MAP_ENTRY_SIZE = 24; // with its size field, which does not count itself
const LOADER_NAME = 'Strate';
const ONE_MIB = 0x10_0000;
/** Where the information structure goes, and never the kernel itself in practice. */
const INFO_FLOOR = 0x1_0000;

interface Image {
  readonly segments: readonly { readonly address: number; readonly memorySize: number; readonly data: Uint8Array }[];
  readonly entry: number;
}

/** A multiboot 1 kernel, ELF or described by its header's address fields; undefined if the file has no such header. */
export function multibootKernel(files: BootFiles): Kernel | undefined {
  const { name, data } = files.kernel;
  const at = findHeader(data);
  if (at === undefined) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const flags = view.getUint32(at + 4, true);
  if ((flags & 0xffff & ~KNOWN_DEMANDS) !== 0) {
    throw new VmmError('unsupported', `${name}: its multiboot header demands features that no loader has (flags 0x${flags.toString(16)})`);
  }
  const image = (flags & HEADER_FLAG_ADDRESSES) !== 0 ? flatImage(name, data, view, at) : parseElf(name, data);
  if (image === undefined) throw new VmmError('invalid', `${name} has a multiboot header but is neither ELF nor gives load addresses`);
  return { kind: 'multiboot', plan: (memory) => planMultiboot(files, image, memory) };
}

function findHeader(data: Uint8Array): number | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at + 12 <= Math.min(data.length, HEADER_SEARCH); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    if ((HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)) % 0x1_0000_0000 === 0) return at;
  }
  return undefined;
}

/** The header's own addresses (3.1.3), for images that are not ELF. */
function flatImage(name: string, data: Uint8Array, view: DataView, at: number): Image {
  if (at + 32 > data.length) throw new VmmError('invalid', `${name}: the multiboot header is truncated`);
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((offset) => view.getUint32(at + offset, true)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const start = at - (headerAddress - loadAddress);
  const length = loadEnd === 0 ? data.length - start : loadEnd - loadAddress;
  if (start < 0 || length < 0 || start + length > data.length)
    throw new VmmError('invalid', `${name}: the multiboot header's addresses lie outside the file`);
  const memorySize = Math.max(length, bssEnd === 0 ? 0 : bssEnd - loadAddress);
  return { segments: [{ address: loadAddress, memorySize, data: data.subarray(start, start + length) }], entry };
}

function planMultiboot(files: BootFiles, image: Image, memory: BootMemory): BootPlan {
  const { name } = files.kernel;
  const place = new Placement(memory.map, name);
  const loads: Load[] = [];
  const clears: { address: number; length: number }[] = [];
  for (const { address, memorySize, data } of image.segments) {
    place.fixed(address, memorySize);
    clears.push({ address: address + data.length, length: memorySize - data.length });
    loads.push({ address, data });
  }
  const end = Math.max(...image.segments.map(({ address, memorySize }) => address + memorySize));
  const sources = [...(files.initrd === undefined ? [] : [{ name: files.initrd.name, args: '', data: files.initrd.data }]), ...files.modules];
  const modules = sources.map((module) => {
    const address = place.low(module.name, Math.max(module.data.length, 1), Math.max(end, ONE_MIB));
    loads.push({ address, data: module.data });
    return { address, length: module.data.length, line: [module.name, module.args].filter(Boolean).join(' ') };
  });

  const lines = [`${name} ${files.append}`.trim(), LOADER_NAME, ...modules.map(({ line }) => line)].map((line) =>
    new TextEncoder().encode(`${line}\0`),
  );
  const tables = INFO_SIZE + modules.length * MODULE_SIZE + memory.map.length * MAP_ENTRY_SIZE;
  const infoSize = tables + lines.reduce((sum, line) => sum + line.length, 0);
  const address = place.low('the multiboot information', infoSize, INFO_FLOOR);
  loads.push({ address, data: information(address, infoSize, memory.map, modules, lines) });
  return { loads, clears, entry: { mode: 'protected', address: image.entry, eax: LOADER_MAGIC, ebx: address } };
}

/** The information structure (3.3) with everything it points to behind it. */
function information(
  base: number,
  size: number,
  map: readonly E820Entry[],
  modules: readonly { readonly address: number; readonly length: number }[],
  lines: readonly Uint8Array[],
): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const put = (at: number, ...words: number[]): void => words.forEach((word, index) => view.setUint32(at + 4 * index, word, true));
  const modulesAt = INFO_SIZE;
  const mapAt = modulesAt + modules.length * MODULE_SIZE;
  let stringAt = mapAt + map.length * MAP_ENTRY_SIZE;
  const lineAddresses = lines.map((line) => {
    bytes.set(line, stringAt);
    stringAt += line.length;
    return base + stringAt - line.length;
  });
  const [commandLine, loaderName, ...moduleLines] = lineAddresses as [number, number, ...number[]];

  put(0, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME);
  put(4, usable(map, 0) / 1024, usable(map, ONE_MIB) / 1024);
  put(16, commandLine, modules.length, base + modulesAt);
  put(44, map.length * MAP_ENTRY_SIZE, base + mapAt);
  put(64, loaderName);
  modules.forEach(({ address, length }, index) => put(modulesAt + index * MODULE_SIZE, address, address + length, moduleLines[index]!, 0));
  map.forEach((entry, index) => {
    const at = mapAt + index * MAP_ENTRY_SIZE;
    put(at, MAP_ENTRY_SIZE - 4);
    view.setBigUint64(at + 4, BigInt(entry.base), true);
    view.setBigUint64(at + 12, BigInt(entry.length), true);
    put(at + 20, entry.type);
  });
  return bytes;
}

/** Bytes of RAM from `address` to the first hole, below 4 GiB. */
function usable(map: readonly E820Entry[], address: number): number {
  const range = map.find(({ base, length, type }) => type === E820_RAM && base <= address && address < base + length);
  return range === undefined ? 0 : Math.floor((range.base + range.length - address) / 1024) * 1024;
}
