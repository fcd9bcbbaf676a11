/*
 * What a PC's firmware finds in CMOS RAM about its machine: the IBM PC/AT layout as SeaBIOS and QEMU extend it (SeaBIOS src/hw/rtc.h,
 * docs/Runtime_config.md).
 */

const FLOPPY_TYPES = 0x10; // drive A in the high nibble
const HARD_DISK_TYPES = 0x12;
const EQUIPMENT = 0x14;
const BASE_MEMORY = 0x15; // KiB, 16 bits
const EXTENDED_MEMORY = 0x17; // KiB above 1 MiB, 16 bits
const EXTENDED_MEMORY_COPY = 0x30;
const CHECKSUM = 0x2e; // sum of 10h-2Dh, high byte first
const EXTENDED_MEMORY_2 = 0x34; // 64 KiB units above 16 MiB, 16 bits
const BOOT_FLAGS_1 = 0x38; // bit 0: do not check the floppy's signature; high nibble: third boot device
const DISK_TRANSLATION = 0x39; // two bits per drive
const BOOT_FLAGS_2 = 0x3d; // low nibble: first boot device, high nibble: second
const HIGH_MEMORY = 0x5b; // 64 KiB units above 4 GiB, 24 bits
const OTHER_PROCESSORS = 0x5f;

/** Where the type and the geometry of the two disks of the first channel stand. */
const HARD_DISKS = [
  { typeAt: 0x19, geometryAt: 0x1b, typeNibble: 0xf0 },
  { typeAt: 0x1a, geometryAt: 0x24, typeNibble: 0x0f },
] as const;
const USER_DEFINED_TYPE = 47;

const EQUIPMENT_FLOPPY = 0x01;
const EQUIPMENT_FPU = 0x02;
const EQUIPMENT_MOUSE = 0x04;

const KIB = 1024;
const MIB = 1024 * KIB;

export const CMOS_FLOPPY_TYPES = { none: 0, '360k': 1, '1.2m': 2, '720k': 3, '1.44m': 4, '2.88m': 5 } as const;
export type CmosFloppyType = keyof typeof CMOS_FLOPPY_TYPES;

const BOOT_DEVICES = { a: 1, c: 2, d: 3, n: 4 } as const;
export type CmosBootDevice = keyof typeof BOOT_DEVICES;

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

export interface CmosContents {
  /** Bytes of RAM below and above 4 GiB. */
  readonly lowMemory: number;
  readonly highMemory: number;
  readonly processors: number;
  readonly floppies: readonly [CmosFloppyType, CmosFloppyType];
  /** Up to three devices in order. */
  readonly bootOrder: readonly CmosBootDevice[];
  /** Disks 0 and 1 of the first IDE channel, as logical geometries. */
  readonly hardDisks?: readonly [DiskGeometry | undefined, DiskGeometry | undefined];
  /** SeaBIOS boots a floppy without AA55h signature when set (most old boot floppies have none). Default true. */
  readonly bootUnsignedFloppies?: boolean;
}

/** The 128 bytes of CMOS RAM; 00h-0Dh are the clock's and left 0. */
export function cmosFor(contents: CmosContents): Uint8Array {
  const cmos = new Uint8Array(128);
  const put = (at: number, value: number, size: number) => {
    for (let i = 0; i < size; i++) cmos[at + i] = Math.floor(value / 256 ** i) & 0xff;
  };
  const units = (size: number, unit: number, bits: number) => Math.min(Math.max(Math.floor(size / unit), 0), 2 ** bits - 1);

  put(BASE_MEMORY, units(Math.min(contents.lowMemory, 640 * KIB), KIB, 16), 2);
  for (const at of [EXTENDED_MEMORY, EXTENDED_MEMORY_COPY]) put(at, units(contents.lowMemory - MIB, KIB, 16), 2);
  put(EXTENDED_MEMORY_2, units(contents.lowMemory - 16 * MIB, 64 * KIB, 16), 2);
  put(HIGH_MEMORY, units(contents.highMemory, 64 * KIB, 24), 3);
  cmos[OTHER_PROCESSORS] = contents.processors - 1;

  const [driveA, driveB] = contents.floppies.map((type) => CMOS_FLOPPY_TYPES[type]) as [number, number];
  cmos[FLOPPY_TYPES] = (driveA << 4) | driveB;
  const drives = (driveA ? 1 : 0) + (driveB ? 1 : 0);
  cmos[EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_MOUSE | (drives > 0 ? EQUIPMENT_FLOPPY | ((drives - 1) << 6) : 0);

  const [first, second, third] = contents.bootOrder.map((device) => BOOT_DEVICES[device]);
  cmos[BOOT_FLAGS_2] = (first ?? 0) | ((second ?? 0) << 4);
  cmos[BOOT_FLAGS_1] = ((third ?? 0) << 4) | (contents.bootUnsignedFloppies === false ? 0 : 1);

  contents.hardDisks?.forEach((geometry, index) => {
    if (geometry !== undefined) putHardDisk(cmos, index, geometry, put);
  });

  const sum = checksum(cmos);
  cmos[CHECKSUM] = sum >> 8;
  cmos[CHECKSUM + 1] = sum & 0xff;
  return cmos;
}

function putHardDisk(cmos: Uint8Array, index: number, disk: DiskGeometry, put: (at: number, value: number, size: number) => void): void {
  const { typeAt, geometryAt, typeNibble } = HARD_DISKS[index]!;
  cmos[HARD_DISK_TYPES] = cmos[HARD_DISK_TYPES]! | typeNibble; // 0Fh: see the extended type
  cmos[typeAt] = USER_DEFINED_TYPE;
  put(geometryAt, disk.cylinders, 2);
  cmos[geometryAt + 2] = disk.heads;
  put(geometryAt + 3, 0xffff, 2); // no write precompensation
  cmos[geometryAt + 5] = 0xc0 | (disk.heads > 8 ? 0x08 : 0); // control byte: no retries, more than 8 heads
  put(geometryAt + 6, disk.cylinders, 2); // landing zone
  cmos[geometryAt + 8] = disk.sectors;
  // A disk within the 1024 x 16 x 63 of INT 13h needs no translation (0); a larger one is addressed by LBA (1).
  const translation = disk.cylinders <= 1024 && disk.heads <= 16 && disk.sectors <= 63 ? 0 : 1;
  cmos[DISK_TRANSLATION] = cmos[DISK_TRANSLATION]! | (translation << (index * 2));
}

/** Sum of the bytes 10h-2Dh. */
function checksum(cmos: Uint8Array): number {
  let sum = 0;
  for (let at = FLOPPY_TYPES; at < CHECKSUM; at++) sum += cmos[at]!;
  return sum;
}
