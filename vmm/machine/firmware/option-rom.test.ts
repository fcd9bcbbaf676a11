import { nameRomDevice } from './option-rom.ts';

const identity = { vendor: 0x10ec, device: 0x8029, classCode: 0x02_00_00 };

test('a ROM is given its device’s identity, and its sum stays', () => {
  const rom = Uint8Array.from({ length: 1024 }, (_, at) => at * 7);
  rom.set([0x55, 0xaa, 2]);
  rom.set([0x40, 0x00], 0x18);
  rom.set([0x50, 0x43, 0x49, 0x52, 0xf4, 0x1a, 0x41, 0x10], 0x40);
  const sum = () => rom.reduce((total, byte) => total + byte, 0) & 0xff;
  const before = sum();
  nameRomDevice(rom, identity);
  expect([...rom.subarray(0x44, 0x48)]).toEqual([0xec, 0x10, 0x29, 0x80]);
  expect(sum()).toBe(before);
});

test('what is no PCI ROM is left alone', () => {
  const rom = new Uint8Array(1024).fill(1);
  nameRomDevice(rom, identity);
  rom.set([0x55, 0xaa, 1]);
  rom.set([0xfe, 0x01], 0x18); // its data would lie behind its end
  const before = rom.slice();
  nameRomDevice(rom, identity);
  expect(rom).toEqual(before);
});
