import type { Dma } from '../../../bus/dma.ts';
import type { Log } from '../../../base/log.ts';
import { AtaDisk } from '../ata/disk.ts';
import type { DriveHost } from '../ata/drive.ts';
import { PacketDrive } from '../ata/packet-drive.ts';
import { Control, Status } from '../ata/registers.ts';
import { COMMAND_FIS_BYTES, d2hRegisterFis, parseCommandFis, pioSetupFis, type CommandFis } from './fis.ts';
import { NO_SIGNATURE, newPortState, type PortCommandState, type PortState } from './port-state.ts';
import { gather, type Prdt } from './prdt.ts';
import { NativeQueue } from './native-queue.ts';
import {
  CURRENT_SLOT_SHIFT,
  DETECT_MASK,
  DETECT_RESET,
  HEADER_BYTES,
  INTERRUPTS_WRITABLE,
  LINK_UP,
  Port,
  PortCommand,
  PortInterrupt,
  ReceivedFis,
  SERR_EXCHANGED,
  SERR_PHY_READY_CHANGE,
  SLOTS,
  TABLE_PACKET,
} from './registers.ts';

export type SataDrive = AtaDisk | PacketDrive;

export interface PortOptions {
  readonly dma: Dma;
  readonly log: Log;
  readonly drive: SataDrive | undefined;
  /** Whether PCI lets the function be a bus master. */
  readonly mayMaster: () => boolean;
  /** PxIS or PxIE may have changed. */
  readonly interruptsChanged: () => void;
}

/** The command register after DEVICE RESET and EXECUTE DEVICE DIAGNOSTIC, which end without an interrupt but with a signature. */
const RESETTING = 0;
const WRITABLE_COMMAND = PortCommand.ST | PortCommand.FRE | PortCommand.ATAPI;

/**
 * A port: it fetches commands that software issued, has its drive do them one at a time (queued ones all at once, native-queue.ts), moves their data between
 * drive and memory, and posts what the drive says (5.3, 5.5, 5.6).
 */
export class AhciPort implements DriveHost {
  readonly state: PortState;
  readonly drive: SataDrive | undefined;
  readonly #options: PortOptions;
  readonly #queue: NativeQueue | undefined;
  #processing = false;
  #pumping = false;

  constructor(options: PortOptions) {
    this.#options = options;
    this.state = newPortState();
    this.drive = options.drive;
    if (this.drive !== undefined) this.drive.host = this;
    if (this.drive instanceof AtaDisk) this.#queue = new NativeQueue(options.dma, this.drive, this);
    this.#linkUp();
  }

  // Registers

  read(offset: number): number {
    const { state } = this;
    switch (offset) {
      case Port.CLB:
        return state.list[0];
      case Port.CLBU:
        return state.list[1];
      case Port.FB:
        return state.received[0];
      case Port.FBU:
        return state.received[1];
      case Port.IS:
        return this.interruptStatus;
      case Port.IE:
        return state.enabled;
      case Port.CMD:
        return (state.command | ((state.current?.slot ?? state.last) << CURRENT_SLOT_SHIFT)) >>> 0;
      case Port.TFD:
        return state.taskFile;
      case Port.SIG:
        return state.signature;
      case Port.SSTS:
        return this.drive === undefined || (state.control & DETECT_MASK) !== 0 ? 0 : LINK_UP;
      case Port.SCTL:
        return state.control;
      case Port.SERR:
        return state.error;
      case Port.SACT:
        return state.active;
      case Port.CI:
        return state.issued;
      default:
        return 0;
    }
  }

