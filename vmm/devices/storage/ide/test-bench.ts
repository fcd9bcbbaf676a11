import { MemoryBackend } from '../../../storage/memory-backend.ts';
import { silentLog } from '../../../base/log.ts';
import { ManualScheduler } from '../../../bus/clock.ts';
import type { DeviceContext } from '../../../bus/device.ts';
import type { Dma } from '../../../bus/dma.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { PCI_COMMAND } from '../../pci/registers.ts';
import { Command, Control, Register, Status } from '../ata/registers.ts';
import { BM_START, BM_TO_MEMORY } from './bus-master.ts';
import { piix3Ide, type IdeDriveOptions, type Piix3Ide } from './piix3-ide.ts';

/** RAM for device tests: reads outside give FFh, writes there are lost. */
export class TestRam implements Dma {
  readonly bytes: Uint8Array;
  readonly wroteRanges: [number, number][] = [];

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
  view(addr: number, length: number): Uint8Array | undefined {
    return addr + length <= this.bytes.length ? this.bytes.subarray(addr, addr + length) : undefined;
  }
  wrote(addr: number, length: number): void {
    this.wroteRanges.push([addr, length]);
  }
  read(addr: number, into: Uint8Array): void {
    into.fill(0xff);
    if (addr < this.bytes.length) into.set(this.bytes.subarray(addr, Math.min(addr + into.length, this.bytes.length)));
  }
  write(addr: number, from: Uint8Array): void {
    if (addr < this.bytes.length) this.bytes.set(from.subarray(0, this.bytes.length - addr), addr);
  }
}

/** Sectors that say where they are. */
export function patterned(sectors: number): Uint8Array {
  const bytes = new Uint8Array(sectors * 512);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at >> 9) * 7 + at * 13;
  return bytes;
}

/** What a driver does, for tests: one IDE function and the programs that drive it. */
export class IdeBench {
  readonly ram = new TestRam(1 << 20);
  readonly irqs: readonly [ProbeIrq, ProbeIrq] = [new ProbeIrq(), new ProbeIrq()];
  readonly context: DeviceContext;
  readonly ide: Piix3Ide;

  constructor(drives: readonly (IdeDriveOptions | undefined)[]) {
    this.context = { scheduler: new ManualScheduler(), dma: this.ram, log: silentLog };
    this.ide = piix3Ide.create(this.context, { irqs: this.irqs, drives });
    this.ide.config.write(PCI_COMMAND, 2, 5);
  }

  channel = 0;
  private get ports() {
    return this.channel === 0 ? this.ide.primary : this.ide.secondary;
  }
  get irq(): ProbeIrq {
    return this.irqs[this.channel]!;
  }
  in(register: number): number {
    return this.ports.command.read(register, 1);
  }
  out(register: number, value: number): void {
    this.ports.command.write(register, 1, value);
  }
  get alternateStatus(): number {
    return this.ports.control.read(0, 1);
  }
  control(value: number): void {
    this.ports.control.write(0, 1, value);
  }
  select(device: 0 | 1): void {
    this.out(Register.device, 0xe0 | (device << 4));
  }

  /** Writes the task file for LBA28 (or the current half of LBA48) and the command. */
  command(code: number, task: { lba?: number; count?: number; features?: number; device?: 0 | 1; extended?: boolean } = {}): void {
    const { lba = 0, count = 0, features = 0, device = 0, extended = false } = task;
    this.out(Register.device, 0xe0 | (device << 4) | (extended ? 0 : (lba >>> 24) & 15));
    if (extended) {
      this.out(Register.count, (count >> 8) & 0xff);
      this.out(Register.low, (lba >>> 24) & 0xff);
      this.out(Register.mid, Math.floor(lba / 2 ** 32) & 0xff);
      this.out(Register.high, Math.floor(lba / 2 ** 40) & 0xff);
    }
    this.out(Register.features, features);
    this.out(Register.count, count & 0xff);
    this.out(Register.low, lba & 0xff);
    this.out(Register.mid, (lba >>> 8) & 0xff);
    this.out(Register.high, (lba >>> 16) & 0xff);
    this.out(Register.command, code);
  }

  /** Reads one DRQ block of `bytes`. */
  readBlock(bytes: number): Uint8Array {
    expect(this.alternateStatus & (Status.BSY | Status.DRQ)).toBe(Status.DRQ);
    const block = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 2) {
      const word = this.ports.command.read(Register.data, 2);
      block[at] = word;
      block[at + 1] = word >> 8;
    }
    return block;
  }

  writeBlock(block: Uint8Array): void {
    expect(this.alternateStatus & (Status.BSY | Status.DRQ)).toBe(Status.DRQ);
    for (let at = 0; at < block.length; at += 4) {
      const word = block[at]! | (block[at + 1]! << 8) | (block[at + 2]! << 16) | (block[at + 3]! << 24);
      this.ports.command.write(Register.data, 4, word >>> 0);
    }
  }

  // Bus master

  bm(register: number): number {
    return this.busMaster.read(this.channel * 8 + register, 1);
  }
  bmWrite(register: number, value: number, size: 1 | 4 = 1): void {
    this.busMaster.write(this.channel * 8 + register, size, value);
  }
  private get busMaster() {
    const bar = this.ide.config.identity.bars![0]!;
    if (!('region' in bar)) throw new Error('no bus master region');
    return bar.region;
  }
  /** Writes a PRD table at 0x1000. */
  prdt(entries: readonly (readonly [address: number, length: number])[]): void {
    const view = new DataView(this.ram.bytes.buffer);
    entries.forEach(([address, length], index) => {
      view.setUint32(0x1000 + index * 8, address, true);
      view.setUint32(0x1004 + index * 8, (length & 0xffff) | (index === entries.length - 1 ? 0x8000_0000 : 0), true);
    });
    this.bmWrite(4, 0x1000, 4);
  }
  startDma(toMemory: boolean): void {
    this.bmWrite(0, toMemory ? BM_TO_MEMORY : 0);
    this.bmWrite(0, (toMemory ? BM_TO_MEMORY : 0) | BM_START);
  }

  // ATAPI

  /** Sends a command block by PACKET; `limit` is the byte count limit. */
  packet(cdb: readonly number[], options: { dma?: boolean; limit?: number; device?: 0 | 1 } = {}): void {
    const { dma = false, limit = 0xfffe, device = 0 } = options;
    this.out(Register.device, 0xa0 | (device << 4));
    this.out(Register.features, dma ? 1 : 0);
    this.out(Register.mid, limit & 0xff);
    this.out(Register.high, limit >> 8);
    this.out(Register.command, Command.PACKET);
    expect(this.in(Register.count)).toBe(1);
    const block = new Uint8Array(12);
    block.set(cdb);
    this.writeBlock(block);
  }
  /** All data of a packet command that sends some. */
  packetData(): Uint8Array {
    const blocks: number[] = [];
    while ((this.in(Register.status) & Status.DRQ) !== 0) {
      expect(this.in(Register.count)).toBe(2);
      blocks.push(...this.readBlock(this.in(Register.mid) | (this.in(Register.high) << 8)));
    }
    return Uint8Array.from(blocks);
  }
  /** Key, code and qualifier of REQUEST SENSE. */
  sense(device: 0 | 1 = 0): [number, number, number] {
    this.packet([0x03, 0, 0, 0, 18], { device });
    const data = this.packetData();
    return [data[2]! & 15, data[12]!, data[13]!];
  }

  reset(): void {
    this.control(Control.SRST);
    this.control(0);
  }
}

export function memoryDisk(sectors: number): MemoryBackend {
  return new MemoryBackend(patterned(sectors));
}
