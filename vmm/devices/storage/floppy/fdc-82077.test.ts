import { silentLog } from '../../../base/log.ts';
import { ManualScheduler } from '../../../bus/clock.ts';
import { describeDevice } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { MemoryBackend } from '../../../storage/memory-backend.ts';
import type { DmaChannel } from '../../dma/dma-channel.ts';
import { UnchangingMedium } from '../test-media.ts';
import { fdc82077, type Controller } from './fdc-82077.ts';

/** A channel programmed for `left` bytes from or to `memory`. */
class TestChannel implements DmaChannel {
  readonly width = 1;
  memory = new Uint8Array(65536);
  at = 0;
  left = 0;
  masked = false;
  requested = false;
  onReady: () => void = () => undefined;

  program(length: number, data?: Uint8Array): void {
    this.at = 0;
    this.left = length;
    this.memory.fill(0);
    if (data !== undefined) this.memory.set(data);
  }
  unmask(): void {
    this.masked = false;
    if (this.requested) this.onReady();
  }
  request(level: boolean): void {
    this.requested = level;
  }
  get ready(): boolean {
    return !this.masked && this.left > 0;
  }
  private step(bytes: number) {
    const count = Math.min(bytes, this.left);
    this.left -= count;
    this.at += count;
    return { count, terminal: this.left === 0 && count > 0 };
  }
  send(from: Uint8Array) {
    this.memory.set(from.subarray(0, Math.min(from.length, this.left)), this.at);
    return this.step(from.length);
  }
  receive(into: Uint8Array) {
    into.set(this.memory.subarray(this.at, this.at + Math.min(into.length, this.left)));
    return this.step(into.length);
  }
}

class Bench {
  readonly scheduler = new ManualScheduler();
  readonly irq = new ProbeIrq();
  readonly dma = new TestChannel();
  readonly fdc: Controller;

  constructor(media: readonly (MemoryBackend | undefined | null)[]) {
    this.fdc = fdc82077.create(
      {
        scheduler: this.scheduler,
        log: silentLog,
        dma: { view: () => undefined, wrote: () => undefined, read: () => undefined, write: () => undefined },
      },
      { irq: this.irq, dma: this.dma, drives: media.map((medium) => (medium === null ? undefined : { medium })) },
    );
    this.dor(0x1c);
    this.rate(0);
  }
  dor(value: number): void {
    this.fdc.registers.write(2, 1, value);
  }
  rate(code: number): void {
    this.fdc.changeLine.write(0, 1, code);
  }
  get status(): number {
    return this.fdc.registers.read(4, 1);
  }
  get changed(): boolean {
    return (this.fdc.changeLine.read(0, 1) & 0x80) !== 0;
  }
  send(...bytes: number[]): void {
    for (const byte of bytes) {
      expect(this.status & 0xc0).toBe(0x80);
      this.fdc.registers.write(5, 1, byte);
    }
    this.scheduler.advance(1000);
  }
  result(): number[] {
    const bytes: number[] = [];
    while ((this.status & 0xd0) === 0xd0) bytes.push(this.fdc.registers.read(5, 1));
    return bytes;
  }
  senseInterrupt(): number[] {
    this.send(0x08);
    return this.result();
  }
  seek(cylinder: number, drive = 0): number[] {
    this.send(0x0f, drive, cylinder);
    return this.senseInterrupt();
  }
  read(c: number, h: number, r: number, options: { drive?: number; last?: number; code?: number } = {}): number[] {
    const { drive = 0, last = 18, code = 0xe6 } = options;
    this.send(code, (h << 2) | drive, c, h, r, 2, last, 0x1b, 0xff);
    return this.result();
  }
}

function floppy(kilobytes: number, options: { readOnly?: boolean } = {}): MemoryBackend {
  const bytes = new Uint8Array(kilobytes * 1024);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at >> 9) * 3 + at;
  return new MemoryBackend(bytes, options);
}
const sectors = (medium: MemoryBackend, first: number, count: number) => medium.bytes.subarray(first * 512, (first + count) * 512);
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

