import { DISPI, DISPI_ENABLE } from './registers.ts';
import { LFB, MMIO, setDispi, setVbeMode, VgaBench } from './testing/vga-bench.ts';

test('identification: B0C0h to B0C5h can be asked for, nothing else', () => {
  const bench = new VgaBench();
  expect(bench.dispi(DISPI.ID)).toBe(0xb0c5);
  setDispi(bench, DISPI.ID, 0xb0c0);
  expect(bench.dispi(DISPI.ID)).toBe(0xb0c0);
  setDispi(bench, DISPI.ID, 0xb0c6);
  expect(bench.dispi(DISPI.ID)).toBe(0xb0c0);
  expect(bench.dispi(DISPI.VIDEO_MEMORY_64K)).toBe(256);
});

test('data is at 1CFh and 1D0h', () => {
  const bench = new VgaBench();
  bench.out16(0x1ce, DISPI.XRES);
  bench.out16(0x1d0, 640);
  expect(bench.ports.read(0x1cf, 2)).toBe(640);
  expect(bench.ports.read(0x1d0, 2)).toBe(640);
});

test('capabilities answer while asked for', () => {
  const bench = new VgaBench();
  setDispi(bench, DISPI.XRES, 640);
  setDispi(bench, DISPI.ENABLE, DISPI_ENABLE.GET_CAPABILITIES);
  expect([bench.dispi(DISPI.XRES), bench.dispi(DISPI.YRES), bench.dispi(DISPI.BPP)]).toEqual([2560, 1600, 32]);
  setDispi(bench, DISPI.ENABLE, 0);
  expect(bench.dispi(DISPI.XRES)).toBe(640);
});

test('switching on sets up the virtual screen and clears the picture, unless told not to', () => {
  const bench = new VgaBench();
  bench.space.write(LFB + 0x1000, 4, 0x12345678);
  setVbeMode(bench, 1920, 1200, 32, DISPI_ENABLE.LFB | DISPI_ENABLE.NO_CLEAR);
  expect(bench.space.read(LFB + 0x1000, 4)).toBe(0x12345678);
  setVbeMode(bench, 1920, 1200, 32);
  expect(bench.space.read(LFB + 0x1000, 4)).toBe(0);
  expect(bench.dispi(DISPI.VIRT_WIDTH)).toBe(1920);
  expect(bench.dispi(DISPI.VIRT_HEIGHT)).toBe(Math.floor(0x100_0000 / (1920 * 4)));
});

test('the virtual width is never less than the screen, and its height follows', () => {
  const bench = new VgaBench();
  setVbeMode(bench, 800, 600, 8);
  setDispi(bench, DISPI.VIRT_WIDTH, 100);
  expect(bench.dispi(DISPI.VIRT_WIDTH)).toBe(800);
  setDispi(bench, DISPI.VIRT_WIDTH, 1024);
  expect(bench.dispi(DISPI.VIRT_WIDTH)).toBe(1024);
  expect(bench.dispi(DISPI.VIRT_HEIGHT)).toBe(16384);
  setDispi(bench, DISPI.VIRT_HEIGHT, 1);
  expect(bench.dispi(DISPI.VIRT_HEIGHT)).toBe(16384);
  setDispi(bench, DISPI.X_OFFSET, 16);
  setDispi(bench, DISPI.Y_OFFSET, 300);
  expect(bench.adapter.scanout()).toMatchObject({ start: 300 * 1024 + 16, pitch: 1024, width: 800, height: 600 });
});

test('resolutions are limited, and an unknown depth is no mode', () => {
  const bench = new VgaBench();
  setVbeMode(bench, 0xffff, 0xffff, 32);
  expect(bench.adapter.scanout()).toMatchObject({ kind: 'graphics', width: 2560, height: 1600 });
  setVbeMode(bench, 640, 480, 17);
  expect(bench.adapter.scanout().kind).toBe('blank');
});

test('BAR 2 holds EDID, ports and registers side by side', () => {
  const bench = new VgaBench();
  const edid = Array.from({ length: 128 }, (_, at) => bench.read8(MMIO + at));
  expect(edid.slice(0, 8)).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
  expect(edid.reduce((sum, byte) => sum + byte, 0) % 256).toBe(0);
  expect((edid[0x38]! | ((edid[0x3a]! >> 4) << 8)) * 1).toBe(1280);
  expect(edid[0x3b]! | ((edid[0x3d]! >> 4) << 8)).toBe(800);
  expect(bench.read8(MMIO + 0x200)).toBe(0);
  // The ports: an indexed register by one word write.
  bench.space.write(MMIO + 0x400 + 0x02, 1, 0x67);
  bench.space.write(MMIO + 0x400 + 0x04, 2, 0x0f02);
  expect(bench.get(0x3c4, 2)).toBe(0x0f);
  expect(bench.space.read(MMIO + 0x404, 2)).toBe(0x0f02);
  // DISPI, flat.
  bench.space.write(MMIO + 0x500 + 2 * DISPI.XRES, 2, 1024);
  expect(bench.dispi(DISPI.XRES)).toBe(1024);
  expect(bench.space.read(MMIO + 0x500, 2)).toBe(0xb0c5);
  // QEMU's extended registers: size, little-endian frame buffer.
  expect([bench.space.read(MMIO + 0x600, 4), bench.space.read(MMIO + 0x604, 4)]).toEqual([8, 0x1e1e1e1e]);
});
