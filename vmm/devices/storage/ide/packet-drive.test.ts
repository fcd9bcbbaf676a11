import { MemoryBackend } from '../../../storage/memory-backend.ts';
import { Command, Register, Status } from '../ata/registers.ts';
import { BM_INTERRUPT } from './bus-master.ts';
import { IdeBench, patterned } from './test-bench.ts';

const BLOCKS = 400;
const READY = Status.DRDY | Status.DSC;

function cdBench(medium: MemoryBackend | undefined = new MemoryBackend(patterned(BLOCKS * 4), { readOnly: true })) {
  const trays: boolean[] = [];
  const bench = new IdeBench([{ kind: 'cdrom', cdrom: { medium, tray: (open) => trays.push(open) } }]);
  return { bench, trays, image: patterned(BLOCKS * 4), drive: bench.ide.cdrom(0)! };
}
const noMedium = () => {
  const bench = new IdeBench([{ kind: 'cdrom', cdrom: {} }]);
  return { bench, drive: bench.ide.cdrom(0)! };
};
const be32 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
const be16 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint16(at);
const READ_10 = (block: number, count: number) => [0x28, 0, 0, 0, block >> 8, block & 0xff, 0, count >> 8, count & 0xff];
const TEST_UNIT_READY = [0];

test('reset leaves the packet signature, and IDENTIFY DEVICE is aborted with it', () => {
  const { bench } = cdBench();
  expect([Register.count, Register.low, Register.mid, Register.high].map((r) => bench.in(r))).toEqual([1, 1, 0x14, 0xeb]);
  expect(bench.in(Register.status)).toBe(0);
  bench.command(Command.IDENTIFY_DEVICE);
  expect(bench.in(Register.status) & Status.ERR).toBe(Status.ERR);
  expect([bench.in(Register.mid), bench.in(Register.high)]).toEqual([0x14, 0xeb]);
});

test('IDENTIFY PACKET DEVICE says CD-ROM with 12-byte packets', () => {
  const { bench } = cdBench();
  bench.command(Command.IDENTIFY_PACKET_DEVICE);
  const words = new Uint16Array(bench.readBlock(512).buffer);
  expect(words[0]! & 0xdf03).toBe(0x8500);
});

test('READ(10) by PIO in blocks of the byte count limit', () => {
  const { bench, image } = cdBench();
  bench.packet(READ_10(3, 10), { limit: 5120 });
  const sizes: number[] = [];
  const got: number[] = [];
  while ((bench.in(Register.status) & Status.DRQ) !== 0) {
    expect(bench.in(Register.count)).toBe(2);
    const length = bench.in(Register.mid) | (bench.in(Register.high) << 8);
    sizes.push(length);
    got.push(...bench.readBlock(length));
  }
  expect(sizes).toEqual([5120, 5120, 5120, 5120]);
  expect(Buffer.compare(Uint8Array.from(got), image.subarray(3 * 2048, 13 * 2048))).toBe(0);
  expect(bench.in(Register.count)).toBe(3);
  expect(bench.in(Register.status)).toBe(READY);
});

test('READ(12) by DMA', () => {
  const { bench, image } = cdBench();
  bench.prdt([[0x20000, 0x8000]]);
  bench.packet([0xa8, 0, 0, 0, 0, 20, 0, 0, 0, 16], { dma: true });
  bench.startDma(true);
  expect(bench.in(Register.status)).toBe(READY);
  expect(bench.bm(2)).toBe(BM_INTERRUPT);
  expect(Buffer.compare(bench.ram.bytes.subarray(0x20000, 0x28000), image.subarray(20 * 2048, 36 * 2048))).toBe(0);
});

test('short replies by DMA end the command with memory left over', () => {
  const { bench } = cdBench();
  bench.prdt([[0x20000, 8]]);
  bench.packet([0x25], { dma: true });
  bench.startDma(true);
  expect(be32(bench.ram.bytes, 0x20000)).toBe(BLOCKS - 1);
  expect(be32(bench.ram.bytes, 0x20004)).toBe(2048);
  expect(bench.in(Register.status)).toBe(READY);
});

test('INQUIRY is as long as the host wants it', () => {
  const { bench } = cdBench();
  bench.packet([0x12, 0, 0, 0, 36]);
  const data = bench.packetData();
  expect([data[0], data[1], data.length]).toEqual([5, 0x80, 36]);
  bench.packet([0x12, 0, 0, 0, 5]);
  expect(bench.packetData().length).toBe(5);
});

