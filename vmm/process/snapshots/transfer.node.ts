/**
 * One snapshot as one file, to be taken elsewhere: a tar archive of
 *
 *     snapshot.json        what it is (transferSchema)
 *     disks/ID.qcow2       each written disk, complete and compressed
 *     state, pages.pack    devices and memory of a machine that ran, as in the library (container.node.ts, pack.node.ts)
 *     thumbnail.png, kernel, initrd
 *
 * Reading one trusts nothing: names are from a fixed list, every page must be what its name says, and of the configuration only hardware is taken over.
 */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  copyFileSync,
  readdirSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, pack } from 'tar-stream';
import { z } from 'zod';
import { messageOf, VmmError } from '../../base/errors.ts';
import { parseConfig, type VmConfig } from '../../protocol/config.ts';
import { decodeContainer, encodeContainer } from '../../snapshot/container.node.ts';
import { createLayer, identityOf } from '../../snapshot/layers.node.ts';
import { emptyManifest, type Layer, type Snapshot, snapshotSchema } from '../../snapshot/manifest.ts';
import { readNames } from '../../snapshot/memory-image.node.ts';
import { HASH_BYTES } from '../../snapshot/page-index.ts';
import { PAGE_BYTES } from '../../snapshot/pack.node.ts';
import { PageStore } from '../../snapshot/page-store.node.ts';
import { SNAPSHOT_FOLDER, SnapshotTree } from '../../snapshot/tree.node.ts';
import { openImage } from '../../storage/open.node.ts';
import { convertImage } from '../../storage/tools/convert.node.ts';
import type { JobControl } from '../library/jobs.ts';
import { completeConfig, type Library } from '../library/library.node.ts';
import type { VmEntry } from '../library/vm-entry.node.ts';
import { storeOf } from './store-folder.node.ts';

const MANIFEST = 'snapshot.json';
const LARGEST_MANIFEST = 1 << 20;
const LARGEST_FILE = 2 ** 43;
/** Pages copied at once. */
const CHUNK = 1024;

const transferSchema = z.object({
  format: z.literal('strate-snapshot'),
  version: z.literal(1),
  snapshot: snapshotSchema.pick({ name: true, description: true, created: true, kind: true, guestTime: true }),
  config: z.record(z.string(), z.unknown()),
  disks: z.array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/)).max(64),
});
type Transfer = z.output<typeof transferSchema>;

/** Hardware, and what a saved state depends on: nothing that names files, ports or programs of the host. */
const HARDWARE = ['system', 'chipset', 'cpu', 'accel', 'memory', 'boot', 'display', 'absolutePointer', 'time', 'rtc', 'seed', 'debugExit'] as const;

function portable(config: VmConfig, disks: readonly string[]): Record<string, unknown> {
  const drive = ({ id, bus, slot, media, readOnly }: VmConfig['drives'][number]) => {
    const image = disks.includes(id) ? { file: `${id}.qcow2`, format: 'qcow2' } : { file: null };
    return { id, bus, slot, media, readOnly, ...image };
  };
  return {
    ...Object.fromEntries(HARDWARE.filter((key) => config[key] !== undefined).map((key) => [key, config[key]])),
    firmware: config.firmware === 'uefi' ? 'uefi' : 'seabios',
    drives: config.drives.map(drive),
    nics: config.nics.map(({ id, model, backend, link }) => ({ id, model, link, backend: { type: backend.type === 'none' ? 'none' : 'user' } })),
    serial: config.serial.map(() => ({ backend: 'none' })),
    ...(config.kernel && { append: config.kernel.append }),
  };
}

