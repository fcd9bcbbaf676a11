import { MemoryFile } from './memory-file.ts';
import { probe, type Probe } from './probe.ts';

async function look(size: number, pieces: readonly (readonly [at: number, bytes: string | readonly number[]])[] = []): Promise<Probe> {
  const bytes = new Uint8Array(size);
  for (const [at, piece] of pieces) bytes.set(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece, at);
  const file = new MemoryFile('x', bytes);
  return probe({ name: 'x', size, read: (offset, into) => file.read(offset, into) });
}
const MBR: [number, number[]] = [510, [0x55, 0xaa]];

test.each<[string, number, [number, string | number[]][], Partial<Probe>]>([
  ['1.44 MB floppy', 1474560, [MBR], { format: 'raw', medium: 'floppy' }],
  ['an unformatted 720 KB floppy', 737280, [], { format: 'raw', medium: 'floppy' }],
  ['MBR', 4 << 20, [MBR, [446, [0x80]], [450, [0x83]]], { format: 'raw', medium: 'disk', evidence: 'MBR partition table' }],
  ['a file system with a boot record', 4 << 20, [MBR], { evidence: 'boot record' }],
  ['GPT', 4 << 20, [MBR, [512, 'EFI PART']], { evidence: 'GPT partition table' }],
  ['an ext file system', 4 << 20, [[1080, [0x53, 0xef]]], { evidence: 'ext file system' }],
  ['qcow2', 4096, [[0, 'QFI\xfb']], { format: 'qcow2' }],
  ['VMDK', 4096, [[0, 'KDMV']], { format: 'vmdk' }],
  ['a VMDK descriptor', 4096, [[0, '# Disk DescriptorFile\n']], { format: 'vmdk' }],
  ['dynamic VHD', 4096, [[0, 'conectix']], { format: 'vhd' }],
  ['fixed VHD', 4 << 20, [[(4 << 20) - 512, 'conectix']], { format: 'vhd' }],
  ['VHDX', 4 << 20, [[0, 'vhdxfile']], { format: 'vhdx' }],
  [
    'VDI',
    4096,
    [
      [0, '<<< Oracle VM VirtualBox Disk Image >>>\n'],
      [64, [0x7f, 0x10, 0xda, 0xbe]],
    ],
    { format: 'vdi' },
  ],
  [
    'ISO',
    400 * 2048,
    [
      [32768, '\x01CD001\x01'],
      [32808, 'FREEDOS                         '],
      [32848, [144, 1, 0, 0]],
      [32896, [0, 8]],
    ],
    { format: 'iso', medium: 'cdrom', label: 'FREEDOS' },
  ],
  [
    'a hybrid ISO, which has a partition table, too',
    400 * 2048,
    [MBR, [446, [0x80]], [450, [0x17]], [32768, '\x01CD001\x01'], [32848, [144, 1, 0, 0]], [32896, [0, 8]]],
    { format: 'iso' },
  ],
])('%s is recognised', async (_name, size, pieces, wanted) => {
  const found = await look(size, pieces);
  expect(found).toMatchObject(wanted);
  expect(found.problem).toBeUndefined();
});

test.each<[string, number, [number, string | number[]][], RegExp]>([
  ['an empty file', 0, [], /x is empty/],
  ['a small file', 100, [[0, 'hello']], /100 bytes/],
  ['text', 100_000, [[0, 'hello']], /not a disk image that is known/],
  ['gzip', 100_000, [[0, [0x1f, 0x8b]]], /compressed with gzip; unpack it first/],
  [
    'a truncated ISO',
    400 * 2048,
    [
      [32768, '\x01CD001\x01'],
      [32848, [0, 0, 16, 0]],
      [32896, [0, 8]],
    ],
    /cut short: the volume is 2147483648 bytes long, the file only 819200/,
  ],
  ['a raw CD image', 2352 * 100, [[0, [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0]]], /2352-byte sectors/],
])('%s has a problem', async (_name, size, pieces, wanted) => {
  expect((await look(size, pieces)).problem).toMatch(wanted);
});

test('an ISO without the run-out sectors is whole enough', async () => {
  const found = await look(400 * 2048, [
    [32768, '\x01CD001\x01'],
    [32848, [0x26, 2, 0, 0]],
    [32896, [0, 8]],
  ]);
  expect(found.problem).toBeUndefined();
});
