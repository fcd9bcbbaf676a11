import { silentLog } from '../../base/log.ts';
import { AddressSpace } from '../../bus/address-space.ts';
import { describeDevice, type FixtureContext } from '../../bus/conformance.ts';
import { ProbeIrq, unconnectedIrq } from '../../bus/irq.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { piix3 } from './piix3.ts';

function make(context = { log: silentLog } as FixtureContext) {
  const irqs = Array.from({ length: 16 }, () => new ProbeIrq());
  const a20 = new ProbeIrq();
  const ignoreNumericError = new ProbeIrq();
  const resets: string[] = [];
  const commands: number[] = [];
  const device = piix3.create(context, {
    irqs,
    a20,
    ignoreNumericError,
    reset: (request) => resets.push(request),
    apmCommand: (command) => commands.push(command),
  });
  const memory = new AddressSpace(new PhysicalMap(new GuestMemory(0x1000)));
  device.config.connect({ ports: new PortSpace(), memory, intx: unconnectedIrq });
  const raised = (): number[] => irqs.flatMap((line, irq) => (line.level ? [irq] : []));
  return { device, irqs, a20, ignoreNumericError, resets, commands, raised };
}

test('identity: a multifunction ISA bridge', () => {
  const { device } = make();
  expect(device.config.read(0, 4)).toBe(0x7000_8086);
  expect(device.config.read(8, 4)).toBe(0x0601_0000);
  expect(device.config.read(0x0e, 1)).toBe(0x80);
  expect(device.config.read(0x60, 4)).toBe(0x8080_8080);
});

test('PIRQs follow their route registers', () => {
  const { device, raised } = make();
  device.pirqs[1]!.set(true);
  expect(raised()).toEqual([]);
  device.config.write(0x60, 4, 0x0b0b_0a0a);
  expect(raised()).toEqual([10]);
  device.pirqs[0]!.set(true);
  device.pirqs[1]!.set(false);
  expect(raised()).toEqual([10]);
  device.config.write(0x60, 1, 0x05);
  expect(raised()).toEqual([5]);
  device.config.write(0x60, 1, 0x02); // reserved
  expect(raised()).toEqual([]);
  device.config.write(0x60, 1, 0x0f);
  expect(raised()).toEqual([15]);
  device.config.write(0x60, 1, 0x8f);
  expect(raised()).toEqual([]);
});

test('CF9h resets on the rising edge of its CPU bit', () => {
  const { device, resets } = make();
  const { resetControl } = device;
  resetControl.write(0, 1, 0x02);
  expect(resets).toEqual([]);
  expect(resetControl.read(0, 1)).toBe(0x02);
  resetControl.write(0, 1, 0x06);
  resetControl.write(0, 1, 0x06);
  resetControl.write(0, 1, 0x00);
  resetControl.write(0, 1, 0x04);
  expect(resets).toEqual(['hard', 'init']);
});

test('port 92h drives A20 and pulses INIT', () => {
  const { device, resets, a20 } = make();
  device.port92.write(0, 1, 0x02);
  expect(a20.level).toBe(true);
  device.port92.write(0, 1, 0x03);
  device.port92.write(0, 1, 0x03);
  expect(resets).toEqual(['init']);
  expect(device.port92.read(0, 1)).toBe(0x03);
  device.reset('warm');
  expect(a20.level).toBe(false);
});

test('a write to APMC is the firmware call; APMS is scratch', () => {
  const { device, commands } = make();
  device.apm.write(1, 1, 0x55);
  device.apm.write(0, 1, 0xf1);
  expect(commands).toEqual([0xf1]);
  expect([device.apm.read(0, 1), device.apm.read(1, 1)]).toEqual([0xf1, 0x55]);
});

test('FERR# latches IRQ13; F0h acknowledges it and lets the processor go on until FERR# falls', () => {
  const { device, raised, ignoreNumericError } = make();
  device.coprocessorError.set(true);
  expect(raised()).toEqual([13]);
  expect(ignoreNumericError.level).toBe(false);
  device.coprocessor.write(0, 1, 0);
  expect(raised()).toEqual([]);
  expect(ignoreNumericError.level).toBe(true);
  device.coprocessorError.set(false);
  expect(ignoreNumericError.level).toBe(false);
});

describeDevice('PIIX3', (context) => {
  const { device, irqs, a20, ignoreNumericError } = make(context);
  const config = {
    name: 'config space',
    read: (offset: number, size: 1 | 2 | 4) => device.config.read(offset, size),
    write: (offset: number, size: 1 | 2 | 4, value: number) => device.config.write(offset, size, value),
  };
  return {
    format: piix3.state,
    device,
    regions: [
      { region: config, length: 256, hot: [0x60, 0x61, 0x62, 0x63] },
      { region: device.resetControl, length: 1 },
      { region: device.port92, length: 1 },
      { region: device.apm, length: 2 },
      { region: device.coprocessor, length: 1 },
    ],
    retained: ['pirqs'],
    irqs: [...irqs, a20, ignoreNumericError],
    events: { pirq: (value) => device.pirqs[value & 3]!.set((value & 4) !== 0), ferr: (value) => device.coprocessorError.set((value & 1) !== 0) },
  };
});
