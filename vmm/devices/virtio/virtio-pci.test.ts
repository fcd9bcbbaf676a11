import { createTestContext } from '../../bus/conformance.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { COMMAND_MASTER, PCI_COMMAND } from '../pci/registers.ts';
import { AddressSpace } from '../../bus/address-space.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { DeviceStatus } from './features.ts';
import { writePieces } from './pieces.ts';
import { VirtioDriver, type DriverOptions } from './testing/driver.ts';
import { VirtioPci } from './virtio-pci.ts';
import type { Chain, Virtqueue } from './virtqueue.ts';

const FOO = 3;
const BAR = 40;

/** A device that writes its memory full of AAh, when told to. */
function make(held = false) {
  const context = createTestContext();
  const resets: (number | undefined)[] = [];
  const waiting: { queue: Virtqueue; chain: Chain }[] = [];
  const answer = () => {
    for (const { queue, chain } of waiting.splice(0)) {
      queue.give(chain.head, writePieces(context.dma, chain.writable, new Uint8Array(10).fill(0xaa)));
      queue.notify();
    }
  };
  const settings = Uint8Array.of(1, 2, 3, 4);
  const pci: VirtioPci = new VirtioPci(context, {
    name: 'test',
    type: 4,
    classCode: 0xff_0000,
    transitionalId: 0x1005,
    features: [FOO, BAR],
    queueSizes: [16, 8],
    config: { length: 4, read: (offset) => settings[offset]!, write: (offset, value) => (settings[offset] = value) },
    available(queue) {
      for (let chain = queue.take(); chain !== undefined; chain = queue.take()) waiting.push({ queue, chain });
      if (!held) answer();
    },
    reset: (queue) => resets.push(queue?.index),
  });
  const irq = new ProbeIrq();
  const messages: number[] = [];
  pci.config.connect({
    ports: new PortSpace(),
    memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))),
    intx: irq,
    message: (_address, data) => messages.push(data),
  });
  const drive = (options: DriverOptions = {}) => new VirtioDriver(pci.config, context.dma, options);
  return { ...context, pci, irq, messages, resets, waiting, answer, drive };
}
const enableMessages = (pci: VirtioPci, driver: VirtioDriver) => {
  let at = pci.config.read(0x34, 1);
  while (pci.config.read(at, 1) !== 0x11) at = pci.config.read(at + 1, 1);
  pci.config.write(at + 2, 2, 0x8000);
  for (let vector = 0; vector < 3; vector++) {
    driver.table.write(vector * 16, 4, 0xfee0_0000);
    driver.table.write(vector * 16 + 8, 4, 0x40 + vector);
    driver.table.write(vector * 16 + 12, 4, 0);
  }
};
const request = (at = 0x1000) =>
  [
    { out: Uint8Array.of(1, 2, 3), at },
    { in: 6, at: at + 0x100 },
  ] as const;

test('identity: transitional device with capabilities for each structure', () => {
  const { pci } = make();
  expect([pci.config.read(0, 4), pci.config.read(8, 1), pci.config.read(0x2c, 4)]).toEqual([0x1005_1af4, 0, 0x0004_1af4]);
  const found: Record<number, [number, number, number]> = {};
  for (let at = pci.config.read(0x34, 1); at !== 0; at = pci.config.read(at + 1, 1)) {
    if (pci.config.read(at, 1) === 9)
      found[pci.config.read(at + 3, 1)] = [pci.config.read(at + 4, 1), pci.config.read(at + 8, 4), pci.config.read(at + 12, 4)];
  }
  expect(found).toEqual({ 1: [4, 0, 0x38], 2: [4, 0x3000, 8], 3: [4, 0x1000, 1], 4: [4, 0x2000, 4], 5: [0, 0, 0] });
});

test('negotiation: what is not offered cannot be had', () => {
  const { pci, drive } = make();
  const driver = drive();
  expect(driver.status() & DeviceStatus.FEATURES_OK).toBe(DeviceStatus.FEATURES_OK);
  expect([pci.has(FOO), pci.has(BAR), pci.has(32)]).toEqual([true, true, true]);
  driver.setCommon(8, 4, 0);
  driver.setCommon(12, 4, 0); // too late
  expect(pci.has(FOO)).toBe(true);
  driver.status(0);
  driver.status(3);
  driver.setCommon(8, 4, 0);
  driver.setCommon(12, 4, 1 << 20);
  driver.status(3 | DeviceStatus.FEATURES_OK);
  expect(driver.status()).toBe(3);
});

