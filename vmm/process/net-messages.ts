/** What the control thread and the net thread say to each other. */
import type { VmmErrorKind } from '../base/errors.ts';
import type { LogRecord } from '../base/log.ts';
import type { CableStatus, NetworkAnswers, NetworkRequest } from '../net/control.ts';
import type { FaultSettings } from '../net/filters/faults.ts';
import type { Nic } from '../protocol/config.ts';

export interface NetThreadData {
  /** One Int32: added to and notified by the machine thread when it has put something on a cable. */
  readonly bell: SharedArrayBuffer;
  /** The machine loop's. */
  readonly doorbell: SharedArrayBuffer;
  /** Relative paths of the configuration are relative to it. */
  readonly directory: string;
}

export type NetRequest =
  /** Makes what is at the other end of a NIC's cable. */
  | { readonly method: 'open'; readonly params: { readonly nic: Nic; readonly cable: SharedArrayBuffer } }
  /** Plugs a NIC's cable in or out. */
  | { readonly method: 'setLink'; readonly params: { readonly nic: string; readonly up: boolean } }
  /** Asks a NIC's network, or changes it. */
  | { readonly method: 'network'; readonly params: { readonly nic: string; readonly request: NetworkRequest } }
  /** Makes a NIC's cable worse. */
  | { readonly method: 'faults'; readonly params: { readonly nic: string; readonly faults: FaultSettings } }
  /** Writes a NIC's frames to a file; null: no more. */
  | { readonly method: 'capture'; readonly params: { readonly nic: string; readonly file: string | null } }
  | { readonly method: 'cable'; readonly params: { readonly nic: string } }
  /** Closes everything. */
  | { readonly method: 'shutdown' };

export interface NetAnswers {
  open: null;
  setLink: null;
  network: NetworkAnswers[NetworkRequest['type']];
  faults: null;
  capture: null;
  cable: CableStatus;
  shutdown: null;
}

export type ToNet = { readonly id: number } & NetRequest;
export type FromNet =
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly kind: VmmErrorKind; readonly message: string; readonly context: Record<string, unknown> }
  | { readonly type: 'log'; readonly record: LogRecord };
