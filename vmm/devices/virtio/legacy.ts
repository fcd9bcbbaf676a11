import type { Region } from '../../bus/bus.ts';
import { configAccess, fieldsAccess, type Field } from './registers.ts';
import type { VirtioPci } from './virtio-pci.ts';

/* The legacy interface (4.1.4.10): registers in an I/O BAR, those of MSI-X only while it is enabled, then the device's configuration. */

const COMMON_BYTES = 20;
const MSI_X_BYTES = 4;

export function legacyRegion(device: VirtioPci): Region {
  const common = fieldsAccess(commonFields(device));
  const messages = fieldsAccess(messageFields(device));
  const config = configAccess(device.model.config);
  const route = (offset: number) => {
    if (offset < COMMON_BYTES) return { access: common, at: offset };
    if (!device.messages) return { access: config, at: offset - COMMON_BYTES };
    if (offset < COMMON_BYTES + MSI_X_BYTES) return { access: messages, at: offset };
    return { access: config, at: offset - COMMON_BYTES - MSI_X_BYTES };
  };
  return {
    name: `${device.model.name} legacy`,
    read: (offset, size) => {
      const { access, at } = route(offset);
      return access.read(at, size);
    },
    write: (offset, size, value) => {
      const { access, at } = route(offset);
      access.write(at, size, value);
    },
  };
}

function commonFields(device: VirtioPci): Field[] {
  const selected = () => device.selectedQueue();
  return [
    { offset: 0, size: 4, read: () => device.offered[0] },
    { offset: 4, size: 4, read: () => device.state.driverFeatures[0], write: (value) => device.acceptFeatures(0, (value & device.offered[0]) >>> 0) },
    { offset: 8, size: 4, read: () => selected()?.state.page ?? 0, write: (value) => device.placeQueue(value) },
    { offset: 12, size: 2, read: () => selected()?.most ?? 0 },
    { offset: 14, size: 2, read: () => device.state.queueSelect, write: (value) => (device.state.queueSelect = value) },
    { offset: 16, size: 2, read: () => 0, write: (value) => device.notified(value) },
    { offset: 18, size: 1, read: () => device.state.status, write: (value) => device.writeStatus(value) },
    { offset: 19, size: 1, read: () => device.readIsr() },
  ];
}

function messageFields(device: VirtioPci): Field[] {
  return [
    {
      offset: 20,
      size: 2,
      read: () => device.state.configVector,
      write: (value) => (device.state.configVector = device.bindable(value)),
    },
    {
      offset: 22,
      size: 2,
      read: () => device.selectedQueue()?.state.vector ?? 0,
      write: (value) => {
        const queue = device.selectedQueue();
        if (queue !== undefined) queue.state.vector = device.bindable(value);
      },
    },
  ];
}
