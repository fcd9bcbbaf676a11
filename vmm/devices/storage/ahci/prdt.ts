import { z } from 'zod';
import type { Dma } from '../../../bus/dma.ts';
import { integer } from '../../../bus/schema.ts';
import { ScatterList, type Direction } from '../scatter.ts';
import { TABLE_PRDT } from './registers.ts';

/* The physical region descriptor table of a command (4.2.3.3). */

const ENTRY_BYTES = 16;
const LENGTH_MASK = 0x3f_ffff;
const INTERRUPT = 0x8000_0000;
/** Entries fetched at once. */
const FETCH = 64;

/** A place in the table: an entry, and how much of it is behind us. */
export const cursorSchema = z.strictObject({ entry: integer(0, 0xffff), offset: integer(0, LENGTH_MASK) });
export type PrdtCursor = z.infer<typeof cursorSchema>;

export interface Gathered {
  readonly memory: ScatterList;
  /** Where the next bytes are. */
  readonly cursor: PrdtCursor;
  /** The table ended first. */
  readonly short: boolean;
  /** Too much of it was no RAM. */
  readonly unreachable: boolean;
  /** An entry that asks for an interrupt was used up. */
  readonly interrupt: boolean;
}

export interface Prdt {
  /** The command table. */
  readonly table: number;
  readonly entries: number;
}

/** `bytes` of memory from `from` on. */
export function gather(dma: Dma, { table, entries }: Prdt, from: PrdtCursor, direction: Direction, bytes: number, mostBounce?: number): Gathered {
  const memory = new ScatterList(dma, direction, mostBounce);
  const buffer = new Uint8Array(FETCH * ENTRY_BYTES);
  const view = new DataView(buffer.buffer);
  let { entry, offset } = from;
  let first = entry;
  let fetched = 0;
  let interrupt = false;
  while (memory.length < bytes && entry < entries) {
    if (entry >= first + fetched) {
      first = entry;
      fetched = Math.min(FETCH, entries - entry);
      dma.read(table + TABLE_PRDT + entry * ENTRY_BYTES, buffer.subarray(0, fetched * ENTRY_BYTES));
    }
    const at = (entry - first) * ENTRY_BYTES;
    const address = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
    const word = view.getUint32(at + 12, true);
    const length = (word & LENGTH_MASK) + 1;
    const part = Math.min(length - Math.min(offset, length), bytes - memory.length);
    if (!memory.add(address + offset, part)) return { memory, cursor: from, short: false, unreachable: true, interrupt };
    offset += part;
    if (offset < length) continue;
    interrupt ||= word >= INTERRUPT;
    entry++;
    offset = 0;
  }
  return { memory, cursor: { entry, offset }, short: memory.length < bytes, unreachable: false, interrupt };
}