test('errors: unknown operation, beyond the end, sense is told once', () => {
  const { bench } = cdBench();
  bench.packet([0xff]);
  expect(bench.in(Register.status) & Status.ERR).toBe(Status.ERR);
  expect(bench.in(Register.error) >> 4).toBe(5);
  expect(bench.sense()).toEqual([5, 0x20, 0]);
  expect(bench.sense()).toEqual([0, 0, 0]);
  bench.packet(READ_10(BLOCKS, 1));
  expect(bench.sense()).toEqual([5, 0x21, 0]);
  bench.packet(READ_10(BLOCKS - 1, 1), { limit: 2048 });
  bench.readBlock(2048);
  expect(bench.in(Register.status)).toBe(READY);
});

test('a medium that cannot be read', () => {
  const medium = new MemoryBackend(patterned(64), { readOnly: true });
  const { bench } = cdBench(medium);
  medium.answer = 'failed';
  bench.packet(READ_10(7, 1));
  expect(bench.sense()).toEqual([3, 0x11, 0]);
});

test('an empty drive is not ready; a medium put in is a unit attention once', () => {
  const { bench, drive } = noMedium();
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()).toEqual([2, 0x3a, 1]);
  drive.insert(new MemoryBackend(patterned(64)));
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()).toEqual([6, 0x28, 0]);
  bench.packet(TEST_UNIT_READY);
  expect(bench.in(Register.status)).toBe(READY);
});

test('a swapped medium is first gone, then changed; events tell both', () => {
  const { bench, drive } = cdBench();
  drive.insert(new MemoryBackend(patterned(64)));
  const event = [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8];
  bench.packet(event);
  expect([...bench.packetData()]).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
  bench.packet(event);
  expect(bench.packetData()[4]).toBe(0);
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()[1]).toBe(0x3a);
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()).toEqual([6, 0x28, 0]);
  bench.packet([0x25]);
  expect(be32(bench.packetData(), 0)).toBe(15);
});

test('a medium taken out in the middle of a read ends it', () => {
  const medium = new MemoryBackend(patterned(256), { held: true });
  const { bench, drive } = cdBench(medium);
  bench.packet(READ_10(0, 4));
  drive.insert(undefined);
  expect(bench.in(Register.status) & Status.ERR).toBe(Status.ERR);
  expect(medium.inFlight).toBe(0);
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()).toEqual([2, 0x3a, 1]);
});

test('the guest opens and closes the tray, unless it is locked', () => {
  const { bench, trays, drive } = cdBench();
  bench.packet([0x1e, 0, 0, 0, 1]);
  bench.packet([0x1b, 0, 0, 0, 2]);
  expect(bench.sense()).toEqual([5, 0x53, 2]);
  drive.unit.pressEject();
  expect(trays).toEqual([]);
  bench.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]);
  expect(bench.packetData()[4]).toBe(1); // eject request
  bench.packet([0x1e, 0, 0, 0, 0]);
  bench.packet([0x1b, 0, 0, 0, 2]);
  expect(trays).toEqual([true]);
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()).toEqual([2, 0x3a, 2]);
  bench.packet([0x1b, 0, 0, 0, 3]);
  expect(trays).toEqual([true, false]);
  bench.packet(TEST_UNIT_READY);
  expect(bench.sense()).toEqual([6, 0x28, 0]);
});

test('READ TOC: one data track and the lead-out, as LBA and as MSF', () => {
  const { bench } = cdBench();
  bench.packet([0x43, 0, 0, 0, 0, 0, 0, 1, 0]);
  const toc = bench.packetData();
  expect([...toc.subarray(0, 12)]).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
  expect([toc[14], be32(toc, 16)]).toEqual([0xaa, BLOCKS]);
  bench.packet([0x43, 2, 0, 0, 0, 0, 0xaa, 1, 0]);
  const msf = bench.packetData();
  expect([...msf.subarray(8, 12)]).toEqual([0, 0, Math.floor((BLOCKS + 150) / 75), (BLOCKS + 150) % 75]);
  bench.packet([0x43, 0, 1, 0, 0, 0, 0, 1, 0]);
  expect(bench.packetData().length).toBe(12);
  bench.packet([0x43, 0, 2, 0, 0, 0, 0, 1, 0]);
  const raw = bench.packetData();
  expect(raw.length).toBe(4 + 4 * 11);
  expect([raw[7], raw[18], raw[29], raw[40]]).toEqual([0xa0, 0xa1, 0xa2, 1]);
});