describe.each([
  ['modern', { legacy: false }],
  ['legacy', { legacy: true }],
] as const)('%s interface', (_name, { legacy }) => {
  test('a request goes there and comes back, with an interrupt that reading ISR ends', () => {
    const { drive, irq, dma } = make();
    const driver = drive({ legacy, features: [] }).start(2);
    const head = driver.add(1, request());
    driver.notify(1);
    expect(driver.used(1)).toEqual([{ head, written: 6 }]);
    expect([...dma.ram.subarray(0x1100, 0x1107)]).toEqual([0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0]);
    expect(irq.level).toBe(true);
    expect([driver.isr(), driver.isr(), irq.level]).toEqual([1, 0, false]);
  });

  test('through an indirect table', () => {
    const { drive, waiting } = make(true);
    const driver = drive({ legacy, features: [28] }).start(1);
    driver.add(0, request(), 0x3000);
    driver.notify(0);
    expect(waiting[0]!.chain).toEqual({ head: 0, readable: [{ address: 0x1000, length: 3 }], writable: [{ address: 0x1100, length: 6 }] });
  });

  test('the event index says when to notify and when to interrupt', () => {
    const { drive, irq } = make();
    const driver = drive({ legacy, features: [29] }).start(1);
    driver.interruptAfter(0, 1);
    driver.add(0, request());
    driver.notify(0);
    expect([driver.availableEvent(0), irq.edges]).toEqual([1, 0]);
    driver.add(0, request());
    driver.notify(0);
    expect([driver.availableEvent(0), irq.edges]).toEqual([2, 1]);
    driver.isr();
    driver.add(0, request());
    driver.notify(0);
    expect(irq.edges).toBe(1);
  });

  test('without it, a flag in the available ring keeps interrupts away', () => {
    const { drive, irq } = make();
    const driver = drive({ legacy, features: [] }).start(1);
    driver.suppressInterrupts(0);
    driver.add(0, request());
    driver.notify(0);
    expect([driver.used(0).length, irq.edges]).toEqual([1, 0]);
  });

  test('indices wrap', () => {
    const { drive } = make();
    const driver = drive({ legacy }).start(1);
    let back = 0;
    for (let round = 0; round < 40_000; round++) {
      driver.add(0, request());
      driver.add(0, request(0x2000), 0x3000);
      driver.notify(0);
      back += driver.used(0).length;
    }
    expect(back).toBe(80_000);
  });

  test('reset: nothing of the past arrives, everything is to be set up anew', () => {
    const { drive, pci, answer, resets } = make(true);
    const driver = drive({ legacy }).start(1);
    driver.add(0, request());
    driver.notify(0);
    const before = resets.length;
    driver.status(0);
    expect(resets.slice(before)).toEqual([undefined]);
    answer();
    expect(driver.used(0)).toEqual([]);
    expect([pci.queues[0]!.state.enabled, driver.status(), pci.has(FOO)]).toEqual([false, 0, false]);
  });
});

test('MSI-X: each queue and the configuration have their vector; INTx and ISR are silent', () => {
  const { pci, drive, irq, messages } = make();
  const driver = drive({ features: [] });
  enableMessages(pci, driver);
  driver.setCommon(0x10, 2, 0);
  for (const queue of [0, 1]) {
    driver.setCommon(0x16, 2, queue);
    driver.setCommon(0x1a, 2, queue + 1);
  }
  driver.start(2);
  driver.add(0, request());
  driver.notify(0);
  driver.add(1, request());
  driver.notify(1);
  const before = driver.common(0x15, 1);
  pci.configChanged();
  expect([messages, irq.edges, driver.isr(), driver.common(0x15, 1)]).toEqual([[0x41, 0x42, 0x40], 0, 0, before + 1]);
  driver.setCommon(0x1a, 2, 3); // there are vectors 0 to 2
  expect(driver.common(0x1a, 2)).toBe(0xffff);
  driver.add(1, request());
  driver.notify(1);
  expect(messages.length).toBe(3);
});

test('legacy: MSI-X registers push the device configuration aside while it is enabled', () => {
  const { pci, drive, messages } = make();
  const driver = drive({ legacy: true, features: [] });
  const legacy = driver.bar(0);
  expect(legacy.read(20, 4)).toBe(0x0403_0201);
  enableMessages(pci, driver);
  expect([legacy.read(20, 2), legacy.read(24, 4)]).toEqual([0xffff, 0x0403_0201]);
  legacy.write(14, 2, 0);
  legacy.write(22, 2, 2);
  expect(legacy.read(22, 2)).toBe(2);
  driver.start(1);
  driver.add(0, request());
  driver.notify(0);
  expect(messages).toEqual([0x42]);
});

