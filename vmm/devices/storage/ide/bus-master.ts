import { z } from 'zod';
import type { AccessSize } from '../../../bus/bus.ts';
import type { Dma } from '../../../bus/dma.ts';
import { bool, integer, u32 } from '../../../bus/schema.ts';
import type { AnyDrive } from '../ata/drive.ts';
import { ScatterList, type Direction } from '../scatter.ts';

/* One channel of the Bus Master IDE function (82371SB 2.7; "Programming Interface for Bus Master IDE Controller" 1.0). */

export const BusMasterRegister = { command: 0, status: 2, table: 4 } as const;
export const BM_START = 0x01;
/** Set: the controller writes memory, that is, a disk read. */
export const BM_TO_MEMORY = 0x08;
export const BM_ACTIVE = 0x01;
export const BM_ERROR = 0x02;
export const BM_INTERRUPT = 0x04;
/** Software's note that the drives are set up for DMA. */
export const BM_CAPABLE = 0x60;

const PRD_BYTES = 8;
const PRD_LAST = 0x8000_0000;
/** The table does not cross a 64 KiB boundary, so there are no more descriptors than this. */
const MOST_DESCRIPTORS = 0x1_0000 / PRD_BYTES;
/** Pieces of memory per request to the medium. */
const MOST_PIECES = 256;
const SECTOR = 512;

/** Where the controller is in the physical region descriptor table. */
const cursorSchema = z.strictObject({
  next: u32,
  fetched: integer(0, MOST_DESCRIPTORS),
  address: u32,
  /** Bytes of the present region. */
  left: integer(0, 0x1_0000),
  last: bool,
});
type Cursor = z.infer<typeof cursorSchema>;

export const busMasterSchema = z.strictObject({ command: integer(0, 0x09), status: integer(0, 0x67), table: u32, cursor: cursorSchema });
export type BusMasterState = z.infer<typeof busMasterSchema>;

export function newBusMasterState(): BusMasterState {
  return { command: 0, status: 0, table: 0, cursor: { next: 0, fetched: 0, address: 0, left: 0, last: false } };
}

export interface BusMasterOptions {
  readonly dma: Dma;
  /** Whether PCI lets the function be a bus master. */
  readonly mayMaster: () => boolean;
  /** The selected drive. */
  readonly drive: () => AnyDrive | undefined;
}

export class BusMaster {
  readonly state: BusMasterState;
  readonly #options: BusMasterOptions;
  /** Guards against a table that is changed while it is walked by what it transfers. */
  #pumping = false;

  constructor(state: BusMasterState, options: BusMasterOptions) {
    this.state = state;
    this.#options = options;
  }

  read(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size; byte++) value |= this.readByte(offset + byte) << (8 * byte);
    return value >>> 0;
  }

  private readByte(offset: number): number {
    const { command, status, table } = this.state;
    if (offset === BusMasterRegister.command) return command;
    if (offset === BusMasterRegister.status) return status;
    return offset >= BusMasterRegister.table ? (table >>> (8 * (offset - BusMasterRegister.table))) & 0xff : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let byte = 0; byte < size; byte++) this.writeByte(offset + byte, (value >>> (8 * byte)) & 0xff);
  }

  private writeByte(offset: number, value: number): void {
    const { state } = this;
    if (offset === BusMasterRegister.status) {
      const cleared = state.status & ~(value & (BM_ERROR | BM_INTERRUPT));
      state.status = (cleared & ~BM_CAPABLE) | (value & BM_CAPABLE);
    } else if (offset >= BusMasterRegister.table) {
      const shift = 8 * (offset - BusMasterRegister.table);
      state.table = ((state.table & ~(0xff << shift)) | ((value << shift) & ~3)) >>> 0;
    } else if (offset === BusMasterRegister.command) this.control(value);
  }

  private control(value: number): void {
    const { state } = this;
    const started = (value & BM_START) !== 0;
    const wasStarted = (state.command & BM_START) !== 0;
    if (wasStarted && !started) this.#options.drive()?.settle(); // what is under way lands before the register says stopped
    state.command = value & (BM_START | BM_TO_MEMORY);
    if (!started) state.status &= ~BM_ACTIVE;
    else if (!wasStarted) {
      state.cursor = { next: state.table, fetched: 0, address: 0, left: 0, last: false };
      state.status |= BM_ACTIVE;
      this.pump();
    }
  }

  /** The drive's INTRQ rose. */
  interrupted(): void {
    this.state.status |= BM_INTERRUPT;
  }

  /** Gives the drive memory while it wants some and the controller is active. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.step());
    } finally {
      this.#pumping = false;
    }
  }

  /** One request. True: go on at once. */
  private step(): boolean {
    const { state } = this;
    const drive = this.#options.drive();
    const wanted = drive?.dmaWanted;
    if (drive === undefined || wanted === undefined) return false;
    if ((state.status & BM_ACTIVE) === 0) {
      if ((state.command & BM_START) !== 0 && exhausted(state.cursor)) drive.dmaAborted(); // it wants more, and there is none
      return false;
    }
    const cursor = { ...state.cursor };
    const memory = this.#options.mayMaster() ? this.gather(cursor, wanted.direction, wanted.bytes) : this.unreachable(wanted);
    const short = memory.length < wanted.bytes && (memory.length === 0 || memory.length % SECTOR !== 0);
    if (short) {
      // Less memory than data: the controller stops, and the drive's command ends without an interrupt.
      state.status &= ~BM_ACTIVE;
      state.cursor = cursor;
      drive.dmaAborted();
      return false;
    }
    drive.dmaMove(memory, () => {
      state.cursor = cursor;
      if (exhausted(cursor)) state.status &= ~BM_ACTIVE;
    });
    return drive.dmaWanted !== undefined;
  }

  private unreachable(wanted: { direction: Direction; bytes: number }): ScatterList {
    const memory = new ScatterList(this.#options.dma, wanted.direction);
    memory.addNothing(wanted.bytes);
    return memory;
  }

  /** Up to `bytes` of memory from the descriptors on; in whole sectors if the pieces are many. */
  private gather(cursor: Cursor, direction: Direction, bytes: number): ScatterList {
    const memory = new ScatterList(this.#options.dma, direction);
    const descriptor = new Uint8Array(PRD_BYTES);
    const view = new DataView(descriptor.buffer);
    for (let pieces = 0; memory.length < bytes; pieces++) {
      if (pieces >= MOST_PIECES && memory.length % SECTOR === 0) break;
      if (cursor.left === 0) {
        if (exhausted(cursor)) break;
        this.#options.dma.read(cursor.next, descriptor);
        cursor.fetched++;
        cursor.next = (cursor.next + PRD_BYTES) >>> 0;
        cursor.address = (view.getUint32(0, true) & ~1) >>> 0;
        cursor.left = view.getUint16(4, true) & 0xfffe || 0x1_0000;
        cursor.last = (view.getUint32(4, true) & PRD_LAST) !== 0;
      }
      const part = Math.min(cursor.left, bytes - memory.length);
      memory.add(cursor.address, part);
      cursor.address = (cursor.address + part) >>> 0;
      cursor.left -= part;
    }
    return memory;
  }
}

function exhausted(cursor: Cursor): boolean {
  return cursor.left === 0 && (cursor.last || cursor.fetched >= MOST_DESCRIPTORS);
}
