import { SECTOR_BYTES } from '../../../base/disk-backend.ts';
import { BUFFER_BYTES, noTransfer } from './controller-state.ts';
import type { DmaTransfer } from '../../dma/dma-channel.ts';
import type { Controller } from './fdc-82077.ts';
import { Command, MULTI_TRACK, SKIP, St1, St2 } from './registers.ts';
import { finish, nothingThere, readable, SIZE_CODE } from './result.ts';

/*
 * READ, WRITE, VERIFY and SCAN (5.1.1-5.1.5): sectors from R on up to EOT, with MT then those of the other side, through the buffer a run (the rest
 * of a side) at a time. The transfer ends when the DMA controller counts its last byte (TC), or at EOT, which is an error.
 */

const code = (fdc: Controller) => fdc.state.command[0]! & 0x1f;
const multiTrack = (fdc: Controller) => (fdc.state.command[0]! & MULTI_TRACK) !== 0;
const isVerify = (fdc: Controller) => code(fdc) === Command.VERIFY;
/** 5.1.4: with EC set, DTL counts the sectors to verify. */
const VERIFY_ENABLE_COUNT = 0x80;

export function beginData(fdc: Controller, bytes: Uint8Array): void {
  const { state } = fdc;
  const { transfer } = state;
  const drive = fdc.drives[bytes[1]! & 1];
  const IMPLIED_SEEK = 0x40;
  Object.assign(transfer, noTransfer(), {
    drive: bytes[1]! & 1,
    cylinder: bytes[2]!,
    head: bytes[3]! & 1,
    sector: code(fdc) === Command.READ_TRACK ? 1 : bytes[4]!,
    last: bytes[6]!,
    formatLeft: isVerify(fdc) && (bytes[1]! & VERIFY_ENABLE_COUNT) !== 0 ? bytes[8]! : 0,
  });
  if ((state.configure & IMPLIED_SEEK) !== 0) {
    drive?.seek(transfer.cylinder);
    state.presentCylinder[transfer.drive] = transfer.cylinder;
  }
  fdc.goOn();
}

/** Soon after, and when a state is loaded in the middle of a request. */
export function resumeData(fdc: Controller): void {
  const { state } = fdc;
  const { transfer, command } = state;
  const drive = fdc.drives[transfer.drive];
  if ((command[1]! & 2) !== 0 || !readable(fdc) || drive === undefined) return nothingThere(fdc);
  const writes = fdc.command?.direction === 'out';
  if (writes && drive.medium!.readOnly) return finish(fdc, transfer, St1.NOT_WRITABLE, 0);
  if (state.phase === 'medium' && writes) return writeRun(fdc);
  if (!drive.isAt(transfer.cylinder)) return finish(fdc, transfer, St1.NO_DATA, St2.WRONG_CYLINDER);
  // The head select line is from byte 1, the ID's head from byte 3: they have to agree on media of ours.
  const wrongHead = ((command[1]! >> 2) & 1) !== (command[3]! & 1);
  if (command[5] !== SIZE_CODE || wrongHead || runLength(fdc) === 0) return finish(fdc, transfer, St1.NO_DATA, 0);
  if (fdc.command?.direction === 'compare' && !fdc.usesDma) return finish(fdc, transfer, St1.OVERRUN, 0); // SCAN is for DMA only, here
  if (!writes) return readRun(fdc);
  transfer.filled = runLength(fdc) * SECTOR_BYTES;
  transfer.position = 0;
  if (fdc.usesDma) serveDma(fdc);
  else awaitHost(fdc);
}

/** Sectors from the present one on that can be moved in one go: up to EOT, the end of the side, or the buffer. */
function runLength(fdc: Controller): number {
  const { transfer } = fdc.state;
  const drive = fdc.drives[transfer.drive]!;
  const most = transfer.formatLeft > 0 ? Math.min(transfer.formatLeft, BUFFER_BYTES / SECTOR_BYTES) : BUFFER_BYTES / SECTOR_BYTES;
  let count = 0;
  while (count < most && transfer.sector + count <= Math.max(transfer.last, transfer.sector)) {
    if (drive.offsetOf(transfer.cylinder, transfer.head, transfer.sector + count) === undefined) break;
    count++;
  }
  return count;
}

