import { SECTOR_BYTES, type DiskBackend, type DiskRequest, type DiskStatus } from '../../../base/disk-backend.ts';
import type { DeviceContext } from '../../../bus/device.ts';
import { RequestGate } from '../request-gate.ts';
import type { Direction, ScatterList } from '../scatter.ts';
import { BUFFER_BYTES, noTransfer, type DriveState } from './drive-state.ts';
import { AtaError, Command, DIAGNOSTIC_PASSED, Register, Status } from './registers.ts';

/** The most one request to the medium moves by DMA. */
export const DMA_CHUNK = 1 << 20;

/** What a drive is attached to: an IDE channel or a port of an AHCI controller. */
export interface DriveHost {
  /** INTRQ, BSY or DRQ may have changed. */
  changed(): void;
  /** DMARQ: the drive wants memory for `dmaWanted` bytes; the host answers with `dmaMove`, now or when a bus master is started. */
  dmaRequest(): void;
}

const unattached: DriveHost = { changed: () => undefined, dmaRequest: () => undefined };

/**
 * The engine all ATA devices share: the task file, and data that move through the sector buffer block by block (PIO) or between medium and
 * memory (DMA). What a command means is for `AtaDisk` and `PacketDrive` to say.
 */
export abstract class AtaDrive<S extends DriveState = DriveState> {
  readonly state: S;
  readonly context: DeviceContext;
  host: DriveHost = unattached;
  protected readonly gate = new RequestGate();
  /** Where requests to the medium leave and find the contents of the sector buffer: shared with the io thread, as the state is not. */
  protected readonly shared = new Uint8Array(new SharedArrayBuffer(BUFFER_BYTES));
  abstract readonly signature: readonly [number, number, number, number];

  constructor(context: DeviceContext, state: S) {
    this.context = context;
    this.state = state;
  }

  protected abstract get backend(): DiskBackend | undefined;
  /** DRDY, for those that have it. */
  protected abstract get ready(): number;
  protected abstract runCommand(command: number): void;
  /** All of a command's parameter data came from the host and lies in the buffer, `filled` bytes. */
  protected abstract dataReceived(): void;
  /** A DRQ block of `length` bytes begins: packet devices tell the host its length. */
  protected abstract blockBegins(length: number): void;
  /** The medium did its part of `bytes`, up to `offset`: disks keep their address registers current. */
  protected abstract advanced(offset: number, bytes: number): void;
  /** All data of the command are moved. `interrupts`: as a PIO data-in command does not, whose last block has interrupted already. */
  protected abstract transferDone(interrupts: boolean): void;
  /** The medium failed to do a request. */
  protected abstract mediumFailed(status: DiskStatus): void;
  /** Begins again what a loaded state says the medium was doing in stage `work`. */
  protected abstract resumeWork(): void;

  // Task file

  read(register: number, high: boolean): number {
    const { state } = this;
    const task = high ? state.previous : state.task;
    switch (register) {
      case Register.error:
        return state.error;
      case Register.count:
        return task.count;
      case Register.low:
        return task.low;
      case Register.mid:
        return task.mid;
      case Register.high:
        return task.high;
      case Register.device:
        return state.device;
      default:
        return state.status;
    }
  }

  /** A write to a command block register. The channel passes none on while the selected drive is busy (7.2). */
  write(register: number, value: number): void {
    const { state } = this;
    const key = registerKeys[register];
    if (key !== undefined) {
      state.previous[key] = state.task[key];
      state.task[key] = value;
    } else if (register === Register.device) state.device = value;
  }

  /** A write to the command register. Only DEVICE RESET is heard while the last command is not done. */
  execute(command: number): void {
    const { state } = this;
    if (state.stage !== 'idle' && command !== Command.DEVICE_RESET) {
      this.context.log.guest(`ATA command ${hex(command)} while ${hex(state.command)} is not done`);
      return;
    }
    this.gate.drop(this.backend);
    state.interrupt = false;
    state.command = command;
    state.error = 0;
    state.stage = 'idle';
    Object.assign(state.transfer, noTransfer);
    state.status = this.ready;
    this.runCommand(command);
    this.host.changed();
  }

  acknowledge(): void {
    this.state.interrupt = false;
  }

  protected interrupt(): void {
    this.state.interrupt = true;
    this.host.changed();
  }

  /** Ends a command. */
  protected complete(error = 0, extraStatus = 0): void {
    const { state } = this;
    state.stage = 'idle';
    Object.assign(state.transfer, noTransfer);
    state.error = error;
    state.status = this.ready | extraStatus | (error === 0 ? 0 : Status.ERR);
    this.interrupt();
  }

  protected abort(): void {
    this.complete(AtaError.ABRT);
  }

  // Data through the buffer (PIO)

  /** Data for the host lie in the buffer. */
  protected sendBuffer(length: number, block: number): void {
    Object.assign(this.state.transfer, { ...noTransfer, direction: 'in', filled: length, block });
    this.beginBlock(true);
  }

