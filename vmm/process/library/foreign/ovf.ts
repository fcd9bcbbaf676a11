/** The descriptor of an appliance (DMTF DSP0243, OVF 1 and 2): one virtual system, its disks by the names of files. */
import { VmmError } from '../../../base/errors.ts';
import { MAX_MEMORY_MIB, type VmConfigInput } from '../../../protocol/config.ts';
import { type ForeignDrive, type ForeignMachine, macOf, Mapping, systemOf, titleOf } from './foreign.ts';
import { child, children, parseXml, textOf, type XmlNode } from './xml.ts';

/** CIM_ResourceAllocationSettingData.ResourceType. */
const TYPE = {
  processor: '3',
  memory: '4',
  ide: '5',
  scsi: '6',
  ethernet: '10',
  floppy: '14',
  cd: '15',
  dvd: '16',
  disk: '17',
  sata: '20',
  usb: '23',
  sound: '35',
};

const cards: readonly (readonly [RegExp, 'pcnet' | 'e1000' | 'virtio'])[] = [
  [/pcnet|vlance/i, 'pcnet'],
  [/virtio/i, 'virtio'],
];

type Nic = NonNullable<VmConfigInput['nics']>[number];

export function readOvf(text: string, fileName: string): ForeignMachine {
  const envelope = child(parseXml(text, fileName, { removeNSPrefix: true }), 'Envelope');
  const systems = [envelope, child(envelope, 'VirtualSystemCollection')].flatMap((node) => children(node, 'VirtualSystem'));
  const [system] = systems;
  if (system === undefined) throw new VmmError('invalid', `${fileName} has no virtual system in it`);
  const mapping = new Mapping();
  if (systems.length > 1) mapping.lose(`${systems.length - 1} further machines of the appliance: only the first is taken over`);
  const hardware = child(system, 'VirtualHardwareSection');
  const items = ['Item', 'StorageItem', 'EthernetPortItem'].flatMap((tag) => children(hardware, tag));
  const ofType = (type: string) => items.filter((item) => textOf(child(item, 'ResourceType')) === type);
  const guest = guestOf(system);
  const name = textOf(child(system, 'Name')) ?? textOf(system, '@id') ?? fileName;
  mapping.map('System', guest, titleOf(systemOf(guest)));
  const notes = textOf(child(system, 'AnnotationSection', 'Annotation'));
  const config: Partial<Omit<VmConfigInput, 'drives'>> = {
    system: systemOf(guest),
    memory: mapping.memory(memoryOf(ofType(TYPE.memory)[0]), MAX_MEMORY_MIB),
    cpu: { count: mapping.processors(numberOf(ofType(TYPE.processor)[0]) ?? 1) },
    nics: ofType(TYPE.ethernet)
      .slice(0, 8)
      .map((item, index) => nicOf(item, index, mapping)),
    ...(notes !== undefined && { notes: notes.slice(0, 65536) }),
  };
  if (ofType(TYPE.sound).length > 0) mapping.lose('Sound card: there is none here yet');
  if (ofType(TYPE.usb).length > 0) mapping.lose('USB controller: there is none here yet');
  if (/efi/i.test(JSON.stringify(children(hardware, 'Config'))))
    mapping.lose('UEFI firmware: a system installed with it does not boot from the BIOS');
  return { product: 'OVF', name, config, drives: drivesOf(envelope, items, mapping), mapped: mapping.mapped, lost: mapping.lost };
}

const valueOf = (item: XmlNode | undefined, tag: string) => textOf(child(item, tag));
const numberOf = (item: XmlNode | undefined) => Number(valueOf(item, 'VirtualQuantity')) || undefined;

/** What VMware and VirtualBox add, else the number and words of the standard. */
function guestOf(system: XmlNode): string {
  const section = child(system, 'OperatingSystemSection');
  return textOf(section, '@osType') ?? textOf(child(section, 'OSType')) ?? textOf(child(section, 'Description')) ?? 'other';
}

