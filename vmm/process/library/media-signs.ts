/** What stands on a medium that tells which system it is for: names in the root of a CD, kinds of partitions, texts of boot records. Trusts none of it. */

export interface MediumReader {
  readonly size: number;
  read(offset: number, into: Uint8Array): Promise<void>;
}

const BLOCK = 2048;
/** ECMA-119: the primary volume descriptor; El Torito 2.0: the boot record volume descriptor lies in the next block. */
const PRIMARY = 16 * BLOCK;
const BOOT_RECORD = 17 * BLOCK;
/** No root directory of an installer is longer, bytes. */
const MAX_ROOT = 64 * BLOCK;

async function bytesAt(medium: MediumReader, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const there = Math.max(0, Math.min(length, medium.size - offset));
  if (there > 0) await medium.read(offset, bytes.subarray(0, there));
  return bytes;
}

export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

export interface CdSigns {
  /** Volume, publisher, preparer and application of the primary descriptor. */
  readonly labels: readonly string[];
  /** Names in the root directory, without version numbers. */
  readonly names: readonly string[];
  readonly bootable: boolean;
  /** Platform of the El Torito default entry: `80x86`, `PowerPC`, `Mac`, `EFI`. */
  readonly bootPlatform?: string;
}

export async function readCd(medium: MediumReader): Promise<CdSigns> {
  const primary = await bytesAt(medium, PRIMARY, BLOCK);
  const field = (at: number, length: number) =>
    latin1(primary.subarray(at, at + length))
      .replaceAll(/[^\x20-\x7e]/g, ' ')
      .trim();
  const labels = [field(40, 32), field(318, 128), field(446, 128), field(574, 128)].filter((text) => text !== '');
  const view = new DataView(primary.buffer);
  const names = await rootNames(medium, view.getUint32(156 + 2, true), view.getUint32(156 + 10, true));
  return { labels, names, ...(await elTorito(medium)) };
}

/** Names of the entries of a directory (ECMA-119 9.1). */
async function rootNames(medium: MediumReader, block: number, length: number): Promise<string[]> {
  const names: string[] = [];
  if (block === 0 || length === 0 || length > MAX_ROOT) return names;
  const directory = await bytesAt(medium, block * BLOCK, length);
  for (let at = 0; at < length;) {
    const record = directory[at]!;
    if (record < 34) {
      at = (Math.floor(at / BLOCK) + 1) * BLOCK; // records do not cross blocks
      continue;
    }
    const nameLength = directory[at + 32]!;
    const name = latin1(directory.subarray(at + 33, Math.min(at + 33 + nameLength, at + record)));
    if (nameLength > 1) names.push(name.replace(/;\d+$/, '').replace(/\.$/, ''));
    at += record;
  }
  return names;
}

const platforms: Readonly<Record<number, string>> = { 0: '80x86', 1: 'PowerPC', 2: 'Mac', 0xef: 'EFI' };

async function elTorito(medium: MediumReader): Promise<Pick<CdSigns, 'bootable' | 'bootPlatform'>> {
  const record = await bytesAt(medium, BOOT_RECORD, 80);
  if (latin1(record.subarray(7, 30)) !== 'EL TORITO SPECIFICATION') return { bootable: false };
  const catalogue = await bytesAt(medium, new DataView(record.buffer).getUint32(0x47, true) * BLOCK, 64);
  const valid = catalogue[0] === 1 && catalogue[30] === 0x55 && catalogue[31] === 0xaa;
  if (!valid) return { bootable: true };
  const platform = platforms[catalogue[1]!];
  return { bootable: true, ...(platform !== undefined && { bootPlatform: platform }) };
}

/** Kinds of partitions (MBR) as signs that templates.ts knows. */
const partitionSigns: readonly (readonly [kinds: readonly number[], sign: string])[] = [
  [[0xa5, 0xa6, 0xa9], 'partition: BSD'],
  [[0x83, 0x82, 0x8e, 0xfd], 'partition: Linux'],
  [[0x07], 'partition: NTFS'],
  [[0x0b, 0x0c, 0x0e], 'partition: FAT LBA'],
  [[0x01, 0x04, 0x06], 'partition: FAT'],
];

/** What the first sectors of a disk say: boot record's text, partitions' kinds and the texts of their boot records. */
export async function diskSigns(medium: MediumReader): Promise<{ readonly texts: readonly string[]; readonly bootable: boolean }> {
  const sector = await bytesAt(medium, 0, 512);
  const bootable = sector[510] === 0x55 && sector[511] === 0xaa;
  const texts: string[] = [];
  const view = new DataView(sector.buffer);
  if (bootable) {
    for (let entry = 446; entry < 510; entry += 16) {
      const kind = sector[entry + 4]!;
      const sign = partitionSigns.find(([kinds]) => kinds.includes(kind))?.[1];
      if (sign === undefined) continue;
      texts.push(sign);
      texts.unshift(latin1(await bytesAt(medium, view.getUint32(entry + 8, true) * 512, 512)));
    }
  }
  return { texts: [latin1(sector), ...texts], bootable };
}
