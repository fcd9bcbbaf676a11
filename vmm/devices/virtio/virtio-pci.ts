import { z } from 'zod';
import { assert } from '../../base/errors.ts';
import type { Region } from '../../bus/bus.ts';
import type { DeviceContext } from '../../bus/device.ts';
import { exactly, integer, u16, u32, u8 } from '../../bus/schema.ts';
import { PciConfig, pciConfigSchema } from '../pci/config-space.ts';
import type { MemoryBlock } from '../../memory/physical-map.ts';
import { MSI_X_BAR_BYTES, msiXSchema, PciMsiX } from '../pci/msi-x.ts';
import { DeviceStatus, Feature, featureWords, hasFeature, Isr, NO_VECTOR, type FeatureWords } from './features.ts';
import { legacyRegion } from './legacy.ts';
import { addModernCapabilities, MODERN_BAR, MODERN_BAR_BYTES, modernRegion } from './modern.ts';
import type { DeviceConfig } from './registers.ts';
import { Virtqueue, virtqueueSchema, type VirtqueueHost } from './virtqueue.ts';

/* Virtio over PCI (4.1): one function with the modern interface and, for devices that are older than virtio 1.0, the legacy one beside it. */

const VENDOR_VIRTIO = 0x1af4;
const MODERN_DEVICE_BASE = 0x1040;
const MODERN_SUBSYSTEM = 0x1100;
const LEGACY_BAR = 0;
const MSI_X_BAR = 1;

/** What is particular to a type of device. */
export interface VirtioModel {
  readonly name: string;
  /** 1 network, 2 block, ... (5). */
  readonly type: number;
  readonly classCode: number;
  /** PCI device ID of the transitional form (4.1.2.1). Absent: the device has the modern interface only. */
  readonly transitionalId?: number;
  /** Bits of the device type; those of every device are added. */
  readonly features: readonly number[];
  /** Largest size of each queue, powers of two. The number of queues is the type's: saved states rely on it. */
  readonly queueSizes: readonly number[];
  readonly config: DeviceConfig;
  /** The expansion ROM. */
  readonly rom?: MemoryBlock | undefined;
  /** The driver made something available in `queue`, or may have. */
  available(queue: Virtqueue): void;
  /** The driver reset the device, or one queue of it: what is in flight there must not arrive any more. */
  reset(queue?: Virtqueue): void;
}

/** Schema of the part of a device's saved state that `VirtioPci` keeps, as `state.virtio`. */
export function virtioSchema(queueSizes: readonly number[]) {
  return z.strictObject({
    config: pciConfigSchema,
    msix: msiXSchema(queueSizes.length + 1),
    status: u8,
    isr: integer(0, 3),
    deviceFeatureSelect: u32,
    driverFeatureSelect: u32,
    driverFeatures: z.tuple([u32, u32]),
    configVector: u16,
    queueSelect: u16,
    generation: u8,
    queues: exactly(queueSizes.length, virtqueueSchema(Math.max(...queueSizes))),
  });
}
export type VirtioState = z.infer<ReturnType<typeof virtioSchema>>;

const newState = () => ({
  status: 0,
  isr: 0,
  deviceFeatureSelect: 0,
  driverFeatureSelect: 0,
  driverFeatures: [0, 0] as FeatureWords,
  configVector: NO_VECTOR,
  queueSelect: 0,
});

/** The transport of one device. The device's own file makes it, puts `state` into its state and passes `reset` and `loaded` on. */
export class VirtioPci implements VirtqueueHost {
  readonly model: VirtioModel;
  readonly config: PciConfig;
  readonly state: VirtioState;
  readonly queues: readonly Virtqueue[];
  readonly offered: FeatureWords;
  readonly #context: DeviceContext;
  readonly #msix: PciMsiX;
  /** Of what was negotiated, what each request asks for. */
  indirect = false;
  eventIndex = false;

