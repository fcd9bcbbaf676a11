/** What the control thread, the machine thread and the memory thread say to each other to save and load a machine. */
import type { VmmErrorKind } from '../../base/errors.ts';
import type { SavedMachine } from '../../machine/machine.ts';
import type { PageDelta, RewindPoint } from '../../snapshot/rewind-buffer.node.ts';

/** Guest memory as the machine thread shares it. */
export interface SharedMemory {
  readonly bytes: Uint8Array;
  /** RAM is the first of the blocks. */
  readonly blocks: readonly { readonly name: string; readonly offset: number; readonly length: number }[];
  /** One byte per page of RAM, 1: changed since the last save or load (memory/write-tracker.ts). */
  readonly changed: Uint8Array;
}

/** Per page of RAM: nobody has it yet, the memory thread has it, or 1 + where in `before` its old contents are. */
export const NOT_TAKEN = 0;
export const TAKEN = -1;

export interface CaptureOrder {
  /** An Int32 per page of RAM. */
  readonly slots: SharedArrayBuffer;
  /** Old contents of pages that were written before the memory thread came to them. As large as RAM; only what is used costs memory. */
  readonly before: SharedArrayBuffer;
  /** What was changed since the last save, as it stood at this one; a byte per page of RAM. */
  readonly changed: SharedArrayBuffer;
  /** All blocks but RAM, one after the other. */
  readonly others: SharedArrayBuffer;
  /** Disks have new layers ready: they are to be put on at this instant. */
  readonly freeze: boolean;
  /** The machine stops here: it is suspended. */
  readonly stop: boolean;
}

export interface Capture {
  readonly saved: SavedMachine;
  /** Host time the guest stood still, ms. */
  readonly pause: number;
}

export interface RestoreOrder {
  readonly saved: SavedMachine;
  /** Set to 1 by the machine thread when it stands still, to 2 when memory is in place, to 3 when it could not be put there. */
  readonly gate: SharedArrayBuffer;
  /** Real time that has passed for the world, ns, for the calendar. Absent: it is left. */
  readonly calendar?: number;
  /** The state is of another machine, of which this one is a fork. */
  readonly another: boolean;
}

export const Gate = { waiting: 0, stands: 1, filled: 2, failed: 3 } as const;

export interface Failure {
  readonly failed: { readonly kind: VmmErrorKind; readonly message: string };
}
export type CaptureAnswer = Capture | Failure;
/** `pause`: ms */
export type RestoreAnswer = { readonly pause: number } | Failure;

// -- rewind

export type RewindMarkAnswer =
  | {
      readonly saved: SavedMachine;
      /** What was changed since the last point, as it was then: numbers of pages, and their contents in pieces. */
      readonly pages: Int32Array;
      readonly pieces: readonly Uint8Array[];
      /** ms */
      readonly pause: number;
    }
  | Failure;

export interface RewindGoOrder {
  readonly saved: SavedMachine;
  readonly gate: SharedArrayBuffer;
  /** The point that memory is at was just made. */
  readonly first: boolean;
}
/** `time`: guest time, ns */
export type RewindGoAnswer = { readonly time: number } | Failure;

// -- the memory thread

export interface MemoryThreadData {
  readonly memory: SharedMemory;
  /** Folder of the page store. */
  readonly store: string;
}

export type MemoryRequest =
  | {
      readonly method: 'store';
      readonly params: { readonly order: CaptureOrder; readonly saved: SavedMachine; readonly file: string; readonly meta: StateMeta };
    }
  /** Reads and checks a state and its pages' names; changes nothing. */
  | { readonly method: 'open'; readonly params: { readonly file: string } }
  /** Puts the opened state's memory in place when the machine stands. */
  | { readonly method: 'fill'; readonly params: { readonly gate: SharedArrayBuffer } }
  | { readonly method: 'verify' }
  /** A point of rewind. `budget`: bytes for all; `since`: the first point that disks can go back to. Answers with the points there are. */
  | {
      readonly method: 'keep';
      readonly params: {
        readonly point: RewindPoint;
        readonly saved: SavedMachine;
        readonly delta: PageDelta;
        readonly budget: number;
        readonly since: number;
      };
    }
  | { readonly method: 'pointState'; readonly params: { readonly number: number } }
  /** Makes memory what it was at a point when the machine stands. */
  | { readonly method: 'goToPoint'; readonly params: { readonly number: number; readonly gate: SharedArrayBuffer } }
  | { readonly method: 'forgetPoints' };

export interface StateMeta {
  readonly release: string;
  readonly vm: string;
  readonly taken: number;
}

export interface StoredState {
  /** New pages in the store, and bytes they took there. */
  readonly pages: number;
  readonly bytes: number;
  /** Pages of RAM that were looked at. */
  readonly changed: number;
  /** ms */
  readonly took: number;
}

export interface OpenedState {
  readonly saved: SavedMachine;
  readonly vm: string;
  readonly taken: number;
}

export interface MemoryAnswers {
  store: StoredState;
  open: OpenedState;
  /** Pages written. */
  fill: { readonly pages: number };
  verify: { readonly problems: string[] };
  keep: RewindPoints;
  pointState: SavedMachine;
  goToPoint: { readonly pages: number };
  forgetPoints: object;
}

export interface RewindPoints {
  readonly points: readonly RewindPoint[];
  readonly bytes: number;
}

export type ToMemory = { readonly id: number } & MemoryRequest;
export type FromMemory =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failed: { readonly kind: VmmErrorKind; readonly message: string } };
