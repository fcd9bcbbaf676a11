import type { AccessSize, Region } from '../../../bus/bus.ts';
import type { CheckedDma } from '../../../bus/conformance.ts';
import type { PciConfig } from '../../pci/config-space.ts';
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PCI_COMMAND } from '../../pci/registers.ts';
import { DeviceStatus, Feature } from '../features.ts';

/* What a virtio driver does, for device tests: it finds the structures, negotiates, sets up queues in test RAM and passes requests. */

const COMMON = 0x0000;
const ISR = 0x1000;
const NOTIFY = 0x3000;
const LEGACY_BAR = 0;
const MSI_X_BAR = 1;
const MODERN_BAR = 4;
/** Test RAM from here on is the queues': a page-aligned stretch each. */
export const QUEUE_BASE = 0x1_0000;
const QUEUE_STRIDE = 0x4000;

/** Memory of a request: for the device to read (`out`) or to write (`in`). */
export type Buffer = { readonly out: Uint8Array; readonly at: number } | { readonly in: number; readonly at: number };

export interface DriverOptions {
  readonly legacy?: boolean;
  /** Features to accept, besides VERSION_1; default: all that are offered. */
  readonly features?: readonly number[];
  readonly queueSize?: number;
}

export class VirtioDriver {
  readonly #config: PciConfig;
  readonly #dma: CheckedDma;
  readonly #legacy: boolean;
  readonly #ram: DataView;
  readonly #queues: { size: number; driver: number; device: number; added: number; seen: number; next: number }[] = [];
  features: [number, number] = [0, 0];

