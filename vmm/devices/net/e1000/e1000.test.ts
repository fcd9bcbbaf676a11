import { createTestContext, describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { AddressSpace } from '../../../bus/address-space.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import { loadDevice, saveDevice, validateState } from '../../../bus/saved-state.ts';
import { internetChecksum } from '../../../net/cable/offload.ts';
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PCI_COMMAND } from '../../pci/registers.ts';
import { configRegion } from '../testing/config-region.ts';
import { TestCable, testFrame } from '../testing/test-cable.ts';
import { e1000 } from './e1000.ts';
import { Cause, Eecd, Mdic, Rctl, Reg, RxStatus, Stat, STATISTICS, TxCommand, TxPopts } from './registers.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const OTHER = [2, 0, 0, 0, 0, 9];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const RX_RING = 0x1000;
const TX_RING = 0x2000;
const RX_BUFFERS = 0x1_0000;
const TX_BUFFERS = 0x4_0000;
const ENTRIES = 8;

function bench(cable = new TestCable()) {
  const context = createTestContext();
  const irq = new ProbeIrq();
  const device = e1000.create(context, { cable, mac: MAC });
  const memory = new PhysicalMap(new GuestMemory(1 << 20));
  device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(memory), intx: irq });
  device.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
  const { ram } = context.dma;
  const view = new DataView(ram.buffer);
  const read = (offset: number) => device.memory.read(offset, 4);
  const write = (offset: number, value: number) => device.memory.write(offset, 4, value >>> 0);
  let tail = 0; // TDT
  return {
    context,
    irq,
    device,
    cable,
    ram,
    view,
    read,
    write,
    /** As a driver sets the controller up: rings of eight, buffers of 2 KiB, interrupts on. */
    start: (rctl: number = Rctl.EN | Rctl.BAM) => {
      write(0x2800, RX_RING);
      write(0x2808, ENTRIES * 16);
      for (let index = 0; index < ENTRIES; index++) view.setUint32(RX_RING + 16 * index, RX_BUFFERS + 2048 * index, true);
      write(0x3800, TX_RING);
      write(0x3808, ENTRIES * 16);
      write(Reg.IMS, 0x1_ffff);
      write(Reg.TCTL, 2);
      write(Reg.RCTL, rctl);
      write(Reg.RDT, ENTRIES - 1);
    },
    descriptor: (index: number) => {
      const at = RX_RING + 16 * index;
      return { length: view.getUint16(at + 8, true), status: ram[at + 12]!, errors: ram[at + 13]!, special: view.getUint16(at + 14, true) };
    },
    received: (index: number, length: number) => ram.slice(RX_BUFFERS + 2048 * index, RX_BUFFERS + 2048 * index + length),
    /** Queues descriptors: [bytes, command byte, options byte, byte 10 or type, special], or the 16 bytes of a context. */
    put: (...descriptors: ({ data: Uint8Array; command: number; options?: number; dtyp?: number; special?: number } | Uint8Array)[]) => {
      for (const one of descriptors) {
        const at = TX_RING + 16 * tail;
        if (one instanceof Uint8Array) ram.set(one, at);
        else {
          const buffer = TX_BUFFERS + 0x8000 * tail;
          ram.set(one.data, buffer);
          view.setUint32(at, buffer, true);
          view.setUint32(at + 4, 0, true);
          view.setUint32(at + 8, one.data.length, true);
          ram[at + 10]! |= (one.dtyp ?? 0) << 4;
          ram[at + 11] = one.command;
          ram[at + 12] = 0;
          ram[at + 13] = one.options ?? 0;
          view.setUint16(at + 14, one.special ?? 0, true);
        }
        tail = (tail + 1) % ENTRIES;
      }
      write(Reg.TDT, tail);
    },
    done: (index: number) => (ram[TX_RING + 16 * index + 12]! & 1) === 1,
  };
}

const LEGACY = TxCommand.EOP | TxCommand.RS | TxCommand.IFCS;

