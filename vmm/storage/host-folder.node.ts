import fs from 'node:fs';

/** Makes durable what was created or renamed in a folder. Hosts that cannot (Windows) do it by themselves. */
export function syncFolder(path: string): void {
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, 'r');
    fs.fsyncSync(fd);
  } catch {
    // no such thing there
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}
