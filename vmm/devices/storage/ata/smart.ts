import { SECTOR_BYTES } from '../../../base/disk-backend.ts';
import type { AtaDisk } from './disk.ts';
import { seal, smartLog } from './logs.ts';
import { AtaError } from './registers.ts';

/** LBA mid and high must hold these for SMART commands to be taken (8.55). */
export const SMART_MID = 0x4f;
export const SMART_HIGH = 0xc2;

/** Subcommands, in the features register (table 38). */
const Smart = {
  READ_DATA: 0xd0,
  READ_THRESHOLDS: 0xd1,
  AUTOSAVE: 0xd2,
  SAVE: 0xd3,
  OFF_LINE: 0xd4,
  READ_LOG: 0xd5,
  WRITE_LOG: 0xd6,
  ENABLE: 0xd8,
  DISABLE: 0xd9,
  RETURN_STATUS: 0xda,
  AUTOMATIC_OFF_LINE: 0xdb,
} as const;

/** id, flags, normalised value, threshold, raw value: what smartctl shows of a drive in good health. */
const attributes: readonly (readonly [id: number, flags: number, value: number, threshold: number, raw: number])[] = [
  [0x01, 0x000f, 100, 50, 0], // raw read error rate
  [0x05, 0x0033, 100, 36, 0], // reallocated sectors
  [0x09, 0x0032, 100, 0, 0], // power-on hours
  [0x0c, 0x0032, 100, 0, 1], // power cycles
  [0xc2, 0x0022, 70, 0, 30], // temperature, Celsius
  [0xc5, 0x0012, 100, 0, 0], // pending sectors
  [0xc7, 0x003e, 100, 0, 0], // interface CRC errors
];

function table(entry: (view: DataView, at: number, index: number) => void, rest: (data: Uint8Array) => void): Uint8Array {
  const data = new Uint8Array(SECTOR_BYTES);
  const view = new DataView(data.buffer);
  view.setUint16(0, 0x0010, true);
  attributes.forEach((_, index) => entry(view, 2 + index * 12, index));
  rest(data);
  return seal(data);
}

/** 8.55.5.8: attributes as drives give them since SFF-8035i, then what the drive can do. */
const readData = () =>
  table(
    (view, at, index) => {
      const [id, flags, value, , raw] = attributes[index]!;
      view.setUint8(at, id);
      view.setUint16(at + 1, flags, true);
      view.setUint8(at + 3, value);
      view.setUint8(at + 4, value);
      view.setUint32(at + 5, raw, true);
    },
    (data) => {
      data[362] = 0x02; // off-line collection was completed
      data[367] = 0x01; // EXECUTE OFF-LINE IMMEDIATE is there
      data[368] = 0x03; // saves data before power modes change
      data[370] = 0x01; // error logging
      data[372] = data[373] = 1; // minutes of the self-tests
    },
  );

const readThresholds = () =>
  table(
    (view, at, index) => {
      const [id, , , threshold] = attributes[index]!;
      view.setUint8(at, id);
      view.setUint8(at + 1, threshold);
    },
    () => undefined,
  );

const ok = (disk: AtaDisk) => disk.ok();
const subcommands: Readonly<Record<number, (disk: AtaDisk) => void>> = {
  [Smart.READ_DATA]: (disk) => disk.send(readData()),
  [Smart.READ_THRESHOLDS]: (disk) => disk.send(readThresholds()),
  [Smart.AUTOSAVE]: ok,
  [Smart.SAVE]: ok,
  [Smart.OFF_LINE]: ok, // the test is over at once, without a finding
  [Smart.AUTOMATIC_OFF_LINE]: ok,
  [Smart.READ_LOG](disk) {
    const data = disk.state.task.count === 1 ? smartLog(disk.state.task.low) : undefined;
    if (data === undefined) disk.fail(AtaError.ABRT);
    else disk.send(data);
  },
  [Smart.WRITE_LOG]: (disk) => disk.fail(AtaError.ABRT),
  [Smart.DISABLE](disk) {
    disk.state.smart = false;
    disk.ok();
  },
  [Smart.RETURN_STATUS]: ok, // mid and high stay 4Fh, C2h: no threshold was exceeded
};

export function smart(disk: AtaDisk): void {
  const { task } = disk.state;
  if (task.mid !== SMART_MID || task.high !== SMART_HIGH) return disk.fail(AtaError.ABRT);
  if (task.features === Smart.ENABLE) {
    disk.state.smart = true;
    return disk.ok();
  }
  const run = disk.state.smart ? subcommands[task.features] : undefined;
  if (run === undefined) disk.fail(AtaError.ABRT);
  else run(disk);
}
