/**
 * The snapshots of one machine on disk:
 *
 *     snapshots/tree.json     the manifest (manifest.ts); what it does not name does not count
 *     snapshots/disks/        layers, qcow2
 *     snapshots/states/       saved states (container.node.ts); their pages lie in the page store
 *     snapshots/thumbnails/   pictures of the screen
 *
 * Every operation makes its new files first, then replaces the manifest in one step, then deletes what nothing names any more. A crash in between leaves
 * files that nothing names; `recover` deletes them.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { VmmError } from '../base/errors.ts';
import type { Drive } from '../protocol/config-drives.ts';
import { replaceFile } from '../storage/replace-file.node.ts';
import { checkIdentity, createLayer, identityOf, mergeLayer, sizeOfImage } from './layers.node.ts';
import { emptyManifest, inconsistency, type Layer, type Manifest, manifestSchema, mergeable, pruned, type Snapshot } from './manifest.ts';

export const SNAPSHOT_FOLDER = 'snapshots';
const MANIFEST = 'tree.json';
const LARGEST_MANIFEST = 64 << 20;
/** Depth of a chain of images from which on no automatic point is taken. */
const DEEP = 40;

export interface NewSnapshot {
  readonly name: string;
  readonly description?: string;
  readonly kind?: Snapshot['kind'];
  /** Undo disks: the session that begins here is to be decided upon. */
  readonly undo?: boolean;
}

/** What a new snapshot consists of, beside its disks. */
export type Captured = Partial<Pick<Snapshot, 'guestTime' | 'state' | 'thumbnail' | 'media' | 'pages' | 'bytes'>>;

/** Called before each step that changes something on disk: tests end the world there. */
export type StepHook = (step: string) => void;

export class SnapshotTree {
  readonly folder: string;
  readonly #machine: string;
  readonly #step: StepHook;
  #manifest: Manifest;

