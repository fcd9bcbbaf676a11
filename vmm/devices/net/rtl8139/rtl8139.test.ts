import { AddressSpace } from '../../../bus/address-space.ts';
import { createTestContext, describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import { loadDevice, saveDevice, validateState } from '../../../bus/saved-state.ts';
import { internetChecksum } from '../../../net/cable/offload.ts';
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PCI_COMMAND } from '../../pci/registers.ts';
import { frameCheck } from '../ethernet.ts';
import { configRegion } from '../testing/config-region.ts';
import { TestCable, testFrame } from '../testing/test-cable.ts';
import { Cr, Descriptor, Isr, Tsd, TxDescriptor } from './registers.ts';
import { rtl8139 } from './rtl8139.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const OTHER = [2, 0, 0, 0, 0, 9];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const RX = 0x1_0000;
const TX = 0x4_0000;

function bench(cable = new TestCable()) {
  const context = createTestContext();
  const irq = new ProbeIrq();
  const device = rtl8139.create(context, { cable, mac: MAC });
  device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))), intx: irq });
  device.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
  const bar = device.config.identity.bars![0]!;
  if (!('region' in bar)) throw new Error('no registers');
  const { region } = bar;
  const { ram } = context.dma;
  return { context, irq, device, cable, ram, view: new DataView(ram.buffer), read: region.read.bind(region), write: region.write.bind(region) };
}

/** As a driver of C mode: an 8 KiB ring, the station's address and broadcasts, all interrupts. */
function cMode(cable?: TestCable) {
  const b = bench(cable);
  b.write(0x37, 1, Cr.RST);
  b.write(0x30, 4, RX);
  b.write(0x44, 4, 0x0a);
  b.write(0x3c, 2, 0xffff);
  b.write(0x37, 1, Cr.RE | Cr.TE);
  return b;
}

test('C mode sends its four buffers in order, padded, and waits for room', () => {
  const { write, read, cable, ram, irq } = cMode();
  const frame = testFrame(OTHER, 42);
  ram.set(frame, TX);
  write(0x20, 4, TX);
  cable.full = true;
  write(0x10, 4, 42);
  expect([cable.sent.length, read(0x10, 4) & Tsd.OWN]).toEqual([0, 0]);
  cable.drained();
  expect([...cable.sent[0]!]).toEqual([...frame, ...new Array<number>(18).fill(0)]);
  expect([read(0x10, 4) & (Tsd.OWN | Tsd.TOK), read(0x3e, 2), irq.level]).toEqual([Tsd.OWN | Tsd.TOK, Isr.TOK, true]);
  write(0x3e, 2, Isr.TOK);
  expect([irq.level, read(0x60, 2) & 0xf001]).toEqual([false, 0x1001]);
});

test('loaded, it sends what had no room on the cable, and still means to look for descriptors', () => {
  const before = cMode();
  before.write(0x20, 4, TX);
  before.cable.full = true;
  before.write(0x10, 4, 60);
  const load = () => {
    const after = bench();
    loadDevice(after.device, validateState('rtl8139', rtl8139.state, saveDevice(before.device, rtl8139.state)));
    return after;
  };
  expect(load().cable.sent.length).toBe(1);
  before.write(0xe0, 2, 3);
  before.cable.receive(testFrame(BROADCAST)); // no descriptors
  expect([before.device.state.retryAt, load().device.state.retryAt]).toEqual([1_000_000, 1_000_000]);
});

test('C mode puts frames into the ring, around its end, and stops when it is full', () => {
  const { write, read, cable, ram, view } = cMode();
  expect(read(0x37, 1) & Cr.BUFE).toBe(Cr.BUFE);
  const frames = Array.from({ length: 40 }, (_, index) => testFrame(index % 3 === 0 ? BROADCAST : [...MAC], 60 + 37 * index, index));
  let place = 0;
  const next = () => {
    const at = (offset: number) => ram[RX + ((place + offset) % 8192)]!;
    const length = at(2) | (at(3) << 8);
    const data = Uint8Array.from({ length: length - 4 }, (_, index) => at(4 + index));
    const check = [0, 1, 2, 3].reduce((sum, index) => sum + at(length + index) * 256 ** index, 0);
    expect([at(0) & 1, check]).toEqual([1, frameCheck(data)]);
    place = (place + 4 + length + 3) & ~3;
    place %= 8192;
    write(0x38, 2, (place - 16) & 0xffff);
    return data;
  };
  const got: Uint8Array[] = [];
  for (const frame of frames) {
    while (cable.waiting.length > 0) got.push(next());
    cable.receive(frame);
  }
  while ((read(0x37, 1) & Cr.BUFE) === 0) got.push(next());
  expect(got).toEqual(frames);
  expect(read(0x3e, 2) & (Isr.ROK | Isr.RXOVW)).toBe(Isr.ROK | Isr.RXOVW);
  expect(view.byteLength).toBeGreaterThan(0);
});

