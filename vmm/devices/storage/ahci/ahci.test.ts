import { describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { loadDevice, saveDevice, validateState } from '../../../bus/saved-state.ts';
import { AddressSpace } from '../../../bus/address-space.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import { MemoryBackend } from '../../../storage/memory-backend.ts';
import { Command } from '../ata/registers.ts';
import { memoryDisk, patterned } from '../ide/test-bench.ts';
import { UnchangingMedium } from '../test-media.ts';
import { ahci } from './ahci.ts';
import { Hba, Port, PortCommand, PortInterrupt, SERR_EXCHANGED } from './registers.ts';
import { AhciBench } from './ahci.test-support.ts';

const SECTORS = 4096;
function disk(backend = memoryDisk(SECTORS)) {
  return { backend, bench: new AhciBench([{ kind: 'disk', disk: { backend, serial: 'S1' } }]).start() };
}
const image = patterned(SECTORS);
/** Jest's own comparison of long arrays takes seconds. */
const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, index) => byte === b[index]);
const sectors = (lba: number, count: number) => image.subarray(lba * 512, (lba + count) * 512);
const DATA = 0x4_0000;

test('the controller says what it is and which ports have a device', () => {
  const bench = new AhciBench([{ kind: 'disk', disk: { backend: memoryDisk(64) } }, undefined, { kind: 'cdrom', cdrom: {} }]);
  expect([bench.region.read(Hba.CAP, 4), bench.region.read(Hba.PI, 4), bench.region.read(Hba.VS, 4)]).toEqual([0xc024_1f05, 0x3f, 0x1_0300]);
  expect(bench.device.config.read(0, 4)).toBe(0x2922_8086);
  const ports = [0, 1, 2].map((port) => {
    bench.port = port;
    return [bench.read(Port.SSTS), bench.read(Port.SIG), bench.read(Port.TFD)];
  });
  expect(ports).toEqual([
    [0x123, 0x0000_0101, 0x0150],
    [0, 0xffff_ffff, 0x7f],
    [0x123, 0xeb14_0101, 0x0100],
  ]);
});

test('IDENTIFY DEVICE: by PIO, into memory, with a PIO setup FIS and its interrupt', () => {
  const { bench } = disk();
  bench.command(Command.IDENTIFY_DEVICE, { prdt: [[DATA, 512]] });
  expect([bench.read(Port.CI), bench.read(Port.TFD), bench.moved()]).toEqual([0, 0x50, 512]);
  expect(bench.irq.level).toBe(true);
  expect(bench.acknowledge()).toBe(PortInterrupt.PSS);
  expect(bench.irq.level).toBe(false);
  const words = new Uint16Array(bench.ram.buffer, DATA, 256);
  expect([words[60], words[75], words[76]! & 0x100]).toEqual([SECTORS, 31, 0x100]);
  expect([bench.fis(0x20)[0], bench.fis(0x20)[1]! & 0x60, bench.fis(0x20)[16]]).toEqual([0x5f, 0x60, 0]);
});

test('READ DMA EXT into several regions, WRITE DMA EXT from them', () => {
  const { bench, backend } = disk();
  bench.command(Command.READ_DMA_EXT, {
    lba: 5,
    count: 8,
    prdt: [
      [DATA, 1024],
      [0x6_0000, 3072],
    ],
  });
  expect(equal(bench.ram.subarray(DATA, DATA + 1024), sectors(5, 2))).toBe(true);
  expect(equal(bench.ram.subarray(0x6_0000, 0x6_0c00), sectors(7, 6))).toBe(true);
  expect([bench.moved(), bench.acknowledge(), bench.fis(0x40)[0]]).toEqual([4096, PortInterrupt.DHRS, 0x34]);
  bench.command(Command.WRITE_DMA_EXT, { lba: 100, count: 2, write: true, prdt: [[DATA, 1024]] });
  expect(equal(backend.bytes.subarray(100 * 512, 102 * 512), sectors(5, 2))).toBe(true);
});

test('a read of more than a chunk goes on where it was in the table', () => {
  const { bench } = disk();
  const pages = Array.from({ length: 150 }, (_, page) => [DATA + page * 4096, 4096] as const);
  bench.compose(0, Command.READ_DMA_EXT, { lba: 16, count: 1200, prdt: pages.slice(0, 100) });
  bench.write(Port.CI, 1);
  expect(equal(bench.ram.subarray(DATA, DATA + 100 * 4096), sectors(16, 800))).toBe(true);
  expect(bench.acknowledge()).toBe((PortInterrupt.DHRS | PortInterrupt.OFS) >>> 0); // the table was too short for the rest
});