/** MiB. Units are `byte * 2^20` (or the words of OVF 0.9, `MegaBytes`). */
function memoryOf(item: XmlNode | undefined): number {
  const quantity = numberOf(item) ?? 256;
  const units = valueOf(item, 'AllocationUnits') ?? 'byte * 2^20';
  const power = /2\s*\^\s*(\d+)/.exec(units)?.[1] ?? (/giga/i.test(units) ? '30' : /kilo/i.test(units) ? '10' : /^byte$/i.test(units) ? '0' : '20');
  return Math.max(1, Math.round(quantity * 2 ** (Number(power) - 20)));
}

function nicOf(item: XmlNode, index: number, mapping: Mapping): Nic {
  const type = valueOf(item, 'ResourceSubType') ?? '';
  const model = cards.find(([sign]) => sign.test(type))?.[1] ?? 'e1000';
  mapping.map('Network card', `${type} ${valueOf(item, 'Connection') ?? ''}`.trim() || 'any', `${model}, NAT`);
  const mac = macOf(valueOf(item, 'Address') ?? valueOf(item, 'MACAddress'));
  return { id: `net${index}`, model, backend: { type: 'user' }, ...(mac !== undefined && { mac }) };
}

/** Files of an appliance lie beside its descriptor (DSP0243 7.1): another's machine must not take in what else this host has. */
const isOutside = (href: string): boolean => /^([\\/]|[a-z][a-z0-9+.-]*:)/i.test(href) || href.split(/[\\/]/).includes('..');

function drivesOf(envelope: XmlNode, items: readonly XmlNode[], mapping: Mapping): ForeignDrive[] {
  const files = new Map(children(child(envelope, 'References'), 'File').map((file) => [textOf(file, '@id'), file]));
  const disks = new Map(children(child(envelope, 'DiskSection'), 'Disk').map((disk) => [textOf(disk, '@diskId'), textOf(disk, '@fileRef')]));
  const controllers = new Map(items.map((item) => [valueOf(item, 'InstanceID') ?? valueOf(item, 'InstanceId'), item]));
  const media: Readonly<Record<string, ForeignDrive['media']>> = {
    [TYPE.disk]: 'disk',
    [TYPE.cd]: 'cdrom',
    [TYPE.dvd]: 'cdrom',
    [TYPE.floppy]: 'floppy',
  };
  return items.flatMap((item): ForeignDrive[] => {
    const kind = media[valueOf(item, 'ResourceType') ?? ''];
    if (kind === undefined) return [];
    const controller = controllers.get(valueOf(item, 'Parent'));
    const bus = valueOf(controller, 'ResourceType');
    const [channel, unit] = [Number(valueOf(controller, 'Address') ?? 0) || 0, Number(valueOf(item, 'AddressOnParent') ?? 0) || 0];
    const label = bus === TYPE.ide ? 'IDE' : bus === TYPE.scsi ? 'SCSI' : bus === TYPE.sata ? 'SATA' : kind === 'floppy' ? 'floppy' : 'disk';
    const place = `${label} ${channel}:${unit}`;
    // HostResource: `ovf:/disk/ID`, `ovf:/file/ID`, or without `ovf:`.
    const [, what, id] = /^(?:ovf:)?\/(disk|file)\/(.+)$/.exec(valueOf(item, 'HostResource') ?? '') ?? [];
    const file = files.get(what === 'disk' ? disks.get(id) : id);
    const href = file && textOf(file, '@href');
    if (href !== undefined && isOutside(href)) {
      mapping.lose(`${place}: ${href} lies outside the appliance`);
      return [];
    }
    if (file !== undefined && (textOf(file, '@compression') ?? 'identity') !== 'identity') {
      mapping.lose(`${place}: ${href} is compressed as a whole; unpack the appliance and it first`);
      return [];
    }
    if (file !== undefined && textOf(file, '@chunkSize') !== undefined) {
      mapping.lose(`${place}: ${href} is cut into pieces, which is not read`);
      return [];
    }
    const wish = bus === TYPE.ide && channel < 2 && unit < 2 ? { wish: { bus: 'ide' as const, slot: channel * 2 + unit } } : {};
    return [{ path: href, media: kind, place, ...wish }];
  });
}
