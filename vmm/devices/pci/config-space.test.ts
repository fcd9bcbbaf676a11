import { AddressSpace } from '../../bus/address-space.ts';
import type { Region } from '../../bus/bus.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { PciConfig, type PciIdentity } from './config-space.ts';
import { COMMAND_INTX_DISABLE, COMMAND_IO, COMMAND_MEMORY, PCI_COMMAND, PCI_ROM_ADDRESS, PCI_STATUS, STATUS_INTERRUPT } from './registers.ts';

const tag = (value: number): Region => ({ name: `tag ${value}`, sizes: 1, read: () => value, write: () => undefined });

function make(identity: Partial<PciIdentity> = {}) {
  const memory = new GuestMemory(0x1_0000, 0x10_0000);
  const vram = memory.allocate('vram', 0x1_0000);
  const rom = memory.allocate('rom', 0x1000);
  rom.bytes.fill(0x55);
  const physical = new PhysicalMap(memory);
  const space = new AddressSpace(physical);
  const ports = new PortSpace();
  const config = new PciConfig({
    vendor: 0x1234,
    device: 0x5678,
    revision: 9,
    classCode: 0x02_0801,
    interruptPin: 1,
    bars: [
      { bar: 0, space: 'io', length: 0x20, region: tag(0x10) },
      { bar: 1, space: 'memory', length: 0x1000, region: tag(0x11) },
      { bar: 2, space: 'memory', length: 0x1_0000, block: vram, dirtyLog: true, prefetchable: true },
      { bar: 'rom', space: 'memory', length: 0x1000, block: rom },
    ],
    ...identity,
  });
  const irq = new ProbeIrq();
  config.connect({ ports, memory: space, intx: irq });
  return { config, ports, space, physical, vram, irq };
}

test('identity stands where the specification puts it and cannot be written', () => {
  const { config } = make();
  for (let offset = 0; offset < 0x40; offset += 4) if (offset !== PCI_COMMAND) config.write(offset, 4, 0);
  expect(config.read(0, 4)).toBe(0x5678_1234);
  expect(config.read(8, 4)).toBe(0x0208_0109);
  expect(config.read(0x2c, 4)).toBe(0x1100_1af4);
  expect(config.read(0x3d, 1)).toBe(1);
});

test('BARs answer sizing with their mask and type bits', () => {
  const { config } = make();
  const size = (offset: number): number => {
    config.write(offset, 4, 0xffff_ffff);
    return config.read(offset, 4);
  };
  expect(size(0x10)).toBe(0xffff_ffe1);
  expect(size(0x14)).toBe(0xffff_f000);
  expect(size(0x18)).toBe(0xffff_0008);
  expect(size(0x1c)).toBe(0);
  expect(size(PCI_ROM_ADDRESS)).toBe(0xffff_f001);
});

test('a BAR decodes while the command register says so, at the address it holds', () => {
  const { config, ports, space } = make();
  config.write(0x10, 4, 0xc000);
  config.write(0x14, 4, 0xe000_0000);
  expect(ports.read(0xc000, 1)).toBe(0xff);
  config.write(PCI_COMMAND, 2, COMMAND_IO);
  expect(ports.read(0xc01f, 1)).toBe(0x10);
  expect(space.read(0xe000_0000, 1)).toBe(0xff);
  config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY);
  expect(space.read(0xe000_0fff, 1)).toBe(0x11);
  config.write(0x14, 4, 0xd000_0000);
  expect(space.read(0xe000_0000, 1)).toBe(0xff);
  expect(space.read(0xd000_0000, 1)).toBe(0x11);
  expect(config.barAddress(1)).toBe(0xd000_0000);
  config.reset();
  expect(space.read(0xd000_0000, 1)).toBe(0xff);
  expect(ports.read(0xc000, 1)).toBe(0xff);
});

test('a memory BAR shows guest memory directly; the ROM needs its own enable bit', () => {
  const { config, space, physical, vram } = make();
  config.write(0x18, 4, 0xfc00_0000);
  config.write(PCI_ROM_ADDRESS, 4, 0xfe00_0000);
  config.write(PCI_COMMAND, 2, COMMAND_MEMORY);
  space.write(0xfc00_0010, 1, 0x42);
  expect(vram.bytes[0x10]).toBe(0x42);
  expect(physical.entry(0xfc00_0000) & ~0xfff).toBe(vram.offset);
  expect(space.read(0xfe00_0000, 1)).toBe(0xff);
  config.write(PCI_ROM_ADDRESS, 4, 0xfe00_0001);
  expect(space.read(0xfe00_0000, 1)).toBe(0x55);
  space.write(0xfe00_0000, 1, 0);
  expect(space.read(0xfe00_0000, 1)).toBe(0x55);
});

test('INTx: status shows it, the command register silences it, load keeps it', () => {
  const { config, irq } = make();
  config.intx.set(true);
  expect(irq.level).toBe(true);
  expect(config.read(PCI_STATUS, 2) & STATUS_INTERRUPT).toBe(STATUS_INTERRUPT);
  config.write(PCI_COMMAND, 2, COMMAND_INTX_DISABLE);
  expect(irq.level).toBe(false);
  const saved = config.bytes.slice();
  const next = make();
  next.config.bytes.set(saved);
  next.config.loaded();
  next.config.write(PCI_COMMAND, 2, 0);
  expect(next.irq.level).toBe(true);
});

test('error bits of the status register are cleared by writing ones', () => {
  const { config } = make();
  config.poke(PCI_STATUS, 2, 0xf900);
  config.write(PCI_STATUS, 2, 0x2000);
  expect(config.read(PCI_STATUS, 2)).toBe(0xd900);
});

test('capabilities form a list that the status register announces', () => {
  const { config } = make();
  const msi = config.addCapability(5, 0x0a, [{ offset: 2, size: 2, writable: 1 }]);
  const power = config.addCapability(1, 8);
  expect(config.read(PCI_STATUS, 2) & 0x10).toBe(0x10);
  expect(config.read(0x34, 1)).toBe(msi);
  expect(config.read(msi, 1)).toBe(5);
  expect(config.read(msi + 1, 1)).toBe(power);
  expect(power & 3).toBe(0);
  expect(config.read(power, 2)).toBe(1);
  config.write(msi + 2, 2, 0xffff);
  expect(config.read(msi + 2, 2)).toBe(1);
});

test('a loaded state cannot change what software cannot write', () => {
  const { config, space } = make();
  config.bytes.fill(0xff);
  config.loaded();
  expect(config.read(0, 4)).toBe(0x5678_1234);
  expect(config.read(8, 4)).toBe(0x0208_0109);
  expect(config.read(0x14, 4) & 0xfff).toBe(0);
  expect(space.read(0xffff_f000, 1)).toBe(0xff); // a BAR at the very top is one that is being sized
});
