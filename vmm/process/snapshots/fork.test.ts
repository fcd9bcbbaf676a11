/** Machines made of others: linked and full clones, templates, export and import, undo disks; on real images and a real page store, with machines that are off. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../base/log.ts';
import { encodeContainer } from '../../snapshot/container.node.ts';
import { writeNames } from '../../snapshot/memory-image.node.ts';
import { HASH_BYTES } from '../../snapshot/page-index.ts';
import { PAGE_BYTES } from '../../snapshot/pack.node.ts';
import { PageStore } from '../../snapshot/page-store.node.ts';
import { SnapshotTree } from '../../snapshot/tree.node.ts';
import { openImage } from '../../storage/open.node.ts';
import { FakeLauncher } from '../library/fake-launcher.test-support.ts';
import type { JobControl } from '../library/jobs.ts';
import { Library } from '../library/library.node.ts';
import { cloneVm, createVm } from '../library/make-vm.node.ts';
import { Store } from '../library/store.node.ts';
import type { VmEntry } from '../library/vm-entry.node.ts';
import { forkVm } from './fork.node.ts';
import { alone } from './alone.node.ts';
import { freeSpace } from './library-snapshots.node.ts';
import { exportSnapshot, importSnapshot } from './transfer.node.ts';

const SIZE = 4 << 20;
const job: JobControl = { signal: new AbortController().signal, progress: () => undefined };

let root: string;
let library: Library;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'strate-fork-'));
  library = new Library({ store: new Store(root), launcher: new FakeLauncher(), log: silentLog });
  await library.refresh();
});
afterEach(async () => {
  await library.close();
  rmSync(root, { recursive: true });
});

async function withDisk<T>(entry: VmEntry, readOnly: boolean, work: (node: Awaited<ReturnType<typeof openImage>>['node']) => Promise<T>): Promise<T> {
  const tree = new SnapshotTree(entry.directory);
  const [drive] = entry.config.drives;
  const { file, format } = tree.diskOf(drive!) ?? { file: join(entry.directory, drive!.file!), format: drive!.format };
  const { node } = await openImage({ file, format, role: 'disk', readOnly, parentFolders: [...tree.imageFolders, ...(drive!.parents ?? [])] });
  try {
    return await work(node);
  } finally {
    await node.close();
  }
}

const write = (entry: VmEntry, at: number, text: string) =>
  withDisk(entry, false, async (node) => {
    await node.write(at, Uint8Array.from(Buffer.from(text.padEnd(512, '.'))));
    await node.flush();
  });
const read = (entry: VmEntry, at: number) =>
  withDisk(entry, true, async (node) => {
    const bytes = new Uint8Array(512);
    await node.read(at, bytes);
    return Buffer.from(bytes)
      .toString('latin1')
      .replace(/[.\0]+$/, '');
  });
const take = (entry: VmEntry, name: string) => alone(entry, (tree) => tree.takeStopped({ name }, entry.config.drives));
const machine = async (config: object = {}) => {
  const entry = await createVm(library, { name: 'one', memory: 1, ...config }, [{ drive: 'hda', size: SIZE, format: 'raw' }]);
  await write(entry, 0, 'first');
  return entry;
};

/** As a suspended machine leaves it: memory of some pages, in the store, and a state that names them. */
function suspend(entry: VmEntry): string {
  const store = new PageStore(join(root, 'pages'));
  const writer = store.writer();
  const pages = 256;
  const names = new Uint8Array(pages * HASH_BYTES);
  for (let index = 0; index < pages; index++) writer.add(new Uint8Array(PAGE_BYTES).fill(index % 7), names, index * HASH_BYTES);
  const roots = writeNames(writer, names);
  writer.finish();
  store.close();
  const tree = new SnapshotTree(entry.directory);
  mkdirSync(join(tree.folder, 'states'), { recursive: true });
  writeFileSync(
    tree.statePath('a.state'),
    encodeContainer({
      meta: { release: '1', vm: entry.id, taken: 1, guestTime: 5, blocks: [{ name: 'ram', length: pages * PAGE_BYTES }] },
      machine: { time: 5, devices: {}, vcpus: [{ version: 1 }] },
      roots,
    }),
  );
  tree.setPresentState('a.state');
  return 'a.state';
}

test('a linked clone has its own id and addresses, and goes its own way', async () => {
  const one = await machine({ nics: [{ mac: '52:54:00:12:34:56' }], notes: 'x' });
  const two = await cloneVm(library, one, { name: 'two', linked: true }, job);
  expect(two.id).not.toBe(one.id);
  expect([two.config.nics[0]!.mac, two.config.notes, two.name]).toEqual([undefined, 'x', 'two']);
  expect(await read(two, 0)).toBe('first');
  await write(two, 0, 'of two');
  await write(one, 512, 'of one');
  expect([await read(one, 0), await read(two, 0), await read(one, 512), await read(two, 512)]).toEqual(['first', 'of two', 'of one', '']);
  // What it stands on is no copy, and its own even when the other goes.
  expect(statSync(join(two.directory, 'hda.img')).ino).toBe(statSync(join(one.directory, 'hda.img')).ino);
  await library.trash(one.id);
  library.purge(undefined);
  expect(await read(two, 0)).toBe('of two');
  expect(await read(two, 1024)).toBe('');
});

