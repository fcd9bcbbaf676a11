import fc from 'fast-check';
import { MemoryFile } from './memory-file.ts';
import { MemoryNode } from './memory-node.ts';
import { cutSegments, readSegments, writeSegments, type BlockNode } from './node.ts';
import { OverlayNode } from './overlay.ts';
import { ScratchNode } from './scratch.ts';

const KIB = 1024;
type Action = { readonly do: 'write' | 'zero' | 'discard'; readonly at: number; readonly sectors: number; readonly value: number };

function patterned(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => ((at >> 9) % 255) + 1);
}

/** What the disk must hold after `actions`; where discards may have left either, undefined... they give zeros or what was there. */
async function apply(node: BlockNode, model: Uint8Array, maybe: Set<number>, { do: what, at, sectors, value }: Action): Promise<void> {
  const [offset, length] = [at * 512, Math.min(sectors * 512, model.length - at * 512)];
  if (length <= 0) return;
  for (let sector = at; sector < at + length / 512; sector++) {
    if (what === 'discard') maybe.add(sector);
    else maybe.delete(sector);
  }
  if (what === 'write') {
    model.fill(value, offset, offset + length);
    const bytes = new Uint8Array(length).fill(value);
    const cut = value * 16;
    if (value % 2 === 0) await node.write(offset, bytes);
    else await writeSegments(node, offset, [...cutSegments([bytes], 0, cut), ...cutSegments([bytes], cut, length - cut)]);
  } else if (what === 'zero') {
    model.fill(0, offset, offset + length);
    await node.zero!(offset, length);
  } else await node.discard!(offset, length);
}

test('an overlay reads as its parent with what was written on top, whatever is written in whatever pieces', async () => {
  const [size, parentSize] = [300 * KIB, 200 * KIB];
  const action = fc.record({
    do: fc.constantFrom<Action['do']>('write', 'write', 'write', 'zero', 'discard'),
    at: fc.integer({ min: 0, max: size / 512 - 1 }),
    sectors: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 400 })),
    value: fc.integer({ min: 1, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 25 }), fc.boolean(), async (actions, together) => {
      const parent = new MemoryNode(patterned(parentSize), { readOnly: true });
      const overlay = new OverlayNode(new ScratchNode(new MemoryFile('scratch'), size), parent);
      const model = new Uint8Array(size);
      model.set(parent.bytes);
      const maybe = new Set<number>();
      let pending: Promise<void>[] = [];
      for (const [index, one] of actions.entries()) {
        // Of requests for the same sectors in flight at once either may win: those take turns.
        if (actions.slice(0, index).some((other) => other.at < one.at + one.sectors && one.at < other.at + other.sectors)) {
          await Promise.all(pending);
          pending = [];
        }
        const work = apply(overlay, model, maybe, one);
        if (together) pending.push(work);
        else await work;
      }
      await Promise.all(pending);
      const got = new Uint8Array(size);
      await readSegments(overlay, 0, cutSegments([got], 0, 1000).concat(cutSegments([got], 1000, size - 1000)));
      for (let sector = 0; sector < size / 512; sector++) {
        const part = got.subarray(sector * 512, sector * 512 + 512);
        const wanted = model[sector * 512]!;
        if (maybe.has(sector) && part[0] === 0) expect(part.every((byte) => byte === 0)).toBe(true);
        else expect([sector, part[0], part[511]]).toEqual([sector, wanted, wanted]);
      }
      expect(Buffer.compare(parent.bytes, patterned(parentSize))).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('extents: the top’s, the parent’s where the top has nothing, zeros behind the parent’s end', async () => {
  const overlay = new OverlayNode(new ScratchNode(new MemoryFile('scratch'), 512 * KIB), new MemoryNode(patterned(128 * KIB)));
  await overlay.write(64 * KIB, new Uint8Array(512));
  expect(await overlay.extent(0, 512 * KIB)).toEqual({ offset: 0, length: 64 * KIB, kind: 'data' });
  expect(await overlay.extent(64 * KIB, 512 * KIB - 64 * KIB)).toEqual({ offset: 64 * KIB, length: 64 * KIB, kind: 'data' });
  expect((await overlay.extent(128 * KIB, 256 * KIB)).kind).toBe('zero');
});
