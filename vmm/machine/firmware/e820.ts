import { FOUR_GIB, PCI_HOLE } from '../../memory/physical-map.ts';

export const E820_RAM = 1;

export interface E820Entry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** RAM as the host bridge decodes it, without what firmware reserves for itself. */
export function ramRanges(ramSize: number): E820Entry[] {
  const low = Math.min(ramSize, PCI_HOLE);
  const ranges = [{ base: 0, length: low, type: E820_RAM }];
  if (ramSize > low) ranges.push({ base: FOUR_GIB, length: ramSize - low, type: E820_RAM });
  return ranges;
}

/** The 20-byte entries of INT 15h AX=E820h and of fw_cfg's etc/e820. */
export function encodeE820(entries: readonly E820Entry[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(entries.length * 20));
  entries.forEach(({ base, length, type }, index) => {
    view.setBigUint64(index * 20, BigInt(base), true);
    view.setBigUint64(index * 20 + 8, BigInt(length), true);
    view.setUint32(index * 20 + 16, type, true);
  });
  return new Uint8Array(view.buffer);
}

export function decodeE820(bytes: Uint8Array): E820Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 20) }, (_, index) => ({
    base: Number(view.getBigUint64(index * 20, true)),
    length: Number(view.getBigUint64(index * 20 + 8, true)),
    type: view.getUint32(index * 20 + 16, true),
  }));
}
