import { z } from 'zod';
import type { DiskBackend, DiskStatus } from '../../../base/disk-backend.ts';
import type { DeviceContext } from '../../../bus/device.ts';
import { bool, bytes, integer } from '../../../bus/schema.ts';
import { CdUnit, cdUnitSchema, type CdIdentity, type CdUnitEvents } from '../mmc/cd-unit.ts';
import { CD_BLOCK, Sense } from '../mmc/codes.ts';
import { dressFrame, rawBytes } from '../mmc/raw-sector.ts';
import type { CdReply } from '../mmc/reply.ts';
import { isTransferMode } from './disk-commands.ts';
import { AtaDrive } from './drive.ts';
import { BUFFER_BYTES, driveShape, newDriveState } from './drive-state.ts';
import { dmaModeWords, putChecksum, putString, putWords } from './identify.ts';
import { AtaError, Command, Feature, PACKET_SIGNATURE, Reason, Status } from './registers.ts';

const PACKET_BYTES = 12;
/** Bits of the features register of PACKET (8.23). */
const DMA = 0x01;
const OVERLAP = 0x02;

const rawSchema = z.strictObject({
  sync: bool,
  header: bool,
  user: bool,
  ecc: bool,
  /** The next block to read, and how many are left. */
  next: integer(0, 2 ** 32),
  left: integer(0, 2 ** 24),
});

export const packetDriveSchema = z.strictObject({
  ...driveShape,
  /** What the host is to move now: the command block, or the command's data. */
  phase: z.enum(['none', 'packet', 'data']),
  packet: bytes(PACKET_BYTES),
  /** From the PACKET command's registers: by DMA, or in DRQ blocks of at most this many bytes. */
  byDma: bool,
  byteLimit: integer(2, 65534),
  /** A READ CD of whole frames. */
  raw: rawSchema,
  unit: cdUnitSchema,
});
export type PacketDriveState = z.infer<typeof packetDriveSchema>;

export interface PacketDriveOptions extends CdIdentity, CdUnitEvents {
  readonly medium?: DiskBackend | undefined;
  readonly serialAta?: boolean;
}

const MULTIWORD_DMA_2 = 0x22;

function newPacketState(): Omit<PacketDriveState, 'unit'> {
  return {
    ...newDriveState(MULTIWORD_DMA_2),
    phase: 'none',
    packet: new Uint8Array(PACKET_BYTES),
    byDma: false,
    byteLimit: 2048,
    raw: { sync: false, header: false, user: false, ecc: false, next: 0, left: 0 },
  };
}

/** An ATAPI CD/DVD-ROM drive: the PACKET protocols of ATA/ATAPI-6 9.11 and 9.12 around a CdUnit. */
export class PacketDrive extends AtaDrive<PacketDriveState> {
  readonly signature = PACKET_SIGNATURE;
  readonly unit: CdUnit;
  readonly options: PacketDriveOptions;

  constructor(context: DeviceContext, options: PacketDriveOptions) {
    const unit = new CdUnit(options, options, options.medium);
    super(context, { ...newPacketState(), unit: unit.state });
    this.unit = unit;
    this.options = options;
    this.hardReset();
  }

  protected get backend(): DiskBackend | undefined {
    return this.unit.medium;
  }

  protected get ready(): number {
    return Status.DRDY | Status.DSC;
  }

  /** Somebody changes the medium: see CdUnit.insert. What was being read from the old one ends in an error. */
  insert(medium: DiskBackend | undefined): void {
    const interrupted = this.state.stage !== 'idle' && (this.state.transfer.media || this.state.stage === 'work');
    this.gate.drop(this.unit.medium);
    this.unit.insert(medium);
    if (interrupted) this.fail(Sense.MEDIUM_NOT_PRESENT);
  }

