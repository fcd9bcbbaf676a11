import { AddressSpace } from '../bus/address-space.ts';
import type { Dma } from '../bus/dma.ts';
import { GuestDma } from './dma.ts';
import { GuestMemory, PhysicalMap } from './physical-map.ts';

function board(): { memory: GuestMemory; physical: PhysicalMap; space: AddressSpace; dma: Dma; written: [number, number][] } {
  const memory = new GuestMemory(0x10_0000, 0x4000);
  const physical = new PhysicalMap(memory);
  const space = new AddressSpace(physical);
  space.mapBlock(0, memory.ram);
  const written: [number, number][] = [];
  physical.onWrite((offset, length) => written.push([offset, length]));
  return { memory, physical, space, dma: new GuestDma(physical), written };
}

test('a view of plain RAM is the RAM itself, across pages', () => {
  const { memory, dma } = board();
  const view = dma.view(0xffe, 0x2004)!;
  view.fill(7);
  expect(memory.bytes[0xffe]).toBe(7);
  expect(memory.bytes[0x3001]).toBe(7);
  expect(memory.bytes[0x3002]).toBe(0);
});

test('there is no view beyond RAM, of ROM, or across two blocks that lie apart', () => {
  const { memory, space, dma } = board();
  const rom = memory.allocate('rom', 0x1000);
  space.mapBlock(0x8000, rom, { readOnly: true, priority: 1 });
  expect(dma.view(0x8000, 4)).toBeUndefined();
  expect(dma.view(0x7ffe, 4)).toBeUndefined();
  expect(dma.view(0xf_fffe, 4)).toBeUndefined();
  expect(dma.view(0xffff_f000, 4)).toBeUndefined();
  expect(dma.view(0, 0)).toBeUndefined();
});

test('reads give FFh where no memory answers, and read ROM', () => {
  const { memory, space, dma } = board();
  const rom = memory.allocate('rom', 0x1000);
  rom.bytes.fill(0x5a);
  space.mapBlock(0x10_0000, rom, { readOnly: true });
  memory.ram.bytes.fill(1);
  const into = new Uint8Array(0x1004);
  dma.read(0xf_fffe, into);
  expect([...into.subarray(0, 3)]).toEqual([1, 1, 0x5a]);
  expect([...into.subarray(0x1000)]).toEqual([0x5a, 0x5a, 0xff, 0xff]);
});

test('writes reach RAM only, and say what they changed in guest memory offsets', () => {
  const { memory, space, dma, written } = board();
  const rom = memory.allocate('rom', 0x1000);
  space.mapBlock(0x10_0000, rom, { readOnly: true });
  dma.write(0xf_fffe, new Uint8Array(8).fill(9));
  expect([...memory.ram.bytes.subarray(0xf_fffe)]).toEqual([9, 9]);
  expect(rom.bytes[0]).toBe(0);
  expect(written).toEqual([[0xf_fffe, 2]]);
});

test('writes to video memory mark its pages dirty', () => {
  const { memory, space, dma } = board();
  const vram = memory.allocate('vram', 0x3000);
  space.mapBlock(0xe000_0000, vram, { dirtyLog: true });
  dma.write(0xe000_0ffe, new Uint8Array(4).fill(1));
  const page = vram.offset >>> 12;
  expect([...memory.dirty.subarray(page, page + 3)]).toEqual([1, 1, 0]);
  expect(dma.view(0xe000_0000, 16)).toBeUndefined();
});

test('wrote tells of each stretch', () => {
  const { dma, written } = board();
  dma.wrote(0x1234, 0x3000);
  dma.wrote(0xffff_0000, 0x100);
  expect(written).toEqual([[0x1234, 0x3000]]);
});
