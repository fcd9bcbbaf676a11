import { silentLog } from '../../base/log.ts';
import type { Region } from '../../bus/bus.ts';
import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import type { DeviceContext } from '../../bus/device.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { APM_ACPI_DISABLE, APM_ACPI_ENABLE, PM_TIMER_HZ, piix4Pm } from './piix4-pm.ts';
import type { SmbusDevice } from './piix4-smbus.ts';

const PM = 0x600;
const SMB = 0x700;
const [STATUS, ENABLE, CONTROL, TIMER, GP_STATUS, GP_ENABLE] = [PM, PM + 2, PM + 4, PM + 8, PM + 12, PM + 14];

function make(context: DeviceContext, readOnly = false) {
  const ports = new PortSpace();
  const sci = new ProbeIrq();
  const smbusIrq = new ProbeIrq();
  const log: string[] = [];
  const memory = Uint8Array.from({ length: 256 }, (_, index) => index ^ 0x80);
  const eeprom: SmbusDevice = { readRegister: (at) => memory[at]!, writeRegister: (at, value) => (memory[at] = readOnly ? memory[at]! : value) };
  const device = piix4Pm.create(context, {
    ports,
    sci,
    smbusIrq,
    powerOff: () => log.push('off'),
    sleep: (type) => log.push(`sleep ${type}`),
    smbus: new Map([[0x50, eeprom]]),
  });
  /** What SeaBIOS writes (fw/pciinit.c, piix4_pm_config_setup). */
  const setUp = () => {
    device.config.write(0x3c, 1, 9);
    device.config.write(0x40, 4, PM | 1);
    device.config.write(0x80, 1, 1);
    device.config.write(0x90, 4, SMB | 1);
    device.config.write(0xd2, 1, 9);
  };
  return { device, ports, sci, smbusIrq, log, memory, setUp };
}

function ready() {
  const context = createTestContext();
  const bench = make(context);
  bench.setUp();
  return { ...bench, scheduler: context.scheduler };
}

test('identity, and register blocks where configuration puts them', () => {
  const { device, ports } = make(createTestContext());
  expect([device.config.read(0, 4), device.config.read(8, 4), device.config.read(0x3d, 1)]).toEqual([0x71138086, 0x06800003, 1]);
  expect(device.config.read(0x58, 4) & 0x02000000).toBe(0x02000000); // SeaBIOS: no SMM to set up
  expect([device.config.read(0x40, 4), device.config.read(0x90, 4)]).toEqual([1, 1]);
  device.config.write(0x40, 4, 0xffffffff);
  expect(device.config.read(0x40, 4)).toBe(0xffc1);
  device.config.write(0x40, 4, 0xb001);
  expect(ports.read(0xb004, 2)).toBe(0xffff);
  device.config.write(0x80, 1, 1);
  expect(ports.read(0xb004, 2)).toBe(0);
  device.config.write(0x41, 1, 0x06);
  expect([ports.read(0xb004, 2), ports.read(0x604, 2)]).toEqual([0xffff, 0]);
  device.reset('warm');
  expect(ports.read(0x604, 2)).toBe(0xffff);
});

test('the timer counts 3.579545 MHz in 24 bits and notes each change of its top bit', () => {
  const { ports, sci, scheduler } = ready();
  const start = ports.read(TIMER, 4);
  scheduler.advance(1e9);
  expect(ports.read(TIMER, 4) - start).toBe(PM_TIMER_HZ);
  expect(ports.read(TIMER + 1, 1)).toBe((ports.read(TIMER, 4) >> 8) & 0xff);
  scheduler.advance(2e9);
  expect(ports.read(STATUS, 2)).toBe(1);
  ports.write(CONTROL, 2, 1);
  ports.write(ENABLE, 2, 1);
  expect(sci.level).toBe(true);
  ports.write(STATUS, 2, 1);
  expect(sci.level).toBe(false);
  const half = (0x800000 / PM_TIMER_HZ) * 1e9;
  scheduler.advance(half * 10);
  expect([sci.level, sci.edges]).toEqual([true, 2]);
  scheduler.advance(2e9);
  expect(ports.read(TIMER, 4)).toBeLessThan(0x1000000);
});

test('ACPI is switched on through the SMI command port', () => {
  const { device, ports } = ready();
  device.apmCommand(APM_ACPI_ENABLE);
  expect(ports.read(CONTROL, 2)).toBe(1);
  device.apmCommand(APM_ACPI_DISABLE);
  expect(ports.read(CONTROL, 2)).toBe(0);
});

test('the power button', () => {
  const { device, ports, sci } = ready();
  expect(device.pressPowerButton()).toBe(false);
  ports.write(STATUS, 2, 0x100);
  device.apmCommand(APM_ACPI_ENABLE);
  ports.write(ENABLE, 2, 0x120);
  expect([device.pressPowerButton(), sci.level, ports.read(STATUS, 2)]).toEqual([true, true, 0x100]);
  ports.write(STATUS + 1, 1, 0x01);
  expect([sci.level, ports.read(STATUS, 2)]).toEqual([false, 0]);
});

