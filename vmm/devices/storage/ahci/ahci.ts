import { z } from 'zod';
import type { AccessSize, Region } from '../../../bus/bus.ts';
import { defineDevice } from '../../../bus/device.ts';
import { exactly, u32 } from '../../../bus/schema.ts';
import { PciConfig, pciConfigSchema } from '../../pci/config-space.ts';
import type { PciFunction } from '../../pci/function.ts';
import { PciMsi } from '../../pci/msi.ts';
import { STATUS_DEVSEL_MEDIUM, STATUS_FAST_BACK_TO_BACK } from '../../pci/registers.ts';
import { AtaDisk, diskSchema, type DiskOptions } from '../ata/disk.ts';
import { hex } from '../ata/drive.ts';
import { PacketDrive, packetDriveSchema, type PacketDriveOptions } from '../ata/packet-drive.ts';
import { portSchema } from './port-state.ts';
import { AhciPort, type SataDrive } from './port.ts';
import { GHC_AHCI_ENABLE, GHC_INTERRUPT_ENABLE, GHC_RESET, Hba, Port, PORT_BYTES, PORTS_OFFSET, SLOTS, VERSION_1_3 } from './registers.ts';

/** The AHCI controller of the Intel ICH9 (datasheet 316972, chapter 15), as a function of its own. */
const VENDOR_INTEL = 0x8086;
const DEVICE_ICH9_AHCI = 0x2922;
const REVISION = 2;
const CLASS_SATA_AHCI = 0x01_06_01;
/** Address map register: the controller is in AHCI mode. */
const ADDRESS_MAP = 0x90;
const ADDRESS_MAP_AHCI = 0x40;
const ABAR = 5;
const ABAR_BYTES = 0x1000;

export const AHCI_PORTS = 6;
/** 64-bit addresses, native command queueing, AHCI mode only, 3 Gb/s, 32 slots, 6 ports (3.1.1). */
const CAPABILITIES = (0x8000_0000 | 0x4000_0000 | 0x0004_0000 | (2 << 20) | ((SLOTS - 1) << 8) | (AHCI_PORTS - 1)) >>> 0;

export type AhciDriveOptions =
  ({ readonly kind: 'disk' } & { readonly disk: DiskOptions }) | { readonly kind: 'cdrom'; readonly cdrom: PacketDriveOptions };

export interface AhciOptions {
  /** By port. */
  readonly drives: readonly (AhciDriveOptions | undefined)[];
}

const schema = z.strictObject({
  config: pciConfigSchema,
  control: u32,
  interrupts: u32,
  ports: exactly(AHCI_PORTS, portSchema),
  /** By port; null where the drive is of the other kind or there is none. */
  disks: exactly(AHCI_PORTS, diskSchema.nullable()),
  packetDrives: exactly(AHCI_PORTS, packetDriveSchema.nullable()),
});
export type AhciState = z.infer<typeof schema>;

export interface Ahci extends PciFunction<AhciState> {
  readonly drives: readonly (SataDrive | undefined)[];
  /** The CD drive at a port: `insert` changes its medium. */
  cdrom(port: number): PacketDrive | undefined;
}

