import { AddressSpace } from '../../bus/address-space.ts';
import { describeDevice, type FixtureContext } from '../../bus/conformance.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, pciConfigMechanism } from './config-mechanism.ts';
import { PciConfig } from './config-space.ts';
import type { PciFunction } from './function.ts';
import { PciBus, pirqOf } from './pci-bus.ts';

function plainFunction(device: number, interruptPin: 1 | 2 | 3 | 4 = 1): PciFunction {
  const config = new PciConfig({ vendor: 0x1af4, device, classCode: 0xff_0000, interruptPin });
  return { config, state: { config: config.bytes }, reset: () => config.reset(), loaded: () => config.loaded() };
}

function board(context?: FixtureContext) {
  const pirqs = [0, 1, 2, 3].map(() => new ProbeIrq());
  const ports = new PortSpace();
  const memory = new AddressSpace(new PhysicalMap(new GuestMemory(0x1_0000)));
  const bus = new PciBus({ ports, memory, pirqs });
  const mechanism = pciConfigMechanism.create(context as FixtureContext, { bus });
  ports.map(CONFIG_ADDRESS_PORT, 4, mechanism.addressPort);
  ports.map(CONFIG_DATA_PORT, 4, mechanism.dataPort);
  return { bus, ports, pirqs, mechanism };
}

test('configuration mechanism #1 finds functions, and nothing elsewhere', () => {
  const { bus, ports } = board();
  bus.add(3, 1, plainFunction(0x1000));
  const read = (address: number, offset = 0): number => {
    ports.write(CONFIG_ADDRESS_PORT, 4, address);
    return ports.read(CONFIG_DATA_PORT + offset, offset === 0 ? 4 : 2);
  };
  expect(read(0x8000_1900)).toBe(0x1000_1af4);
  expect(read(0x8000_1900, 2)).toBe(0x1000);
  expect(read(0x0000_1900)).toBe(0xffff_ffff); // not enabled
  expect(read(0x8000_1800)).toBe(0xffff_ffff); // no function 0
  expect(read(0x8001_1900)).toBe(0xffff_ffff); // another bus
  expect(ports.read(CONFIG_ADDRESS_PORT, 4)).toBe(0x8001_1900);
});

test('the address register takes double words only', () => {
  const { ports } = board();
  ports.write(CONFIG_ADDRESS_PORT, 4, 0x8000_0000);
  ports.write(CONFIG_ADDRESS_PORT, 2, 0x1234);
  ports.write(CONFIG_ADDRESS_PORT, 1, 0x12);
  expect(ports.read(CONFIG_ADDRESS_PORT, 4)).toBe(0x8000_0000);
  expect(ports.read(CONFIG_ADDRESS_PORT, 2)).toBe(0xffff);
});

test('interrupt pins are rotated over the PIRQs by slot, and shared', () => {
  const { bus, pirqs } = board();
  const first = plainFunction(1);
  const second = plainFunction(2);
  bus.add(3, 0, first);
  bus.add(7, 0, second);
  expect([pirqOf(1, 1), pirqOf(1, 4), pirqOf(3, 1), pirqOf(4, 2)]).toEqual([0, 3, 2, 0]);
  first.config.intx.set(true);
  second.config.intx.set(true);
  first.config.intx.set(false);
  expect(pirqs.map((line) => line.level)).toEqual([false, false, true, false]);
  second.config.intx.set(false);
  expect(pirqs[2]!.level).toBe(false);
});

test('slots are taken once, the next free one is found', () => {
  const { bus } = board();
  bus.add(3, 0, plainFunction(1));
  expect(() => bus.add(3, 0, plainFunction(1))).toThrow('taken');
  expect(bus.freeSlot()).toBe(4);
  expect(bus.functions().map(({ slot, fn }) => [slot, fn])).toEqual([[3, 0]]);
});

describeDevice('PCI configuration mechanism', (context) => {
  const { bus, mechanism } = board(context);
  bus.add(3, 0, plainFunction(1));
  return {
    format: pciConfigMechanism.state,
    device: mechanism,
    regions: [
      { region: mechanism.addressPort, length: 4, hot: [0] },
      { region: mechanism.dataPort, length: 4 },
    ],
  };
});
