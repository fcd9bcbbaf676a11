/** VirtualBox's .vbox (settings 1.3 to 1.19). */
import { VmmError } from '../../../base/errors.ts';
import { MAX_MEMORY_MIB, type VmConfigInput } from '../../../protocol/config.ts';
import { type ForeignDrive, type ForeignMachine, macOf, Mapping, systemOf, titleOf } from './foreign.ts';
import { child, children, parseXml, textOf, type XmlNode } from './xml.ts';

const cards: Readonly<Record<string, 'pcnet' | 'e1000' | 'virtio'>> = {
  Am79C970A: 'pcnet',
  Am79C973: 'pcnet',
  Am79C960: 'pcnet',
  '82540EM': 'e1000',
  '82543GC': 'e1000',
  '82545EM': 'e1000',
  virtio: 'virtio',
};
const bootLetters: Readonly<Record<string, string>> = { Floppy: 'a', HardDisk: 'c', DVD: 'd', Network: 'n' };

export function readVbox(text: string, fileName: string): ForeignMachine {
  const machine = child(parseXml(text, fileName), 'VirtualBox', 'Machine');
  const name = textOf(machine, '@name');
  if (name === undefined) throw new VmmError('invalid', `${fileName} has no machine of VirtualBox in it`);
  const mapping = new Mapping();
  const hardware = child(machine, 'Hardware');
  const guest = textOf(machine, '@OSType') ?? 'Other';
  const system = systemOf(guest);
  mapping.map('System', guest, titleOf(system));
  const config: Partial<Omit<VmConfigInput, 'drives'>> = {
    system,
    memory: mapping.memory(Number(textOf(child(hardware, 'Memory'), '@RAMSize') ?? 128) || 128, MAX_MEMORY_MIB),
    cpu: { count: mapping.processors(Number(textOf(child(hardware, 'CPU'), '@count') ?? 1) || 1) },
    boot: { order: bootOrder(child(hardware, 'Boot')) },
    nics: networkCards(child(hardware, 'Network'), mapping),
    serial: serialPorts(child(hardware, 'UART'), mapping),
    rtc: textOf(child(hardware, 'RTC'), '@localOrUTC') === 'UTC' ? 'utc' : 'local',
    ...(textOf(child(machine, 'Description')) !== undefined && { notes: textOf(child(machine, 'Description'))!.slice(0, 65536) }),
  };
  if (textOf(child(hardware, 'Firmware'), '@type')?.startsWith('EFI'))
    mapping.lose('UEFI firmware: a system installed with it does not boot from the BIOS');
  if (textOf(child(hardware, 'AudioAdapter'), '@enabled') === 'true') mapping.lose('Sound card: there is none here yet');
  if (children(child(hardware, 'USB', 'Controllers'), 'Controller').length > 0) mapping.lose('USB controller: there is none here yet');
  if (children(child(hardware, 'SharedFolders'), 'SharedFolder').length > 0) mapping.lose('Shared folders');
  if (textOf(child(hardware, 'Display'), '@accelerate3D') === 'true') mapping.lose('3D graphics: the display is a VGA with VBE');
  if (textOf(machine, '@stateFile') !== undefined) mapping.lose('Saved state: the machine starts anew; shut it down in VirtualBox first');
  if (children(machine, 'Snapshot').length > 0) mapping.lose('Snapshots: only the present state of the disks is taken over');
  return { product: 'VirtualBox', name, config, drives: drivesOf(machine, hardware), mapped: mapping.mapped, lost: mapping.lost };
}

/** Letters in VirtualBox's order, each once. */
function bootOrder(boot: XmlNode): string {
  const order = children(boot, 'Order')
    .toSorted((a, b) => Number(textOf(a, '@position')) - Number(textOf(b, '@position')))
    .map((one) => bootLetters[textOf(one, '@device') ?? ''] ?? '')
    .join('');
  return [...new Set(order)].join('') || 'acd';
}

/** Every medium that the file knows by its uuid; differencing ones lie inside the medium they stand on. */
function mediaOf(machine: XmlNode): ReadonlyMap<string, string> {
  const media = new Map<string, string>();
  const walk = (node: XmlNode, tag: string, depth: number) => {
    for (const one of children(node, tag)) {
      const [uuid, location] = [textOf(one, '@uuid'), textOf(one, '@location')];
      if (uuid !== undefined && location !== undefined) media.set(uuid, location);
      if (depth < 64) walk(one, tag, depth + 1);
    }
  };
  const registry = child(machine, 'MediaRegistry');
  walk(child(registry, 'HardDisks'), 'HardDisk', 0);
  walk(child(registry, 'DVDImages'), 'Image', 0);
  walk(child(registry, 'FloppyImages'), 'Image', 0);
  return media;
}

