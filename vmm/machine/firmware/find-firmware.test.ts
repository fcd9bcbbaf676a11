import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AddressSpace } from '../../bus/address-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { BIOS_FILE, findFirmware, VGA_BIOS_FILE } from './find-firmware.node.ts';
import { mapSystemRom } from './system-rom.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strate-test-'));
});
afterAll(() => rm(directory, { recursive: true }));

test('the first directory with both images is taken', async () => {
  const bios = new Uint8Array(0x1_0000).fill(0xea);
  await writeFile(join(directory, BIOS_FILE), bios);
  await writeFile(join(directory, VGA_BIOS_FILE), Uint8Array.of(0x55, 0xaa));
  const found = await findFirmware('seabios', { directories: ['/nowhere', directory], download: false });
  expect(found.from).toBe(directory);
  expect(found.bios.length).toBe(bios.length);
  expect([...found.vgaBios!]).toEqual([0x55, 0xaa]);
});

test.each([
  ['empty.bin', new Uint8Array(0), /size is 0 bytes/],
  ['odd.bin', new Uint8Array(0x1_0001).fill(1), /65537 bytes/],
  ['blank.bin', new Uint8Array(0x1_0000).fill(0xff), /no code at the reset vector/],
])('%s is not a BIOS', async (name, bytes, message) => {
  const path = join(directory, name);
  await writeFile(path, bytes);
  await expect(findFirmware(path)).rejects.toThrow(message);
});

test('a missing file and UEFI are told in one line', async () => {
  await expect(findFirmware(join(directory, 'none.bin'))).rejects.toThrow(/cannot read the firmware .*none\.bin/);
  await expect(findFirmware('uefi')).rejects.toThrow(/not available yet/);
});

test('the ROM ends at 4 GiB, its last 128 KiB also at 1 MiB', () => {
  const memory = new GuestMemory(0x10_0000, 0x4_0000);
  const bus = new AddressSpace(new PhysicalMap(memory));
  mapSystemRom(
    memory,
    bus,
    Uint8Array.from({ length: 0x4_0000 }, (_, index) => index >> 10),
  );
  expect(bus.read(0xfffc_0000, 1)).toBe(0);
  expect(bus.read(0xffff_fffc, 1)).toBe(0xff);
  expect(bus.read(0xe_0000, 1)).toBe(0x80);
  expect(bus.read(0xf_ffff, 1)).toBe(0xff);
  bus.write(0xf_ffff, 1, 0);
  expect(bus.read(0xf_ffff, 1)).toBe(0xff);
});