test('PIO writes take their data from the table, block by block', () => {
  const { bench, backend } = disk();
  bench.ram.set(sectors(0, 40), DATA);
  bench.command(Command.WRITE_SECTORS, { lba: 200, count: 40, write: true, prdt: [[DATA, 40 * 512]] });
  expect(equal(backend.bytes.subarray(200 * 512, 240 * 512), sectors(0, 40))).toBe(true);
  expect([bench.read(Port.TFD), bench.moved()]).toEqual([0x50, 40 * 512]);
});

test('an error stops the port with its bit still set; clearing ST starts over', () => {
  const { bench } = disk();
  bench.command(Command.READ_DMA_EXT, { lba: SECTORS, count: 1, prdt: [[DATA, 512]] }, 3);
  expect(bench.acknowledge()).toBe((PortInterrupt.TFES | PortInterrupt.DHRS) >>> 0);
  expect([bench.read(Port.CI), bench.read(Port.TFD), (bench.read(Port.CMD) >> 8) & 31]).toEqual([8, 0x1051, 3]);
  bench.command(Command.READ_DMA_EXT, { lba: 0, count: 1, prdt: [[DATA, 512]] }, 4);
  expect(bench.read(Port.CI)).toBe(0x18);
  bench.write(Port.CMD, PortCommand.FRE);
  expect([bench.read(Port.CI), bench.read(Port.CMD) & PortCommand.CR]).toEqual([0, 0]);
  bench.write(Port.CMD, PortCommand.FRE | PortCommand.ST);
  bench.command(Command.READ_DMA_EXT, { lba: 0, count: 1, prdt: [[DATA, 512]] });
  expect([bench.read(Port.CI), bench.ram.subarray(DATA, DATA + 512)]).toEqual([0, sectors(0, 1)]);
});