  protected runCommand(command: number): void {
    this.state.phase = 'none';
    this.state.raw.left = 0;
    switch (command) {
      case Command.PACKET:
        return this.packetCommand();
      case Command.IDENTIFY_PACKET_DEVICE:
        this.state.buffer.set(this.identify());
        return this.sendBuffer(512, 512);
      case Command.DEVICE_RESET:
        return this.toSignature(0); // no interrupt (9.10)
      case Command.EXECUTE_DEVICE_DIAGNOSTIC:
        return this.toSignature(0);
      case Command.IDENTIFY_DEVICE:
      case Command.READ_SECTORS: {
        // 8.16.5.2, 8.34.6: a packet device aborts these and shows its signature.
        const [count, low, mid, high] = this.signature;
        Object.assign(this.state.task, { count, low, mid, high });
        return this.abort();
      }
      case Command.SET_FEATURES:
        return this.setFeatures();
      case Command.CHECK_POWER_MODE:
      case Command.CHECK_POWER_MODE_ALT:
        this.state.task.count = 0xff;
        return this.complete();
      case Command.IDLE_IMMEDIATE:
      case Command.IDLE_IMMEDIATE_ALT:
      case Command.STANDBY_IMMEDIATE:
      case Command.STANDBY_IMMEDIATE_ALT:
      case Command.SLEEP:
      case Command.SLEEP_ALT:
      case Command.FLUSH_CACHE:
        return this.complete();
      default:
        return this.abort();
    }
  }

  private setFeatures(): void {
    const { features, count } = this.state.task;
    if (features === Feature.TRANSFER_MODE && isTransferMode(count)) {
      if (count >= 0x20) this.state.dmaMode = count;
      return this.complete();
    }
    if (features === Feature.KEEP_SETTINGS || features === Feature.REVERT_SETTINGS) return this.complete();
    return this.abort();
  }

  private packetCommand(): void {
    const { state } = this;
    if ((state.task.features & OVERLAP) !== 0) return this.abort();
    state.byDma = (state.task.features & DMA) !== 0;
    // 0 means nothing useful, FFFFh as much as FFFEh: blocks are of even length (8.23.4).
    state.byteLimit = Math.max(2, (state.task.mid | (state.task.high << 8)) & ~1 || 0xfffe);
    state.phase = 'packet';
    this.receiveBuffer(PACKET_BYTES, PACKET_BYTES);
  }

  protected blockBegins(length: number): void {
    const { state } = this;
    if (state.phase === 'none') return;
    state.task.count = state.phase === 'packet' ? Reason.CD : state.transfer.direction === 'in' ? Reason.IO : 0;
    if (state.phase === 'packet') return;
    state.task.mid = length & 0xff;
    state.task.high = length >> 8;
  }

  protected advanced(): void {
    // a packet command keeps its address to itself
  }

  protected dataReceived(): void {
    const { state, unit } = this;
    const received = state.buffer.slice(0, state.transfer.filled);
    if (state.phase === 'packet') {
      state.packet.set(received);
      state.phase = 'data';
      state.buffer.fill(0, 0, 4096);
      this.reply(unit.execute(state.packet, state.buffer));
    } else this.reply(unit.parameters(state.packet, received));
  }

  private reply(reply: CdReply): void {
    const { state } = this;
    const block = Math.min(state.byteLimit, BUFFER_BYTES);
    switch (reply.kind) {
      case 'done':
        return this.finish();
      case 'check':
        return this.checkCondition();
      case 'data':
        if (state.byDma) this.bufferByDma('in', reply.length);
        else this.sendBuffer(reply.length, block);
        return;
      case 'receive':
        if (reply.length > BUFFER_BYTES) return this.fail(Sense.PARAMETER_LIST_LENGTH);
        if (state.byDma) this.bufferByDma('out', reply.length);
        else this.receiveBuffer(reply.length, block, true);
        return;
      case 'read':
        if (reply.raw !== undefined) {
          const { sync, header, user, ecc } = reply.raw;
          Object.assign(state.raw, { sync, header, user, ecc, next: reply.start, left: reply.blocks });
          return this.readFrames();
        }
        if (state.byDma) this.mediaByDma('in', reply.start * CD_BLOCK, reply.blocks * CD_BLOCK);
        else this.sendMedia(reply.start * CD_BLOCK, reply.blocks * CD_BLOCK, block);
    }
  }

