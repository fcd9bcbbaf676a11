import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertImage, openSource } from '../../../storage/tools/convert.node.ts';
import { detect } from '../detect.node.ts';
import { completeConfig } from '../library.node.ts';
import { readOvf } from './ovf.ts';
import { takeDrives, takeFromArchive } from './take-drives.node.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const item = (type: number, id: number, ...rest: string[]) =>
  `<Item><rasd:ElementName>x</rasd:ElementName><rasd:InstanceID>${id}</rasd:InstanceID><rasd:ResourceType>${type}</rasd:ResourceType>${rest.join('')}</Item>`;

/** As VMware writes it, with one disk behind SCSI; VirtualBox's differ in the prefix of the system's type. */
const OVF = `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="r" xmlns:vmw="v">
  <References><File ovf:href="box-disk1.vmdk" ovf:id="file1" ovf:size="1"/><File ovf:href="extra.vmdk.gz" ovf:id="file2" ovf:compression="gzip"/></References>
  <DiskSection><Info/><Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file1"/><Disk ovf:diskId="vmdisk2" ovf:fileRef="file2"/></DiskSection>
  <VirtualSystem ovf:id="box">
    <Name>Mail &amp; web</Name>
    <AnnotationSection><Info/><Annotation>made for tests</Annotation></AnnotationSection>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest"><Info/><Description>Debian GNU/Linux 12 (64-bit)</Description></OperatingSystemSection>
    <VirtualHardwareSection>
      ${item(3, 1, '<rasd:VirtualQuantity>2</rasd:VirtualQuantity>')}
      ${item(4, 2, '<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>768</rasd:VirtualQuantity>')}
      ${item(6, 3, '<rasd:Address>0</rasd:Address><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>')}
      ${item(5, 4, '<rasd:Address>1</rasd:Address>')}
      ${item(17, 5, '<rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:Parent>3</rasd:Parent>')}
      ${item(17, 9, '<rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:HostResource>/disk/vmdisk2</rasd:HostResource><rasd:Parent>3</rasd:Parent>')}
      ${item(15, 6, '<rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:Parent>4</rasd:Parent>')}
      ${item(10, 7, '<rasd:Connection>bridged</rasd:Connection><rasd:ResourceSubType>PCNet32</rasd:ResourceSubType>')}
      ${item(35, 8)}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>`;

const job = { signal: new AbortController().signal, progress: () => undefined };

/** A disk as appliances have them, and what is on it. */
async function streamDisk(path: string): Promise<Buffer> {
  const raw = Buffer.alloc(3 << 20);
  for (let at = 0; at < raw.length; at += 70_001) raw.writeUInt32LE(at, Math.min(at, raw.length - 4));
  writeFileSync(`${path}.raw`, raw);
  await convertImage(`${path}.raw`, path, 'vmdk', { source: { format: 'raw' }, create: { kind: 'streamOptimized' } });
  rmSync(`${path}.raw`);
  return raw;
}

async function contentsOf(path: string): Promise<Buffer> {
  const { node } = await openSource(path, { format: 'qcow2' });
  try {
    const all = Buffer.alloc(node.size);
    await node.read(0, all);
    return all;
  } finally {
    await node.close();
  }
}

it('is read: hardware, disks by reference, and what is lost', () => {
  const { name, config, drives, lost } = readOvf(OVF, 'box.ovf');
  expect(name).toBe('Mail & web');
  expect(config).toMatchObject({ system: 'debian', memory: 768, notes: 'made for tests', nics: [{ model: 'pcnet', backend: { type: 'user' } }] });
  expect(drives).toEqual([
    { path: 'box-disk1.vmdk', media: 'disk', place: 'SCSI 0:0' },
    { path: undefined, media: 'cdrom', place: 'IDE 1:0', wish: { bus: 'ide', slot: 2 } },
  ]);
  expect(lost).toEqual(['Sound card: there is none here yet', 'SCSI 0:1: extra.vmdk.gz is compressed as a whole; unpack the appliance and it first']);
});

it.each(['/etc/passwd', '../secret.img', 'disks\\..\\..\\x.vmdk', 'file:///etc/passwd', 'C:\\disk.vmdk'])(
  'a disk outside the appliance is lost: %s',
  (href) => {
    const { drives, lost } = readOvf(OVF.replace('box-disk1.vmdk', href), 'box.ovf');
    expect(drives.filter(({ media }) => media === 'disk')).toEqual([]);
    expect(lost).toContain(`SCSI 0:0: ${href} lies outside the appliance`);
  },
);

