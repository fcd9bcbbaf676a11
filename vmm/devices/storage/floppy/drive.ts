import { z } from 'zod';
import { SECTOR_BYTES, type DiskBackend } from '../../../base/disk-backend.ts';
import { floppyFormatOf, type FloppyDriveKind, type FloppyFormat } from '../../../base/floppy-formats.ts';
import { bool, integer } from '../../../bus/schema.ts';

export const floppyDriveSchema = z.strictObject({
  /** Physical track the heads are over. */
  track: integer(0, 85),
  /** DSKCHG: a medium was taken out, and no step pulse came since one is in. */
  changed: bool,
});
export type FloppyDriveState = z.infer<typeof floppyDriveSchema>;

interface DriveKind {
  readonly tracks: number;
  /** The CMOS setup byte's nibble. */
  readonly cmosType: number;
  /** A 40-track medium lies under every other track. */
  readonly doubleSteps: boolean;
}
const kinds: Readonly<Record<FloppyDriveKind, DriveKind>> = {
  '360k': { tracks: 43, cmosType: 1, doubleSteps: false },
  '1.2m': { tracks: 83, cmosType: 2, doubleSteps: true },
  '720k': { tracks: 83, cmosType: 3, doubleSteps: false },
  '1.44m': { tracks: 83, cmosType: 4, doubleSteps: false },
  '2.88m': { tracks: 83, cmosType: 5, doubleSteps: false },
};

export interface FloppyDriveOptions {
  readonly medium?: DiskBackend | undefined;
  /** Default: the drive the medium needs, at least 1.44m for an empty one. */
  readonly kind?: FloppyDriveKind;
}

/** One diskette drive: heads, a disk change line and perhaps a medium. */
export class FloppyDrive {
  readonly state: FloppyDriveState = { track: 0, changed: true };
  readonly kind: FloppyDriveKind;
  #medium: DiskBackend | undefined;
  #format: FloppyFormat | undefined;

  constructor(options: FloppyDriveOptions) {
    this.#setMedium(options.medium);
    this.kind = options.kind ?? this.#format?.drive ?? '1.44m';
  }

  get medium(): DiskBackend | undefined {
    return this.#medium;
  }
  get format(): FloppyFormat | undefined {
    return this.#format;
  }
  get tracks(): number {
    return kinds[this.kind].tracks;
  }
  /** The drive's type as CMOS byte 10h names it. */
  get cmosType(): number {
    return kinds[this.kind].cmosType;
  }

  #setMedium(medium: DiskBackend | undefined): void {
    this.#medium = medium;
    this.#format = medium === undefined ? undefined : floppyFormatOf(medium.size);
  }

  /** Takes the medium out and puts another in, or none. */
  insert(medium: DiskBackend | undefined): void {
    this.#setMedium(medium);
    this.state.changed = true;
  }

  powerOn(): void {
    Object.assign(this.state, { track: 0, changed: true });
  }

  /** Moves the heads. A step with a medium in the drive clears DSKCHG. */
  seek(track: number): void {
    const target = Math.max(0, Math.min(this.tracks, track));
    if (target !== this.state.track && this.#medium !== undefined) this.state.changed = false;
    this.state.track = target;
  }

  private get doubleSteps(): boolean {
    return kinds[this.kind].doubleSteps && this.#format !== undefined && this.#format.cylinders <= 43;
  }

  /** The cylinder number in the ID fields under the heads; undefined where nothing is recorded. */
  get cylinder(): number | undefined {
    if (this.#format === undefined) return undefined;
    const cylinder = this.doubleSteps ? this.state.track >> 1 : this.state.track;
    return cylinder < this.#format.cylinders ? cylinder : undefined;
  }

  /** Whether cylinder `c` is under the heads; programs that do not know of double stepping are forgiven. */
  isAt(c: number): boolean {
    return this.cylinder !== undefined && (this.cylinder === c || (this.doubleSteps && this.state.track === c && c < this.#format!.cylinders));
  }

  /** Whether data come through at `rate` kbit/s. A 300 rpm medium turns at 360 rpm in a 1.2m drive. */
  readsAt(rate: number): boolean {
    const format = this.#format;
    if (format === undefined) return false;
    return rate === format.rate || (format.rate === 250 && rate === 300) || (format.rate === 1000 && rate === 500 && format.sectors <= 21);
  }

  /** Byte offset of a sector on the medium; undefined if the medium has no such sector. */
  offsetOf(cylinder: number, head: number, sector: number): number | undefined {
    const format = this.#format;
    if (format === undefined || head >= format.heads || sector < 1 || sector > format.sectors || cylinder >= format.cylinders) return undefined;
    const offset = ((cylinder * format.heads + head) * format.sectors + sector - 1) * SECTOR_BYTES;
    return offset < this.#medium!.size ? offset : undefined;
  }
}
