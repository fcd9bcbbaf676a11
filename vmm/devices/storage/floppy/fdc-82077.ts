import type { DiskBackend } from '../../../base/disk-backend.ts';
import { defineDevice, type Device, type DeviceContext, type ResetKind } from '../../../bus/device.ts';
import type { Region } from '../../../bus/bus.ts';
import type { Timer } from '../../../bus/clock.ts';
import type { IrqLine } from '../../../bus/irq.ts';
import type { DmaChannel } from '../../dma/dma-channel.ts';
import { RequestGate } from '../request-gate.ts';
import { commandOf, unknownCommand } from './commands.ts';
import { serveDma } from './data-transfer.ts';
import {
  BUFFER_BYTES,
  COMMAND_BYTES,
  CONFIGURE_DEFAULT,
  controllerSchema,
  newControllerState,
  noTransfer,
  RESULT_BYTES,
  type ControllerState,
} from './controller-state.ts';
import { FloppyDrive, type FloppyDriveOptions } from './drive.ts';
import { Command, DISK_CHANGE, dataRates, Dor, Dsr, Msr, Port, St0 } from './registers.ts';

export interface Fdc82077Options {
  /** IRQ 6. */
  readonly irq: IrqLine;
  /** DMA channel 2. */
  readonly dma: DmaChannel;
  /** Drives 0 and 1; undefined: not there. */
  readonly drives: readonly (FloppyDriveOptions | undefined)[];
}

export interface Fdc82077 extends Device<ControllerState> {
  /** Six ports at 3F0h. */
  readonly registers: Region;
  /** One port at 3F7h. */
  readonly changeLine: Region;
  readonly drives: readonly (FloppyDrive | undefined)[];
  /** Changes the medium of a drive; undefined takes it out. */
  insert(drive: number, medium: DiskBackend | undefined): void;
}

/** The 82077AA with two drives. Commands are in commands.ts, data transfers in data-transfer.ts. */
export class Controller implements Fdc82077 {
  readonly context: DeviceContext;
  readonly options: Fdc82077Options;
  readonly drives: readonly (FloppyDrive | undefined)[];
  readonly state: ControllerState;
  readonly gate = new RequestGate();
  /** Where requests to the medium leave and find sectors. */
  readonly shared = new Uint8Array(new SharedArrayBuffer(BUFFER_BYTES));
  readonly registers: Region;
  readonly changeLine: Region;
  #timer: Timer | undefined;

  constructor(context: DeviceContext, options: Fdc82077Options) {
    this.context = context;
    this.options = options;
    this.drives = [0, 1].map((index) => {
      const drive = options.drives[index];
      return drive === undefined ? undefined : new FloppyDrive(drive);
    });
    this.state = newControllerState([0, 1].map((index) => this.drives[index]?.state ?? { track: 0, changed: true }));
    options.dma.onReady = () => {
      if (this.state.phase === 'dma') serveDma(this);
    };
    this.registers = {
      name: 'floppy controller',
      sizes: 1,
      read: (offset) => this.read(offset),
      write: (offset, _size, value) => this.write(offset, value),
    };
    this.changeLine = {
      name: 'floppy change line',
      sizes: 1,
      read: () => this.digitalInput(),
      write: (_offset, _size, value) => this.setRate(value),
    };
  }

  // Registers

  /** IRQ and DREQ leave the chip only while this is set (2.1.2). */
  get dmaGate(): boolean {
    return (this.state.dor & Dor.DMA_GATE) !== 0;
  }

  private read(offset: number): number {
    switch (offset) {
      case Port.digitalOutput:
        return this.state.dor;
      case Port.tapeDrive:
        return this.state.tapeDrive;
      case Port.mainStatus:
        return this.mainStatus();
      case Port.fifo:
        return this.readFifo();
      default:
        return 0xff; // status registers A and B are not there in AT mode (2.1)
    }
  }

  private write(offset: number, value: number): void {
    switch (offset) {
      case Port.digitalOutput:
        return this.writeDor(value);
      case Port.tapeDrive:
        this.state.tapeDrive = value & 3;
        return;
      case Port.dataRate:
        this.setRate(value);
        if ((value & Dsr.SOFTWARE_RESET) !== 0) this.controllerReset();
        return;
      case Port.fifo:
        return this.writeFifo(value);
      default:
        return;
    }
  }

  private setRate(value: number): void {
    this.state.rate = value & Dsr.RATE;
  }

  /** kbit/s. */
  get rate(): number {
    return dataRates[this.state.rate]!;
  }

  private digitalInput(): number {
    const drive = this.drives[this.state.dor & Dor.SELECT];
    const motor = (this.state.dor & (0x10 << (this.state.dor & Dor.SELECT))) !== 0;
    return drive !== undefined && motor && drive.state.changed ? DISK_CHANGE : 0;
  }

