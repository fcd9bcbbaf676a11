/** Kilobits per second of MFM data, as the controller's data rate select register sets it. */
export type FloppyDataRate = 250 | 300 | 500 | 1000;
export type FloppyDriveKind = '360k' | '1.2m' | '720k' | '1.44m' | '2.88m';

/** A diskette's format: what a file of its size holds. */
export interface FloppyFormat {
  readonly name: string;
  readonly bytes: number;
  readonly cylinders: number;
  readonly heads: 1 | 2;
  readonly sectors: number;
  /** The least drive that takes the medium. */
  readonly drive: FloppyDriveKind;
  readonly rate: FloppyDataRate;
}

function format(name: string, cylinders: number, heads: 1 | 2, sectors: number, drive: FloppyDriveKind, rate: FloppyDataRate): FloppyFormat {
  return { name, bytes: cylinders * heads * sectors * 512, cylinders, heads, sectors, drive, rate };
}

/** ECMA-66, -70, -78, -99, -100, -125, -147 diskettes as PCs format them, and the larger ones DOS and Linux tools make on the same media. */
export const floppyFormats: readonly FloppyFormat[] = [
  format('160 KB', 40, 1, 8, '360k', 250),
  format('180 KB', 40, 1, 9, '360k', 250),
  format('320 KB', 40, 2, 8, '360k', 250),
  format('360 KB', 40, 2, 9, '360k', 250),
  format('400 KB', 40, 2, 10, '360k', 250),
  format('640 KB', 80, 2, 8, '720k', 250),
  format('720 KB', 80, 2, 9, '720k', 250),
  format('800 KB', 80, 2, 10, '720k', 250),
  format('820 KB', 82, 2, 10, '720k', 250),
  format('1.2 MB', 80, 2, 15, '1.2m', 500),
  format('1.44 MB', 80, 2, 18, '1.44m', 500),
  format('1.48 MB', 82, 2, 18, '1.44m', 500),
  format('1.52 MB', 83, 2, 18, '1.44m', 500),
  format('1.6 MB', 80, 2, 20, '1.44m', 500),
  format('1.64 MB', 82, 2, 20, '1.44m', 500),
  format('1.68 MB', 80, 2, 21, '1.44m', 500),
  format('1.72 MB', 82, 2, 21, '1.44m', 500),
  format('2.88 MB', 80, 2, 36, '2.88m', 1000),
];

/** The smallest format that holds a file of `bytes`; undefined if it is too large for any. Many images are cut after their last used sector. */
export function floppyFormatOf(bytes: number): FloppyFormat | undefined {
  return floppyFormats.find((one) => one.bytes === bytes) ?? floppyFormats.find((one) => isCommon(one) && one.bytes >= bytes);
}

function isCommon(one: FloppyFormat): boolean {
  return ['160 KB', '180 KB', '320 KB', '360 KB', '720 KB', '1.2 MB', '1.44 MB', '2.88 MB'].includes(one.name);
}