test('a frame goes out of several descriptors; the one that asks is reported, with an interrupt', () => {
  const { start, put, cable, done, irq, read } = bench();
  start();
  const frame = testFrame(OTHER, 200);
  put({ data: frame.subarray(0, 14), command: 0 }, { data: frame.subarray(14), command: LEGACY });
  expect(cable.sent).toEqual([frame]);
  expect([done(0), done(1), irq.level]).toEqual([false, true, true]);
  expect(read(Reg.ICR) & (Cause.TXDW | Cause.TXQE)).toBe(Cause.TXDW | Cause.TXQE);
  expect([irq.level, read(0x3810)]).toEqual([false, 2]);
});

test('nothing is sent until the packet is whole', () => {
  const { start, put, cable, read } = bench();
  start();
  const frame = testFrame(OTHER, 100);
  put({ data: frame.subarray(0, 60), command: 0 });
  expect([cable.sent.length, read(0x3810)]).toEqual([0, 0]);
  put({ data: frame.subarray(60), command: LEGACY });
  expect([cable.sent, read(0x3810)]).toEqual([[frame], 2]);
});

test('a full cable stops the ring; it goes on when there is room', () => {
  const { start, put, cable, done } = bench();
  start();
  cable.full = true;
  put({ data: testFrame(OTHER), command: LEGACY });
  expect([cable.sent.length, done(0)]).toEqual([0, false]);
  cable.drained();
  expect([cable.sent.length, done(0)]).toEqual([1, true]);
});

test('loaded, a controller sends what had no room on the cable, and nothing that the driver has not asked for', () => {
  const blocked = bench();
  blocked.start();
  blocked.cable.full = true;
  blocked.put({ data: testFrame(OTHER), command: LEGACY });
  const idle = bench();
  idle.start();
  idle.put({ data: testFrame(OTHER), command: 0 }); // the rest of the packet is to follow
  idle.ram[TX_RING + 11] = LEGACY;
  for (const [before, sent] of [
    [blocked, 1],
    [idle, 0],
  ] as const) {
    const after = bench();
    after.ram.set(before.ram);
    loadDevice(after.device, validateState('e1000', e1000.state, saveDevice(before.device, e1000.state)));
    expect(after.cable.sent.length).toBe(sent);
  }
});

test('received frames: filters, descriptors, frame check sequence', () => {
  const { start, cable, descriptor, received, irq, read } = bench();
  start();
  const mine = testFrame([...MAC], 100);
  expect(cable.receive(mine)).toBe(true);
  cable.receive(testFrame(OTHER));
  cable.receive(testFrame(BROADCAST, 42));
  expect(descriptor(0)).toMatchObject({ length: 104, status: RxStatus.DD | RxStatus.EOP | RxStatus.IXSM });
  expect(received(0, 100)).toEqual(mine);
  expect(descriptor(1).length).toBe(64); // padded
  expect([read(0x2810), irq.level, read(Reg.ICR) & Cause.RXT0]).toEqual([2, true, Cause.RXT0]);
  expect([read(STATISTICS + 4 * Stat.GPRC), read(STATISTICS + 4 * Stat.GPRC), read(STATISTICS + 4 * Stat.BPRC)]).toEqual([2, 0, 1]);
});

test('multicast: the table, all of them, and none', () => {
  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb];
  const { start, cable, read, write, descriptor } = bench();
  start();
  cable.receive(testFrame(group));
  expect(read(0x2810)).toBe(0);
  const hash = (((0xfb << 8) | 0x00) >>> 4) & 0xfff;
  write(0x5200 + 4 * (hash >> 5), 1 << (hash & 31));
  cable.receive(testFrame(group));
  expect([read(0x2810), descriptor(0).status & RxStatus.PIF]).toEqual([1, RxStatus.PIF]);
  write(0x5200 + 4 * (hash >> 5), 0);
  write(Reg.RCTL, Rctl.EN | Rctl.MPE);
  cable.receive(testFrame(group));
  expect(read(0x2810)).toBe(2);
});

test('without descriptors a frame waits on the cable', () => {
  const { start, cable, read, write } = bench();
  start();
  write(Reg.RDT, 2);
  for (let index = 0; index < 4; index++) cable.receive(testFrame([...MAC], 60, index));
  expect([read(0x2810), cable.waiting.length, read(Reg.ICR) & (Cause.RXO | Cause.RXDMT0)]).toEqual([2, 2, Cause.RXO | Cause.RXDMT0]);
  write(Reg.RDT, 6);
  expect([read(0x2810), cable.waiting.length]).toEqual([4, 0]);
});