  constructor(context: DeviceContext, model: VirtioModel) {
    this.model = model;
    this.#context = context;
    const { ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX, VERSION_1 } = Feature;
    const transitional = model.transitionalId === undefined ? [] : [ANY_LAYOUT];
    this.offered = featureWords([...model.features, ...transitional, INDIRECT_DESC, EVENT_IDX, VERSION_1]);
    this.queues = model.queueSizes.map((most, index) => new Virtqueue(index, most, context.dma, this));
    this.#msix = new PciMsiX(model.name, model.queueSizes.length + 1);
    const modern = modernRegion(this);
    const legacy: Region | undefined = model.transitionalId === undefined ? undefined : legacyRegion(this);
    this.config = new PciConfig({
      vendor: VENDOR_VIRTIO,
      device: model.transitionalId ?? MODERN_DEVICE_BASE + model.type,
      revision: legacy === undefined ? 1 : 0,
      classCode: model.classCode,
      subsystemVendor: VENDOR_VIRTIO,
      subsystem: legacy === undefined ? MODERN_SUBSYSTEM : model.type,
      interruptPin: 1,
      bars: [
        ...(legacy === undefined ? [] : [{ bar: LEGACY_BAR, space: 'io', length: legacyBytes(model.config.length), region: legacy } as const]),
        { bar: MSI_X_BAR, space: 'memory', length: MSI_X_BAR_BYTES, region: this.#msix.region },
        { bar: MODERN_BAR, space: 'memory', length: MODERN_BAR_BYTES, region: modern },
        ...(model.rom === undefined ? [] : [{ bar: 'rom', space: 'memory', length: model.rom.length, block: model.rom } as const]),
      ],
    });
    this.#msix.attach(this.config, MSI_X_BAR);
    addModernCapabilities(this, modern);
    const queues = this.queues.map((queue) => queue.state);
    assert(queues.length > 0, `${model.name} has no queues`);
    this.state = { ...newState(), config: this.config.bytes, msix: this.#msix.state, generation: 0, queues };
  }

  has(feature: number): boolean {
    return hasFeature(this.state.driverFeatures, feature);
  }

  get messages(): boolean {
    return this.#msix.enabled;
  }

  get driverOk(): boolean {
    return (this.state.status & DeviceStatus.DRIVER_OK) !== 0;
  }

  // What the two register interfaces do

  selectedQueue(): Virtqueue | undefined {
    return this.queues[this.state.queueSelect];
  }

  /** The legacy interface's only way to set up a queue, and to give it up (page 0). */
  placeQueue(page: number): void {
    const queue = this.selectedQueue();
    if (queue === undefined) return;
    this.model.reset(queue);
    queue.setPage(page);
  }

  /** A vector is bound if it exists; the driver reads back whether it was (4.1.5.1.2). */
  bindable(vector: number): number {
    return vector < this.#msix.vectors ? vector : NO_VECTOR;
  }

  /** `low` or `high` word of what the driver understands. A modern driver cannot change its mind after FEATURES_OK. */
  acceptFeatures(word: number, value: number): void {
    if ((this.state.status & DeviceStatus.FEATURES_OK) !== 0 || (word !== 0 && word !== 1)) return;
    this.state.driverFeatures[word] = value;
    this.#negotiated();
  }

  #negotiated(): void {
    this.indirect = this.has(Feature.INDIRECT_DESC);
    this.eventIndex = this.has(Feature.EVENT_IDX);
  }

  writeStatus(value: number): void {
    const { state } = this;
    if (value === 0) return this.#resetDevice();
    let next = value | (state.status & DeviceStatus.NEEDS_RESET);
    const [low, high] = state.driverFeatures;
    const understood = (low & ~this.offered[0]) === 0 && (high & ~this.offered[1]) === 0;
    if ((next & DeviceStatus.FEATURES_OK) !== 0 && !understood) next &= ~DeviceStatus.FEATURES_OK; // 2.2.2
    state.status = next;
  }

  notified(index: number): void {
    const queue = this.queues[index];
    if (queue?.state.enabled === true && (this.state.status & DeviceStatus.NEEDS_RESET) === 0) this.model.available(queue);
  }

  /** Reading acknowledges the interrupt. */
  readIsr(): number {
    const { isr } = this.state;
    this.state.isr = 0;
    this.config.intx.set(false);
    return isr;
  }

  // What the device does

  /** VirtqueueHost */
  interrupt(queue: number): void {
    this.#signal(this.queues[queue]!.state.vector, Isr.QUEUE);
  }

  /** VirtqueueHost: nothing more is taken until the driver has reset the device (2.1.2). */
  broken(reason: string): void {
    this.#context.log.guest(`${this.model.name}: ${reason}`);
    if ((this.state.status & DeviceStatus.NEEDS_RESET) !== 0) return;
    this.state.status |= DeviceStatus.NEEDS_RESET;
    if (this.driverOk) this.#signal(this.state.configVector, Isr.CONFIG);
  }

  get isBroken(): boolean {
    return (this.state.status & DeviceStatus.NEEDS_RESET) !== 0;
  }

  /** The device's configuration is another one now: drivers that read it in pieces see the generation change. */
  configChanged(): void {
    this.state.generation = (this.state.generation + 1) & 0xff;
    if (this.driverOk) this.#signal(this.state.configVector, Isr.CONFIG);
  }

  #signal(vector: number, isr: number): void {
    if (this.#msix.enabled) {
      this.#msix.notify(vector);
      return;
    }
    this.state.isr |= isr;
    this.config.intx.set(true);
  }

  #resetDevice(): void {
    this.model.reset();
    for (const queue of this.queues) queue.reset();
    Object.assign(this.state, newState());
    this.#negotiated();
    this.config.intx.set(false);
  }

  reset(): void {
    this.#resetDevice();
    this.state.generation = 0;
    this.#msix.reset();
    this.config.reset();
  }

  /** The device goes on with what its state says is in flight after this. */
  loaded(): void {
    this.#msix.loaded();
    this.config.loaded();
    this.#negotiated();
  }

  inspect(): Record<string, string | number> {
    const { status, driverFeatures } = this.state;
    return {
      status: `0x${status.toString(16)}`,
      features: `0x${driverFeatures[1].toString(16)}_${driverFeatures[0].toString(16).padStart(8, '0')}`,
      interface: this.has(Feature.VERSION_1) ? 'virtio 1' : 'legacy',
      queues: this.queues.map(({ state }) => (state.enabled ? `${state.given}/${state.taken}` : '-')).join(' '),
    };
  }
}

/** Registers of the legacy interface, those of MSI-X included, and the device's own configuration. */
function legacyBytes(config: number): number {
  return 2 ** Math.ceil(Math.log2(24 + config));
}
