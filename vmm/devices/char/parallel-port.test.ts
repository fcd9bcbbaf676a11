import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { parallelPort } from './parallel-port.ts';

function setUp(connected = true) {
  const irq = new ProbeIrq();
  const log: (number | string)[] = [];
  const peer = { write: (byte: number) => log.push(byte), initialize: () => log.push('init') };
  const device = parallelPort.create(createTestContext(), { irq, ...(connected && { peer }) });
  const read = (offset: number) => device.registers.read(offset, 1);
  const write = (offset: number, value: number) => device.registers.write(offset, 1, value);
  return { device, irq, log, read, write };
}

test('a byte is printed when it is strobed', () => {
  const { log, read, write } = setUp();
  expect([read(1), read(2)]).toEqual([0xdf, 0xcc]);
  write(0, 0x41);
  expect([read(0), log]).toEqual([0x41, []]);
  for (const value of [0x0d, 0x0c, 0x0d, 0x0d, 0x0c]) write(2, value);
  expect(log).toEqual([0x41, 0x41]);
  write(2, 0x08);
  expect(log.at(-1)).toBe('init');
});

test('interrupts after the acknowledge, until the status is read', () => {
  const { irq, read, write } = setUp();
  write(2, 0x1d);
  expect(irq.level).toBe(true);
  expect(read(1)).toBe(0xdb);
  expect([irq.level, read(1)]).toEqual([false, 0xdf]);
});

test('data lines can be inputs; without a peer nobody is selected', () => {
  const { read, write, log } = setUp(false);
  write(0, 0x55);
  write(2, 0x2d);
  expect([read(0), read(1), read(2), log]).toEqual([0xff, 0x47, 0xed, []]);
});

describeDevice('parallel port', (context) => {
  const irq = new ProbeIrq();
  const device = parallelPort.create(context, { irq, peer: { write: () => undefined } });
  return { format: parallelPort.state, device, regions: [{ region: device.registers, length: 3 }], irqs: [irq] };
});
