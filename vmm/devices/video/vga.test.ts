import { describeDevice } from '../../bus/conformance.ts';
import { loadDevice, saveDevice, validateState } from '../../bus/saved-state.ts';
import { z } from 'zod';
import { vga } from './vga.ts';
import { TEXT_CELLS_BYTES } from './video-memory.ts';
import { loadFont, set, setAttribute, setMode, setVbeMode, VgaBench } from './testing/vga-bench.ts';

test('PCI identity and BARs are those of the Bochs/QEMU standard VGA', () => {
  const { config } = new VgaBench().adapter;
  expect(config.read(0, 4)).toBe(0x1111_1234);
  expect(config.read(8, 4)).toBe(0x0300_0002);
  expect(config.read(0x2c, 4)).toBe(0x1100_1af4);
  config.write(0x10, 4, 0xffff_ffff);
  expect(config.read(0x10, 4)).toBe(0xff00_0008); // 16 MiB, prefetchable
  config.write(0x18, 4, 0xffff_ffff);
  expect(config.read(0x18, 4)).toBe(0xffff_f000);
  config.write(0x30, 4, 0xffff_ffff);
  expect(config.read(0x30, 4)).toBe(0); // no ROM was given
});

test('a saved state brings the same picture and the same memory windows back', () => {
  const first = new VgaBench(0x4_0000);
  setMode(first, 0x03);
  loadFont(first);
  for (let cell = 0; cell < 2000; cell++) first.space.write(0xb8000 + 2 * cell, 2, 0x1700 | (cell & 0xff));
  const second = new VgaBench(0x4_0000);
  second.adapter.memory.set(first.adapter.memory);
  const saved = structuredClone(saveDevice(first.adapter, vga.state));
  loadDevice(second.adapter, validateState('vga', vga.state, saved));
  expect(second.directOffset(0xb8000)).toBe(first.directOffset(0xb8000));
  expect(second.screen.text()).toEqual(first.screen.text());
  expect(second.screen.mode.surface.words).toEqual(first.screen.mode.surface.words);
});

test('reset leaves video memory alone and takes the picture away', () => {
  const bench = new VgaBench();
  setVbeMode(bench, 640, 480, 32);
  bench.space.write(0xe000_0000, 4, 0x00ff00ff);
  bench.adapter.reset('warm');
  expect(bench.adapter.scanout().kind).toBe('blank');
  expect(bench.adapter.memory[0]).toBe(0xff);
  expect(bench.directOffset(0xa0000)).toBeUndefined();
  expect(bench.in8(0x3cc)).toBe(0);
});

test('a reset in a text mode keeps what was on the screen', () => {
  const bench = new VgaBench();
  setMode(bench, 0x03);
  bench.space.write(0xb8000, 2, 0x1741);
  bench.adapter.reset('warm');
  setMode(bench, 0x03);
  expect(bench.space.read(0xb8000, 2)).toBe(0x1741);
});

test('inspect names the mode', () => {
  const bench = new VgaBench();
  setMode(bench, 0x13);
  expect(bench.adapter.inspect!()).toMatchObject({ mode: 'graphics', size: '320x200', format: 'indexed8', 'refresh (Hz)': 70.1 });
  setMode(bench, 0x12);
  expect(bench.adapter.inspect!()).toMatchObject({ size: '640x480', format: 'planar4', 'refresh (Hz)': 59.9 });
  setMode(bench, 0x03);
  expect(bench.adapter.inspect!()).toMatchObject({ mode: 'text', format: '80x25 cells', 'refresh (Hz)': 70.1 });
});

// Video memory is guest memory, saved by others: here it is joined to the registers, so that a reloaded adapter can be compared. It is as small as
// it can be, because each comparison looks at every byte.
const VRAM = 0x1_0000;

describeDevice(
  'vga',
  (context) => {
    const block = { name: 'video', offset: 0, length: VRAM + TEXT_CELLS_BYTES, bytes: new Uint8Array(VRAM + TEXT_CELLS_BYTES) };
    const shown: unknown[] = [];
    const device = vga.create(context, {
      block,
      dirty: new Uint8Array(block.length >> 12),
      direct: { show: (view) => (shown[0] = view) },
    });
    const memory = {
      get hex(): string {
        return Buffer.from(block.bytes).toString('latin1');
      },
      set hex(value: string) {
        block.bytes.set(Buffer.from(value, 'latin1'));
      },
    };
    const state = { vga: device.state, memory };
    return {
      format: { version: 1, schema: z.strictObject({ vga: vga.state.schema, memory: z.strictObject({ hex: z.string().length(block.length) }) }) },
      device: { state, reset: (kind) => device.reset(kind), loaded: () => device.loaded!() },
      regions: [
        { region: device.ports, length: 32 },
        { region: device.ports, length: 32, hot: [0x04, 0x05, 0x0e, 0x0f, 0x14, 0x15, 0x00, 0x02] },
        { region: device.monochromePorts, length: 12 },
        { region: device.dispiPorts, length: 4 },
        { region: device.window, length: 0x20000, hot: [0, 1, 2, 3, 0x10000, 0x18000, 0x1ffff] },
        { region: (device.config.identity.bars![1] as { region: typeof device.window }).region, length: 0x1000, hot: [0x405, 0x40f, 0x508, 0x506] },
      ],
      events: {
        textMode: () => applyRegisters(device, 0x03),
        planarMode: () => applyRegisters(device, 0x12),
        linearMode: () => applyRegisters(device, 0x13),
      },
      observe: () => [shown[0], device.scanout(), device.inspect!()],
      retained: ['memory'],
    };
  },
  { runs: 40 },
);

function applyRegisters(device: ReturnType<typeof vga.create>, mode: 0x03 | 0x12 | 0x13): void {
  const region = (port: number) => (port < 0x3c0 ? { region: device.monochromePorts, base: 0x3b0 } : { region: device.ports, base: 0x3c0 });
  const target = {
    out8: (port: number, value: number) => region(port).region.write(port - region(port).base, 1, value),
    out16: (port: number, value: number) => device.dispiPorts.write(port - 0x1ce, 2, value),
    in8: (port: number) => region(port).region.read(port - region(port).base, 1),
    write8: () => undefined,
    fill: () => undefined,
    lfb: 0,
  };
  setMode(target, mode);
  set(target, 0x3c4, 0, 3);
  setAttribute(target, 0x11, 0);
}
