import { z } from 'zod';
import { assert } from '../../base/errors.ts';
import type { AccessSize, Region } from '../../bus/bus.ts';
import { bytes } from '../../bus/schema.ts';
import type { PciConfig } from './config-space.ts';

/* MSI-X (PCI Local Bus Specification 3.0, 6.8.2): a table of messages in memory space, each with a mask bit, and an array of pending bits. */

const CAPABILITY_MSI_X = 0x11;
const CONTROL = 2;
const TABLE = 4;
const PENDING = 8;
const LENGTH = 12;
const CONTROL_MASK_ALL = 0x4000;
const CONTROL_ENABLE = 0x8000;

const ENTRY_BYTES = 16;
const ENTRY_DATA = 8;
const ENTRY_CONTROL = 12;
const ENTRY_MASKED = 1;
/** Table and pending bits each have pages of their own, so that a guest may map them apart. */
const PENDING_OFFSET = 0x800;
/** What the BAR of the table must decode. */
export const MSI_X_BAR_BYTES = 0x1000;
const MOST_VECTORS = PENDING_OFFSET / ENTRY_BYTES;

export interface MsiXState {
  table: Uint8Array;
  pending: Uint8Array;
}

/** Schema of a function's table and pending bits inside its device's saved state. */
export function msiXSchema(vectors: number): z.ZodType<MsiXState> {
  return z.strictObject({ table: bytes(vectors * ENTRY_BYTES), pending: bytes(pendingBytes(vectors)) });
}

function pendingBytes(vectors: number): number {
  return Math.ceil(vectors / 64) * 8;
}

/** The MSI-X capability of a function. `region` fills a BAR of its own; `attach` announces it. Its owner calls `reset` and `loaded`. */
export class PciMsiX {
  readonly state: MsiXState;
  readonly region: Region;
  readonly vectors: number;
  readonly #table: DataView;
  #config: PciConfig | undefined;
  #at = 0;

  constructor(name: string, vectors: number) {
    assert(vectors >= 1 && vectors <= MOST_VECTORS, `MSI-X with ${vectors} vectors`);
    this.vectors = vectors;
    this.state = { table: new Uint8Array(vectors * ENTRY_BYTES), pending: new Uint8Array(pendingBytes(vectors)) };
    this.#table = new DataView(this.state.table.buffer);
    this.region = {
      name: `${name} msi-x`,
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    };
    this.reset();
  }

  /** Call once, before the machine runs. */
  attach(config: PciConfig, bar: number): void {
    this.#config = config;
    this.#at = config.addCapability(CAPABILITY_MSI_X, LENGTH, [
      { offset: CONTROL, size: 2, reset: this.vectors - 1, writable: CONTROL_MASK_ALL | CONTROL_ENABLE },
      { offset: TABLE, size: 4, reset: bar },
      { offset: PENDING, size: 4, reset: PENDING_OFFSET | bar },
    ]);
    config.replaceIntx(() => this.enabled);
    config.onChange((offset, length) => {
      if (offset < this.#at + CONTROL + 2 && offset + length > this.#at + CONTROL) this.#sendPending();
    });
  }

  get enabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  get #control(): number {
    const bytes = this.#config?.bytes;
    return bytes === undefined ? 0 : bytes[this.#at + CONTROL]! | (bytes[this.#at + CONTROL + 1]! << 8);
  }

  /** An event on `vector`. While the vector is masked, it waits in its pending bit. */
  notify(vector: number): void {
    if (!this.enabled || vector >= this.vectors) return;
    if (this.#masked(vector)) this.state.pending[vector >> 3]! |= 1 << (vector & 7);
    else this.#send(vector);
  }

  #masked(vector: number): boolean {
    return (this.#control & CONTROL_MASK_ALL) !== 0 || (this.#table.getUint8(vector * ENTRY_BYTES + ENTRY_CONTROL) & ENTRY_MASKED) !== 0;
  }

  #send(vector: number): void {
    const at = vector * ENTRY_BYTES;
    const high = this.#table.getUint32(at + 4, true);
    if (high === 0) this.#config?.sendMessage((this.#table.getUint32(at, true) & ~3) >>> 0, this.#table.getUint32(at + ENTRY_DATA, true));
  }

  #sendPending(): void {
    const { pending } = this.state;
    if (!this.enabled || pending.every((byte) => byte === 0)) return;
    for (let vector = 0; vector < this.vectors; vector++) {
      const bit = 1 << (vector & 7);
      if ((pending[vector >> 3]! & bit) === 0 || this.#masked(vector)) continue;
      pending[vector >> 3]! &= ~bit;
      this.#send(vector);
    }
  }

  #read(offset: number, size: AccessSize): number {
    const { table, pending } = this.state;
    let value = 0;
    for (let byte = 0; byte < size; byte++) value |= (table[offset + byte] ?? pending[offset + byte - PENDING_OFFSET] ?? 0) << (8 * byte);
    return value >>> 0;
  }

  #write(offset: number, size: AccessSize, value: number): void {
    const { table } = this.state;
    for (let byte = 0; byte < size; byte++) {
      const at = offset + byte;
      if (at >= table.length) return; // pending bits are the device's
      const reserved = at % ENTRY_BYTES >= ENTRY_CONTROL;
      table[at] = (value >>> (8 * byte)) & (at % ENTRY_BYTES === ENTRY_CONTROL ? ENTRY_MASKED : reserved ? 0 : 0xff);
    }
    this.#sendPending();
  }

  /** All vectors masked, nothing pending (6.8.2.9). */
  reset(): void {
    const { table, pending } = this.state;
    table.fill(0);
    pending.fill(0);
    for (let at = ENTRY_CONTROL; at < table.length; at += ENTRY_BYTES) table[at] = ENTRY_MASKED;
  }

  /** After the state was replaced: bits that cannot be set are not. */
  loaded(): void {
    const { table, pending } = this.state;
    for (let at = ENTRY_CONTROL; at < table.length; at += ENTRY_BYTES) {
      table[at]! &= ENTRY_MASKED;
      table.fill(0, at + 1, at + 4);
    }
    for (let vector = this.vectors; vector < pending.length * 8; vector++) pending[vector >> 3]! &= ~(1 << (vector & 7));
  }
}
