/*
 * Registers and codes of ATA/ATAPI-6 (T13/1410D) and its successors; section numbers refer to it.
 */

/** Command block, offset from the channel's base (1F0h, 170h). */
export const Register = {
  data: 0,
  error: 1, // read
  features: 1, // write
  count: 2, // ATAPI: interrupt reason
  low: 3,
  mid: 4, // ATAPI: byte count, low
  high: 5, // ATAPI: byte count, high
  device: 6,
  status: 7, // read: also acknowledges the interrupt
  command: 7, // write
} as const;

/** Status register (7.15). */
export const Status = {
  ERR: 0x01, // ATAPI: CHK
  DRQ: 0x08,
  DSC: 0x10, // seek complete; SERV for overlapped commands
  DF: 0x20,
  DRDY: 0x40,
  BSY: 0x80,
} as const;

/** Error register (7.9). */
export const AtaError = {
  MARK: 0x01,
  ABRT: 0x04,
  IDNF: 0x10,
  UNC: 0x40,
  ICRC: 0x80,
} as const;

/** Device register (7.7). */
export const DeviceBits = { DEV: 0x10, LBA: 0x40, FIXED: 0xa0 } as const;

/** Device control register (7.8). */
export const Control = { nIEN: 0x02, SRST: 0x04, HOB: 0x80 } as const;

/** Interrupt reason register of a packet device (7.11). */
export const Reason = { CD: 0x01, IO: 0x02, REL: 0x04 } as const;

/** Error register after a reset or EXECUTE DEVICE DIAGNOSTIC (9.10): device 0 passed, device 1 passed or is not there. */
export const DIAGNOSTIC_PASSED = 0x01;

export const Command = {
  NOP: 0x00,
  DATA_SET_MANAGEMENT: 0x06,
  DEVICE_RESET: 0x08,
  RECALIBRATE: 0x10,
  READ_SECTORS: 0x20,
  READ_SECTORS_NO_RETRY: 0x21,
  READ_SECTORS_EXT: 0x24,
  READ_DMA_EXT: 0x25,
  READ_NATIVE_MAX_EXT: 0x27,
  READ_MULTIPLE_EXT: 0x29,
  READ_LOG_EXT: 0x2f,
  WRITE_SECTORS: 0x30,
  WRITE_SECTORS_NO_RETRY: 0x31,
  WRITE_SECTORS_EXT: 0x34,
  WRITE_DMA_EXT: 0x35,
  WRITE_MULTIPLE_EXT: 0x39,
  WRITE_VERIFY: 0x3c,
  WRITE_DMA_FUA_EXT: 0x3d,
  READ_VERIFY: 0x40,
  READ_VERIFY_NO_RETRY: 0x41,
  READ_VERIFY_EXT: 0x42,
  READ_LOG_DMA_EXT: 0x47,
  READ_FPDMA_QUEUED: 0x60,
  WRITE_FPDMA_QUEUED: 0x61,
  SEEK: 0x70,
  EXECUTE_DEVICE_DIAGNOSTIC: 0x90,
  INITIALIZE_DEVICE_PARAMETERS: 0x91,
  STANDBY_IMMEDIATE_ALT: 0x94,
  IDLE_IMMEDIATE_ALT: 0x95,
  STANDBY_ALT: 0x96,
  IDLE_ALT: 0x97,
  CHECK_POWER_MODE_ALT: 0x98,
  SLEEP_ALT: 0x99,
  PACKET: 0xa0,
  IDENTIFY_PACKET_DEVICE: 0xa1,
  SMART: 0xb0,
  READ_MULTIPLE: 0xc4,
  WRITE_MULTIPLE: 0xc5,
  SET_MULTIPLE_MODE: 0xc6,
  READ_DMA: 0xc8,
  READ_DMA_NO_RETRY: 0xc9,
  WRITE_DMA: 0xca,
  WRITE_DMA_NO_RETRY: 0xcb,
  WRITE_MULTIPLE_FUA_EXT: 0xce,
  STANDBY_IMMEDIATE: 0xe0,
  IDLE_IMMEDIATE: 0xe1,
  STANDBY: 0xe2,
  IDLE: 0xe3,
  READ_BUFFER: 0xe4,
  CHECK_POWER_MODE: 0xe5,
  SLEEP: 0xe6,
  FLUSH_CACHE: 0xe7,
  WRITE_BUFFER: 0xe8,
  FLUSH_CACHE_EXT: 0xea,
  IDENTIFY_DEVICE: 0xec,
  SET_FEATURES: 0xef,
  READ_NATIVE_MAX: 0xf8,
} as const;

/** Subcommands of SET FEATURES, in the features register (8.49). */
export const Feature = {
  WRITE_CACHE_ON: 0x02,
  TRANSFER_MODE: 0x03,
  APM_ON: 0x05,
  SATA_ON: 0x10,
  READ_LOOK_AHEAD_OFF: 0x55,
  KEEP_SETTINGS: 0x66,
  WRITE_CACHE_OFF: 0x82,
  APM_OFF: 0x85,
  SATA_OFF: 0x90,
  READ_LOOK_AHEAD_ON: 0xaa,
  REVERT_SETTINGS: 0xcc,
} as const;

/** Signature in count, low, mid, high after a reset (9.12). */
export const DISK_SIGNATURE = [0x01, 0x01, 0x00, 0x00] as const;
export const PACKET_SIGNATURE = [0x01, 0x01, 0x14, 0xeb] as const;