  private mainStatus(): number {
    const { state } = this;
    if ((state.dor & Dor.NOT_RESET) === 0) return 0;
    let value = 0;
    state.seeking.forEach((seek, drive) => {
      if (seek !== null) value |= 1 << drive;
    });
    switch (state.phase) {
      case 'command':
        return value | Msr.RQM | (state.commandLength > 0 ? Msr.COMMAND_BUSY : 0);
      case 'result':
        return value | Msr.RQM | Msr.DIO | Msr.COMMAND_BUSY;
      case 'host':
        return value | Msr.RQM | Msr.NON_DMA | Msr.COMMAND_BUSY | (this.command?.direction === 'in' ? Msr.DIO : 0);
      default:
        return value | Msr.COMMAND_BUSY | (this.usesDma ? 0 : Msr.NON_DMA);
    }
  }

  private writeDor(value: number): void {
    const { state } = this;
    const before = state.dor;
    state.dor = value;
    if ((value & Dor.NOT_RESET) === 0) {
      if ((before & Dor.NOT_RESET) !== 0) this.enterReset();
    } else if ((before & Dor.NOT_RESET) === 0) this.goOn();
    else if (state.phase === 'dma' && (before & Dor.DMA_GATE) === 0) serveDma(this);
    this.driveIrq();
  }

  // Interrupt

  setInterrupt(level: boolean): void {
    this.state.interrupt = level;
    this.driveIrq();
  }

  private driveIrq(): void {
    this.options.irq.set(this.state.interrupt && this.dmaGate);
  }

  // FIFO

  get command() {
    return this.state.commandLength === 0 ? undefined : commandOf(this.state.command[0]!);
  }

  get usesDma(): boolean {
    return (this.state.specify[1]! & 1) === 0;
  }

  private writeFifo(value: number): void {
    const { state } = this;
    if ((state.dor & Dor.NOT_RESET) === 0) return;
    if (state.phase === 'host') return void this.command?.hostByte?.(this, value);
    if (state.phase !== 'command' || state.commandLength >= COMMAND_BYTES) return;
    state.command[state.commandLength++] = value;
    const command = commandOf(state.command[0]!) ?? unknownCommand;
    if (state.commandLength < command.length) return;
    state.result.fill(0);
    state.resultLength = 0;
    command.run(this, state.command.subarray(0, command.length));
    this.endWithoutResult();
  }

  /** A command that neither executes nor has a result is over. */
  private endWithoutResult(): void {
    if (this.state.phase === 'command') this.state.commandLength = 0;
  }

  private readFifo(): number {
    const { state } = this;
    if (state.phase === 'host') return this.command?.hostByte?.(this, undefined) ?? 0;
    if (state.phase !== 'result') return 0;
    // Reading the first result byte lowers INT (5.1); SENSE INTERRUPT STATUS has seen to it already.
    if (state.resultAt === 0 && (state.command[0]! & 0x1f) !== Command.SENSE_INTERRUPT_STATUS) this.setInterrupt(false);
    const value = state.result[state.resultAt++]!;
    if (state.resultAt >= state.resultLength) this.idle();
    return value;
  }

  /** Waits for the next command. */
  idle(): void {
    const { state } = this;
    state.phase = 'command';
    state.commandLength = 0;
    state.resultLength = 0;
    state.resultAt = 0;
  }

  /** Enters the result phase. */
  respond(bytes: readonly number[], interrupt: boolean): void {
    const { state } = this;
    state.phase = 'result';
    state.result.fill(0);
    state.result.set(bytes.slice(0, RESULT_BYTES));
    state.resultLength = Math.min(bytes.length, RESULT_BYTES);
    state.resultAt = 0;
    if (interrupt) this.setInterrupt(true);
  }

  // Time

  /*
   * Mechanics and rotation take no time, but nothing happens before the guest has left the instruction that asked for it: timers are due at once.
   */

  /** Has the command's `resume` called soon. */
  goOn(): void {
    this.state.phase = 'delay';
    this.state.deadline = this.context.scheduler.now();
    this.arm();
  }

  startSeek(drive: number, target: number, recalibrate: boolean): void {
    this.state.pending[drive] = null;
    this.state.seeking[drive] = { deadline: this.context.scheduler.now(), target, recalibrate };
    this.arm();
  }

