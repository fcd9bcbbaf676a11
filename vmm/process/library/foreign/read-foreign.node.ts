/** A file that describes a machine of another product: read, and each of its disks found beside it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { VmmError } from '../../../base/errors.ts';
import type { DriveInput, VmConfigInput } from '../../../protocol/config.ts';
import { NodeFile } from '../../../storage/node-file.node.ts';
import { probe, type ProbeSource } from '../../../storage/probe.ts';
import type { ForeignDrive, ForeignMachine } from './foreign.ts';
import { readOvf } from './ovf.ts';
import { type TarEntry, tarIndex } from './tar-index.node.ts';
import { readVbox } from './vbox.ts';
import { readVmc } from './vmc.ts';
import { readVmx } from './vmx.ts';

const MAX_BYTES = 8 << 20;

export interface ForeignPlan {
  readonly machine: ForeignMachine;
  /** With drives by absolute path, or by their names in `archive`. */
  readonly config: Partial<VmConfigInput>;
  /** Of an appliance in one file (.ova): where its disks lie in it. */
  readonly archive?: ReadonlyMap<string, TarEntry>;
  readonly mapped: ForeignMachine['mapped'];
  readonly lost: readonly string[];
}

export const isForeign = (name: string): boolean => /\.(vmx|vmc|vbox|ovf|ova)$/i.test(name);

/** @throws VmmError `invalid` when it is not what its name says. */
export async function readForeign(path: string, shownName: string): Promise<ForeignPlan> {
  if (/\.ova$/i.test(shownName)) return readArchive(path, shownName);
  if (statSync(path).size > MAX_BYTES) throw new VmmError('invalid', `${shownName} is too long for the description of a machine`);
  const text = decode(readFileSync(path));
  const fallback = basename(shownName, extname(shownName));
  const machine = parse(text, shownName, fallback);
  const folder = dirname(path);
  return place(machine, {
    find: (name) => find(name, folder),
    withSource: async (file, use) => {
      const opened = NodeFile.open(file, { readOnly: true });
      try {
        return await use({ name: basename(file), size: await opened.size(), read: (offset, into) => opened.read(offset, into) });
      } finally {
        await opened.close();
      }
    },
  });
}

/** An appliance in one file: a tar archive with the descriptor first (DSP0243 5.3). */
async function readArchive(path: string, shownName: string): Promise<ForeignPlan> {
  const file = NodeFile.open(path, { readOnly: true });
  try {
    const archive = new Map((await tarIndex(file, shownName)).map((entry) => [entry.name, entry]));
    const descriptor = [...archive.values()].find(({ name }) => /\.ovf$/i.test(name));
    if (descriptor === undefined || descriptor.size > MAX_BYTES)
      throw new VmmError('invalid', `${shownName} has no description of a machine (.ovf) in it`);
    const text = Buffer.alloc(descriptor.size);
    await file.read(descriptor.offset, text);
    const plan = await place(readOvf(decode(text), basename(descriptor.name)), {
      find: (name) => (archive.has(name) ? name : undefined),
      withSource: (name, use) => {
        const { offset, size } = archive.get(name)!;
        return use({ name, size, read: (at, into) => file.read(offset + at, into) });
      },
    });
    return { ...plan, archive };
  } finally {
    await file.close();
  }
}

/** Where the files are that a description names. */
interface Shelf {
  find(path: string): string | undefined;
  withSource<T>(file: string, use: (source: ProbeSource) => Promise<T>): Promise<T>;
}

function parse(text: string, name: string, fallback: string): ForeignMachine {
  switch (extname(name).toLowerCase()) {
    case '.vmx':
      if (!/^\s*(config\.version|virtualHW\.version|memsize|displayName)\s*=/im.test(text))
        throw new VmmError('invalid', `${name} is not a machine of VMware`);
      return readVmx(text, fallback);
    case '.vmc':
      return readVmc(text, name, fallback);
    case '.ovf':
      return readOvf(text, name);
    default:
      return readVbox(text, name);
  }
}