export const ahci = defineDevice<AhciState, AhciOptions, Ahci>({
  type: 'ahci',
  state: { version: 1, schema },
  create(context, options) {
    const { dma, log } = context;
    const drives = Array.from({ length: AHCI_PORTS }, (_, port): SataDrive | undefined => {
      const drive = options.drives[port];
      if (drive === undefined) return undefined;
      return drive.kind === 'disk'
        ? new AtaDisk(context, { ...drive.disk, serialAta: true })
        : new PacketDrive(context, { ...drive.cdrom, serialAta: true });
    });
    let ready = false;
    const interruptsChanged = () => {
      if (ready) update();
    };
    const ports = drives.map((drive) => new AhciPort({ dma, log, drive, mayMaster: () => config.busMaster, interruptsChanged }));
    const registers: Region = {
      name: 'ahci',
      read: (offset, size) => part(readWord(offset & ~3), offset & 3, size),
      write: (offset, size, value) => {
        // Software writes whole words (3, "access widths"); narrower writes reach their bytes of a word that is otherwise written as it reads.
        const word = offset & ~3;
        if (size === 4) writeWord(word, value);
        else if (!clearsByWriting(word)) writeWord(word, insert(readWord(word), offset & 3, size, value));
        else writeWord(word, (value << (8 * (offset & 3))) >>> 0);
      },
    };
    const config = new PciConfig({
      vendor: VENDOR_INTEL,
      device: DEVICE_ICH9_AHCI,
      revision: REVISION,
      classCode: CLASS_SATA_AHCI,
      interruptPin: 1,
      status: STATUS_FAST_BACK_TO_BACK | STATUS_DEVSEL_MEDIUM,
      bars: [{ bar: ABAR, space: 'memory', length: ABAR_BYTES, region: registers }],
      registers: [{ offset: ADDRESS_MAP, size: 1, reset: ADDRESS_MAP_AHCI }],
    });
    const msi = new PciMsi(config);
    const state: AhciState = {
      config: config.bytes,
      control: GHC_AHCI_ENABLE,
      interrupts: 0,
      ports: ports.map((port) => port.state),
      disks: drives.map((drive) => (drive instanceof AtaDisk ? drive.state : null)),
      packetDrives: drives.map((drive) => (drive instanceof PacketDrive ? drive.state : null)),
    };

    /** Collects what the ports signal. Each port that begins to signal is worth a message; so is one that still does when software has acknowledged others (10.6.2). */
    const update = (acknowledged = false): void => {
      let pending = state.interrupts;
      ports.forEach((port, index) => {
        if (port.interrupting) pending = (pending | (1 << index)) >>> 0;
      });
      const news = pending & ~state.interrupts;
      state.interrupts = pending;
      const level = pending !== 0 && (state.control & GHC_INTERRUPT_ENABLE) !== 0;
      config.intx.set(level);
      if (level && (news !== 0 || acknowledged)) msi.notify();
    };

    const resetController = (): void => {
      ready = false;
      for (const port of ports) port.reset();
      ready = true;
      Object.assign(state, { control: GHC_AHCI_ENABLE, interrupts: 0 });
      update();
    };

    const readWord = (word: number): number => {
      if (word >= PORTS_OFFSET) return ports[Math.floor((word - PORTS_OFFSET) / PORT_BYTES)]?.read(word & (PORT_BYTES - 1)) ?? 0;
      switch (word) {
        case Hba.CAP:
          return CAPABILITIES;
        case Hba.GHC:
          return state.control;
        case Hba.IS:
          return state.interrupts;
        case Hba.PI:
          return (1 << AHCI_PORTS) - 1;
        case Hba.VS:
          return VERSION_1_3;
        default:
          return 0;
      }
    };

    const writeWord = (word: number, value: number): void => {
      if (word >= PORTS_OFFSET) {
        ports[Math.floor((word - PORTS_OFFSET) / PORT_BYTES)]?.write(word & (PORT_BYTES - 1), value);
        return;
      }
      if (word === Hba.IS) {
        state.interrupts = (state.interrupts & ~value) >>> 0;
        update(true);
      } else if (word === Hba.GHC) {
        if ((value & GHC_RESET) !== 0) return resetController();
        const enables = (value & GHC_INTERRUPT_ENABLE) !== 0 && (state.control & GHC_INTERRUPT_ENABLE) === 0;
        state.control = (GHC_AHCI_ENABLE | (value & GHC_INTERRUPT_ENABLE)) >>> 0;
        update(enables);
      }
    };

    ready = true;
    update();
    // Commands that were issued while the function could not be a bus master are fetched when it can.
    config.onChange(() => {
      if (ready && config.busMaster) for (const port of ports) port.process();
    });
    return {
      state,
      config,
      drives,
      cdrom(port) {
        const drive = drives[port];
        return drive instanceof PacketDrive ? drive : undefined;
      },
      reset() {
        resetController();
        config.reset();
      },
      loaded() {
        // A state made by a machine with other drives says nothing about ours.
        drives.forEach((drive, port) => {
          state.disks[port] = drive instanceof AtaDisk ? drive.state : null;
          state.packetDrives[port] = drive instanceof PacketDrive ? drive.state : null;
        });
        state.control = (GHC_AHCI_ENABLE | (state.control & GHC_INTERRUPT_ENABLE)) >>> 0;
        ready = false;
        config.loaded();
        ready = true;
        for (const port of ports) port.loaded();
        update();
      },
      inspect: () =>
        Object.fromEntries(
          drives.flatMap((drive, port) =>
            drive === undefined
              ? []
              : [[`port ${port}`, `status ${hex(drive.state.status)}, command ${hex(drive.state.command)}, ${drive.state.stage}`]],
          ),
        ),
    };
  },
});

function part(word: number, byte: number, size: AccessSize): number {
  const value = word >>> (8 * byte);
  return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
}

function insert(word: number, byte: number, size: AccessSize, value: number): number {
  const mask = ((size === 2 ? 0xffff : 0xff) << (8 * byte)) >>> 0;
  return ((word & ~mask) | ((value << (8 * byte)) & mask)) >>> 0;
}

const CLEARING: ReadonlySet<number> = new Set([Port.IS, Port.SERR, Port.SACT, Port.CI]);

/** Registers in which ones act and zeros do nothing. */
function clearsByWriting(word: number): boolean {
  if (word < PORTS_OFFSET) return word === Hba.IS;
  return CLEARING.has(word & (PORT_BYTES - 1));
}
