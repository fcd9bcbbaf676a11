import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { VmmError } from '../../../base/errors.ts';
import { createImage } from '../../../storage/tools/formats.node.ts';
import { detect } from '../detect.node.ts';
import { completeConfig } from '../library.node.ts';
import { takeDrives } from './take-drives.node.ts';
import { readOvf } from './ovf.ts';
import { readVbox } from './vbox.ts';
import { readVmc } from './vmc.ts';
import { readVmx } from './vmx.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const VMX = `.encoding = "UTF-8"
config.version = "8"
displayName = "Old |22server|22"
guestOS = "winnetstandard"
memsize = "512"
numvcpus = "2"
annotation = "first line|0Asecond"
ide0:0.present = "TRUE"
ide0:0.fileName = "system.vmdk"
ide1:0.present = "TRUE"
ide1:0.deviceType = "cdrom-raw"
ide1:0.fileName = "auto detect"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "data.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.fileName = "gone.vmdk"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vlance"
ethernet0.connectionType = "bridged"
ethernet0.generatedAddress = "00:0c:29:12:34:56"
serial0.present = "TRUE"
serial0.fileType = "file"
serial0.fileName = "com1.txt"
sound.present = "TRUE"
floppy0.present = "FALSE"
`;

const VBOX = `<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
  <Machine uuid="{0}" name="Debian &amp; friends" OSType="Debian_64" stateFile="x.sav">
    <MediaRegistry>
      <HardDisks><HardDisk uuid="{a}" location="disk.vdi" format="VDI" type="Normal"/></HardDisks>
      <DVDImages><Image uuid="{b}" location="cd.iso"/></DVDImages>
    </MediaRegistry>
    <Hardware>
      <CPU count="1"/><Memory RAMSize="1024"/>
      <Boot><Order position="2" device="HardDisk"/><Order position="1" device="DVD"/><Order position="3" device="None"/></Boot>
      <RTC localOrUTC="UTC"/>
      <Network>
        <Adapter slot="0" enabled="true" MACAddress="080027AABBCC" cable="true" type="82540EM">
          <NAT><Forwarding name="ssh" proto="1" hostip="" hostport="2222" guestport="22"/></NAT>
        </Adapter>
        <Adapter slot="1" enabled="false" type="82540EM"/>
        <Adapter slot="2" enabled="true" type="virtio"><InternalNetwork name="lan 1"/></Adapter>
      </Network>
      <UART><Port slot="0" enabled="true" IOBase="0x3f8" IRQ="4" path="/tmp/com1" hostMode="HostPipe"/></UART>
      <AudioAdapter controller="AC97" enabled="true"/>
      <StorageControllers>
        <StorageController name="IDE" type="PIIX4"><AttachedDevice type="DVD" port="1" device="0"><Image uuid="{b}"/></AttachedDevice></StorageController>
        <StorageController name="SATA" type="AHCI"><AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{a}"/></AttachedDevice></StorageController>
      </StorageControllers>
    </Hardware>
  </Machine>
</VirtualBox>`;

const VMC = `<?xml version="1.0" encoding="UTF-16"?>
<preferences>
  <hardware>
    <memory><ram_size type="integer">256</ram_size></memory>
    <pci_bus>
      <ethernet_adapter><ethernet_controller id="0"><virtual_network><name>Shared</name></virtual_network>
        <ethernet_card_address>0003FF112233</ethernet_card_address></ethernet_controller></ethernet_adapter>
      <ide_adapter>
        <ide_controller id="0">
          <location id="0"><drive_type type="integer">1</drive_type>
            <pathname><absolute>C:\\VMs\\win98.vhd</absolute><relative>.\\win98.vhd</relative></pathname></location>
        </ide_controller>
        <ide_controller id="1"><location id="0"><drive_type type="integer">2</drive_type></location></ide_controller>
      </ide_adapter>
    </pci_bus>
  </hardware>
  <settings><undo_drives><enabled type="boolean">true</enabled></undo_drives></settings>
