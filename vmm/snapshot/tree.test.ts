/**
 * promises.md D3 and D6: what a tree of snapshots does is atomic, and what others own stays as it is. Random operations against a model, with the world ending
 * at any step; every snapshot's disk, and the present's, must be what the model says.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Drive } from '../protocol/config-drives.ts';
import { openImage } from '../storage/open.node.ts';
import { SnapshotTree } from './tree.node.ts';

const UNIT = 65536;
const UNITS = 12;
const SIZE = UNIT * UNITS;
const drive: Drive = { id: 'hda', file: 'disk.img', format: 'raw', bus: 'ide', media: 'disk', slot: 0, readOnly: false };

class Crash extends Error {}

/** What a disk should hold: a number per unit. */
type Disk = readonly number[];
interface Model {
  disk: Disk;
  state: string | undefined;
  snapshots: Map<string, { disk: Disk; parent: string | null; state: string | undefined }>;
  parent: string | null;
  undo: string | undefined;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strate-tree-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function withDisk<T>(
  spec: { file: string; format: 'raw' | 'qcow2' },
  readOnly: boolean,
  work: (node: Awaited<ReturnType<typeof openImage>>['node']) => Promise<T>,
): Promise<T> {
  const { node } = await openImage({ ...spec, role: 'disk', readOnly, parentFolders: [folder] });
  try {
    return await work(node);
  } finally {
    await node.close();
  }
}

function presentDisk(tree: SnapshotTree): { file: string; format: 'raw' | 'qcow2' } {
  return (tree.diskOf(drive) as { file: string; format: 'raw' | 'qcow2' } | undefined) ?? { file: join(folder, 'disk.img'), format: 'raw' };
}

const read = (spec: { file: string; format: 'raw' | 'qcow2' }): Promise<number[]> =>
  withDisk(spec, true, async (node) => {
    const bytes = new Uint8Array(SIZE);
    await node.read(0, bytes);
    return Array.from({ length: UNITS }, (_, unit) => {
      const part = bytes.subarray(unit * UNIT, (unit + 1) * UNIT);
      return part.every((byte) => byte === part[0]) ? part[0]! : -1;
    });
  });

const write = (tree: SnapshotTree, unit: number, value: number): Promise<void> =>
  withDisk(presentDisk(tree), false, async (node) => {
    await node.write(unit * UNIT, new Uint8Array(UNIT).fill(value));
    await node.flush();
  });

const comparing = process.env['STRATE_COMPARE'] !== undefined;

async function check(tree: SnapshotTree, model: Model): Promise<void> {
  expect(await read(presentDisk(tree))).toEqual(model.disk);
  expect(tree.manifest.present.parent).toBe(model.parent);
  expect(new Set(tree.snapshots.map(({ id }) => id))).toEqual(new Set(model.snapshots.keys()));
  for (const [id, { disk, parent, state }] of model.snapshots) {
    const snapshot = tree.find(id);
    expect([snapshot.parent, snapshot.state]).toEqual([parent, state]);
    if (state !== undefined) expect(existsSync(tree.statePath(state))).toBe(true);
    const layer = tree.manifest.layers[snapshot.disks['hda']!]!;
    expect(await read({ file: tree.layerPath(layer), format: layer.format as 'raw' | 'qcow2' })).toEqual(disk);
    if (comparing) compare(tree.layerPath(layer), layer.format, disk);
  }
}

type Operation =
  | { readonly do: 'write'; readonly unit: number; readonly value: number }
  | { readonly do: 'take' | 'merge' | 'suspend' | 'beginUndo' | 'commit' | 'discard' }
  | { readonly do: 'goTo' | 'remove' | 'rename'; readonly which: number };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), unit: fc.nat(UNITS - 1), value: fc.integer({ min: 0, max: 255 }) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'take' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'suspend' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('beginUndo' as const, 'commit' as const, 'discard' as const) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'merge' as const }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('goTo' as const, 'remove' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), which: fc.nat(20) }) },
);

let states = 0;

