/** Files that a browser sends: written as they come, into a folder of their own, until they are used or forgotten. */
import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VmmError } from '../../base/errors.ts';
import { reasonOf } from '../vm-folder.node.ts';
import { folderName } from './store.node.ts';

export interface UploadLimits {
  /** bytes of one file */
  readonly file: number;
  /** bytes that stay free on the host's disk */
  readonly reserve: number;
}

const DEFAULT_LIMITS: UploadLimits = { file: 64 * 2 ** 30, reserve: 2 ** 30 };
/** An upload that nobody used for so long is forgotten, ms. */
const FORGET_AFTER = 6 * 3600_000;

export class Uploads {
  readonly #directory: string;
  readonly #limits: UploadLimits;

  constructor(libraryRoot: string, limits: UploadLimits = DEFAULT_LIMITS) {
    this.#directory = join(libraryRoot, 'uploads');
    this.#limits = limits;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#forgetOld();
  }

  /**
   * `length`: what the sender says it will be, if it does.
   * @throws VmmError `usage` (too large), `host` (disk full), or what the stream fails with; nothing is left behind then.
   */
  async receive(name: string, body: Readable, length: number | undefined): Promise<{ upload: string; bytes: number }> {
    this.#forgetOld();
    await this.#checkRoom(name, length ?? 0);
    const upload = randomUUID();
    const folder = join(this.#directory, upload);
    mkdirSync(folder, { mode: 0o700 });
    let bytes = 0;
    const count = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        done(bytes > this.#limits.file ? this.#tooLarge(name) : null, chunk);
      },
    });
    try {
      await pipeline(body, count, createWriteStream(join(folder, folderName(name)), { mode: 0o600 }));
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      if (error instanceof VmmError) throw error;
      throw new VmmError('host', `${name} could not be received: ${reasonOf(error)}`, {}, error);
    }
    return { upload, bytes };
  }

  /** @throws VmmError `not-found` */
  find(upload: string): { path: string; name: string } {
    const folder = join(this.#directory, upload);
    const name = /^[0-9a-f-]{36}$/.test(upload) && existsSync(folder) ? readdirSync(folder)[0] : undefined;
    if (name === undefined) throw new VmmError('not-found', 'this upload is no longer there; drop the file again');
    return { path: join(folder, name), name };
  }

  forget(upload: string): void {
    rmSync(join(this.#directory, upload), { recursive: true, force: true });
  }

  #tooLarge(name: string): VmmError {
    return new VmmError('usage', `${name} is larger than ${Math.floor(this.#limits.file / 2 ** 30)} GiB, the most that can be uploaded`);
  }

  async #checkRoom(name: string, length: number): Promise<void> {
    if (length > this.#limits.file) throw this.#tooLarge(name);
    const { bavail, bsize } = await statfs(this.#directory);
    if (bavail * bsize - length < this.#limits.reserve) throw new VmmError('host', `there is not enough room on the disk for ${name}`);
  }

  #forgetOld(): void {
    for (const upload of readdirSync(this.#directory)) {
      const stat = statSync(join(this.#directory, upload), { throwIfNoEntry: false });
      if (stat !== undefined && Date.now() - stat.mtimeMs > FORGET_AFTER) this.forget(upload);
    }
  }
}
