/** Says what a file is and which machine would suit it. Reads a few sectors, changes nothing. */
import { existsSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { DriveInput, VmConfigInput } from '../../protocol/config.ts';
import type { Medium } from '../../protocol/shared.ts';
import { NodeFile } from '../../storage/node-file.node.ts';
import { probe, type Probe, type ProbeSource } from '../../storage/probe.ts';
import { openSource } from '../../storage/tools/convert.node.ts';
import { CONFIG_FILE, reasonOf } from '../vm-folder.node.ts';
import type { Mapped } from './foreign/foreign.ts';
import { isForeign, readForeign } from './foreign/read-foreign.node.ts';
import type { TarEntry } from './foreign/tar-index.node.ts';
import { diskSigns, readCd } from './media-signs.ts';
import { hardwareFor, recognise, templates } from './templates.ts';

export interface Detection {
  readonly medium: Medium;
  /** Name, hardware and boot order; `drives` names the file by the path that was given. */
  readonly config: Partial<VmConfigInput>;
  /** Bytes of a new, empty disk that belongs to it: the place to install to. */
  readonly newDisk?: number;
  /** Of an appliance in one file: `drives` names its disks as they are called in it. */
  readonly archive?: ReadonlyMap<string, TarEntry>;
  /** Of another product's machine: what maps to what, and what is lost. */
  readonly preview?: { readonly product: string; readonly mapped: readonly Mapped[]; readonly lost: readonly string[] };
}

const GIB = 2 ** 30;
/** Linux boot protocol: "HdrS" at 202h of the setup header. */
const LINUX_MAGIC_AT = 0x202;
/** Multiboot 1 and 2: within the first 8 or 32 KiB. */
const MULTIBOOT_SEARCH = 32768;
const MULTIBOOT_MAGICS = new Set([0x1badb002, 0xe85250d6]);

/** @throws VmmError `not-found` when there is no such file, `invalid` with one line when it is nothing that can be run. */
export async function detect(path: string, shownName = basename(path)): Promise<Detection> {
  let stat;
  try {
    stat = statSync(path);
  } catch (error) {
    throw new VmmError('not-found', `${path}: ${reasonOf(error)}`, { path }, error);
  }
  if (stat.isDirectory()) return detectFolder(path);
  if (isForeign(shownName) && stat.isFile()) return detectForeign(path, shownName);
  if (!stat.isFile()) throw new VmmError('invalid', `${shownName} is not a regular file`, { path });
  const file = NodeFile.open(path, { readOnly: true });
  try {
    const size = await file.size();
    const source: ProbeSource = { name: shownName, size, read: (offset, into) => file.read(offset, into) };
    return (await detectKernel(source, path)) ?? (await detectMedium(source, path));
  } finally {
    await file.close();
  }
}

function detectFolder(path: string): Detection {
  if (!existsSync(join(path, CONFIG_FILE))) return detectFiles(path);
  const medium: Medium = { kind: 'vm', format: 'strate', bytes: 0, description: 'machine of Strate', system: 'other', bootable: true, warnings: [] };
  return { medium, config: {} };
}

/** Of what lies in a folder a FAT disk is made. */
function detectFiles(path: string): Detection {
  const name = basename(path);
  const system = 'other';
  const medium: Medium = {
    kind: 'folder',
    format: 'raw',
    bytes: 0,
    description: 'folder; a disk is made of its files',
    system,
    bootable: false,
    warnings: [`Nothing starts from the files of ${name}: give the machine a system as well, or attach the folder to a machine that has one`],
  };
  const drives: DriveInput[] = [{ bus: 'ide', file: path, format: 'raw' }];
  return { medium, config: { name: nameOf(name), system, ...hardwareFor(system, 'disk'), boot: { order: 'cd' }, drives } };
}

async function detectForeign(path: string, shownName: string): Promise<Detection> {
  const { machine, config, mapped, lost, archive } = await readForeign(path, shownName);
  const sizeOf = (file: string) => archive?.get(file)?.size ?? statSync(file).size;
  const disks = config.drives?.filter((drive) => drive.media !== 'cdrom' && drive.bus !== 'floppy') ?? [];
  const medium: Medium = {
    kind: 'foreign',
    format: extname(shownName).slice(1).toLowerCase(),
    bytes: (config.drives ?? []).reduce((sum, { file }) => sum + (file ? sizeOf(file) : 0), 0),
    description: machine.product === 'OVF' ? 'appliance (OVF)' : `machine of ${machine.product}`,
    system: config.system ?? 'other',
    bootable: disks.length > 0,
    warnings: disks.length > 0 ? [] : ['No disk of this machine was found: keep its file in the folder of its disks'],
  };
  return { medium, config, preview: { product: machine.product, mapped, lost }, ...(archive && { archive }) };
}

async function detectKernel(source: ProbeSource, path: string): Promise<Detection | undefined> {
  const head = new Uint8Array(MULTIBOOT_SEARCH);
  await source.read(0, head.subarray(0, Math.min(head.length, source.size)));
  const view = new DataView(head.buffer);
  const linux = text(head, LINUX_MAGIC_AT, 4) === 'HdrS' && head[510] === 0x55 && head[511] === 0xaa;
  const elf = text(head, 0, 4) === '\x7fELF';
  let multiboot = false;
  for (let at = 0; elf && at + 4 <= head.length; at += 4) multiboot ||= MULTIBOOT_MAGICS.has(view.getUint32(at, true));
  if (!linux && !multiboot) return undefined;
  const system = linux ? 'linux' : 'other';
  const medium: Medium = {
    kind: 'kernel',
    format: linux ? 'bzImage' : 'elf',
    bytes: source.size,
    description: linux ? 'Linux kernel' : 'multiboot kernel',
    system,
    bootable: true,
    warnings: linux ? ['A kernel alone ends in a panic: it wants an initial RAM disk or a disk with a root file system'] : [],
  };
  return {
    medium,
    config: {
      name: nameOf(source.name),
      system,
      ...hardwareFor(system, 'kernel'),
      kernel: { file: path, ...(linux && { append: 'console=ttyS0 console=tty0' }) },
    },
  };
}

async function detectMedium(source: ProbeSource, path: string): Promise<Detection> {
  const found = await probe(source);
  const { format, medium: kind } = found;
  if (format === undefined || kind === undefined) throw new VmmError('invalid', found.problem ?? `${source.name} is not a disk image`, { path });
  if (found.problem !== undefined && /cut short/.test(found.problem)) throw new VmmError('invalid', found.problem, { path });
  const { texts, bootable, problem } = kind === 'cdrom' ? await cdSigns(source) : await diskTexts(found, source, path);
  const system = recognise([...texts, basename(source.name), found.evidence]);
  const template = templates[system]!;
  const medium: Medium = {
    kind,
    format,
    bytes: source.size,
    description: system === 'other' ? found.evidence : `${template.title}: ${found.evidence}`,
    system,
    bootable,
    warnings: [found.problem, problem].filter((one) => one !== undefined).concat(bootable ? [] : [`${source.name} does not look bootable`]),
  };
  const newDisk = kind === 'cdrom' && template.disk !== undefined ? template.disk * GIB : undefined;
  return {
    medium,
    config: {
      name: nameOf(source.name),
      system,
      ...hardwareFor(system, kind),
      boot: { order: bootOrder(kind, newDisk !== undefined) },
      drives: [driveFor(found, path)],
    },
    ...(newDisk !== undefined && { newDisk }),
  };
}

/** An empty new disk comes before the CD: it does not boot until something is installed on it, and then it shall. */
function bootOrder(kind: string, withDisk: boolean): string {
  if (kind === 'floppy') return 'ac';
  if (kind === 'cdrom') return withDisk ? 'cd' : 'd';
  return 'c';
}

function driveFor({ format, medium }: Probe, file: string): DriveInput {
  if (medium === 'floppy') return { bus: 'floppy', file, format: 'raw' };
  if (medium === 'cdrom') return { bus: 'ide', media: 'cdrom', file, format: 'iso' };
  return { bus: 'ide', file, format: format! };
}

interface Signs {
  readonly texts: readonly string[];
  readonly bootable: boolean;
  readonly problem?: string;
}

async function cdSigns(source: ProbeSource): Promise<Signs> {
  const { labels, names, bootable, bootPlatform } = await readCd(source);
  const other = bootPlatform !== undefined && bootPlatform !== '80x86';
  return {
    texts: [...names.map((name) => `/${name}`), ...labels],
    bootable: bootable && !other,
    ...(other && { problem: `${source.name} starts ${bootPlatform} computers, not PCs with a BIOS` }),
  };
}

/** Through the format: the first sectors that the guest will see. An image that cannot be opened is told so now, not at the first start. */
async function diskTexts({ format }: Probe, source: ProbeSource, path: string): Promise<Signs> {
  if (format === 'raw') return diskSigns(source);
  try {
    const { node } = await openSource(path, { format });
    try {
      return await diskSigns({ size: node.size, read: (offset, into) => node.read(offset, into) });
    } finally {
      await node.close();
    }
  } catch (error) {
    return { texts: [], bootable: true, problem: messageOf(error) };
  }
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return Array.from(bytes.subarray(at, at + length), (byte) => String.fromCharCode(byte)).join('');
}

/** `debian-12_netinst.iso` -> `debian-12 netinst` */
function nameOf(file: string): string {
  const name = basename(file, extname(file))
    .replaceAll('_', ' ')
    .replaceAll(/\p{Cc}/gu, '')
    .trim()
    .slice(0, 100);
  return name === '' ? 'New machine' : name;
}
