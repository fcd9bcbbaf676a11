/*
 * AHCI and virtio-blk through qtest: a driver's steps, from the PCI function to data in memory, on our board and, where it is installed, on QEMU's.
 */
import { qemuInstalled, startQemu, startStrate, type QtestBench, type QtestDisk } from './boards.node.ts';

const SECTORS = 2048;
const content = Uint8Array.from({ length: SECTORS * 512 }, (_, at) => (at >> 9) * 3 + at);
const disks: readonly QtestDisk[] = [
  { bus: 'ahci', content },
  { bus: 'virtio', content },
];
const AHCI_SLOT = 3;
const VIRTIO_SLOT = 4;
const ABAR = 0xe000_0000;
const VIRTIO_IO = 0xc000;
const VIRTIO_MODERN = 0xe001_0000;

class Guest {
  readonly bench: QtestBench;

  constructor(bench: QtestBench) {
    this.bench = bench;
  }

  async value(command: string): Promise<number> {
    const answer = await this.bench.ask(command);
    expect(answer).toMatch(/^OK 0x/);
    return Number(BigInt.asUintN(32, BigInt(answer.split(' ')[1]!)));
  }
  async do(command: string): Promise<void> {
    expect(await this.bench.ask(command)).toBe('OK');
  }
  readl = (address: number) => this.value(`readl ${address}`);
  writel = (address: number, value: number) => this.do(`writel ${address} ${value >>> 0}`);
  async config(slot: number, register: number, value?: number): Promise<number> {
    await this.do(`outl 0xcf8 ${(0x8000_0000 | (slot << 11) | register) >>> 0}`);
    if (value !== undefined) await this.do(`outl 0xcfc ${value >>> 0}`);
    return this.value('inl 0xcfc');
  }
  async store(address: number, bytes: readonly number[] | Uint8Array): Promise<void> {
    await this.do(`write ${address} ${bytes.length} 0x${Buffer.from(bytes).toString('hex')}`);
  }
  async load(address: number, length: number): Promise<string> {
    return (await this.bench.ask(`read ${address} ${length}`)).slice('OK 0x'.length);
  }
  /** Waits until `done`; the medium may take its time. */
  async until(done: () => Promise<boolean>): Promise<void> {
    for (let turn = 0; turn < 100; turn++) {
      if (await done()) return;
      await this.bench.pass(5_000_000);
    }
    throw new Error('the device did not finish');
  }
}

const little = (value: number, bytes = 4) => Array.from({ length: bytes }, (_, index) => Math.floor(value / 256 ** index) & 0xff);
const hex = (from: number, length: number) => Buffer.from(content.subarray(from, from + length)).toString('hex');

