import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeConfig } from './library.node.ts';
import { detect } from './detect.node.ts';
import { bootFloppy, bzImage, isoImage, rawDisk } from './test-images.test-support.ts';
import { hardwareFor, recognise, templates } from './templates.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const put = (name: string, contents: Uint8Array | string) => {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
};

it('makes a small PC of a floppy', async () => {
  const path = put('My_Disk.img', bootFloppy());
  const { medium, config, newDisk } = await detect(path);
  expect(medium).toMatchObject({ kind: 'floppy', format: 'raw', system: 'dos', bootable: true, warnings: [] });
  expect(config).toMatchObject({ name: 'My Disk', memory: 16, boot: { order: 'ac' }, drives: [{ bus: 'floppy', file: path }] });
  expect(newDisk).toBeUndefined();
});

it('gives an unknown floppy 64 MiB', async () => {
  const { config, medium } = await detect(put('x.img', bootFloppy('        ')));
  expect(medium.system).toBe('other');
  expect(config.memory).toBe(64);
});

it('makes a PC with an empty disk of an installer CD; the disk boots once it can', async () => {
  const { medium, config, newDisk } = await detect(put('debian-12.iso', isoImage()));
  expect(medium).toMatchObject({ kind: 'cdrom', format: 'iso', system: 'debian', bootable: true });
  expect(config).toMatchObject({ memory: 1024, boot: { order: 'cd' }, drives: [{ media: 'cdrom', format: 'iso' }] });
  expect(newDisk).toBe(16 * 2 ** 30);
});

it('gives a live system no disk', async () => {
  const { config, newDisk } = await detect(put('memtest.iso', isoImage({ label: 'MT86PLUS' })));
  expect(newDisk).toBeUndefined();
  expect(config).toMatchObject({ memory: 64, boot: { order: 'd' } });
});

it('warns of a CD that does not boot', async () => {
  const { medium } = await detect(put('data.iso', isoImage({ label: 'PHOTOS', bootable: false })));
  expect(medium).toMatchObject({ bootable: false, warnings: ['data.iso does not look bootable'] });
});

it('makes a disk of a folder of files', async () => {
  const { medium, config } = await detect(directory);
  expect(medium).toMatchObject({ kind: 'folder', format: 'raw', bootable: false });
  expect(medium.warnings).toHaveLength(1);
  expect(config).toMatchObject({ drives: [{ bus: 'ide', file: directory, format: 'raw' }] });
});

it('puts a disk on the IDE bus', async () => {
  const { medium, config } = await detect(put('disk.raw', rawDisk()));
  expect(medium).toMatchObject({ kind: 'disk', format: 'raw', bootable: true });
  expect(config).toMatchObject({ boot: { order: 'c' }, drives: [{ bus: 'ide', format: 'raw' }] });
});

it('boots a Linux kernel directly', async () => {
  const path = put('vmlinuz', bzImage());
  const { medium, config } = await detect(path);
  expect(medium).toMatchObject({ kind: 'kernel', format: 'bzImage', system: 'linux' });
  expect(config.kernel).toMatchObject({ file: path });
});

it('knows the folder of a VM', async () => {
  mkdirSync(join(directory, 'vm'));
  writeFileSync(join(directory, 'vm', 'config.json'), '{}');
  await expect(detect(join(directory, 'vm'))).resolves.toMatchObject({ medium: { kind: 'vm' } });
});

it.each([
  ['an empty file', 'empty.img', new Uint8Array(0), /empty\.img is empty/],
  ['a cut-off CD', 'cut.iso', isoImage({ blocks: 2000, length: 40 * 2048 }), /cut\.iso is cut short.*copy or download it again/],
  ['an unknown file', 'letter.doc', 'Dear Sir, '.repeat(200), /letter\.doc is not a disk image that is known here/],
  ['a compressed file', 'disk.img.gz', Uint8Array.of(0x1f, 0x8b, ...new Uint8Array(2000)), /is compressed with gzip; unpack it first/],
])('refuses %s in one clear line', async (_, name, contents, message) => {
  const error = await detect(put(name, contents)).catch((reason: unknown) => reason as Error);
  expect(error).toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) as string });
  expect((error as Error).message).not.toContain('\n');
});

it('says that a file is missing', async () => {
  await expect(detect(join(directory, 'nothing'))).rejects.toMatchObject({ kind: 'not-found' });
});

describe('systems', () => {
  it.each([
    ['WIN98SE', 'windows-9x'],
    ['FreeBSD_Install', 'bsd'],
    ['Ubuntu 24.04 LTS amd64', 'linux'],
    ['VRMPVOL_EN', 'windows-xp'],
    ['FRDOS5.1', 'freedos'],
    ['holiday', 'other'],
  ])('%s is %s', (label, system) => {
    expect(recognise([label])).toBe(system);
  });

  it.each(Object.keys(templates))('the hardware of %s is a valid configuration', (system) => {
    expect(completeConfig({ name: system, system, ...hardwareFor(system, 'disk') }).memory).toBeGreaterThanOrEqual(16);
  });
});

it('proposes what a configuration accepts', async () => {
  for (const path of [put('a.img', bootFloppy()), put('b.iso', isoImage()), put('c.raw', rawDisk()), put('d', bzImage())]) {
    const { config } = await detect(path);
    expect(completeConfig(config).id).toMatch(/^[0-9a-f-]{36}$/);
  }
});
