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
  /** A drive is to get a new layer when the machine stands (`freeze` on the ring's port). */
  | { readonly method: 'prepareLayer'; readonly params: { readonly drive: number; readonly file: string } }
  /** Layers that were prepared are not put on after all. */
  | { readonly method: 'abandonLayers' }
  /** What was frozen becomes durable and read-only; answers with the drives it was done to. */
  | { readonly method: 'settleLayers' }
  /** Everything written survives a power cut. */
  | { readonly method: 'flush' }
  /** A drive's image goes back to another one; nothing of the guest's is in flight. */
  | {
      readonly method: 'replace';
      readonly params: {
        readonly drive: number;
        readonly file: string;
        readonly format: OpenRequest['format'];
        readonly parentFolders: readonly string[];
      };
    }
  /** Rewind: points before `number` are not needed any more; answers with what is kept. */
  | { readonly method: 'forgetPoints'; readonly params: { readonly before: number } }
  /** Rewind: what the prepared layers must hold for the disks to be as at a point; answers with the drives whose layers do. With nothing in flight. */
  | { readonly method: 'fillLayers'; readonly params: { readonly point: number } }
  /** Rewind: drives that differ from what they held at a point. */
  | { readonly method: 'differing'; readonly params: { readonly point: number } }
  /** Rewind: prepared layers go on top, and what came after the point is forgotten. */
  | { readonly method: 'putLayersOn'; readonly params: { readonly point: number } }
  /** Tries again what the host could not do. */
  | { readonly method: 'retry' }
  /** Flushes and closes everything. */
  | { readonly method: 'shutdown' };

export interface IoAnswers {
  open: OpenedDrive;
  close: null;
  throttle: null;
  prepareLayer: null;
  abandonLayers: null;
  settleLayers: readonly number[];
  flush: null;
  replace: null;
  forgetPoints: { readonly bytes: number; readonly since: number };
  fillLayers: null;
  differing: readonly number[];
  putLayersOn: null;
  retry: null;
  shutdown: null;
}

export type ToIo = { readonly id: number } & IoRequest;
export type FromIo =
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly kind: VmmErrorKind; readonly message: string; readonly context: Record<string, unknown> }
  | { readonly type: 'stall'; readonly stall: Stall };
