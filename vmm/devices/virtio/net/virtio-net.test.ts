import { createTestContext } from '../../../bus/conformance.ts';
import { internetChecksum } from '../../../net/cable/offload.ts';
import { TestCable, testFrame } from '../../net/testing/test-cable.ts';
import { VirtioDriver, type DriverOptions } from '../testing/driver.ts';
import { virtioNet } from './virtio-net.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const OTHER = [2, 0, 0, 0, 0, 9];
const GROUP = [1, 0, 0x5e, 0, 0, 1];
const RX = 0;
const TX = 1;
const CONTROL = 2;
const BUFFERS = 0x8_0000;
const NEEDS_CSUM = 1;

function bench(options: DriverOptions & { pairs?: number } = {}, cable = new TestCable()) {
  const context = createTestContext();
  const device = virtioNet.create(context, { cable, mac: MAC, pairs: options.pairs ?? 1 });
  const driver = new VirtioDriver(device.config, context.dma, options).start(options.pairs === undefined ? 3 : 9);
  let next = BUFFERS;
  const memory = (length: number) => {
    const at = next;
    next += (length + 63) & ~63;
    return at;
  };
  return {
    device,
    driver,
    cable,
    ram: context.dma.ram,
    /** Sends header and frame as two descriptors. */
    send: (frame: Uint8Array, header = new Uint8Array(12)) => {
      driver.add(TX, [
        { out: header, at: memory(12) },
        { out: frame, at: memory(frame.length) },
      ]);
      driver.notify(TX);
    },
    /** Gives a receive buffer; where it is. */
    give: (length: number, queue = RX) => {
      const at = memory(length);
      driver.add(queue, [{ in: length, at }]);
      driver.notify(queue);
      return at;
    },
    command: (queue: number, ...bytes: number[]) => {
      const status = memory(1);
      driver.add(queue, [
        { out: Uint8Array.from(bytes), at: memory(bytes.length) },
        { in: 1, at: status },
      ]);
      driver.notify(queue);
      return context.dma.ram[status];
    },
  };
}

test('frames both ways, modern and legacy', () => {
  for (const legacy of [false, true]) {
    const { send, cable, give, driver, ram } = bench({ legacy, features: legacy ? [] : [17] });
    const frame = testFrame(OTHER, 100);
    const header = legacy ? 10 : 12;
    send(frame, new Uint8Array(header));
    expect(cable.sent).toEqual([frame]);
    expect(driver.used(TX).length).toBe(1);
    const at = give(1526);
    cable.receive(frame);
    expect(driver.used(RX)).toEqual([{ head: 0, written: header + 100 }]);
    expect(ram.slice(at + header, at + header + 100)).toEqual(frame);
    expect([...ram.slice(at, at + header)]).toEqual(legacy ? new Array(10).fill(0) : [...new Array<number>(10).fill(0), 1, 0]);
  }
});

test('a full cable holds the ring, and a driver without buffers the cable', () => {
  const { send, cable, give, driver } = bench();
  cable.full = true;
  send(testFrame(OTHER, 60, 1));
  send(testFrame(OTHER, 60, 2));
  expect([cable.sent.length, driver.used(TX).length]).toEqual([0, 0]);
  cable.drained();
  expect(cable.sent.map((frame) => frame[20])).toEqual([21, 22]);
  expect(driver.used(TX).length).toBe(2);
  expect(cable.receive(testFrame([...MAC]))).toBe(false);
  give(1526);
  expect([driver.used(RX).length, cable.waiting.length]).toEqual([1, 0]);
});

test('mergeable buffers: a frame takes as many as it needs, or none while there are too few', () => {
  const { cable, give, driver, ram } = bench();
  const first = give(512);
  give(512);
  const frame = testFrame([...MAC], 1400);
  expect(cable.receive(frame)).toBe(false);
  expect(driver.used(RX)).toEqual([]);
  const third = give(512);
  expect(driver.used(RX).map(({ written }) => written)).toEqual([512, 512, 12 + 1400 - 1024]);
  expect([ram[first + 10], ram[third + 388 - 1]]).toEqual([3, frame[1399]]);
});

/** TCP over IPv4 with the pseudo header's sum where the checksum belongs. */
function tcp(payload: number): Uint8Array {
  const frame = testFrame([...MAC], 54 + payload);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2], 14);
  view.setUint16(16, 40 + payload);
  frame.set([0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0x10, 0, 0, 0, 0, 0], 34);
  view.setUint16(50, ~internetChecksum(frame, 26, 34, 6 + 20 + payload) & 0xffff);
  return frame;
}
const checksumGood = (frame: Uint8Array) =>
  internetChecksum(frame, 34, frame.length, (~internetChecksum(frame, 26, 34) & 0xffff) + 6 + frame.length - 34) === 0;

