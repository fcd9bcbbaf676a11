/** From what the command line said to a checked configuration: files exist, formats are known, everything fits together. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { checkConfig, type DriveInput, type VmConfig } from '../protocol/config.ts';
import { issueLine } from '../protocol/issues.ts';
import { NodeFile } from '../storage/node-file.node.ts';
import { probe } from '../storage/probe.ts';
import type { DriveDraft, RunDraft } from './run-settings.ts';

export interface ResolvedRun {
  readonly config: VmConfig;
  /** Relative paths are relative to it. */
  readonly directory: string;
  /** For the person who typed it: one line each. */
  readonly warnings?: readonly string[];
}

/** @throws VmmError `usage`, `not-found` or `invalid` with one line per error. Nothing is created or changed. */
export async function resolveRun(draft: RunDraft, base?: ResolvedRun): Promise<ResolvedRun> {
  for (const { option, path } of draft.files) checkFile(option, path);
  const from = base ?? (draft.configFile === undefined ? undefined : readConfigFile(draft.configFile));
  const directory = from?.directory ?? process.cwd();
  // Paths on the command line are relative to where it was typed, those of a configuration to its own place.
  const here = (path: string) => (directory === process.cwd() ? path : resolve(path));
  const { kernel, firmware, ...options } = draft.config;
  if (kernel !== undefined && kernel.file === '' && from?.config.kernel === undefined)
    throw new VmmError('usage', '--initrd, --append and --module need --kernel');
  const warnings: string[] = [];
  const drives = await Promise.all(draft.drives.map((drive) => resolveDrive(drive, here, (line) => warnings.push(line))));
  const settings: Record<string, unknown> = { id: randomUUID(), name: 'strate run', display: { kind: 'none' }, ...from?.config, ...options };
  for (const nested of ['cpu', 'boot', 'display'] as const)
    if (from !== undefined && options[nested] !== undefined) settings[nested] = { ...from.config[nested], ...options[nested] };
  if (firmware !== undefined) settings['firmware'] = firmware === 'seabios' || firmware === 'uefi' ? firmware : here(firmware);
  if (kernel !== undefined) {
    const files = {
      ...(kernel.file !== '' && { file: here(kernel.file) }),
      ...(kernel.initrd !== undefined && { initrd: here(kernel.initrd) }),
      ...(kernel.append !== undefined && { append: kernel.append }),
      ...(kernel.modules && { modules: kernel.modules.map((module) => ({ ...module, file: here(module.file) })) }),
    };
    settings['kernel'] = { ...from?.config.kernel, ...files };
  }
  if (drives.length > 0) settings['drives'] = replaceDrives(from?.config.drives ?? [], drives);
  const check = checkConfig(settings);
  if (!check.ok) throw new VmmError('usage', check.issues.map((issue) => `${optionOf(issue.field, draft)}${issueLine(issue)}`).join('\n'));
  return { config: check.config, directory, warnings };
}

/** An option for a place that the configuration has a drive in takes that drive's place. */
function replaceDrives(before: readonly DriveInput[], given: readonly DriveInput[]): DriveInput[] {
  const kept = before.filter(
    ({ bus, slot, id }) => !given.some((one) => one.id === id || (one.bus === bus && one.slot !== undefined && one.slot === slot)),
  );
  return [...kept, ...given];
}

/** `drives[1].slot` -> the option that made that drive. */
function optionOf(field: string, draft: RunDraft): string {
  const match = /^drives\[(\d+)\]/.exec(field);
  const drive = match === null ? undefined : draft.drives[Number(match[1])];
  return drive === undefined ? '' : `${drive.option}: `;
}

function checkFile(option: string, path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new VmmError('not-found', `${option} ${path}: there is no such file`);
  if (stat.isDirectory()) throw new VmmError('usage', `${option} ${path}: it is a folder`);
}

function readConfigFile(path: string): ResolvedRun {
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new VmmError('invalid', `--config ${path}: ${error instanceof SyntaxError ? `not JSON (${error.message})` : (error as Error).message}`);
  }
  // An id and a name are a library's concern: a file that is only run may lack them.
  const check = checkConfig(
    typeof data === 'object' && data !== null && !Array.isArray(data)
      ? { id: randomUUID(), name: 'strate run', display: { kind: 'none' }, ...data }
      : data,
  );
  if (!check.ok) throw new VmmError('invalid', check.issues.map((issue) => `--config ${path}: ${issueLine(issue)}`).join('\n'));
  return { config: check.config, directory: dirname(resolve(path)) };
}

/** Extensions that say what a file is; the others are taken for raw only when nothing in the file speaks against it. */
const formatByExtension: Readonly<Record<string, DriveInput['format']>> = {
  qcow2: 'qcow2',
  qcow: 'qcow2',
  vmdk: 'vmdk',
  vhd: 'vhd',
  vpc: 'vhd',
  vhdx: 'vhdx',
  vdi: 'vdi',
};

const HEAD = 65536;

/** A disk that nothing was written to yet. */
async function isBlank(file: NodeFile): Promise<boolean> {
  const head = new Uint8Array(Math.min(HEAD, await file.size()));
  await file.read(0, head);
  return head.every((byte) => byte === 0);
}

/**
 * Settles a drive's format. What a guest has written into a raw disk must never decide it (promises.md, isolation): a header of an image format
 * counts only where the file's name agrees.
 */
async function resolveDrive({ option, ...drive }: DriveDraft, here: (path: string) => string, warn: (line: string) => void): Promise<DriveInput> {
  if (drive.file === null || drive.file === undefined) return { ...drive, file: null };
  const path = drive.file;
  const placed: DriveInput = { ...drive, file: here(path) };
  if (drive.format !== undefined) return drive.format === 'iso' && drive.media === undefined ? { ...placed, media: 'cdrom' } : placed;
  if (drive.media === 'cdrom') return { ...placed, format: 'iso' };
  const named = formatByExtension[/\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''];
  if (named !== undefined) return { ...placed, format: named };
  if (drive.bus === 'floppy' || !existsSync(path)) return { ...placed, format: 'raw' };
  const file = NodeFile.open(path, { readOnly: true });
  try {
    const found = await probe({ name: path, size: await file.size(), read: (offset, into) => file.read(offset, into) });
    if (found.format === 'iso') return /\.iso$/i.test(path) ? { ...placed, format: 'iso', media: 'cdrom' } : { ...placed, format: 'raw' };
    if (found.format !== undefined && found.format !== 'raw') {
      throw new VmmError(
        'usage',
        `${option} ${path}: it looks like a ${found.format} image, but its name does not say so; use --drive file=${path},format=${found.format} (or format=raw)`,
      );
    }
    if (found.format === undefined && found.problem !== undefined && !/not a disk image that is known/.test(found.problem))
      throw new VmmError('invalid', `${option}: ${found.problem}`);
    if (found.format === undefined && !(await isBlank(file)))
      warn(
        `${option} ${path}: ${found.evidence} was found in it, so it is used as a raw disk; if it is one, --drive file=${path},format=raw says so`,
      );
  } finally {
    await file.close();
  }
  return { ...placed, format: 'raw' };
}
