import { createTestContext } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { AddressSpace } from '../../../bus/address-space.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import { PCI_COMMAND } from '../../pci/registers.ts';
import { ahci, type AhciDriveOptions } from './ahci.ts';
import { GHC_INTERRUPT_ENABLE, Hba, Port, PORT_BYTES, PORTS_OFFSET, PortCommand } from './registers.ts';

const LIST = 0x1000;
const RECEIVED = 0x2000;
const TABLES = 0x4000;
const TABLE_BYTES = 0x800;

export interface Issued {
  readonly lba?: number;
  readonly count?: number;
  readonly features?: number;
  readonly device?: number;
  readonly control?: number;
  readonly write?: boolean;
  readonly packet?: readonly number[];
  readonly prdt?: readonly (readonly [address: number, length: number])[];
}

/** What a driver does, for tests: one controller, and the programs that drive a port of it. */
export class AhciBench {
  readonly context = createTestContext();
  readonly ram = this.context.dma.ram;
  readonly irq = new ProbeIrq();
  readonly messages: number[] = [];
  readonly device;
  readonly #view = new DataView(this.ram.buffer);
  port = 0;

  constructor(drives: readonly (AhciDriveOptions | undefined)[]) {
    this.device = ahci.create(this.context, { drives });
    this.device.config.connect({
      ports: new PortSpace(),
      memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))),
      intx: this.irq,
      message: (_address, data) => this.messages.push(data),
    });
    this.device.config.write(PCI_COMMAND, 2, 6);
  }

  get region() {
    const bar = this.device.config.identity.bars![0]!;
    if (!('region' in bar)) throw new Error('no registers');
    return bar.region;
  }
  read(offset: number): number {
    return this.region.read(PORTS_OFFSET + this.port * PORT_BYTES + offset, 4);
  }
  write(offset: number, value: number): void {
    this.region.write(PORTS_OFFSET + this.port * PORT_BYTES + offset, 4, value >>> 0);
  }

  /** Command list, received FIS area, interrupts, and the port runs. */
  start(): this {
    this.region.write(Hba.GHC, 4, GHC_INTERRUPT_ENABLE);
    this.write(Port.CLB, LIST);
    this.write(Port.FB, RECEIVED);
    this.write(Port.SERR, 0xffff_ffff);
    this.write(Port.IS, 0xffff_ffff);
    this.write(Port.IE, 0xffff_ffff);
    this.write(Port.CMD, PortCommand.FRE);
    this.write(Port.CMD, PortCommand.FRE | PortCommand.ST);
    return this;
  }

  /** Writes the command of `slot`: its header, FIS, packet and memory. */
  compose(slot: number, code: number, { lba = 0, count = 0, features = 0, device = 0x40, control, write = false, packet, prdt = [] }: Issued): void {
    const table = TABLES + slot * TABLE_BYTES;
    const header = LIST + slot * 32;
    this.#view.setUint16(header, 5 | (write ? 0x40 : 0) | (packet ? 0x20 : 0), true);
    this.#view.setUint16(header + 2, prdt.length, true);
    this.#view.setUint32(header + 4, 0xdead, true);
    this.#view.setUint32(header + 8, table, true);
    this.#view.setUint32(header + 12, 0, true);
    this.ram.fill(0, table, table + 0x80);
    const high = Math.floor(lba / 0x100_0000);
    this.ram.set(
      [
        0x27,
        control === undefined ? 0x80 : 0,
        code,
        features & 0xff,
        lba & 0xff,
        (lba >> 8) & 0xff,
        (lba >> 16) & 0xff,
        device,
        high & 0xff,
        (high >> 8) & 0xff,
        (high >> 16) & 0xff,
        features >> 8,
        count & 0xff,
        count >> 8,
        0,
        control ?? 0,
      ],
      table,
    );
    if (packet !== undefined) this.ram.set(packet, table + 0x40);
    prdt.forEach(([address, length], index) => {
      const at = table + 0x80 + index * 16;
      this.#view.setUint32(at, address, true);
      this.#view.setUint32(at + 4, 0, true);
      this.#view.setUint32(at + 12, length - 1, true);
    });
  }

  command(code: number, task: Issued = {}, slot = 0): void {
    this.compose(slot, code, task);
    this.write(Port.CI, 1 << slot);
  }

  /** A queued read or write with the slot as its tag. */
  queued(slot: number, write: boolean, lba: number, count: number, at: number, more: Issued = {}): void {
    this.compose(slot, write ? 0x61 : 0x60, { lba, features: count, count: slot << 3, write, prdt: [[at, count * 512]], ...more });
  }
  issue(mask: number): void {
    this.write(Port.SACT, mask);
    this.write(Port.CI, mask);
  }

  moved(slot = 0): number {
    return this.#view.getUint32(LIST + slot * 32 + 4, true);
  }
  fis(offset: number): Uint8Array {
    return this.ram.subarray(RECEIVED + offset, RECEIVED + offset + 20);
  }
  /** Takes what PxIS shows, as an interrupt handler does. */
  acknowledge(): number {
    const pending = this.read(Port.IS);
    this.write(Port.IS, pending);
    this.region.write(Hba.IS, 4, this.region.read(Hba.IS, 4));
    return pending;
  }
}
