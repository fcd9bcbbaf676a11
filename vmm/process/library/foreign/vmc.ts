/** Virtual PC's and Virtual Server's .vmc: XML, often in UTF-16. */
import { VmmError } from '../../../base/errors.ts';
import { MAX_MEMORY_MIB, type VmConfigInput } from '../../../protocol/config.ts';
import { type ForeignDrive, type ForeignMachine, macOf, Mapping, systemOf, titleOf } from './foreign.ts';
import { child, children, parseXml, textOf, type XmlNode } from './xml.ts';

/** `drive_type` of a location: 1 hard disk, 2 CD. */
const CD = '2';

export function readVmc(text: string, fileName: string, fallbackName: string): ForeignMachine {
  const root = child(parseXml(text, fileName), 'preferences');
  const hardware = child(root, 'hardware');
  if (Object.keys(hardware).length === 0) throw new VmmError('invalid', `${fileName} has no machine of Virtual PC in it`);
  const mapping = new Mapping();
  const guest =
    textOf(child(root, 'properties', 'guest_os', 'name')) ?? textOf(child(root, 'integration', 'microsoft', 'heartbeat', 'guest_os')) ?? fallbackName;
  const system = systemOf(guest.replaceAll(' ', ''));
  mapping.map('System', guest, titleOf(system));
  const config: Partial<Omit<VmConfigInput, 'drives'>> = {
    system,
    memory: mapping.memory(Number(textOf(child(hardware, 'memory', 'ram_size')) ?? 128) || 128, MAX_MEMORY_MIB),
    nics: networkCards(child(hardware, 'pci_bus', 'ethernet_adapter'), mapping),
    serial: [{ backend: 'none' }],
    rtc: 'local',
    ...(textOf(child(root, 'properties', 'notes')) !== undefined && { notes: textOf(child(root, 'properties', 'notes'))!.slice(0, 65536) }),
  };
  if (textOf(child(root, 'settings', 'undo_drives', 'enabled')) === 'true')
    mapping.lose('Undo disks: what they hold is not taken over; commit them in Virtual PC first');
  if (textOf(child(hardware, 'sound', 'enabled')) === 'true' || textOf(child(root, 'sound', 'enabled')) === 'true')
    mapping.lose('Sound card: there is none here yet');
  if (textOf(child(root, 'settings', 'shutdown', 'quit', 'savedstate')) !== undefined) mapping.lose('Saved state: the machine starts anew');
  return {
    product: 'Virtual PC',
    name: fallbackName,
    config,
    drives: drivesOf(hardware, mapping),
    mapped: mapping.mapped,
    lost: mapping.lost,
  };
}

function pathOf(location: XmlNode): string | undefined {
  const paths = [textOf(child(location, 'pathname', 'relative')), textOf(child(location, 'pathname', 'absolute'))];
  return paths.find((path) => path !== undefined && path !== '');
}

function drivesOf(hardware: XmlNode, mapping: Mapping): ForeignDrive[] {
  const drives: ForeignDrive[] = [];
  for (const controller of children(child(hardware, 'pci_bus', 'ide_adapter'), 'ide_controller')) {
    const bus = Number(textOf(controller, '@id') ?? 0) || 0;
    for (const location of children(controller, 'location')) {
      const unit = Number(textOf(location, '@id') ?? 0) || 0;
      const type = textOf(child(location, 'drive_type'));
      const path = pathOf(location);
      if (type === CD) drives.push({ path, media: 'cdrom', place: `IDE ${bus}:${unit}`, wish: { bus: 'ide', slot: bus * 2 + unit } });
      else if (path !== undefined) drives.push({ path, media: 'disk', place: `IDE ${bus}:${unit}`, wish: { bus: 'ide', slot: bus * 2 + unit } });
    }
  }
  for (const location of children(child(hardware, 'pci_bus', 'scsi_adapter', 'scsi_controller'), 'location')) {
    const path = pathOf(location);
    if (path !== undefined) drives.push({ path, media: 'disk', place: `SCSI ${textOf(location, '@id') ?? ''}` });
  }
  const floppies = children(child(hardware, 'super_io', 'floppy'), 'location');
  for (const [at, floppy] of (floppies.length > 0 ? floppies : children(child(hardware, 'super_io'), 'floppy')).slice(0, 2).entries())
    drives.push({ path: pathOf(floppy), media: 'floppy', place: at === 0 ? 'A:' : 'B:' });
  if (drives.length === 0) mapping.lose('Drives: the file names none');
  return drives;
}

function networkCards(adapter: XmlNode, mapping: Mapping): NonNullable<VmConfigInput['nics']> {
  return children(adapter, 'ethernet_controller')
    .slice(0, 8)
    .map((card, at) => {
      const network = textOf(child(card, 'virtual_network', 'name')) ?? textOf(child(card, 'virtual_network', 'id')) ?? 'not connected';
      const mac = macOf(textOf(child(card, 'ethernet_card_address')));
      mapping.map('Network card', `DEC 21140, ${network}`, 'e1000, NAT');
      mapping.lose('The DEC 21140 network card: an Intel e1000 instead; the guest needs its driver');
      return { id: `net${at}`, model: 'e1000', backend: { type: 'user' }, ...(mac !== undefined && { mac }) };
    });
}
