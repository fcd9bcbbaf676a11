/** Small images of the kinds that people drop. */

export function bootFloppy(label = 'MSDOS5.0'): Uint8Array {
  const image = new Uint8Array(1_474_560);
  image.set([0xeb, 0x3c, 0x90]);
  image.set(Buffer.from(label), 3);
  image.set([0x55, 0xaa], 510);
  return image;
}

interface IsoOptions {
  readonly label?: string;
  readonly bootable?: boolean;
  /** Of 2048 bytes. */
  readonly blocks?: number;
  /** Where the file is cut off, bytes. */
  readonly length?: number;
}

export function isoImage({ label = 'DEBIAN 12', bootable = true, blocks = 40, length }: IsoOptions = {}): Uint8Array {
  const image = new Uint8Array(blocks * 2048);
  const view = new DataView(image.buffer);
  const primary = 16 * 2048;
  image[primary] = 1;
  image.set(Buffer.from('CD001'), primary + 1);
  image.set(Buffer.from(label.padEnd(32)), primary + 40);
  view.setUint32(primary + 80, blocks, true);
  view.setUint16(primary + 128, 2048, true);
  if (bootable) image.set(Buffer.from('\0CD001\x01EL TORITO SPECIFICATION'), 17 * 2048);
  return image.subarray(0, length ?? image.length);
}

export function bzImage(): Uint8Array {
  const image = new Uint8Array(4096);
  image.set([0x55, 0xaa], 510);
  image.set(Buffer.from('HdrS'), 0x202);
  return image;
}

export function rawDisk(): Uint8Array {
  const image = new Uint8Array(1 << 20);
  image.set([0x80, 1, 1, 0, 0x83], 446);
  image.set([0x55, 0xaa], 510);
  return image;
}