/** Reads by READ DMA EXT and by READ FPDMA QUEUED; what software sees on the way. */
async function ahciReads(guest: Guest): Promise<unknown[]> {
  const seen: unknown[] = [(await guest.config(AHCI_SLOT, 0)).toString(16), (await guest.config(AHCI_SLOT, 8)).toString(16)];
  await guest.config(AHCI_SLOT, 0x24, ABAR);
  await guest.config(AHCI_SLOT, 4, 7);
  const port = ABAR + 0x100;
  await guest.writel(ABAR + 4, 0x8000_0002);
  await guest.writel(port + 0x18, 0x0000_0006);
  await guest.writel(port, 0x1_0000);
  await guest.writel(port + 8, 0x1_1000);
  await guest.writel(port + 0x30, 0xffff_ffff);
  await guest.writel(port + 0x14, 0x7d00_003f);
  await guest.writel(port + 0x18, 0x16);
  await guest.writel(port + 0x18, 0x17);
  seen.push((await guest.readl(ABAR + 0x0c)) & 1, (await guest.readl(port + 0x28)) & 0xf0f, (await guest.readl(port + 0x24)).toString(16));

  const issue = async (slot: number, fis: number[]) => {
    await guest.store(0x1_0000 + slot * 32, [...little(5, 2), ...little(1, 2), ...little(0), ...little(0x1_2000 + slot * 0x100), ...little(0)]);
    await guest.store(0x1_2000 + slot * 0x100, fis);
    await guest.store(0x1_2080 + slot * 0x100, [...little(0x2_0000), ...little(0), ...little(0), ...little(1023)]);
  };
  await issue(0, [0x27, 0x80, 0x25, 0, 7, 0, 0, 0x40, 0, 0, 0, 0, 2, 0, 0, 0]);
  await guest.writel(port + 0x38, 1);
  await guest.until(async () => (await guest.readl(port + 0x38)) === 0);
  seen.push(
    (await guest.load(0x2_0000, 1024)) === hex(7 * 512, 1024),
    await guest.readl(0x1_0004),
    ((await guest.readl(port + 0x20)) & 0x89).toString(16),
  );
  seen.push((await guest.readl(port + 0x10)) & 1, (await guest.readl(ABAR + 8)) & 1);
  await guest.writel(port + 0x10, 0xffff_ffff);
  await guest.writel(ABAR + 8, 1);
  seen.push(await guest.readl(ABAR + 8));

  await issue(3, [0x27, 0x80, 0x60, 2, 100, 0, 0, 0x40, 0, 0, 0, 0, 3 << 3, 0, 0, 0]);
  await guest.writel(port + 0x34, 8);
  await guest.writel(port + 0x38, 8);
  await guest.until(async () => (await guest.readl(port + 0x34)) === 0);
  seen.push((await guest.load(0x2_0000, 1024)) === hex(100 * 512, 1024), (await guest.readl(port + 0x10)) & 8);

  await guest.writel(port + 0x10, 0xffff_ffff);
  await issue(1, [0x27, 0x80, 0x25, 0, 0, 0, 0xff, 0x40, 0, 0, 0, 0, 2, 0, 0, 0]); // beyond the end
  await guest.writel(port + 0x38, 2);
  await guest.until(async () => ((await guest.readl(port + 0x10)) & 0x4000_0000) !== 0);
  seen.push((await guest.readl(port + 0x20)) & 1);
  return seen;
}

