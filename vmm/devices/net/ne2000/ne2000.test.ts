import { AddressSpace } from '../../../bus/address-space.ts';
import { createTestContext, describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import { configRegion } from '../testing/config-region.ts';
import { TestCable, testFrame } from '../testing/test-cable.ts';
import { ne2000Isa, rtl8029 } from './ne2000.ts';

const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const OTHER = [2, 0, 0, 0, 0, 9];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const START = 0x46;
const STOP = 0x80;

function bench() {
  const cable = new TestCable();
  const irq = new ProbeIrq();
  const device = ne2000Isa.create(createTestContext(), { cable, mac: Uint8Array.from(MAC), irq });
  const out = (port: number, value: number) => device.ports.write(port, 1, value);
  const input = (port: number) => device.ports.read(port, 1);
  const remote = (command: number, address: number, count: number) => {
    for (const [port, value] of [[10, count & 255], [11, count >> 8], [8, address & 255], [9, address >> 8], [0, command]] as const) out(port, value); // prettier-ignore
  };
  const read = (address: number, count: number): number[] => {
    remote(0x0a, address, count);
    return Array.from({ length: count / 2 }, () => device.ports.read(0x10, 2)).flatMap((word) => [word & 255, word >> 8]);
  };
  return {
    cable,
    irq,
    out,
    input,
    read,
    write: (address: number, data: Uint8Array): void => {
      remote(0x12, address, data.length);
      for (let at = 0; at < data.length; at += 2) device.ports.write(0x10, 2, data[at]! | ((data[at + 1] ?? 0) << 8));
    },
    /** As drivers set it up: word transfers, a ring behind the transmit buffer, the station's address, broadcasts. */
    start: () => {
      input(0x1f);
      out(0x1f, 0);
      for (const [port, value] of [[0, 0x21], [14, 0x49], [12, 0x04], [13, 0], [1, START], [2, STOP], [3, START], [7, 0xff], [15, 0x7f]] as const) out(port, value); // prettier-ignore
      out(0, 0x61);
      MAC.forEach((octet, index) => out(1 + index, octet));
      out(7, START + 1);
      out(0, 0x22);
    },
    /** Takes the next frame out of the ring. */
    next: (): Uint8Array | undefined => {
      out(0, 0x62);
      const current = input(7);
      out(0, 0x22);
      let page = input(3) + 1;
      if (page === STOP) page = START;
      if (page === current) return undefined;
      const [, following, low, high] = read(page * 256, 4);
      const length = low! + high! * 256;
      const data = read(page * 256 + 4, (length + 1) & ~1);
      out(3, (following === START ? STOP : following!) - 1);
      return Uint8Array.from(data.slice(0, length - 4));
    },
  };
}

test('the PROM has the address, each octet twice, and WW', () => {
  const { out, read } = bench();
  out(14, 0x49);
  expect(read(0, 32)).toEqual([...MAC.flatMap((octet) => [octet, octet]), ...new Array<number>(16).fill(0), 0x57, 0x57, 0x57, 0x57]);
});

test('in word mode a byte read of the data port takes a word, as PCI drivers read the PROM', () => {
  const { out, input } = bench();
  for (const [port, value] of [[14, 0x49], [10, 32], [11, 0], [8, 0], [9, 0], [0, 0x0a]] as const) out(port, value); // prettier-ignore
  const prom = Array.from({ length: 16 }, () => input(0x10));
  expect(prom).toEqual([...MAC, ...new Array<number>(8).fill(0), 0x57, 0x57]);
  expect(input(7) & 0x40).toBe(0x40);
});

test('a reset shows in ISR; a frame goes out, and its end is an interrupt', () => {
  const { input, out, start, write, cable, irq } = bench();
  input(0x1f);
  expect(input(7) & 0x80).toBe(0x80);
  start();
  expect(input(7)).toBe(0);
  const frame = testFrame(OTHER, 60);
  write(0x4000, frame);
  expect([input(7) & 0x40, irq.level]).toEqual([0x40, true]);
  out(7, 0x40);
  cable.full = true;
  for (const [port, value] of [[4, 0x40], [5, 60], [6, 0], [0, 0x26]] as const) out(port, value); // prettier-ignore
  expect([input(0) & 4, irq.level]).toEqual([4, false]);
  cable.drained();
  expect([cable.sent, input(0) & 4, input(7), input(4), irq.level]).toEqual([[frame], 0, 2, 1, true]);
});

test('received frames go round the ring; a full ring waits', () => {
  const { start, cable, next, input, out } = bench();
  start();
  const frames = Array.from({ length: 90 }, (_, index) => testFrame(index % 4 === 0 ? BROADCAST : MAC, 60 + 16 * index, index));
  const got: Uint8Array[] = [];
  for (const frame of frames) {
    cable.receive(frame);
    while (cable.waiting.length > 0) got.push(next()!);
  }
  expect(input(7) & 0x11).toBe(0x11);
  out(7, 0xff);
  for (let one = next(); one !== undefined; one = next()) got.push(one);
  expect(got).toEqual(frames);
});

test('a command that only selects a page leaves the chip running', () => {
  const { start, cable, next, out } = bench();
  start();
  out(0, 0x40); // neither STA nor STP, as iPXE's driver writes it
  cable.receive(testFrame(MAC, 70));
  out(0, 0x22);
  expect(next()?.length).toBe(70);
});

test('filters: others, groups by hash, everything', () => {
  const { start, cable, next, out } = bench();
  start();
  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];
  cable.receive(testFrame(OTHER));
  cable.receive(testFrame(group));
  expect(next()).toBeUndefined();
  out(12, 0x0c);
  out(0, 0x62);
  for (let index = 0; index < 8; index++) out(8 + index, 0xff);
  out(0, 0x22);
  cable.receive(testFrame(group, 70));
  expect(next()?.length).toBe(70);
  out(12, 0x14);
  cable.receive(testFrame(OTHER, 80));
  expect(next()?.length).toBe(80);
});

