import { VmmError } from '../../base/errors.ts';
import { PRIORITY_LEGACY, type MemoryBus } from '../../bus/memory-bus.ts';
import { FOUR_GIB, PAGE_SIZE, type GuestMemory } from '../../memory/physical-map.ts';

const SMALLEST = 0x1_0000;
const LARGEST = 16 << 20;
/** The part of the ROM that also answers below 1 MiB, until the host bridge shadows it with RAM. */
const LEGACY_WINDOW = 0x2_0000;
const ONE_MIB = 0x10_0000;

/** Throws VmmError 'invalid' for bytes that cannot be a system BIOS: whole pages, 64 KiB to 16 MiB, not blank. */
export function checkBios(name: string, bytes: Uint8Array): void {
  if (bytes.length < SMALLEST || bytes.length > LARGEST || bytes.length % PAGE_SIZE !== 0) {
    throw new VmmError('invalid', `${name} is not a BIOS image: its size is ${bytes.length} bytes, it must be 64 KiB to 16 MiB in whole 4 KiB pages`);
  }
  const resetVector = bytes.subarray(bytes.length - 16);
  if (resetVector.every((byte) => byte === 0) || resetVector.every((byte) => byte === 0xff)) {
    throw new VmmError('invalid', `${name} is not a BIOS image: there is no code at the reset vector`);
  }
}

/** The flash with the system BIOS: it ends at 4 GiB, and its last 128 KiB are also seen at E0000h. */
export function mapSystemRom(memory: GuestMemory, bus: MemoryBus, bios: Uint8Array): void {
  const rom = memory.allocate('system ROM', bios.length);
  rom.bytes.set(bios);
  bus.mapBlock(FOUR_GIB - bios.length, rom, { readOnly: true, priority: PRIORITY_LEGACY });
  const shown = Math.min(bios.length, LEGACY_WINDOW);
  bus.mapBlock(ONE_MIB - shown, rom, { offset: bios.length - shown, length: shown, readOnly: true, priority: PRIORITY_LEGACY });
}
