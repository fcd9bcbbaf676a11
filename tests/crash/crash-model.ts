import type { BlockNode } from '../../vmm/storage/node.ts';
import type { Action } from '../../vmm/storage/formats/model-test.ts';
import type { CrashWorld } from './crash-world.ts';

/** What was done to a disk, and when it began and was done. Failed ones may have happened or not. */
interface Done {
  readonly action: Action;
  readonly start: number;
  end: number;
}

/** The value of a sector that had no write: its bit. Values of actions are 1 to 29, of sectors written after a crash 30. */
export const INITIAL = 0xff;
const INITIAL_BIT = 31;
const bitOf = (value: number) => 1 << (value === INITIAL ? INITIAL_BIT : value);
export const MOST_ACTIONS = 29;
export const AFTERWARDS = 30;

/**
 * What a disk may hold after a crash: a sector holds what the last flush that was done by then has made sure, or anything that was written to it
 * later, and nothing else (promises D1 and D2). Discarded sectors may be zeros, too.
 */
export class CrashModel {
  readonly #initial: Uint8Array;
  readonly #done: Done[] = [];
  readonly #world: CrashWorld;
  /** When flushes were done: from then on more is promised. */
  readonly promises = new Set<number>();

  /** `initial`: a value per sector, 0 or INITIAL. */
  constructor(world: CrashWorld, initial: Uint8Array) {
    this.#world = world;
    this.#initial = initial;
  }

  get sectors(): number {
    return this.#initial.length;
  }

  async perform(node: BlockNode, action: Action, work: (node: BlockNode, action: Action) => Promise<void>): Promise<void> {
    const record: Done = { action, start: this.#world.tick(), end: Infinity };
    this.#done.push(record);
    await work(node, action);
    record.end = this.#world.tick();
    if (action.do === 'flush') this.promises.add(record.end);
  }

  /** Bits of the values each sector may have at a time. */
  #allowed(time: number): Int32Array {
    const allowed = Int32Array.from(this.#initial, bitOf);
    const flushes = this.#done.filter(({ action, end }) => action.do === 'flush' && end <= time);
    const sure = Math.max(-1, ...flushes.map(({ start }) => start));
    for (const { action, start, end } of this.#done) {
      if (start > time || !('at' in action)) continue;
      const bits = action.do === 'write' ? bitOf(action.value) : bitOf(0);
      const replaces = end < sure && action.do !== 'discard';
      const last = Math.min(action.at + action.sectors, allowed.length);
      for (let sector = action.at; sector < last; sector++) allowed[sector] = replaces ? bits : allowed[sector]! | bits;
    }
    return allowed;
  }

  /** The first sector that holds what it must not. */
  wrong(bytes: Uint8Array, time: number): string | undefined {
    const allowed = this.#allowed(time);
    for (let sector = 0; sector < allowed.length; sector++) {
      const part = bytes.subarray(sector * 512, sector * 512 + 512);
      const value = part[0]!;
      const known = value <= AFTERWARDS || value === INITIAL;
      if (known && (allowed[sector]! & bitOf(value)) !== 0 && Buffer.compare(part, fills[value]!) === 0) continue;
      return `sector ${sector} holds ${value}..${part[511]!}, allowed are ${valuesOf(allowed[sector]!).join(', ')}`;
    }
    return undefined;
  }
}

const fills = Array.from({ length: 256 }, (_, value) => new Uint8Array(512).fill(value));

function valuesOf(bits: number): number[] {
  return Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => (bits >>> bit) & 1)
    .map((bit) => (bit === INITIAL_BIT ? INITIAL : bit));
}

/** Something to do with a disk: changes of a few sectors or many, near each other, with flushes between. */
export function randomActions(random: () => number, sectors: number, unit: number, count: number): Action[] {
  const whole = (below: number) => Math.floor(random() * below);
  return Array.from({ length: Math.min(count, MOST_ACTIONS) }, (_, index): Action => {
    if (random() < 0.2) return { do: 'flush' };
    const kind = random();
    const at = random() < 0.4 ? whole(Math.ceil(sectors / unit)) * unit : whole(sectors);
    const length = random() < 0.4 ? unit * (1 + whole(2)) : 1 + whole(Math.min(unit * 2, 64));
    return {
      do: kind < 0.7 ? 'write' : kind < 0.85 ? 'zero' : 'discard',
      at,
      sectors: Math.min(length, sectors - at),
      value: index + 1,
    };
  });
}
