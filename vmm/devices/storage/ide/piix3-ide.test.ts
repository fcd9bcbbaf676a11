import { describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { Command } from '../ata/registers.ts';
import { UnchangingMedium } from '../test-media.ts';
import { piix3Ide } from './piix3-ide.ts';
import { IdeBench, memoryDisk, patterned } from './test-bench.ts';

test('the function is the one drivers look for', () => {
  const { ide } = new IdeBench([]);
  expect(ide.config.read(0, 4)).toBe(0x70108086);
  expect(ide.config.read(8, 4) >>> 8).toBe(0x010180);
  ide.config.write(0x20, 4, 0xffffffff);
  expect(ide.config.read(0x20, 4)).toBe(0xfffffff1);
});

test('EXECUTE DEVICE DIAGNOSTIC: both devices show their signatures, device 0 is selected and interrupts', () => {
  const bench = new IdeBench([
    { kind: 'disk', disk: { backend: memoryDisk(64) } },
    { kind: 'cdrom', cdrom: {} },
  ]);
  bench.select(1);
  bench.out(7, Command.EXECUTE_DEVICE_DIAGNOSTIC);
  expect(bench.irq.level).toBe(true);
  expect([bench.in(1), bench.in(4), bench.in(5)]).toEqual([1, 0, 0]);
  bench.out(6, 0xb0);
  expect([bench.in(4), bench.in(5)]).toEqual([0x14, 0xeb]);
});

for (const held of [false, true])
  describeDevice(
    `PIIX3 IDE, the medium answers ${held ? 'later' : 'at once'}`,
    (context) => {
      const irqs = [new ProbeIrq(), new ProbeIrq()] as const;
      const disk = new UnchangingMedium(patterned(512), { held });
      const discs = [new UnchangingMedium(patterned(256), { readOnly: true, held }), new UnchangingMedium(patterned(256), { readOnly: true, held })];
      const device = piix3Ide.create(context, {
        irqs,
        drives: [{ kind: 'disk', disk: { backend: disk } }, undefined, { kind: 'cdrom', cdrom: { medium: discs[0] } }],
      });
      device.config.write(4, 2, 5);
      const bar = device.config.identity.bars![0]!;
      if (!('region' in bar)) throw new Error('BAR 4 has no region');
      // Descriptors that name RAM, so that random DMA finds some: everywhere, one page each, every fourth the last.
      const view = new DataView(context.dma.ram.buffer);
      for (let at = 0; at < 0x4000; at += 8) {
        view.setUint32(at, 0x10000 + at * 16, true);
        view.setUint32(at + 4, 0x400 | ((at & 0x18) === 0x18 ? 0x80000000 : 0), true);
      }
      return {
        format: piix3Ide.state,
        device,
        irqs,
        regions: [
          { region: device.primary.command, length: 8, hot: [0, 7] },
          { region: device.primary.control, length: 1 },
          { region: device.secondary.command, length: 8, hot: [0, 7] },
          { region: device.secondary.control, length: 1 },
          { region: bar.region, length: 16, hot: [0, 2, 8, 10] },
        ],
        events: {
          insert: (value: number) => device.cdrom(2)!.insert(discs[value % 2]),
          eject: () => device.cdrom(2)!.unit.pressEject(),
          // A whole command at once, which single random writes would hardly ever make.
          command(value: number) {
            const ports = value & 0x10000 ? device.secondary.command : device.primary.command;
            [0, 1 + ((value >>> 8) & 3), value & 0x3f, 0, 0, 0xe0].forEach((byte, index) => ports.write(index + 1, 1, byte));
            const codes = [0x20, 0x30, 0xc4, 0xc5, 0xc8, 0xca, 0x25, 0x35, 0xec, 0xa0, 0xa1, 0xef, 0xe7, 0xb0, 0x06, 0x08];
            ports.write(7, 1, codes[(value >>> 20) & 15]!);
          },
          packet(value: number) {
            const ports = device.secondary.command;
            const codes = [0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x43, 0x46, 0x4a, 0x51, 0x55, 0x5a, 0xa8, 0xbe, 0xad];
            ports.write(6, 1, 0xa0);
            ports.write(1, 1, value & 1);
            ports.write(7, 1, Command.PACKET);
            const cdb = [codes[(value >>> 4) & 15]!, value & 2, 0x3f, 0, 0, (value >>> 8) & 0x7f, 0, 0, 2 + ((value >>> 16) & 15), 0xf8, 0, 0];
            for (let at = 0; at < 12; at += 2) ports.write(0, 2, cdb[at]! | (cdb[at + 1]! << 8));
          },
          startDma(value: number) {
            const at = value & 1 ? 8 : 0;
            bar.region.write(at + 4, 4, (value >>> 8) & 0x3ff8);
            bar.region.write(at, 1, 0);
            bar.region.write(at, 1, 9);
          },
        },
        settle: () => [disk, ...discs].forEach((medium) => medium.release()),
        retained: ['config'], // the bench enables the function, a reset disables it
        maxWork: 40_000,
      };
    },
    { runs: 12 },
  );
