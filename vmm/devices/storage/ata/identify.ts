import { SECTOR_BYTES } from '../../../base/disk-backend.ts';
import type { AtaDisk } from './disk.ts';

/** ASCII as IDENTIFY gives it: padded with spaces, the first character of each pair in the high byte (8.16.8). */
export function putString(data: Uint8Array, word: number, words: number, text: string): void {
  for (let i = 0; i < words * 2; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x20;
    data[word * 2 + (i ^ 1)] = code >= 0x20 && code < 0x7f ? code : 0x20;
  }
}

/** Puts 16-bit words, by number. */
export function putWords(data: Uint8Array, words: Readonly<Record<number, number>>): void {
  for (const [word, value] of Object.entries(words)) {
    data[Number(word) * 2] = value & 0xff;
    data[Number(word) * 2 + 1] = (value >> 8) & 0xff;
  }
}

/** Word 255: A5h, and what makes all 512 bytes add up to zero (8.16.68). */
export function putChecksum(data: Uint8Array): void {
  data[510] = 0xa5;
  data[511] = 0;
  data[511] = -data.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** Words 63 and 88: the modes the drive can do, and which one it is set to. */
export function dmaModeWords(mode: number): { 63: number; 88: number } {
  const [kind, number] = [mode >> 3, mode & 7];
  return { 63: 0x0007 | (kind === 4 ? 0x100 << number : 0), 88: 0x003f | (kind === 8 ? 0x100 << number : 0) };
}

/** Features of words 82-84, of which 85-87 say which are on. */
const SMART = 0x0001;
const POWER_MANAGEMENT = 0x0008;
const WRITE_CACHE = 0x0020;
const LOOK_AHEAD = 0x0040;
const WRITE_BUFFER = 0x1000;
const READ_BUFFER = 0x2000;
const NOP = 0x4000;
const APM = 0x0008;
const LBA48 = 0x0400;
const FLUSH_CACHE = 0x1000;
const FLUSH_CACHE_EXT = 0x2000;
const SMART_LOGGING = 0x0001;
const GENERAL_LOG = 0x0020;
const WRITE_FUA_EXT = 0x0040;
/** "Bit 14 shall be set to one, bit 15 to zero": the word is valid. */
const VALID = 0x4000;

/** The 512 bytes of IDENTIFY DEVICE (8.16, table 26). */
export function identifyDisk(disk: AtaDisk): Uint8Array {
  const { state, geometry, capacity, options } = disk;
  const data = new Uint8Array(SECTOR_BYTES);
  const solid = options.kind !== 'rotating';
  const chsCylinders = Math.min(65535, Math.floor(Math.min(capacity, 0xffff_ffff) / (state.heads * state.sectorsPerTrack)));
  const chsSectors = Math.min(chsCylinders * state.heads * state.sectorsPerTrack, 16383 * 16 * 63);
  const lba28 = Math.min(capacity, 0x0fff_ffff);
  const dma = dmaModeWords(state.dmaMode);
  const on = (flag: boolean, bit: number) => (flag ? bit : 0);

  putWords(data, {
    0: 0x0040, // ATA device, not removable
    1: geometry.cylinders,
    3: geometry.heads,
    4: geometry.sectors * SECTOR_BYTES, // retired, but read by old drivers: bytes per track
    5: SECTOR_BYTES, // retired: bytes per sector
    6: geometry.sectors,
    20: 3, // retired: dual-ported buffer with look-ahead
    21: 32, // retired: buffer size in sectors
    22: 4, // retired: ECC bytes of READ LONG
    47: 0x8010, // READ MULTIPLE up to 16 sectors
    48: 0x0001, // 32-bit PIO
    49: 0x0f00, // IORDY, LBA, DMA
    50: VALID,
    51: 0x0200, // PIO mode 2 before words 64-70 are known
    52: 0x0200,
    53: 0x0007, // words 54-58, 64-70 and 88 are valid
    54: chsCylinders,
    55: state.heads,
    56: state.sectorsPerTrack,
    57: chsSectors & 0xffff,
    58: chsSectors >>> 16,
    59: state.multiple > 0 ? 0x0100 | state.multiple : 0,
    60: lba28 & 0xffff,
    61: lba28 >>> 16,
    63: dma[63],
    64: 0x0003, // PIO 3 and 4
    65: 120, // cycle times, ns
    66: 120,
    67: 120,
    68: 120,
    69: solid ? 0x4000 : 0, // DATA SET MANAGEMENT gives the same result for each read after it
    75: options.serialAta ? 31 : 0,
    76: options.serialAta ? 0x0106 : 0, // NCQ, SATA 1.5 and 3 Gb/s
    78: 0,
    80: 0x01f0, // ATA/ATAPI-4 to ATA8-ACS: words 105 and 169 count from there on
    81: 0, // of no particular draft
    82: SMART | POWER_MANAGEMENT | WRITE_CACHE | LOOK_AHEAD | WRITE_BUFFER | READ_BUFFER | NOP,
    83: VALID | APM | LBA48 | FLUSH_CACHE | FLUSH_CACHE_EXT,
    84: VALID | SMART_LOGGING | GENERAL_LOG | WRITE_FUA_EXT,
    85:
      on(state.smart, SMART) |
      POWER_MANAGEMENT |
      on(state.writeCache, WRITE_CACHE) |
      on(state.readLookAhead, LOOK_AHEAD) |
      WRITE_BUFFER |
      READ_BUFFER |
      NOP,
    86: on(state.powerManagement > 0, APM) | LBA48 | FLUSH_CACHE | FLUSH_CACHE_EXT,
    87: VALID | SMART_LOGGING | GENERAL_LOG | WRITE_FUA_EXT,
    88: dma[88],
    91: state.powerManagement,
    93: options.serialAta ? 0 : 0x600b, // 80-wire cable, device 0 passed its diagnostics
    100: capacity & 0xffff,
    101: Math.floor(capacity / 0x1_0000) & 0xffff,
    102: Math.floor(capacity / 0x1_0000_0000) & 0xffff,
    105: solid ? 8 : 0, // 512-byte blocks per DATA SET MANAGEMENT
    106: VALID, // 512-byte physical sectors
    169: solid ? 1 : 0, // TRIM
    217: solid ? 1 : 7200, // rotation rate; 1: does not rotate
  });
  putString(data, 10, 10, options.serial ?? 'ST00000001');
  putString(data, 23, 4, options.firmware ?? '1.0');
  putString(data, 27, 20, options.model ?? 'Strate Disk');
  putChecksum(data);
  return data;
}
