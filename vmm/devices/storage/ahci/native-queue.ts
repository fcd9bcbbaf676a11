import { SECTOR_BYTES, type DiskStatus } from '../../../base/disk-backend.ts';
import type { Dma } from '../../../bus/dma.ts';
import type { AtaDisk } from '../ata/disk.ts';
import { AtaError, Command, Status } from '../ata/registers.ts';
import { RequestGate } from '../request-gate.ts';
import { setDeviceBitsFis, type CommandFis } from './fis.ts';
import type { AhciPort } from './port.ts';
import { gather, type Prdt } from './prdt.ts';
import { PortInterrupt, ReceivedFis } from './registers.ts';

/* Native command queueing (ATA8-ACS 4.15): up to 32 reads and writes at once, each with a tag, done in any order. */

/** Bit 7 of the device register: force unit access. */
const FUA = 0x80;
const TAG_SHIFT = 3;
/** Memory that a command may name although it is no RAM. */
const MOST_BOUNCE = 1 << 20;

export class NativeQueue {
  readonly #dma: Dma;
  readonly #disk: AtaDisk;
  readonly #port: AhciPort;
  readonly #gate = new RequestGate();

  constructor(dma: Dma, disk: AtaDisk, port: AhciPort) {
    this.#dma = dma;
    this.#disk = disk;
    this.#port = port;
    disk.queuedError = () => port.state.queuedError;
  }

  static takes(code: number): boolean {
    return code === Command.READ_FPDMA_QUEUED || code === Command.WRITE_FPDMA_QUEUED;
  }

  begin(slot: number, fis: CommandFis, prdt: Prdt): void {
    const disk = this.#disk;
    const { state } = this.#port;
    const tag = fis.task.count >> TAG_SHIFT;
    const { task, previous } = fis;
    const start = lba(previous) * 0x100_0000 + lba(task);
    const count = task.features | (previous.features << 8) || 0x1_0000;
    if (tag !== slot || ((state.active >>> tag) & 1) === 0) return this.#fail(tag, fis, AtaError.ABRT);
    if (start + count > disk.capacity) return this.#fail(tag, fis, AtaError.IDNF);
    const op = fis.code === Command.READ_FPDMA_QUEUED ? 'read' : 'write';
    const length = count * SECTOR_BYTES;
    const { memory, short, unreachable } = gather(this.#dma, prdt, { entry: 0, offset: 0 }, op === 'read' ? 'in' : 'out', length, MOST_BOUNCE);
    if (short || unreachable) return this.#fail(tag, fis, AtaError.ABRT);
    disk.wake();
    this.#port.updateTaskFile();
    state.queued = (state.queued | (1 << tag)) >>> 0;
    const durable = op === 'write' && ((fis.device & FUA) !== 0 || !disk.state.writeCache);
    const request = { op, offset: start * SECTOR_BYTES, length, segments: memory.segments, ...(durable && { fua: true }) } as const;
    this.#gate.submit(disk.options.backend, request, (status) => {
      if (status !== 'ok') return this.#fail(tag, fis, errorOf(op, status));
      memory.finish();
      this.#complete(tag);
    });
  }

  #complete(tag: number): void {
    const { state } = this.#port;
    const bit = 1 << tag;
    state.queued = (state.queued & ~bit) >>> 0;
    state.active = (state.active & ~bit) >>> 0;
    const { status, error } = this.#disk.state;
    this.#port.post(ReceivedFis.SET_DEVICE_BITS, setDeviceBitsFis(status, error, bit));
    this.#port.raise(PortInterrupt.SDBS);
    this.#port.process();
  }

  /** One command failed, and with it all (4.15.4): software reads the log of queued errors and sends the others again. */
  #fail(tag: number, { task, previous, device }: CommandFis, error: number): void {
    const { state } = this.#port;
    const disk = this.#disk;
    this.drop();
    state.queued = 0;
    const status = Status.DRDY | Status.DSC | Status.ERR;
    state.queuedError = { tag: tag & 31, status, error, device, task: { ...task }, previous: { ...previous } };
    Object.assign(disk.state, { status, error });
    this.#port.updateTaskFile();
    this.#port.post(ReceivedFis.SET_DEVICE_BITS, setDeviceBitsFis(disk.state.status, error, 0));
    this.#port.stopForError(PortInterrupt.SDBS | PortInterrupt.TFES);
  }

  /** After this nothing of the past arrives. */
  drop(): void {
    this.#gate.drop(this.#disk.options.backend);
  }

  /** Waits for what is under way. */
  settle(): void {
    if (this.#gate.inFlight > 0) this.#disk.options.backend.settle();
  }

  /** Begins again what a loaded state says is under way: tables and memory are the port's as long as the tag is active. */
  loaded(): void {
    const { state } = this.#port;
    this.drop();
    const { queued } = state;
    state.queued = 0;
    for (let tag = 0; tag < 32; tag++) {
      if (((queued >>> tag) & 1) === 0 || state.stopped) continue;
      const prdt = this.#port.header(tag);
      const fis = this.#port.commandFis(prdt.table);
      if (fis !== undefined && NativeQueue.takes(fis.code)) this.begin(tag, fis, prdt);
    }
  }
}

function lba({ low, mid, high }: { low: number; mid: number; high: number }): number {
  return low | (mid << 8) | (high << 16);
}

function errorOf(op: 'read' | 'write', status: DiskStatus): number {
  return status === 'failed' && op === 'read' ? AtaError.UNC : AtaError.ABRT;
}
