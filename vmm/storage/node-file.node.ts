import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { messageOf, VmmError } from '../base/errors.ts';
import { sparseSupport } from './sparse.node.ts';
import type { HostFile } from './host-file.ts';
import { lengthOf } from './node.ts';

const read = promisify(fs.read) as (fd: number, into: Uint8Array, at: number, length: number, position: number) => Promise<{ bytesRead: number }>;
const write = promisify(fs.write) as (
  fd: number,
  from: Uint8Array,
  at: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number }>;
const ftruncate = promisify(fs.ftruncate);
const fdatasync = promisify(fs.fdatasync);
const fstat = promisify(fs.fstat);

/** A call into the host's page cache takes 1-10 us, a trip through libuv's thread pool 12 and more: small transfers go the direct way... */
const DIRECT_BYTES = 256 * 1024;
/** ...until one takes this long (ms), which says that the disk itself had to be asked; */
const DIRECT_PATIENCE = 0.5;
/** then this many go through the pool, several at a time, before the direct way is tried again. */
const POOL_RUN = 32;

/** Chooses between the direct call and the thread pool by what the last direct ones cost. */
class Pace {
  #poolLeft = 0;

  direct(bytes: number): boolean {
    if (bytes > DIRECT_BYTES) return false;
    if (this.#poolLeft === 0) return true;
    this.#poolLeft--;
    return false;
  }

  took(milliseconds: number): void {
    if (milliseconds > DIRECT_PATIENCE) this.#poolLeft = POOL_RUN;
  }
}

export interface NodeFileOptions {
  readonly readOnly?: boolean;
  /** Makes the file; fails if it exists already. */
  readonly create?: boolean;
}

/** A file of this computer. */
export class NodeFile implements HostFile {
  readonly path: string;
  readonly readOnly: boolean;
  readonly #fd: number;
  readonly #pace = new Pace();
  #closed = false;

  private constructor(path: string, fd: number, readOnly: boolean) {
    this.path = path;
    this.#fd = fd;
    this.readOnly = readOnly;
  }

  static open(path: string, options: NodeFileOptions = {}): NodeFile {
    const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;
    const flags = options.readOnly ? O_RDONLY : options.create ? O_RDWR | O_CREAT | O_EXCL : O_RDWR;
    let fd: number;
    try {
      fd = fs.openSync(path, flags, 0o666);
    } catch (error) {
      throw openError(path, error, options);
    }
    const kind = fs.fstatSync(fd);
    if (kind.isFile() || kind.isBlockDevice()) return new NodeFile(path, fd, options.readOnly ?? false);
    fs.closeSync(fd);
    throw new VmmError('usage', kind.isDirectory() ? `${path} is a folder, not a disk image` : `${path} is not a regular file`, { path });
  }

  /** An empty file without a name: its space is given back when it is closed, whatever becomes of this process. */
  static temporary(directory: string = tmpdir()): NodeFile {
    const path = join(directory, `strate-${randomUUID()}.tmp`);
    const file = NodeFile.open(path, { create: true });
    try {
      fs.unlinkSync(path);
    } catch {
      file.#deleteOnClose = true; // a host that does not let go of open files (Windows)
    }
    return file;
  }
  #deleteOnClose = false;

  /** Called when the file is closed. */
  onClose(call: () => void): void {
    this.#closers.push(call);
  }
  readonly #closers: (() => void)[] = [];

  get fd(): number {
    return this.#fd;
  }

  async size(): Promise<number> {
    const stat = await fstat(this.#fd);
    if (stat.isFile()) return stat.size;
    return sparseSupport.deviceSize(this.#fd) ?? 0;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < into.length;) {
        const count = await this.readSome(offset + at, at === 0 ? into : into.subarray(at));
        if (count === 0) {
          into.fill(0, at);
          return;
        }
        at += count;
      }
    } catch (error) {
      throw this.hostError('read', error);
    }
  }

  private async readSome(offset: number, into: Uint8Array): Promise<number> {
    if (!this.#pace.direct(into.length)) return (await read(this.#fd, into, 0, into.length, offset)).bytesRead;
    const start = performance.now();
    const count = fs.readSync(this.#fd, into, 0, into.length, offset);
    this.#pace.took(performance.now() - start);
    return count;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < from.length;) at += await this.writeSome(offset + at, at === 0 ? from : from.subarray(at));
    } catch (error) {
      throw this.hostError('write', error);
    }
  }

