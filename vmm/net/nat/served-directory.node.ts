/** Files of one directory, for TFTP. A name never leads out of it: not by dots, not by links. */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { join, normalize, sep } from 'node:path';
import type { HostFile } from './host.ts';

const MAX_SIZE = 0xffff_ffff;

/** Undefined: there is no such regular file below the directory. */
export async function openBelow(directory: string, name: string): Promise<HostFile | undefined> {
  if (name.includes('\0')) return undefined;
  const root = await realpath(directory);
  const path = await realpath(join(root, normalize(`/${name.replaceAll('\\', '/')}`)));
  if (!path.startsWith(root + sep)) return undefined;
  // Opened by its resolved path, without following a link that may have taken its place.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const status = await file.stat();
  if (!status.isFile() || status.size > MAX_SIZE) {
    await file.close();
    return undefined;
  }
  return {
    size: status.size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    },
    close: () => void file.close().catch(() => undefined),
  };
}
