import { AddressSpace } from '../../bus/address-space.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { PortSpace } from '../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../memory/physical-map.ts';
import { PciConfig, type PciBar } from './config-space.ts';
import { MSI_X_BAR_BYTES, PciMsiX } from './msi-x.ts';
import { PciMsi } from './msi.ts';
import { COMMAND_MASTER, PCI_COMMAND } from './registers.ts';

function connected(bars: PciBar[] = []) {
  const messages: [number, number][] = [];
  const intx = new ProbeIrq();
  const config = new PciConfig({ vendor: 1, device: 2, classCode: 0, interruptPin: 1, bars });
  const space = new AddressSpace(new PhysicalMap(new GuestMemory(4096)));
  const connect = () => config.connect({ ports: new PortSpace(), memory: space, intx, message: (address, data) => messages.push([address, data]) });
  return { config, messages, intx, connect };
}

test('MSI: the message software composed is sent, and INTx is silent meanwhile', () => {
  const { config, messages, intx, connect } = connected();
  const msi = new PciMsi(config);
  connect();
  expect(config.read(0x40, 4)).toBe(0x0080_0005);
  config.write(0x44, 4, 0xfee0_1007);
  config.write(0x4c, 2, 0x4031);
  config.write(PCI_COMMAND, 2, COMMAND_MASTER);
  config.intx.set(true);
  msi.notify();
  expect([messages, intx.level]).toEqual([[], true]);
  config.write(0x42, 2, 1);
  expect(intx.level).toBe(false);
  msi.notify();
  expect(messages).toEqual([[0xfee0_1004, 0x4031]]);
  config.write(PCI_COMMAND, 2, 0);
  msi.notify(); // a message is a write, and the function may not write now
  expect(messages.length).toBe(1);
  config.write(0x42, 2, 0);
  expect(intx.level).toBe(true);
});

describe('MSI-X', () => {
  function make(vectors: number) {
    const msix = new PciMsiX('test', vectors);
    const { config, messages, intx, connect } = connected([{ bar: 1, space: 'memory', length: MSI_X_BAR_BYTES, region: msix.region }]);
    msix.attach(config, 1);
    connect();
    config.write(PCI_COMMAND, 2, COMMAND_MASTER);
    const compose = (vector: number, address: number, data: number, masked = false) => {
      msix.region.write(vector * 16, 4, address);
      msix.region.write(vector * 16 + 4, 4, 0);
      msix.region.write(vector * 16 + 8, 4, data);
      msix.region.write(vector * 16 + 12, 4, masked ? 0xffff_ffff : 0);
    };
    return { msix, config, messages, intx, compose };
  }

  test('vectors are masked after reset; what happens then is pending and sent when it is unmasked', () => {
    const { msix, config, messages, compose } = make(3);
    expect(config.read(0x42, 2)).toBe(2);
    config.write(0x42, 2, 0x8000);
    compose(2, 0xfee0_0000, 0x55, true);
    expect(msix.region.read(0x2c, 4)).toBe(1);
    msix.notify(2);
    msix.notify(2);
    expect([messages.length, msix.region.read(0x800, 4)]).toEqual([0, 4]);
    msix.region.write(0x2c, 4, 0);
    expect([messages, msix.region.read(0x800, 4)]).toEqual([[[0xfee0_0000, 0x55]], 0]);
    msix.notify(3); // there is no such vector
    expect(messages.length).toBe(1);
  });

  test('the function mask holds all vectors back', () => {
    const { msix, config, messages, compose } = make(2);
    compose(0, 0xfee0_0000, 1);
    compose(1, 0xfee0_0000, 2);
    config.write(0x42, 2, 0xc000);
    msix.notify(0);
    msix.notify(1);
    expect(messages).toEqual([]);
    config.write(0x42, 2, 0x8000);
    expect(messages.map(([, data]) => data)).toEqual([1, 2]);
  });

  test('pending bits and reserved bits cannot be written; a loaded state has none that cannot be', () => {
    const { msix } = make(2);
    msix.region.write(0x800, 4, 0xff);
    msix.region.write(0x20, 4, 0xff); // beyond the table
    expect([msix.region.read(0x800, 4), msix.region.read(0x20, 4)]).toEqual([0, 0]);
    msix.state.pending.fill(0xff);
    msix.state.table.fill(0xff);
    msix.loaded();
    expect([msix.region.read(0x800, 4), msix.region.read(0x0c, 4)]).toEqual([3, 1]);
  });
});