test('a clone of a machine with snapshots has what its disks hold now; deleting and merging there leaves linked clones as they are', async () => {
  const one = await machine();
  await take(one, 'a');
  await write(one, 512, 'second');
  await take(one, 'b');
  await write(one, 1024, 'third');
  const full = await cloneVm(library, one, { name: 'full' }, job);
  const linked = await forkVm(library, one, 'a', 'linked');
  const all = (entry: VmEntry) => Promise.all([0, 512, 1024].map((at) => read(entry, at)));
  expect([await all(full), await all(linked)]).toEqual([
    ['first', 'second', 'third'],
    ['first', '', ''],
  ]);
  expect(existsSync(join(full.directory, 'snapshots'))).toBe(false);
  await alone(one, (tree) => {
    tree.remove('a');
    tree.remove('b');
    return Promise.resolve();
  });
  await freeSpace(library, one);
  expect([await all(one), await all(linked)]).toEqual([
    ['first', 'second', 'third'],
    ['first', '', ''],
  ]);
  const again = await forkVm(library, linked, undefined, 'again');
  expect(await all(again)).toEqual(['first', '', '']);
});

test('a template is not started; a clone of it is linked and no template', async () => {
  const one = await machine({ template: true });
  await expect(library.start(one.id, { paused: false })).rejects.toThrow('is a template; clone it');
  const two = await cloneVm(library, one, {}, job);
  expect(two.config.template).toBe(false);
  expect(statSync(join(two.directory, 'hda.img')).nlink).toBe(2);
});

test('undo disks: a session is committed or discarded', async () => {
  const one = await machine({ undo: 'ask' });
  const session = async (text: string, action: 'commit' | 'discard') => {
    await alone(one, (tree) => tree.beginUndo(one.config.drives));
    await write(one, 0, text);
    await alone(one, (tree) => tree.beginUndo(one.config.drives)); // the next start, before anybody has decided
    expect(new SnapshotTree(one.directory).undoable).toBe(true);
    await alone(one, (tree) => tree.endUndo(action));
    await freeSpace(library, one);
    expect(new SnapshotTree(one.directory).snapshots).toEqual([]);
  };
  await session('thrown away', 'discard');
  expect(await read(one, 0)).toBe('first');
  await session('kept', 'commit');
  expect(await read(one, 0)).toBe('kept');
  await session('thrown away', 'discard');
  expect(await read(one, 0)).toBe('kept');
  await expect(alone(one, (tree) => tree.endUndo('discard'))).rejects.toThrow('no changes of a session');
});

test('a snapshot goes out as a file and comes in as a machine, disks and memory equal', async () => {
  const one = await machine({ nics: [{ model: 'e1000' }], notes: 'private', serial: [{ backend: 'file', path: '/etc/passwd' }] });
  await write(one, SIZE - 512, 'last');
  suspend(one);
  await library.refresh();
  const { id } = await take(one, 'away');
  const file = join(root, 'away.snapshot');
  await exportSnapshot(one, id, file, job);
  await expect(exportSnapshot(one, id, file, job)).rejects.toThrow('exists already');
  await write(one, 0, 'later');

  rmSync(join(root, 'pages'), { recursive: true });
  const two = await importSnapshot(library, file, undefined, job);
  expect([two.name, two.state, two.config.notes, two.config.serial]).toEqual(['away', 'saved', '', [{ backend: 'none' }]]);
  expect(await read(two, 0)).toBe('first');
  expect(await read(two, SIZE - 512)).toBe('last');
  const tree = new SnapshotTree(two.directory);
  const [snapshot] = tree.snapshots;
  expect([snapshot!.name, tree.manifest.present.parent, tree.manifest.present.state]).toEqual(['away', snapshot!.id, snapshot!.state]);
  const store = new PageStore(join(root, 'pages'));
  store.refresh();
  expect(store.verify()).toEqual([]);
  expect(store.size().pages).toBe(6 + 1); // six kinds of pages that are not zero, one of names
  store.close();
  expect(existsSync(join(two.directory, 'snapshots/import'))).toBe(false);
});

test('a damaged or hostile file makes no machine', async () => {
  const one = await machine();
  suspend(one);
  const { id } = await take(one, 'away');
  const file = join(root, 'away.snapshot');
  await exportSnapshot(one, id, file, job);
  const before = readdirSync(join(root, 'vms'));
  const attempt = async () => {
    await expect(importSnapshot(library, file, undefined, job)).rejects.toThrow();
    expect(readdirSync(join(root, 'vms'))).toEqual(before);
  };
  const good = readFileSync(file);
  const place = good.indexOf('pages.pack') + 512 + 100;
  const bad = Buffer.from(good);
  bad[place]! ^= 1;
  writeFileSync(file, bad);
  await attempt();
  writeFileSync(file, good);
  truncateSync(file, good.length >> 1);
  await attempt();
  writeFileSync(file, 'not a tar file at all'.repeat(100));
  await attempt();
  writeFileSync(join(root, 'x'), 'x');
  execFileSync('tar', ['-cf', file, '-C', root, '--transform', 's,x,../../x,', '-P', 'x']);
  await attempt();
});
