import { assert } from '../../base/errors.ts';
import type { PciBus } from '../../devices/pci/pci-bus.ts';
import { ahci, AHCI_PORTS, type Ahci } from '../../devices/storage/ahci/ahci.ts';
import type { PacketDrive } from '../../devices/storage/ata/packet-drive.ts';
import { virtioBlk } from '../../devices/virtio/virtio-blk.ts';
import type { Drive } from '../../protocol/config-drives.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { Board } from '../board.ts';
import { ahciDrivePath, virtioDiskPath } from '../firmware/boot-order.ts';
import type { MachineHost } from '../host.ts';
import { driveOptions, serialNumber } from './i440fx-drives.ts';

export interface PciDrives {
  /** Firmware's paths of the drives, by id. */
  readonly paths: ReadonlyMap<string, string>;
  /** CD drives by id. */
  readonly cdroms: ReadonlyMap<string, PacketDrive>;
}

/** Disks behind PCI functions of their own: one AHCI controller for all that are on its bus, and a slot for each virtio disk, in the order of the configuration's slots. */
export function installPciDrives(board: Board, config: VmConfig, host: MachineHost, pci: PciBus): PciDrives {
  const paths = new Map<string, string>();
  const cdroms = new Map<string, PacketDrive>();
  const onBus = (wanted: Drive['bus']): Drive[] => config.drives.filter(({ bus }) => bus === wanted).sort((a, b) => a.slot - b.slot);

  const serialAta = onBus('ahci');
  if (serialAta.length > 0) {
    const slot = pci.freeSlot();
    const drives = Array.from({ length: AHCI_PORTS }, (_, port) => {
      const drive = serialAta.find((each) => each.slot === port);
      return drive === undefined ? undefined : driveOptions(drive, config, host, () => controller.cdrom(port));
    });
    const controller: Ahci = board.install('ahci', ahci, { drives });
    pci.add(slot, 0, controller);
    for (const { id, slot: port } of serialAta) {
      paths.set(id, ahciDrivePath(slot, port));
      const cdrom = controller.cdrom(port);
      if (cdrom !== undefined) cdroms.set(id, cdrom);
    }
  }

  for (const drive of onBus('virtio')) {
    const backend = host.disks.get(drive.id);
    assert(backend !== undefined, `the disk ${drive.id} was not opened`);
    const slot = pci.freeSlot();
    pci.add(slot, 0, board.install(`virtio-blk ${drive.slot}`, virtioBlk, { backend, serial: serialNumber(config, drive) }));
    paths.set(drive.id, virtioDiskPath(slot));
  }
  return { paths, cdroms };
}
