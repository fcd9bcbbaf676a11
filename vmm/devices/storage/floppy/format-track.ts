import { SECTOR_BYTES } from '../../../base/disk-backend.ts';
import { serveDma } from './data-transfer.ts';
import { noTransfer } from './controller-state.ts';
import type { Controller } from './fdc-82077.ts';
import { St1 } from './registers.ts';
import { finish, nothingThere, readable, SIZE_CODE } from './result.ts';

const ID_BYTES = 4;

/**
 * FORMAT TRACK (5.1.7): the host sends the ID of each sector, and the sector is filled. An image has the sectors its format has: others that are
 * asked for are formatted into nothing.
 */
export function formatTrack(fdc: Controller, bytes: Uint8Array): void {
  const { transfer } = fdc.state;
  const drive = fdc.drives[bytes[1]! & 1];
  Object.assign(transfer, noTransfer(), { drive: bytes[1]! & 1, head: (bytes[1]! >> 2) & 1, cylinder: drive?.cylinder ?? 0, formatLeft: bytes[3]! });
  if (readable(fdc) && drive?.medium?.readOnly === true) return finish(fdc, transfer, St1.NOT_WRITABLE, 0);
  fdc.goOn();
}

export function resumeFormat(fdc: Controller): void {
  const { state } = fdc;
  const { transfer } = state;
  if (!readable(fdc) || (state.command[1]! & 2) !== 0) return nothingThere(fdc);
  if (state.phase === 'medium') return writeSector(fdc);
  Object.assign(transfer, { filled: ID_BYTES, position: 0 });
  if (fdc.usesDma) return serveDma(fdc);
  state.phase = 'host';
  fdc.setInterrupt(true);
}

/** The ID has come by DMA. */
export function formatIdMoved(fdc: Controller): void {
  const { transfer } = fdc.state;
  if (transfer.position < ID_BYTES) finish(fdc, transfer, St1.OVERRUN, 0);
  else writeSector(fdc);
}

export function formatHostByte(fdc: Controller, byte: number | undefined): number {
  const { buffer, transfer } = fdc.state;
  if (byte === undefined || transfer.position >= ID_BYTES) return 0;
  buffer[transfer.position++] = byte;
  fdc.setInterrupt(false);
  if (transfer.position < ID_BYTES) fdc.setInterrupt(true);
  else writeSector(fdc);
  return 0;
}

/** Fills the sector whose ID is in the buffer. */
function writeSector(fdc: Controller): void {
  const { state } = fdc;
  const { transfer, buffer, command } = state;
  const drive = fdc.drives[transfer.drive]!;
  const [cylinder, head, sector, size] = [buffer[0]!, buffer[1]!, buffer[2]!, buffer[3]!];
  transfer.sector = sector;
  const offset = size === SIZE_CODE && drive.isAt(cylinder) && head === transfer.head ? drive.offsetOf(cylinder, head, sector) : undefined;
  const next = (): void => {
    if (transfer.formatLeft <= 1) return finish(fdc, transfer, 0, 0);
    transfer.formatLeft--;
    fdc.goOn();
  };
  if (offset === undefined) return next();
  state.phase = 'medium';
  const data = fdc.shared.subarray(0, SECTOR_BYTES).fill(command[5]!);
  fdc.gate.submit(drive.medium!, { op: 'write', offset, length: SECTOR_BYTES, segments: [data] }, (status) => {
    if (status === 'ok') next();
    else finish(fdc, transfer, status === 'refused' ? St1.NOT_WRITABLE : St1.DATA_ERROR, 0);
  });
}
