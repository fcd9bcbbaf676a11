/**
 * What the control thread and the machine thread say to each other. The machine thread never waits: it looks at its port between slices, when
 * the doorbell word has changed. Byte arrays are copied; video memory, disk data and the doorbell are shared.
 */
import type {
  CaptureAnswer,
  CaptureOrder,
  RestoreAnswer,
  RestoreOrder,
  RewindGoAnswer,
  RewindGoOrder,
  RewindMarkAnswer,
  SharedMemory,
} from './snapshots/messages.ts';
import type { LogRecord } from '../base/log.ts';
import type { Scanout } from '../display/scanout.ts';
import type { PauseReason } from '../protocol/states.ts';
import type { DriveHandle } from '../storage/ring/client.ts';

export type RunEndKind = 'powered-off' | 'reset' | 'debug-exit' | 'timeout' | 'interrupted' | 'error' | 'killed';

/** How a run ended. `status` is what the command exits with. */
export interface RunEnd {
  readonly how: RunEndKind;
  readonly status: number;
  /** One line for people, where there is something to say. */
  readonly message?: string;
}

/** Questions that the machine thread answers between slices. */
export interface Questions {
  /** What the display shows now. */
  scanout: { readonly scanout: Scanout };
  /** Counters since power-on. */
  counters: Counters;
  inspect: { readonly devices: { name: string; type: string; values: Record<string, string | number> }[] };
  /** Answered when the keyboard has no key event waiting. */
  keysTaken: object;
  /** Guest memory, for the memory thread. */
  memory: SharedMemory;
}
/** Orders that are answered, too. */
export interface Orders {
  capture: { readonly order: CaptureOrder; readonly answer: CaptureAnswer };
  restore: { readonly order: RestoreOrder; readonly answer: RestoreAnswer };
  rewindMark: { readonly order: { readonly number: number }; readonly answer: RewindMarkAnswer };
  rewindGo: { readonly order: RewindGoOrder; readonly answer: RewindGoAnswer };
}
export type Question = keyof Questions;

export interface Counters {
  readonly instructions: number;
  /** Guest time, ns */
  readonly guestTime: number;
  /** Host time spent asleep in HLT, ns */
  readonly idleTime: number;
  readonly exits: Record<string, number>;
  readonly drives: Record<string, { readBytes: number; writeBytes: number; reads: number; writes: number }>;
  readonly nics: Record<string, { receivedBytes: number; sentBytes: number }>;
  /** What the accelerator counts, by name: translated regions, compile ms ... */
  readonly accel: Record<string, number>;
}

export type ToMachine =
  | { readonly type: 'control'; readonly action: 'run' | 'reset' | 'powerButton' | 'powerOff' }
  | { readonly type: 'pause'; readonly reason: PauseReason; readonly notice?: string }
  /** Share of one host core, percent. */
  | { readonly type: 'limit'; readonly percent: number }
  | { readonly type: 'key'; readonly key: number; readonly down: boolean }
  | { readonly type: 'mouse'; readonly dx: number; readonly dy: number; readonly wheel: number; readonly buttons: number }
  | { readonly type: 'pointer'; readonly x: number; readonly y: number; readonly wheel: number; readonly buttons: number }
  | { readonly type: 'serialInput'; readonly port: number; readonly data: Uint8Array }
  | { readonly type: 'insert'; readonly drive: string; readonly handle: DriveHandle }
  | { readonly type: 'eject'; readonly drive: string; readonly id: number; readonly force: boolean }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'capture'; readonly id: number; readonly order: CaptureOrder }
  /** The memory thread is done with the last capture. */
  | { readonly type: 'captured'; readonly stored: boolean }
  | { readonly type: 'restore'; readonly id: number; readonly order: RestoreOrder }
  | { readonly type: 'rewindMark'; readonly id: number; readonly order: Orders['rewindMark']['order'] }
  | { readonly type: 'rewindGo'; readonly id: number; readonly order: RewindGoOrder }
  /** What was kept for rewind is not needed any more. */
  | { readonly type: 'rewindStop' }
  | { readonly type: 'qtest'; readonly line: string };

export type FromMachine =
  | {
      readonly type: 'ready';
      /** Video memory and its dirty map, shared; absent without a display adapter. */
      readonly display?: { readonly memory: Uint8Array; readonly dirty: Uint8Array };
    }
  | { readonly type: 'state'; readonly state: 'running' | 'paused'; readonly reason?: PauseReason; readonly notice?: string }
  | { readonly type: 'serial'; readonly port: number; readonly data: Uint8Array }
  /** So many bytes of `serialInput` were read by the guest or dropped. */
  | { readonly type: 'serialTaken'; readonly port: number; readonly count: number }
  | { readonly type: 'debugcon'; readonly data: Uint8Array }
  | { readonly type: 'parallel'; readonly data: Uint8Array }
  | { readonly type: 'reset'; readonly by: 'guest' | 'user' | 'triple-fault' }
  | { readonly type: 'leds'; readonly scroll: boolean; readonly num: boolean; readonly caps: boolean }
  | { readonly type: 'pointerMode'; readonly absolute: boolean }
  | { readonly type: 'tray'; readonly drive: string; readonly open: boolean; readonly locked: boolean }
  | { readonly type: 'notice'; readonly level: 'info' | 'warning' | 'error'; readonly message: string }
  | { readonly type: 'log'; readonly record: LogRecord }
  | { readonly type: 'answer'; readonly id: number; readonly answer: object }
  | { readonly type: 'qtest'; readonly line: string }
  /** Before `ended`: the last figures and the last picture. */
  | { readonly type: 'last'; readonly counters: Counters; readonly scanout?: Scanout }
  | { readonly type: 'ended'; readonly end: RunEnd };

/** The machine thread as the control thread sees it: a worker, or a fake in tests. */
export interface MachineThread {
  post(message: ToMachine): void;
  start(handlers: { message(message: FromMachine): void; exited(problem: string | undefined): void }): void;
  /** Ends it whatever it is doing. `exited` follows. */
  terminate(): void;
}
