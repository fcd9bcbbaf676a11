import { MemoryBackend } from '../../../storage/memory-backend.ts';
import { loadDevice, saveDevice, validateState } from '../../../bus/saved-state.ts';
import { AtaError, Command, Control, Register, Status } from '../ata/registers.ts';
import { BM_ACTIVE, BM_INTERRUPT } from './bus-master.ts';
import { piix3Ide } from './piix3-ide.ts';
import { IdeBench, memoryDisk, patterned } from './test-bench.ts';

const READY = Status.DRDY | Status.DSC;
const disk = (backend: MemoryBackend) => ({ kind: 'disk', disk: { backend } }) as const;

function benchWith(sectors = 4096) {
  const backend = memoryDisk(sectors);
  return { backend, bench: new IdeBench([disk(backend)]), image: patterned(sectors) };
}
const sectorsOf = (image: Uint8Array, lba: number, count: number) => image.subarray(lba * 512, (lba + count) * 512);

test('after power-on the signature is in the registers and the drive is ready', () => {
  const { bench } = benchWith();
  expect([Register.error, Register.count, Register.low, Register.mid, Register.high].map((r) => bench.in(r))).toEqual([1, 1, 1, 0, 0]);
  expect(bench.in(Register.status)).toBe(READY);
});

test('a slot without a drive answers zeros and takes no command', () => {
  const { bench } = benchWith();
  bench.select(1);
  bench.out(Register.count, 0x55);
  expect(bench.in(Register.count)).toBe(0);
  expect(bench.in(Register.status)).toBe(0);
  bench.out(Register.command, Command.IDENTIFY_DEVICE);
  expect(bench.in(Register.status)).toBe(0);
  expect(bench.irq.edges).toBe(0);
  bench.channel = 1;
  expect(bench.in(Register.status)).toBe(0);
});

