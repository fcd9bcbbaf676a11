import { AddressSpace } from '../../../bus/address-space.ts';
import { createTestContext, describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PCI_COMMAND } from '../../pci/registers.ts';
import { frameCheck } from '../ethernet.ts';
import { configRegion } from '../testing/config-region.ts';
import { TestCable, testFrame } from '../testing/test-cable.ts';
import { pcnet } from './pcnet.ts';
import { Csr0 } from './registers.ts';

const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const OTHER = [2, 0, 0, 0, 0, 9];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const BLOCK = 0x1000;
const RX_RING = 0x2000;
const TX_RING = 0x3000;
const RX = 0x1_0000;
const TX = 0x4_0000;
const OWN = 0x8000_0000;
const STP_ENP = 0x0300_0000;

function bench() {
  const context = createTestContext();
  const cable = new TestCable();
  const irq = new ProbeIrq();
  const device = pcnet.create(context, { cable, mac: Uint8Array.from(MAC) });
  device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))), intx: irq });
  device.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
  const bar = device.config.identity.bars![0]!;
  if (!('region' in bar)) throw new Error('no registers');
  const { region } = bar;
  const { ram } = context.dma;
  return { context, cable, irq, region, ram, view: new DataView(ram.buffer) };
}

/** A driver of software style 0 (words, descriptors of 8 bytes) or 2 and 3 (double words, 16 bytes), rings of four. */
function driver(style: 0 | 2 | 3) {
  const b = bench();
  const { region, ram, view, cable, irq } = b;
  region.read(0x14, 2);
  const wide = style !== 0;
  if (wide) region.write(0x10, 4, 0); // double word mode from here on
  const size = wide ? 4 : 2;
  const csr = (index: number) => {
    region.write(wide ? 0x14 : 0x12, size, index);
    return region.read(0x10, size);
  };
  const setCsr = (index: number, value: number) => {
    region.write(wide ? 0x14 : 0x12, size, index);
    region.write(0x10, size, value);
  };
  const setBcr = (index: number, value: number) => {
    region.write(wide ? 0x14 : 0x12, size, index);
    region.write(wide ? 0x1c : 0x16, size, value);
  };
  setBcr(20, style);
  const at = (ring: number, index: number) => ring + (wide ? 16 : 8) * index;
  const put = (ring: number, index: number, address: number, length: number, status: number) => {
    if (!wide) {
      view.setUint32(at(ring, index), ((status >>> 0) & 0xff00_0000) | address, true);
      view.setUint16(at(ring, index) + 4, -length & 0xffff, true);
    } else {
      view.setUint32(at(ring, index) + (style === 3 ? 8 : 0), address, true);
      view.setUint32(at(ring, index) + 4, (status | 0xf000 | (-length & 0xfff)) >>> 0, true);
    }
  };
  const status = (ring: number, index: number) => (wide ? view.getUint16(at(ring, index) + 6, true) : ram[at(ring, index) + 3]! << 8);
  for (let index = 0; index < 4; index++) put(RX_RING, index, RX + 2048 * index, 1544, OWN);
  if (wide) {
    ram.set([0, 0, 0x20, 0x20, ...MAC], BLOCK);
    view.setUint32(BLOCK + 20, RX_RING, true);
    view.setUint32(BLOCK + 24, TX_RING, true);
  } else {
    ram.set([0, 0, ...MAC], BLOCK);
    view.setUint32(BLOCK + 16, RX_RING | (2 << 29), true);
    view.setUint32(BLOCK + 20, TX_RING | (2 << 29), true);
  }
  setCsr(1, BLOCK);
  setCsr(2, 0);
  setCsr(0, Csr0.INIT);
  const initialized = csr(0);
  setCsr(0, Csr0.IDON | Csr0.IENA | Csr0.STRT);
  const length = (index: number) => view.getUint16(at(RX_RING, index) + (wide ? (style === 3 ? 0 : 8) : 6), true) & 0xfff;
  return { ...b, cable, irq, csr, setCsr, setBcr, put, status, length, initialized };
}

test.each([0, 2, 3] as const)('style %i: a frame of two buffers goes out, frames come in', (style) => {
  const { initialized, put, setCsr, csr, status, length, cable, ram, irq } = driver(style);
  expect(initialized & (Csr0.IDON | Csr0.INIT | Csr0.INTR)).toBe(Csr0.IDON | Csr0.INIT | Csr0.INTR);
  expect(csr(0) & (Csr0.TXON | Csr0.RXON | Csr0.IDON)).toBe(Csr0.TXON | Csr0.RXON);
  const frame = testFrame(OTHER, 100);
  ram.set(frame, TX);
  put(TX_RING, 0, TX, 40, OWN | 0x0200_0000);
  setCsr(0, Csr0.TDMD | Csr0.IENA);
  expect(cable.sent).toEqual([]);
  put(TX_RING, 1, TX + 40, 60, (OWN | 0x0100_0000) >>> 0);
  setCsr(0, Csr0.TDMD | Csr0.IENA);
  expect([cable.sent, status(TX_RING, 0) & 0x8000, status(TX_RING, 1) & 0x8000]).toEqual([[frame], 0, 0]);
  expect([irq.level, csr(0) & Csr0.TINT]).toEqual([true, Csr0.TINT]);
  setCsr(0, Csr0.TINT | Csr0.IENA);
  expect(irq.level).toBe(false);
  cable.receive(testFrame(MAC, 70));
  cable.receive(testFrame(OTHER));
  cable.receive(testFrame(BROADCAST, 42));
  expect([status(RX_RING, 0) & 0x8300, length(0), status(RX_RING, 1) & 0x8300, length(1), status(RX_RING, 2) & 0x8000]).toEqual([0x300, 74, 0x300, 64, 0x8000]); // prettier-ignore
  expect(ram.slice(RX, RX + 70)).toEqual(testFrame(MAC, 70));
  const check = new DataView(ram.buffer).getUint32(RX + 70, true);
  expect([check, csr(0) & (Csr0.RINT | Csr0.INTR)]).toEqual([frameCheck(testFrame(MAC, 70)), Csr0.RINT | Csr0.INTR]);
});