  private arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { state } = this;
    let next = state.phase === 'delay' ? state.deadline : Infinity;
    for (const seek of state.seeking) if (seek !== null) next = Math.min(next, seek.deadline);
    if (next !== Infinity) this.#timer = this.context.scheduler.at(next, () => this.due());
  }

  private due(): void {
    const { state } = this;
    const now = this.context.scheduler.now();
    state.seeking.forEach((seek, drive) => {
      if (seek !== null && seek.deadline <= now) this.endSeek(drive);
    });
    if (state.phase === 'delay' && state.deadline <= now) {
      if (state.commandLength === 0) this.announceReset();
      else this.command?.resume?.(this);
    }
    this.arm();
  }

  private endSeek(index: number): void {
    const { state } = this;
    const seek = state.seeking[index]!;
    const drive = this.drives[index];
    state.seeking[index] = null;
    let status = St0.SEEK_END | index;
    if (drive === undefined) {
      // Nobody answers the step pulses with a track 0 signal.
      if (seek.recalibrate) status |= St0.ABNORMAL | St0.EQUIPMENT_CHECK;
    } else drive.seek(seek.target);
    state.presentCylinder[index] = seek.target;
    state.pending[index] = status;
    this.setInterrupt(true);
  }

  // Reset

  /** DOR bit 2 low: everything stops. */
  private enterReset(): void {
    const { state } = this;
    for (const drive of this.drives) this.gate.drop(drive?.medium);
    this.options.dma.request(false);
    this.idle();
    Object.assign(state.transfer, noTransfer());
    state.pending.fill(null);
    state.seeking.fill(null);
    state.presentCylinder.fill(0);
    // Unless LOCK says otherwise, FIFO settings go back to their defaults, too (5.2.8).
    if (!state.locked) [state.configure, state.precompensation] = [(state.configure & 0x50) | CONFIGURE_DEFAULT, 0];
    state.perpendicular &= 0x3c;
    this.setInterrupt(false);
    this.arm();
  }

  private controllerReset(): void {
    if ((this.state.dor & Dor.NOT_RESET) === 0) return;
    this.enterReset();
    this.goOn();
  }

  /**
   * After a reset the controller finds all four drives' ready lines changed; SENSE INTERRUPT STATUS tells of each (5.2.5). The data sheet says so of a controller that polls its drives;
   * Linux has polling disabled by CONFIGURE and waits for the interrupt all the same.
   */
  private announceReset(): void {
    this.idle();
    for (let drive = 0; drive < 4; drive++) this.state.pending[drive] = St0.POLLING | drive;
    this.setInterrupt(true);
  }

  insert(index: number, medium: DiskBackend | undefined): void {
    const drive = this.drives[index];
    if (drive === undefined) return;
    const { state } = this;
    const interrupted = state.phase === 'medium' && state.transfer.drive === index;
    if (interrupted) this.gate.drop(drive.medium);
    drive.insert(medium);
    if (interrupted) this.command?.failed?.(this);
  }

  reset(kind: ResetKind): void {
    for (const drive of this.drives) this.gate.drop(drive?.medium);
    const { command, result, specify, buffer, transfer, pending, presentCylinder, seeking, drives } = this.state;
    const fresh = newControllerState(drives);
    for (const array of [command, result, specify, buffer]) array.fill(0);
    pending.fill(null);
    presentCylinder.fill(0);
    seeking.fill(null);
    Object.assign(transfer, noTransfer());
    this.options.dma.request(false);
    Object.assign(this.state, fresh, { command, result, specify, buffer, transfer, pending, presentCylinder, seeking });
    if (kind === 'power') for (const drive of this.drives) drive?.powerOn();
    this.arm();
    this.driveIrq();
  }

  loaded(): void {
    for (const drive of this.drives) this.gate.drop(drive?.medium);
    const { state } = this;
    state.drives.forEach((saved, index) => {
      const drive = this.drives[index];
      if (drive !== undefined && saved !== drive.state) state.drives[index] = Object.assign(drive.state, saved);
      if (drive !== undefined && drive.state.track > drive.tracks) drive.state.track = drive.tracks;
    });
    const executing = state.phase !== 'command' && state.phase !== 'result' && state.commandLength > 0;
    const there = state.phase === 'delay' || this.drives[state.transfer.drive] !== undefined;
    if (executing && (this.command?.resume === undefined || !there)) this.idle();
    this.arm();
    this.driveIrq();
    if (state.phase === 'medium') this.command?.resume?.(this);
    this.options.dma.request(state.phase === 'dma' && this.dmaGate);
  }

  inspect(): Record<string, string | number> {
    const { state } = this;
    return {
      phase: state.phase,
      command: state.commandLength === 0 ? '-' : (this.command?.name ?? 'unknown'),
      'data rate': `${this.rate} kbit/s`,
      'track A': state.drives[0]?.track ?? 0,
      'track B': state.drives[1]?.track ?? 0,
    };
  }
}

export const fdc82077 = defineDevice<ControllerState, Fdc82077Options, Controller>({
  type: 'fdc-82077',
  state: { version: 1, schema: controllerSchema },
  create: (context, options) => new Controller(context, options),
});
