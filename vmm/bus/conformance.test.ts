import { z } from 'zod';
import type { Region } from './bus.ts';
import { describeDevice, runSteps, type DeviceFixture, type FixtureContext, type Step } from './conformance.ts';
import { ProbeIrq } from './irq.ts';
import { guestTime, u8 } from './schema.ts';

/** The smallest device with time in it: write n to raise the line n µs later, read to acknowledge. */
function alarm(context: FixtureContext, fault?: 'wide' | 'busy' | 'dma'): DeviceFixture<{ value: number; due: number; raised: boolean }> {
  const irq = new ProbeIrq();
  const state = { value: 0, due: 0, raised: false };
  let timer: { cancel(): void } | undefined;
  const arm = () => {
    timer?.cancel();
    irq.set(state.raised);
    if (state.due > 0) timer = context.scheduler.at(state.due, fire);
  };
  const fire = () => {
    Object.assign(state, { due: 0, raised: true });
    arm();
    if (fault === 'busy') context.scheduler.at(context.scheduler.now() + 1, fire);
  };
  const region: Region = {
    name: 'alarm',
    sizes: 1,
    read: () => {
      irq.set((state.raised = false));
      return fault === 'wide' ? 0x100 : state.value;
    },
    write: (_offset, _size, value) => {
      state.value = value;
      state.due = context.scheduler.now() + value * 1000;
      if (fault === 'dma') context.dma.wrote(value * 0x10000, 1);
      arm();
    },
  };
  const reset = () => {
    Object.assign(state, { value: 0, due: 0, raised: false });
    arm();
  };
  const schema = z.strictObject({ value: u8, due: guestTime, raised: z.boolean() });
  return { format: { version: 1, schema }, device: { state, reset, loaded: arm }, regions: [{ region, length: 1 }], irqs: [irq] };
}

describeDevice('a well-behaved device', (context) => alarm(context));

const write = (value: number): Step => ({ do: 'write', region: 0, offset: 0, size: 1, value });

test.each([
  ['wide', { do: 'read', region: 0, offset: 0, size: 1 }, /gave 256/],
  ['busy', { do: 'tick', nanoseconds: 1_000_000_000 }, /unbounded work/],
  ['dma', write(0xff), /outside RAM/],
] as const)('a faulty device (%s) is caught', async (fault, step, message) => {
  await expect(runSteps((context) => alarm(context, fault), [write(1), step])).rejects.toThrow(message);
});
