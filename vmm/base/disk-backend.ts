/** What a front end asks of the medium behind it. `zero` makes a range read as zeros; `discard` may. */
export type DiskOperation = 'read' | 'write' | 'flush' | 'discard' | 'zero';

/**
 * `ok`: done (a write is in the medium's cache, a flush or FUA write survives power loss). `refused`: out of range, or a write to a
 * read-only medium. `failed`: the host could not do it, and the machine's policy is to tell the guest (the default pauses and retries).
 */
export type DiskStatus = 'ok' | 'refused' | 'failed';

/**
 * One transfer between the medium and memory. `offset` and `length` are bytes, multiples of 512. For `read` and `write` the lengths of
 * `segments` add up to `length`; each is a view of guest RAM or of a buffer of the device's own, over a SharedArrayBuffer: the io thread
 * reads and writes it in place, until `done` is called. `fua`: the write itself survives power loss when it is done.
 */
export interface DiskRequest {
  readonly op: DiskOperation;
  readonly offset: number;
  readonly length: number;
  readonly segments: readonly Uint8Array[];
  readonly fua?: boolean;
}

/**
 * A medium as its front end sees it, on the machine thread: no promises. `done` is called on the machine thread, once, possibly before
 * `submit` returns. Requests in flight at the same time may be done in any order; a flush covers the writes that were done before it was
 * submitted.
 */
export interface DiskBackend {
  /** Bytes, a multiple of 512. */
  readonly size: number;
  readonly readOnly: boolean;
  submit(request: DiskRequest, done: (status: DiskStatus) => void): void;
  /**
   * Blocks until nothing of this medium is in flight; what was has been `done`. Used at device reset, so that no old read lands in memory
   * the guest has put to other use (`abandon`: what the host cannot do at present is given up and `failed`), and before a machine is saved.
   * False: some are still in flight, because the host does not answer or cannot go on; a device re-submits them when its state is loaded.
   */
  settle(abandon?: boolean): boolean;
}

export const SECTOR_BYTES = 512;