</preferences>`;

describe('a machine of VMware', () => {
  it('is read whole: what maps, and what is lost', async () => {
    await createImage(join(directory, 'system.vmdk'), 'vmdk', 1 << 20);
    await createImage(join(directory, 'data.vmdk'), 'vmdk', 1 << 20);
    writeFileSync(join(directory, 'old.vmx'), VMX);
    const { medium, config, preview } = await detect(join(directory, 'old.vmx'));
    expect(medium).toMatchObject({ kind: 'foreign', system: 'windows-xp', description: 'machine of VMware', warnings: [] });
    expect(config).toMatchObject({
      name: 'Old "server"',
      memory: 512,
      notes: 'first line\nsecond',
      rtc: 'local',
      nics: [{ model: 'pcnet', backend: { type: 'user' }, mac: '00:0c:29:12:34:56' }],
      serial: [{ backend: 'file', path: 'com1.txt' }],
      drives: [
        { bus: 'ide', slot: 0, file: join(directory, 'system.vmdk'), format: 'vmdk' },
        { bus: 'ide', slot: 2, media: 'cdrom', file: null },
        { bus: 'ide', slot: 1, file: join(directory, 'data.vmdk') },
      ],
    });
    expect(completeConfig(config).drives).toHaveLength(3);
    expect(preview?.mapped).toContainEqual({ what: 'Memory', from: '512 MiB', to: '512 MiB' });
    expect(preview?.lost).toEqual(
      expect.arrayContaining([
        'Sound card: there is none here yet',
        'Bridged network: NAT instead; the guest gets another address',
        'SCSI 0:1: gone.vmdk was not found beside the file',
        'SCSI 0:0: connected as IDE 0:1 instead; the guest needs that driver to start',
      ]),
    );
  });

  it('takes its disks along; one in several files becomes one', async () => {
    await createImage(join(directory, 'split.vmdk'), 'vmdk', 1 << 20, { kind: 'monolithicFlat' });
    await createImage(join(directory, 'one.vmdk'), 'vmdk', 1 << 20);
    const into = join(directory, 'into');
    mkdirSync(into);
    const job = { signal: new AbortController().signal, progress: () => undefined };
    const drives = await takeDrives(
      [
        { bus: 'ide', file: join(directory, 'split.vmdk'), format: 'vmdk' },
        { bus: 'ide', file: join(directory, 'one.vmdk'), format: 'vmdk' },
        { bus: 'ide', media: 'cdrom', file: '/cds/a.iso', format: 'iso' },
      ],
      into,
      (name) => name,
      job,
    );
    expect(drives).toMatchObject([
      { file: '0-split.qcow2', format: 'qcow2' },
      { file: '1-one.vmdk', format: 'vmdk' },
      { file: '/cds/a.iso', format: 'iso' },
    ]);
  });
});

describe('a machine of VirtualBox', () => {
  it('is read, with media by their uuid and forwards closed to others', () => {
    const { name, config, drives, lost } = readVbox(VBOX, 'x.vbox');
    expect(name).toBe('Debian & friends');
    expect(config).toMatchObject({
      system: 'debian',
      memory: 1024,
      rtc: 'utc',
      boot: { order: 'dc' },
      nics: [
        { model: 'e1000', mac: '08:00:27:aa:bb:cc', forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 }] },
        { model: 'virtio', backend: { type: 'internal', name: 'lan1' } },
      ],
    });
    expect(drives).toEqual([
      { path: 'cd.iso', media: 'cdrom', place: 'IDE 1:0', wish: { bus: 'ide', slot: 2 } },
      { path: 'disk.vdi', media: 'disk', place: 'SATA 0:0' },
    ]);
    expect(lost).toEqual(
      expect.arrayContaining([
        'Port forward 2222 was open to the whole network: here only to this computer',
        'Saved state: the machine starts anew; shut it down in VirtualBox first',
      ]),
    );
  });

  it.each([
    ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><VirtualBox/>', /document type/],
    ['something else', '<html></html>', /no machine of VirtualBox/],
  ])('refuses %s', (_, text, message) => {
    expect(() => readVbox(text, 'x.vbox')).toThrow(message);
  });
});

describe('a machine of Virtual PC', () => {
  it('is read from UTF-16, with paths of Windows', async () => {
    await createImage(join(directory, 'win98.vhd'), 'vhd', 1 << 20);
    writeFileSync(join(directory, 'Windows 98.vmc'), Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(VMC, 'utf16le')]));
    const { config, preview, medium } = await detect(join(directory, 'Windows 98.vmc'));
    expect(medium).toMatchObject({ kind: 'foreign', system: 'windows-9x' });
    expect(config).toMatchObject({
      name: 'Windows 98',
      memory: 256,
      drives: [
        { file: join(directory, 'win98.vhd'), format: 'vhd', slot: 0 },
        { media: 'cdrom', file: null, slot: 2 },
      ],
    });
    expect(preview?.lost).toContain('Undo disks: what they hold is not taken over; commit them in Virtual PC first');
  });
});

it('whatever a file holds, it is read or refused in one line', () => {
  const readers = [
    (text: string) => readVmx(text, 'x'),
    (text: string) => readVbox(text, 'x.vbox'),
    (text: string) => readVmc(text, 'x.vmc', 'x'),
    (text: string) => readOvf(text, 'x.ovf'),
  ];
  const pieces = fc.constantFrom(
    '<VirtualBox>',
    '<Machine name="',
    '"',
    '>',
    '</',
    'Hardware',
    '<preferences><hardware>',
    '<Envelope><VirtualSystem>',
    '<VirtualHardwareSection><Item><ResourceType>17</ResourceType><HostResource>/disk/',
    'ide0:0.present = "TRUE"\n',
    'memsize = "',
    '&',
    '1e99',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 30 }), (parts) => {
      for (const read of readers) {
        try {
          read(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(VmmError);
        }
      }
    }),
  );
});