function drivesOf(machine: XmlNode, hardware: XmlNode): ForeignDrive[] {
  const media = mediaOf(machine);
  const inHardware = children(child(hardware, 'StorageControllers'), 'StorageController');
  const controllers = inHardware.length > 0 ? inHardware : children(child(machine, 'StorageControllers'), 'StorageController');
  return controllers.flatMap((controller) => {
    const type = textOf(controller, '@type') ?? '';
    const ide = /^(PIIX|ICH6)/.test(type);
    return children(controller, 'AttachedDevice').map((device): ForeignDrive => {
      const kind = textOf(device, '@type');
      const port = Number(textOf(device, '@port') ?? 0) || 0;
      const unit = Number(textOf(device, '@device') ?? 0) || 0;
      const uuid = textOf(child(device, 'Image'), '@uuid');
      return {
        path: uuid === undefined ? undefined : media.get(uuid),
        media: kind === 'DVD' ? 'cdrom' : kind === 'Floppy' ? 'floppy' : 'disk',
        place: `${textOf(controller, '@name') ?? type} ${port}:${unit}`,
        ...(ide && { wish: { bus: 'ide', slot: Math.min(3, port * 2 + unit) } }),
      };
    });
  });
}

function networkCards(network: XmlNode, mapping: Mapping): NonNullable<VmConfigInput['nics']> {
  const nics: NonNullable<VmConfigInput['nics']> = [];
  for (const adapter of children(network, 'Adapter').slice(0, 8)) {
    if (textOf(adapter, '@enabled') !== 'true') continue;
    const type = textOf(adapter, '@type') ?? 'Am79C973';
    const model = cards[type] ?? 'e1000';
    const inner = child(adapter, 'InternalNetwork');
    const internal = textOf(inner, '@name');
    const kind =
      ['NAT', 'BridgedInterface', 'HostOnlyInterface', 'InternalNetwork', 'NATNetwork'].find((tag) => Object.hasOwn(adapter, tag)) ?? 'none';
    mapping.map(
      'Network card',
      `${type}, ${kind}`,
      `${model}, ${internal !== undefined || kind === 'HostOnlyInterface' ? 'internal network' : kind === 'none' ? 'not connected' : 'NAT'}`,
    );
    if (kind === 'BridgedInterface') mapping.lose('Bridged network: NAT instead; the guest gets another address');
    if (kind === 'HostOnlyInterface') mapping.lose('Host-only network: an internal network instead, without this computer');
    const forwards = children(child(adapter, 'NAT'), 'Forwarding').flatMap((rule) => {
      const hostPort = Number(textOf(rule, '@hostport'));
      const guestPort = Number(textOf(rule, '@guestport'));
      if (!(hostPort > 0 && guestPort > 0)) return [];
      const hostAddress = textOf(rule, '@hostip') ?? '';
      if (hostAddress === '' || hostAddress === '0.0.0.0')
        mapping.lose(`Port forward ${hostPort} was open to the whole network: here only to this computer`);
      return [
        {
          protocol: textOf(rule, '@proto') === '0' ? ('udp' as const) : ('tcp' as const),
          hostAddress: /^[\d.]+$/.test(hostAddress) && hostAddress !== '0.0.0.0' ? hostAddress : '127.0.0.1',
          hostPort,
          guestPort,
        },
      ];
    });
    if (forwards.length > 0) mapping.map('Port forwards', forwards.length, forwards.length);
    const mac = macOf(textOf(adapter, '@MACAddress'));
    nics.push({
      id: `net${nics.length}`,
      model,
      backend:
        internal !== undefined || kind === 'HostOnlyInterface'
          ? { type: 'internal', name: (internal ?? 'hostonly').replaceAll(/[^A-Za-z0-9._-]/g, '').slice(0, 63) || 'lan' }
          : kind === 'none'
            ? { type: 'none' }
            : { type: 'user' },
      forwards,
      link: textOf(adapter, '@cable') !== 'false',
      ...(mac !== undefined && { mac }),
    });
  }
  return nics;
}

function serialPorts(uart: XmlNode, mapping: Mapping): NonNullable<VmConfigInput['serial']> {
  const ports = children(uart, 'Port')
    .filter((port) => textOf(port, '@enabled') === 'true')
    .slice(0, 4)
    .map((port, index): NonNullable<VmConfigInput['serial']>[number] => {
      const mode = textOf(port, '@hostMode') ?? 'Disconnected';
      const path = textOf(port, '@path') ?? '';
      const file = mode === 'RawFile' && path !== '';
      mapping.map(`COM${index + 1}`, `${mode} ${path}`.trim(), file ? `file ${path}` : 'the Serial view only');
      return file ? { backend: 'file', path } : { backend: 'none' };
    });
  return ports.length === 0 ? [{ backend: 'none' }] : ports;
}
