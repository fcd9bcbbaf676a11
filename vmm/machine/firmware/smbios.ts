import { concat } from '../acpi/aml.ts';

/* System management BIOS reference specification 2.8: what dmidecode and operating systems read about the machine. */

export interface SmbiosBoard {
  readonly uuid: string;
  readonly cpus: number;
  /** Brand string of the CPU model. */
  readonly cpuName: string;
  /** Bytes of RAM below and above 4 GiB. */
  readonly lowRam: number;
  readonly highRam: number;
  readonly version: string;
}

export interface SmbiosFiles {
  /** etc/smbios/smbios-anchor: the entry point; firmware fills in address and checksums. */
  readonly anchor: Uint8Array;
  /** etc/smbios/smbios-tables */
  readonly tables: Uint8Array;
}

const MANUFACTURER = 'Strate';
const PRODUCT = 'Strate PC (i440FX + PIIX3)';
const FOUR_GIB = 0x1_0000_0000;
const KIB = 1024;
const MIB = 1024 * KIB;

const BIOS = 0;
const SYSTEM = 1;
const ENCLOSURE = 3;
const PROCESSOR = 4;
const MEMORY_ARRAY = 16;
const MEMORY_DEVICE = 17;
const MAPPED_ADDRESS = 19;
const BOOT_INFORMATION = 32;
const END_OF_TABLE = 127;

/** Handles: the type in the high byte, an index in the low one. */
const handle = (type: number, index = 0): number => (type << 8) | index;
const NO_HANDLE = 0xfffe;

export function smbiosFiles(board: SmbiosBoard): SmbiosFiles {
  const ram = board.lowRam + board.highRam;
  const structures = [
    structure(
      BIOS,
      0,
      [MANUFACTURER, board.version, '01/01/2026'],
      [1, 2, ...u16(0xe800), 3, 0, ...u32(0x08), ...u32(0), 0x01, 0x04, 1, 0, 0xff, 0xff], // ACPI; targeted content distribution
    ),
    structure(SYSTEM, 0, [MANUFACTURER, PRODUCT, board.version], [1, 2, 3, 0, ...uuidBytes(board.uuid), 0x06, 0, 0]), // power switch
    structure(ENCLOSURE, 0, [MANUFACTURER, board.version], [1, 0x01, 2, 0, 0, 0x03, 0x03, 0x03, 0x02, ...u32(0), 0, 0, 0, 0, 0]),
    ...Array.from({ length: board.cpus }, (_, index) => processor(board, index)),
    structure(MEMORY_ARRAY, 0, [], [0x01, 0x03, 0x06, ...u32(ram / KIB), ...u16(NO_HANDLE), ...u16(1), ...u32(0), ...u32(0)]),
    memoryDevice(ram),
    mappedRange(0, 0, board.lowRam),
    ...(board.highRam > 0 ? [mappedRange(1, FOUR_GIB, board.highRam)] : []),
    structure(BOOT_INFORMATION, 0, [], [0, 0, 0, 0, 0, 0, 0]),
    structure(END_OF_TABLE, 0, [], []),
  ];
  const tables = concat(...structures);
  return { tables, anchor: entryPoint(tables.length, structures.length, Math.max(...structures.map(({ length }) => length))) };
}

/** The formatted area and the strings behind it, each ended by 0, all by another. */
function structure(type: number, index: number, strings: readonly string[], formatted: readonly number[]): Uint8Array {
  const text = strings.map((each) => concat(new TextEncoder().encode(each), [0]));
  return concat([type, 4 + formatted.length], u16(handle(type, index)), formatted, ...(text.length > 0 ? text : [[0]]), [0]);
}

function processor({ cpuName, version }: SmbiosBoard, index: number): Uint8Array {
  return structure(
    PROCESSOR,
    index,
    [`CPU ${index}`, MANUFACTURER, cpuName, version],
    [
      1,
      0x03, // central processor
      0x01, // family: other
      2,
      ...new Array<number>(8).fill(0), // processor ID: CPUID tells
      3,
      0,
      ...u16(0), // external clock unknown
      ...u16(0),
      ...u16(0),
      0x41, // populated, enabled
      0x01, // upgrade: other
      ...u16(0xffff), // no cache handles
      ...u16(0xffff),
      ...u16(0xffff),
      0,
      0,
      0,
      1, // cores, enabled, threads
      1,
      1,
      ...u16(0x02), // characteristics unknown
      ...u16(0x01),
    ],
  );
}

function memoryDevice(ram: number): Uint8Array {
  const mib = Math.ceil(ram / MIB);
  const size = mib < 0x7fff ? mib : 0x7fff;
  return structure(
    MEMORY_DEVICE,
    0,
    ['DIMM 0', MANUFACTURER],
    [
      ...u16(handle(MEMORY_ARRAY)),
      ...u16(NO_HANDLE),
      ...u16(0xffff), // width unknown
      ...u16(0xffff),
      ...u16(size),
      0x09, // DIMM
      0,
      1,
      0,
      0x07, // RAM
      ...u16(0x02),
      ...u16(0),
      2,
      0,
      0,
      0,
      0,
      ...u32(size === 0x7fff ? mib : 0),
      ...u16(0),
      ...new Array<number>(6).fill(0), // voltages unknown
    ],
  );
}

/** 7.20: addresses in KiB, the end inclusive. */
function mappedRange(index: number, base: number, length: number): Uint8Array {
  return structure(
    MAPPED_ADDRESS,
    index,
    [],
    [...u32(base / KIB), ...u32((base + length) / KIB - 1), ...u16(handle(MEMORY_ARRAY)), 1, ...u32(0), ...u32(0), ...u32(0), ...u32(0)],
  );
}

/** The 2.1 entry point, 31 bytes. */
function entryPoint(length: number, count: number, largest: number): Uint8Array {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  return concat(text('_SM_'), [0, 0x1f, 2, 8], u16(largest), new Uint8Array(6), text('_DMI_'), [0], u16(length), u32(0), u16(count), [0x28]);
}

/** 7.2.1: the first three fields are little-endian. */
/** Its first three fields are little-endian (7.2.1). */
export function uuidBytes(uuid: string): number[] {
  const bytes = (uuid.replaceAll('-', '').match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => bytes[index] ?? 0);
}

function u16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(Math.floor(value / 0x1_0000) & 0xffff)];
}