test('general purpose events', () => {
  const { device, ports, sci } = ready();
  device.apmCommand(APM_ACPI_ENABLE);
  device.raiseEvent(9);
  expect([sci.level, ports.read(GP_STATUS, 2)]).toEqual([false, 0x200]);
  ports.write(GP_ENABLE, 2, 0x200);
  expect(sci.level).toBe(true);
  ports.write(GP_STATUS, 2, 0x200);
  expect(sci.level).toBe(false);
});

test('sleep: type 0 is off; SLP_EN is write only', () => {
  const { ports, log } = ready();
  ports.write(CONTROL, 2, 0x0401);
  expect(log).toEqual([]);
  ports.write(CONTROL, 2, 0x2401);
  ports.write(CONTROL, 2, 0x2001);
  expect(log).toEqual(['sleep 1', 'off']);
  expect(ports.read(CONTROL, 2)).toBe(1);
});

describe('SMBus', () => {
  const transact = (ports: PortSpace, protocol: number, address: number, command = 0, data = 0, extra = 0) => {
    ports.write(SMB, 1, 0x1e);
    ports.write(SMB + 4, 1, address);
    ports.write(SMB + 3, 1, command);
    ports.write(SMB + 5, 1, data & 0xff);
    ports.write(SMB + 6, 1, data >> 8);
    ports.write(SMB + 2, 1, 0x40 | (protocol << 2) | extra);
    return ports.read(SMB, 1);
  };

  test('tells who is there, as a quick command finds it', () => {
    const { ports } = ready();
    expect([transact(ports, 0, 0xa0), transact(ports, 0, 0xa2)]).toEqual([0x02, 0x06]);
  });

  test('reads and writes bytes, words and blocks', () => {
    const { ports, memory } = ready();
    expect([transact(ports, 2, 0xa1, 0x10), ports.read(SMB + 5, 1)]).toEqual([0x02, 0x90]);
    transact(ports, 3, 0xa1, 0x20);
    expect([ports.read(SMB + 5, 1), ports.read(SMB + 6, 1)]).toEqual([0xa0, 0xa1]);
    transact(ports, 2, 0xa0, 0x30, 0x12);
    transact(ports, 3, 0xa0, 0x31, 0x3456);
    expect([...memory.subarray(0x30, 0x33)]).toEqual([0x12, 0x56, 0x34]);
    transact(ports, 1, 0xa0, 0x31);
    transact(ports, 1, 0xa1);
    expect(ports.read(SMB + 5, 1)).toBe(0x56);
    transact(ports, 1, 0xa1);
    expect(ports.read(SMB + 5, 1)).toBe(0x34);
    transact(ports, 5, 0xa1, 0x40, 3);
    ports.read(SMB + 2, 1);
    expect([ports.read(SMB + 5, 1), ports.read(SMB + 7, 1), ports.read(SMB + 7, 1)]).toEqual([3, 0xc0, 0xc1]);
  });

  test('refuses what it does not know, and interrupts when told to', () => {
    const { ports, smbusIrq } = ready();
    expect(transact(ports, 6, 0xa0)).toBe(0x06);
    transact(ports, 0, 0xa0, 0, 0, 1);
    expect(smbusIrq.level).toBe(true);
    ports.write(SMB, 1, 0x1e);
    expect(smbusIrq.level).toBe(false);
  });
});

describeDevice('PIIX4 power management', (context) => {
  const { device, ports, sci, smbusIrq, setUp } = make({ ...context, log: silentLog }, true);
  const block = (name: string, base: number): Region => ({
    name,
    read: (offset, size) => ports.read(base + offset, size),
    write: (offset, size, value) => ports.write(base + offset, size, value),
  });
  const configuration: Region = {
    name: 'configuration',
    read: (offset, size) => device.config.read(offset & ~(size - 1), size),
    write: (offset, size, value) => device.config.write(offset & ~(size - 1), size, value),
  };
  return {
    format: piix4Pm.state,
    device,
    regions: [
      { region: configuration, length: 256, hot: [0x40, 0x41, 0x80, 0x90, 0xd2] },
      { region: block('pm', PM), length: 64, hot: [0, 2, 4, 5, 8, 12, 14] },
      { region: block('smbus', SMB), length: 16 },
    ],
    irqs: [sci, smbusIrq],
    events: {
      setUp,
      button: () => device.pressPowerButton(),
      event: (value) => device.raiseEvent(value),
      apm: (value) => device.apmCommand(value & 1 ? 0xf1 : 0xf0),
    },
    observe: () => [ports.read(PM, 4), ports.read(SMB, 4)],
  };
});
