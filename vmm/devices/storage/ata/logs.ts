import { SECTOR_BYTES } from '../../../base/disk-backend.ts';
import type { AtaDisk } from './disk.ts';
import type { TaskRegisters } from './drive-state.ts';

/** Log addresses (8.32, A.1). */
export const Log = { DIRECTORY: 0x00, SUMMARY_ERROR: 0x01, EXTENDED_ERROR: 0x03, SELF_TEST: 0x06, NCQ_ERROR: 0x10 } as const;

/** One byte more, so that each 512 bytes add up to zero. */
export function seal(sector: Uint8Array): Uint8Array {
  sector[511] = 0;
  sector[511] = -sector.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return sector;
}

function sector(fill: (data: Uint8Array) => void): Uint8Array {
  const data = new Uint8Array(SECTOR_BYTES);
  fill(data);
  return data;
}

/** A.2: how many pages each log has. */
const directory = (logs: readonly number[]) =>
  sector((data) => {
    data[0] = 1;
    for (const log of logs) data[log * 2] = 1;
  });

/** The registers of a queued command as it failed. */
export interface QueuedError {
  readonly tag: number;
  readonly status: number;
  readonly error: number;
  readonly device: number;
  readonly task: TaskRegisters;
  readonly previous: TaskRegisters;
}

/** A.13; NQ is set where the last error was of no queued command. */
function queuedErrorLog(last: QueuedError | null): Uint8Array {
  const NQ = 0x80;
  return seal(
    sector((data) => {
      if (last === null) {
        data[0] = NQ;
        return;
      }
      const { tag, status, error, device, task, previous } = last;
      data.set([
        tag,
        0,
        status,
        error,
        task.low,
        task.mid,
        task.high,
        device,
        previous.low,
        previous.mid,
        previous.high,
        0,
        task.count,
        previous.count,
      ]);
    }),
  );
}

/** A drive in memory has no errors to report: the logs are there and empty. */
const generalLogs: Readonly<Record<number, (disk: AtaDisk) => Uint8Array>> = {
  [Log.DIRECTORY]: () => directory([Log.EXTENDED_ERROR, Log.NCQ_ERROR]),
  [Log.EXTENDED_ERROR]: () => seal(sector((data) => (data[0] = 1))), // A.7: version
  [Log.NCQ_ERROR]: (disk) => queuedErrorLog(disk.queuedError()),
};

const smartLogs: Readonly<Record<number, () => Uint8Array>> = {
  [Log.DIRECTORY]: () => directory([Log.SUMMARY_ERROR, Log.SELF_TEST]),
  [Log.SUMMARY_ERROR]: () => seal(sector((data) => (data[0] = 1))), // 8.55.6.8.2: version
  [Log.SELF_TEST]: () => seal(sector((data) => (data[0] = 1))), // 8.55.6.8.4: revision
};

/** `pages` pages of a general purpose log from `page` on; undefined if there is no such log. */
export function logPage(disk: AtaDisk, address: number, page: number, pages: number): Uint8Array | undefined {
  const make = generalLogs[address];
  if (make === undefined || page + pages > 1) return undefined;
  return make(disk);
}

export function smartLog(address: number): Uint8Array | undefined {
  return smartLogs[address]?.();
}
