import { AddressSpace } from '../../bus/address-space.ts';
import { describeDevice, type FixtureContext } from '../../bus/conformance.ts';
import { silentLog } from '../../base/log.ts';
import { unconnectedIrq } from '../../bus/irq.ts';
import { PRIORITY_LEGACY } from '../../bus/memory-bus.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { i440fx } from './i440fx.ts';

const MIB = 0x10_0000;

function make(ramSize = 16 * MIB) {
  const memory = new GuestMemory(ramSize, 0x4_0000);
  const rom = memory.allocate('rom', 0x4_0000);
  rom.bytes.fill(0xee);
  const space = new AddressSpace(new PhysicalMap(memory));
  space.mapBlock(0xc_0000, rom, { readOnly: true, priority: PRIORITY_LEGACY });
  const bridge = i440fx.create({ log: silentLog } as FixtureContext, { memory: space, ram: memory.ram });
  bridge.config.connect({ ports: new PortSpace(), memory: space, intx: unconnectedIrq });
  return { memory, space, bridge, pam: (index: number, value: number) => bridge.config.write(0x59 + index, 1, value) };
}

test('identity is that of the PMC', () => {
  const { bridge } = make();
  expect(bridge.config.read(0, 4)).toBe(0x1237_8086);
  expect(bridge.config.read(8, 4)).toBe(0x0600_0002);
  expect(bridge.config.read(4, 4)).toBe(0x0280_0006);
  expect(bridge.config.read(0x72, 1)).toBe(0x02);
});

test('RAM is below 640 KiB and from 1 MiB on; between them only what PAM and SMRAM open', () => {
  const { memory, space } = make();
  memory.ram.bytes.fill(0x11);
  const at = (address: number): number => space.read(address, 1);
  expect([at(0), at(0x9_ffff), at(0x10_0000), at(16 * MIB - 1)]).toEqual([0x11, 0x11, 0x11, 0x11]);
  expect([at(0xa_0000), at(0xc_0000), at(0xf_0000), at(16 * MIB)]).toEqual([0xff, 0xee, 0xee, 0xff]);
});

test.each([
  [0, 0x10, 0xf_0000, 0x1_0000],
  [1, 0x01, 0xc_0000, 0x4000],
  [1, 0x10, 0xc_4000, 0x4000],
  [2, 0x01, 0xc_8000, 0x4000],
  [3, 0x10, 0xd_4000, 0x4000],
  [4, 0x01, 0xd_8000, 0x4000],
  [5, 0x01, 0xe_0000, 0x4000],
  [6, 0x10, 0xe_c000, 0x4000],
])('PAM%i = %p shadows %p', (index, value, base, length) => {
  const { memory, space, pam } = make();
  memory.ram.bytes.fill(0x11, 0xc_0000, 0x10_0000);
  pam(index, value); // read DRAM, write PCI
  const reads = [base - 1, base, base + length - 1, base + length].map((address) => space.read(address, 1));
  expect(reads.slice(1, 3)).toEqual([0x11, 0x11]);
  if (base > 0xc_0000) expect(reads[0]).toBe(0xee);
  if (base < 0xf_0000) expect(reads[3]).toBe(0xee);
  space.write(base, 1, 0x22);
  expect(memory.ram.bytes[base]).toBe(0x11);
  pam(index, value << 1); // write DRAM, read PCI: how firmware copies a ROM onto itself
  space.write(base, 1, space.read(base, 1));
  expect(memory.ram.bytes[base]).toBe(0xee);
});

test('reset closes the shadow again', () => {
  const { space, bridge, pam, memory } = make();
  memory.ram.bytes.fill(0x11);
  pam(0, 0x30);
  expect(space.read(0xf_0000, 1)).toBe(0x11);
  bridge.reset('warm');
  expect(space.read(0xf_0000, 1)).toBe(0xee);
});

test('SMRAM opens the video hole until it is locked', () => {
  const { space, bridge, memory } = make();
  memory.ram.bytes[0xa_0000] = 0x77;
  const smram = (value: number): number => {
    bridge.config.write(0x72, 1, value);
    return bridge.config.read(0x72, 1);
  };
  expect(smram(0x4a)).toBe(0x4a);
  expect(space.read(0xa_0000, 1)).toBe(0x77);
  expect(smram(0x6a)).toBe(0x6a); // closed
  expect(space.read(0xa_0000, 1)).toBe(0xff);
  expect(smram(0x5a)).toBe(0x1a); // locked: D_OPEN reads 0
  expect(smram(0x4a)).toBe(0x1a);
  expect(space.read(0xa_0000, 1)).toBe(0xff);
  bridge.reset('warm');
  expect(smram(0x4a)).toBe(0x4a);
});

test('less than 1 MiB of RAM works', () => {
  const { space, pam } = make(0x8_0000);
  pam(0, 0x30);
  expect(space.read(0x7_ffff, 1)).toBe(0);
  expect(space.read(0x8_0000, 1)).toBe(0xff);
  expect(space.read(0xf_0000, 1)).toBe(0xee);
});

describeDevice('i440FX', (context) => {
  const memory = new GuestMemory(2 * MIB);
  const space = new AddressSpace(new PhysicalMap(memory));
  const device = i440fx.create(context, { memory: space, ram: memory.ram });
  device.config.connect({ ports: new PortSpace(), memory: space, intx: unconnectedIrq });
  const region = {
    name: 'config space',
    read: (offset: number, size: 1 | 2 | 4) => device.config.read(offset, size),
    write: (offset: number, size: 1 | 2 | 4, value: number) => device.config.write(offset, size, value),
  };
  return { format: i440fx.state, device, regions: [{ region, length: 256, hot: [0x59, 0x5a, 0x5f, 0x72] }], observe: () => space.describe() };
});
