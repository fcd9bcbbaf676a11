import type { Controller } from './fdc-82077.ts';
import { St0, St1, St2 } from './registers.ts';

/** N: 128 << N bytes a sector. Images hold sectors of 512. */
export const SIZE_CODE = 2;

export interface Address {
  readonly cylinder: number;
  readonly head: number;
  readonly sector: number;
}

/** The seven result bytes of data commands (table 5-1), and the interrupt. */
export function finish(fdc: Controller, address: Address, status1: number, status2: number): void {
  const { drive, head } = fdc.state.transfer;
  // A scan that is not satisfied, and sectors skipped by their mark, are no errors.
  const harmless = St2.CONTROL_MARK | St2.SCAN_EQUAL | St2.SCAN_NOT_SATISFIED;
  const abnormal = status1 !== 0 || (status2 & ~harmless) !== 0;
  const status0 = (abnormal ? St0.ABNORMAL : 0) | (head << 2) | drive;
  fdc.respond([status0, status1, status2, address.cylinder, address.head, address.sector, SIZE_CODE], true);
}

/** No address mark came by in two turns: no medium, one of another density, or none of the disk's tracks under the heads. */
export function nothingThere(fdc: Controller): void {
  const { cylinder, head, sector } = fdc.state.transfer;
  finish(fdc, { cylinder, head, sector }, St1.MISSING_ADDRESS_MARK, 0);
}

/** Whether the drive has a medium whose recording the controller can read at its data rate. */
export function readable(fdc: Controller): boolean {
  const drive = fdc.drives[fdc.state.transfer.drive];
  return drive?.medium !== undefined && drive.cylinder !== undefined && drive.readsAt(fdc.rate);
}