it.each([
  ['byte * 2^30', 2, 2048],
  ['MegaBytes', 512, 512],
  ['byte', 268_435_456, 256],
])('memory in %s', (units, quantity, mib) => {
  const text = OVF.replace('byte * 2^20', units).replace('>768<', `>${quantity}<`);
  expect(readOvf(text, 'x.ovf').config.memory).toBe(mib);
});

it('an appliance in one file becomes a machine whose disk can be written to', async () => {
  const raw = await streamDisk(join(directory, 'box-disk1.vmdk'));
  writeFileSync(join(directory, 'box.ovf'), OVF);
  const path = join(directory, 'box.ova');
  execFileSync('tar', ['--format=ustar', '-cf', path, '-C', directory, 'box.ovf', 'box-disk1.vmdk']);
  const { medium, config, preview, archive } = await detect(path);
  expect(medium).toMatchObject({ kind: 'foreign', format: 'ova', description: 'appliance (OVF)', bootable: true });
  expect(medium.bytes).toBe(statSync(join(directory, 'box-disk1.vmdk')).size);
  expect(preview?.lost).toContain('SCSI 0:0: connected as IDE 0:0 instead; the guest needs that driver to start');

  const into = join(directory, 'vm');
  mkdirSync(into);
  const drives = await takeFromArchive({ path, entries: archive! }, config.drives!, into, (name) => name, job);
  expect(drives).toMatchObject([
    { bus: 'ide', slot: 0, file: '0-box-disk1.qcow2', format: 'qcow2' },
    { media: 'cdrom', file: null },
  ]);
  expect(completeConfig({ ...config, drives }).drives).toHaveLength(2);
  expect((await contentsOf(join(into, '0-box-disk1.qcow2'))).equals(raw)).toBe(true);
});

it('an appliance in several files is taken over as well', async () => {
  const raw = await streamDisk(join(directory, 'box-disk1.vmdk'));
  writeFileSync(join(directory, 'box.ovf'), OVF);
  const { config } = await detect(join(directory, 'box.ovf'));
  const into = join(directory, 'vm');
  mkdirSync(into);
  const [disk] = await takeDrives(config.drives!, into, (name) => name, job, true);
  expect(disk).toMatchObject({ file: '0-box-disk1.qcow2', format: 'qcow2' });
  expect((await contentsOf(join(into, '0-box-disk1.qcow2'))).equals(raw)).toBe(true);
});

it('long names in the archive are found', async () => {
  const long = `${'a'.repeat(120)}.ovf`;
  writeFileSync(join(directory, long), OVF);
  for (const format of ['gnu', 'pax']) {
    execFileSync('tar', [`--format=${format}`, '-cf', join(directory, 'x.ova'), '-C', directory, long]);
    expect((await detect(join(directory, 'x.ova'))).config.name).toBe('Mail & web');
  }
});

it('what is cut short, or no appliance, is refused in one line', async () => {
  await streamDisk(join(directory, 'box-disk1.vmdk'));
  writeFileSync(join(directory, 'box.ovf'), OVF);
  const path = join(directory, 'box.ova');
  execFileSync('tar', ['--format=ustar', '-cf', path, '-C', directory, 'box.ovf', 'box-disk1.vmdk']);
  truncateSync(path, 20_000);
  await expect(detect(path)).rejects.toThrow(/^box\.ova is cut short; copy or download it again$/);
  const archive = readFileSync(path);
  archive.write('-0000001000\0', 124, 'latin1'); // would be looked at for ever
  writeFileSync(path, archive);
  await expect(detect(path)).rejects.toThrow(/^box\.ova is damaged: a file in it has no size$/);
  writeFileSync(path, readFileSync(join(directory, 'box.ovf')));
  await expect(detect(path)).rejects.toThrow('box.ova is not a tar archive');
  execFileSync('tar', ['-cf', path, '-C', directory, 'box-disk1.vmdk']);
  await expect(detect(path)).rejects.toThrow('has no description of a machine (.ovf) in it');
  expect(() => readOvf('<Envelope/>', 'x.ovf')).toThrow('x.ovf has no virtual system in it');
});