/** A read and a flush through the legacy interface, then a read through the modern one. */
async function virtioReads(guest: Guest): Promise<unknown[]> {
  const seen: unknown[] = [(await guest.config(VIRTIO_SLOT, 0)).toString(16), (await guest.config(VIRTIO_SLOT, 0x2c)).toString(16)];
  await guest.config(VIRTIO_SLOT, 0x10, VIRTIO_IO);
  await guest.config(VIRTIO_SLOT, 0x20, VIRTIO_MODERN);
  if (((await guest.config(VIRTIO_SLOT, 0x20)) & 6) === 4) await guest.config(VIRTIO_SLOT, 0x24, 0); // a 64-bit BAR, QEMU's
  await guest.config(VIRTIO_SLOT, 4, 7);
  const HEADER = 0x4_0000;
  const request = async (queue: number, type: number, sector: number, length: number) => {
    await guest.store(HEADER, [...little(type), ...little(0), ...little(sector, 8)]);
    await guest.store(0x4_0800, [0xee]);
    const data = length > 0 ? [[...little(0x5_0000, 8), ...little(length), ...little(3, 2), ...little(2, 2)]] : [];
    const entries = [[...little(HEADER, 8), ...little(16), ...little(1, 2), ...little(length > 0 ? 1 : 2, 2)], ...data];
    if (length === 0) entries.push(new Array<number>(16).fill(0));
    entries.push([...little(0x4_0800, 8), ...little(1), ...little(2, 2), ...little(0, 2)]);
    await guest.store(queue, entries.flat());
  };
  const status = async () => Number.parseInt(await guest.load(0x4_0800, 1), 16);

  // Legacy: page number of the queue, 16-bit notify, ISR.
  for (const value of [0, 1, 3]) await guest.do(`outb ${VIRTIO_IO + 18} ${value}`);
  seen.push(((await guest.value(`inl ${VIRTIO_IO}`)) & 0x3000_6240).toString(16), await guest.value(`inl ${VIRTIO_IO + 20}`));
  await guest.do(`outl ${VIRTIO_IO + 4} 0`);
  await guest.do(`outw ${VIRTIO_IO + 14} 0`);
  const size = await guest.value(`inw ${VIRTIO_IO + 12}`);
  seen.push(size);
  const queue = 0x6_0000;
  const available = queue + 16 * size;
  const used = Math.ceil((available + 6 + 2 * size) / 4096) * 4096;
  await guest.do(`outl ${VIRTIO_IO + 8} ${queue >> 12}`);
  await guest.do(`outb ${VIRTIO_IO + 18} 7`);
  await request(queue, 0, 9, 1024);
  await guest.store(available, [...little(0, 2), ...little(1, 2), ...little(0, 2)]);
  await guest.do(`outw ${VIRTIO_IO + 16} 0`);
  await guest.until(async () => (await status()) !== 0xee);
  seen.push(await status(), (await guest.load(0x5_0000, 1024)) === hex(9 * 512, 1024), await guest.load(used, 12));
  seen.push(await guest.value(`inb ${VIRTIO_IO + 19}`), await guest.value(`inb ${VIRTIO_IO + 19}`));
  await request(queue, 4, 0, 0);
  await guest.store(available + 2, [...little(2, 2), ...little(0, 2), ...little(0, 2)]);
  await guest.do(`outw ${VIRTIO_IO + 16} 0`);
  await guest.until(async () => (await status()) !== 0xee);
  seen.push(await status());

  // Modern.
  const common = VIRTIO_MODERN;
  for (const value of [0, 1, 3]) await guest.do(`writeb ${common + 0x14} ${value}`);
  await guest.writel(common, 1);
  seen.push((await guest.readl(common + 4)) & 1);
  await guest.writel(common + 8, 0);
  await guest.writel(common + 12, 0);
  await guest.writel(common + 8, 1);
  await guest.writel(common + 12, 1);
  await guest.do(`writeb ${common + 0x14} 11`);
  seen.push(await guest.value(`readb ${common + 0x14}`));
  await guest.do(`writew ${common + 0x16} 0`);
  await guest.do(`writew ${common + 0x18} 8`);
  const [rings, device] = [0x7_0000, 0x7_2000];
  await guest.store(rings, new Uint8Array(0x3000));
  for (const [offset, address] of [
    [0x20, rings],
    [0x28, rings + 0x1000],
    [0x30, device],
  ] as const) {
    await guest.writel(common + offset, address);
    await guest.writel(common + offset + 4, 0);
  }
  await guest.do(`writew ${common + 0x1c} 1`);
  await guest.do(`writeb ${common + 0x14} 15`);
  await request(rings, 0, 50, 512);
  await guest.store(rings + 0x1000, [...little(0, 2), ...little(1, 2), ...little(0, 2)]);
  await guest.do(`writew ${VIRTIO_MODERN + 0x3000} 0`);
  await guest.until(async () => (await status()) !== 0xee);
  seen.push(await status(), (await guest.load(0x5_0000, 512)) === hex(50 * 512, 512), await guest.load(device, 12));
  seen.push(await guest.readl(VIRTIO_MODERN + 0x2000), (await guest.value(`readb ${VIRTIO_MODERN + 0x1000}`)) & 3);
  return seen;
}

const AHCI_SEEN = ['29228086', '1060102', 1, 0x103, '101', true, 1024, '0', 1, 1, 0, true, 8, 1];
const VIRTIO_SEEN = [
  '10011af4',
  '21af4',
  '30006240',
  SECTORS,
  256,
  0,
  true,
  '000001000000000001040000',
  1,
  0,
  0,
  1,
  11,
  0,
  true,
  '000001000000000001020000',
  SECTORS,
  1,
];

const boards: [string, () => QtestBench | Promise<QtestBench>][] = [['Strate', () => startStrate(disks)]];
if (qemuInstalled) boards.push(['QEMU', () => startQemu(disks)]);

describe.each(boards)('%s', (_name, start) => {
  test('AHCI: commands and queued commands', async () => {
    const guest = new Guest(await start());
    expect(await ahciReads(guest)).toEqual(AHCI_SEEN);
    await guest.bench.close();
  }, 60_000);

  test('virtio-blk: legacy and modern', async () => {
    const guest = new Guest(await start());
    expect(await virtioReads(guest)).toEqual(VIRTIO_SEEN);
    await guest.bench.close();
  }, 60_000);
});
