/**
 * A VM's folder:
 *
 *     config.json       VmConfig; config.json~ is the one before
 *     run.json          exists while a process runs it: pid, when that process began, its socket
 *     last-run.json     how the last run ended
 *     control.sock      the protocol (elsewhere when the path would be too long; run.json names it)
 *     strate.log        log of the last run, strate.log.1 of the one before
 *     thumbnail.png     the screen as last seen
 *     screen.txt        the characters on it, in a text mode
 *     *.img, *.qcow2    its disks
 */
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { parseConfig, type VmConfig } from '../protocol/config.ts';

export const CONFIG_FILE = 'config.json';
export const RUN_FILE = 'run.json';
export const LAST_RUN_FILE = 'last-run.json';
export const LOG_FILE = 'strate.log';
export const THUMBNAIL_FILE = 'thumbnail.png';
export const SCREEN_TEXT_FILE = 'screen.txt';

/** Nobody writes a configuration of this size, characters. */
const MAX_CONFIG = 4 << 20;

/** @throws VmmError `not-found`, or `invalid` with a line per error, each naming the file. */
export function readConfig(path: string): VmConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new VmmError('not-found', `${path} cannot be read: ${reasonOf(error)}`, { path }, error);
  }
  if (text.length > MAX_CONFIG) throw new VmmError('invalid', `${path} is too long for a configuration`);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new VmmError('invalid', `${path} is not JSON: ${(error as Error).message}`, { path }, error);
  }
  try {
    return parseConfig(data);
  } catch (error) {
    if (!(error instanceof VmmError)) throw error;
    throw new VmmError('invalid', error.message.replaceAll(/^/gm, `${path}: `), { ...error.context, path }, error);
  }
}

/**
 * Replaces a file so that after a power cut it is either the old or the new one (promises.md D4): a temporary file, fsync, rename, fsync of
 * the folder. With `keep`, the file before is kept under that name.
 */
export function writeFileAtomically(path: string, contents: string | Uint8Array, keep?: string): void {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    const bytes = typeof contents === 'string' ? Buffer.from(contents) : contents;
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } catch (error) {
    closeSync(descriptor);
    rmSync(temporary, { force: true });
    throw new VmmError('host', `${path} cannot be written: ${reasonOf(error)}`, { path }, error);
  }
  closeSync(descriptor);
  try {
    if (keep !== undefined && existsSync(path)) {
      rmSync(keep, { force: true });
      linkSync(path, keep); // never a moment without `path`
    }
  } catch {
    // a file system without hard links keeps no copy
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Makes a rename in that folder survive a power cut, where the host can. */
export function syncFolder(directory: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function writeConfig(directory: string, config: VmConfig): void {
  const path = join(directory, CONFIG_FILE);
  writeFileAtomically(path, `${JSON.stringify(config, undefined, 2)}\n`, `${path}~`);
}

/** Paths in a configuration are relative to the VM's folder. */
export function resolveIn(directory: string, path: string): string {
  return isAbsolute(path) ? path : resolve(directory, path);
}

export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is not a folder',
    ENOSPC: 'the disk is full',
    EROFS: 'the file system is read-only',
    EADDRINUSE: 'it is in use',
    ECONNREFUSED: 'nobody listens there',
    EEXIST: 'it exists already',
  };
  return (code !== undefined ? known[code] : undefined) ?? (error instanceof Error ? error.message : String(error));
}
