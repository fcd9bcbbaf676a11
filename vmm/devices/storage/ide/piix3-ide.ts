import { z } from 'zod';
import type { Region } from '../../../bus/bus.ts';
import { defineDevice } from '../../../bus/device.ts';
import type { IrqLine } from '../../../bus/irq.ts';
import { exactly } from '../../../bus/schema.ts';
import { PciConfig, pciConfigSchema } from '../../pci/config-space.ts';
import type { PciFunction } from '../../pci/function.ts';
import { COMMAND_IO, COMMAND_MASTER, STATUS_DEVSEL_MEDIUM, STATUS_FAST_BACK_TO_BACK } from '../../pci/registers.ts';
import { AtaDisk, diskSchema, type DiskOptions } from '../ata/disk.ts';
import { hex } from '../ata/drive.ts';
import { PacketDrive, packetDriveSchema, type PacketDriveOptions } from '../ata/packet-drive.ts';
import { BusMaster, busMasterSchema, newBusMasterState } from './bus-master.ts';
import { channelSchema, IdeChannel, newChannelState } from './channel.ts';

/** 82371SB 2.5: function 1 of the PIIX3. */
const VENDOR_INTEL = 0x8086;
const DEVICE_82371SB_IDE = 0x7010;
/** Mass storage, IDE, bus master in legacy (compatible) mode. */
const CLASS_IDE_BUS_MASTER = 0x01_01_80;
const BUS_MASTER_BAR = 4;
const BUS_MASTER_BYTES = 16;
/** IDE timing registers of both channels; they say how fast and, in bit 15, whether a channel is decoded (it always is, here). */
const IDETIM = 0x40;
const SIDETIM = 0x44;

export type IdeDrive = AtaDisk | PacketDrive;
export type IdeDriveOptions =
  ({ readonly kind: 'disk' } & { readonly disk: DiskOptions }) | { readonly kind: 'cdrom'; readonly cdrom: PacketDriveOptions };

export interface Piix3IdeOptions {
  /** IRQ 14 and 15. */
  readonly irqs: readonly [IrqLine, IrqLine];
  /** Primary master and slave, secondary master and slave. */
  readonly drives: readonly (IdeDriveOptions | undefined)[];
}

const schema = z.strictObject({
  config: pciConfigSchema,
  channels: exactly(2, channelSchema),
  busMasters: exactly(2, busMasterSchema),
  /** By slot; null where the drive is of the other kind or there is none. */
  disks: exactly(4, diskSchema.nullable()),
  packetDrives: exactly(4, packetDriveSchema.nullable()),
});
export type Piix3IdeState = z.infer<typeof schema>;

export interface IdeChannelPorts {
  /** Eight ports at 1F0h or 170h. */
  readonly command: Region;
  /** One port at 3F6h or 376h. */
  readonly control: Region;
}

export interface Piix3Ide extends PciFunction<Piix3IdeState> {
  readonly primary: IdeChannelPorts;
  readonly secondary: IdeChannelPorts;
  /** By slot, 0 = primary master .. 3 = secondary slave. */
  readonly drives: readonly (IdeDrive | undefined)[];
  /** The CD drive at a slot: `insert` changes its medium. */
  cdrom(slot: number): PacketDrive | undefined;
}

/** The IDE function of the PIIX3: two channels with ATA and ATAPI drives, PIO and bus-master DMA. */
export const piix3Ide = defineDevice<Piix3IdeState, Piix3IdeOptions, Piix3Ide>({
  type: 'piix3-ide',
  state: { version: 1, schema },
  create(context, options) {
    const drives = [0, 1, 2, 3].map((slot): IdeDrive | undefined => {
      const drive = options.drives[slot];
      if (drive === undefined) return undefined;
      return drive.kind === 'disk' ? new AtaDisk(context, drive.disk) : new PacketDrive(context, drive.cdrom);
    });
    const channelStates = [newChannelState(), newChannelState()];
    const busMasterStates = [newBusMasterState(), newBusMasterState()];
    const busMasters: BusMaster[] = busMasterStates.map(
      (state, index) => new BusMaster(state, { dma: context.dma, mayMaster: () => config.busMaster, drive: () => channels[index]!.selected }),
    );
    const channels: IdeChannel[] = channelStates.map(
      (state, index) =>
        new IdeChannel(
          `ide-${index === 0 ? 'primary' : 'secondary'}`,
          state,
          drives.slice(index * 2, index * 2 + 2),
          options.irqs[index]!,
          busMasters[index]!,
        ),
    );
    const busMaster: Region = {
      name: 'ide-bus-master',
      read: (offset, size) => busMasters[offset >> 3]!.read(offset & 7, size),
      write: (offset, size, value) => busMasters[offset >> 3]!.write(offset & 7, size, value),
    };
    const config = new PciConfig({
      vendor: VENDOR_INTEL,
      device: DEVICE_82371SB_IDE,
      classCode: CLASS_IDE_BUS_MASTER,
      command: { reset: 0, writable: COMMAND_IO | COMMAND_MASTER },
      status: STATUS_FAST_BACK_TO_BACK | STATUS_DEVSEL_MEDIUM,
      bars: [{ bar: BUS_MASTER_BAR, space: 'io', length: BUS_MASTER_BYTES, region: busMaster }],
      registers: [
        { offset: IDETIM, size: 2, writable: 0xffff },
        { offset: IDETIM + 2, size: 2, writable: 0xffff },
        { offset: SIDETIM, size: 1, writable: 0xff },
      ],
    });
    const state: Piix3IdeState = {
      config: config.bytes,
      channels: channelStates,
      busMasters: busMasterStates,
      disks: drives.map((drive) => (drive instanceof AtaDisk ? drive.state : null)),
      packetDrives: drives.map((drive) => (drive instanceof PacketDrive ? drive.state : null)),
    };
    const ports = (channel: IdeChannel): IdeChannelPorts => ({ command: channel.commandBlock, control: channel.controlBlock });

    return {
      state,
      config,
      primary: ports(channels[0]!),
      secondary: ports(channels[1]!),
      drives,
      cdrom(slot) {
        const drive = drives[slot];
        return drive instanceof PacketDrive ? drive : undefined;
      },
      reset() {
        config.reset();
        for (const channel of channels) channel.reset();
        for (const master of busMasterStates) Object.assign(master, newBusMasterState());
      },
      loaded() {
        // A state made by a machine with other drives says nothing about ours.
        drives.forEach((drive, slot) => {
          state.disks[slot] = drive instanceof AtaDisk ? drive.state : null;
          state.packetDrives[slot] = drive instanceof PacketDrive ? drive.state : null;
        });
        config.loaded();
        for (const channel of channels) channel.loaded();
      },
      inspect: () =>
        Object.fromEntries(
          drives.flatMap((drive, slot) =>
            drive === undefined
              ? []
              : [
                  [
                    `${slot < 2 ? 'primary' : 'secondary'} ${slot % 2 === 0 ? 'master' : 'slave'}`,
                    `status ${hex(drive.state.status)}, command ${hex(drive.state.command)}, ${drive.state.stage}`,
                  ],
                ],
          ),
        ),
    };
  },
});