  write(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case Port.CLB:
        state.list[0] = (value & ~0x3ff) >>> 0;
        return;
      case Port.CLBU:
        state.list[1] = value;
        return;
      case Port.FB:
        state.received[0] = (value & ~0xff) >>> 0;
        return;
      case Port.FBU:
        state.received[1] = value;
        return;
      case Port.IS:
        state.interrupts = (state.interrupts & ~value) >>> 0;
        return this.#options.interruptsChanged();
      case Port.IE:
        state.enabled = (value & INTERRUPTS_WRITABLE) >>> 0;
        return this.#options.interruptsChanged();
      case Port.CMD:
        return this.#control(value);
      case Port.SCTL:
        return this.#link(value);
      case Port.SERR:
        state.error = (state.error & ~value) >>> 0;
        return this.#options.interruptsChanged();
      case Port.SACT:
        if ((state.command & PortCommand.ST) !== 0) state.active = (state.active | value) >>> 0;
        return;
      case Port.CI:
        if ((state.command & PortCommand.ST) !== 0) state.issued = (state.issued | value) >>> 0;
        return this.process();
    }
  }

  /** PxIS with the bits that show PxSERR. */
  get interruptStatus(): number {
    const { interrupts, error } = this.state;
    const exchanged = (error & SERR_EXCHANGED) !== 0 ? PortInterrupt.PCS : 0;
    const phyReady = (error & SERR_PHY_READY_CHANGE) !== 0 ? PortInterrupt.PRCS : 0;
    return (interrupts | exchanged | phyReady) >>> 0;
  }

  get interrupting(): boolean {
    return (this.interruptStatus & this.state.enabled) !== 0;
  }

  raise(interrupts: number): void {
    this.state.interrupts = (this.state.interrupts | interrupts) >>> 0;
    this.#options.interruptsChanged();
  }

  /** PxCMD: starts and stops the command list and the receiving of FISes (10.3). */
  #control(value: number): void {
    const { state } = this;
    const before = state.command;
    let after = (before & ~WRITABLE_COMMAND) | (value & WRITABLE_COMMAND);
    if ((value & PortCommand.CLO) !== 0) state.taskFile &= ~(Status.BSY | Status.DRQ);
    after = (after & PortCommand.ST) !== 0 ? after | PortCommand.CR : after & ~PortCommand.CR;
    after = (after & PortCommand.FRE) !== 0 ? after | PortCommand.FR : after & ~PortCommand.FR;
    state.command = after >>> 0;
    if ((before & ~after & PortCommand.ST) !== 0) this.#stop();
    if ((after & PortCommand.FRE) !== 0 && state.signatureWaits) this.#postSignature();
    this.process();
  }

  /** PxCMD.ST was cleared: whatever is under way is not the port's any more. */
  #stop(): void {
    const { state } = this;
    this.#queue?.drop();
    if (state.current !== null) this.drive?.cancel();
    Object.assign(state, { current: null, queued: 0, active: 0, issued: 0, stopped: false, last: SLOTS - 1 });
  }

  /** PxSCTL: a COMRESET lasts while DET is 1 (10.4.2). */
  #link(value: number): void {
    const { state } = this;
    const before = state.control & DETECT_MASK;
    state.control = value & 0xfff;
    const after = state.control & DETECT_MASK;
    if (after === DETECT_RESET && before !== DETECT_RESET) {
      this.#queue?.drop();
      Object.assign(state, { current: null, queued: 0, taskFile: Status.BSY, signature: NO_SIGNATURE });
      this.drive?.hardReset();
    } else if (after === 0 && before !== 0) this.#linkUp();
    this.#options.interruptsChanged();
  }

  /** The link is there (again), and the drive sends its signature. */
  #linkUp(): void {
    const { state, drive } = this;
    if (drive === undefined) return;
    state.error = (state.error | SERR_EXCHANGED | SERR_PHY_READY_CHANGE) >>> 0;
    this.#postSignature();
  }

  #postSignature(): void {
    const { state, drive } = this;
    if (drive === undefined) return;
    const [count, low, mid, high] = drive.signature;
    state.signature = ((high << 24) | (mid << 16) | (low << 8) | count) >>> 0;
    this.updateTaskFile();
    state.signatureWaits = (state.command & PortCommand.FRE) === 0;
    this.post(ReceivedFis.D2H_REGISTER, d2hRegisterFis(drive.state, false));
  }

  // What the queue does, too

  updateTaskFile(): void {
    const { status, error } = this.drive!.state;
    this.state.taskFile = status | (error << 8);
  }

  /** Writes a FIS where software receives it. */
  post(offset: number, fis: Uint8Array): void {
    const { received, command } = this.state;
    if ((command & PortCommand.FRE) !== 0 && this.#options.mayMaster()) this.#options.dma.write(at(received) + offset, fis);
  }

  /** An error: the port stops until software restarts it (6.2.2). */
  stopForError(interrupts: number): void {
    this.state.stopped = true;
    this.raise(interrupts);
  }

  /** The table of command `slot`, and the header's first word. */
  header(slot: number): Prdt & { readonly options: number } {
    const bytes = new Uint8Array(HEADER_BYTES);
    this.#options.dma.read(at(this.state.list) + slot * HEADER_BYTES, bytes);
    const view = new DataView(bytes.buffer);
    const table = (view.getUint32(8, true) & ~0x7f) >>> 0;
    return { options: view.getUint16(0, true), entries: view.getUint16(2, true), table: table + view.getUint32(12, true) * 0x1_0000_0000 };
  }

  commandFis(table: number): CommandFis | undefined {
    const bytes = new Uint8Array(COMMAND_FIS_BYTES);
    this.#options.dma.read(table, bytes);
    return parseCommandFis(bytes);
  }

  // Commands

  /** Begins issued commands, as long as the drive can take one. */
  process(): void {
    if (this.#processing) return;
    this.#processing = true;
    try {
      while (this.#ready()) this.#begin(this.#nextSlot());
    } finally {
      this.#processing = false;
    }
  }

  #ready(): boolean {
    const { state, drive } = this;
    const runs = (state.command & PortCommand.ST) !== 0 && !state.stopped && state.current === null && state.issued !== 0;
    return runs && drive !== undefined && (state.control & DETECT_MASK) === 0 && this.#options.mayMaster();
  }

  /** Slots take turns (5.3.2.2). */
  #nextSlot(): number {
    const { issued, last } = this.state;
    let slot = last;
    do slot = (slot + 1) % SLOTS;
    while (((issued >>> slot) & 1) === 0);
    return slot;
  }

  #begin(slot: number): void {
    const { state } = this;
    const drive = this.drive!;
    state.last = slot;
    const { table, entries } = this.header(slot);
    const fis = this.commandFis(table);
    if (fis === undefined || fis.portMultiplier !== 0) {
      this.#options.log.guest(`ahci: slot ${slot} holds no register FIS for this port`);
      return this.stopForError(PortInterrupt.IFS);
    }
    if (!fis.command) return this.#controlFis(slot, fis);
    if (this.#queue !== undefined && NativeQueue.takes(fis.code)) {
      this.#done(slot);
      return this.#queue.begin(slot, fis, { table, entries });
    }
    this.#queue?.settle(); // software waits for queued commands before it sends others (ATA8-ACS 4.15); if it did not, the drive does
    if (state.stopped) return;
    state.current = { slot, table, entries, cursor: { entry: 0, offset: 0 }, moved: 0 };
    Object.assign(drive.state.task, fis.task);
    Object.assign(drive.state.previous, fis.previous);
    drive.state.device = fis.device;
    if (drive.state.stage !== 'idle') drive.cancel();
    drive.execute(fis.code);
    this.#pump();
  }

  #done(slot: number): void {
    this.state.issued = (this.state.issued & ~(1 << slot)) >>> 0;
  }

  /** A software reset is two control FISes (10.4.1). */
  #controlFis(slot: number, fis: CommandFis): void {
    const { state } = this;
    const drive = this.drive!;
    const srst = (fis.control & Control.SRST) !== 0;
    if (srst && !state.softReset) {
      this.#queue?.drop();
      state.queued = 0;
      drive.holdReset();
      this.updateTaskFile();
    } else if (!srst && state.softReset) {
      drive.softReset();
      this.#postSignature();
    }
    state.softReset = srst;
    this.#done(slot);
  }

  /** DriveHost */
  changed(): void {
    this.#pump();
    this.process();
  }

  /** DriveHost */
  dmaRequest(): void {
    this.#pump();
  }

  /** Moves what the drive wants moved, and sees when it is done. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#step());
    } finally {
      this.#pumping = false;
    }
  }

  #step(): boolean {
    const { drive } = this;
    const { current } = this.state;
    if (drive === undefined || current === null) return false;
    const wanted = drive.dmaWanted;
    if (wanted !== undefined) {
      const { memory, cursor, short, interrupt } = gather(this.#options.dma, current, current.cursor, wanted.direction, wanted.bytes);
      if (short) {
        memory.addNothing(wanted.bytes - memory.length);
        this.raise(PortInterrupt.OFS);
      }
      drive.dmaMove(memory, () => this.#moved(current, cursor, wanted.bytes, interrupt));
      return true;
    }
    const block = drive.takeBlock();
    if (block !== undefined) {
      this.#moveBlock(drive, current, block);
      return true;
    }
    if (drive.state.stage === 'idle') this.#finish(drive, current);
    else this.updateTaskFile();
    return false;
  }

  #moved(current: PortCommandState, cursor: PortCommandState['cursor'], bytes: number, interrupt: boolean): void {
    current.cursor = cursor;
    current.moved += bytes;
    if (interrupt) this.raise(PortInterrupt.DPS);
  }

  /** A DRQ block (PIO). The command block of PACKET comes from its own place in the table. */
  #moveBlock(drive: SataDrive, current: PortCommandState, block: Uint8Array): void {
    const { dma } = this.#options;
    const toHost = drive.state.transfer.direction === 'in';
    const interrupts = drive.state.interrupt;
    const before = { ...drive.state };
    if (drive instanceof PacketDrive && drive.state.phase === 'packet') dma.read(current.table + TABLE_PACKET, block);
    else {
      const { memory, cursor, short, interrupt } = gather(dma, current, current.cursor, toHost ? 'in' : 'out', block.length);
      if (short) {
        memory.addNothing(block.length - memory.length);
        this.raise(PortInterrupt.OFS);
      }
      if (toHost) memory.fill(block);
      else memory.drainTo(block);
      memory.finish();
      this.#moved(current, cursor, block.length, interrupt);
    }
    const { length } = block;
    drive.acknowledge();
    drive.blockMoved();
    this.post(ReceivedFis.PIO_SETUP, pioSetupFis(before, toHost, interrupts, drive.state.status, length));
    if (interrupts) this.raise(PortInterrupt.PSS);
  }

  /** The drive is done with the command. */
  #finish(drive: SataDrive, { slot, moved }: PortCommandState): void {
    const { state } = this;
    const count = new Uint8Array(4);
    new DataView(count.buffer).setUint32(0, moved, true);
    this.#options.dma.write(at(state.list) + slot * HEADER_BYTES + 4, count);
    state.current = null;
    this.updateTaskFile();
    const failed = (drive.state.status & (Status.ERR | Status.DF)) !== 0;
    // After its last block a PIO read says nothing more: the PIO Setup FIS had the ending status (Serial ATA 3.1, 11.7).
    const silent = !drive.state.interrupt && drive.state.command !== RESETTING;
    drive.acknowledge();
    if (!silent) this.post(ReceivedFis.D2H_REGISTER, d2hRegisterFis(drive.state, true));
    if (failed) return this.stopForError(PortInterrupt.DHRS | PortInterrupt.TFES);
    this.#done(slot);
    if (!silent) this.raise(PortInterrupt.DHRS);
  }

  // Reset, load

  /** A reset of the controller or of the machine: software has to set the port up anew. */
  reset(): void {
    this.#queue?.drop();
    this.drive?.hardReset();
    Object.assign(this.state, newPortState());
    this.#linkUp();
  }

  loaded(): void {
    const { state, drive } = this;
    if (drive === undefined) {
      Object.assign(state, { current: null, queued: 0 });
      return;
    }
    drive.loaded();
    this.#queue?.loaded();
    this.#pump();
    this.process();
  }
}

function at([low, high]: readonly [number, number]): number {
  return high * 0x1_0000_0000 + low;
}