/** Writes the file; nothing is left of it after an error or a cancellation. */
export async function exportSnapshot(entry: VmEntry, ref: string, to: string, job: JobControl): Promise<{ bytes: number }> {
  const tree = new SnapshotTree(entry.directory);
  const snapshot = tree.find(ref);
  const unwritten = entry.config.drives.find(
    ({ id, file, media, bus }) => file !== null && media === 'disk' && bus !== 'floppy' && !(id in snapshot.disks),
  );
  if (unwritten !== undefined)
    throw new VmmError('unsupported', `${snapshot.name} does not hold ${unwritten.id}, which is read-only; it cannot be exported without it`);
  if (existsSync(to)) throw new VmmError('usage', `${to} exists already; choose another name or delete it first`, { path: to });
  const scratch = mkdtempSync(join(dirname(resolve(to)), '.strate-export-'));
  try {
    const files: [name: string, path: string][] = [];
    const { config } = entry;
    const disks = Object.keys(snapshot.disks);
    const transfer: Transfer = {
      format: 'strate-snapshot',
      version: 1,
      snapshot: {
        name: snapshot.name,
        description: snapshot.description,
        created: snapshot.created,
        kind: snapshot.kind,
        ...(snapshot.guestTime !== undefined && { guestTime: snapshot.guestTime }),
      },
      config: portable(config, disks),
      disks,
    };
    const put = (name: string, bytes: Uint8Array | string) => {
      writeFileSync(join(scratch, name), bytes);
      files.push([name, join(scratch, name)]);
    };
    put(MANIFEST, JSON.stringify(transfer));
    if (snapshot.thumbnail !== undefined && existsSync(tree.thumbnailPath(snapshot.thumbnail)))
      files.push(['thumbnail.png', tree.thumbnailPath(snapshot.thumbnail)]);
    if (config.kernel) {
      files.push(['kernel', resolve(entry.directory, config.kernel.file)]);
      if (config.kernel.initrd !== undefined) files.push(['initrd', resolve(entry.directory, config.kernel.initrd)]);
    }
    if (snapshot.state !== undefined) {
      job.progress(0, 'memory');
      files.push(
        ['state', tree.statePath(snapshot.state)],
        ['pages.pack', await exportPages(storeOf(entry.directory), tree.statePath(snapshot.state), scratch)],
      );
    }
    for (const [index, drive] of disks.entries()) {
      const layer = tree.manifest.layers[snapshot.disks[drive]!]!;
      const path = join(scratch, `${drive}.qcow2`);
      job.progress(index / disks.length, drive);
      await convertImage(tree.layerPath(layer), path, 'qcow2', {
        source: { format: layer.format, parentFolders: tree.imageFolders, unlocked: true },
        compress: true,
        signal: job.signal,
        onProgress: (done, total) => job.progress((index + done / total) / disks.length),
      });
      files.push([`disks/${drive}.qcow2`, path]);
    }
    await writeArchive(files, join(scratch, 'archive'), job);
    renameSync(join(scratch, 'archive'), to);
    return { bytes: statSync(to).size };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function exportPages(storeFolder: string, stateFile: string, scratch: string): Promise<string> {
  const store = new PageStore(storeFolder);
  const release = await store.use();
  const folder = join(scratch, 'pages');
  const copy = new PageStore(folder);
  try {
    store.refresh();
    copyPages(store, stateFile, copy);
  } finally {
    release();
    store.close();
    copy.close();
  }
  const [name] = readdirSync(folder).filter((one) => one.endsWith('.pack'));
  if (name !== undefined) return join(folder, name);
  writeFileSync(join(folder, 'empty'), ''); // memory of zeros alone
  return join(folder, 'empty');
}

/** All pages of a saved state, with those that list their names. @throws VmmError `invalid` when one is missing, or is not what its name says */
function copyPages(from: PageStore, stateFile: string, to: PageStore): void {
  const { meta, roots } = decodeContainer(readFileSync(stateFile), 'state');
  const names = readNames(
    from,
    roots,
    meta.blocks.reduce((sum, { length }) => sum + Math.ceil(length / PAGE_BYTES), 0),
  );
  const writer = to.writer();
  try {
    const check = new Uint8Array(HASH_BYTES);
    const pages = new Uint8Array(CHUNK * PAGE_BYTES);
    for (const list of [roots, names]) {
      for (let at = 0; at < list.length; at += CHUNK * HASH_BYTES) {
        const part = list.subarray(at, at + CHUNK * HASH_BYTES);
        from.read(part, (index) => pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES));
        for (let index = 0; index * HASH_BYTES < part.length; index++) {
          writer.add(pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), check, 0);
          if (Buffer.compare(check, part.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)) !== 0)
            throw new VmmError('invalid', 'the snapshot is damaged: a page of memory is not what its name says');
        }
      }
    }
    writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

async function writeArchive(files: readonly (readonly [name: string, path: string])[], to: string, job: JobControl): Promise<void> {
  const archive = pack();
  const written = pipeline(archive, createWriteStream(to), { signal: job.signal });
  for (const [name, path] of files) {
    const entry = archive.entry({ name, size: statSync(path).size, mode: 0o600 });
    await pipeline(createReadStream(path), entry, { signal: job.signal });
  }
  archive.finalize();
  await written;
}

/** Makes a machine of the file: it stands at the snapshot, which is the first of its tree. @throws VmmError `invalid`; nothing is left behind then */
export async function importSnapshot(library: Library, file: string, name: string | undefined, job: JobControl): Promise<VmEntry> {
  const directory = library.store.newFolder(name ?? 'imported snapshot');
  try {
    const folder = join(directory, SNAPSHOT_FOLDER);
    const scratch = join(folder, 'import');
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    job.progress(null, 'reading');
    const found = await readArchive(file, scratch, job.signal);
    const transfer = readTransfer(found, scratch, file);
    const config = configOf(transfer, name, found);
    for (const drive of config.drives)
      if (transfer.disks.includes(drive.id)) renameSync(join(scratch, `disks-${drive.id}.qcow2`), join(directory, drive.file!));
    for (const one of ['kernel', 'initrd']) if (found.has(one)) renameSync(join(scratch, one), join(directory, one));
    const state = found.has('state') ? await importState(scratch, directory, config) : undefined;
    await enterSnapshot(directory, transfer, config, state, found.has('thumbnail.png') ? join(scratch, 'thumbnail.png') : undefined);
    rmSync(scratch, { recursive: true, force: true });
    return await library.add(directory, config);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error instanceof VmmError ? error : new VmmError('invalid', `${file} is no exported snapshot: ${messageOf(error)}`, {}, error);
  }
}

const PLAIN_NAMES = new Set([MANIFEST, 'state', 'pages.pack', 'thumbnail.png', 'kernel', 'initrd']);

/** Puts what is known into `scratch`. @returns the names that were there */
async function readArchive(file: string, scratch: string, signal: AbortSignal): Promise<Set<string>> {
  const found = new Set<string>();
  const reader = extract();
  const done = pipeline(createReadStream(file), reader, { signal });
  done.catch(() => undefined); // the loop below fails with it
  for await (const entry of reader) {
    const { name, size, type } = entry.header;
    const disk = /^disks\/([A-Za-z0-9][A-Za-z0-9_-]{0,31}\.qcow2)$/.exec(name)?.[1];
    if (
      type !== 'file' ||
      (disk === undefined && !PLAIN_NAMES.has(name)) ||
      found.has(name) ||
      size > (name === MANIFEST ? LARGEST_MANIFEST : LARGEST_FILE)
    )
      throw new VmmError('invalid', `${file} is no exported snapshot: it holds ${JSON.stringify(name)}`);
    found.add(name);
    await pipeline(entry, createWriteStream(join(scratch, disk === undefined ? name : `disks-${disk}`), { mode: 0o600 }));
  }
  await done;
  return found;
}

function readTransfer(found: ReadonlySet<string>, scratch: string, file: string): Transfer {
  if (!found.has(MANIFEST)) throw new VmmError('invalid', `${file} is no exported snapshot`);
  const parsed = transferSchema.safeParse(JSON.parse(readFileSync(join(scratch, MANIFEST), 'utf8')));
  if (!parsed.success)
    throw new VmmError('invalid', `${file} is damaged, or of a later release: ${MANIFEST} at ${parsed.error.issues[0]?.path.join('.') ?? '?'}`);
  const missing = parsed.data.disks.find((drive) => !found.has(`disks/${drive}.qcow2`));
  if (missing !== undefined) throw new VmmError('invalid', `${file} is damaged: the disk ${missing} is missing`);
  return parsed.data;
}

function configOf({ config, disks, snapshot }: Transfer, name: string | undefined, found: ReadonlySet<string>): VmConfig {
  const { append, ...rest } = config;
  // Once through the schema, and again only what is portable.
  const checked = parseConfig({ ...rest, id: randomUUID(), name: 'x' });
  const hardware = portable(checked, disks);
  delete hardware['append'];
  return completeConfig({
    ...hardware,
    name: name ?? snapshot.name,
    ...(found.has('kernel') && {
      kernel: { file: 'kernel', ...(found.has('initrd') && { initrd: 'initrd' }), append: typeof append === 'string' ? append : '' },
    }),
  });
}

/** @returns the state's file */
async function importState(scratch: string, directory: string, { id }: VmConfig): Promise<string> {
  const pages = join(scratch, 'pages');
  mkdirSync(pages);
  if (existsSync(join(scratch, 'pages.pack')) && statSync(join(scratch, 'pages.pack')).size > 0)
    renameSync(join(scratch, 'pages.pack'), join(pages, 'import.pack'));
  const from = new PageStore(pages);
  const store = new PageStore(storeOf(directory));
  const release = await store.use();
  try {
    from.refresh();
    copyPages(from, join(scratch, 'state'), store);
  } finally {
    release();
    from.close();
    store.close();
  }
  const state = decodeContainer(readFileSync(join(scratch, 'state')), 'state');
  const name = `${randomUUID()}.state`;
  mkdirSync(join(directory, SNAPSHOT_FOLDER, 'states'), { recursive: true, mode: 0o700 });
  // It keeps the id of the machine that was saved unless that is this one: it goes on as a fork of it does.
  writeFileSync(join(directory, SNAPSHOT_FOLDER, 'states', name), encodeContainer(state), { mode: 0o600 });
  if (state.meta.vm === id) throw new VmmError('internal', 'a new machine has an id of its own');
  return name;
}

/** A parent would be a way to read other files of this host: images that name one are refused. */
async function sizeOfWhole(file: string): Promise<number> {
  const { node, chain } = await openImage({ file, format: 'qcow2', role: 'disk', readOnly: true });
  try {
    if (chain.length > 1) throw new VmmError('invalid', 'a disk of the exported snapshot stands on another image');
    return node.size;
  } finally {
    await node.close();
  }
}

async function enterSnapshot(
  directory: string,
  { snapshot, disks }: Transfer,
  config: VmConfig,
  state: string | undefined,
  picture: string | undefined,
): Promise<void> {
  const tree = new SnapshotTree(directory);
  mkdirSync(join(tree.folder, 'disks'), { recursive: true, mode: 0o700 });
  const layers: Record<string, Layer> = {};
  const [bottoms, tops]: Record<string, string>[] = [{}, {}];
  for (const { id: drive } of config.drives.filter(({ id }) => disks.includes(id))) {
    const [root, top] = [randomUUID(), randomUUID()];
    const file = `${drive}.qcow2`;
    const size = await sizeOfWhole(join(directory, file));
    await createLayer(join(tree.folder, 'disks', `${top}.qcow2`), { file: join(directory, file), format: 'qcow2', size });
    layers[root] = { drive, file, format: 'qcow2', parent: null, size, base: identityOf(join(directory, file)) };
    layers[top] = { drive, file: join(SNAPSHOT_FOLDER, 'disks', `${top}.qcow2`), format: 'qcow2', parent: root, size };
    bottoms![drive] = root;
    tops![drive] = top;
  }
  const id = randomUUID();
  let thumbnail: string | undefined;
  if (picture !== undefined) {
    thumbnail = `${id}.png`;
    mkdirSync(join(tree.folder, 'thumbnails'), { recursive: true, mode: 0o700 });
    copyFileSync(picture, tree.thumbnailPath(thumbnail));
  }
  const entered: Snapshot = {
    ...snapshot,
    kind: 'user',
    id,
    parent: null,
    pinned: false,
    disks: bottoms!,
    media: {},
    pages: 0,
    bytes: 0,
    ...(state !== undefined && { state }),
    ...(thumbnail !== undefined && { thumbnail }),
  };
  tree.commit({
    ...emptyManifest,
    layers,
    snapshots: { [id]: entered },
    present: { parent: id, disks: tops!, ...(state !== undefined && { state }) },
  });
}
