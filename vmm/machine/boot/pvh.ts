import { VmmError } from '../../base/errors.ts';
import { Placement, type BootFiles, type BootMemory, type BootPlan, type Kernel, type Load } from './boot-plan.ts';
import { parseElf, type ElfImage } from './elf.ts';

/* The PVH boot protocol (Xen docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h): a 32-bit entry with a start_info structure in EBX. */

const NOTE_OWNER = 'Xen';
const NOTE_PHYS32_ENTRY = 18;
const START_MAGIC = 0x336e_c578;
const START_VERSION = 1; // with the memory map
const START_SIZE = 56;
const MODULE_SIZE = 32;
const MAP_ENTRY_SIZE = 24;
const INFO_FLOOR = 0x1_0000;
const ONE_MIB = 0x10_0000;

/** An ELF kernel with a PVH entry point (a vmlinux, for instance); undefined if the file has none. */
export function pvhKernel(files: BootFiles): Kernel | undefined {
  const image = parseElf(files.kernel.name, files.kernel.data);
  const note = image?.notes.find(({ owner, type }) => owner === NOTE_OWNER && type === NOTE_PHYS32_ENTRY);
  if (image === undefined || note === undefined) return undefined;
  if (note.data.length < 4) throw new VmmError('invalid', `${files.kernel.name}: its PVH entry note is damaged`);
  const entry = new DataView(note.data.buffer, note.data.byteOffset).getUint32(0, true);
  return { kind: 'pvh', plan: (memory) => planPvh(files, image, entry, memory) };
}

function planPvh(files: BootFiles, image: ElfImage, entry: number, memory: BootMemory): BootPlan {
  const place = new Placement(memory.map, files.kernel.name);
  const loads: Load[] = [];
  const clears: { address: number; length: number }[] = [];
  for (const { address, memorySize, data } of image.segments) {
    place.fixed(address, memorySize);
    clears.push({ address: address + data.length, length: memorySize - data.length });
    loads.push({ address, data });
  }
  const end = Math.max(...image.segments.map(({ address, memorySize }) => address + memorySize));
  const sources = [...(files.initrd === undefined ? [] : [{ name: files.initrd.name, args: '', data: files.initrd.data }]), ...files.modules];
  const modules = sources.map(({ name, args, data }) => {
    const address = place.low(name, Math.max(data.length, 1), Math.max(end, ONE_MIB));
    loads.push({ address, data });
    return { address, length: data.length, args };
  });

  const lines = [files.append, ...modules.map(({ args }) => args)].map((line) => new TextEncoder().encode(`${line}\0`));
  const mapAt = START_SIZE;
  const modulesAt = mapAt + memory.map.length * MAP_ENTRY_SIZE;
  const linesAt = modulesAt + modules.length * MODULE_SIZE;
  const size = linesAt + lines.reduce((sum, line) => sum + line.length, 0);
  const base = place.low('the PVH start information', size, INFO_FLOOR);

  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const put64 = (at: number, ...words: number[]): void => words.forEach((word, index) => view.setBigUint64(at + 8 * index, BigInt(word), true));
  let stringAt = linesAt;
  const [commandLine, ...moduleLines] = lines.map((line) => {
    bytes.set(line, stringAt);
    stringAt += line.length;
    return base + stringAt - line.length;
  }) as [number, ...number[]];
  view.setUint32(0, START_MAGIC, true);
  view.setUint32(4, START_VERSION, true);
  view.setUint32(12, modules.length, true);
  put64(16, base + modulesAt, commandLine, memory.rsdp, base + mapAt);
  view.setUint32(48, memory.map.length, true);
  memory.map.forEach((range, index) => {
    put64(mapAt + index * MAP_ENTRY_SIZE, range.base, range.length);
    view.setUint32(mapAt + index * MAP_ENTRY_SIZE + 16, range.type, true);
  });
  modules.forEach(({ address, length }, index) => put64(modulesAt + index * MODULE_SIZE, address, length, moduleLines[index]!));
  loads.push({ address: base, data: bytes });
  return { loads, clears, entry: { mode: 'protected', address: entry, eax: 0, ebx: base } };
}
