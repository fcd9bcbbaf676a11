import { z } from 'zod';
import type { AccessSize, Region } from '../../../bus/bus.ts';
import type { IrqLine } from '../../../bus/irq.ts';
import { integer, u8 } from '../../../bus/schema.ts';
import type { AnyDrive, DriveHost } from '../ata/drive.ts';
import { Command, Control, DeviceBits, Register, Status } from '../ata/registers.ts';
import type { BusMaster } from './bus-master.ts';

export const channelSchema = z.strictObject({
  /** Device control register. */
  control: u8,
  /** Which device is selected: the DEV bit last written. */
  selected: integer(0, 1),
});
export type ChannelState = z.infer<typeof channelSchema>;

export function newChannelState(): ChannelState {
  return { control: 0, selected: 0 };
}

/** An ATA channel: two drives that hear the same registers, of which the selected one answers (ATA/ATAPI-6 5.2, 7). */
export class IdeChannel implements DriveHost {
  readonly state: ChannelState;
  readonly drives: readonly (AnyDrive | undefined)[];
  /** Eight bytes: data (up to four bytes wide) and the command block. */
  readonly commandBlock: Region;
  /** One byte: alternate status and device control. */
  readonly controlBlock: Region;
  readonly #irq: IrqLine;
  readonly #busMaster: BusMaster;
  #line = false;

  constructor(name: string, state: ChannelState, drives: readonly (AnyDrive | undefined)[], irq: IrqLine, busMaster: BusMaster) {
    this.state = state;
    this.drives = drives;
    this.#irq = irq;
    this.#busMaster = busMaster;
    for (const drive of drives) if (drive !== undefined) drive.host = this;
    this.commandBlock = {
      name: `${name} command block`,
      read: (offset, size) => (offset === Register.data ? (this.selected?.readData(size) ?? 0) : this.readBytes(offset, size)),
      write: (offset, size, value) => {
        if (offset === Register.data) this.selected?.writeData(size, value);
        else for (let byte = 0; byte < size && offset + byte < 8; byte++) this.write(offset + byte, (value >>> (8 * byte)) & 0xff);
      },
    };
    this.controlBlock = {
      name: `${name} control block`,
      sizes: 1,
      read: () => this.read(Register.status, false),
      write: (_offset, _size, value) => this.writeControl(value),
    };
  }

  get selected(): AnyDrive | undefined {
    return this.drives[this.state.selected];
  }

  private readBytes(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size && offset + byte < 8; byte++) value |= this.read(offset + byte, offset + byte === Register.status) << (8 * byte);
    return value >>> 0;
  }

  /** Nobody drives the bus for a drive that is not there; its resistors make that zeros, as device 0 would answer for device 1. */
  private read(register: number, acknowledges: boolean): number {
    const drive = this.selected;
    if (drive === undefined) return 0;
    const value = drive.read(register, (this.state.control & Control.HOB) !== 0);
    if (acknowledges) {
      drive.acknowledge();
      this.changed();
    }
    return value;
  }

  private write(register: number, value: number): void {
    const { state } = this;
    state.control &= ~Control.HOB;
    if (register === Register.command) return this.command(value);
    if (((this.selected?.state.status ?? 0) & (Status.BSY | Status.DRQ)) !== 0) return;
    for (const drive of this.drives) drive?.write(register, value);
    if (register === Register.device) {
      state.selected = (value & DeviceBits.DEV) !== 0 ? 1 : 0;
      this.changed();
    }
  }

  private command(value: number): void {
    if (value === Command.EXECUTE_DEVICE_DIAGNOSTIC) return this.diagnose();
    this.selected?.execute(value);
  }

  /** Both devices do it, and device 0 answers (9.16). */
  private diagnose(): void {
    if (this.drives.every((drive) => drive === undefined)) return;
    for (const drive of this.drives) drive?.execute(Command.EXECUTE_DEVICE_DIAGNOSTIC);
    this.state.selected = 0;
    const first = this.drives[0];
    if (first !== undefined) first.state.interrupt = true;
    this.changed();
  }

  private writeControl(value: number): void {
    const { state } = this;
    const [was, is] = [state.control & Control.SRST, value & Control.SRST];
    state.control = value & (Control.HOB | Control.SRST | Control.nIEN);
    if (is !== 0 && was === 0) for (const drive of this.drives) drive?.holdReset();
    if (is === 0 && was !== 0) for (const drive of this.drives) drive?.softReset();
    if (is !== was) state.selected = 0;
    this.changed();
  }

  /** DriveHost: INTRQ is the selected drive's, unless nIEN lets go of the wire (5.2.9). */
  changed(): void {
    const level = this.selected?.state.interrupt === true && (this.state.control & Control.nIEN) === 0;
    if (level === this.#line) return;
    this.#line = level;
    if (level) this.#busMaster.interrupted();
    this.#irq.set(level);
  }

  /** DriveHost: DMARQ. */
  dmaRequest(): void {
    this.#busMaster.pump();
  }

  reset(): void {
    Object.assign(this.state, newChannelState());
    for (const drive of this.drives) drive?.hardReset();
    this.changed();
  }

  loaded(): void {
    for (const drive of this.drives) drive?.loaded();
    // The wire is as the state says; the status bit of the rise was saved with the bus master.
    this.#line = this.selected?.state.interrupt === true && (this.state.control & Control.nIEN) === 0;
    this.#irq.set(this.#line);
    this.#busMaster.pump();
  }
}