/** Does it to the tree; returns the model afterwards. A crash in between leaves it before or after. */
async function perform(tree: SnapshotTree, model: Model, step: Operation): Promise<Model> {
  const ids = [...model.snapshots.keys()];
  const snapshots = new Map(model.snapshots);
  switch (step.do) {
    case 'write':
      await write(tree, step.unit, step.value);
      return { ...model, disk: model.disk.map((old, unit) => (unit === step.unit ? step.value : old)) };
    case 'take': {
      const { id } = await tree.takeStopped({ name: `s${ids.length}` }, [drive]);
      snapshots.set(id, { disk: model.disk, parent: model.parent, state: model.state });
      return { ...model, snapshots, parent: id };
    }
    case 'suspend': {
      mkdirSync(join(tree.folder, 'states'), { recursive: true });
      const state = `s${states++}.state`;
      copyFileSync(join(folder, 'disk.img'), tree.statePath(state)); // what is in it does not matter here
      tree.setPresentState(state);
      return { ...model, state };
    }
    case 'merge':
      await tree.mergeOne();
      return model;
    case 'goTo': {
      const id = ids[step.which % ids.length];
      if (id === undefined) return model;
      await tree.goTo(id);
      const target = model.snapshots.get(id)!;
      return { ...model, disk: target.disk, parent: id, state: target.state, undo: undefined };
    }
    case 'remove': {
      const id = ids[step.which % ids.length];
      if (id === undefined) return model;
      tree.remove(id);
      return without(model, id);
    }
    case 'beginUndo': {
      await tree.beginUndo([drive]);
      const id = tree.manifest.present.undo;
      if (id === model.undo || id === undefined) return model;
      snapshots.set(id, { disk: model.disk, parent: model.parent, state: model.state });
      return { ...model, snapshots, parent: id, undo: id };
    }
    case 'commit':
    case 'discard': {
      if (model.undo === undefined) return model;
      await tree.endUndo(step.do);
      return undone(model, step.do);
    }
    case 'rename': {
      const id = ids[step.which % ids.length];
      if (id !== undefined) tree.edit(id, { name: 'renamed' });
      return model;
    }
  }
}

/** Its children are its parent's. */
function without(model: Model, id: string): Model {
  const { parent } = model.snapshots.get(id)!;
  const others = [...model.snapshots]
    .filter(([one]) => one !== id)
    .map(([other, one]) => [other, one.parent === id ? { ...one, parent } : one] as const);
  return {
    ...model,
    snapshots: new Map(others),
    parent: model.parent === id ? parent : model.parent,
    undo: model.undo === id ? undefined : model.undo,
  };
}

function undone(model: Model, action: 'commit' | 'discard'): Model {
  const id = model.undo!;
  if (action === 'commit') return without(model, id);
  return { ...without({ ...model, parent: id }, id), disk: model.snapshots.get(id)!.disk, state: undefined };
}

const fresh = (): Model => ({ disk: new Array<number>(UNITS).fill(0), state: undefined, snapshots: new Map(), parent: null, undo: undefined });

function newMachine(): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  closeSync(openSync(join(folder, 'disk.img'), 'w'));
  truncateSync(join(folder, 'disk.img'), SIZE);
}

/** Many more and longer runs, leaves compared by qemu-img: STRATE_RUNS=20 STRATE_STEPS=500 STRATE_COMPARE=1 npx jest vmm/snapshot/tree */
const runs = Number(process.env['STRATE_RUNS'] ?? 12);
const steps = Number(process.env['STRATE_STEPS'] ?? 40);

/** As the world's other reader of qcow2 sees it. */
function compare(file: string, format: string, disk: Disk): void {
  const model = join(folder, 'model.raw');
  writeFileSync(model, Buffer.concat(disk.map((value) => Buffer.alloc(UNIT, value))));
  execFileSync('qemu-img', ['compare', '-q', '-f', 'raw', '-F', format, model, file]);
}

test('any operations, with crashes in them, leave what the model says', async () => {
  const sequences = fc.array(fc.tuple(operation, fc.option(fc.nat(12), { freq: 3 })), { maxLength: steps, ...(steps > 40 && { minLength: steps }) });
  await fc.assert(
    fc.asyncProperty(sequences, async (sequence) => {
      newMachine();
      let model = fresh();
      let left = Infinity;
      const hook = () => {
        if (left-- === 0) throw new Crash();
      };
      let tree = new SnapshotTree(folder, hook);
      for (const [step, crashAt] of sequence) {
        left = crashAt ?? Infinity;
        const before = model;
        try {
          model = await perform(tree, model, step);
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          left = Infinity;
          tree = new SnapshotTree(folder, hook);
          // Before or after, nothing between: what the manifest says now decides which.
          model = await outcome(tree, before, step);
        }
        left = Infinity;
        tree.cleanUp();
      }
      await check(tree, model);
      while (await tree.mergeOne());
      await check(tree, model);
    }),
    { numRuns: runs },
  );
}, 600_000);

