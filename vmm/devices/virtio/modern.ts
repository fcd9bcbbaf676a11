import type { AccessSize, Region } from '../../bus/bus.ts';
import { configAccess, fieldsAccess, type Field } from './registers.ts';
import type { VirtioPci } from './virtio-pci.ts';

/* The modern interface (4.1.4): structures in a memory BAR that vendor-specific capabilities locate, each on a page of its own. */

export const MODERN_BAR = 4;
const PAGE_SHIFT = 12;
const COMMON = 0x0000;
const ISR = 0x1000;
const DEVICE = 0x2000;
const NOTIFY = 0x3000;
export const MODERN_BAR_BYTES = 0x4000;
const COMMON_BYTES = 0x38;
const NOTIFY_MULTIPLIER = 4;

const CAPABILITY_VENDOR = 0x09;
const CapabilityType = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
const CAPABILITY_BYTES = 16;
/** Registers within a capability (4.1.4): its length, type, BAR, offset, length of the structure, and what some have behind it. */
const Cap = { LENGTH: 2, TYPE: 3, BAR: 4, OFFSET: 8, STRUCTURE_LENGTH: 12, MORE: 16 } as const;

type Access = Pick<Region, 'read' | 'write'>;

export function modernRegion(device: VirtioPci): Region {
  const pages: readonly Access[] = [
    fieldsAccess(commonFields(device)),
    { read: (offset) => (offset === 0 ? device.readIsr() : 0), write: () => undefined },
    configAccess(device.model.config),
    { read: () => 0, write: (offset) => device.notified(Math.floor(offset / NOTIFY_MULTIPLIER)) },
  ];
  const MASK = (1 << PAGE_SHIFT) - 1;
  return {
    name: `${device.model.name} modern`,
    read: (offset, size) => pages[offset >> PAGE_SHIFT]!.read(offset & MASK, size),
    write: (offset, size, value) => pages[offset >> PAGE_SHIFT]!.write(offset & MASK, size, value),
  };
}

/** Common configuration structure (4.1.4.3). */
function commonFields(device: VirtioPci): Field[] {
  const state = () => device.state;
  const selected = () => device.selectedQueue()?.state;
  /** Registers of a queue are fixed once it is enabled. */
  const setUp = () => (selected()?.enabled === false ? selected() : undefined);
  const address = (offset: number, part: 'descriptors' | 'driver' | 'device'): Field[] =>
    ([0, 1] as const).map((word) => ({
      offset: offset + 4 * word,
      size: 4,
      read: () => selected()?.[part][word] ?? 0,
      write: (value) => {
        const queue = setUp();
        if (queue !== undefined) queue[part][word] = value;
      },
    }));
  const wordOf = (words: readonly number[], select: number) => words[select] ?? 0;
  return [
    { offset: 0x00, size: 4, read: () => state().deviceFeatureSelect, write: (value) => (state().deviceFeatureSelect = value) },
    { offset: 0x04, size: 4, read: () => wordOf(device.offered, state().deviceFeatureSelect) },
    { offset: 0x08, size: 4, read: () => state().driverFeatureSelect, write: (value) => (state().driverFeatureSelect = value) },
    {
      offset: 0x0c,
      size: 4,
      read: () => wordOf(state().driverFeatures, state().driverFeatureSelect),
      write: (value) => device.acceptFeatures(state().driverFeatureSelect, value),
    },
    { offset: 0x10, size: 2, read: () => state().configVector, write: (value) => (state().configVector = device.bindable(value)) },
    { offset: 0x12, size: 2, read: () => device.queues.length },
    { offset: 0x14, size: 1, read: () => state().status, write: (value) => device.writeStatus(value) },
    { offset: 0x15, size: 1, read: () => state().generation },
    { offset: 0x16, size: 2, read: () => state().queueSelect, write: (value) => (state().queueSelect = value) },
    {
      offset: 0x18,
      size: 2,
      read: () => selected()?.size ?? 0,
      write: (value) => {
        const queue = setUp();
        const fits = value > 0 && value <= (device.selectedQueue()?.most ?? 0) && (value & (value - 1)) === 0;
        if (queue !== undefined && fits) queue.size = value;
      },
    },
    {
      offset: 0x1a,
      size: 2,
      read: () => selected()?.vector ?? 0,
      write: (value) => {
        const queue = selected();
        if (queue !== undefined) queue.vector = device.bindable(value);
      },
    },
    {
      offset: 0x1c,
      size: 2,
      read: () => (selected()?.enabled === true ? 1 : 0),
      write: (value) => {
        const queue = setUp();
        if (queue !== undefined && value === 1) queue.enabled = true;
      },
    },
    { offset: 0x1e, size: 2, read: () => state().queueSelect },
    ...address(0x20, 'descriptors'),
    ...address(0x28, 'driver'),
    ...address(0x30, 'device'),
  ];
}

