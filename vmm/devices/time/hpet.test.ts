import { createTestContext, describeDevice, type FixtureContext } from '../../bus/conformance.ts';
import type { DeviceContext } from '../../bus/device.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { hpet } from './hpet.ts';

const [CONF, STATUS, COUNTER] = [0x10, 0x20, 0xf0];
const timerAt = (index: number) => 0x100 + 0x20 * index;
const ENABLE_INTERRUPT = 4;
const PERIODIC = 8;
const SET_VALUE = 0x40;
const MODE_32 = 0x100;
const LEVEL = 2;
const route = (gsi: number) => gsi << 9;

function make(context: DeviceContext, messages?: [number, number][]) {
  const irq0 = new ProbeIrq();
  const irq8 = new ProbeIrq();
  const routes = [new ProbeIrq(), new ProbeIrq(), new ProbeIrq(), new ProbeIrq()] as const;
  const device = hpet.create(context, {
    irq0,
    irq8,
    routes,
    ...(messages && { messageSignalled: (address: number, data: number) => messages.push([address, data]) }),
  });
  const read = (offset: number) => device.registers.read(offset, 4);
  const write = (offset: number, value: number) => device.registers.write(offset, 4, value >>> 0);
  return { device, irq0, irq8, routes, read, write };
}

function setUp(messages?: [number, number][]) {
  const context = createTestContext();
  return { ...make(context, messages), scheduler: context.scheduler };
}

test('capabilities and reset values', () => {
  const { read, device } = setUp();
  expect([read(0), read(4), read(CONF), read(COUNTER)]).toEqual([0x8086a201, 10_000_000, 0, 0]);
  expect([read(0x100), read(0x104), read(0x108), read(0x10c)]).toEqual([0x30, 0x00f00000, 0xffffffff, 0xffffffff]);
  expect([device.registers.read(2, 2), device.registers.read(1, 1)]).toEqual([0x8086, 0xa2]);
});

test('the counter counts 100 MHz while enabled, carries, and keeps its value', () => {
  const { read, write, scheduler } = setUp();
  write(COUNTER, 0xfffffff0);
  write(CONF, 1);
  scheduler.advance(320);
  expect([read(COUNTER), read(COUNTER + 4)]).toEqual([0x10, 1]);
  write(CONF, 0);
  scheduler.advance(1e9);
  expect([read(COUNTER), read(COUNTER + 4)]).toEqual([0x10, 1]);
  write(CONF, 1);
  scheduler.advance(3600e9);
  expect(read(COUNTER) + read(COUNTER + 4) * 2 ** 32).toBe(2 ** 32 + 16 + 3600e8);
});

test('a one-shot fires when the counter meets the comparator', () => {
  const { routes, write, scheduler } = setUp();
  write(timerAt(2), ENABLE_INTERRUPT | route(21));
  write(timerAt(2) + 8, 1000);
  write(timerAt(2) + 12, 0);
  write(CONF, 1);
  scheduler.advance(9_999);
  expect(routes[1].edges).toBe(0);
  scheduler.advance(1);
  expect(routes[1].edges).toBe(1);
  scheduler.advance(1e12);
  expect(routes[1].edges).toBe(1);
});

test('in 32-bit mode it fires again when the counter comes round', () => {
  const { routes, write, scheduler } = setUp();
  write(timerAt(0), ENABLE_INTERRUPT | MODE_32 | route(20));
  write(timerAt(0) + 8, 1000);
  write(CONF, 1);
  scheduler.advance(10_000 + 2 ** 32 * 10);
  expect(routes[0].edges).toBe(2);
});

test('a comparator just passed fires at once, one long passed after the counter went round', () => {
  const { routes, read, write, scheduler } = setUp();
  write(CONF, 1);
  scheduler.advance(1e9);
  write(timerAt(0), ENABLE_INTERRUPT | MODE_32 | route(20));
  write(timerAt(0) + 8, read(COUNTER) - 100);
  scheduler.advance(0);
  expect(routes[0].edges).toBe(1);
  write(timerAt(0) + 8, 5);
  scheduler.advance(1e9);
  expect(routes[0].edges).toBe(1);
});