test('legacy: giving a queue up tells the device which', () => {
  const { drive, resets } = make();
  const driver = drive({ legacy: true }).start(2);
  driver.bar(0).write(14, 2, 1);
  const before = resets.length;
  driver.bar(0).write(8, 4, 0);
  expect([resets.slice(before), driver.bar(0).read(8, 4)]).toEqual([[1], 0]);
});

test('registers through the configuration space window', () => {
  const { pci, drive } = make();
  drive();
  let at = pci.config.read(0x34, 1);
  while (pci.config.read(at, 1) !== 9 || pci.config.read(at + 3, 1) !== 5) at = pci.config.read(at + 1, 1);
  const access = (offset: number, length: number) => {
    pci.config.write(at + 4, 1, 4);
    pci.config.write(at + 8, 4, offset);
    pci.config.write(at + 12, 4, length);
  };
  access(0x12, 2);
  expect(pci.config.read(at + 16, 4)).toBe(2);
  access(0x16, 2);
  pci.config.write(at + 16, 2, 1);
  access(0x18, 2);
  expect(pci.config.read(at + 16, 2)).toBe(8); // size of queue 1
  access(0x2001, 1);
  pci.config.write(at + 16, 1, 0x77);
  access(0x2000, 4);
  expect(pci.config.read(at + 16, 4)).toBe(0x0403_7701);
  access(0x4000, 4); // beyond the BAR
  pci.config.write(at + 16, 4, 0x1234);
  expect(pci.config.read(at + 16, 4)).toBe(0x1234);
});

describe('a driver that breaks the rules is told to reset the device', () => {
  const broken = (driver: VirtioDriver) => (driver.status() & DeviceStatus.NEEDS_RESET) !== 0;
  test.each<[string, (driver: VirtioDriver) => void]>([
    ['a loop', (driver) => driver.descriptor(0, 0, 0x1000, 4, 1, 0)],
    ['a next that is not there', (driver) => driver.descriptor(0, 0, 0x1000, 4, 1, 16)],
    ['an indirect table of part of a descriptor', (driver) => driver.descriptor(0, 0, 0x1000, 24, 4)],
    ['an empty indirect table', (driver) => driver.descriptor(0, 0, 0x1000, 0, 4)],
    ['a huge indirect table', (driver) => driver.descriptor(0, 0, 0x1000, 0xffff_fff0, 4)],
    ['an indirect table in a chain', (driver) => driver.descriptor(0, 0, 0x1000, 32, 5, 1)],
    [
      'memory to read behind memory to write',
      (driver) => {
        driver.descriptor(0, 0, 0x1000, 4, 3, 1);
        driver.descriptor(0, 1, 0x1000, 4, 0);
      },
    ],
  ])('%s', (_name, breakIt) => {
    const { drive, irq, waiting } = make(true);
    const driver = drive().start(1);
    breakIt(driver);
    driver.publish(0, 0);
    driver.notify(0);
    expect([broken(driver), driver.isr(), waiting.length]).toEqual([true, 2, 0]);
    expect(irq.edges).toBe(1);
    driver.descriptor(0, 0, 0x1000, 4, 0);
    driver.notify(0);
    expect(waiting.length).toBe(0);
    driver.status(0);
    expect(driver.status()).toBe(0);
  });

  test('a head that is not there, more available than fits, an indirect table nobody negotiated', () => {
    const { drive } = make();
    let driver = drive().start(1);
    driver.publish(0, 16);
    driver.notify(0);
    expect(broken(driver)).toBe(true);
    driver = drive().start(1);
    driver.setAvailable(0, 17);
    driver.notify(0);
    expect(broken(driver)).toBe(true);
    driver = drive({ features: [] }).start(1);
    driver.add(0, request(), 0x3000);
    driver.notify(0);
    expect(broken(driver)).toBe(true);
  });
});

test('without bus mastering no message is sent', () => {
  const { pci, drive, messages } = make();
  const driver = drive({ features: [] });
  enableMessages(pci, driver);
  driver.setCommon(0x10, 2, 0);
  driver.start(1);
  pci.config.write(PCI_COMMAND, 2, 0);
  pci.configChanged();
  pci.config.write(PCI_COMMAND, 2, COMMAND_MASTER);
  expect(messages).toEqual([]);
});