test('a long frame takes several buffers, and none at all without RCTL.LPE', () => {
  const { start, cable, read, descriptor } = bench();
  start();
  cable.receive(testFrame([...MAC], 5000));
  expect([read(0x2810), read(STATISTICS + 4 * Stat.ROC)]).toEqual([0, 1]);
  start(Rctl.EN | Rctl.LPE | Rctl.SECRC);
  cable.receive(testFrame([...MAC], 5000));
  expect([0, 1, 2].map((index) => [descriptor(index).length, descriptor(index).status & RxStatus.EOP])).toEqual([
    [2048, 0],
    [2048, 0],
    [904, RxStatus.EOP],
  ]);
});

test('VLAN: a tag is put in and taken out, and foreign ones are filtered', () => {
  const { start, put, cable, write, descriptor, received, read } = bench();
  start(Rctl.EN | Rctl.VFE);
  write(Reg.CTRL, read(Reg.CTRL) | 0x4000_0000);
  write(0x5600, 1 << 7); // VLAN 7
  const frame = testFrame([...MAC], 80);
  put({ data: frame, command: LEGACY | TxCommand.VLE, special: 0x2007 });
  const tagged = cable.sent[0]!;
  expect([...tagged.subarray(0, 18)]).toEqual([...frame.subarray(0, 12), 0x81, 0x00, 0x20, 0x07, 0x12, 0x34]);
  cable.receive(tagged);
  expect(descriptor(0)).toMatchObject({ special: 0x2007, length: 84 });
  expect([descriptor(0).status & RxStatus.VP, received(0, 80)]).toEqual([RxStatus.VP, frame]);
  const foreign = tagged.slice();
  foreign[15] = 8;
  cable.receive(foreign);
  expect(read(0x2810)).toBe(1);
});

/** TCP over IPv4 as Linux hands a long segment to this driver: no length, no checksums but the pseudo header's without its length. */
function longSegment(payload: number): Uint8Array {
  const frame = testFrame(OTHER, 54 + payload);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2], 14);
  frame.set([0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0x10, 0, 0, 0, 0, 0], 34);
  view.setUint16(50, ~internetChecksum(frame, 26, 34, 6) & 0xffff);
  return frame;
}

function context(command: number, hdrlen: number, mss: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  bytes.set([14, 24, 33, 0, 34, 50, 0, 0]);
  bytes[11] = command | TxCommand.DEXT;
  bytes[13] = hdrlen;
  view.setUint16(14, mss, true);
  return bytes;
}

test('segmentation: frames with right lengths, sequence numbers and checksums, or the segment whole for who takes it', () => {
  const frame = longSegment(3000);
  const send = (cable: TestCable) => {
    const { start, put } = bench(cable);
    start();
    const data = TxCommand.DEXT | TxCommand.TSE;
    put(context(TxCommand.TSE | 3, 54, 1460), { data: frame.subarray(0, 54), command: data, dtyp: 1, options: TxPopts.IXSM | TxPopts.TXSM });
    put({ data: frame.subarray(54), command: data | TxCommand.EOP | TxCommand.RS, dtyp: 1 });
  };
  const plain = new TestCable();
  send(plain);
  expect(plain.sent.map(({ length }) => length)).toEqual([1514, 1514, 54 + 80]);
  for (const one of plain.sent) {
    expect(internetChecksum(one, 14, 34)).toBe(0);
    expect(internetChecksum(one, 34, one.length, (~internetChecksum(one, 26, 34) & 0xffff) + 6 + one.length - 34)).toBe(0);
  }
  const whole = new TestCable({ checksum: true, tcp4: true, tcp6: true });
  send(whole);
  const [one] = whole.sent;
  expect([one!.length, internetChecksum(one!, 14, 34), (one![16]! << 8) | one![17]!]).toEqual([3054, 0, 3040]);
  expect(whole.offloads).toEqual([{ checksumStart: 34, checksumOffset: 16, cut: { as: 'tcp4', segment: 1460, headers: 54 } }]);
});