test('a reset interrupts, and SENSE INTERRUPT STATUS tells of four drives, then of nothing', () => {
  const bench = new Bench([floppy(1440)]);
  bench.dor(0x08);
  expect(bench.status).toBe(0);
  bench.dor(0x0c);
  bench.scheduler.advance(1000);
  expect(bench.irq.level).toBe(true);
  expect([0, 1, 2, 3].map(() => bench.senseInterrupt())).toEqual([
    [0xc0, 0],
    [0xc1, 0],
    [0xc2, 0],
    [0xc3, 0],
  ]);
  expect(bench.irq.level).toBe(false);
  expect(bench.senseInterrupt()).toEqual([0x80]);
});

test('the interrupt leaves the chip only through the DMA gate', () => {
  const bench = new Bench([floppy(1440)]);
  bench.dor(0x14);
  bench.send(0x07, 0);
  expect(bench.irq.level).toBe(false);
  bench.dor(0x1c);
  expect(bench.irq.level).toBe(true);
});

test('seek and recalibrate; the change line falls with the first step', () => {
  const bench = new Bench([floppy(1440)]);
  expect(bench.changed).toBe(true);
  expect(bench.seek(5)).toEqual([0x20, 5]);
  expect(bench.changed).toBe(false);
  bench.send(0x04, 0);
  expect(bench.result()).toEqual([0x28]);
  bench.send(0x07, 0);
  expect(bench.senseInterrupt()).toEqual([0x20, 0]);
  bench.send(0x04, 0);
  expect(bench.result()).toEqual([0x38]);
  bench.fdc.insert(0, floppy(720));
  expect(bench.changed).toBe(true);
  bench.send(0x8f | 0x40, 0, 3); // relative, towards the middle
  expect(bench.senseInterrupt()).toEqual([0x20, 3]);
  expect(bench.changed).toBe(false);
});

test('a drive that is not there fails to recalibrate', () => {
  const bench = new Bench([floppy(1440), null]);
  bench.send(0x07, 1);
  expect(bench.senseInterrupt()).toEqual([0x71, 0]);
});

test('READ DATA by DMA ends at the terminal count', () => {
  const medium = floppy(1440);
  const bench = new Bench([medium]);
  bench.seek(3);
  bench.dma.program(3 * 512);
  expect(bench.read(3, 1, 4)).toEqual([0x04, 0, 0, 3, 1, 7, 2]);
  expect(same(bench.dma.memory.subarray(0, 1536), sectors(medium, (3 * 2 + 1) * 18 + 3, 3))).toBe(true);
});

test('with MT a read goes on to the other side, and the address to the next cylinder', () => {
  const medium = floppy(1440);
  const bench = new Bench([medium]);
  bench.dma.program(36 * 512);
  expect(bench.read(0, 0, 1)).toEqual([0x04, 0, 0, 1, 0, 1, 2]);
  expect(same(bench.dma.memory.subarray(0, 36 * 512), sectors(medium, 0, 36))).toBe(true);
});

test('without a terminal count EOT is an error, and data beyond the last sector are not there', () => {
  const bench = new Bench([floppy(1440)]);
  bench.dma.program(65536);
  expect(bench.read(0, 0, 17, { code: 0x46 })).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
  expect(bench.read(0, 0, 18, { last: 19 })).toEqual([0x40, 0x04, 0, 0, 0, 19, 2]);
});

test('errors: wrong cylinder, wrong sector size, no medium, another data rate', () => {
  const bench = new Bench([floppy(1440), undefined]);
  bench.dma.program(512);
  expect(bench.read(2, 0, 1)).toEqual([0x40, 0x04, 0x10, 2, 0, 1, 2]);
  bench.send(0xe6, 0, 0, 0, 1, 3, 18, 0x1b, 0xff);
  expect(bench.result().slice(0, 3)).toEqual([0x40, 0x04, 0]);
  expect(bench.read(0, 0, 1, { drive: 1 }).slice(0, 3)).toEqual([0x41, 0x01, 0]);
  bench.rate(2);
  expect(bench.read(0, 0, 1).slice(0, 3)).toEqual([0x40, 0x01, 0]);
});

