/*
 * 82077AA CHMOS single-chip floppy disk controller (Intel 290166); section numbers refer to it. Ports are relative to 3F0h.
 */

export const Port = {
  statusA: 0,
  statusB: 1,
  digitalOutput: 2,
  tapeDrive: 3,
  mainStatus: 4, // read
  dataRate: 4, // write
  fifo: 5,
  digitalInput: 7, // read
  configurationControl: 7, // write
} as const;

/** Digital output register (2.1.2). */
export const Dor = { SELECT: 0x03, NOT_RESET: 0x04, DMA_GATE: 0x08, MOTORS: 0xf0 } as const;
/** Data rate select register (2.1.5). */
export const Dsr = { RATE: 0x03, SOFTWARE_RESET: 0x80 } as const;
/** Main status register (2.1.4). */
export const Msr = { DRIVE_BUSY: 0x0f, COMMAND_BUSY: 0x10, NON_DMA: 0x20, DIO: 0x40, RQM: 0x80 } as const;
/** Digital input register in AT mode (2.1.7). */
export const DISK_CHANGE = 0x80;

/** Kilobits per second by the two rate bits. */
export const dataRates = [500, 300, 250, 1000] as const;

/** Status register 0 (6.1). */
export const St0 = { ABNORMAL: 0x40, INVALID: 0x80, POLLING: 0xc0, SEEK_END: 0x20, EQUIPMENT_CHECK: 0x10, HEAD: 0x04 } as const;
export const St1 = { END_OF_CYLINDER: 0x80, DATA_ERROR: 0x20, OVERRUN: 0x10, NO_DATA: 0x04, NOT_WRITABLE: 0x02, MISSING_ADDRESS_MARK: 0x01 } as const;
export const St2 = { CONTROL_MARK: 0x40, DATA_ERROR: 0x20, WRONG_CYLINDER: 0x10, SCAN_EQUAL: 0x08, SCAN_NOT_SATISFIED: 0x04 } as const;
export const St3 = { WRITE_PROTECTED: 0x40, READY: 0x20, TRACK_0: 0x10, TWO_SIDED: 0x08 } as const;

/** Command codes, without the MT, MFM and SK bits (table 5-1). */
export const Command = {
  READ_TRACK: 0x02,
  SPECIFY: 0x03,
  SENSE_DRIVE_STATUS: 0x04,
  WRITE_DATA: 0x05,
  READ_DATA: 0x06,
  RECALIBRATE: 0x07,
  SENSE_INTERRUPT_STATUS: 0x08,
  WRITE_DELETED_DATA: 0x09,
  READ_ID: 0x0a,
  READ_DELETED_DATA: 0x0c,
  FORMAT_TRACK: 0x0d,
  DUMPREG: 0x0e,
  SEEK: 0x0f,
  VERSION: 0x10,
  SCAN_EQUAL: 0x11,
  PERPENDICULAR_MODE: 0x12,
  CONFIGURE: 0x13,
  LOCK: 0x14,
  VERIFY: 0x16,
  SCAN_LOW_OR_EQUAL: 0x19,
  SCAN_HIGH_OR_EQUAL: 0x1d,
} as const;

export const MULTI_TRACK = 0x80;
export const SKIP = 0x20;
/** RELATIVE SEEK is SEEK with bit 7; bit 6 is the direction, 1: to higher tracks. */
export const RELATIVE = 0x80;
export const RELATIVE_UP = 0x40;
/** VERSION's answer: an enhanced controller. */
export const ENHANCED = 0x90;