  /** Reads as many blocks as fit the buffer as frames, and sends them. */
  private readFrames(): void {
    const { state, shared } = this;
    const { raw } = state;
    const size = rawBytes(raw);
    const count = Math.max(1, Math.min(raw.left, Math.floor(BUFFER_BYTES / Math.max(size, CD_BLOCK))));
    state.stage = 'work';
    state.status = Status.BSY;
    this.submit({ op: 'read', offset: raw.next * CD_BLOCK, length: count * CD_BLOCK, segments: [shared.subarray(0, count * CD_BLOCK)] }, () => {
      for (let i = 0; i < count; i++) {
        dressFrame(raw.next + i, shared.slice(i * CD_BLOCK, (i + 1) * CD_BLOCK), raw, state.buffer.subarray(i * size));
      }
      raw.next += count;
      raw.left -= Math.min(count, raw.left);
      if (state.byDma) this.bufferByDma('in', count * size);
      else this.sendBuffer(count * size, Math.min(state.byteLimit, BUFFER_BYTES));
    });
  }

  protected transferDone(): void {
    if (this.state.raw.left > 0) this.readFrames();
    else this.finish();
  }

  protected resumeWork(): void {
    this.readFrames();
  }

  /** The status phase (9.11, HP4): command/data and I/O both set. */
  private finish(error = 0): void {
    this.state.phase = 'none';
    this.state.task.count = Reason.CD | Reason.IO;
    this.complete(error);
  }

  /** Ends the command with the sense the unit has. */
  private checkCondition(): void {
    this.state.raw.left = 0;
    this.finish(((this.unit.state.sense >> 16) << 4) | AtaError.ABRT);
  }

  private fail(sense: number, information = 0): void {
    this.unit.check(sense, information);
    this.checkCondition();
  }

  protected mediumFailed(status: DiskStatus): void {
    this.gate.drop(this.unit.medium);
    const { transfer, raw, stage } = this.state;
    const block = stage === 'work' ? raw.next : Math.floor(transfer.offset / CD_BLOCK);
    this.fail(status === 'refused' ? Sense.LBA_OUT_OF_RANGE : Sense.UNRECOVERED_READ_ERROR, block);
  }

  softReset(): void {
    this.state.phase = 'none';
    this.state.raw.left = 0;
    this.toSignature(0);
  }

  hardReset(): void {
    this.gate.drop(this.unit.medium);
    const { buffer, packet, transfer, task, previous, raw } = this.state;
    buffer.fill(0);
    packet.fill(0);
    const fresh = newPacketState();
    Object.assign(raw, fresh.raw);
    Object.assign(this.state, fresh, { buffer, packet, transfer, task, previous, raw });
    this.unit.reset();
    this.softReset();
  }

  /** IDENTIFY PACKET DEVICE (8.17, table 30). */
  private identify(): Uint8Array {
    const { state, unit, options } = this;
    const data = new Uint8Array(512);
    const dma = dmaModeWords(state.dmaMode);
    putWords(data, {
      0: 0x85c0, // packet device, CD-ROM, removable, DRQ within 50 us, 12-byte packets
      48: 1,
      49: 0x0f00, // IORDY, LBA, DMA
      50: 0x4000,
      51: 0x0200,
      53: 0x0006, // words 64-70 and 88 are valid
      63: dma[63],
      64: 0x0003,
      65: 120,
      66: 120,
      67: 120,
      68: 120,
      71: 30,
      72: 30,
      76: options.serialAta ? 0x0006 : 0,
      80: 0x00f0,
      81: 0x0016,
      82: 0x4210, // NOP, DEVICE RESET, PACKET
      83: 0x4000,
      84: 0x4000,
      85: 0x4210,
      87: 0x4000,
      88: dma[88],
      93: options.serialAta ? 0 : 0x600b,
    });
    putString(data, 10, 10, unit.identity.serial ?? 'ST00000003');
    putString(data, 23, 4, unit.identity.firmware ?? '1.0');
    putString(data, 27, 20, `${unit.identity.vendor ?? 'STRATE'} ${unit.identity.model ?? 'CD-ROM'}`);
    putChecksum(data);
    return data;
  }
}
