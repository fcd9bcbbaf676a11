import { z } from 'zod';
import { SECTOR_BYTES, type DiskBackend, type DiskStatus } from '../../../base/disk-backend.ts';
import type { DeviceContext } from '../../../bus/device.ts';
import { bool, integer, u8 } from '../../../bus/schema.ts';
import { addressOf, setAddress, type DiskGeometry } from './address.ts';
import { commandFor, type DiskCommand } from './disk-commands.ts';
import { AtaDrive } from './drive.ts';
import type { QueuedError } from './logs.ts';
import { driveShape, newDriveState } from './drive-state.ts';
import { AtaError, DISK_SIGNATURE, Status } from './registers.ts';

export const diskShape = {
  ...driveShape,
  /** Sectors per DRQ block of READ and WRITE MULTIPLE; 0: those commands are aborted. */
  multiple: integer(0, 16),
  /** The translation INITIALIZE DEVICE PARAMETERS set. */
  heads: integer(1, 16),
  sectorsPerTrack: integer(1, 255),
  writeCache: bool,
  readLookAhead: bool,
  /** Advanced power management level, 0: off. */
  powerManagement: u8,
  power: z.enum(['active', 'idle', 'standby', 'sleep']),
  smart: bool,
} as const;
export const diskSchema = z.strictObject(diskShape).refine((state) => (state.multiple & (state.multiple - 1)) === 0, { error: 'not a power of two' });
export type DiskState = z.infer<typeof diskSchema>;

export interface DiskOptions {
  readonly backend: DiskBackend;
  /** Up to 40, 20 and 8 ASCII characters, as IDENTIFY DEVICE gives them. */
  readonly model?: string;
  readonly serial?: string;
  readonly firmware?: string;
  /** The geometry the drive reports; default: 16 heads, 63 sectors, as many cylinders as fit. */
  readonly geometry?: DiskGeometry;
  /** `solid-state` offers DATA SET MANAGEMENT (TRIM). Default. */
  readonly kind?: 'solid-state' | 'rotating';
  /** SATA: native queueing and what else IDENTIFY says of it. */
  readonly serialAta?: boolean;
}

/** Multiword DMA 2: what the PIIX3 can do, and what the drive is set to after power-on. */
export const DEFAULT_DMA_MODE = 0x22;
const DEFAULT_MULTIPLE = 16;

function newDiskState(geometry: DiskGeometry): DiskState {
  return {
    ...newDriveState(DEFAULT_DMA_MODE),
    multiple: DEFAULT_MULTIPLE,
    heads: geometry.heads,
    sectorsPerTrack: geometry.sectors,
    writeCache: true,
    readLookAhead: true,
    powerManagement: 0,
    power: 'active',
    smart: true,
  };
}

/** The geometry drives report that are larger than CHS can say (ATA-6 annex C): all software takes it for what it is. */
export function defaultGeometry(sectors: number): DiskGeometry {
  return { cylinders: Math.min(16383, Math.max(1, Math.floor(sectors / (16 * 63)))), heads: 16, sectors: 63 };
}

/** An ATA hard disk or solid-state drive. */
export class AtaDisk extends AtaDrive<DiskState> {
  readonly signature = DISK_SIGNATURE;
  readonly options: DiskOptions;
  readonly geometry: DiskGeometry;
  /** Sectors. */
  readonly capacity: number;
  /** The queued command that failed last: a port that queues keeps it. */
  queuedError: () => QueuedError | null = () => null;

  constructor(context: DeviceContext, options: DiskOptions) {
    const capacity = Math.floor(options.backend.size / SECTOR_BYTES);
    const geometry = options.geometry ?? defaultGeometry(capacity);
    super(context, newDiskState(geometry));
    this.options = options;
    this.capacity = capacity;
    this.geometry = geometry;
    this.hardReset();
  }

  protected get backend(): DiskBackend {
    return this.options.backend;
  }

  protected get ready(): number {
    return Status.DRDY | Status.DSC;
  }

  private get command(): DiskCommand | undefined {
    return commandFor(this.state.command);
  }

  protected runCommand(code: number): void {
    const command = commandFor(code);
    if (command === undefined) {
      this.context.log.guest(`unknown ATA command ${code.toString(16)}`);
      return this.abort();
    }
    if (this.state.power === 'sleep') return this.abort(); // only a reset wakes a sleeping drive (6.10.4)
    if (command.wakes !== false) this.state.power = 'active';
    command.run(this);
  }