function runOffset(fdc: Controller): number {
  const { drive, cylinder, head, sector } = fdc.state.transfer;
  return fdc.drives[drive]!.offsetOf(cylinder, head, sector)!;
}

/** READ DELETED DATA: no sector of an image carries the deleted mark (5.1.2). */
function wantsDeleted(fdc: Controller): boolean {
  return code(fdc) === Command.READ_DELETED_DATA;
}

function readRun(fdc: Controller): void {
  const { state, shared } = fdc;
  const { transfer, buffer } = state;
  if (wantsDeleted(fdc) && (state.command[0]! & SKIP) !== 0) return finish(fdc, transfer, St1.NO_DATA, St2.CONTROL_MARK);
  const length = (wantsDeleted(fdc) ? 1 : runLength(fdc)) * SECTOR_BYTES;
  state.phase = 'medium';
  const medium = fdc.drives[transfer.drive]!.medium!;
  fdc.gate.submit(medium, { op: 'read', offset: runOffset(fdc), length, segments: [shared.subarray(0, length)] }, (status) => {
    if (status !== 'ok') return finish(fdc, transfer, St1.DATA_ERROR, St2.DATA_ERROR);
    buffer.set(shared.subarray(0, length));
    Object.assign(transfer, { filled: length, position: 0 });
    if (isVerify(fdc)) {
      if (transfer.formatLeft > 0) {
        transfer.formatLeft -= length / SECTOR_BYTES;
        transfer.ended = transfer.formatLeft === 0;
      }
      transfer.position = length;
      runDone(fdc);
    } else if (fdc.usesDma) serveDma(fdc);
    else awaitHost(fdc);
  });
}

/** Moves the buffer by DMA: now as far as the channel takes it, the rest when the guest unmasks it. */
export function serveDma(fdc: Controller): void {
  const { state } = fdc;
  const { transfer, buffer } = state;
  const { dma } = fdc.options;
  state.phase = 'dma';
  dma.request(fdc.dmaGate);
  if (!fdc.dmaGate || !dma.ready) return;
  const rest = buffer.subarray(transfer.position, transfer.filled);
  const { count, terminal } = move(fdc, rest);
  transfer.position += count;
  transfer.ended = terminal;
  if (transfer.position < transfer.filled && !terminal) return; // DREQ stays
  dma.request(false);
  if (fdc.command?.moved !== undefined) fdc.command.moved(fdc);
  else if (fdc.command?.direction !== 'out') runDone(fdc);
  else endRun(fdc);
}

function move(fdc: Controller, rest: Uint8Array): DmaTransfer {
  const { dma } = fdc.options;
  switch (fdc.command?.direction) {
    case 'out':
      return dma.receive(rest);
    case 'compare':
      return compare(fdc, rest);
    default:
      return dma.send(rest);
  }
}

/** SCAN (5.1.5): the host's bytes against the medium's; FFh of the host's matches anything. */
function compare(fdc: Controller, run: Uint8Array): DmaTransfer {
  const host = new Uint8Array(run.length);
  const progress = fdc.options.dma.receive(host);
  const { transfer } = fdc.state;
  let [lower, higher] = [false, false];
  for (let at = 0; at < progress.count; at++) {
    if (host[at] === 0xff || host[at] === run[at]) continue;
    if (run[at]! < host[at]!) lower = true;
    else higher = true;
  }
  const satisfied = { [Command.SCAN_LOW_OR_EQUAL]: !higher, [Command.SCAN_HIGH_OR_EQUAL]: !lower }[code(fdc)] ?? (!lower && !higher);
  transfer.status2 = satisfied ? (lower || higher ? 0 : St2.SCAN_EQUAL) : St2.SCAN_NOT_SATISFIED;
  return progress;
}

