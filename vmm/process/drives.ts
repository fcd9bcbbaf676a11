import type { Drive } from '../protocol/config.ts';
import type { DriveStatus } from '../protocol/shared.ts';

/** The drives of a running machine and the images in them. */
export interface Drives {
  list(): DriveStatus[];
  /** @throws VmmError `not-found`, `usage`, `busy`, `invalid` */
  insert(drive: string, file: string, readOnly: boolean): Promise<DriveStatus>;
  /** @throws VmmError `state` when the guest has locked the tray and `force` is not given. */
  eject(drive: string, force: boolean): Promise<DriveStatus>;
  /** Slows a drive down to these rates from now on; none: as fast as it goes. @throws VmmError `not-found` */
  throttle(drive: string, limits: NonNullable<Drive['throttle']>): Promise<void>;
  /** Calls back when a drive has another medium, or its tray was locked. Returns what ends that. */
  onChange(listener: (drive: DriveStatus) => void): () => void;
}
