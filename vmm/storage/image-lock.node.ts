import fs from 'node:fs';
import { hostname, uptime } from 'node:os';
import { randomUUID } from 'node:crypto';
import { VmmError } from '../base/errors.ts';
import { fileLocks } from './file-locks.node.ts';
import type { NodeFile } from './node-file.node.ts';

/*
 * Two processes must not write one image, nor one write what another reads. A lock file beside the image says who writes it (on every host); where
 * the kernel has open-file-description locks, those are taken as well, by the bytes QEMU uses, so that each respects the other.
 */

export type LockMode = 'read' | 'write';

/** A process, told from later ones of its number. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Of the host's present boot: a process of an earlier one is gone, whatever has its number now. */
  readonly boot: string;
  /** When it was started, as Linux counts: the number of one that is gone may have been given to another since. */
  readonly started?: string | undefined;
  readonly nonce: string;
}

/**
 * Linux (proc(5)): the state is field 3, the threads' number field 20, the time of the start field 22. A process that was killed is there until its parent has asked, and until the
 * last of its threads is out of the kernel it may still write.
 */
function presentProcess(pid: number): { readonly started: string | undefined; readonly ended: boolean } | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from field 3: the name in field 2 may hold spaces
    return { started: fields[19], ended: 'ZX'.includes(fields[0]!) && Number(fields[17]) <= 1 };
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `${BOOTED_AT}${Math.round(Date.now() / 1000 - uptime())}`;
  }
}

const BOOTED_AT = 'booted at ';
/** Seconds by which two processes may differ about when the host was booted: the clock is set now and then. */
const CLOCK_TOLERANCE = 300;

function sameBoot(a: string, b: string): boolean {
  if (!a.startsWith(BOOTED_AT) || !b.startsWith(BOOTED_AT)) return a === b;
  return Math.abs(Number(a.slice(BOOTED_AT.length)) - Number(b.slice(BOOTED_AT.length))) < CLOCK_TOLERANCE;
}

export function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), boot: bootId(), started: presentProcess(process.pid)?.started, nonce: randomUUID() };
}

export class ImageLock {
  readonly #lockFile: string | undefined;
  readonly #owner: Owner;

  private constructor(lockFile: string | undefined, owner: Owner) {
    this.#lockFile = lockFile;
    this.#owner = owner;
  }

  /** Throws VmmError `busy`, naming who has the image. The kernel's lock goes with the file's descriptor. */
  static take(file: NodeFile, mode: LockMode): ImageLock {
    const owner = thisProcess();
    const path = `${fs.realpathSync(file.path)}.lock`;
    if (mode === 'read') {
      const writer = liveOwner(path);
      if (writer !== undefined) throw busy(file.path, writer);
      lockKernel(file, mode);
      return new ImageLock(undefined, owner);
    }
    const lockFile = takeLockFile(file.path, path, owner);
    try {
      lockKernel(file, mode);
    } catch (error) {
      if (lockFile) fs.rmSync(path, { force: true });
      throw error;
    }
    return new ImageLock(lockFile ? path : undefined, owner);
  }

  release(): void {
    if (this.#lockFile === undefined) return;
    // Only what is ours: an administrator may have removed it and somebody else taken it.
    if (readOwner(this.#lockFile)?.nonce === this.#owner.nonce) fs.rmSync(this.#lockFile, { force: true });
  }
}

function lockKernel(file: NodeFile, mode: LockMode): void {
  if (!fileLocks.lockImage(file.fd, mode))
    throw new VmmError('busy', `${file.path} is in use by another program; stop it first`, { path: file.path });
}

function busy(path: string, owner: Owner): VmmError {
  const where = owner.host === hostname() ? '' : ` on ${owner.host}`;
  return new VmmError('busy', `${path} is in use by process ${owner.pid}${where}; stop it first`, { path, pid: owner.pid });
}

/** False: the folder takes no files; the kernel's lock has to do. */
function takeLockFile(image: string, path: string, owner: Owner): boolean {
  const mine = `${path}.${owner.nonce}`;
  try {
    fs.writeFileSync(mine, JSON.stringify(owner), { flag: 'wx', mode: 0o644 });
  } catch {
    return false;
  }
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        fs.linkSync(mine, path); // fails if it exists: there is no moment at which two succeed
        return true;
      } catch (error) {
        if (!exists(error)) return false; // a file system without links
      }
      const other = liveOwner(path);
      if (other !== undefined) throw busy(image, other);
      removeStale(path, owner.nonce);
    }
    throw new VmmError('busy', `${image} is being locked by several programs at once; try again`, { path: image });
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

function exists(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST';
}

/** Moves a dead owner's lock aside. If it was a new, live one by then, it is put back. */
function removeStale(path: string, nonce: string): void {
  const aside = `${path}.${nonce}.stale`;
  try {
    fs.renameSync(path, aside);
  } catch {
    return; // somebody else was faster
  }
  const moved = readOwner(aside);
  if (moved !== undefined && isAlive(moved)) {
    try {
      fs.linkSync(aside, path);
    } catch {
      // a third has it already
    }
  }
  fs.rmSync(aside, { force: true });
}

function liveOwner(path: string): Owner | undefined {
  const owner = readOwner(path);
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

export function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(fs.readFileSync(path, 'utf8')) as Partial<Owner>;
    if (typeof owner.pid !== 'number' || typeof owner.boot !== 'string' || typeof owner.host !== 'string' || typeof owner.nonce !== 'string')
      return undefined;
    return owner as Owner;
  } catch {
    return undefined;
  }
}

/** Of a process of another computer nothing can be known: it counts as alive. */
export function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  if (!sameBoot(owner.boot, bootId())) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (!(typeof error === 'object' && error !== null && 'code' in error && error.code === 'EPERM')) return false;
  }
  const present = presentProcess(owner.pid);
  if (present === undefined) return true;
  return !present.ended && (owner.started === undefined || owner.started === present.started);
}
