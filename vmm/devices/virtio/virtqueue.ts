import { z } from 'zod';
import type { Dma } from '../../bus/dma.ts';
import { bool, integer, u16, u32 } from '../../bus/schema.ts';
import { NO_VECTOR } from './features.ts';

/* Split virtqueues (2.7). Everything in them is the guest's: each value is copied once, then checked, then used. */

const DESCRIPTOR_BYTES = 16;
const DESCRIPTOR_NEXT = 1;
const DESCRIPTOR_WRITE = 2;
const DESCRIPTOR_INDIRECT = 4;
const AVAIL_NO_INTERRUPT = 1;
/** Descriptors in an indirect table: what Linux and Windows ever make, and a bound on what one request can cost. */
const MOST_INDIRECT = 1024;

/** A 64-bit guest address as its registers have it: low and high word. */
const addressSchema = z.tuple([u32, u32]);
type Address = z.infer<typeof addressSchema>;

export function virtqueueSchema(most: number) {
  return z.strictObject({
    size: integer(1, most).refine((size) => (size & (size - 1)) === 0, { error: 'not a power of two' }),
    enabled: bool,
    descriptors: addressSchema,
    driver: addressSchema,
    device: addressSchema,
    /** Page number of a queue set up through the legacy interface. */
    page: u32,
    /** MSI-X vector. */
    vector: u16,
    /** How far the available ring was read and the used ring was written, and where the driver was last told or found not to want to be. */
    taken: u16,
    given: u16,
    signalled: u16,
  });
}
export type VirtqueueState = z.infer<ReturnType<typeof virtqueueSchema>>;

export function newVirtqueueState(size: number): VirtqueueState {
  return {
    size,
    enabled: false,
    descriptors: [0, 0],
    driver: [0, 0],
    device: [0, 0],
    page: 0,
    vector: NO_VECTOR,
    taken: 0,
    given: 0,
    signalled: 0,
  };
}

/** A stretch of guest memory that a descriptor names. */
export interface Piece {
  readonly address: number;
  readonly length: number;
}

/** What a driver made available: memory for the device to read, then memory for it to write. */
export interface Chain {
  /** Its first descriptor: what the device gives back. */
  readonly head: number;
  readonly readable: readonly Piece[];
  readonly writable: readonly Piece[];
}

export interface VirtqueueHost {
  /** Negotiated features. */
  readonly indirect: boolean;
  readonly eventIndex: boolean;
  readonly isBroken: boolean;
  interrupt(queue: number): void;
  /** The driver broke the rules: the device stops until it is reset. */
  broken(reason: string): void;
}

function at([low, high]: Address): number {
  return high * 0x1_0000_0000 + low;
}

export class Virtqueue {
  readonly index: number;
  readonly most: number;
  readonly state: VirtqueueState;
  readonly #dma: Dma;
  readonly #host: VirtqueueHost;
  readonly #word = new Uint8Array(8);
  readonly #wordView = new DataView(this.#word.buffer);
  readonly #half = this.#word.subarray(0, 2);

  constructor(index: number, most: number, dma: Dma, host: VirtqueueHost) {
    this.index = index;
    this.most = most;
    this.#dma = dma;
    this.#host = host;
    this.state = newVirtqueueState(most);
  }

  /** The next chain of the available ring, undefined if there is none (or the driver broke the rules). */
  take(): Chain | undefined {
    const { state } = this;
    if (!state.enabled || this.#host.isBroken || !this.#anyAvailable()) return undefined;
    const head = this.#read16(at(state.driver) + 4 + 2 * (state.taken & (state.size - 1)));
    const chain = this.chain(head);
    if (chain !== undefined) state.taken = (state.taken + 1) & 0xffff;
    return chain;
  }

  #anyAvailable(): boolean {
    const { state } = this;
    const ring = at(state.driver);
    let available = this.#read16(ring + 2);
    if (available === state.taken && this.#host.eventIndex) {
      // Tell the driver what to notify about (2.7.10), then look again: it may have been adding meanwhile.
      this.#write16(at(state.device) + 4 + 8 * state.size, state.taken);
      available = this.#read16(ring + 2);
    }
    if (available === state.taken) return false;
    if (((available - state.taken) & 0xffff) <= state.size) return true;
    this.#host.broken(`queue ${this.index} has more available than it is long`);
    return false;
  }

