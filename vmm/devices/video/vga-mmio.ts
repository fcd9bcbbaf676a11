import type { AccessSize, Region } from '../../bus/bus.ts';
import type { Dispi } from './dispi.ts';
import type { VgaPorts } from './vga-ports.ts';
import { DISPI_REGISTERS } from './registers.ts';

export const MMIO_BYTES = 0x1000;
/** QEMU "Standard VGA" specification, MMIO area: where each part is. */
const EDID = { start: 0x000, end: 0x400 } as const;
const PORTS = { start: 0x400, end: 0x420, first: 0x3c0 } as const;
const DISPI = { start: 0x500, end: 0x500 + 2 * DISPI_REGISTERS } as const;
const EXTENDED = { start: 0x600, size: 8, byteOrder: 0x604 } as const;
const LITTLE_ENDIAN = 0x1e1e1e1e;

/** PCI BAR 2: EDID, the VGA ports 3C0h to 3DFh, and the DISPI registers side by side, for guests that use no port space. */
export function createMmio(edid: Uint8Array, ports: VgaPorts, dispi: Dispi): Region {
  const readByte = (offset: number): number => {
    if (offset < EDID.end) return edid[offset] ?? 0;
    if (offset >= PORTS.start && offset < PORTS.end) return ports.read(PORTS.first + offset - PORTS.start);
    if (offset >= DISPI.start && offset < DISPI.end) return (dispi.readRegister((offset - DISPI.start) >> 1) >> (8 * (offset & 1))) & 0xff;
    if (offset >= EXTENDED.start && offset < EXTENDED.start + EXTENDED.size) {
      return ((offset < EXTENDED.byteOrder ? EXTENDED.size : LITTLE_ENDIAN) >>> (8 * (offset & 3))) & 0xff;
    }
    return 0xff;
  };
  return {
    name: 'vga-mmio',
    read(offset: number, size: AccessSize): number {
      let value = 0;
      for (let at = 0; at < size; at++) value |= readByte(offset + at) << (8 * at);
      return value >>> 0;
    },
    write(offset: number, size: AccessSize, value: number): void {
      if (offset >= DISPI.start && offset < DISPI.end) {
        if (size === 1) return; // words, as in port space
        for (let at = 0; at < size; at += 2) dispi.writeRegister((offset + at - DISPI.start) >> 1, (value >>> (8 * at)) & 0xffff);
        return;
      }
      for (let at = 0; at < size; at++) {
        const byte = offset + at;
        // The frame buffer's byte order cannot be changed: writes to the extended registers are ignored, as of any read-only register.
        if (byte >= PORTS.start && byte < PORTS.end) ports.write(PORTS.first + byte - PORTS.start, (value >>> (8 * at)) & 0xff);
      }
    },
  };
}