/** The model as it must be after a crash in `step`. */
async function outcome(tree: SnapshotTree, before: Model, step: Operation): Promise<Model> {
  const known = new Set(before.snapshots.keys());
  const present = new Set(tree.snapshots.map(({ id }) => id));
  const snapshots = new Map(before.snapshots);
  switch (step.do) {
    case 'take': {
      const added = [...present].find((id) => !known.has(id));
      if (added === undefined) return before;
      snapshots.set(added, { disk: before.disk, parent: before.parent, state: before.state });
      return { ...before, snapshots, parent: added };
    }
    case 'remove': {
      const removed = [...known].find((id) => !present.has(id));
      return removed === undefined ? before : without(before, removed);
    }
    case 'commit':
    case 'discard':
      return before.undo === undefined || present.has(before.undo) ? before : undone(before, step.do);
    case 'beginUndo': {
      const added = [...present].find((id) => !known.has(id));
      if (added === undefined) return before;
      snapshots.set(added, { disk: before.disk, parent: before.parent, state: before.state });
      return { ...before, snapshots, parent: added, undo: added };
    }
    case 'goTo': {
      const ids = [...before.snapshots.keys()];
      const id = ids[step.which % ids.length]!;
      const target = before.snapshots.get(id)!;
      const after = { ...before, disk: target.disk, parent: id, state: target.state, undo: undefined };
      // Both are possible; where they differ the disk and the state tell.
      const { parent, state, undo } = tree.manifest.present;
      if (parent !== id || state !== target.state || undo !== undefined) return before;
      const disk = await read(presentDisk(tree));
      return disk.join() === target.disk.join() ? after : before;
    }
    case 'suspend':
      return { ...before, state: tree.manifest.present.state };
    default:
      return before;
  }
}

test('an image that others own is never changed, and a change of theirs is noticed (D6)', async () => {
  newMachine();
  const base = join(folder, 'disk.img');
  const tree = new SnapshotTree(folder);
  await write(tree, 1, 7);
  await tree.takeStopped({ name: 'a' }, [drive]);
  const original = readFileSync(base);
  await write(tree, 1, 8);
  await write(tree, 2, 9);
  await tree.takeStopped({ name: 'b' }, [drive]);
  tree.remove('a');
  tree.remove('b');
  while (await tree.mergeOne());
  expect(readFileSync(base).equals(original)).toBe(true);
  expect((await read(presentDisk(tree))).slice(0, 4)).toEqual([0, 8, 9, 0]);
  // A copy by hand has another time and the same contents.
  utimesSync(base, 1, 1);
  expect(presentDisk(tree).format).toBe('qcow2');
  const fd = openSync(base, 'r+');
  writeSync(fd, Buffer.of(1), 0, 1, 0);
  closeSync(fd);
  expect(() => presentDisk(tree)).toThrow('changed by something else');
});

test('a damaged manifest is refused by name', async () => {
  newMachine();
  const tree = new SnapshotTree(folder);
  const { id } = await tree.takeStopped({ name: 'a' }, [drive]);
  const path = join(tree.folder, 'tree.json');
  const good = JSON.parse(readFileSync(path, 'utf8')) as { snapshots: Record<string, { parent: string | null; state?: string }> };
  const attempt = (change: (data: typeof good) => void): void => {
    const bad = structuredClone(good);
    change(bad);
    const fd = openSync(path, 'w');
    writeSync(fd, JSON.stringify(bad));
    closeSync(fd);
    expect(() => new SnapshotTree(folder)).toThrow(/tree\.json is damaged/);
  };
  attempt((data) => (data.snapshots[id]!.parent = 'nobody'));
  attempt((data) => (data.snapshots[id]!.parent = id));
  attempt((data) => (data.snapshots[id]!.state = '../../etc/passwd'));
  attempt((data) => void Reflect.deleteProperty(data.snapshots, id));
});
