import { cmosFor } from './cmos-layout.ts';

const MIB = 1024 * 1024;
const word = (cmos: Uint8Array, at: number) => cmos[at]! | (cmos[at + 1]! << 8);

test('memory, drives and boot order as SeaBIOS reads them', () => {
  const cmos = cmosFor({
    lowMemory: 3072 * MIB,
    highMemory: 1024 * MIB,
    processors: 2,
    floppies: ['1.44m', 'none'],
    bootOrder: ['d', 'c', 'a'],
    hardDisks: [{ cylinders: 16383, heads: 16, sectors: 63 }, undefined],
  });
  expect(word(cmos, 0x15)).toBe(640);
  expect([word(cmos, 0x17), word(cmos, 0x30)]).toEqual([0xffff, 0xffff]);
  expect(word(cmos, 0x34) * 64 * 1024 + 16 * MIB).toBe(3072 * MIB);
  expect((word(cmos, 0x5b) | (cmos[0x5d]! << 16)) * 64 * 1024).toBe(1024 * MIB);
  expect(cmos[0x5f]).toBe(1);
  expect([cmos[0x10], cmos[0x14]]).toEqual([0x40, 0x07]);
  expect([cmos[0x3d], cmos[0x38]]).toEqual([0x23, 0x11]);
  expect([cmos[0x12], cmos[0x19], cmos[0x1a], word(cmos, 0x1b), cmos[0x1d], cmos[0x23], cmos[0x39]]).toEqual([0xf0, 47, 0, 16383, 16, 63, 1]);
  const sum = cmos.subarray(0x10, 0x2e).reduce((total, value) => total + value, 0);
  expect((cmos[0x2e]! << 8) | cmos[0x2f]!).toBe(sum);
});

test('a machine with little memory and nothing in it', () => {
  const cmos = cmosFor({ lowMemory: 8 * MIB, highMemory: 0, processors: 1, floppies: ['none', 'none'], bootOrder: [], bootUnsignedFloppies: false });
  expect([word(cmos, 0x17), word(cmos, 0x34), cmos[0x14], cmos[0x38], cmos[0x3d]]).toEqual([7168, 0, 0x06, 0, 0]);
});