  /** The chain that starts at descriptor `head`, read anew: for requests in flight when the machine was saved. */
  chain(head: number): Chain | undefined {
    const result = this.#walk(head);
    if (typeof result !== 'string') return result;
    this.#host.broken(`queue ${this.index} ${result}`);
    return undefined;
  }

  /** The chain, or what is wrong with it. */
  #walk(head: number): Chain | string {
    const { state } = this;
    const readable: Piece[] = [];
    const writable: Piece[] = [];
    let table = new Uint8Array(DESCRIPTOR_BYTES);
    let view = new DataView(table.buffer);
    let entries = state.size;
    let indirect = false;
    let next = head;
    for (let count = 0; ; count++) {
      if (next >= entries) return 'names a descriptor that is not there';
      if (count >= entries) return 'has a chain with a loop';
      if (!indirect) this.#dma.read(at(state.descriptors) + next * DESCRIPTOR_BYTES, table);
      const from = indirect ? next * DESCRIPTOR_BYTES : 0;
      const address = view.getUint32(from, true) + view.getUint32(from + 4, true) * 0x1_0000_0000;
      const length = view.getUint32(from + 8, true);
      const flags = view.getUint16(from + 12, true);
      next = view.getUint16(from + 14, true);
      if ((flags & DESCRIPTOR_INDIRECT) !== 0) {
        const allowed = this.#host.indirect && !indirect && (flags & DESCRIPTOR_NEXT) === 0;
        entries = length / DESCRIPTOR_BYTES;
        if (!allowed || !Number.isInteger(entries) || entries === 0 || entries > MOST_INDIRECT) return 'has a bad indirect descriptor';
        table = new Uint8Array(length);
        view = new DataView(table.buffer);
        this.#dma.read(address, table);
        [indirect, next, count] = [true, 0, -1];
        continue;
      }
      if ((flags & DESCRIPTOR_WRITE) !== 0) {
        if (length > 0) writable.push({ address, length });
      } else if (writable.length > 0) return 'has memory to read behind memory to write';
      else if (length > 0) readable.push({ address, length });
      if ((flags & DESCRIPTOR_NEXT) === 0) return { head, readable, writable };
    }
  }

  /** Gives a chain back, `written` bytes of it written. Follow with `notify`, once for several. */
  give(head: number, written: number): void {
    const { state } = this;
    if (!state.enabled) return;
    const ring = at(state.device);
    this.#wordView.setUint32(0, head, true);
    this.#wordView.setUint32(4, written, true);
    this.#dma.write(ring + 4 + 8 * (state.given & (state.size - 1)), this.#word);
    state.given = (state.given + 1) & 0xffff;
    this.#write16(ring + 2, state.given);
  }

  /** Interrupts the driver if there is something used that it wants to hear of (2.7.7). */
  notify(): void {
    const { state } = this;
    if (!state.enabled || state.signalled === state.given) return;
    const before = state.signalled;
    state.signalled = state.given;
    let wanted;
    if (this.#host.eventIndex) {
      const event = this.#read16(at(state.driver) + 4 + 2 * state.size);
      wanted = ((state.given - event - 1) & 0xffff) < ((state.given - before) & 0xffff);
    } else wanted = (this.#read16(at(state.driver)) & AVAIL_NO_INTERRUPT) === 0;
    if (wanted) this.#host.interrupt(this.index);
  }

  /** Where a legacy driver puts everything that belongs to a queue: one stretch of pages, the used ring on a page of its own (2.7.2). */
  setPage(page: number): void {
    const { state } = this;
    const PAGE = 4096;
    const base = page * PAGE;
    const driver = base + state.size * DESCRIPTOR_BYTES;
    const device = Math.ceil((driver + 6 + 2 * state.size) / PAGE) * PAGE;
    const split = (address: number): Address => [address % 0x1_0000_0000, Math.floor(address / 0x1_0000_0000)];
    const { vector } = state;
    Object.assign(state, newVirtqueueState(this.most), { vector, page, enabled: page !== 0 });
    Object.assign(state, { descriptors: split(base), driver: split(driver), device: split(device) });
  }

  reset(): void {
    Object.assign(this.state, newVirtqueueState(this.most));
  }

  #read16(address: number): number {
    this.#dma.read(address, this.#half);
    return this.#wordView.getUint16(0, true);
  }

  #write16(address: number, value: number): void {
    this.#wordView.setUint16(0, value, true);
    this.#dma.write(address, this.#half);
  }
}
