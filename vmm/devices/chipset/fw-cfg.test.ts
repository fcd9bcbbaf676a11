import { silentLog } from '../../base/log.ts';
import { describeDevice, type FixtureContext } from '../../bus/conformance.ts';
import type { DeviceContext } from '../../bus/device.ts';
import { ManualScheduler } from '../../bus/clock.ts';
import type { Dma } from '../../bus/dma.ts';
import { fwCfg } from './fw-cfg.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function ramDma(ram: Uint8Array): Dma {
  return {
    view: () => undefined,
    wrote: () => undefined,
    read: (addr, into) => into.set(ram.subarray(addr, addr + into.length)),
    write: (addr, from) => ram.set(from.subarray(0, Math.max(0, ram.length - addr)), Math.min(addr, ram.length)),
  };
}

function make(context?: FixtureContext) {
  const ram = new Uint8Array(0x2_0000);
  const received: Uint8Array[] = [];
  const own: DeviceContext = context ?? { scheduler: new ManualScheduler(), dma: ramDma(ram), log: silentLog };
  const device = fwCfg.create(own, {
    items: new Map([[0x0e, Uint8Array.from([1, 0])]]),
    files: [
      { name: 'etc/zz', data: text('last') },
      { name: 'bootorder', data: text('/floppy\n') },
      { name: 'opt/message', data: new Uint8Array(64), written: (data) => received.push(data) },
    ],
  });
  const select = (key: number): void => device.ports.write(0, 2, key);
  const bytes = (count: number): number[] => Array.from({ length: count }, () => device.ports.read(1, 1));
  /** One DMA operation; returns the control word it leaves. */
  const dma = (control: number, length: number, address: number, at = 0x100): number => {
    const view = new DataView(ram.buffer);
    view.setUint32(at, control);
    view.setUint32(at + 4, length);
    view.setUint32(at + 8, 0);
    view.setUint32(at + 12, address);
    device.dma.write(4, 4, ((at & 0xff) << 24) | ((at & 0xff00) << 8));
    return view.getUint32(at);
  };
  return { device, ram, received, select, bytes, dma };
}

test('the signature and the features: traditional and DMA', () => {
  const { select, bytes } = make();
  select(0);
  expect(String.fromCharCode(...bytes(4))).toBe('QEMU');
  expect(bytes(2)).toEqual([0, 0]); // past the end
  select(1);
  expect(bytes(4)).toEqual([3, 0, 0, 0]);
  select(0x0e);
  expect(bytes(2)).toEqual([1, 0]);
  select(0x7777);
  expect(bytes(1)).toEqual([0]);
});

test('the directory lists files by name, with size and key, big-endian', () => {
  const { device, select, bytes } = make();
  select(0x19);
  const directory = Uint8Array.from(bytes(4 + 3 * 64));
  const view = new DataView(directory.buffer);
  expect(view.getUint32(0)).toBe(3);
  const names = [0, 1, 2].map((index) => new TextDecoder().decode(directory.subarray(12 + 64 * index, 68 + 64 * index)).replace(/\0.*$/, ''));
  expect(names).toEqual(['bootorder', 'etc/zz', 'opt/message']);
  expect(view.getUint32(4)).toBe(8);
  expect(view.getUint16(8)).toBe(device.keyOf('bootorder'));
  select(device.keyOf('etc/zz'));
  expect(String.fromCharCode(...bytes(4))).toBe('last');
});

test('the DMA address register reads as QEMU CFG', () => {
  const { device } = make();
  expect(device.dma.read(0, 4)).toBe(0x554d_4551);
  expect(device.dma.read(4, 4)).toBe(0x4746_4320);
  expect(device.dma.read(1, 1)).toBe('E'.charCodeAt(0));
});

test('DMA selects, skips, reads and pads with zeroes', () => {
  const { device, ram, dma } = make();
  ram.fill(0xcc, 0x1000, 0x1010);
  const key = device.keyOf('bootorder');
  expect(dma((key << 16) | 0x08 | 0x04, 1, 0)).toBe(0);
  expect(dma(0x02, 12, 0x1000)).toBe(0);
  expect(new TextDecoder().decode(ram.subarray(0x1000, 0x1007))).toBe('floppy\n');
  expect([...ram.subarray(0x1007, 0x100d)]).toEqual([0, 0, 0, 0, 0, 0xcc]);
});

test('a file with a listener takes a message; others cannot be written', () => {
  const { device, ram, dma, received } = make();
  ram.set(text('hello'), 0x2000);
  expect(dma((device.keyOf('opt/message') << 16) | 0x08 | 0x10, 5, 0x2000)).toBe(0);
  expect(received.map((data) => new TextDecoder().decode(data))).toEqual(['hello']);
  expect(dma((device.keyOf('etc/zz') << 16) | 0x08 | 0x10, 2, 0x2000)).toBe(1);
  expect(dma((device.keyOf('opt/message') << 16) | 0x08 | 0x10, 65, 0x2000)).toBe(1);
});

test('a transfer beyond the limit is refused', () => {
  const { dma } = make();
  expect(dma(0x0a, 0xffff_ffff, 0x1000)).toBe(1);
});

describeDevice('fw_cfg', (context) => {
  const { device, received } = make(context);
  // A descriptor in RAM, as firmware makes them.
  const descriptor = (value: number): void => {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint32(0, value & 0x3f_001f);
    view.setUint32(4, value & 0xffff);
    view.setUint32(12, value & 0xf_ffff);
    context.dma.write(0x100, new Uint8Array(view.buffer));
    device.dma.write(4, 4, 0x0001_0000);
  };
  return {
    format: fwCfg.state,
    device,
    regions: [
      { region: device.ports, length: 2 },
      { region: device.dma, length: 8, hot: [0, 4] },
    ],
    events: { descriptor },
    observe: () => received.length,
    maxWork: 8192,
  };
});
