/** What helps to understand a crash, as texts that a person reads before giving them to anybody. Nothing is sent anywhere. */
import { readFileSync } from 'node:fs';
import { availableParallelism, homedir, release, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import type { VmConfig } from '../../protocol/config.ts';
import { LAST_RUN_FILE } from '../vm-folder.node.ts';
import type { VmEntry } from './vm-entry.node.ts';

export interface ReportPart {
  readonly name: string;
  readonly text: string;
}

const LOG_LINES = 500;

export function reportOf(entry: VmEntry, version: string): ReportPart[] {
  const parts: ReportPart[] = [
    {
      name: 'host',
      text: [
        `Strate ${version}`,
        `Node ${process.version}, V8 ${process.versions.v8}`,
        `${process.platform} ${release()} ${process.arch}, ${availableParallelism()} CPUs, ${Math.floor(totalmem() / 2 ** 20)} MiB`,
      ].join('\n'),
    },
    { name: 'machine', text: configText(entry) },
    { name: 'last run', text: readText(join(entry.directory, LAST_RUN_FILE)) },
    { name: 'log', text: entry.log(LOG_LINES).join('\n') },
  ];
  return parts.map(({ name, text }) => ({ name, text: withoutHome(text) })).filter(({ text }) => text.trim() !== '');
}

function configText(entry: VmEntry): string {
  try {
    return JSON.stringify(impersonal(entry.config), undefined, 2);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Without what is the person's own: names, notes, tags, addresses, and where files lie. */
export function impersonal(config: VmConfig): object {
  const file = (path: string | null | undefined) => (path === null || path === undefined ? path : basename(path));
  return {
    ...config,
    name: '(left out)',
    notes: '',
    tags: [],
    folder: '',
    firmware: file(config.firmware),
    kernel: config.kernel && { ...config.kernel, file: file(config.kernel.file), initrd: file(config.kernel.initrd), append: config.kernel.append },
    drives: config.drives.map((drive) => ({ ...drive, file: file(drive.file), parents: undefined, trace: undefined })),
    nics: config.nics.map((nic) => ({ ...nic, mac: undefined, pcap: undefined })),
  };
}

/** Paths below the home folder begin with ~: they hold the person's name. */
function withoutHome(text: string): string {
  const home = homedir();
  return home.length > 1 ? text.replaceAll(home, '~') : text;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
