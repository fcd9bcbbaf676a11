import { assert } from '../../base/errors.ts';
import { SECTOR_BYTES, type DiskBackend } from '../../base/disk-backend.ts';
import { defaultGeometry } from '../../devices/storage/ata/disk.ts';
import type { I8237 } from '../../devices/dma/i8237.ts';
import type { Interrupts } from '../../devices/irq/interrupt-router.ts';
import type { PacketDrive } from '../../devices/storage/ata/packet-drive.ts';
import { fdc82077, type Fdc82077 } from '../../devices/storage/floppy/fdc-82077.ts';
import { piix3Ide, type IdeDriveOptions, type Piix3Ide } from '../../devices/storage/ide/piix3-ide.ts';
import type { CmosFloppyType, DiskGeometry } from '../../devices/time/cmos-layout.ts';
import type { Drive } from '../../protocol/config-drives.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { Board } from '../board.ts';
import type { MachineHost } from '../host.ts';

const FLOPPY_DRIVES = 2;
const FLOPPY_PORTS = 0x3f0;
const FLOPPY_CHANGE_LINE = 0x3f7;
const FLOPPY_IRQ = 6;
const FLOPPY_DMA = 2;
const IDE_SLOTS = 4;
const IDE_IRQS = [14, 15] as const;
const IDE_PORTS = [
  { command: 0x1f0, control: 0x3f6 },
  { command: 0x170, control: 0x376 },
] as const;

export interface IdeDrives {
  readonly ide: Piix3Ide;
  /** CD drives by the configuration's drive id. */
  readonly cdroms: ReadonlyMap<string, PacketDrive>;
}

/** The PIIX3's IDE function with the configuration's drives behind it. */
export function installIde(board: Board, config: VmConfig, host: MachineHost, interrupts: Interrupts): IdeDrives {
  const present = config.drives.filter(({ bus }) => bus === 'ide');
  const drives = Array.from({ length: IDE_SLOTS }, (_, slot) => {
    const drive = present.find((each) => each.slot === slot);
    return drive === undefined ? undefined : driveOptions(drive, config, host, () => ide.cdrom(slot));
  });
  const ide: Piix3Ide = board.install('ide', piix3Ide, { irqs: [interrupts.isaLine(IDE_IRQS[0]), interrupts.isaLine(IDE_IRQS[1])], drives });
  [ide.primary, ide.secondary].forEach(({ command, control }, channel) => {
    board.ports.map(IDE_PORTS[channel]!.command, 8, command);
    board.ports.map(IDE_PORTS[channel]!.control, 1, control);
  });
  const cdroms = new Map<string, PacketDrive>();
  for (const { id, slot } of present) {
    const cdrom = ide.cdrom(slot);
    if (cdrom !== undefined) cdroms.set(id, cdrom);
  }
  return { ide, cdroms };
}

/** What a drive tells of itself: the machine's, so that clones differ, with the drive's place. Guests name disks by it, so that no two of a machine may have the same. */
export function serialNumber(config: VmConfig, { bus, slot }: Drive): string {
  return `ST${config.id.slice(0, 8)}${bus === 'ide' ? '' : bus.slice(0, 1).toUpperCase()}${slot}`;
}

/** An ATA drive of the configuration, on whichever controller. */
export function driveOptions(drive: Drive, config: VmConfig, host: MachineHost, self: () => PacketDrive | undefined): IdeDriveOptions {
  const backend = host.disks.get(drive.id);
  const serial = serialNumber(config, drive);
  if (drive.media === 'cdrom') {
    const tray = (open: boolean): void => host.events.tray(drive.id, { open, locked: self()?.unit.state.locked ?? false });
    return { kind: 'cdrom', cdrom: { medium: backend, serial, tray } };
  }
  assert(backend !== undefined, `the disk ${drive.id} was not opened`);
  return { kind: 'disk', disk: { backend, serial } };
}

export interface FloppyDrives {
  readonly fdc: Fdc82077;
  /** Drive numbers by the configuration's drive id. */
  readonly numbers: ReadonlyMap<string, number>;
  /** For CMOS RAM. */
  readonly types: readonly [CmosFloppyType, CmosFloppyType];
}

/** The floppy controller, whose ports surround the one that belongs to the first IDE channel. */
export function installFloppies(board: Board, config: VmConfig, host: MachineHost, interrupts: Interrupts, dma: I8237): FloppyDrives {
  const present = config.drives.filter(({ bus }) => bus === 'floppy');
  const drives = Array.from({ length: FLOPPY_DRIVES }, (_, slot) => {
    const drive = present.find((each) => each.slot === slot);
    return drive === undefined ? undefined : { medium: host.disks.get(drive.id) };
  });
  const fdc = board.install('fdc', fdc82077, { irq: interrupts.isaLine(FLOPPY_IRQ), dma: dma.channel(FLOPPY_DMA), drives });
  board.ports.map(FLOPPY_PORTS, 6, fdc.registers);
  board.ports.map(FLOPPY_CHANGE_LINE, 1, fdc.changeLine);
  const type = (slot: number): CmosFloppyType => fdc.drives[slot]?.kind ?? 'none';
  return { fdc, numbers: new Map(present.map(({ id, slot }) => [id, slot])), types: [type(0), type(1)] };
}

/** Geometries of the two disks of the first channel, for CMOS RAM. */
export function cmosHardDisks(
  config: VmConfig,
  disks: ReadonlyMap<string, DiskBackend>,
): readonly [DiskGeometry | undefined, DiskGeometry | undefined] {
  const geometry = (slot: number): DiskGeometry | undefined => {
    const drive = config.drives.find((each) => each.bus === 'ide' && each.slot === slot && each.media === 'disk');
    const backend = drive && disks.get(drive.id);
    return backend && defaultGeometry(Math.floor(backend.size / SECTOR_BYTES));
  };
  return [geometry(0), geometry(1)];
}