test('periodic, as Linux sets it up: accumulator first, then the period', () => {
  const { irq0, write, read, scheduler } = setUp();
  write(CONF, 3);
  write(timerAt(0), ENABLE_INTERRUPT | PERIODIC | SET_VALUE | MODE_32);
  write(timerAt(0) + 8, 500_000);
  expect(read(timerAt(0)) & SET_VALUE).toBe(0);
  write(timerAt(0) + 8, 100_000);
  scheduler.advance(5_000_000);
  expect([irq0.edges, read(timerAt(0) + 8)]).toEqual([1, 600_000]);
  scheduler.advance(60e9);
  expect(irq0.edges).toBe(1 + 60_000);
});

test('a 64-bit periodic comparator is written in halves', () => {
  const { irq8, write, scheduler } = setUp();
  write(timerAt(1), ENABLE_INTERRUPT | PERIODIC | SET_VALUE);
  for (const value of [2000, 1000]) {
    write(timerAt(1) + 8, value);
    write(timerAt(1) + 12, 0);
  }
  write(CONF, 3);
  scheduler.advance(39_999);
  expect(irq8.edges).toBe(2);
});

test('level-triggered interrupts last until their status is cleared', () => {
  const { routes, read, write, scheduler } = setUp();
  write(timerAt(1), ENABLE_INTERRUPT | LEVEL | MODE_32 | route(23));
  write(timerAt(1) + 8, 100);
  write(CONF, 1);
  scheduler.advance(1000);
  expect([routes[3].level, read(STATUS)]).toEqual([true, 2]);
  write(STATUS, 5);
  expect(routes[3].level).toBe(true);
  write(STATUS, 2);
  expect([routes[3].level, read(STATUS)]).toEqual([false, 0]);
});

test('legacy replacement cuts off the 8254 and the clock', () => {
  const { device, irq0, irq8, write } = setUp();
  device.pit.set(true);
  device.rtc.set(true);
  expect([irq0.level, irq8.level]).toEqual([true, true]);
  write(CONF, 3);
  expect([irq0.level, irq8.level]).toEqual([false, false]);
  device.pit.set(false);
  device.pit.set(true);
  expect(irq0.level).toBe(false);
  write(CONF, 1);
  expect([irq0.level, irq8.level]).toEqual([true, true]);
});

test('interrupts by message', () => {
  const messages: [number, number][] = [];
  const { routes, read, write, scheduler } = setUp(messages);
  expect(read(timerAt(0)) & 0x8000).toBe(0x8000);
  write(timerAt(0), ENABLE_INTERRUPT | 0x4000 | MODE_32 | route(20));
  write(timerAt(0) + 0x10, 0x41);
  write(timerAt(0) + 0x14, 0xfee00000);
  write(timerAt(0) + 8, 100);
  write(CONF, 1);
  scheduler.advance(1000);
  expect([messages, routes[0].level]).toEqual([[[0xfee00000, 0x41]], false]);
});

const fixture = (context: FixtureContext, withMessages: boolean) => {
  const { device, irq0, irq8, routes } = make(context, withMessages ? [] : undefined);
  return {
    format: hpet.state,
    device: {
      ...device,
      reset: (kind: 'power' | 'warm') => {
        device.pit.set(false);
        device.rtc.set(false);
        device.reset(kind);
      },
    },
    regions: [{ region: device.registers, length: 0x400, hot: [CONF, STATUS, COUNTER, ...[0, 1, 2].flatMap((n) => [timerAt(n), timerAt(n) + 8])] }],
    irqs: [irq0, irq8, ...routes],
    events: {
      pit: (value: number) => device.pit.set((value & 1) !== 0),
      rtc: (value: number) => device.rtc.set((value & 1) !== 0),
      enable: (value: number) => device.registers.write(CONF, 4, value & 3),
      program: (value: number) => {
        device.registers.write(timerAt(value % 3), 4, (value & 0x7f4e) | ENABLE_INTERRUPT);
        device.registers.write(timerAt(value % 3) + 8, 4, value);
      },
    },
  };
};
describeDevice('HPET', (context) => fixture(context, false));
describeDevice('HPET with message delivery', (context) => fixture(context, true), { runs: 30 });
