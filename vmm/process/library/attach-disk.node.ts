/** One more disk for a machine that exists. */
import { isAbsolute, relative } from 'node:path';
import { VmmError } from '../../base/errors.ts';
import { busSlots, type DriveBus, type DriveInput } from '../../protocol/config-drives.ts';
import { alive } from '../../protocol/states.ts';
import { probeFile } from '../../storage/tools/formats.node.ts';
import type { Library } from './library.node.ts';
import { isFolder, type Source, takeIn } from './take-in.node.ts';
import type { VmEntry } from './vm-entry.node.ts';

/** Where further disks go, in this order. */
const BUSES: readonly DriveBus[] = ['ide', 'ahci', 'virtio'];

/** The format is looked at once, now; the machine never guesses it again. @throws VmmError `invalid` for a file that is no image, `usage` when all places are taken */
export async function attachDisk(
  library: Library,
  entry: VmEntry,
  source: Source,
  readOnly: boolean,
): Promise<{ drive: string; nextStart: boolean }> {
  const { format, problem } = isFolder(source.path) ? { format: 'raw' as const, problem: undefined } : await probeFile(source.path);
  if (format === undefined) throw new VmmError('invalid', problem ?? `${source.name} is not a disk image`, { path: source.path });
  const { drives } = entry.config;
  const place = freePlace(drives);
  if (place === undefined) throw new VmmError('usage', `${entry.name} has no place for another disk: remove one first`);
  const file = await takeIn(source, entry.directory, 'disk');
  const inside = relative(entry.directory, file);
  const drive: DriveInput = {
    id: busSlots[place.bus][place.slot]!,
    ...place,
    file: inside.startsWith('..') || isAbsolute(inside) ? file : inside,
    ...(format === 'iso' ? { format, media: 'cdrom' as const, readOnly: true } : { format, readOnly }),
  };
  await library.configure(entry.id, { drives: [...drives, drive] });
  return { drive: drive.id!, nextStart: alive.includes(entry.state) };
}

function freePlace(
  drives: readonly { readonly bus: DriveBus; readonly slot: number; readonly id: string }[],
): { bus: DriveBus; slot: number } | undefined {
  for (const bus of BUSES) {
    const slot = busSlots[bus].findIndex((id, at) => !drives.some((drive) => (drive.bus === bus && drive.slot === at) || drive.id === id));
    if (slot >= 0) return { bus, slot };
  }
  return undefined;
}
