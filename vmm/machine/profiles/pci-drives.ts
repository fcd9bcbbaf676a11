import { assert } from '../../base/errors.ts';
import type { PciBus } from '../../devices/pci/pci-bus.ts';
import { virtioBlk } from '../../devices/virtio/virtio-blk.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { Board } from '../board.ts';
import { virtioDiskPath } from '../firmware/boot-order.ts';
import type { MachineHost } from '../host.ts';
import { serialNumber } from './i440fx-drives.ts';

export interface PciDrives {
  /** Firmware's paths of the drives, by id. */
  readonly paths: ReadonlyMap<string, string>;
}

/** Disks with a PCI function of their own: each virtio disk takes a slot, in the order of the configuration's slots. */
export function installPciDrives(board: Board, config: VmConfig, host: MachineHost, pci: PciBus): PciDrives {
  const paths = new Map<string, string>();
  for (const drive of config.drives.filter(({ bus }) => bus === 'virtio').sort((a, b) => a.slot - b.slot)) {
    const backend = host.disks.get(drive.id);
    assert(backend !== undefined, `the disk ${drive.id} was not opened`);
    const slot = pci.freeSlot();
    pci.add(slot, 0, board.install(`virtio-blk ${drive.slot}`, virtioBlk, { backend, serial: serialNumber(config, drive) }));
    paths.set(drive.id, virtioDiskPath(slot));
  }
  return { paths };
}