  private async writeSome(offset: number, from: Uint8Array): Promise<number> {
    if (!this.#pace.direct(from.length)) return (await write(this.#fd, from, 0, from.length, offset)).bytesWritten;
    const start = performance.now();
    const count = fs.writeSync(this.#fd, from, 0, from.length, offset);
    this.#pace.took(performance.now() - start);
    return count;
  }

  async readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    const total = lengthOf(into);
    if (this.#pace.direct(total)) {
      const start = performance.now();
      let count: number;
      try {
        count = fs.readvSync(this.#fd, into, offset);
      } catch (error) {
        throw this.hostError('read', error);
      }
      this.#pace.took(performance.now() - start);
      if (count === total) return;
    }
    for (let piece = 0, at = offset; piece < into.length; at += into[piece++]!.length) await this.read(at, into[piece]!);
  }

  async writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    const total = lengthOf(from);
    if (this.#pace.direct(total)) {
      const start = performance.now();
      let count: number;
      try {
        count = fs.writevSync(this.#fd, from, offset);
      } catch (error) {
        throw this.hostError('write', error);
      }
      this.#pace.took(performance.now() - start);
      if (count === total) return;
    }
    for (let piece = 0, at = offset; piece < from.length; at += from[piece++]!.length) await this.write(at, from[piece]!);
  }

  async truncate(size: number): Promise<void> {
    try {
      await ftruncate(this.#fd, size);
    } catch (error) {
      throw this.hostError('resize', error);
    }
  }

  /**
   * A flush that failed cannot be tried again: the host may have dropped what it could not write, and says so only once. From then on all fail.
   */
  async flush(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      await fdatasync(this.#fd);
    } catch (error) {
      this.#lost = new VmmError(
        'host',
        `${this.hostError('flush', error).message}; what was written lately may be lost`,
        { path: this.path, code: codeOf(error) },
        error,
      );
      throw this.#lost;
    }
  }
  #lost: VmmError | undefined;

  punch(offset: number, length: number): Promise<boolean> {
    return Promise.resolve(sparseSupport.punch(this.#fd, offset, length));
  }

  async nextData(offset: number): Promise<{ start: number; end: number } | undefined> {
    const found = sparseSupport.nextData(this.#fd, offset);
    if (found !== 'unknown') return found;
    const size = await this.size();
    return offset < size ? { start: offset, end: size } : undefined;
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      fs.closeSync(this.#fd);
      for (const call of this.#closers) call();
      if (this.#deleteOnClose) fs.rmSync(this.path, { force: true });
    }
    return Promise.resolve();
  }

  private hostError(action: string, error: unknown): VmmError {
    if (error instanceof VmmError) return error;
    const code = codeOf(error);
    const reason = reasons[code] ?? messageOf(error);
    return new VmmError('host', `cannot ${action} ${this.path}: ${reason}`, { path: this.path, code }, error);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the host disk is full; free some space and go on',
  EDQUOT: 'the disk quota is used up; free some space and go on',
  EFBIG: 'the host file system cannot hold a file this large',
  EIO: 'the host reports an input/output error',
};

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function openError(path: string, error: unknown, options: NodeFileOptions): VmmError {
  const code = codeOf(error);
  const context = { path, code };
  switch (code) {
    case 'ENOENT':
      return new VmmError(
        'not-found',
        options.create ? `cannot create ${path}: its folder does not exist` : `${path} does not exist`,
        context,
        error,
      );
    case 'EEXIST':
      return new VmmError('usage', `${path} exists already; choose another name or delete it first`, context, error);
    case 'EISDIR':
      return new VmmError('usage', `${path} is a folder, not a disk image`, context, error);
    case 'EACCES':
    case 'EPERM':
      return new VmmError(
        'host',
        `no permission to ${options.readOnly ? 'read' : 'write'} ${path}; change its permissions or open it read-only`,
        context,
        error,
      );
    case 'EROFS':
      return new VmmError('host', `${path} is on a read-only file system; open it read-only`, context, error);
    default:
      return new VmmError('host', `cannot open ${path}: ${messageOf(error)}`, context, error);
  }
}