/** Announces the structures, and a window through which firmware without access to memory space reaches them (4.1.4.9). */
export function addModernCapabilities(device: VirtioPci, region: Region): void {
  const { config, model } = device;
  const add = (type: number, offset: number, length: number, more?: number) => {
    const bytes = CAPABILITY_BYTES + (more === undefined ? 0 : 4);
    config.addCapability(CAPABILITY_VENDOR, bytes, [
      { offset: Cap.LENGTH, size: 1, reset: bytes },
      { offset: Cap.TYPE, size: 1, reset: type },
      { offset: Cap.BAR, size: 1, reset: MODERN_BAR },
      { offset: Cap.OFFSET, size: 4, reset: offset },
      { offset: Cap.STRUCTURE_LENGTH, size: 4, reset: length },
      ...(more === undefined ? [] : [{ offset: Cap.MORE, size: 4, reset: more } as const]),
    ]);
  };
  add(CapabilityType.COMMON, COMMON, COMMON_BYTES);
  add(CapabilityType.NOTIFY, NOTIFY, device.queues.length * NOTIFY_MULTIPLIER, NOTIFY_MULTIPLIER);
  add(CapabilityType.ISR, ISR, 1);
  add(CapabilityType.DEVICE, DEVICE, model.config.length);

  const window = config.addCapability(CAPABILITY_VENDOR, CAPABILITY_BYTES + 4, [
    { offset: Cap.LENGTH, size: 1, reset: CAPABILITY_BYTES + 4 },
    { offset: Cap.TYPE, size: 1, reset: CapabilityType.PCI },
    { offset: Cap.BAR, size: 1, writable: 0xff },
    { offset: Cap.OFFSET, size: 4, writable: 0xffff_ffff },
    { offset: Cap.STRUCTURE_LENGTH, size: 4, writable: 0xffff_ffff },
    { offset: Cap.MORE, size: 4, writable: 0xffff_ffff },
  ]);
  const data = window + Cap.MORE;
  const view = new DataView(config.bytes.buffer, config.bytes.byteOffset);
  const target = (): { at: number; size: AccessSize } | undefined => {
    const at = view.getUint32(window + Cap.OFFSET, true);
    const size = view.getUint32(window + Cap.STRUCTURE_LENGTH, true);
    const good = config.bytes[window + Cap.BAR] === MODERN_BAR && (size === 1 || size === 2 || size === 4);
    return good && at % size === 0 && at + size <= MODERN_BAR_BYTES ? { at, size } : undefined;
  };
  config.beforeRead = (offset, length) => {
    if (offset >= data + 4 || offset + length <= data) return;
    const access = target();
    if (access !== undefined) config.poke(data, 4, region.read(access.at, access.size));
  };
  config.onChange((offset, length) => {
    if (length > 4 || offset >= data + 4 || offset + length <= data) return; // reset and load are no accesses
    const access = target();
    if (access === undefined) return;
    const value = view.getUint32(data, true);
    region.write(access.at, access.size, access.size === 4 ? value : value & (access.size === 2 ? 0xffff : 0xff));
  });
}
