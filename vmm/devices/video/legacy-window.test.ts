import { DISPI, DISPI_ENABLE } from './registers.ts';
import { LFB, loadFont, set, setDispi, setMode, setVbeMode, testGlyph, VgaBench } from './testing/vga-bench.ts';

const VRAM = 0x100_0000;

test('mode 13h is plain memory at A0000h, logged', () => {
  const bench = new VgaBench();
  setMode(bench, 0x13);
  expect(bench.directOffset(0xa0000)).toBe(0);
  expect(bench.directOffset(0xaf000)).toBe(0xf000);
  expect(bench.directOffset(0xb0000)).toBeUndefined();
  bench.adapter.dirty.fill(0);
  bench.space.write(0xa1234, 4, 0xdeadbeef);
  expect(bench.space.read(LFB + 0x1234, 4)).toBe(0xdeadbeef);
  expect(bench.adapter.dirty.indexOf(1)).toBe(1);
});

test('anything that is not a plain byte comes through the registers', () => {
  const bench = new VgaBench();
  for (const [port, index, value] of [
    [0x3c4, 2, 0x07], // a plane masked
    [0x3ce, 1, 0x01], // set/reset
    [0x3ce, 3, 0x08], // logic unit
    [0x3ce, 5, 0x41], // write mode 1
    [0x3ce, 5, 0x48], // read compare
    [0x3ce, 8, 0x7f], // bit mask
    [0x3c4, 4, 0x06], // unchained
  ] as const) {
    setMode(bench, 0x13);
    expect(bench.directOffset(0xa0000)).toBe(0);
    set(bench, port, index, value);
    expect([port, index, bench.directOffset(0xa0000)]).toEqual([port, index, undefined]);
  }
});

test('the memory map select moves the window', () => {
  const bench = new VgaBench();
  setMode(bench, 0x12);
  bench.write8(0xa0000, 0x11);
  set(bench, 0x3ce, 6, 0x09); // B0000-B7FFF
  expect(bench.read8(0xa0000)).toBe(0xff);
  expect(bench.read8(0xb0000)).toBe(0x11);
  expect(bench.read8(0xb8000)).toBe(0xff);
  set(bench, 0x3ce, 6, 0x0d); // B8000-BFFFF
  expect(bench.read8(0xb8000)).toBe(0x11);
  set(bench, 0x3ce, 6, 0x01); // all 128 KiB
  expect([bench.read8(0xa0000), bench.read8(0xb0000)]).toEqual([0x11, 0x11]);
  bench.out8(0x3c2, 0xe1); // RAM disabled
  expect(bench.read8(0xa0000)).toBe(0xff);
});

describe('text', () => {
  test('cells are plain memory while nothing but cells is addressed', () => {
    const bench = new VgaBench();
    setMode(bench, 0x03);
    expect(bench.directOffset(0xb8000)).toBe(VRAM);
    expect(bench.directOffset(0xbf000)).toBe(VRAM + 0x7000);
    expect(bench.directOffset(0xa0000)).toBeUndefined();
  });

  test('loading a font leaves the text alone, and the other way round', () => {
    const bench = new VgaBench();
    setMode(bench, 0x03);
    for (let cell = 0; cell < 0x4000; cell++) bench.space.write(0xb8000 + 2 * cell, 2, (cell * 7) & 0xffff);
    loadFont(bench);
    expect(bench.directOffset(0xb8000)).toBe(VRAM);
    for (let cell = 0; cell < 0x4000; cell++) expect(bench.space.read(0xb8000 + 2 * cell, 2)).toBe((cell * 7) & 0xffff);
    // The planes as they are for a program that reads them one by one.
    set(bench, 0x3c4, 4, 0x07);
    set(bench, 0x3ce, 5, 0x00);
    set(bench, 0x3ce, 6, 0x05);
    const plane = (number: number, offset: number): number => {
      set(bench, 0x3ce, 4, number);
      return bench.read8(0xa0000 + offset);
    };
    expect([plane(0, 100), plane(1, 100), plane(2, 32 * 65 + 3)]).toEqual([700 & 0xff, 700 >> 8, testGlyph(65, 3)]);
  });

  test('monochrome text is at B0000h', () => {
    const bench = new VgaBench();
    setMode(bench, 0x07);
    expect(bench.directOffset(0xb0000)).toBe(VRAM);
    expect(bench.directOffset(0xb8000)).toBeUndefined();
  });

  test('CGA graphics, which address memory like text, are not cells', () => {
    const bench = new VgaBench();
    setMode(bench, 0x04);
    expect(bench.directOffset(0xb8000)).toBeUndefined();
    bench.write8(0xb8000, 0x12);
    expect(bench.adapter.memory[0]).toBe(0x12);
  });
});

describe('linear VBE modes', () => {
  test('A0000h shows a bank of 64 KiB, whatever the VGA registers say', () => {
    const bench = new VgaBench();
    setVbeMode(bench, 800, 600, 16);
    set(bench, 0x3ce, 5, 3);
    bench.out8(0x3c2, 0x67);
    setDispi(bench, DISPI.BANK, 3);
    expect(bench.directOffset(0xa0000)).toBe(0x3_0000);
    bench.space.write(0xa0010, 2, 0xf800);
    expect(bench.space.read(LFB + 0x3_0010, 2)).toBe(0xf800);
    expect(bench.read8(0xb0000)).toBe(0xff);
  });

  test('banks beyond video memory wrap', () => {
    const bench = new VgaBench();
    bench.out8(0x3c2, 0x67);
    setVbeMode(bench, 640, 480, 8);
    setDispi(bench, DISPI.BANK, 0x1ff);
    expect(bench.dispi(DISPI.BANK)).toBe(0xff);
    expect(bench.directOffset(0xa0000)).toBe(0xff_0000);
  });

  test('4 bpp is planar, 64 KiB of each plane at a time', () => {
    const bench = new VgaBench();
    setMode(bench, 0x12);
    setVbeMode(bench, 1024, 768, 4, DISPI_ENABLE.NO_CLEAR);
    setDispi(bench, DISPI.BANK, 1);
    bench.write8(0xa0000, 0x5a);
    expect([...bench.adapter.memory.subarray(0x4_0000, 0x4_0004)]).toEqual([0x5a, 0x5a, 0x5a, 0x5a]);
  });
});

test('bank switching costs the map nothing but its own pages', () => {
  const bench = new VgaBench();
  bench.out8(0x3c2, 0x67);
  setVbeMode(bench, 640, 480, 8);
  let changed = 0;
  bench.physical.onChange((_first, count) => (changed += count));
  for (let bank = 1; bank <= 100; bank++) setDispi(bench, DISPI.BANK, bank);
  expect(changed).toBe(1600);
});