  /** `machine`: its folder. @throws VmmError `invalid` when the manifest is damaged. */
  constructor(machine: string, step: StepHook = () => undefined) {
    this.#machine = machine;
    this.folder = join(machine, SNAPSHOT_FOLDER);
    this.#step = step;
    this.#manifest = this.#read();
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  get snapshots(): Snapshot[] {
    return Object.values(this.#manifest.snapshots);
  }

  reload(): void {
    this.#manifest = this.#read();
  }

  /** @throws VmmError `not-found`; `usage` when a name fits several. */
  find(ref: string): Snapshot {
    const byId = this.#manifest.snapshots[ref];
    if (byId !== undefined) return byId;
    const named = this.snapshots.filter(({ name, id }) => name === ref || (ref.length >= 4 && id.startsWith(ref)));
    if (named.length === 1) return named[0]!;
    if (named.length > 1)
      throw new VmmError('usage', `${named.length} snapshots are called ${JSON.stringify(ref)}; use the id: ${named.map(({ id }) => id).join(', ')}`);
    throw new VmmError('not-found', `there is no snapshot ${JSON.stringify(ref)}`);
  }

  statePath(file: string): string {
    return join(this.folder, 'states', file);
  }

  thumbnailPath(file: string): string {
    return join(this.folder, 'thumbnails', file);
  }

  layerPath({ file }: Layer): string {
    return isAbsolute(file) ? file : resolve(this.#machine, file);
  }

  /** Folders in which images of this machine lie: what our own layers may stand on. */
  get imageFolders(): string[] {
    return [...new Set([this.#machine, ...Object.values(this.#manifest.layers).map((layer) => dirname(this.layerPath(layer)))])];
  }

  /** What to open for a drive of the configuration: the newest layer, or undefined for the image that the configuration names. */
  diskOf(drive: Drive): { readonly file: string; readonly format: Layer['format'] } | undefined {
    const id = this.#manifest.present.disks[drive.id];
    if (id === undefined || drive.file === null) return undefined;
    const chain = this.#chain(id);
    const root = chain[chain.length - 1]!;
    // The user has given the drive another image since: the snapshots are not about that one.
    if (root.base === undefined || this.layerPath(root) !== resolve(this.#machine, drive.file)) return undefined;
    for (const layer of chain.slice(1)) if (layer.base) checkIdentity(this.layerPath(layer), layer.base);
    return { file: this.layerPath(chain[0]!), format: chain[0]!.format };
  }

  #chain(id: string): Layer[] {
    const chain: Layer[] = [];
    for (let at: string | null = id; at !== null; at = this.#manifest.layers[at]!.parent) chain.push(this.#manifest.layers[at]!);
    return chain;
  }

  get deep(): boolean {
    return Object.values(this.#manifest.present.disks).some((id) => this.#chain(id).length > DEEP);
  }

  // -- operations

  /**
   * New, empty layers on top of the present disks, which are frozen by that: from now on they are what a snapshot's disks are. Done before a running machine
   * writes to them: until it does, old and new hold the same. `sizeOf`: of disks that are in use. @returns the frozen ones by drive, and the new files
   */
  async freeze(
    drives: readonly Drive[],
    sizeOf?: (drive: string) => number,
  ): Promise<{ frozen: Record<string, string>; tops: Record<string, string> }> {
    const manifest = await this.#withRoots(drives, sizeOf);
    const frozen = manifest.present.disks;
    const { layers, disks } = await this.#newLayers(manifest, frozen);
    this.commit({ ...manifest, layers, present: { ...manifest.present, disks } });
    return { frozen, tops: this.#filesOf(layers, disks) };
  }

  /** These drives were not frozen after all. @returns `frozen` with the layers that hold what they hold: those below their tops */
  keepTops(drives: readonly string[], frozen: Readonly<Record<string, string>>): Record<string, string> {
    const { present, layers } = this.#manifest;
    const kept = Object.fromEntries(drives.map((drive) => [drive, frozen[drive]!]));
    const below = Object.fromEntries(drives.map((drive) => [drive, layers[frozen[drive]!]!.parent ?? frozen[drive]!]));
    if (drives.length > 0) this.commit({ ...this.#manifest, present: { ...present, disks: { ...present.disks, ...kept } } });
    return { ...frozen, ...below };
  }

  /** Enters a snapshot whose disks are `disks`; the present goes on from it. */
  add(
    id: string,
    { name, description = '', kind = 'user', undo = false }: NewSnapshot,
    disks: Record<string, string>,
    captured: Captured = {},
  ): Snapshot {
    const { snapshots, present } = this.#manifest;
    const snapshot: Snapshot = {
      id,
      parent: present.parent,
      name,
      description,
      created: Date.now(),
      kind,
      pinned: false,
      disks,
      media: {},
      pages: 0,
      bytes: 0,
      ...captured,
    };
    this.commit({ ...this.#manifest, snapshots: { ...snapshots, [id]: snapshot }, present: { ...present, parent: id, ...(undo && { undo: id }) } });
    return snapshot;
  }

  /** Of a machine that is off, or saved: its disks, and its saved state if it has one. */
  async takeStopped(wanted: NewSnapshot, drives: readonly Drive[]): Promise<Snapshot> {
    const { frozen } = await this.freeze(drives);
    this.noteBases();
    const { state } = this.#manifest.present;
    return this.add(randomUUID(), wanted, frozen, state === undefined ? {} : { state });
  }

  /**
   * The present becomes what the snapshot holds: new layers on its disks, and its saved state. What the present was is gone, unless a snapshot holds it.
   * Nothing has happened before `commit`. `running`: the machine takes the state over itself.
   */
  async planGoTo(ref: string, { running = false } = {}): Promise<{ tops: Record<string, string>; commit(): void }> {
    const target = this.find(ref);
    const { layers, disks } = await this.#newLayers(this.#manifest, target.disks);
    const { state } = target;
    const present = { parent: target.id, disks, media: target.media, ...(state !== undefined && !running && { state }) };
    return { tops: this.#filesOf(layers, disks), commit: () => this.commit({ ...this.#manifest, layers, present }) };
  }

  /** The same for a machine that does not run. */
  async goTo(ref: string): Promise<void> {
    const plan = await this.planGoTo(ref);
    plan.commit();
    this.cleanUp();
  }

  /** New layers above the present of these drives, to be filled before `commit` makes them the present. `drives`: all that are written to. */
  async planAbove(
    drives: readonly Drive[],
    wanted: readonly string[],
    sizeOf: (drive: string) => number,
  ): Promise<{ tops: Record<string, string>; commit(): void }> {
    const manifest = await this.#withRoots(drives, sizeOf);
    const { present } = manifest;
    const below = Object.fromEntries(wanted.map((drive) => [drive, present.disks[drive]!]));
    const { layers, disks } = await this.#newLayers(manifest, below);
    return {
      tops: this.#filesOf(layers, disks),
      commit: () => this.commit({ ...manifest, layers, present: { ...present, disks: { ...present.disks, ...disks } } }),
    };
  }

  #filesOf(layers: Manifest['layers'], disks: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(disks).map(([drive, id]) => [drive, this.layerPath(layers[id]!)]));
  }

  /** Its children become its parent's. Layers that only it named stay while others stand on them, until they are merged. */
  remove(ref: string): void {
    this.commit(without(this.find(ref).id, this.#manifest));
    this.cleanUp();
  }

  edit(ref: string, changes: Partial<Pick<Snapshot, 'name' | 'description' | 'pinned' | 'kind'>>): Snapshot {
    const snapshot = { ...this.find(ref), ...changes };
    this.commit({ ...this.#manifest, snapshots: { ...this.#manifest.snapshots, [snapshot.id]: snapshot } });
    return snapshot;
  }

  /** Undo disks: from now on what is written is kept apart. Goes on with what a session began that nobody has decided upon. */
  async beginUndo(drives: readonly Drive[]): Promise<void> {
    const { present } = this.#manifest;
    if (this.undoable || !drives.some(({ file, readOnly }) => file !== null && !readOnly)) return;
    if (present.state !== undefined) return; // the session goes on from before it was asked for
    await this.takeStopped({ name: 'before this session', kind: 'before', undo: true }, drives);
  }

  /** There are changes to commit or to discard. */
  get undoable(): boolean {
    const { present, snapshots } = this.#manifest;
    return present.undo !== undefined && snapshots[present.undo] !== undefined;
  }

  /** Of a machine that is off: its session's changes stay for good, or were never made. */
  async endUndo(action: 'commit' | 'discard'): Promise<void> {
    const { undo } = this.#manifest.present;
    if (undo === undefined || !this.undoable) throw new VmmError('state', 'there are no changes of a session to commit or discard');
    const present = { ...this.#manifest.present };
    delete present.undo;
    if (action === 'commit') {
      this.commit(without(undo, { ...this.#manifest, present }));
    } else {
      const { disks: below, media } = this.find(undo);
      const { layers, disks } = await this.#newLayers(this.#manifest, below);
      this.commit(without(undo, { ...this.#manifest, layers, present: { parent: undo, disks, media } }));
    }
    this.cleanUp();
  }

  /** The machine was suspended, or goes on. */
  setPresentState(state: string | undefined, media?: Readonly<Record<string, string | null>>): void {
    const { parent, disks, undo } = this.#manifest.present;
    this.commit({
      ...this.#manifest,
      present: { parent, disks, ...(undo !== undefined && { undo }), ...(state !== undefined && { state }), ...(media && { media: { ...media } }) },
    });
    this.cleanUp();
  }

  /**
   * Makes one of two layers where nobody needs them apart. `untouchable`: files that a running machine writes. Others that stand on one have
   * links of their own to it, which a merge leaves as they are. @returns whether
   * there was something to merge
   */
  async mergeOne(untouchable: (file: string) => boolean = () => false, signal?: AbortSignal): Promise<boolean> {
    for (const [id, childId] of mergeable(this.#manifest)) {
      const [layer, child] = [this.#manifest.layers[id]!, this.#manifest.layers[childId]!];
      const [path, childPath] = [this.layerPath(layer), this.layerPath(child)];
      if (child.base !== undefined || untouchable(path) || untouchable(childPath)) continue;
      const below = layer.parent === null ? undefined : this.#manifest.layers[layer.parent]!;
      this.#step('merge');
      await mergeLayer(childPath, path, below && { file: this.layerPath(below), format: below.format, size: below.size }, signal);
      this.#step('merged');
      this.commit({ ...this.#manifest, layers: { ...this.#manifest.layers, [childId]: { ...child, parent: layer.parent } } });
      this.cleanUp();
      return true;
    }
    return false;
  }

  /** Replaces the manifest: the moment at which an operation has happened. */
  commit(manifest: Manifest): void {
    const next = pruned(manifest);
    const wrong = inconsistency(next);
    if (wrong !== undefined) throw new VmmError('internal', `the snapshots would not fit together (${wrong})`);
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    this.#step('commit');
    replaceFile(join(this.folder, MANIFEST), JSON.stringify(next), (part) => this.#step(`commit ${part}`));
    this.#manifest = next;
  }

  /** Deletes what nothing names: after an operation, or what a crash left. For whoever has the machine to itself. */
  cleanUp(): void {
    const { layers, snapshots, present } = this.#manifest;
    const files = new Set(Object.values(layers).map((layer) => this.layerPath(layer)));
    const states = new Set([present.state, ...Object.values(snapshots).map(({ state }) => state)]);
    const pictures = new Set(Object.values(snapshots).map(({ thumbnail }) => thumbnail));
    this.#sweep('disks', (name) => files.has(join(this.folder, 'disks', name)) || files.has(join(this.folder, 'disks', name.replace(/\.lock$/, ''))));
    this.#sweep('states', (name) => states.has(name));
    this.#sweep('thumbnails', (name) => pictures.has(name));
  }

  #sweep(folder: string, keep: (name: string) => boolean): void {
    const path = join(this.folder, folder);
    if (!existsSync(path)) return;
    for (const name of readdirSync(path)) {
      if (keep(name)) continue;
      this.#step(`delete ${folder}`);
      rmSync(join(path, name), { force: true });
    }
  }

  /** Bytes on disk of what only `snapshot` names, its pages left out. */
  ownBytes(snapshot: Snapshot): number {
    const others = pruned({
      ...this.#manifest,
      snapshots: Object.fromEntries(this.snapshots.filter(({ id }) => id !== snapshot.id).map((one) => [one.id, { ...one, parent: null }])),
      present: { ...this.#manifest.present, parent: null },
    });
    const own = Object.entries(this.#manifest.layers).filter(([id]) => !(id in others.layers));
    return own.reduce((sum, [, layer]) => sum + (layer.base === undefined ? sizeOnDisk(this.layerPath(layer)) : 0), 0);
  }

  /** Bytes on disk of all layers that are ours. */
  get diskBytes(): number {
    return Object.values(this.#manifest.layers).reduce((sum, layer) => sum + (layer.base === undefined ? sizeOnDisk(this.layerPath(layer)) : 0), 0);
  }

  async #newLayers(manifest: Manifest, on: Readonly<Record<string, string>>): Promise<{ layers: Manifest['layers']; disks: Record<string, string> }> {
    mkdirSync(join(this.folder, 'disks'), { recursive: true, mode: 0o700 });
    const layers = { ...manifest.layers };
    const disks: Record<string, string> = {};
    for (const [drive, parent] of Object.entries(on)) {
      const base = layers[parent]!;
      const id = randomUUID();
      const file = join(this.folder, 'disks', `${id}.qcow2`);
      this.#step('layer');
      await createLayer(file, { file: this.layerPath(base), format: base.format, size: base.size });
      this.#step('layer made');
      layers[id] = { drive, file: relative(this.#machine, file), format: 'qcow2', parent, size: base.size };
      disks[drive] = id;
    }
    return { layers, disks };
  }

  /** Drives whose image has no layer yet get it entered as their first. */
  async #withRoots(drives: readonly Drive[], sizeOf?: (drive: string) => number): Promise<Manifest> {
    const layers = { ...this.#manifest.layers };
    const disks: Record<string, string> = {};
    for (const drive of drives) {
      if (drive.file === null || drive.readOnly) continue;
      const known = this.#manifest.present.disks[drive.id];
      if (known !== undefined && this.diskOf(drive) !== undefined) {
        disks[drive.id] = known;
        continue;
      }
      const path = resolve(this.#machine, drive.file);
      const id = randomUUID();
      const folders = (drive.parents ?? []).map((folder) => resolve(this.#machine, folder));
      const size = sizeOf?.(drive.id) ?? (await sizeOfImage(path, drive.format, drive.bus === 'floppy' ? 'floppy' : 'disk', folders));
      const inside = relative(this.#machine, path);
      const file = inside.startsWith('..') || isAbsolute(inside) ? path : inside;
      layers[id] = { drive: drive.id, file, format: drive.format, parent: null, size, base: null };
      disks[drive.id] = id;
    }
    return { ...this.#manifest, layers, present: { ...this.#manifest.present, disks } };
  }

  /** Looks at images that are not ours and have just been frozen: nobody writes them from now on. */
  noteBases(): void {
    const { layers, present } = this.#manifest;
    const tops = new Set(Object.values(present.disks));
    const noted = Object.entries(layers).filter(([id, { base }]) => base === null && !tops.has(id));
    if (noted.length === 0) return;
    this.commit({
      ...this.#manifest,
      layers: { ...layers, ...Object.fromEntries(noted.map(([id, layer]) => [id, { ...layer, base: identityOf(this.layerPath(layer)) }])) },
    });
  }

  #read(): Manifest {
    const path = join(this.folder, MANIFEST);
    if (!existsSync(path)) return emptyManifest;
    const damaged = (what: string) => new VmmError('invalid', `${path} is damaged: ${what}`, { path });
    if (statSync(path).size > LARGEST_MANIFEST) throw damaged('it is too large');
    let data: unknown;
    try {
      data = JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      throw damaged((error as Error).message);
    }
    const parsed = manifestSchema.safeParse(data);
    if (!parsed.success) throw damaged(parsed.error.issues[0]?.path.join('.') ?? 'unreadable');
    const wrong = inconsistency(parsed.data);
    if (wrong !== undefined) throw damaged(wrong);
    const unsafe = [...Object.values(parsed.data.snapshots).flatMap(({ state, thumbnail }) => [state, thumbnail]), parsed.data.present.state];
    if (unsafe.some((name) => name !== undefined && name !== basename(name))) throw damaged('a file outside of the folder');
    return parsed.data;
  }
}

/** Its children become its parent's. */
function without(id: string, manifest: Manifest): Manifest {
  const { present } = manifest;
  const { parent } = manifest.snapshots[id]!;
  const snapshots = Object.fromEntries(
    Object.values(manifest.snapshots)
      .filter((one) => one.id !== id)
      .map((one) => [one.id, one.parent === id ? { ...one, parent } : one]),
  );
  return { ...manifest, snapshots, present: present.parent === id ? { ...present, parent } : present };
}

function sizeOnDisk(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : stat.blocks * 512;
}

/** Whether a machine goes on from a saved state at its next start. Reads no more than it must: libraries ask often. */
export function hasSavedState(machine: string): boolean {
  if (!existsSync(join(machine, SNAPSHOT_FOLDER, MANIFEST))) return false;
  try {
    return new SnapshotTree(machine).manifest.present.state !== undefined;
  } catch {
    return false; // starting it will tell what is wrong
  }
}