test('a masked channel holds the transfer until it is unmasked', () => {
  const medium = floppy(1440);
  const bench = new Bench([medium]);
  bench.dma.program(512);
  bench.dma.masked = true;
  bench.send(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
  expect(bench.irq.level).toBe(false);
  bench.dma.unmask();
  expect(bench.irq.level).toBe(true);
  expect(bench.result()).toEqual([0, 0, 0, 0, 0, 2, 2]);
  expect(bench.irq.level).toBe(false);
});

test('WRITE DATA by DMA; a sector cut short is filled with zeros; write protection', () => {
  const medium = floppy(720);
  const bench = new Bench([medium]);
  bench.rate(2);
  bench.dma.program(700, new Uint8Array(700).fill(0xee));
  expect(bench.read(0, 0, 2, { code: 0xc5, last: 9 })).toEqual([0, 0, 0, 0, 0, 4, 2]);
  expect([medium.bytes[511], medium.bytes[512], medium.bytes[1211], medium.bytes[1212], medium.bytes[1535]]).toEqual([
    floppy(1).bytes[511],
    0xee,
    0xee,
    0,
    0,
  ]);
  bench.fdc.insert(0, floppy(720, { readOnly: true }));
  bench.dma.program(512);
  expect(bench.read(0, 0, 1, { code: 0xc5, last: 9 }).slice(0, 2)).toEqual([0x40, 0x02]);
  bench.send(0x04, 0);
  expect(bench.result()[0]! & 0x40).toBe(0x40);
});

test('without DMA the host moves every byte through the FIFO', () => {
  const medium = floppy(1440);
  const bench = new Bench([medium]);
  bench.send(0x03, 0xdf, 0x03);
  bench.send(0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
  const data: number[] = [];
  while ((bench.status & 0xf0) === 0xf0) data.push(bench.fdc.registers.read(5, 1));
  expect(same(Uint8Array.from(data), sectors(medium, 17, 1))).toBe(true);
  expect(bench.result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
  bench.send(0x45, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
  for (let i = 0; i < 512; i++) {
    expect(bench.status & 0xf0).toBe(0xb0);
    bench.fdc.registers.write(5, 1, 0x77);
  }
  expect(bench.result().length).toBe(7);
  expect(medium.bytes[17 * 512]).toBe(0x77);
});

test('READ ID gives what passes under the heads', () => {
  const bench = new Bench([floppy(1440)]);
  bench.seek(7);
  bench.send(0x4a, 4);
  const [st0, st1, , c, h, r, n] = bench.result();
  expect([st0, st1, c, h, n]).toEqual([4, 0, 7, 1, 2]);
  expect(r).toBeGreaterThanOrEqual(1);
  bench.rate(2);
  bench.send(0x4a, 0);
  expect(bench.result().slice(0, 2)).toEqual([0x40, 1]);
});

test('FORMAT TRACK fills the sectors whose IDs it is given', () => {
  const medium = floppy(1440);
  const bench = new Bench([medium]);
  bench.seek(2);
  const ids = Array.from({ length: 18 }, (_, index) => [2, 1, index + 1, 2]).flat();
  bench.dma.program(ids.length, Uint8Array.from(ids));
  bench.send(0x4d, 4, 2, 18, 0x54, 0xf6);
  expect(bench.result().slice(0, 3)).toEqual([4, 0, 0]);
  const track = sectors(medium, (2 * 2 + 1) * 18, 18);
  expect(track.every((byte) => byte === 0xf6)).toBe(true);
  expect(medium.bytes[((2 * 2 + 1) * 18 - 1) * 512]).toBe(floppy(1440).bytes[((2 * 2 + 1) * 18 - 1) * 512]);
});

test.each([
  [160, 40, 1, 8, 2],
  [180, 40, 1, 9, 2],
  [320, 40, 2, 8, 2],
  [360, 40, 2, 9, 2],
  [720, 80, 2, 9, 2],
  [1200, 80, 2, 15, 0],
  [1440, 80, 2, 18, 0],
  [1680, 80, 2, 21, 0],
  [2880, 80, 2, 36, 3],
])('%i KB: the last sector of the medium is where its geometry says', (kilobytes, cylinders, heads, perTrack, rate) => {
  const medium = floppy(kilobytes);
  const bench = new Bench([medium]);
  bench.rate(rate);
  bench.seek(cylinders - 1);
  bench.dma.program(512);
  expect(bench.read(cylinders - 1, heads - 1, perTrack, { last: perTrack }).slice(1, 3)).toEqual([0, 0]);
  expect(same(bench.dma.memory.subarray(0, 512), sectors(medium, cylinders * heads * perTrack - 1, 1))).toBe(true);
});

test('a 40-track medium in a 1.2 MB drive lies under every other track', () => {
  const medium = floppy(360);
  const bench = new Bench([floppy(1200)]);
  bench.fdc.insert(0, medium);
  bench.rate(1);
  bench.seek(20);
  bench.dma.program(512);
  expect(bench.read(10, 0, 1, { last: 9 }).slice(1, 3)).toEqual([0, 0]);
  expect(same(bench.dma.memory.subarray(0, 512), sectors(medium, 10 * 18, 1))).toBe(true);
});

test('what Linux asks to tell controllers apart: DUMPREG, CONFIGURE, LOCK, VERSION, an 82078 command', () => {
  const bench = new Bench([floppy(1440)]);
  bench.send(0x0e);
  expect(bench.result().length).toBe(10);
  bench.send(0x13, 0, 0x57, 0);
  bench.send(0x94);
  expect(bench.result()).toEqual([0x10]);
  bench.dor(0x18);
  bench.dor(0x1c);
  bench.scheduler.advance(1000);
  bench.send(0x0e);
  expect(bench.result()[8]).toBe(0x57);
  bench.send(0x14);
  expect(bench.result()).toEqual([0]);
  bench.send(0x10);
  expect(bench.result()).toEqual([0x90]);
  bench.send(0x18);
  expect(bench.result()).toEqual([0x80]);
});

test('a reset by the data rate register interrupts, also where polling is disabled, as Linux has it', () => {
  const bench = new Bench([floppy(1440)]);
  bench.dor(0x1c);
  bench.scheduler.advance(1000);
  while (bench.senseInterrupt()[0] !== 0x80);
  bench.send(0x13, 0, 0x1a, 0);
  expect(bench.irq.level).toBe(false);
  bench.fdc.registers.write(4, 1, 0x80);
  bench.scheduler.advance(1000);
  expect(bench.irq.level).toBe(true);
  expect([0, 1, 2, 3].map(() => bench.senseInterrupt()[0])).toEqual([0xc0, 0xc1, 0xc2, 0xc3]);
});

test('a reset in the middle of a read: nothing of it comes later', () => {
  const medium = floppy(1440);
  medium.held = true;
  const bench = new Bench([medium]);
  bench.dma.program(512);
  bench.send(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
  expect(medium.inFlight).toBe(1);
  bench.dor(0x18);
  bench.dor(0x1c);
  bench.scheduler.advance(1000);
  expect(medium.inFlight).toBe(0);
  expect(bench.senseInterrupt()).toEqual([0xc0, 0]);
  expect(bench.dma.left).toBe(512);
});

for (const held of [false, true]) {
  describeDevice(
    `82077AA, the medium answers ${held ? 'later' : 'at once'}`,
    (context) => {
      const irq = new ProbeIrq();
      const media = [0, 1].map(() => new UnchangingMedium(floppy(160).bytes));
      for (const medium of media) medium.held = held;
      // Stateless, so that a loaded device finds the same channel: takes up to 3000 bytes at once, and has its last with more.
      const step = (bytes: number) => ({ count: Math.min(bytes, 3000), terminal: bytes >= 3000 });
      const dma: DmaChannel = {
        width: 1,
        ready: true,
        request: () => undefined,
        onReady: () => undefined,
        send: (from) => step(from.length),
        receive(into) {
          into.fill(0x5a, 0, 3000);
          return step(into.length);
        },
      };
      const device = fdc82077.create(context, { irq, dma, drives: [{ medium: media[0] }, undefined] });
      return {
        format: fdc82077.state,
        device,
        irqs: [irq],
        regions: [
          { region: device.registers, length: 6, hot: [5] },
          { region: device.changeLine, length: 1 },
        ],
        events: {
          insert: (value) => device.insert(0, media[value & 1]),
          data(value) {
            const codes = [0xe6, 0xc5, 0x46, 0x4d, 0x4a, 0x42, 0xec, 0xf1, 0x76, 0x0f, 0x07, 0x03, 0x13, 0x8f];
            const bytes = [codes[value & 15] ?? 0x06, 0, 0, 0, 1 + ((value >>> 8) & 7), 2, 8, 0x1b, (value >>> 16) & 0xff];
            for (const byte of bytes) device.registers.write(5, 1, byte);
          },
        },
        settle: () => media.forEach((medium) => medium.release()),
      };
    },
    { runs: 15 },
  );
}