/** The host's data for a run have come. A sector that TC cuts short is filled up with zeros (5.1.3). */
function endRun(fdc: Controller): void {
  const { transfer, buffer } = fdc.state;
  const whole = Math.ceil(transfer.position / SECTOR_BYTES) * SECTOR_BYTES;
  buffer.fill(0, transfer.position, whole);
  transfer.filled = transfer.position = whole;
  if (whole === 0) runDone(fdc);
  else writeRun(fdc);
}

function writeRun(fdc: Controller): void {
  const { state, shared } = fdc;
  const { transfer, buffer } = state;
  const length = transfer.filled - (transfer.filled % SECTOR_BYTES);
  const drive = fdc.drives[transfer.drive]!;
  const offset = drive.offsetOf(transfer.cylinder, transfer.head, transfer.sector);
  if (offset === undefined) return finish(fdc, transfer, St1.NO_DATA, 0);
  state.phase = 'medium';
  shared.set(buffer.subarray(0, length));
  fdc.gate.submit(drive.medium!, { op: 'write', offset, length, segments: [shared.subarray(0, length)] }, (status) => {
    if (status === 'ok') runDone(fdc);
    else finish(fdc, transfer, status === 'refused' ? St1.NOT_WRITABLE : St1.DATA_ERROR, 0);
  });
}

/** The host moves the run byte by byte through the FIFO. */
function awaitHost(fdc: Controller): void {
  fdc.state.phase = 'host';
  fdc.setInterrupt(true);
}

/** In non-DMA mode each byte is asked for with an interrupt (2.1.7, 5.1). */
export function dataHostByte(fdc: Controller, byte: number | undefined): number {
  const { transfer, buffer } = fdc.state;
  const reading = fdc.command?.direction === 'in';
  if (reading !== (byte === undefined) || transfer.position >= transfer.filled) return 0;
  fdc.setInterrupt(false);
  const value = byte === undefined ? buffer[transfer.position]! : byte;
  buffer[transfer.position++] = value;
  if (transfer.position < transfer.filled) fdc.setInterrupt(true);
  else if (reading) runDone(fdc);
  else writeRun(fdc);
  return value;
}

/** Moves the address on by `count` sectors of this side. */
function advance(fdc: Controller, count: number): void {
  fdc.state.transfer.sector = (fdc.state.transfer.sector + count) & 0xff;
}

/** A run is moved: on to the other side, or the end. */
function runDone(fdc: Controller): void {
  const { transfer } = fdc.state;
  advance(fdc, Math.max(1, Math.ceil(transfer.position / SECTOR_BYTES)));
  const sideDone = transfer.sector > transfer.last || transfer.sector === 0;
  if (wantsDeleted(fdc)) transfer.status2 |= St2.CONTROL_MARK;
  if (transfer.ended || wantsDeleted(fdc)) return finish(fdc, sideDone ? nextSide(fdc) : transfer, 0, transfer.status2);
  if (!sideDone) return fdc.goOn(); // a longer side than the buffer, or one that ends before EOT: then the next sector is not found
  if (!multiTrack(fdc) || transfer.head === 1) return finish(fdc, nextSide(fdc), isVerify(fdc) ? 0 : St1.END_OF_CYLINDER, transfer.status2);
  Object.assign(transfer, { head: 1, sector: 1 });
  // The ID's head and the head select line go on together.
  fdc.state.command[1]! |= 4;
  fdc.state.command[3] = 1;
  fdc.goOn();
}

/** The address after EOT (table 5-8). */
function nextSide(fdc: Controller): { cylinder: number; head: number; sector: number } {
  const { cylinder, head } = fdc.state.transfer;
  if (multiTrack(fdc) && head === 0) return { cylinder, head: 1, sector: 1 };
  return { cylinder: (cylinder + 1) & 0xff, head: multiTrack(fdc) ? 0 : head, sector: 1 };
}

/** The medium was taken out in the middle. */
export function dataFailed(fdc: Controller): void {
  finish(fdc, fdc.state.transfer, St1.DATA_ERROR | St1.MISSING_ADDRESS_MARK, 0);
}
