/** What the control thread and the io thread say to each other. */
import type { VmmErrorKind } from '../base/errors.ts';
import type { DriveFilters } from '../storage/filters/filtered.ts';
import type { ThrottleLimits } from '../storage/filters/throttle.ts';
import type { ImageSpec } from '../storage/open.node.ts';
import type { DriveHandle } from '../storage/ring/client.ts';
import type { HostErrorPolicy, Stall } from '../storage/ring/server.ts';

export interface IoThreadData {
  /** Shared with the machine thread. */
  readonly ring: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
}

export interface OpenRequest extends ImageSpec {
  readonly policy?: HostErrorPolicy;
  readonly filters?: DriveFilters;
  /** File for a line per request. */
  readonly trace?: string;
}

/** A drive that was opened, and what a person may want to know of it. */
export interface OpenedDrive extends DriveHandle {
  readonly file: string;
}

export type IoRequest =
  | { readonly method: 'open'; readonly params: OpenRequest }
  /** Waits for the drive's requests, flushes and closes it. */
  | { readonly method: 'close'; readonly params: { readonly drive: number } }
  | { readonly method: 'throttle'; readonly params: { readonly drive: number; readonly limits: ThrottleLimits } }
  /** Tries again what the host could not do. */
  | { readonly method: 'retry' }
  /** Flushes and closes everything. */
  | { readonly method: 'shutdown' };

export interface IoAnswers {
  open: OpenedDrive;
  close: null;
  throttle: null;
  retry: null;
  shutdown: null;
}

export type ToIo = { readonly id: number } & IoRequest;
export type FromIo =
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly kind: VmmErrorKind; readonly message: string; readonly context: Record<string, unknown> }
  | { readonly type: 'stall'; readonly stall: Stall };
