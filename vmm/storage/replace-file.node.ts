import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, VmmError } from '../base/errors.ts';
import { syncFolder } from './host-folder.node.ts';

/** Replaces a file so that after a power cut it is either the old or the new one. `step` is called before each part, for tests. */
export function replaceFile(path: string, contents: string | Uint8Array, step: (part: 'write' | 'rename' | 'sync') => void = () => undefined): void {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  step('write');
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    const bytes = typeof contents === 'string' ? Buffer.from(contents) : contents;
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } catch (error) {
    closeSync(fd);
    rmSync(temporary, { force: true });
    throw new VmmError('host', `${path} cannot be written: ${messageOf(error)}`, { path }, error);
  }
  closeSync(fd);
  step('rename');
  renameSync(temporary, path);
  step('sync');
  syncFolder(dirname(path));
}
