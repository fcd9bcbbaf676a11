/**
 * The library on disk: folders of VMs, and nothing that could not be rebuilt from them.
 *
 *     vms/NAME/          one VM each, see vm-folder.node.ts; may be moved in, out or copied by hand
 *     trash/ID/          deleted VMs, with trashed.json
 *     uploads/ID/        files that a browser sent and nobody has used yet
 *     elsewhere.json     VM folders that lie outside and were opened
 *     settings.json
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { Nic, VmConfig } from '../../protocol/config.ts';
import type { TrashedVm } from '../../protocol/shared.ts';
import { CONFIG_FILE, readConfig, readJson, reasonOf, syncFolder, writeConfig, writeFileAtomically } from '../vm-folder.node.ts';

/** A VM folder as found: with its configuration, or with why there is none. */
export interface Found {
  readonly directory: string;
  readonly config?: VmConfig;
  readonly problem?: string;
  /** ms; changes whenever the configuration was written */
  readonly modified: number;
}

const trashedSchema = z.object({ name: z.string(), from: z.string(), deleted: z.number() });
const TRASHED_FILE = 'trashed.json';

export class Store {
  readonly root: string;

  /** @throws VmmError `host` when the library's folder cannot be made. */
  constructor(root: string) {
    this.root = resolve(root);
    try {
      for (const name of ['vms', 'trash', 'uploads']) mkdirSync(join(this.root, name), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new VmmError('host', `the library folder ${this.root} cannot be made: ${reasonOf(error)}`, {}, error);
    }
  }

  /** VM folders, inside and elsewhere. */
  folders(): string[] {
    const inside = readdirSync(join(this.root, 'vms'), { withFileTypes: true })
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
      .map((entry) => join(this.root, 'vms', entry.name));
    return [...inside, ...this.#elsewhere()].filter((directory) => existsSync(join(directory, CONFIG_FILE)));
  }

  read(directory: string): Found {
    const path = join(directory, CONFIG_FILE);
    const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    try {
      return { directory, config: readConfig(path), modified };
    } catch (error) {
      return { directory, problem: messageOf(error).split('\n')[0]!, modified };
    }
  }

  /**
   * All VMs. A folder that was copied by hand has the identity of the one it came from: the later of the two gets its own, so that both are
   * machines of their own.
   */
  scan(): Found[] {
    const found = this.folders().map((directory) => this.read(directory));
    const byId = new Map<string, Found>();
    return found
      .toSorted((a, b) => birthOf(a.directory) - birthOf(b.directory))
      .map((one) => {
        if (one.config === undefined) return one;
        if (!byId.has(one.config.id)) {
          byId.set(one.config.id, one);
          return one;
        }
        const config: VmConfig = { ...one.config, id: randomUUID(), nics: withoutMacs(one.config.nics) };
        writeConfig(one.directory, config);
        return this.read(one.directory);
      });
  }

  /** A new, empty folder for a VM of that name. */
  newFolder(name: string): string {
    const base = folderName(name);
    for (let count = 1; ; count++) {
      const directory = join(this.root, 'vms', count === 1 ? base : `${base} ${count}`);
      try {
        mkdirSync(directory, { mode: 0o700 });
        return directory;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
          throw new VmmError('host', `${directory} cannot be made: ${reasonOf(error)}`, {}, error);
      }
    }
  }

  /** Moves a VM to the trash; for one that lies elsewhere only the link to it is dropped. @returns its id in the trash */
  trash({ directory, config }: { directory: string; config?: VmConfig | undefined }): string | undefined {
    if (!this.isInside(directory)) {
      this.#setElsewhere(this.#elsewhere().filter((one) => one !== directory));
      return undefined;
    }
    const id = randomUUID();
    const target = join(this.root, 'trash', id);
    writeFileAtomically(
      join(directory, TRASHED_FILE),
      JSON.stringify({ name: config?.name ?? basename(directory), from: basename(directory), deleted: Date.now() }),
    );
    renameSync(directory, target);
    syncFolder(dirname(target));
    syncFolder(dirname(directory));
    return id;
  }

  trashed(): TrashedVm[] {
    return readdirSync(join(this.root, 'trash')).flatMap((id) => {
      const directory = join(this.root, 'trash', id);
      const record = trashedSchema.safeParse(readJson(join(directory, TRASHED_FILE)));
      return record.success ? [{ id, name: record.data.name, deleted: record.data.deleted, bytes: bytesIn(directory) }] : [];
    });
  }

  /** @throws VmmError `not-found` */
  restore(id: string): string {
    const directory = this.#inTrash(id);
    const record = trashedSchema.safeParse(readJson(join(directory, TRASHED_FILE)));
    const target = this.newFolder(record.success ? record.data.from : 'Restored');
    rmSync(join(directory, TRASHED_FILE), { force: true });
    renameSync(directory, target); // replaces the empty folder
    syncFolder(dirname(target));
    return target;
  }

  /** @throws VmmError `not-found` */
  purge(id: string): void {
    rmSync(this.#inTrash(id), { recursive: true, force: true });
  }

  /** Shows a VM folder that lies elsewhere. @throws VmmError `not-found`, `invalid` */
  open(directory: string): Found {
    const path = resolve(directory);
    if (!existsSync(join(path, CONFIG_FILE))) throw new VmmError('not-found', `${path} is not the folder of a VM: it has no ${CONFIG_FILE}`);
    const found = this.read(path);
    if (found.problem !== undefined) throw new VmmError('invalid', found.problem);
    if (!this.isInside(path) && !this.#elsewhere().includes(path)) this.#setElsewhere([...this.#elsewhere(), path]);
    return found;
  }

  isInside(directory: string): boolean {
    return dirname(directory) === join(this.root, 'vms');
  }

  settings(): Record<string, unknown> {
    return z
      .record(z.string(), z.unknown())
      .catch({})
      .parse(readJson(join(this.root, 'settings.json')));
  }

  writeSettings(settings: Record<string, unknown>): void {
    writeFileAtomically(join(this.root, 'settings.json'), `${JSON.stringify(settings, undefined, 2)}\n`);
  }

  #inTrash(id: string): string {
    const directory = join(this.root, 'trash', id);
    if (!/^[0-9a-f-]{36}$/.test(id) || !existsSync(directory)) throw new VmmError('not-found', `there is no ${id} in the trash`);
    return directory;
  }

  #elsewhere(): string[] {
    return z
      .array(z.string())
      .catch([])
      .parse(readJson(join(this.root, 'elsewhere.json')));
  }

  #setElsewhere(directories: readonly string[]): void {
    writeFileAtomically(join(this.root, 'elsewhere.json'), `${JSON.stringify(directories, undefined, 2)}\n`);
  }
}

/** A file name on every host: no separators, no control characters, no names that Windows keeps for itself. */
export function folderName(name: string): string {
  const cleaned = name
    .replaceAll(/[\p{Cc}/\\:*?"<>|]/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .replace(/^[. ]+/, '')
    .replace(/[. ]+$/, '')
    .slice(0, 80);
  return cleaned === '' || /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(cleaned) ? `VM ${cleaned}`.trim() : cleaned;
}

/** A machine of its own has MAC addresses of its own: they are derived from its id again. */
export function withoutMacs(nics: readonly Nic[]): Nic[] {
  return nics.map((nic) => {
    const copy = { ...nic };
    delete copy.mac;
    return copy;
  });
}

function birthOf(directory: string): number {
  const stat = statSync(directory, { throwIfNoEntry: false });
  return stat === undefined ? 0 : stat.birthtimeMs || stat.ctimeMs;
}

function bytesIn(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
    const stat = statSync(join(directory, entry.name), { throwIfNoEntry: false });
    return sum + (stat?.isFile() ? stat.blocks * 512 : 0); // what it truly takes: images have holes
  }, 0);
}