test('filters: the address, a group by its hash, everything', () => {
  const { write, read, cable } = cMode();
  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb];
  const place = () => read(0x3a, 2);
  cable.receive(testFrame(OTHER));
  cable.receive(testFrame(group));
  expect(place()).toBe(0);
  // ether_crc of 01:00:5e:00:00:fb, its top six bits (as drivers of this chip compute it)
  let crc = 0xffff_ffff;
  for (const octet of group)
    for (let bit = 0, byte = octet; bit < 8; bit++, byte >>= 1) crc = ((crc << 1) ^ ((((crc >>> 31) ^ byte) & 1) === 1 ? 0x04c1_1db7 : 0)) >>> 0;
  const hash = crc >>> 26;
  write(0x08 + (hash >> 3), 1, 1 << (hash & 7));
  write(0x44, 4, 0x0e);
  cable.receive(testFrame(group));
  expect(place()).toBe(68);
  write(0x44, 4, 0x01);
  cable.receive(testFrame(OTHER));
  expect(place()).toBe(136);
});

/** As a driver of C+ mode: rings of four. */
function cPlus(cable?: TestCable) {
  const b = bench(cable);
  b.write(0x37, 1, Cr.RST);
  b.write(0xe0, 2, 0x63); // TX, RX, checksums, VLAN
  b.write(0x20, 4, 0x2000);
  b.write(0xe4, 4, 0x3000);
  b.write(0x44, 4, 0x0a);
  b.write(0x3c, 2, 0xffff);
  const put = (at: number, ...words: number[]) => words.forEach((word, index) => b.view.setUint32(at + 4 * index, word >>> 0, true));
  for (let index = 0; index < 4; index++)
    put(0x3000 + 16 * index, Descriptor.OWN | (index === 3 ? Descriptor.EOR : 0) | 0x600, 0, RX + 0x800 * index, 0);
  b.write(0x37, 1, Cr.RE | Cr.TE);
  return { ...b, put };
}

/** TCP over IPv4 with nonsense for checksums. */
function tcp(payload: number): Uint8Array {
  const frame = testFrame([...MAC], 54 + payload);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 9, 9, 10, 0, 2, 15, 10, 0, 2, 2], 14);
  view.setUint16(16, 40 + payload);
  frame.set([0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0x10, 0, 7, 7, 0, 0], 34);
  return frame;
}
const good = (frame: Uint8Array) =>
  internetChecksum(frame, 14, 34) === 0 &&
  internetChecksum(frame, 34, frame.length, (~internetChecksum(frame, 26, 34) & 0xffff) + 6 + frame.length - 34) === 0;

test('C+ mode: several descriptors a frame, checksums, long segments, VLAN', () => {
  const { put, write, read, cable, ram, view } = cPlus();
  ram.set(tcp(100), TX);
  const own = Descriptor.OWN;
  put(0x2000, own | Descriptor.FS | TxDescriptor.IPCS | TxDescriptor.TCPCS | 54, 0, TX, 0);
  put(0x2010, own | Descriptor.LS | 100, 0, TX + 54, 0);
  write(0xd9, 1, 0x40);
  expect([cable.sent[0]!.length, good(cable.sent[0]!)]).toEqual([154, true]);
  expect([view.getUint32(0x2000, true) >>> 31, view.getUint32(0x2010, true) >>> 31, read(0x3e, 2)]).toEqual([0, 0, Isr.TOK | Isr.TDU]);
  ram.set(tcp(3000), TX);
  put(0x2020, own | Descriptor.EOR | Descriptor.FS | Descriptor.LS | TxDescriptor.LGSEN | (1000 << 16) | 3054, TxDescriptor.TAGC | 0x0700, TX, 0);
  write(0xd9, 1, 0x40);
  const rest = cable.sent.slice(1);
  expect(rest.map((frame) => [frame.length, frame[12], frame[15]])).toEqual(new Array(3).fill([1058, 0x81, 7]));
  expect(rest.every((frame) => good(Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)])))).toBe(true);
});

