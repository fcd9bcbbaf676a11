import type { Accelerator } from '../accel/accelerator.ts';
import type { DiskBackend } from '../base/disk-backend.ts';
import type { Log } from '../base/log.ts';
import type { SerialPeer } from '../devices/char/uart-16550.ts';
import type { NetBackend } from '../net/cable/cable.ts';
import type { Nic } from '../protocol/config-net.ts';
import type { BootFiles } from './boot/boot-plan.ts';

export type RunEnd =
  | { readonly how: 'powered-off' | 'reset' }
  | { readonly how: 'debug-exit'; readonly status: number }
  | { readonly how: 'interrupted' }
  | { readonly how: 'error'; readonly message: string };

/** What the machine tells its host, on the machine thread. */
export interface MachineEvents {
  reset(by: 'guest' | 'user' | 'triple-fault'): void;
  /** Lamps of the PS/2 keyboard. */
  leds(lamps: { readonly scroll: boolean; readonly num: boolean; readonly caps: boolean }): void;
  /** The guest opened or locked the tray of a CD drive. */
  tray(drive: string, tray: { readonly open: boolean; readonly locked: boolean }): void;
  /** The guest began or ceased to use an absolute pointer. */
  pointerMode(absolute: boolean): void;
  notice(level: 'info' | 'warning' | 'error', message: string): void;
}

/** Everything outside the machine, as parameters: time, randomness, files that were read, back ends. */
export interface MachineHost {
  readonly accelerator: Accelerator;
  /** Monotonic time in ns. */
  hostTime(): number;
  /** Seconds since 1970, UTC. */
  wallTime(): number;
  /** Seconds that local time is ahead of UTC, for a real-time clock that keeps local time. */
  localOffset(): number;
  /** 32 random bits. */
  random(): number;
  log(component: string): Log;
  /** One word of shared memory. Whoever wants the machine loop's attention adds 1 and notifies. */
  readonly doorbell: Int32Array;
  /** Takes what others sent: called on the machine thread, between slices, when the doorbell rang. */
  drain(): void;
  /** Whether the doorbell is about to ring: another thread works on what a device asked for. The loop then looks for it itself a while before it sleeps. */
  soon?(): boolean;
  readonly events: MachineEvents;
  readonly bios: Uint8Array;
  readonly vgaBios?: Uint8Array | undefined;
  /** Files of a direct boot, when the configuration has one. */
  readonly boot?: BootFiles | undefined;
  /** Media by drive id; a drive without one is empty. */
  readonly disks: ReadonlyMap<string, DiskBackend>;
  /** Boot ROMs of network controllers by model. */
  readonly nicRoms: ReadonlyMap<Nic['model'], Uint8Array>;
  /** Network cables by NIC id. */
  readonly nets: ReadonlyMap<string, NetBackend>;
  /** The other end of COM1, COM2, ... */
  readonly serial: readonly (SerialPeer | undefined)[];
  /** Bytes that the guest prints on the parallel port, or writes to the debug console. */
  readonly parallel?: ((byte: number) => void) | undefined;
  readonly debugcon?: ((byte: number) => void) | undefined;
}
