import { PAGE_SHIFT, PAGE_SIZE, type PhysicalMap } from '../../memory/physical-map.ts';
import { uuidBytes } from './smbios.ts';

/* System management BIOS reference specification 2.8, 5.2.1: the entry point that firmware has put into memory. */
const SEARCH = { start: 0xf_0000, end: 0x10_0000, step: 16 };
const ANCHOR = [0x5f, 0x53, 0x4d, 0x5f]; // "_SM_"
const TABLE_LENGTH = 0x16;
const TABLE_ADDRESS = 0x18;
const SYSTEM = 1;
const END_OF_TABLE = 127;
const SYSTEM_UUID = 8;
const UUID_BYTES = 16;

/** Bytes of physical memory where they lie; whatever the guest has made of its page tables and shadow registers. */
class Physical {
  readonly #map: PhysicalMap;

  constructor(map: PhysicalMap) {
    this.#map = map;
  }

  /** Where in guest memory; undefined: that is no memory. */
  #place(address: number): number | undefined {
    const entry = this.#map.entry(address);
    return entry === 0 ? undefined : (entry >>> PAGE_SHIFT) * PAGE_SIZE + (address & (PAGE_SIZE - 1));
  }

  byte(address: number): number {
    const at = this.#place(address);
    return at === undefined ? 0xff : this.#map.memory.bytes[at]!;
  }

  word(address: number): number {
    return this.byte(address) | (this.byte(address + 1) << 8);
  }

  double(address: number): number {
    return this.word(address) + this.word(address + 2) * 0x1_0000;
  }

  write(address: number, bytes: readonly number[]): void {
    bytes.forEach((byte, index) => {
      const at = this.#place(address + index);
      if (at === undefined || at >= this.#map.memory.ram.length) return;
      this.#map.willWrite(at, 1);
      this.#map.memory.bytes[at] = byte;
      this.#map.wrote(at, 1);
    });
  }
}

/** Changes the system UUID in the tables of a machine that has come up already. A guest that reads them anew sees it; one that keeps a copy does at its next boot. */
export function writeUuid(map: PhysicalMap, uuid: string): void {
  const memory = new Physical(map);
  for (let at = SEARCH.start; at < SEARCH.end; at += SEARCH.step) {
    if (ANCHOR.some((byte, index) => memory.byte(at + index) !== byte)) continue;
    const start = memory.double(at + TABLE_ADDRESS);
    const structure = systemStructure(memory, start, start + memory.word(at + TABLE_LENGTH));
    if (structure !== undefined) memory.write(structure + SYSTEM_UUID, uuidBytes(uuid));
  }
}

function systemStructure(memory: Physical, start: number, end: number): number | undefined {
  for (let at = start; at + 4 <= end;) {
    const type = memory.byte(at);
    if (type === SYSTEM && memory.byte(at + 1) >= SYSTEM_UUID + UUID_BYTES) return at;
    if (type === END_OF_TABLE) return undefined;
    // The formatted part, then strings up to two zeros.
    at += Math.max(4, memory.byte(at + 1));
    while (at + 2 <= end && memory.word(at) !== 0) at++;
    at += 2;
  }
  return undefined;
}