/** UTF-16 with a mark or without (Virtual PC), else UTF-8. */
function decode(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le');
  if (bytes[0] === 0x3c && bytes[1] === 0) return bytes.toString('utf16le');
  return bytes.toString('utf8').replace(/^\ufeff/, '');
}

/** Slots that IDE has, the CDs' from the secondary channel on. */
const IDE_SLOTS = 4;

async function place(machine: ForeignMachine, shelf: Shelf): Promise<ForeignPlan> {
  const mapped = [...machine.mapped];
  const lost = [...machine.lost];
  const drives: DriveInput[] = [];
  const taken = new Set(machine.drives.flatMap(({ wish }) => (wish?.slot === undefined ? [] : [wish.slot])));
  let sata = 0;
  for (const drive of machine.drives) {
    const file = drive.path === undefined ? undefined : shelf.find(drive.path);
    if (drive.path !== undefined && file === undefined) {
      lost.push(`${drive.place}: ${drive.path} was not found beside the file`);
      if (drive.media === 'disk') continue;
    }
    const format = file === undefined ? undefined : await formatOf(file, drive, shelf);
    if (file !== undefined && format === undefined) {
      lost.push(`${drive.place}: ${basename(file)} is not an image that is known here`);
      continue;
    }
    const at = drive.media === 'floppy' ? { bus: 'floppy' as const } : (drive.wish ?? freePlace(drive, taken, () => sata++));
    if (at === undefined) {
      lost.push(`${drive.place}: there is no room for more drives`);
      continue;
    }
    drives.push({
      ...at,
      file: file ?? null,
      format: drive.media === 'cdrom' ? 'iso' : (format ?? 'raw'),
      ...(drive.media === 'cdrom' && { media: 'cdrom' as const }),
    });
    mapped.push({
      what: nameOf(drive),
      from: `${drive.place}${drive.path === undefined ? ', empty' : `, ${basename(drive.path.replaceAll('\\', '/'))}`}`,
      to: placeName(at),
    });
    if (/SCSI|NVMe|LSI|BusLogic/i.test(drive.place))
      lost.push(`${drive.place}: connected as ${placeName(at)} instead; the guest needs that driver to start`);
  }
  return { machine, config: { ...machine.config, name: machine.name.slice(0, 120), drives }, mapped, lost };
}

const nameOf = (drive: ForeignDrive) => ({ disk: 'Hard disk', cdrom: 'CD drive', floppy: 'Floppy drive' })[drive.media];

function placeName({ bus, slot }: Pick<DriveInput, 'bus' | 'slot'>): string {
  return bus === 'ide' ? `IDE ${Math.floor((slot ?? 0) / 2)}:${(slot ?? 0) % 2}` : bus === 'floppy' ? 'floppy drive' : `SATA ${slot ?? 0}`;
}

function freePlace(drive: ForeignDrive, taken: Set<number>, nextSata: () => number): Pick<DriveInput, 'bus' | 'slot'> | undefined {
  const order = drive.media === 'cdrom' ? [2, 3, 1, 0] : [0, 1, 3, 2];
  const slot = order.find((one) => one < IDE_SLOTS && !taken.has(one));
  if (slot !== undefined) {
    taken.add(slot);
    return { bus: 'ide', slot };
  }
  const sata = nextSata();
  return sata < 6 ? { bus: 'ahci', slot: sata } : undefined;
}

/** Where the file says, or under that name beside it: folders were moved, and other systems write paths otherwise. */
function find(path: string, folder: string): string | undefined {
  const plain = path.replaceAll('\\', '/');
  const candidates = [isAbsolute(path) ? path : join(folder, plain), join(folder, basename(plain))];
  return candidates.find((one) => existsSync(one) && statSync(one).isFile());
}

async function formatOf(file: string, drive: ForeignDrive, shelf: Shelf): Promise<DriveInput['format'] | undefined> {
  const { format } = await shelf.withSource(file, probe);
  return format ?? (drive.media === 'floppy' ? 'raw' : undefined);
}
