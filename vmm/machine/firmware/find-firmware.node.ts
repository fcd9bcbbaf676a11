import { execFile } from 'node:child_process';
import { access, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, VmmError } from '../../base/errors.ts';
import { checkBios } from './system-rom.ts';

/** The images a machine starts from. */
export interface FirmwareImages {
  readonly bios: Uint8Array;
  /** Option ROM of the display adapter; absent when a firmware of the user's own is used and no VGA BIOS was found. */
  readonly vgaBios?: Uint8Array;
  /** Where they came from, for the log. */
  readonly from: string;
}

export interface FirmwareSearch {
  /** Directories to look in, before the usual ones. */
  readonly directories?: readonly string[];
  /** Where downloaded firmware is kept. Default: `strate/firmware` in the user's cache directory. */
  readonly cache?: string;
  /** Whether the distribution's package may be downloaded when nothing is found. Default true. */
  readonly download?: boolean;
  /** Told when something takes time. */
  readonly progress?: (message: string) => void;
}

export const BIOS_FILE = 'bios-256k.bin';
export const VGA_BIOS_FILE = 'vgabios-stdvga.bin';

/** Where distributions and QEMU's own installation put SeaBIOS. */
const USUAL_DIRECTORIES = [
  '/usr/share/seabios',
  '/usr/share/qemu',
  '/usr/share/qemu/firmware',
  '/usr/local/share/seabios',
  '/usr/local/share/qemu',
  '/opt/homebrew/share/qemu',
  'C:\\Program Files\\qemu\\share',
];
const PACKAGE = 'seabios';
const DOWNLOAD_TIMEOUT = 120_000;
const HELP = 'install the package "seabios" (Debian, Ubuntu) or QEMU, or name an image with --bios FILE';

const run = promisify(execFile);

/**
 * Finds the firmware a configuration names: `seabios`, or the path of an image. Throws VmmError 'not-found' with one line that says what to install,
 * 'unsupported' for `uefi`, 'invalid' for a file that cannot be a BIOS.
 */
export async function findFirmware(choice: string, search: FirmwareSearch = {}): Promise<FirmwareImages> {
  if (choice === 'uefi') throw new VmmError('unsupported', 'UEFI firmware is not available yet; use --firmware seabios');
  const cache = search.cache ?? join(cacheDirectory(), 'strate', 'firmware');
  const directories = [...(search.directories ?? []), ...USUAL_DIRECTORIES, cache];
  if (choice !== 'seabios') {
    const bios = await readImage(choice);
    const at = await firstWith(directories, VGA_BIOS_FILE);
    return { bios, ...(at === undefined ? {} : { vgaBios: await readFile(join(at, VGA_BIOS_FILE)) }), from: choice };
  }
  const at =
    (await firstWith(directories, BIOS_FILE, VGA_BIOS_FILE)) ?? (search.download === false ? undefined : await download(cache, search.progress));
  if (at === undefined) throw new VmmError('not-found', `the firmware SeaBIOS was not found on this computer: ${HELP}`);
  return { bios: await readImage(join(at, BIOS_FILE)), vgaBios: await readFile(join(at, VGA_BIOS_FILE)), from: at };
}

async function readImage(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new VmmError('not-found', `cannot read the firmware ${path}: ${messageOf(cause)}`, {}, cause);
  }
  checkBios(path, bytes);
  return bytes;
}

async function firstWith(directories: readonly string[], ...files: readonly string[]): Promise<string | undefined> {
  for (const directory of directories) {
    const present = await Promise.all(
      files.map((file) =>
        access(join(directory, file)).then(
          () => true,
          () => false,
        ),
      ),
    );
    if (present.every(Boolean)) return directory;
  }
  return undefined;
}

/** Debian's package, without root: fetched and unpacked into the cache. Undefined where there is no apt, or no network. */
async function download(cache: string, progress: FirmwareSearch['progress']): Promise<string | undefined> {
  const work = await mkdtemp(join(tmpdir(), 'strate-firmware-'));
  try {
    progress?.(`downloading the package ${PACKAGE} with apt-get`);
    await run('apt-get', ['download', PACKAGE], { cwd: work, timeout: DOWNLOAD_TIMEOUT });
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) return undefined;
    await run('dpkg', ['-x', archive, 'unpacked'], { cwd: work, timeout: DOWNLOAD_TIMEOUT });
    await mkdir(cache, { recursive: true });
    for (const file of [BIOS_FILE, VGA_BIOS_FILE]) await place(join(work, 'unpacked', 'usr', 'share', 'seabios', file), join(cache, file));
    return cache;
  } catch {
    return undefined;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Copies by way of a temporary name, so that another process never sees half a file. */
async function place(source: string, target: string): Promise<void> {
  const partial = `${target}.${process.pid}`;
  await copyFile(source, partial);
  await rename(partial, target);
}

function cacheDirectory(): string {
  if (process.platform === 'win32') return process.env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
}
