/**
 * Small guests to try Strate with. They come from the host's own distribution: its package is downloaded and unpacked into the cache, without
 * root. Where there is no apt the entry says what is needed.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { VmmError } from '../../base/errors.ts';
import type { VmConfigInput } from '../../protocol/config.ts';
import type { JobControl } from './jobs.ts';

export interface Guest {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Debian package, and its size in bytes, about. */
  readonly package: string;
  readonly bytes: number;
  /** Files of the package that the machine uses: path in the package. */
  readonly files: readonly string[];
  /** The machine, with the guest's files by their index in `files` as `file:0`. */
  readonly config: Partial<VmConfigInput>;
}

export const guests: readonly Guest[] = [
  {
    id: 'memtest86+',
    name: 'Memtest86+',
    description: 'Tests the memory of the machine. Starts in a second.',
    package: 'memtest86+',
    bytes: 120_000,
    files: ['usr/lib/memtest86+/memtest86+x64.iso'],
    config: { system: 'memtest', memory: 64, boot: { order: 'd' }, drives: [{ media: 'cdrom', format: 'iso', file: 'file:0' }] },
  },
  {
    id: 'grub-rescue',
    name: 'GRUB rescue CD',
    description: 'The GRUB boot loader with its command line.',
    package: 'grub-rescue-pc',
    bytes: 2_500_000,
    files: ['usr/lib/grub-rescue/grub-rescue-cdrom.iso'],
    config: { system: 'grub-rescue', memory: 64, boot: { order: 'd' }, drives: [{ media: 'cdrom', format: 'iso', file: 'file:0' }] },
  },
  {
    id: 'debian-installer-i386',
    name: 'Debian installer (32 bits)',
    description: 'The network installer of Debian 12: a Linux kernel and its initial RAM disk.',
    package: 'debian-installer-12-netboot-i386',
    bytes: 105_000_000,
    files: [
      'usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux',
      'usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/initrd.gz',
    ],
    config: { system: 'debian', memory: 1024, kernel: { file: 'file:0', initrd: 'file:1', append: 'vga=normal' } },
  },
  {
    id: 'debian-installer-amd64',
    name: 'Debian installer (64 bits)',
    description: 'The network installer of Debian 12: a Linux kernel and its initial RAM disk.',
    package: 'debian-installer-12-netboot-amd64',
    bytes: 133_000_000,
    files: [
      'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux',
      'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/initrd.gz',
    ],
    config: { system: 'debian', memory: 1024, kernel: { file: 'file:0', initrd: 'file:1', append: 'vga=normal' } },
  },
];

const HELP = 'needs apt-get and dpkg-deb (Debian, Ubuntu); elsewhere download an image and drop it on the window';
const TIMEOUT = 300_000;

export interface GuestSource {
  readonly cache: string;
  /** Whether this host can fetch packages. */
  readonly available: boolean;
}

export function guestSource(cache: string, path: string = process.env['PATH'] ?? ''): GuestSource {
  const has = (program: string) => path.split(delimiter).some((directory) => directory !== '' && existsSync(join(directory, program)));
  return { cache: join(cache, 'guests'), available: has('apt-get') && has('dpkg-deb') };
}

export interface GuestInfo {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly bytes: number;
  readonly cached: boolean;
  readonly available: boolean;
  readonly help?: string;
}

export function listGuests(source: GuestSource): GuestInfo[] {
  return guests.map((guest) => {
    const cached = filesOf(source, guest) !== undefined;
    const available = cached || source.available;
    const { id, name, description, bytes } = guest;
    return { id, name, description, bytes, cached, available, ...(!available && { help: `${name} ${HELP}` }) };
  });
}

/** @throws VmmError `not-found` */
export function findGuest(id: string): Guest {
  const guest = guests.find((one) => one.id === id);
  if (guest === undefined)
    throw new VmmError('not-found', `there is no guest ${JSON.stringify(id)}; there are ${guests.map((one) => one.id).join(', ')}`);
  return guest;
}

/** Paths of the guest's files, fetched if they must be. @throws VmmError `unsupported`, `host` with what is needed. */
export async function fetchGuest(source: GuestSource, guest: Guest, job: JobControl): Promise<readonly string[]> {
  const cached = filesOf(source, guest);
  if (cached !== undefined) return cached;
  if (!source.available) throw new VmmError('unsupported', `${guest.name} ${HELP}`);
  const work = join(source.cache, `.${guest.id}.${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, 'unpacked'), { recursive: true });
  try {
    await download(guest, work, job);
    job.progress(0.9, 'unpacking');
    const archive = readdirSync(work).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new VmmError('host', `apt-get fetched nothing for ${guest.package}`);
    await run(['dpkg-deb', '-x', join(work, archive), join(work, 'unpacked')], work, job);
    const target = join(source.cache, guest.id);
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, 'unpacked'), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const files = filesOf(source, guest);
  if (files === undefined)
    throw new VmmError('host', `the package ${guest.package} of this distribution does not contain ${guest.files.join(' and ')}`);
  return files;
}

async function download(guest: Guest, work: string, job: JobControl): Promise<void> {
  job.progress(0, `fetching the package ${guest.package}`);
  const look = setInterval(() => {
    const partial = readdirSync(work).map((name) => statSync(join(work, name), { throwIfNoEntry: false })?.size ?? 0);
    job.progress(Math.min(0.89, (0.9 * Math.max(0, ...partial)) / guest.bytes));
  }, 500);
  try {
    await run(['apt-get', 'download', '-q', guest.package], work, job);
  } catch (error) {
    if (job.signal.aborted) throw error;
    throw new VmmError(
      'host',
      `the package ${guest.package} cannot be fetched: ${lastLine(error)} (try apt-get update, and look at the network)`,
      {},
      error,
    );
  } finally {
    clearInterval(look);
  }
}

const execute = promisify(execFile);

async function run(command: readonly [string, ...string[]], cwd: string, job: JobControl): Promise<void> {
  const [program, ...args] = command;
  await execute(program, args, {
    cwd,
    timeout: TIMEOUT,
    signal: job.signal,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function lastLine(error: unknown): string {
  const { stderr } = error as { stderr?: string };
  const text = stderr ?? (error as Error).message;
  return /^E: (.*)$/m.exec(text)?.[1] ?? text.split('\n')[0]!;
}

function filesOf(source: GuestSource, guest: Guest): readonly string[] | undefined {
  const files = guest.files.map((file) => join(source.cache, guest.id, file));
  return files.every((file) => existsSync(file)) ? files : undefined;
}

/** The machine for a guest whose files are named so. */
export function guestConfig(guest: Guest, names: readonly string[]): Partial<VmConfigInput> {
  const put = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(/^file:(\d)$/, (_, index: string) => names[Number(index)]!);
    if (Array.isArray(value)) return value.map(put);
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, put(one)]));
    return value;
  };
  return put({ name: guest.name, ...guest.config }) as Partial<VmConfigInput>;
}
