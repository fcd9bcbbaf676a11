import { z } from 'zod';
import type { DiskBackend } from '../../../base/disk-backend.ts';
import { bool, integer } from '../../../bus/schema.ts';
import { cdCommands } from './cd-commands.ts';
import { CD_BLOCK, CD_MOST_BLOCKS, Profile, Sense } from './codes.ts';
import { done, type CdReply } from './reply.ts';

export const cdUnitSchema = z.strictObject({
  /** Sense data of the last command that failed: key << 16 | code << 8 | qualifier. */
  sense: integer(0, 0x0f_ffff),
  /** LBA of a medium error, 0 without. */
  information: integer(0, 0xffff_ffff),
  trayOpen: bool,
  /** PREVENT ALLOW MEDIUM REMOVAL. */
  locked: bool,
  /** A medium was put in and the host does not know yet: `gone` answers "not present" once, for hosts that only notice that; then `new`. */
  change: z.enum(['none', 'gone', 'new']),
  /** Media event to report (MMC-5 table 301): 0 none, 1 eject request, 2 new media, 3 media removal. */
  event: integer(0, 3),
  /** Error recovery mode page, what software may change of it. */
  retries: integer(0, 255),
  errorRecovery: integer(0, 255),
});
export type CdUnitState = z.infer<typeof cdUnitSchema>;

export interface CdUnitEvents {
  /** The guest opened or closed the tray; `ejected`: the medium is out, and the machine takes it from the drive. */
  tray?(open: boolean): void;
}

export interface CdIdentity {
  readonly vendor?: string;
  readonly model?: string;
  readonly firmware?: string;
  readonly serial?: string;
}

/**
 * A CD/DVD-ROM drive as SCSI commands see it (MMC-5), without the transport: ATAPI hands it command blocks and moves its data. One session, one
 * data track of mode 1.
 */
export class CdUnit {
  readonly state: CdUnitState;
  readonly identity: CdIdentity;
  readonly #events: CdUnitEvents;
  medium: DiskBackend | undefined;

  constructor(identity: CdIdentity, events: CdUnitEvents, medium: DiskBackend | undefined) {
    this.identity = identity;
    this.#events = events;
    this.medium = medium;
    this.state = newCdUnitState();
  }

  /** 2048-byte blocks on the medium, undefined if there is none or the tray is open. */
  get blocks(): number | undefined {
    return this.medium === undefined || this.state.trayOpen ? undefined : Math.floor(this.medium.size / CD_BLOCK);
  }

  get isDvd(): boolean {
    return (this.blocks ?? 0) > CD_MOST_BLOCKS;
  }

  /** The current profile (MMC-5 5.4). */
  get profile(): number {
    if (this.blocks === undefined) return Profile.NONE;
    return this.isDvd ? Profile.DVD_ROM : Profile.CD_ROM;
  }

  /** Runs a command block of 12 bytes. `data`: at least 2 KiB, zeroed, where reply data go. */
  execute(cdb: Uint8Array, data: Uint8Array): CdReply {
    const command = cdCommands[cdb[0]!];
    if (command === undefined) return this.check(Sense.INVALID_OPERATION);
    if (command.beforeAttention !== true) {
      const attention = this.takeChange();
      if (attention !== undefined) return attention;
    }
    if (command.needsMedium === true && this.blocks === undefined) return this.notReady();
    if (command.keepsSense !== true) this.clearSense();
    const reply = command.run(this, cdb, data);
    // What the host allocated is all it gets (SPC-3 4.3.4.6); nothing asked for is no error.
    if (reply.kind === 'data' && reply.length === 0) return done;
    return reply;
  }

  /** The parameter list of a command that asked for one. */
  parameters(cdb: Uint8Array, list: Uint8Array): CdReply {
    return cdCommands[cdb[0]!]?.received?.(this, cdb, list) ?? done;
  }

  private takeChange(): CdReply | undefined {
    const { state } = this;
    if (state.change === 'gone') {
      state.change = 'new';
      return this.check(Sense.MEDIUM_NOT_PRESENT);
    }
    if (state.change === 'new' && this.medium !== undefined) {
      state.change = 'none';
      return this.check(Sense.MEDIUM_MAY_HAVE_CHANGED);
    }
    return undefined;
  }

  check(sense: number, information = 0): CdReply {
    this.state.sense = sense;
    this.state.information = information;
    return { kind: 'check' };
  }

  notReady(): CdReply {
    return this.check(this.state.trayOpen ? Sense.NOT_PRESENT_TRAY_OPEN : Sense.NOT_PRESENT_TRAY_CLOSED);
  }

  clearSense(): void {
    this.state.sense = Sense.NONE;
    this.state.information = 0;
  }

  /** START STOP UNIT with LoEj. False: the lock holds the tray. */
  moveTray(open: boolean): boolean {
    const { state } = this;
    if (open && state.locked) return false;
    if (state.trayOpen === open) return true;
    state.trayOpen = open;
    if (!open && this.medium !== undefined) {
      state.change = 'new';
      state.event = NEW_MEDIA;
    }
    this.#events.tray?.(open);
    return true;
  }

  /** Somebody changes the medium from outside, by hand: undefined takes it out. The tray ends up closed. */
  insert(medium: DiskBackend | undefined): void {
    const { state } = this;
    const had = this.medium !== undefined && !state.trayOpen;
    this.medium = medium;
    state.trayOpen = false;
    if (medium === undefined) {
      state.change = 'none';
      state.event = had ? MEDIA_REMOVAL : state.event;
    } else {
      state.change = had ? 'gone' : 'new';
      state.event = NEW_MEDIA;
    }
  }

  /** The button on the drive: while the guest has locked the tray, it only tells the guest that somebody wants the medium. */
  pressEject(): void {
    if (this.state.locked) this.state.event = EJECT_REQUEST;
    else this.moveTray(!this.state.trayOpen);
  }

  /** SRST and DEVICE RESET release nothing; a power cycle does. */
  reset(): void {
    Object.assign(this.state, newCdUnitState());
  }
}

const EJECT_REQUEST = 1;
const NEW_MEDIA = 2;
const MEDIA_REMOVAL = 3;

export function newCdUnitState(): CdUnitState {
  return { sense: Sense.NONE, information: 0, trayOpen: false, locked: false, change: 'none', event: 0, retries: 5, errorRecovery: 0 };
}