test('checksum offload both ways', () => {
  const frame = longSegment(101);
  const view = new DataView(frame.buffer);
  view.setUint16(16, 141);
  view.setUint16(50, ~internetChecksum(frame, 26, 34, 6 + 121) & 0xffff);
  const { start, put, cable, write, descriptor } = bench();
  start(Rctl.EN | Rctl.UPE);
  write(0x5000, 0x300);
  const command = TxCommand.DEXT | TxCommand.EOP | TxCommand.RS;
  put(context(3, 0, 0), { data: frame, command, dtyp: 1, options: TxPopts.IXSM | TxPopts.TXSM });
  const sent = cable.sent[0]!;
  cable.receive(sent);
  expect(descriptor(0)).toMatchObject({ status: RxStatus.DD | RxStatus.EOP | RxStatus.IPCS | RxStatus.TCPCS, errors: 0 });
  sent[100]! ^= 1;
  cable.receive(sent);
  expect(descriptor(1).errors).toBe(0x20);
  sent[22]! ^= 1;
  cable.receive(sent);
  expect(descriptor(2).errors).toBe(0x40);
});

test.each([0, 14, 15, 34, 60])('a frame that the cable has cut is reported as one that the controller sums itself, from PCSS %i', (pcss) => {
  const sender = new TestCable();
  const { start, put } = bench(sender);
  start();
  const data = TxCommand.DEXT | TxCommand.TSE;
  put(context(TxCommand.TSE | 3, 54, 1460), {
    data: longSegment(3000),
    command: data | TxCommand.EOP,
    dtyp: 1,
    options: TxPopts.IXSM | TxPopts.TXSM,
  });
  expect(sender.sent).toHaveLength(3);
  const reports = [false, true].map((finished) => {
    const { start, cable, write, view } = bench();
    start(Rctl.EN | Rctl.UPE);
    return [0x300, 0x200, 0x100, 0].flatMap((offloads) => {
      write(0x5000, offloads | pcss);
      for (const frame of sender.sent) cable.receive(frame, undefined, finished);
      const seen = sender.sent.map((_, index) => [8, 12].map((at) => view.getUint32(RX_RING + 16 * index + at, true)));
      write(Reg.RCTL, 0);
      write(0x2810, 0); // RDH
      write(Reg.RCTL, Rctl.EN | Rctl.UPE);
      return seen;
    });
  });
  expect(reports[1]).toEqual(reports[0]);
  expect(reports[0]![0]![1]! & 0xff).toBe(RxStatus.DD | RxStatus.EOP | RxStatus.IPCS | RxStatus.TCPCS);
});

test('ITR: interrupts come no more often than it allows', () => {
  const { start, cable, read, write, irq, context: test } = bench();
  start();
  write(0xc4, 1000); // 256 µs
  cable.receive(testFrame([...MAC]));
  read(Reg.ICR);
  cable.receive(testFrame([...MAC]));
  expect([irq.edges, irq.level]).toEqual([1, false]);
  test.scheduler.advance(255_000);
  expect(irq.level).toBe(false);
  test.scheduler.advance(2000);
  expect([irq.edges, irq.level]).toEqual([2, true]);
});

test('RDTR waits for silence, RADV does not wait longer than it says', () => {
  const { start, cable, read, write, context: test } = bench();
  start();
  write(Reg.RDTR, 100); // 102.4 µs
  write(0x282c, 200);
  cable.receive(testFrame([...MAC]));
  test.scheduler.advance(90_000);
  cable.receive(testFrame([...MAC]));
  test.scheduler.advance(90_000);
  expect(read(Reg.ICR) & Cause.RXT0).toBe(0);
  cable.receive(testFrame([...MAC]));
  test.scheduler.advance(30_000);
  expect(read(Reg.ICR) & Cause.RXT0).toBe(Cause.RXT0);
});

