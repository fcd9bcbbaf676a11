import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { i8237 } from './i8237.ts';

function setUp() {
  const context = createTestContext();
  const device = i8237.create(context, {});
  const { ram } = context.dma;
  /** Programs a channel as drivers do: mask, flip-flop, mode, address, count, page, unmask. */
  const program = (channel: number, mode: number, address: number, transfers: number, page: number) => {
    const [region, scale] = channel < 4 ? [device.primary, 1] : [device.secondary, 2];
    const write = (register: number, value: number) => region.write(register * scale, 1, value);
    const low = channel & 3;
    write(10, 4 | low);
    write(12, 0);
    write(11, mode | low);
    for (const [register, value] of [
      [low * 2, address],
      [low * 2 + 1, transfers - 1],
    ] as const) {
      // prettier-ignore
      write(register, value & 0xff);
      write(register, value >> 8);
    }
    device.pages.write([7, 3, 1, 2, 15, 11, 9, 10][channel]!, 1, page);
    write(10, low);
  };
  const current = (channel: number, register: 0 | 1) => {
    device.primary.write(12, 1, 0);
    const at = channel * 2 + register;
    return device.primary.read(at, 1) | (device.primary.read(at, 1) << 8);
  };
  return { device, ram, program, current };
}

const READ = 0x48; // memory to device, single
const WRITE = 0x44;
const VERIFY = 0x40;
const bytes = (...values: number[]) => Uint8Array.from(values);

test('device to memory: stops at terminal count, shows it once and masks the channel', () => {
  const { device, ram, program, current } = setUp();
  const channel = device.channel(2);
  program(2, WRITE, 0x1234, 3, 0x05);
  channel.request(true);
  expect(channel.send(bytes(1, 2))).toEqual({ count: 2, terminal: false });
  expect([current(2, 0), current(2, 1)]).toEqual([0x1236, 0]);
  expect(device.primary.read(8, 1)).toBe(0x40);
  expect(channel.send(bytes(3, 4, 5))).toEqual({ count: 1, terminal: true });
  expect([...ram.subarray(0x51234, 0x51239)]).toEqual([1, 2, 3, 0, 0]);
  expect(current(2, 1)).toBe(0xffff);
  expect([device.primary.read(8, 1), device.primary.read(8, 1)]).toEqual([0x44, 0x40]);
  expect(channel.ready).toBe(false);
  expect(channel.send(bytes(9))).toEqual({ count: 0, terminal: false });
});

test('memory to device', () => {
  const { device, ram, program } = setUp();
  ram.set([7, 8, 9], 0x20000);
  program(1, READ, 0, 3, 2);
  const into = new Uint8Array(4);
  expect(device.channel(1).receive(into)).toEqual({ count: 3, terminal: true });
  expect([...into]).toEqual([7, 8, 9, 0]);
});

test('16-bit channels count words and have pages of 128 KiB', () => {
  const { device, ram, program } = setUp();
  program(5, WRITE, 0x8001, 2, 0x03);
  expect(device.channel(5).send(bytes(1, 2, 3, 4))).toEqual({ count: 4, terminal: true });
  expect([...ram.subarray(0x30002, 0x30006)]).toEqual([1, 2, 3, 4]);
});

test('autoinitialization starts the block again', () => {
  const { device, ram, program } = setUp();
  program(3, WRITE | 0x10, 0x100, 4, 0);
  const channel = device.channel(3);
  expect(channel.send(bytes(1, 2, 3, 4, 5, 6))).toEqual({ count: 4, terminal: true });
  expect(channel.send(bytes(5, 6))).toEqual({ count: 2, terminal: false });
  expect([...ram.subarray(0x100, 0x104)]).toEqual([5, 6, 3, 4]);
});

test('verify, and a transfer in the wrong direction, count without touching memory', () => {
  const { device, ram, program } = setUp();
  for (const mode of [VERIFY, READ]) {
    program(2, mode, 0, 4, 0);
    expect(device.channel(2).send(bytes(1, 2, 3, 4))).toEqual({ count: 4, terminal: true });
  }
  expect(ram.subarray(0, 4).every((value) => value === 0)).toBe(true);
});

test('an address wraps within its page; it may count downwards', () => {
  const { device, ram, program } = setUp();
  program(2, WRITE, 0xfffe, 4, 1);
  device.channel(2).send(bytes(1, 2, 3, 4));
  expect([...ram.subarray(0x1fffe, 0x20000), ...ram.subarray(0x10000, 0x10002)]).toEqual([1, 2, 3, 4]);
  program(2, WRITE | 0x20, 0x0102, 3, 1);
  device.channel(2).send(bytes(1, 2, 3));
  expect([...ram.subarray(0x10100, 0x10103)]).toEqual([3, 2, 1]);
  program(7, READ | 0x20, 0x0001, 2, 2);
  ram.set([1, 2, 3, 4], 0x20000);
  const into = new Uint8Array(4);
  device.channel(7).receive(into);
  expect([...into]).toEqual([3, 4, 1, 2]);
});

test('a device is told when its channel becomes ready while it requests', () => {
  const { device, program } = setUp();
  const channel = device.channel(2);
  let calls = 0;
  channel.onReady = () => calls++;
  program(2, WRITE, 0, 4, 0);
  expect(calls).toBe(0);
  channel.request(true);
  expect(calls).toBe(1);
  device.primary.write(8, 1, 0x04); // controller disabled
  expect(channel.ready).toBe(false);
  calls = 0;
  device.primary.write(8, 1, 0);
  expect(calls).toBe(1);
  channel.request(false);
  calls = 0;
  device.primary.write(14, 1, 0);
  expect(calls).toBe(0);
});

test('master clear masks everything; software requests show in the status; page registers are memory', () => {
  const { device } = setUp();
  device.primary.write(14, 1, 0);
  device.primary.write(9, 1, 5);
  expect(device.primary.read(8, 1)).toBe(0x20);
  device.primary.write(13, 1, 0);
  expect([device.primary.read(8, 1), device.primary.read(15, 1)]).toEqual([0, 0xff]);
  for (let i = 0; i < 16; i++) device.pages.write(i, 1, i * 3);
  expect(device.pages.read(4, 1)).toBe(12);
  expect(device.channel(0).ready).toBe(false);
});

test('a cascading channel serves no device', () => {
  const { device, program } = setUp();
  program(1, 0xc0, 0, 1, 0);
  expect(device.channel(1).ready).toBe(false);
});

describeDevice('8237A pair', (context) => {
  const device = i8237.create(context, {});
  return {
    format: i8237.state,
    device: {
      ...device,
      reset: (kind) => {
        for (let index = 0; index < 8; index++) device.channel(index).request(false);
        device.reset(kind);
      },
    },
    regions: [
      { region: device.primary, length: 16 },
      { region: device.secondary, length: 32 },
      { region: device.pages, length: 16 },
    ],
    events: {
      request: (value) => device.channel(value & 7).request((value & 8) !== 0),
      send: (value) => device.channel(value & 7).send(new Uint8Array(((value >> 3) & 0x1fff) * 2).fill(value)),
      receive: (value) => device.channel(value & 7).receive(new Uint8Array(((value >> 3) & 0x1fff) * 2)),
    },
    maxWork: 10_000,
  };
});
