import type { Controller } from './fdc-82077.ts';
import { noTransfer } from './controller-state.ts';
import { finish, nothingThere, readable } from './result.ts';

/** Nanoseconds per turn at 300 rpm. */
const TURN = 200_000_000;

/** READ ID (5.1.6): the next ID field that comes by. */
export function readId(fdc: Controller, bytes: Uint8Array): void {
  const { transfer } = fdc.state;
  Object.assign(transfer, noTransfer(), { drive: bytes[1]! & 1, head: (bytes[1]! >> 2) & 1 });
  fdc.goOn();
}

export function resumeReadId(fdc: Controller): void {
  const { transfer, command } = fdc.state;
  const drive = fdc.drives[transfer.drive];
  const cylinder = drive?.cylinder;
  const format = drive?.format;
  if ((command[1]! & 2) !== 0 || !readable(fdc) || cylinder === undefined || format === undefined || transfer.head >= format.heads)
    return nothingThere(fdc);
  const sector = Math.floor(((fdc.context.scheduler.now() % TURN) / TURN) * format.sectors) + 1;
  finish(fdc, { cylinder, head: transfer.head, sector }, 0, 0);
}