  constructor(config: PciConfig, dma: CheckedDma, options: DriverOptions = {}) {
    this.#config = config;
    this.#dma = dma;
    this.#legacy = options.legacy === true;
    this.#ram = new DataView(dma.ram.buffer);
    config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
    this.status(0);
    this.status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER);
    this.#negotiate(options.features);
  }

  bar(index: number): Region {
    const bar = this.#config.identity.bars?.find((each) => each.bar === index);
    if (bar === undefined || !('region' in bar)) throw new Error(`no BAR ${index}`);
    return bar.region;
  }

  common(offset: number, size: AccessSize): number {
    return this.bar(MODERN_BAR).read(COMMON + offset, size);
  }
  setCommon(offset: number, size: AccessSize, value: number): void {
    this.bar(MODERN_BAR).write(COMMON + offset, size, value);
  }
  /** MSI-X table and pending bits. */
  get table(): Region {
    return this.bar(MSI_X_BAR);
  }

  status(value?: number): number {
    const [region, at] = this.#legacy ? [this.bar(LEGACY_BAR), 18] : [this.bar(MODERN_BAR), COMMON + 0x14];
    if (value !== undefined) region.write(at, 1, value);
    return region.read(at, 1);
  }

  isr(): number {
    return this.#legacy ? this.bar(LEGACY_BAR).read(19, 1) : this.bar(MODERN_BAR).read(ISR, 1);
  }

  #negotiate(wanted: readonly number[] | undefined): void {
    const accept = (offered: number, word: number) => {
      const mask = wanted?.reduce((sum, bit) => (bit >> 5 === word ? sum | (1 << (bit & 31)) : sum), 0) ?? -1;
      return (offered & mask) >>> 0;
    };
    if (this.#legacy) {
      const region = this.bar(LEGACY_BAR);
      this.features = [accept(region.read(0, 4), 0), 0];
      region.write(4, 4, this.features[0]);
      return;
    }
    for (const word of [0, 1] as const) {
      this.setCommon(0, 4, word);
      const version = word === 1 ? 1 << (Feature.VERSION_1 - 32) : 0;
      this.features[word] = (accept(this.common(4, 4), word) | version) >>> 0;
      this.setCommon(8, 4, word);
      this.setCommon(12, 4, this.features[word]);
    }
    this.status(this.status() | DeviceStatus.FEATURES_OK);
  }

  /** Sets up queues 0 to `count - 1` and starts the device. */
  start(count: number, size = 16): this {
    for (let index = 0; index < count; index++) this.#setUp(index, size);
    this.status(this.status() | DeviceStatus.DRIVER_OK);
    return this;
  }

  #setUp(index: number, wanted: number): void {
    const base = QUEUE_BASE + index * QUEUE_STRIDE;
    this.#dma.ram.fill(0, base, base + QUEUE_STRIDE);
    if (this.#legacy) {
      const region = this.bar(LEGACY_BAR);
      region.write(14, 2, index);
      const size = region.read(12, 2);
      region.write(8, 4, base >>> 12);
      const driver = base + 16 * size;
      this.#queues[index] = { size, driver, device: (driver + 6 + 2 * size + 4095) & ~4095, added: 0, seen: 0, next: 0 };
      return;
    }
    const [driver, device] = [base + 0x1000, base + 0x2000];
    this.setCommon(0x16, 2, index);
    this.setCommon(0x18, 2, wanted);
    for (const [offset, address] of [
      [0x20, base],
      [0x28, driver],
      [0x30, device],
    ] as const) {
      this.setCommon(offset, 4, address);
      this.setCommon(offset + 4, 4, 0);
    }
    this.setCommon(0x1c, 2, 1);
    this.#queues[index] = { size: this.common(0x18, 2), driver, device, added: 0, seen: 0, next: 0 };
  }

  /** Writes descriptor `index` of a queue. */
  descriptor(queue: number, index: number, address: number, length: number, flags: number, next = 0): void {
    this.#entry(QUEUE_BASE + queue * QUEUE_STRIDE + index * 16, address, length, flags, next);
  }

  #entry(at: number, address: number, length: number, flags: number, next: number): void {
    this.#ram.setUint32(at, address, true);
    this.#ram.setUint32(at + 4, 0, true);
    this.#ram.setUint32(at + 8, length, true);
    this.#ram.setUint16(at + 12, flags, true);
    this.#ram.setUint16(at + 14, next, true);
  }

  /** Makes a chain of `buffers` available, in a table at `indirectAt` if given. Returns its head. */
  add(queue: number, buffers: readonly Buffer[], indirectAt?: number): number {
    const ring = this.#queues[queue]!;
    const head = ring.next;
    buffers.forEach((buffer, index) => {
      if ('out' in buffer) this.#dma.ram.set(buffer.out, buffer.at);
      const length = 'out' in buffer ? buffer.out.length : buffer.in;
      const flags = ('in' in buffer ? 2 : 0) | (index < buffers.length - 1 ? 1 : 0);
      const next = index + 1;
      if (indirectAt !== undefined) this.#entry(indirectAt + index * 16, buffer.at, length, flags, next);
      else this.descriptor(queue, (head + index) % ring.size, buffer.at, length, flags, (head + next) % ring.size);
    });
    if (indirectAt !== undefined) this.descriptor(queue, head, indirectAt, buffers.length * 16, 4);
    ring.next = (head + (indirectAt === undefined ? buffers.length : 1)) % ring.size;
    this.publish(queue, head);
    return head;
  }

  /** Puts a head into the available ring. */
  publish(queue: number, head: number): void {
    const ring = this.#queues[queue]!;
    this.#ram.setUint16(ring.driver + 4 + 2 * (ring.added % ring.size), head, true);
    ring.added = (ring.added + 1) & 0xffff;
    this.#ram.setUint16(ring.driver + 2, ring.added, true);
  }

  setAvailable(queue: number, index: number): void {
    this.#ram.setUint16(this.#queues[queue]!.driver + 2, index, true);
  }

  notify(queue: number): void {
    if (this.#legacy) this.bar(LEGACY_BAR).write(16, 2, queue);
    else this.bar(MODERN_BAR).write(NOTIFY + 4 * queue, 2, queue);
  }

  /** When to be interrupted: after the used index passes `index` (event index), or not at all. */
  interruptAfter(queue: number, index: number): void {
    const ring = this.#queues[queue]!;
    this.#ram.setUint16(ring.driver + 4 + 2 * ring.size, index & 0xffff, true);
  }
  suppressInterrupts(queue: number): void {
    this.#ram.setUint16(this.#queues[queue]!.driver, 1, true);
  }

  /** When the device wants to be notified (event index). */
  availableEvent(queue: number): number {
    const ring = this.#queues[queue]!;
    return this.#ram.getUint16(ring.device + 4 + 8 * ring.size, true);
  }

  /** What the device gave back since the last time. */
  used(queue: number): { head: number; written: number }[] {
    const ring = this.#queues[queue]!;
    const entries = [];
    for (; ring.seen !== this.#ram.getUint16(ring.device + 2, true); ring.seen = (ring.seen + 1) & 0xffff) {
      const at = ring.device + 4 + 8 * (ring.seen % ring.size);
      entries.push({ head: this.#ram.getUint32(at, true), written: this.#ram.getUint32(at + 4, true) });
    }
    return entries;
  }
}