  /** The host is to send `length` bytes of parameters. */
  protected receiveBuffer(length: number, block: number, interrupts = false): void {
    this.state.buffer.fill(0, 0, length);
    Object.assign(this.state.transfer, { ...noTransfer, direction: 'out', filled: length, block });
    this.beginBlock(interrupts);
  }

  /** Sectors of the medium for the host. */
  protected sendMedia(offset: number, length: number, block: number): void {
    Object.assign(this.state.transfer, { ...noTransfer, direction: 'in', media: true, offset, remaining: length, block });
    this.fill();
  }

  /** Sectors from the host for the medium. */
  protected receiveMedia(offset: number, length: number, block: number): void {
    Object.assign(this.state.transfer, { ...noTransfer, direction: 'out', media: true, offset, remaining: length, block });
    this.openWindow(false);
  }

  /** How much of the medium goes into the buffer at once: whole DRQ blocks if they are whole sectors, too. */
  private windowBytes(): number {
    const { remaining, block } = this.state.transfer;
    const blocks = BUFFER_BYTES - (BUFFER_BYTES % block);
    return Math.min(remaining, blocks % SECTOR_BYTES === 0 ? blocks : BUFFER_BYTES);
  }

  /** Reads the next part of a media transfer into the buffer. */
  private fill(): void {
    const { state } = this;
    const { transfer } = state;
    const length = this.windowBytes();
    state.stage = 'fill';
    state.status = Status.BSY | (state.status & Status.DSC);
    this.submit({ op: 'read', offset: transfer.offset, length, segments: [this.shared.subarray(0, length)] }, () => {
      state.buffer.set(this.shared.subarray(0, length));
      this.moved(length);
      Object.assign(transfer, { filled: length, position: 0, blockEnd: 0 });
      this.beginBlock(true);
    });
  }

  /** Asks the host for the next part of a media transfer. */
  private openWindow(interrupts: boolean): void {
    Object.assign(this.state.transfer, { filled: this.windowBytes(), position: 0, blockEnd: 0 });
    this.beginBlock(interrupts);
  }

  private beginBlock(interrupts: boolean): void {
    const { state } = this;
    const { transfer } = state;
    const length = Math.min(transfer.block, transfer.filled - transfer.position);
    transfer.blockEnd = transfer.position + length;
    state.stage = 'host';
    state.status = this.ready | Status.DRQ;
    this.blockBegins(length);
    if (interrupts) this.interrupt();
    else this.host.changed();
  }

  /** A read of the data register. Nothing there: zeros. A block of odd length ends with a pad byte. */
  readData(size: number): number {
    const { stage, transfer, buffer } = this.state;
    if (stage !== 'host' || transfer.direction !== 'in') return 0;
    let value = 0;
    for (let byte = 0; byte < size && transfer.position < transfer.blockEnd; byte++) value |= buffer[transfer.position++]! << (8 * byte);
    if (transfer.position === transfer.blockEnd) this.blockDone();
    return value >>> 0;
  }

  writeData(size: number, value: number): void {
    const { stage, transfer, buffer } = this.state;
    if (stage !== 'host' || transfer.direction !== 'out') return;
    for (let byte = 0; byte < size && transfer.position < transfer.blockEnd; byte++) buffer[transfer.position++] = value >>> (8 * byte);
    if (transfer.position === transfer.blockEnd) this.blockDone();
  }

  /** The present DRQ block as a whole, for hosts that move it by themselves (AHCI). */
  takeBlock(): Uint8Array | undefined {
    const { stage, transfer, buffer } = this.state;
    return stage === 'host' ? buffer.subarray(transfer.position, transfer.blockEnd) : undefined;
  }

  /** The host moved the rest of the block. */
  blockMoved(): void {
    this.state.transfer.position = this.state.transfer.blockEnd;
    this.blockDone();
  }

  private blockDone(): void {
    const { transfer } = this.state;
    if (transfer.position < transfer.filled) return this.beginBlock(true);
    if (transfer.direction === 'in') {
      if (transfer.media && transfer.remaining > 0) this.fill();
      else this.transferDone(false);
    } else if (transfer.media) this.commit();
    else this.dataReceived();
    this.host.changed();
  }

  /** Writes the buffer to its place on the medium. */
  private commit(): void {
    const { state } = this;
    const { transfer } = state;
    const length = transfer.filled;
    state.stage = 'commit';
    state.status = Status.BSY | (state.status & Status.DSC);
    this.shared.set(state.buffer.subarray(0, length));
    this.submit({ op: 'write', offset: transfer.offset, length, segments: [this.shared.subarray(0, length)], ...this.durability() }, () => {
      this.moved(length);
      if (transfer.remaining > 0) this.openWindow(true);
      else this.transferDone(true);
    });
  }

  /** Whether writes must be durable when they complete: the write cache is off, or the command says so. */
  protected durability(): { fua?: true } {
    return {};
  }

  private moved(length: number): void {
    const { transfer } = this.state;
    transfer.offset += length;
    transfer.remaining -= length;
    this.advanced(transfer.offset, length);
  }

  // Data by DMA

  protected mediaByDma(direction: Direction, offset: number, length: number): void {
    Object.assign(this.state.transfer, { ...noTransfer, direction, dma: true, media: true, offset, remaining: length });
    this.requestDma();
  }