test('C+ mode: received frames with checksum results and tags; descriptors given back late are found', () => {
  const { put, read, write, cable, ram, view, context } = cPlus();
  const sound = tcp(50);
  view.setUint32(0x3004, 0, true);
  const fixed = sound.slice();
  fixed.set([0, 0], 24);
  const bytes = new DataView(fixed.buffer);
  bytes.setUint16(24, internetChecksum(fixed, 14, 34));
  bytes.setUint16(50, 0);
  bytes.setUint16(50, internetChecksum(fixed, 34, fixed.length, (~internetChecksum(fixed, 26, 34) & 0xffff) + 6 + fixed.length - 34));
  cable.receive(fixed);
  const status = (index: number) => view.getUint32(0x3000 + 16 * index, true);
  expect(status(0)).toBe((Descriptor.FS | Descriptor.LS | 0x0200_0000 | 0x0001_0000 | (fixed.length + 4)) >>> 0);
  expect(ram.slice(RX, RX + fixed.length)).toEqual(fixed);
  fixed[60]! ^= 1;
  cable.receive(fixed);
  expect(status(1) & 0xe000).toBe(0x2000);
  const tagged = Uint8Array.from([...testFrame([...MAC], 70).subarray(0, 12), 0x81, 0x00, 0x20, 0x07, ...testFrame([...MAC], 70).subarray(12)]);
  cable.receive(tagged);
  expect([view.getUint32(0x3024, true), status(2) & 0x1fff]).toEqual([0x0001_0000 | 0x0720, 74]);
  cable.receive(testFrame([...MAC]));
  expect(cable.receive(testFrame([...MAC]))).toBe(false);
  expect(read(0x3e, 2) & Isr.RXOVW).toBe(Isr.RXOVW);
  put(0x3000, Descriptor.OWN | 0x600, 0, RX, 0);
  context.scheduler.advance(2_000_000);
  expect([cable.waiting.length, status(0) >>> 31]).toEqual([0, 0]);
  write(0x14, 4, 0);
  write(0x10, 4, 0x5000 | 8);
  expect([view.getUint32(0x5000, true), view.getUint32(0x5008, true)]).toEqual([0, 5]);
});

test('EEPROM by its pins, addresses under lock, the timer, the link', () => {
  const { read, write, cable, irq, context } = bench();
  const clock = (bit: number) => {
    for (const level of [0, 4, 0]) write(0x50, 1, 0x88 | level | (bit << 1));
    return read(0x50, 1) & 1;
  };
  const word = (address: number) => {
    write(0x50, 1, 0x80);
    for (const bit of [1, 1, 0, 32, 16, 8, 4, 2, 1].map((mask, index) => (index < 3 ? mask : (address & mask) === 0 ? 0 : 1))) clock(bit);
    return Array.from({ length: 16 }, () => clock(0)).reduce((sum, bit) => sum * 2 + bit, 0);
  };
  expect([word(0), word(7), word(8), word(9)]).toEqual([0x8129, 0x5452, 0x1200, 0x5634]);
  write(0x00, 4, 0x01020304);
  expect(read(0, 4)).toBe(0x12005452);
  write(0x50, 1, 0xc0);
  write(0x00, 4, 0x01020304);
  expect(read(0, 4)).toBe(0x01020304);
  write(0x3c, 2, 0x4020);
  write(0x54, 4, 33_000); // 1 ms
  write(0x48, 4, 0);
  context.scheduler.advance(999_000);
  expect(irq.level).toBe(false);
  context.scheduler.advance(2000);
  expect([irq.level, read(0x3e, 2)]).toEqual([true, Isr.TIMEOUT]);
  cable.plug(false);
  expect([read(0x64, 2) & 4, read(0x58, 1) & 4, read(0x3e, 2) & Isr.LINK]).toEqual([0, 4, Isr.LINK]);
});

describeDevice(
  'rtl8139',
  (context) => {
    const cable = new TestCable();
    const device = rtl8139.create(context, { cable, mac: MAC });
    const irq = new ProbeIrq();
    device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))), intx: irq });
    const bar = device.config.identity.bars![0]!;
    if (!('region' in bar)) throw new Error('no registers');
    const { region } = bar;
    const set = (settings: readonly (readonly [number, 1 | 2 | 4, number])[]) => {
      device.config.write(PCI_COMMAND, 2, COMMAND_MASTER | COMMAND_IO);
      for (const [offset, size, value] of settings) region.write(offset, size, value >>> 0);
    };
    return {
      format: rtl8139.state,
      device,
      regions: [
        { region, length: 256, hot: [0x10, 0x14, 0x20, 0x30, 0x37, 0x38, 0x3c, 0x3e, 0x40, 0x44, 0x50, 0x54, 0xd9, 0xe0, 0xe4] },
        configRegion(device.config),
      ],
      irqs: [irq],
      events: {
        receive: (value) => cable.offer(testFrame(value % 3 === 0 ? BROADCAST : [...MAC], 14 + (value % 3000), value)),
        cMode: (value) => set([[0xe0, 2, 0], [0x30, 4, value & 0xf_ff00], [0x44, 4, (value & 0x1800) | 0x8f], [0x37, 1, 0x0c], [0x20, 4, value >>> 12], [0x10, 4, value & 0x7ff]]), // prettier-ignore
        cPlus: (value) => set([[0xe0, 2, 0x63], [0x20, 4, value & 0xff00], [0xe4, 4, (value >>> 8) & 0xff00], [0x44, 4, 0x0f], [0x37, 1, 0x0c], [0xd9, 1, 0x40]]), // prettier-ignore
        squeeze: (value) => cable.squeeze(() => region.write(0x10, 4, value & 0x7ff)),
        scribble: (value) => context.dma.ram.fill(value, value & 0xff00, (value & 0xff00) + 4096),
      },
      maxWork: 20_000,
    };
  },
  { runs: 30, longestTick: 300_000_000 },
);