const events = (cable: TestCable, write: (port: number, value: number) => void) => ({
  receive: (value: number) => cable.offer(testFrame(value % 3 === 0 ? BROADCAST : MAC, 14 + (value % 1500), value)),
  squeeze: () => cable.squeeze(() => write(0, 0x26)),
  start(value: number) {
    for (const [port, setting] of [[0, 0x21], [14, 0x49], [12, 0x1c], [13, value & 6], [1, START], [2, STOP + ((value >>> 4) & 0x3f)], [3, START], [7, 0xff], [15, 0x7f], [0, 0x61], [7, START + 1], [0, 0x22], [4, 0x40], [5, value], [6, value >>> 16 & 7], [0, 0x26]] as const) write(port, setting & 255); // prettier-ignore
  },
});

describeDevice(
  'ne2000 (ISA)',
  (context) => {
    const cable = new TestCable();
    const irq = new ProbeIrq();
    const device = ne2000Isa.create(context, { cable, mac: Uint8Array.from(MAC), irq });
    return {
      format: ne2000Isa.state,
      device,
      regions: [{ region: device.ports, length: 32 }],
      irqs: [irq],
      events: events(cable, (port, value) => device.ports.write(port, 1, value)),
    };
  },
  { runs: 8 },
);

describeDevice(
  'rtl8029',
  (context) => {
    const cable = new TestCable();
    const irq = new ProbeIrq();
    const device = rtl8029.create(context, { cable, mac: Uint8Array.from(MAC) });
    device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))), intx: irq });
    const bar = device.config.identity.bars![0]!;
    if (!('region' in bar)) throw new Error('no registers');
    const { region } = bar;
    return {
      format: rtl8029.state,
      device,
      regions: [{ region, length: 32 }, configRegion(device.config)],
      irqs: [irq],
      events: events(cable, (port, value) => region.write(port, 1, value)),
    };
  },
  { runs: 8 },
);