test('the EEPROM by its pins and by EERD: the address, and a checksum of BABAh', () => {
  const { read, write } = bench();
  const pin = (bits: number) => write(Reg.EECD, bits);
  const clockIn = (bit: number) => {
    const data = Eecd.CS | (bit === 1 ? Eecd.DI : 0);
    pin(data);
    pin(data | Eecd.SK);
    pin(data);
  };
  const byPins = (address: number) => {
    for (const bit of [1, 1, 0]) clockIn(bit);
    for (let bit = 5; bit >= 0; bit--) clockIn((address >> bit) & 1);
    let word = 0;
    for (let bit = 0; bit < 16; bit++) {
      clockIn(0);
      word = (word << 1) | ((read(Reg.EECD) & Eecd.DO) !== 0 ? 1 : 0);
    }
    pin(0);
    return word;
  };
  const byRegister = (address: number) => {
    write(Reg.EERD, (address << 8) | 1);
    return read(Reg.EERD) >>> 16;
  };
  const words = Array.from({ length: 64 }, (_, address) => byPins(address));
  expect(words).toEqual(words.map((_, address) => byRegister(address)));
  expect(words.slice(0, 3)).toEqual([0x5452, 0x1200, 0x5634]);
  expect(words.reduce((sum, word) => sum + word, 0) & 0xffff).toBe(0xbaba);
});

test('the PHY: identity, link, negotiation, loopback', () => {
  const { read, write, cable, irq, context: test, start, put, descriptor } = bench();
  const phy = (register: number) => {
    write(Reg.MDIC, Mdic.READ | (1 << 21) | (register << 16));
    return read(Reg.MDIC) & 0xffff;
  };
  const setPhy = (register: number, value: number) => write(Reg.MDIC, Mdic.WRITE | (1 << 21) | (register << 16) | value);
  start(Rctl.EN | Rctl.UPE);
  expect([phy(2), phy(3), phy(1) & 0x24, read(Reg.STATUS) & 2]).toEqual([0x0141, 0x0c20, 0x24, 2]);
  setPhy(0, 0x1340); // restart
  expect([phy(1) & 0x24, read(Reg.STATUS) & 2, read(Reg.ICR) & Cause.LSC]).toEqual([0, 0, Cause.LSC]);
  test.scheduler.advance(10_000_000);
  expect([phy(1) & 0x24, irq.level, read(Reg.ICR) & Cause.LSC]).toEqual([0x24, true, Cause.LSC]);
  cable.plug(false);
  expect([phy(1) & 4, read(Reg.ICR) & Cause.LSC]).toEqual([0, Cause.LSC]);
  setPhy(0, 0x4140);
  put({ data: testFrame(OTHER, 70), command: LEGACY });
  expect([cable.sent.length, descriptor(0).length]).toEqual([0, 74]);
});

describeDevice(
  'e1000',
  (context) => {
    const cable = new TestCable();
    const device = e1000.create(context, { cable, mac: MAC });
    const irq = new ProbeIrq();
    device.config.connect({
      ports: new PortSpace(),
      memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))),
      intx: irq,
      message: undefined,
    });
    return {
      format: e1000.state,
      device,
      regions: [
        { region: device.memory, length: 0x2_0000, hot: Object.values(Reg).concat([0x2800, 0x2808, 0x2810, 0x3800, 0x3808, 0x3810] as never[]) },
        { region: device.io, length: 64 },
        configRegion(device.config),
      ],
      irqs: [irq],
      events: {
        receive: (value) => cable.offer(testFrame([...MAC], 14 + (value % 9000), value)),
        broadcast: (value) => cable.offer(testFrame(BROADCAST, 60, value)),
        squeeze: () => cable.squeeze(() => device.memory.write(Reg.TDT, 4, 0)),
        ring: (value) => {
          // A driver that means it, now and then: rings in RAM, the controller on.
          device.config.write(PCI_COMMAND, 2, COMMAND_MASTER | COMMAND_MEMORY);
          for (const [offset, setting] of [[0x2800, value & 0xfff0], [0x2808, 0x80], [0x3800, 0x8000 | ((value >>> 8) & 0x7ff0)], [0x3808, 0x100], [Reg.RCTL, 0x801a], [Reg.TCTL, 2], [Reg.RDT, 7], [Reg.TDT, value & 15]] as const) device.memory.write(offset, 4, setting); // prettier-ignore
        },
      },
      maxWork: 60_000,
    };
  },
  { longestTick: 300_000_000, runs: 30 },
);