describe('native queueing', () => {
  test('many at once, done in any order, each reported by its bit', () => {
    const { bench, backend } = disk();
    backend.held = true;
    for (let slot = 0; slot < 32; slot++) bench.queued(slot, false, slot * 8, 2, DATA + slot * 1024);
    bench.issue(0xffff_ffff);
    expect([bench.read(Port.CI), bench.read(Port.SACT), backend.inFlight]).toEqual([0, 0xffff_ffff, 32]);
    backend.release(1);
    expect(bench.read(Port.SACT)).toBe(0xffff_fffe);
    expect(bench.acknowledge()).toBe(PortInterrupt.SDBS);
    backend.release();
    expect(bench.read(Port.SACT)).toBe(0);
    for (let slot = 0; slot < 32; slot++)
      expect(equal(bench.ram.subarray(DATA + slot * 1024, DATA + (slot + 1) * 1024), sectors(slot * 8, 2))).toBe(true);
  });

  test('writes, and forced unit access', () => {
    const { bench, backend } = disk();
    bench.ram.fill(0x5a, DATA, DATA + 512);
    bench.queued(1, true, 77, 1, DATA, { device: 0x40 });
    bench.issue(2);
    expect([backend.bytes[77 * 512], backend.flushes]).toEqual([0x5a, 0]);
    bench.queued(1, true, 78, 1, DATA, { device: 0xc0 });
    bench.issue(2);
    expect([backend.bytes[78 * 512], backend.flushes]).toEqual([0x5a, 1]);
  });

  test('one that fails stops the queue, and the log says which', () => {
    const { bench, backend } = disk();
    backend.held = true;
    bench.queued(0, false, 0, 1, DATA);
    bench.queued(5, false, SECTORS, 1, DATA);
    bench.issue(0x21);
    expect(bench.acknowledge()).toBe((PortInterrupt.SDBS | PortInterrupt.TFES) >>> 0);
    expect([bench.read(Port.SACT), backend.inFlight, bench.read(Port.TFD)]).toEqual([0x21, 0, 0x1051]);
    backend.held = false;
    bench.write(Port.CMD, PortCommand.FRE);
    bench.write(Port.CMD, PortCommand.FRE | PortCommand.ST);
    bench.command(Command.READ_LOG_EXT, { lba: 0x10, count: 1, prdt: [[DATA, 512]] });
    expect([...bench.ram.subarray(DATA, DATA + 7)]).toEqual([5, 0, 0x51, 0x10, SECTORS & 0xff, SECTORS >> 8, 0]);
    expect(bench.ram.subarray(DATA, DATA + 512).reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
  });

  test('saved while the medium was busy: the loaded controller begins again', () => {
    const { bench, backend } = disk();
    backend.held = true;
    bench.queued(2, false, 10, 2, DATA);
    bench.issue(4);
    bench.port = 0;
    const saved = validateState('ahci', ahci.state, saveDevice(bench.device, ahci.state));
    const second = disk().bench;
    second.ram.set(bench.ram);
    loadDevice(second.device, saved);
    expect([second.read(Port.SACT), second.ram.subarray(DATA, DATA + 1024)]).toEqual([0, sectors(10, 2)]);
  });

  test('nothing arrives after a port reset', () => {
    const { bench, backend } = disk();
    backend.held = true;
    bench.queued(2, false, 10, 2, DATA);
    bench.issue(4);
    bench.write(Port.SCTL, 1);
    bench.ram.fill(0, DATA, DATA + 1024);
    backend.release();
    expect([bench.read(Port.SSTS), backend.inFlight]).toEqual([0, 0]);
    bench.write(Port.SCTL, 0);
    expect([bench.read(Port.SSTS), bench.read(Port.SERR) & SERR_EXCHANGED, bench.read(Port.SIG)]).toEqual([0x123, SERR_EXCHANGED, 0x101]);
    expect(bench.ram.subarray(DATA, DATA + 1024).every((byte) => byte === 0)).toBe(true);
  });
});

test('TRIM', () => {
  const { bench, backend } = disk();
  bench.ram.set([10, 0, 0, 0, 0, 0, 2, 0], DATA);
  bench.command(Command.DATA_SET_MANAGEMENT, { features: 1, count: 1, write: true, prdt: [[DATA, 512]] });
  expect([9, 10, 11, 12].map((lba) => backend.bytes.subarray(lba * 512, lba * 512 + 512).every((byte) => byte === 0))).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test('a software reset is two control FISes; the signature comes after the second', () => {
  const { bench } = disk();
  bench.command(0, { control: 4 });
  expect([bench.read(Port.TFD) & 0x80, bench.read(Port.CI)]).toEqual([0x80, 0]);
  bench.command(0, { control: 0 }, 1);
  expect([bench.read(Port.TFD), bench.read(Port.SIG), bench.fis(0x40)[0]]).toEqual([0x150, 0x101, 0x34]);
});

test('MSI: a message per event, none while nothing is new', () => {
  const { bench } = disk();
  let at = bench.device.config.read(0x34, 1);
  while (bench.device.config.read(at, 1) !== 5) at = bench.device.config.read(at + 1, 1);
  bench.device.config.write(at + 4, 4, 0xfee0_0000);
  bench.device.config.write(at + 12, 2, 0x33);
  bench.device.config.write(at + 2, 2, 1);
  bench.command(Command.FLUSH_CACHE);
  expect([bench.messages, bench.irq.level]).toEqual([[0x33], false]);
  bench.command(Command.FLUSH_CACHE);
  expect(bench.messages.length).toBe(1);
  bench.acknowledge();
  bench.command(Command.FLUSH_CACHE);
  expect(bench.messages.length).toBe(2);
});

describe('CD', () => {
  const inquiry = [0x12, 0, 0, 0, 36];
  test('packets by PIO and by DMA; reads; no medium', () => {
    const medium = new MemoryBackend(patterned(400), { readOnly: true });
    const bench = new AhciBench([{ kind: 'cdrom', cdrom: { medium } }]).start();
    const packet = (cdb: readonly number[], features: number, length: number) =>
      bench.command(Command.PACKET, { packet: cdb, features, lba: 0xfffe00, prdt: [[DATA, length]] });
    packet([0, 0, 0, 0], 0, 2); // takes the unit attention
    bench.acknowledge();
    bench.write(Port.CMD, PortCommand.FRE);
    bench.write(Port.CMD, PortCommand.FRE | PortCommand.ST);
    packet(inquiry, 0, 36);
    expect([bench.ram[DATA], bench.moved(), bench.read(Port.CI)]).toEqual([5, 36, 0]);
    packet([0x28, 0, 0, 0, 0, 16, 0, 0, 4], 1, 8192);
    expect(equal(bench.ram.subarray(DATA, DATA + 8192), patterned(400).subarray(16 * 2048, 20 * 2048))).toBe(true);
    expect(bench.moved()).toBe(8192);
    bench.device.cdrom(0)!.insert(undefined);
    packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1], 1, 2048);
    expect([bench.read(Port.TFD) & 1, bench.read(Port.TFD) >> 12]).toEqual([1, 2]);
  });
});

describeDevice(
  'ahci',
  (context) => {
    const device = ahci.create(context, {
      drives: [
        { kind: 'disk', disk: { backend: new UnchangingMedium(patterned(64)) } },
        { kind: 'cdrom', cdrom: { medium: new UnchangingMedium(patterned(64), { readOnly: true }) } },
      ],
    });
    const irq = new ProbeIrq();
    device.config.connect({ ports: new PortSpace(), memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))), intx: irq });
    const bar = device.config.identity.bars![0]!;
    if (!('region' in bar)) throw new Error('no registers');
    const { region } = bar;
    const view = new DataView(context.dma.ram.buffer);
    const codes = [0x25, 0x35, 0x60, 0x61, 0xec, 0xa0, 0x20, 0x30, 0xea, 0x06, 0xa1, 0x2f, 0xb0, 0xc8, 0x24, 0x34];
    return {
      format: ahci.state,
      device,
      regions: [{ region, length: 0x280, hot: [4, 8, 0x110, 0x118, 0x12c, 0x130, 0x134, 0x138, 0x198, 0x1b8] }],
      irqs: [irq],
      events: {
        start(value) {
          device.config.write(4, 2, 6);
          region.write(4, 4, 2);
          for (const port of [0x100, 0x180]) {
            region.write(port, 4, 0x1_0000 + port * 16);
            region.write(port + 8, 4, 0x3000 + port);
            region.write(port + 0x14, 4, 0xffff_ffff);
            region.write(port + 0x18, 4, 0);
            region.write(port + 0x18, 4, (value & 3) === 3 ? 1 : 0x11);
          }
        },
        /** Composes a command, mostly sound, and issues it. */
        issue(value) {
          const port = (value & 1) === 0 ? 0x100 : 0x180;
          const slot = (value >>> 1) & 31;
          const header = region.read(port, 4) + slot * 32;
          const table = 0x4_0000 + slot * 0x1000;
          if (header + 32 > context.dma.ram.length) return;
          const code = codes[(value >>> 6) & 15]!;
          view.setUint32(header, (((value >>> 10) & 3) << 16) | 5, true);
          view.setUint32(header + 8, table, true);
          view.setUint32(header + 12, value >>> 28 === 15 ? 7 : 0, true);
          const queued = code === 0x60 || code === 0x61;
          context.dma.ram.set([0x27, value >>> 27 === 9 ? 0 : 0x80, code, queued ? 2 : value & 3, (value >>> 12) & 63, 0, 0, 0x40], table);
          context.dma.ram.set([0, 0, 0, 0, queued ? slot << 3 : (value >>> 18) & 7, 0, 0, (value >>> 21) & 4], table + 8);
          context.dma.ram.set(
            [
              [0x28, 0, 0, 0, 0, (value >>> 12) & 15, 0, 0, 1, 0, 0, 0],
              [0x12, 0, 0, 0, 96],
              [0x1b, 0, 0, 0, 2],
              [0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0],
            ][(value >>> 18) & 3]!,
            table + 0x40,
          );
          for (let entry = 0; entry < 3; entry++) {
            view.setUint32(table + 0x80 + entry * 16, value >>> 24 === 77 ? 0x1000_0000 : 0x8_0000 + entry * 0x2000, true);
            view.setUint32(table + 0x8c + entry * 16, value >>> 25 === 33 ? value >>> 8 : 1023, true);
          }
          if (queued) region.write(port + 0x34, 4, (1 << slot) >>> 0);
          region.write(port + 0x38, 4, (1 << slot) >>> 0);
        },
        media: () => device.cdrom(1)?.insert(new UnchangingMedium(patterned(64), { readOnly: true })),
        intx: (value) => device.config.write(4, 2, value & 0x407),
      },
      maxWork: 250_000,
    };
  },
  { runs: 15, steps: 50 },
);
