/** A file that describes a machine of another product: read, and each of its disks found beside it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { VmmError } from '../../../base/errors.ts';
import type { DriveInput, VmConfigInput } from '../../../protocol/config.ts';
import { NodeFile } from '../../../storage/node-file.node.ts';
import { probe } from '../../../storage/probe.ts';
import type { ForeignDrive, ForeignMachine } from './foreign.ts';
import { readVbox } from './vbox.ts';
import { readVmc } from './vmc.ts';
import { readVmx } from './vmx.ts';

const MAX_BYTES = 8 << 20;

export interface ForeignPlan {
  readonly machine: ForeignMachine;
  /** With drives by absolute path. */
  readonly config: Partial<VmConfigInput>;
  readonly mapped: ForeignMachine['mapped'];
  readonly lost: readonly string[];
}

export const isForeign = (name: string): boolean => /\.(vmx|vmc|vbox)$/i.test(name);

/** @throws VmmError `invalid` when it is not what its name says. */
export async function readForeign(path: string, shownName: string): Promise<ForeignPlan> {
  if (statSync(path).size > MAX_BYTES) throw new VmmError('invalid', `${shownName} is too long for the description of a machine`);
  const text = decode(readFileSync(path));
  const fallback = basename(shownName, extname(shownName));
  const machine = parse(text, shownName, fallback);
  return place(machine, dirname(path));
}

function parse(text: string, name: string, fallback: string): ForeignMachine {
  switch (extname(name).toLowerCase()) {
    case '.vmx':
      if (!/^\s*(config\.version|virtualHW\.version|memsize|displayName)\s*=/im.test(text))
        throw new VmmError('invalid', `${name} is not a machine of VMware`);
      return readVmx(text, fallback);
    case '.vmc':
      return readVmc(text, name, fallback);
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

async function place(machine: ForeignMachine, folder: string): Promise<ForeignPlan> {
  const mapped = [...machine.mapped];
  const lost = [...machine.lost];
  const drives: DriveInput[] = [];
  const taken = new Set(machine.drives.flatMap(({ wish }) => (wish?.slot === undefined ? [] : [wish.slot])));
  let sata = 0;
  for (const drive of machine.drives) {
    const file = drive.path === undefined ? undefined : find(drive.path, folder);
    if (drive.path !== undefined && file === undefined) {
      lost.push(`${drive.place}: ${drive.path} was not found beside the file`);
      if (drive.media === 'disk') continue;
    }
    const format = file === undefined ? undefined : await formatOf(file, drive);
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

async function formatOf(path: string, drive: ForeignDrive): Promise<DriveInput['format'] | undefined> {
  const file = NodeFile.open(path, { readOnly: true });
  try {
    const found = await probe({ name: basename(path), size: await file.size(), read: (offset, into) => file.read(offset, into) });
    if (found.format === undefined) return drive.media === 'floppy' ? 'raw' : undefined;
    return found.format;
  } finally {
    await file.close();
  }
}