test('GET CONFIGURATION: the profile follows the medium', () => {
  const { bench } = cdBench();
  bench.packet([0x46, 0, 0, 0, 0, 0, 0, 1, 0]);
  const data = bench.packetData();
  expect(be16(data, 6)).toBe(0x0008);
  expect(be32(data, 0)).toBe(data.length - 4);
  bench.packet([0x46, 2, 0, 0x1e, 0, 0, 0, 1, 0]);
  expect(be16(bench.packetData(), 8)).toBe(0x1e);
  const { bench: empty } = noMedium();
  empty.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]);
  expect(be16(empty.packetData(), 6)).toBe(0);
});

test('MODE SENSE gives all pages, MODE SELECT changes the error recovery page only', () => {
  const { bench } = cdBench();
  bench.packet([0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0]);
  const all = bench.packetData();
  expect(be16(all, 0)).toBe(all.length - 2);
  bench.packet([0x55, 0x10, 0, 0, 0, 0, 0, 0, 16]);
  bench.writeBlock(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 0x20, 9, 0, 0, 0, 0]));
  expect(bench.in(Register.status)).toBe(READY);
  bench.packet([0x5a, 0, 0x01, 0, 0, 0, 0, 1, 0]);
  expect([...bench.packetData().subarray(8, 12)]).toEqual([1, 6, 0x20, 9]);
  bench.packet([0x55, 0x10, 0, 0, 0, 0, 0, 0, 12]);
  bench.writeBlock(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0x3e, 2, 0, 0]));
  expect(bench.sense()).toEqual([5, 0x26, 0]);
});

test('READ CD of whole frames: sync, header, data, and parity that checks', () => {
  const { bench, image } = cdBench();
  bench.packet([0xbe, 0, 0, 0, 0, 75, 0, 0, 9, 0xf8], { limit: 2352 });
  const frames = bench.packetData();
  expect(frames.length).toBe(9 * 2352);
  const frame = frames.subarray(0, 2352);
  expect([...frame.subarray(0, 16)]).toEqual([0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0x00, 0x03, 0x00, 1]);
  expect(Buffer.compare(frame.subarray(16, 2064), image.subarray(75 * 2048, 76 * 2048))).toBe(0);
  expect(Buffer.compare(frames.subarray(8 * 2352 + 16, 8 * 2352 + 2064), image.subarray(83 * 2048, 84 * 2048))).toBe(0);
  // ECMA-130 annex A: every code word of P has the roots 1 and alpha of GF(2^8) over x^8+x^4+x^3+x^2+1.
  const times = (value: number) => (value << 1) ^ (value & 0x80 ? 0x11d : 0);
  for (let column = 0; column < 86; column++) {
    let [sum, weighted] = [0, 0];
    for (let row = 0; row < 26; row++) {
      const byte = frame[12 + column + row * 86]!;
      sum ^= byte;
      weighted = times(weighted) ^ byte;
    }
    expect([sum, weighted]).toEqual([0, 0]);
  }
  // Q: diagonals of the same field, 43 bytes of data and P, then two of Q.
  for (let diagonal = 0; diagonal < 26; diagonal++) {
    for (const half of [0, 1]) {
      const word = Array.from({ length: 43 }, (_, i) => frame[12 + ((diagonal * 86 + i * 88 + half) % 2236)]!);
      word.push(frame[2248 + diagonal * 2 + half]!, frame[2300 + diagonal * 2 + half]!);
      expect(word.reduce((sum, byte) => sum ^ byte, 0)).toBe(0);
      expect(word.reduce((sum, byte) => times(sum) ^ byte, 0)).toBe(0);
    }
  }
  bench.packet([0xbe, 0, 0, 0, 0, 75, 0, 0, 2, 0x10]);
  expect(Buffer.compare(bench.packetData(), image.subarray(75 * 2048, 77 * 2048))).toBe(0);
});

test('a DVD-sized medium has a DVD profile and a physical format', () => {
  const medium = { size: 3_000_000 * 2048, readOnly: true, submit: () => undefined, settle: () => true };
  const bench = new IdeBench([{ kind: 'cdrom', cdrom: { medium } }]);
  bench.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]);
  expect(be16(bench.packetData(), 6)).toBe(0x0010);
  bench.packet([0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4]);
  const data = bench.packetData();
  expect(data.length).toBe(2052);
  expect(be32(data, 12) - be32(data, 8)).toBe(2_999_999);
});

test('DEVICE RESET is heard while the drive waits for a packet', () => {
  const { bench } = cdBench();
  bench.out(Register.command, Command.PACKET);
  expect(bench.alternateStatus & Status.DRQ).toBe(Status.DRQ);
  bench.out(Register.command, Command.DEVICE_RESET);
  expect([bench.in(Register.mid), bench.in(Register.high), bench.in(Register.status)]).toEqual([0x14, 0xeb, 0]);
});
