import type { AccessSize, Region } from './bus.ts';

/** All ones in `size` bytes: what a bus reads where nobody answers. */
export function openBus(size: AccessSize): number {
  return size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
}

/** Reads a region that may decode less than `size` bytes at once: low part first, as the PCI-ISA bridge converts cycles. */
export function readRegion(region: Region, offset: number, size: AccessSize): number {
  const widest = region.sizes ?? 4;
  if (size <= widest) return region.read(offset, size) >>> 0;
  let value = 0;
  for (let at = 0; at < size; at += widest) value |= region.read(offset + at, widest) << (8 * at);
  return value >>> 0;
}

export function writeRegion(region: Region, offset: number, size: AccessSize, value: number): void {
  const widest = region.sizes ?? 4;
  if (size <= widest) {
    region.write(offset, size, value);
    return;
  }
  const mask = openBus(widest);
  for (let at = 0; at < size; at += widest) region.write(offset + at, widest, (value >>> (8 * at)) & mask);
}