test('a long frame takes several buffers; without buffers frames wait and are found by polling', () => {
  const { put, cable, status, length, context } = driver(2);
  cable.receive(testFrame(MAC, 4000));
  expect([0, 1, 2].map((index) => status(RX_RING, index) & 0x8300)).toEqual([0x200, 0, 0x100]);
  expect(length(2)).toBe(4004);
  cable.receive(testFrame(MAC, 60));
  expect(cable.receive(testFrame(MAC, 61))).toBe(false);
  put(RX_RING, 0, RX, 1544, OWN);
  context.scheduler.advance(3_000_000);
  expect([cable.waiting.length, length(0)]).toEqual([0, 65]);
});

test('the transmit ring is polled, and waits for room on the cable', () => {
  const { put, cable, ram, context, status } = driver(2);
  ram.set(testFrame(OTHER, 60), TX);
  put(TX_RING, 0, TX, 60, OWN | STP_ENP);
  cable.full = true;
  context.scheduler.advance(3_000_000);
  expect(status(TX_RING, 0) & 0x8000).toBe(0x8000);
  cable.drained();
  expect([cable.sent.length, status(TX_RING, 0) & 0x8000]).toEqual([1, 0]);
});

test('the logical address filter, promiscuous mode, loopback', () => {
  const { setCsr, cable, status, put, ram } = driver(2);
  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];
  cable.receive(testFrame(group));
  expect(status(RX_RING, 0) & 0x8000).toBe(0x8000);
  // As Linux computes it: ether_crc_le() >> 26
  let crc = 0xffff_ffff;
  for (const octet of group)
    for (let bit = 0, byte = octet; bit < 8; bit++, byte >>= 1) crc = (((crc ^ byte) & 1) === 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1) >>> 0;
  const hash = crc >>> 26;
  setCsr(0, Csr0.STOP);
  setCsr(8 + (hash >> 4), 1 << (hash & 15));
  setCsr(0, Csr0.STRT | Csr0.IENA);
  cable.receive(testFrame(group));
  expect(status(RX_RING, 0) & 0x8020).toBe(0x20);
  setCsr(15, 0x8004);
  ram.set(testFrame(OTHER, 60), TX);
  put(TX_RING, 0, TX, 60, OWN | STP_ENP);
  setCsr(0, Csr0.TDMD);
  expect([cable.sent.length, status(RX_RING, 1) & 0x8000]).toEqual([0, 0]);
});

test('identity: the PROM, the chip', () => {
  const { region } = bench();
  expect(Array.from({ length: 6 }, (_, at) => region.read(at, 1))).toEqual(MAC);
  expect([region.read(14, 1), region.read(15, 1)]).toEqual([0x57, 0x57]);
  const { csr } = driver(0);
  expect([csr(88), csr(89)]).toEqual([0x1003, 0x0262]);
});

describeDevice(
  'pcnet',
  (context) => {
    const cable = new TestCable();
    const irq = new ProbeIrq();
    const device = pcnet.create(context, { cable, mac: Uint8Array.from(MAC) });
    device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))), intx: irq });
    const bar = device.config.identity.bars![0]!;
    if (!('region' in bar)) throw new Error('no registers');
    const { region } = bar;
    const csr = (index: number, value: number) => {
      const wide = device.state.wide;
      region.write(wide ? 0x14 : 0x12, wide ? 4 : 2, index);
      region.write(0x10, wide ? 4 : 2, value & 0xffff);
    };
    return {
      format: pcnet.state,
      device,
      regions: [{ region, length: 32 }, configRegion(device.config)],
      irqs: [irq],
      events: {
        receive: (value) => cable.offer(testFrame(value % 3 === 0 ? BROADCAST : MAC, 14 + (value % 3000), value)),
        squeeze: () => cable.squeeze(() => csr(0, Csr0.TDMD | Csr0.IENA)),
        start(value) {
          device.config.write(PCI_COMMAND, 2, COMMAND_MASTER | COMMAND_IO);
          csr(58, value & 3);
          for (const [index, setting] of [
            [1, value & 0xfffc],
            [2, (value >>> 16) & 15],
            [0, 1],
            [0, 0x42],
          ] as const)
            csr(index, setting);
          if ((value & 16) !== 0) for (const [index, setting] of [[0, 4], [24, value], [25, 0], [30, value >>> 8], [31, 0], [76, 0xfff0], [78, 0xfff0], [15, 0x8000], [0, 0x42]] as const) csr(index, setting); // prettier-ignore
        },
        scribble: (value) => context.dma.ram.fill(value, value & 0xff00, (value & 0xff00) + 4096),
      },
      maxWork: 20_000,
    };
  },
  { runs: 30, longestTick: 300_000_000 },
);
