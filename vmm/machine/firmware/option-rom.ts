import type { PciIdentity } from '../../devices/pci/config-space.ts';

const PCI_DATA_POINTER = 0x18;
const CHECKSUM_FILLER = 6;
const SIZE = 2;
const UNIT = 512;

/**
 * Writes a function's identity into its expansion ROM (PCI Firmware 3.0, 5.1.2): firmware runs the ROM only where the two agree, and images that fit several
 * chips name none, or another. The sum of all bytes stays what it was.
 */
export function nameRomDevice(rom: Uint8Array, { vendor, device }: PciIdentity): void {
  const view = new DataView(rom.buffer, rom.byteOffset, rom.length);
  if (rom.length < UNIT || view.getUint16(0, true) !== 0xaa55) return;
  const data = view.getUint16(PCI_DATA_POINTER, true);
  if (data + 8 > Math.min(rom.length, rom[SIZE]! * UNIT) || view.getUint32(data) !== 0x50434952) return; // "PCIR"
  const sum = (): number => rom.subarray(data + 4, data + 8).reduce((total, byte) => total + byte, 0);
  const before = sum();
  view.setUint16(data + 4, vendor, true);
  view.setUint16(data + 6, device, true);
  rom[CHECKSUM_FILLER] = rom[CHECKSUM_FILLER]! + before - sum();
}
