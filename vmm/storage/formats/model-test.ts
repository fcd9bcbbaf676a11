import fc from 'fast-check';
import type { BlockNode } from '../node.ts';

/** One thing done to a disk under test. Sectors of 512 bytes. */
export type Action =
  | { readonly do: 'write' | 'zero' | 'discard'; readonly at: number; readonly sectors: number; readonly value: number }
  | { readonly do: 'flush' | 'reopen' };

/** Actions that often meet the edges of clusters of `unit` sectors. */
export function actions(sectors: number, unit: number, maxLength = 30): fc.Arbitrary<Action[]> {
  const place = fc.oneof(
    fc.integer({ min: 0, max: sectors - 1 }),
    fc.integer({ min: 0, max: Math.floor((sectors - 1) / unit) }).map((index) => index * unit),
  );
  const length = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: unit * 3 }), fc.constantFrom(unit, unit * 2));
  const change = fc.record({
    do: fc.constantFrom<'write' | 'zero' | 'discard'>('write', 'write', 'write', 'write', 'zero', 'discard'),
    at: place,
    sectors: length,
    value: fc.integer({ min: 1, max: 255 }),
  });
  return fc.array(fc.oneof({ weight: 8, arbitrary: change }, { weight: 1, arbitrary: fc.constantFrom<Action>({ do: 'flush' }, { do: 'reopen' }) }), {
    maxLength,
  });
}

/** What a disk must hold: a value per sector, or after a discard either zeros or that value. */
export class Model {
  readonly values: Uint8Array;
  readonly discarded = new Set<number>();

  constructor(sectors: number, base?: Uint8Array) {
    this.values = new Uint8Array(sectors);
    if (base !== undefined) this.values.set(base.subarray(0, sectors));
  }

  change(action: Action): void {
    if (!('at' in action)) return;
    for (let sector = action.at; sector < Math.min(action.at + action.sectors, this.values.length); sector++) {
      if (action.do === 'discard') this.discarded.add(sector);
      else {
        this.discarded.delete(sector);
        this.values[sector] = action.do === 'write' ? action.value : 0;
      }
    }
  }

  /** The first sector that `bytes` has wrong, or undefined. */
  wrong(bytes: Uint8Array): string | undefined {
    for (let sector = 0; sector < this.values.length; sector++) {
      const part = bytes.subarray(sector * 512, sector * 512 + 512);
      const wanted = this.values[sector]!;
      const first = part[0]!;
      const right = first === wanted || (first === 0 && this.discarded.has(sector));
      if (!right || part.some((byte) => byte !== first)) return `sector ${sector} holds ${first}..${part[511]!} instead of ${wanted}`;
    }
    return undefined;
  }
}

export async function perform(node: BlockNode, action: Action): Promise<void> {
  if (action.do === 'flush') return node.flush();
  if (!('at' in action)) return;
  const offset = action.at * 512;
  const length = Math.min(action.sectors * 512, node.size - offset);
  if (length <= 0) return;
  if (action.do === 'write') return node.write(offset, new Uint8Array(length).fill(action.value));
  if (action.do === 'zero') {
    if (node.zero !== undefined) return node.zero(offset, length);
    return node.write(offset, new Uint8Array(length));
  }
  await node.discard?.(offset, length);
}

export async function contents(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  await node.read(0, bytes);
  return bytes;
}

export function overlaps(a: Action, b: Action): boolean {
  return 'at' in a && 'at' in b && a.at < b.at + b.sectors && b.at < a.at + a.sectors;
}

/**
 * Runs a sequence on an image, some of it at the same time, and compares with a model, also after the image was closed and opened again. `check` is
 * called on the closed image.
 */
export async function drive(
  open: () => Promise<BlockNode>,
  sequence: readonly Action[],
  together: boolean,
  check: () => Promise<void> = () => Promise.resolve(),
  base?: Uint8Array,
): Promise<void> {
  let node = await open();
  const model = new Model(node.size / 512, base);
  let pending: Promise<void>[] = [];
  let underWay: Action[] = [];
  for (const action of sequence) {
    if (action.do === 'reopen') {
      await Promise.all(pending);
      [pending, underWay] = [[], []];
      expect(model.wrong(await contents(node))).toBeUndefined();
      await node.close();
      await check();
      node = await open();
      continue;
    }
    // Of requests for the same sectors in flight at once either may win: those take turns.
    if (underWay.some((other) => overlaps(other, action))) {
      await Promise.all(pending);
      [pending, underWay] = [[], []];
    }
    model.change(action);
    if (!together) await perform(node, action);
    else {
      pending.push(perform(node, action));
      underWay.push(action);
    }
  }
  await Promise.all(pending);
  expect(model.wrong(await contents(node))).toBeUndefined();
  await node.close();
  await check();
  node = await open();
  expect(model.wrong(await contents(node))).toBeUndefined();
  await node.close();
}

/** Opens damaged copies of an image and uses them: nothing but errors of ours may come of it, and no file may grow without bound. */
export async function survivesDamage(
  image: Uint8Array,
  region: readonly (readonly [from: number, to: number])[],
  use: (bytes: Uint8Array) => Promise<void>,
  numRuns = 120,
): Promise<void> {
  const place = fc.oneof(...region.map(([from, to]) => fc.integer({ min: from, max: to - 1 })));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }), async (changes) => {
      const bytes = image.slice();
      for (const [at, value] of changes) bytes[at] = value;
      try {
        await use(bytes);
      } catch (error) {
        expect([(error as Error).name, (error as Error).message]).toEqual(['VmmError', expect.not.stringContaining('assertion')]);
      }
    }),
    { numRuns },
  );
}