test('IDENTIFY DEVICE describes the drive', () => {
  const backend = memoryDisk(20000);
  const bench = new IdeBench([{ kind: 'disk', disk: { backend, model: 'Strate Test', serial: 'S1', firmware: '7' } }]);
  bench.command(Command.IDENTIFY_DEVICE);
  expect(bench.irq.level).toBe(true);
  expect(bench.in(Register.status)).toBe(READY | Status.DRQ);
  expect(bench.irq.level).toBe(false);
  const data = bench.readBlock(512);
  const words = new Uint16Array(data.buffer);
  const text = (word: number, count: number) =>
    [...data.subarray(word * 2, (word + count) * 2)]
      .map((_, i) => String.fromCharCode(data[word * 2 + (i ^ 1)]!))
      .join('')
      .trim();
  expect([words[0]! & 0x8000, words[1], words[3], words[6]]).toEqual([0, 19, 16, 63]);
  expect(text(27, 20)).toBe('Strate Test');
  expect(text(10, 10)).toBe('S1');
  expect(text(23, 4)).toBe('7');
  expect(words[49]! & 0x0300).toBe(0x0300);
  expect(words[60]! + words[61]! * 65536).toBe(20000);
  expect(words[100]! + words[101]! * 65536).toBe(20000);
  expect(words[54]! * words[55]! * words[56]!).toBe(words[57]! + words[58]! * 65536);
  expect(words[63]).toBe(0x0407); // multiword DMA 2 is selected
  expect(words[83]! & 0x0400).toBe(0x0400); // LBA48
  expect(data.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
  expect(bench.in(Register.status)).toBe(READY);
  expect(bench.irq.edges).toBe(1);
});

test('READ SECTORS interrupts once per sector', () => {
  const { bench, image } = benchWith();
  bench.command(Command.READ_SECTORS, { lba: 5, count: 3 });
  for (let sector = 0; sector < 3; sector++) {
    expect(bench.irq.edges).toBe(sector + 1);
    expect(bench.in(Register.status)).toBe(READY | Status.DRQ);
    expect(bench.readBlock(512)).toEqual(sectorsOf(image, 5 + sector, 1));
  }
  expect(bench.in(Register.status)).toBe(READY);
  expect(bench.irq.edges).toBe(3);
  expect([bench.in(Register.low), bench.in(Register.count)]).toEqual([7, 0]);
});

test.each([0, 256])('a count of %i is 256 sectors', (count) => {
  const { bench, image } = benchWith();
  bench.command(Command.READ_SECTORS, { lba: 0, count });
  for (let sector = 0; sector < 256; sector++) expect(bench.readBlock(512)).toEqual(sectorsOf(image, sector, 1));
  expect(bench.alternateStatus).toBe(READY);
});

test('a new command while data wait is ignored', () => {
  const { bench, image } = benchWith();
  bench.command(Command.READ_SECTORS, { lba: 1, count: 1 });
  bench.command(Command.READ_SECTORS, { lba: 9, count: 1 });
  expect(bench.readBlock(512)).toEqual(sectorsOf(image, 1, 1));
});

test('WRITE SECTORS: no interrupt before the first block, one after each', () => {
  const { bench, backend } = benchWith();
  bench.command(Command.WRITE_SECTORS, { lba: 100, count: 2 });
  expect(bench.irq.edges).toBe(0);
  const block = new Uint8Array(512).fill(0xa5);
  bench.writeBlock(block);
  expect(bench.irq.edges).toBe(1);
  bench.in(Register.status);
  bench.writeBlock(block);
  expect(bench.irq.edges).toBe(2);
  expect(bench.in(Register.status)).toBe(READY);
  expect(backend.bytes.subarray(100 * 512, 102 * 512).every((byte) => byte === 0xa5)).toBe(true);
  expect(backend.bytes[102 * 512]).toBe(patterned(103)[102 * 512]);
});

test('a PIO write is not done before the medium has it, and reports when it failed', () => {
  const { bench, backend } = benchWith();
  backend.held = true;
  bench.command(Command.WRITE_SECTORS, { lba: 3, count: 1 });
  bench.writeBlock(new Uint8Array(512));
  expect(bench.alternateStatus & Status.BSY).toBe(Status.BSY);
  expect(bench.irq.edges).toBe(0);
  backend.answer = 'failed';
  backend.release();
  expect(bench.in(Register.status)).toBe(READY | Status.DF | Status.ERR);
  expect(bench.in(Register.error)).toBe(AtaError.ABRT);
});

test('READ MULTIPLE moves blocks of what SET MULTIPLE MODE said, the last one shorter', () => {
  const { bench, image } = benchWith();
  bench.command(Command.SET_MULTIPLE_MODE, { count: 8 });
  expect(bench.in(Register.status)).toBe(READY);
  bench.command(Command.READ_MULTIPLE, { lba: 10, count: 19 });
  expect(bench.readBlock(8 * 512)).toEqual(sectorsOf(image, 10, 8));
  bench.in(Register.status);
  expect(bench.readBlock(8 * 512)).toEqual(sectorsOf(image, 18, 8));
  bench.in(Register.status);
  expect(bench.readBlock(3 * 512)).toEqual(sectorsOf(image, 26, 3));
  expect(bench.alternateStatus).toBe(READY);
  bench.command(Command.SET_MULTIPLE_MODE, { count: 3 });
  expect(bench.in(Register.error)).toBe(AtaError.ABRT);
});

test('WRITE MULTIPLE EXT with a 16-bit count', () => {
  const { bench, backend } = benchWith();
  bench.command(Command.WRITE_MULTIPLE_EXT, { lba: 64, count: 300, extended: true });
  const data = patterned(300).reverse();
  for (let at = 0; at < data.length; at += 16 * 512) bench.writeBlock(data.subarray(at, at + 16 * 512));
  expect(bench.in(Register.status)).toBe(READY);
  expect(backend.bytes.subarray(64 * 512, 364 * 512)).toEqual(data);
});

test('CHS addresses follow INITIALIZE DEVICE PARAMETERS', () => {
  const { bench, image } = benchWith();
  bench.out(Register.device, 0xa0 | 3); // 4 heads
  bench.out(Register.count, 17);
  bench.out(Register.command, Command.INITIALIZE_DEVICE_PARAMETERS);
  bench.out(Register.device, 0xa0 | 2);
  bench.out(Register.count, 1);
  bench.out(Register.low, 5);
  bench.out(Register.mid, 3);
  bench.out(Register.high, 0);
  bench.out(Register.command, Command.READ_SECTORS);
  expect(bench.readBlock(512)).toEqual(sectorsOf(image, (3 * 4 + 2) * 17 + 4, 1));
  bench.out(Register.low, 0); // there is no sector 0
  bench.out(Register.count, 1);
  bench.out(Register.command, Command.READ_SECTORS);
  expect(bench.in(Register.status) & Status.ERR).toBe(Status.ERR);
  expect(bench.in(Register.error)).toBe(AtaError.IDNF);
});

test('sectors beyond the end are not found, also when only the last is', () => {
  const { bench } = benchWith(100);
  bench.command(Command.READ_SECTORS, { lba: 100, count: 1 });
  expect(bench.in(Register.error)).toBe(AtaError.IDNF);
  bench.command(Command.READ_DMA, { lba: 99, count: 2 });
  expect(bench.in(Register.error)).toBe(AtaError.IDNF);
  bench.command(Command.READ_VERIFY, { lba: 99, count: 1 });
  expect(bench.in(Register.status)).toBe(READY);
});

test('LBA48 registers read back by HOB', () => {
  const { bench } = benchWith();
  bench.out(Register.count, 0x12);
  bench.out(Register.count, 0x34);
  bench.control(Control.HOB);
  expect(bench.in(Register.count)).toBe(0x12);
  bench.out(Register.low, 1); // clears HOB
  expect(bench.in(Register.count)).toBe(0x34);
});

test('an unreadable sector gives UNC and its address', () => {
  const { bench, backend } = benchWith();
  backend.answer = 'failed';
  bench.command(Command.READ_SECTORS, { lba: 0x123, count: 4 });
  expect(bench.in(Register.status)).toBe(READY | Status.ERR);
  expect(bench.in(Register.error)).toBe(AtaError.UNC);
  expect([bench.in(Register.low), bench.in(Register.mid)]).toEqual([0x23, 0x01]);
});

test('flushes reach the medium; with the write cache off every write is durable', () => {
  const { bench, backend } = benchWith();
  bench.command(Command.FLUSH_CACHE);
  bench.command(Command.FLUSH_CACHE_EXT);
  expect(backend.flushes).toBe(2);
  bench.command(Command.SET_FEATURES, { features: 0x82 });
  expect(backend.flushes).toBe(3);
  bench.command(Command.WRITE_SECTORS, { lba: 1, count: 1 });
  bench.writeBlock(new Uint8Array(512));
  expect(backend.flushes).toBe(4);
  bench.command(Command.SET_FEATURES, { features: 0x02 });
  bench.command(Command.WRITE_SECTORS, { lba: 1, count: 1 });
  bench.writeBlock(new Uint8Array(512));
  expect(backend.flushes).toBe(4);
});

test('SMART answers only with its key, and its data add up to zero', () => {
  const { bench } = benchWith();
  bench.command(Command.SMART, { features: 0xd0, lba: 0 });
  expect(bench.in(Register.error)).toBe(AtaError.ABRT);
  for (const features of [0xd0, 0xd1]) {
    bench.command(Command.SMART, { features, lba: 0xc24f00 });
    expect(bench.readBlock(512).reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
  }
  bench.command(Command.SMART, { features: 0xda, lba: 0xc24f00 });
  expect([bench.in(Register.mid), bench.in(Register.high)]).toEqual([0x4f, 0xc2]);
});

test('power modes: standby is reported, a read wakes the drive', () => {
  const { bench } = benchWith();
  bench.command(Command.STANDBY_IMMEDIATE);
  bench.command(Command.CHECK_POWER_MODE);
  expect(bench.in(Register.count)).toBe(0);
  bench.command(Command.READ_VERIFY, { lba: 0, count: 1 });
  bench.command(Command.CHECK_POWER_MODE);
  expect(bench.in(Register.count)).toBe(0xff);
});

test('nIEN silences the wire, not the flip-flop', () => {
  const { bench } = benchWith();
  bench.control(Control.nIEN);
  bench.command(Command.READ_VERIFY, { count: 1 });
  expect(bench.irq.level).toBe(false);
  bench.control(0);
  expect(bench.irq.level).toBe(true);
});

test('the interrupt is the selected drive’s', () => {
  const bench = new IdeBench([disk(memoryDisk(64)), disk(memoryDisk(64))]);
  bench.command(Command.READ_VERIFY, { count: 1, device: 1 });
  expect(bench.irq.level).toBe(true);
  bench.select(0);
  expect(bench.irq.level).toBe(false);
  bench.select(1);
  expect(bench.irq.level).toBe(true);
});

test('SRST ends a transfer; nothing of it arrives later', () => {
  const { bench, backend } = benchWith();
  backend.held = true;
  bench.command(Command.READ_SECTORS, { lba: 1, count: 1 });
  bench.control(Control.SRST);
  expect(bench.alternateStatus).toBe(Status.BSY);
  bench.control(0);
  backend.release();
  expect(bench.in(Register.status)).toBe(READY);
  expect(bench.irq.edges).toBe(0);
  expect([bench.in(Register.mid), bench.in(Register.high)]).toEqual([0, 0]);
});

describe('bus master', () => {
  test('READ DMA through several regions, one crossing nothing, one outside RAM', () => {
    const { bench, image } = benchWith();
    bench.prdt([
      [0x20000, 512],
      [0x30002, 1024],
      [0x4000_0000, 512],
      [0x40000, 2],
      [0x40002, 510],
    ]);
    bench.command(Command.READ_DMA, { lba: 7, count: 5 });
    expect(bench.alternateStatus & Status.BSY).toBe(Status.BSY);
    bench.startDma(true);
    expect(bench.in(Register.status)).toBe(READY);
    const wanted = sectorsOf(image, 7, 5);
    expect(bench.ram.bytes.subarray(0x20000, 0x20200)).toEqual(wanted.subarray(0, 512));
    expect(bench.ram.bytes.subarray(0x30002, 0x30402)).toEqual(wanted.subarray(512, 1536));
    expect(bench.ram.bytes.subarray(0x40000, 0x40200)).toEqual(wanted.subarray(2048, 2560));
    expect(bench.ram.wroteRanges).toEqual([
      [0x20000, 512],
      [0x30002, 1024],
      [0x40000, 512],
    ]);
  });

  test('status: a table of the right length ends inactive with the interrupt bit', () => {
    const { bench } = benchWith();
    bench.prdt([[0x20000, 512]]);
    bench.command(Command.READ_DMA, { lba: 0, count: 1 });
    bench.startDma(true);
    expect(bench.bm(2)).toBe(BM_INTERRUPT);
    expect(bench.irq.level).toBe(true);
    bench.bmWrite(2, BM_INTERRUPT);
    expect(bench.bm(2)).toBe(0);
  });

  test('status: a table that is too long stays active', () => {
    const { bench } = benchWith();
    bench.prdt([[0x20000, 4096]]);
    bench.command(Command.READ_DMA, { lba: 0, count: 1 });
    bench.startDma(true);
    expect(bench.bm(2)).toBe(BM_INTERRUPT | BM_ACTIVE);
    bench.bmWrite(0, 0);
    expect(bench.bm(2)).toBe(BM_INTERRUPT);
  });

  test.each([
    [[[0x20000, 512]], 2],
    [[[0x20000, 256]], 1],
  ] as const)('status: a table that is too short ends without an interrupt %#', (table, count) => {
    const { bench } = benchWith();
    bench.prdt(table);
    bench.command(Command.READ_DMA, { lba: 0, count });
    bench.startDma(true);
    expect(bench.bm(2)).toBe(0);
    expect(bench.alternateStatus).toBe(READY);
    expect(bench.irq.edges).toBe(0);
  });

  test('without PCI bus mastering nothing is written to memory', () => {
    const { bench } = benchWith();
    bench.ide.config.write(4, 2, 1);
    bench.prdt([[0x20000, 512]]);
    bench.command(Command.READ_DMA, { lba: 1, count: 1 });
    bench.startDma(true);
    expect(bench.bm(2)).toBe(BM_ACTIVE | BM_INTERRUPT);
    expect(bench.ram.bytes.subarray(0x20000, 0x20200).every((byte) => byte === 0)).toBe(true);
  });

  test('WRITE DMA EXT of 2 MiB in 4 KiB pages, started before the command', () => {
    const backend = memoryDisk(8192);
    const bench = new IdeBench([disk(backend)]);
    const data = patterned(1024).reverse();
    bench.ram.bytes.set(data, 0x20000);
    bench.prdt(Array.from({ length: 128 }, (_, page) => [0x20000 + page * 4096, 4096] as const));
    bench.startDma(false);
    bench.command(Command.WRITE_DMA_EXT, { lba: 1000, count: 1024, extended: true });
    expect(bench.in(Register.status)).toBe(READY);
    expect(backend.bytes.subarray(1000 * 512, 2024 * 512)).toEqual(data);
    expect(bench.bm(2)).toBe(BM_INTERRUPT);
  });

  test('a reset while the medium is busy: no interrupt, and the old read does not land later', () => {
    const { bench, backend } = benchWith();
    backend.held = true;
    bench.prdt([[0x20000, 512]]);
    bench.command(Command.READ_DMA, { lba: 1, count: 1 });
    bench.startDma(true);
    expect(backend.inFlight).toBe(1);
    bench.reset();
    expect(backend.inFlight).toBe(0); // waited for
    expect(bench.irq.edges).toBe(0);
    bench.bmWrite(0, 0);
    expect(bench.bm(2)).toBe(0);
  });

  test('a state saved while the medium was busy goes on after it is loaded', () => {
    const { bench, backend, image } = benchWith();
    backend.held = true;
    bench.prdt([[0x20000, 1024]]);
    bench.command(Command.READ_DMA, { lba: 9, count: 2 });
    bench.startDma(true);
    const saved = validateState('ide', piix3Ide.state, saveDevice(bench.ide, piix3Ide.state));
    const second = benchWith().bench;
    second.ram.bytes.set(bench.ram.bytes);
    loadDevice(second.ide, saved);
    expect(second.in(Register.status)).toBe(READY);
    expect(second.ram.bytes.subarray(0x20000, 0x20400)).toEqual(sectorsOf(image, 9, 2));
    expect(second.bm(2)).toBe(BM_INTERRUPT);
  });

  test('TRIM zeroes ranges and refuses those beyond the end', () => {
    const { bench, backend } = benchWith();
    const view = new DataView(bench.ram.bytes.buffer, 0x20000, 512);
    view.setUint32(0, 10, true);
    view.setUint16(6, 2, true);
    view.setUint32(8, 20, true);
    view.setUint16(14, 1, true);
    bench.prdt([[0x20000, 512]]);
    bench.command(Command.DATA_SET_MANAGEMENT, { features: 1, count: 1, extended: true });
    bench.startDma(false);
    expect(bench.in(Register.status)).toBe(READY);
    const zeros = (lba: number) => backend.bytes.subarray(lba * 512, (lba + 1) * 512).every((byte) => byte === 0);
    expect([9, 10, 11, 12, 20, 21].map(zeros)).toEqual([false, true, true, false, true, false]);
    view.setUint32(0, 4095, true);
    bench.bmWrite(0, 0);
    bench.command(Command.DATA_SET_MANAGEMENT, { features: 1, count: 1, extended: true });
    bench.startDma(false);
    expect(bench.in(Register.error)).toBe(AtaError.IDNF);
  });
});