  /** A queued command came: it takes the drive out of standby. */
  wake(): void {
    this.state.power = 'active';
    Object.assign(this.state, { status: this.ready, error: 0 });
  }

  // What commands are made of (disk-commands.ts)

  ok(): void {
    this.complete();
  }

  fail(error: number): void {
    this.complete(error);
  }

  send(data: Uint8Array): void {
    this.state.buffer.set(data);
    this.sendBuffer(data.length, SECTOR_BYTES);
  }

  receive(sectors: number): void {
    this.receiveBuffer(sectors * SECTOR_BYTES, SECTOR_BYTES);
  }

  /** A read or write of the medium in DRQ blocks of `sectorsPerBlock`, or by DMA if that is 0. */
  move(direction: 'in' | 'out', extended: boolean, sectorsPerBlock: number): void {
    const range = this.range(extended);
    if (range === undefined) return this.fail(AtaError.IDNF);
    const [offset, length, block] = [range.start * SECTOR_BYTES, range.count * SECTOR_BYTES, sectorsPerBlock * SECTOR_BYTES];
    if (sectorsPerBlock === 0) this.mediaByDma(direction, offset, length);
    else if (direction === 'in') this.sendMedia(offset, length, block);
    else this.receiveMedia(offset, length, block);
  }

  /** Parameter data that the host has in memory (DATA SET MANAGEMENT). */
  receiveByDma(length: number): void {
    this.bufferByDma('out', length);
  }

  sendByDma(data: Uint8Array): void {
    this.state.buffer.set(data);
    this.bufferByDma('in', data.length);
  }

  /** The sectors the task file names, undefined if the drive does not have them all. */
  range(extended: boolean): { readonly start: number; readonly count: number } | undefined {
    const range = addressOf(this.state, extended);
    return range === undefined || range.start + range.count > this.capacity ? undefined : range;
  }

  flush(): void {
    this.state.stage = 'work';
    this.state.status = Status.BSY;
    this.submit({ op: 'flush', offset: 0, length: 0, segments: [] }, () => {
      this.ok();
    });
  }

  /** TRIM of all `ranges` (bytes) at once. */
  discard(ranges: readonly { readonly offset: number; readonly length: number }[]): void {
    let left = ranges.length;
    if (left === 0) return this.ok();
    this.state.stage = 'work';
    this.state.status = Status.BSY;
    for (const range of ranges) {
      this.submit({ op: 'discard', ...range, segments: [] }, () => {
        if (--left === 0) this.ok();
      });
    }
  }

  showSignature(): void {
    this.toSignature(this.ready);
  }

  // What the engine asks

  protected dataReceived(): void {
    const received = this.command?.received;
    if (received === undefined) this.ok();
    else received(this, this.state.buffer.subarray(0, this.state.transfer.filled));
  }

  protected transferDone(interrupts: boolean): void {
    if (interrupts) return this.complete();
    this.state.stage = 'idle';
    this.state.status = this.ready;
  }

  protected resumeWork(): void {
    const { command } = this;
    if (command?.received !== undefined) this.dataReceived();
    else if (command !== undefined) command.run(this);
    else this.abort();
  }

  protected advanced(end: number, bytes: number): void {
    if (bytes > 0) setAddress(this.state, end / SECTOR_BYTES - 1, this.command?.extended === true, this.state.transfer.remaining / SECTOR_BYTES);
  }

  protected blockBegins(): void {
    // DRQ blocks of disks are as long as the command says
  }

  protected override durability(): { fua?: true } {
    return !this.state.writeCache || this.command?.fua === true ? { fua: true } : {};
  }

  protected mediumFailed(status: DiskStatus): void {
    const { transfer } = this.state;
    this.gate.drop(this.backend);
    const write = transfer.direction === 'out' || !transfer.media;
    if (transfer.media) setAddress(this.state, transfer.offset / SECTOR_BYTES, this.command?.extended === true, transfer.remaining / SECTOR_BYTES);
    if (status === 'refused') this.complete(AtaError.ABRT);
    else if (write) this.complete(AtaError.ABRT, Status.DF);
    else this.complete(AtaError.UNC);
  }

  softReset(): void {
    this.toSignature(this.ready);
    if (this.state.power === 'sleep') this.state.power = 'standby';
  }

  hardReset(): void {
    this.gate.drop(this.backend);
    const { buffer, transfer, task, previous } = this.state;
    buffer.fill(0);
    Object.assign(this.state, newDiskState(this.geometry), { buffer, transfer, task, previous });
    this.toSignature(this.ready);
  }
}
