import type { App } from '../state/app.dom.ts';
import { showView } from '../state/layout-store.ts';
import type { FakeLibrary } from './fake-library.ts';

/** The states of the interface that are worth looking at, by name. */
export const scenes = [
  'first',
  'machines',
  'console',
  'paused',
  'off',
  'crashed',
  'serial',
  'terminal',
  'hardware',
  'disks',
  'network',
  'network-off',
  'monitor',
  'log',
  'no-firmware',
] as const;

export function fill(library: FakeLibrary, scene: string, app: App): void {
  library.guests = [
    {
      id: 'memtest',
      name: 'Memtest86+',
      description: 'Tests the machine’s memory; free software. Fetched from your Debian mirror.',
      bytes: 152_000,
      cached: false,
      available: true,
    },
    {
      id: 'debian-netboot',
      name: 'Debian installer',
      description: 'The text installer of Debian 12, started directly.',
      bytes: 48_000_000,
      cached: true,
      available: true,
    },
  ];
  library.media.set('freedos722.img', {
    medium: { kind: 'floppy', format: 'raw', bytes: 737_280, description: 'FreeDOS boot floppy', system: 'dos', bootable: true, warnings: [] },
    config: { name: 'FreeDOS', system: 'dos', memory: 32, drives: [{ file: 'freedos722.img', bus: 'floppy' }], boot: { order: 'a' } },
  });
  library.media.set('short.iso', {
    medium: {
      kind: 'cdrom',
      format: 'iso',
      bytes: 1_000_000,
      description: 'CD image “DEBIAN_12”',
      system: 'linux',
      bootable: true,
      warnings: ['The image ends before the size it claims (1 MB of 628 MB): it was probably not copied whole.'],
    },
    config: {
      name: 'Debian 12',
      system: 'linux',
      memory: 512,
      drives: [{ file: 'short.iso', media: 'cdrom', format: 'iso' }],
      nics: [{ id: 'net0' }],
    },
  });
  library.media.set('Old server.vmx', {
    medium: {
      kind: 'foreign',
      format: 'vmx',
      bytes: 4_294_967_296,
      description: 'machine of VMware',
      system: 'windows-9x',
      bootable: true,
      warnings: [],
    },
    config: { name: 'Old server', system: 'windows-9x', memory: 512, nics: [{ id: 'net0', model: 'pcnet' }] },
    preview: {
      product: 'VMware',
      mapped: [
        { what: 'System', from: 'win98', to: 'windows-9x' },
        { what: 'Memory', from: '512 MiB', to: '512 MiB' },
        { what: 'Hard disk', from: 'IDE 0:0, system.vmdk', to: 'IDE 0:0' },
        { what: 'Network card', from: 'vlance, bridged', to: 'pcnet, NAT' },
      ],
      lost: ['Sound card: there is none here yet', 'Bridged network: NAT instead; the guest gets another address'],
    },
  });
  if (scene === 'first' || scene === 'no-firmware') return;

  const minutes = (n: number) => Date.now() - n * 60_000;
  const dos = library.add(
    {
      name: 'FreeDOS',
      system: 'dos',
      memory: 32,
      drives: [
        { file: 'freedos722.img', bus: 'floppy' },
        { bus: 'ide', media: 'cdrom' },
      ],
      nics: [{ id: 'net0', forwards: [{ hostPort: 2222, guestPort: 22 }] }],
      serial: [{ backend: 'none' }, { backend: 'none' }],
      notes: 'The floppy from v86, to play snake and tetris.',
    },
    { state: 'running', lastStarted: minutes(12), thumbnail: 1 },
  );
  const machine = library.machines.get(dos.id);
  machine?.lines.push(
    'FreeDOS kernel 2040 (build 2040 OEM:0xfd) [compiled Jun 22 2011]',
    'Running on copy.sh/v86/',
    '',
    'A:\\>dir',
    ' Volume in drive A is FREEDOS',
    ' Directory of A:\\',
    '',
    'COMMAND  COM        66,945  08-26-06  6:29p',
    'KERNEL   SYS        45,344  06-22-11  1:54p',
    'AUTOEXEC BAT           124  09-15-14  4:12p',
    'FDCONFIG SYS           287  09-15-14  4:08p',
    'SNAKE    COM         4,096  01-02-12  9:30a',
    '         5 file(s)    116,796 bytes',
    '         0 dir(s)      34,816 bytes free',
    '',
  );
  const debian = library.add(
    {
      name: 'Debian 12, console',
      system: 'linux',
      memory: 512,
      cpu: { count: 2 },
      tags: ['server', 'work'],
      drives: [{ file: 'debian.qcow2', format: 'qcow2' }],
      nics: [
        { id: 'net0', block: ['telemetry.example.com'], forwards: [{ hostPort: 2222, guestPort: 22 }] },
        { id: 'net1', model: 'virtio', backend: { type: 'internal', name: 'lab' } },
      ],
    },
    {
      state: scene === 'paused' ? 'paused' : scene === 'disks' || scene === 'network-off' ? 'off' : 'running',
      lastStarted: minutes(180),
      thumbnail: 1,
    },
  );
  library.add({ name: 'Windows 98 SE', system: 'windows-9x', memory: 256 }, { state: 'saved', lastStarted: minutes(4000), thumbnail: 1 });
  library.add({ name: 'MikeOS 4.5', system: 'other', memory: 16, folder: 'Small systems' }, { lastStarted: minutes(50_000) });
  library.add({ name: 'bootOS', system: 'other', memory: 16, folder: 'Small systems' });
  const broken = library.add({ name: 'NetBSD', system: 'bsd', memory: 128, folder: 'Small systems' }, { state: 'off', lastStarted: minutes(600) });
  if (scene === 'crashed') {
    library.crash(broken.id, 'The process ended with signal SIGKILL.', [
      '18:02:11 info  machine started (wasm, 128 MiB)',
      '18:02:14 warn  ide: the image disk.img could not be extended: no space left on device',
      '18:02:14 error machine thread ended: out of memory',
    ]);
  }
  library.logs.set(dos.id, [
    '18:11:03 info  machine started (wasm, 32 MiB)',
    '18:11:03 info  firmware bios-256k.bin',
    '18:11:04 debug guest: write to port 0x80',
  ]);

  const open = (vm: string, view: Parameters<typeof showView>[2]) => app.layout.setState((l) => showView(l, vm, view), true);
  if (scene === 'console') {
    open(debian.id, 'console');
    open(dos.id, 'console');
  } else if (scene === 'paused') open(debian.id, 'console');
  else if (scene === 'disks') open(debian.id, 'disks');
  else if (scene === 'network' || scene === 'network-off') open(debian.id, 'network');
  else if (scene === 'off' || scene === 'crashed') open(broken.id, 'console');
  else if (scene === 'serial' || scene === 'terminal' || scene === 'hardware' || scene === 'monitor' || scene === 'log') open(dos.id, scene);
}