test('checksum and segmentation of what is sent: done for a peer that cannot, left to one that can', () => {
  const header = Uint8Array.of(NEEDS_CSUM, 1, 54, 0, 0xb4, 0x05, 34, 0, 16, 0, 0, 0);
  const plain = bench();
  plain.send(tcp(3000), header);
  expect(plain.cable.sent.map((frame) => [frame.length, checksumGood(frame)])).toEqual([
    [1514, true],
    [1514, true],
    [134, true],
  ]);
  plain.send(tcp(100), Uint8Array.of(NEEDS_CSUM, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0));
  expect(checksumGood(plain.cable.sent[3]!)).toBe(true);
  const able = bench({}, new TestCable({ checksum: true, tcp4: true, tcp6: true }));
  able.send(tcp(3000), header);
  expect(able.cable.offloads).toEqual([{ checksumStart: 34, checksumOffset: 16, cut: { as: 'tcp4', segment: 1460, headers: 54 } }]);
});

test('what arrives unfinished is said in the header, if that was negotiated and not switched off', () => {
  const { cable, give, ram, command } = bench();
  const at = give(5000);
  expect(cable.accepts).toEqual({ checksum: true, tcp4: true, tcp6: true });
  cable.receive(tcp(3000), { checksumStart: 34, checksumOffset: 16, cut: { as: 'tcp4', segment: 1460, headers: 54 } });
  expect([...ram.slice(at, at + 12)]).toEqual([NEEDS_CSUM, 1, 54, 0, 0xb4, 0x05, 34, 0, 16, 0, 1, 0]);
  expect(command(CONTROL, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0)).toBe(0); // only GUEST_CSUM
  expect(cable.accepts).toEqual({ checksum: true, tcp4: false, tcp6: false });
  expect(command(CONTROL, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0)).toBe(1); // never offered
});

test('the control queue sets the filters', () => {
  const { cable, give, driver, command } = bench();
  const arrives = (to: number[], tag?: number) => {
    give(1526);
    const frame = testFrame(to, 80);
    if (tag !== undefined) frame.set([0x81, 0x00, tag >> 8, tag & 0xff], 12);
    cable.receive(frame);
    return driver.used(RX).length > 0;
  };
  expect(arrives(OTHER)).toBe(true);
  expect(command(CONTROL, 0, 0, 0)).toBe(0); // not promiscuous
  expect([arrives([...MAC]), arrives(OTHER), arrives(GROUP)]).toEqual([true, false, false]);
  expect(command(CONTROL, 1, 0, 1, 0, 0, 0, ...OTHER, 1, 0, 0, 0, ...GROUP)).toBe(0);
  expect([arrives(OTHER), arrives(GROUP), arrives([1, 1, 1, 1, 1, 1])]).toEqual([true, true, false]);
  expect(command(CONTROL, 1, 0, 200, 0, 0, 0)).toBe(1); // addresses that are not there
  expect(arrives([...MAC], 7)).toBe(false);
  expect([command(CONTROL, 2, 0, 7, 0), arrives([...MAC], 7)]).toEqual([0, true]);
  expect([command(CONTROL, 2, 0, 0, 0x10), command(CONTROL, 9, 9)]).toEqual([1, 1]);
  expect(command(CONTROL, 1, 1, 2, 2, 2, 2, 2, 2)).toBe(0);
  expect([arrives([2, 2, 2, 2, 2, 2]), arrives([...MAC])]).toEqual([true, false]);
});

test('several pairs: conversations spread over them, each stays on one', () => {
  const { cable, give, driver, command } = bench({ pairs: 4 });
  for (const pair of [0, 1, 2, 3]) for (let index = 0; index < 4; index++) give(1526, 2 * pair);
  const flow = (port: number) => {
    const frame = tcp(10);
    new DataView(frame.buffer).setUint16(34, port);
    return frame;
  };
  cable.receive(flow(1));
  expect(driver.used(0).length).toBe(1); // one pair until the driver says more
  expect(command(8, 4, 0, 4, 0)).toBe(0);
  for (const port of [1, 2, 3, 4]) for (let index = 0; index < 2; index++) cable.receive(flow(port));
  expect([0, 1, 2, 3].map((pair) => driver.used(2 * pair).length)).toEqual([2, 2, 2, 2]);
  expect([command(8, 4, 0, 5, 0), command(8, 4, 0, 0, 0)]).toEqual([1, 1]);
});
