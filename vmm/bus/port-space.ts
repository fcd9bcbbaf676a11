import { assert } from '../base/errors.ts';
import type { AccessSize, Bus, Mapping, Region } from './bus.ts';
import { openBus, readRegion, writeRegion } from './split.ts';

const PORTS = 0x10000;

interface Placement {
  readonly region: Region;
  readonly length: number;
  readonly priority: number;
  base: number;
  enabled: boolean;
  /** How often it was read or written. */
  accesses: number;
}

/**
 * The 64 KiB port space: a table from port to region. An access belongs to the region of its first byte if that region's mapping holds all of it,
 * otherwise each byte is looked up by itself (a 16-bit IN across two 8-bit devices).
 */
export class PortSpace implements Bus {
  /** Index + 1 into `#placements`, 0 where nothing answers. */
  readonly #table = new Uint16Array(PORTS);
  /** In order of mapping; a disposed placement's index is never used again, so that the table stays valid. */
  readonly #placements: (Placement | undefined)[] = [];

  map(base: number, length: number, region: Region, priority = 0): Mapping {
    assert(length > 0 && base >= 0 && base + length <= PORTS, `${region.name}: ports ${base.toString(16)}h+${length} are outside port space`);
    assert(this.#placements.length < 0xffff, 'too many port mappings');
    const placement: Placement = { region, length, priority, base, enabled: true, accesses: 0 };
    const index = this.#placements.push(placement) - 1;
    this.#paint(base, length);
    return {
      move: (to) => {
        const from = placement.base;
        placement.base = to & (PORTS - 1);
        this.#paint(from, length);
        this.#paint(placement.base, length);
      },
      enable: (on) => {
        if (placement.enabled === on) return;
        placement.enabled = on;
        this.#paint(placement.base, length);
      },
      dispose: () => {
        placement.enabled = false;
        this.#placements[index] = undefined;
        this.#paint(placement.base, length);
      },
    };
  }

  read(address: number, size: AccessSize): number {
    const port = address & (PORTS - 1);
    const placement = this.#at(port);
    if (placement === undefined) return size === 1 ? 0xff : this.#readBytes(port, size);
    const offset = port - placement.base;
    placement.accesses++;
    if (offset + size <= placement.length) return readRegion(placement.region, offset, size);
    return this.#readBytes(port, size);
  }

  write(address: number, size: AccessSize, value: number): void {
    const port = address & (PORTS - 1);
    const placement = this.#at(port);
    if (placement !== undefined && port - placement.base + size <= placement.length) {
      placement.accesses++;
      writeRegion(placement.region, port - placement.base, size, value);
    } else if (size > 1) {
      for (let at = 0; at < size; at++) this.write(port + at, 1, (value >>> (8 * at)) & 0xff);
    }
  }

  /** The name of the region a port belongs to, for the inspector. */
  nameAt(port: number): string | undefined {
    return this.#at(port & (PORTS - 1))?.region.name;
  }

  /** Accesses since the start, by region. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const placement of this.#placements) {
      if (placement !== undefined && placement.accesses > 0)
        counts[placement.region.name] = (counts[placement.region.name] ?? 0) + placement.accesses;
    }
    return counts;
  }

  #at(port: number): Placement | undefined {
    const index = this.#table[port]!;
    return index === 0 ? undefined : this.#placements[index - 1];
  }

  #readBytes(port: number, size: AccessSize): number {
    let value = 0;
    for (let at = 0; at < size; at++) {
      const placement = this.#at((port + at) & (PORTS - 1));
      const byte = placement === undefined ? openBus(1) : readRegion(placement.region, ((port + at) & (PORTS - 1)) - placement.base, 1);
      value |= byte << (8 * at);
    }
    return value >>> 0;
  }

  /** Decides anew who answers in [base, base + length). Stable sort: of equal priority the later mapping wins. */
  #paint(base: number, length: number): void {
    const end = Math.min(base + length, PORTS);
    this.#table.fill(0, base, end);
    const present = [...this.#placements.entries()]
      .filter((entry): entry is [number, Placement] => entry[1]?.enabled === true && entry[1].base < end && entry[1].base + entry[1].length > base)
      .sort(([, a], [, b]) => a.priority - b.priority);
    for (const [index, placement] of present) {
      this.#table.fill(index + 1, Math.max(base, placement.base), Math.min(end, placement.base + placement.length));
    }
  }
}
