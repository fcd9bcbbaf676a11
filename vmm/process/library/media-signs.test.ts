import { diskSigns, readCd, type MediumReader } from './media-signs.ts';
import { isoImage } from './test-images.test-support.ts';
import { recognise } from './templates.ts';

const reader = (bytes: Uint8Array): MediumReader => ({
  size: bytes.length,
  read: (offset, into) => {
    into.set(bytes.subarray(offset, offset + into.length));
    return Promise.resolve();
  },
});

/** An installer CD with these names in its root directory (block 20), and an El Torito catalogue (block 19). */
function cd(names: readonly string[], platform = 0): Uint8Array {
  const image = isoImage({ label: 'SETUP' });
  const view = new DataView(image.buffer, image.byteOffset);
  view.setUint32(16 * 2048 + 158, 20, true);
  view.setUint32(16 * 2048 + 166, 2048, true);
  view.setUint32(17 * 2048 + 0x47, 19, true);
  image.set([1, platform], 19 * 2048);
  image.set([0x55, 0xaa], 19 * 2048 + 30);
  let at = 20 * 2048;
  for (const name of ['\0', '\u0001', ...names]) {
    const length = 33 + name.length + ((33 + name.length) % 2);
    image[at] = length;
    image[at + 32] = name.length;
    image.set(Buffer.from(name, 'latin1'), at + 33);
    at += length;
  }
  return image;
}

it('reads the root of a CD and what it boots', async () => {
  expect(await readCd(reader(cd(['I386', 'README.TXT;1', 'WIN51IP.;1'])))).toEqual({
    labels: ['SETUP'],
    names: ['I386', 'README.TXT', 'WIN51IP'],
    bootable: true,
    bootPlatform: '80x86',
  });
  expect(await readCd(reader(cd([], 0xef)))).toMatchObject({ bootPlatform: 'EFI' });
});

it.each([
  [['I386', 'CDROM_NT.5'], 'windows-2000'],
  [['I386', 'WIN51IP'], 'windows-xp'],
  [['CDROM_W.40', 'I386'], 'windows-nt'],
  [['WIN98'], 'windows-9x'],
  [['INSTALL.386', 'DISTS'], 'debian'],
  [['ISOLINUX'], 'linux'],
  [['README'], 'other'],
])('%j is %s', (names, system) => {
  expect(recognise(names.map((name) => `/${name}`))).toBe(system);
});

it('takes 32-bit Linux for what it is', () => {
  expect(recognise(['/ISOLINUX', 'puppy', 'puppy-i386.iso'])).toBe('linux-32');
  expect(recognise(['/ISOLINUX', 'Mint', 'mint-x86_64.iso'])).toBe('linux');
});

it('reads partitions and the boot records behind them', async () => {
  const disk = new Uint8Array(64 * 512);
  const view = new DataView(disk.buffer);
  disk.set([0x55, 0xaa], 510);
  disk[446 + 4] = 6;
  view.setUint32(446 + 8, 63, true);
  disk.set(Buffer.from('MSWIN4.1'), 63 * 512 + 3);
  const { texts, bootable } = await diskSigns(reader(disk));
  expect([bootable, recognise(texts)]).toEqual([true, 'windows-9x']);
  disk.fill(0, 63 * 512);
  expect(recognise((await diskSigns(reader(disk))).texts)).toBe('dos');
});

it('survives what lies', async () => {
  const image = cd(['A']);
  new DataView(image.buffer, image.byteOffset).setUint32(16 * 2048 + 158, 0xffff_ffff, true);
  expect(await readCd(reader(image))).toMatchObject({ names: [] });
  expect(await diskSigns(reader(new Uint8Array(100)))).toMatchObject({ bootable: false });
});