  /** Moves `length` bytes between the buffer and memory. */
  protected bufferByDma(direction: Direction, length: number): void {
    if (direction === 'out') this.state.buffer.fill(0, 0, length);
    Object.assign(this.state.transfer, { ...noTransfer, direction, dma: true, filled: length });
    this.requestDma();
  }

  protected requestDma(): void {
    const { state } = this;
    state.stage = 'dma-wait';
    state.status = Status.BSY | (state.status & Status.DSC);
    this.host.changed();
    this.host.dmaRequest();
  }

  /** Bytes the drive would move now, 0 if it does not want to. */
  get dmaWanted(): { readonly direction: Direction; readonly bytes: number } | undefined {
    const { stage, transfer } = this.state;
    if (stage !== 'dma-wait') return undefined;
    const bytes = transfer.media ? Math.min(transfer.remaining, DMA_CHUNK) : transfer.filled - transfer.position;
    return { direction: transfer.direction, bytes };
  }

  /**
   * Moves data to or from `memory`, which is at most `dmaWanted` long and, if shorter, a whole number of sectors. `moved` is called when it is
   * done, before the drive goes on.
   */
  dmaMove(memory: ScatterList, moved: () => void): void {
    const { state } = this;
    const { transfer } = state;
    if (!transfer.media) {
      const part = state.buffer.subarray(transfer.position, transfer.position + memory.length);
      if (transfer.direction === 'in') memory.fill(part);
      else memory.drainTo(part);
      memory.finish();
      transfer.position += part.length;
      transfer.blockEnd = transfer.position;
      moved();
      if (transfer.position < transfer.filled) this.requestDma();
      else if (transfer.direction === 'in') this.transferDone(true);
      else this.dataReceived();
      return;
    }
    state.stage = 'dma';
    const op = transfer.direction === 'in' ? 'read' : 'write';
    const { length, segments } = memory;
    this.submit({ op, offset: transfer.offset, length, segments, ...(op === 'write' ? this.durability() : {}) }, () => {
      memory.finish();
      this.moved(length);
      moved();
      if (transfer.remaining > 0) this.requestDma();
      else this.transferDone(true);
    });
  }

  /** Waits for what moves between medium and memory at present. */
  settle(): void {
    if (this.state.stage === 'dma') this.backend?.settle();
  }

  /** The bus master ran out of memory: the command ends without data and without an interrupt. */
  dmaAborted(): void {
    const { state } = this;
    if (state.stage !== 'dma-wait' && state.stage !== 'dma') return;
    this.gate.drop(this.backend);
    state.stage = 'idle';
    Object.assign(state.transfer, noTransfer);
    state.status = this.ready;
    this.host.changed();
  }

  /** The host gave the command up: nothing of it arrives any more, and the drive is ready. */
  cancel(): void {
    const { state } = this;
    this.gate.drop(this.backend);
    state.stage = 'idle';
    Object.assign(state.transfer, noTransfer);
    state.status = this.ready;
    state.interrupt = false;
  }

  // The medium

  protected submit(request: DiskRequest, done: () => void): void {
    const { backend } = this;
    if (backend === undefined) return this.mediumFailed('failed');
    this.gate.submit(backend, request, (status) => {
      if (status === 'ok') done();
      else this.mediumFailed(status);
    });
  }

  // Reset

  /** What SRST, a hardware reset and DEVICE RESET have in common: nothing is in flight, the signature is in the registers. */
  protected toSignature(status: number): void {
    const { state, signature } = this;
    this.gate.drop(this.backend);
    state.stage = 'idle';
    Object.assign(state.transfer, noTransfer);
    const [count, low, mid, high] = signature;
    Object.assign(state.task, { features: 0, count, low, mid, high });
    Object.assign(state.previous, { features: 0, count: 0, low: 0, mid: 0, high: 0 });
    state.device = 0;
    state.command = 0;
    state.error = DIAGNOSTIC_PASSED;
    state.status = status;
    state.interrupt = false;
  }

  abstract softReset(): void;
  abstract hardReset(): void;

  /** SRST is set: busy until it is cleared. */
  holdReset(): void {
    this.toSignature(Status.BSY);
  }

  loaded(): void {
    const { stage, transfer } = this.state;
    this.gate.drop(this.backend);
    if (stage === 'fill') this.fill();
    else if (stage === 'commit') this.commit();
    else if (stage === 'work') this.resumeWork();
    else if (stage === 'dma') {
      transfer.blockEnd = transfer.position;
      this.state.stage = 'dma-wait';
    }
  }
}

const registerKeys: Readonly<Partial<Record<number, 'features' | 'count' | 'low' | 'mid' | 'high'>>> = {
  [Register.features]: 'features',
  [Register.count]: 'count',
  [Register.low]: 'low',
  [Register.mid]: 'mid',
  [Register.high]: 'high',
};

export function hex(value: number): string {
  return `${value.toString(16).toUpperCase().padStart(2, '0')}h`;
}

/** A drive of either kind, for those who need not know which. */
export type AnyDrive = Omit<AtaDrive, never>;
