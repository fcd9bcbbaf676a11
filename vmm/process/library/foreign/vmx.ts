/** VMware's .vmx: lines of `name = "value"`, names in any case. */
import { MAX_MEMORY_MIB, type VmConfigInput } from '../../../protocol/config.ts';
import { type ForeignDrive, type ForeignMachine, macOf, Mapping, systemOf, titleOf } from './foreign.ts';

export function parseVmx(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([A-Za-z0-9_:.-]+)\s*=\s*"?(.*?)"?\s*$/.exec(line);
    if (match !== null) values.set(match[1]!.toLowerCase(), unescape(match[2]!));
  }
  return values;
}

/** VMware writes what would end a value as |XX. */
function unescape(value: string): string {
  return value.replaceAll(/\|([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

const truth = (value: string | undefined) => value?.toLowerCase() === 'true';

const cards: Readonly<Record<string, 'pcnet' | 'e1000'>> = { vlance: 'pcnet', flexible: 'pcnet', e1000: 'e1000', e1000e: 'e1000' };

export function readVmx(text: string, fallbackName: string): ForeignMachine {
  const values = parseVmx(text);
  const get = (name: string) => values.get(name);
  const mapping = new Mapping();
  const guest = get('guestos') ?? 'other';
  const system = systemOf(guest);
  mapping.map('System', guest, titleOf(system));
  const config: Partial<Omit<VmConfigInput, 'drives'>> = {
    system,
    memory: mapping.memory(Number(get('memsize') ?? 32) || 32, MAX_MEMORY_MIB),
    cpu: { count: mapping.processors(Number(get('numvcpus') ?? 1) || 1) },
    nics: networkCards(values, mapping),
    serial: serialPorts(values, mapping),
    ...(get('annotation') !== undefined && { notes: get('annotation')!.slice(0, 65536) }),
    rtc: system.startsWith('windows') || system.includes('dos') ? 'local' : 'utc',
  };
  if (get('firmware')?.toLowerCase() === 'efi') mapping.lose('UEFI firmware: a system installed with it does not boot from the BIOS');
  if (truth(get('sound.present'))) mapping.lose('Sound card: there is none here yet');
  if (truth(get('usb.present')) || truth(get('ehci.present'))) mapping.lose('USB controller: there is none here yet');
  if (truth(get('mks.enable3d'))) mapping.lose('3D graphics: the display is a VGA with VBE');
  if ((get('checkpoint.vmstate') ?? '') !== '') mapping.lose('Suspended state: the machine starts anew; shut it down in VMware first');
  if ([...values.keys()].some((name) => /^sharedfolder\d+\.present$/.test(name) && truth(get(name)))) mapping.lose('Shared folders');
  return {
    product: 'VMware',
    name: get('displayname') ?? fallbackName,
    config,
    drives: drivesOf(values, mapping),
    mapped: mapping.mapped,
    lost: mapping.lost,
  };
}

function drivesOf(values: ReadonlyMap<string, string>, mapping: Mapping): ForeignDrive[] {
  const drives: ForeignDrive[] = [];
  const places = [...values.keys()].flatMap((name) => /^((ide|scsi|sata|nvme)(\d+):(\d+))\.present$/.exec(name) ?? []).length;
  if (places === 0 && !values.has('floppy0.present')) mapping.lose('Drives: the file names none');
  for (const [name, value] of values) {
    const match = /^(ide|scsi|sata|nvme)(\d+):(\d+)\.present$/.exec(name);
    if (match === null || !truth(value)) continue;
    const key = name.slice(0, -'.present'.length);
    const [, bus, controller, unit] = match;
    const type = (values.get(`${key}.devicetype`) ?? 'disk').toLowerCase();
    const file = values.get(`${key}.filename`);
    const media = type.includes('cdrom') || type.includes('atapi') ? 'cdrom' : 'disk';
    const physical = media === 'cdrom' && !type.includes('image');
    if (physical && file !== undefined && !/auto detect/i.test(file)) mapping.lose(`The host's CD drive ${file}: the drive is empty here`);
    if (type.includes('rawdisk')) {
      mapping.lose(`The host's disk at ${key}: physical disks are not attached`);
      continue;
    }
    drives.push({
      path: physical || file === '' ? undefined : file,
      media,
      place: `${bus!.toUpperCase()} ${controller}:${unit}`,
      ...(bus === 'ide' && { wish: { bus: 'ide', slot: Number(controller) * 2 + Number(unit) } }),
    });
  }
  if (values.get('floppy0.present') === undefined || truth(values.get('floppy0.present'))) {
    const image = values.get('floppy0.filetype')?.toLowerCase() === 'file';
    const file = image ? values.get('floppy0.filename') : undefined;
    if (values.has('floppy0.filename') || values.has('floppy0.present'))
      drives.push({ path: file === '' ? undefined : file, media: 'floppy', place: 'A:' });
  }
  return drives;
}

function networkCards(values: ReadonlyMap<string, string>, mapping: Mapping): NonNullable<VmConfigInput['nics']> {
  const nics: NonNullable<VmConfigInput['nics']> = [];
  for (let index = 0; index < 8; index++) {
    const key = `ethernet${index}`;
    if (!truth(values.get(`${key}.present`))) continue;
    const device = (values.get(`${key}.virtualdev`) ?? 'vlance').toLowerCase();
    const model = cards[device] ?? 'e1000';
    const kind = (values.get(`${key}.connectiontype`) ?? 'bridged').toLowerCase();
    const mac = macOf(values.get(`${key}.address`) ?? values.get(`${key}.generatedaddress`));
    const inner = kind === 'hostonly' || kind === 'custom' || kind === 'pvn';
    mapping.map('Network card', `${device}, ${kind}`, `${model}, ${inner ? 'internal network' : 'NAT'}`);
    if (kind === 'bridged') mapping.lose('Bridged network: NAT instead; the guest gets another address');
    if (kind === 'hostonly') mapping.lose('Host-only network: an internal network instead, without this computer');
    nics.push({
      id: `net${nics.length}`,
      model,
      backend: inner
        ? { type: 'internal', name: (values.get(`${key}.vnet`) ?? 'vmnet1').replaceAll(/[^A-Za-z0-9._-]/g, '').slice(0, 63) || 'lan' }
        : { type: 'user' },
      ...(mac !== undefined && { mac }),
      link: values.get(`${key}.startconnected`) === undefined || truth(values.get(`${key}.startconnected`)),
    });
  }
  return nics;
}

function serialPorts(values: ReadonlyMap<string, string>, mapping: Mapping): NonNullable<VmConfigInput['serial']> {
  const ports: NonNullable<VmConfigInput['serial']> = [];
  for (let index = 0; index < 4; index++) {
    if (!truth(values.get(`serial${index}.present`))) continue;
    const type = (values.get(`serial${index}.filetype`) ?? '').toLowerCase();
    const file = values.get(`serial${index}.filename`) ?? '';
    if (type === 'file' && file !== '') {
      ports.push({ backend: 'file', path: file });
      mapping.map(`COM${ports.length}`, `file ${file}`, `file ${file}`);
    } else {
      ports.push({ backend: 'none' });
      mapping.map(`COM${ports.length}`, type === '' ? 'a device' : `${type} ${file}`, 'the Serial view only');
    }
  }
  return ports.length === 0 ? [{ backend: 'none' }] : ports;
}
