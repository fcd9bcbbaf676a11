import type { DriveInput, VmConfigInput } from '../protocol/config.ts';

/** A drive as the command line knows it: without `format`, the file decides (see resolve-drives.node.ts). */
export type DriveDraft = DriveInput & { readonly option: string };

export interface Screenshot {
  readonly file: string;
  /** Seconds after the start; absent: at the end. */
  readonly at?: number;
}

/** What `strate run` was asked for: the machine, and what concerns this run only. */
export interface RunDraft {
  config: Partial<VmConfigInput>;
  drives: DriveDraft[];
  /** Files that must be there before anything begins: option, path. */
  files: { readonly option: string; readonly path: string }[];
  configFile?: string;
  screenshots: Screenshot[];
  control?: string;
  /** Path of the socket of the qtest client, or its server with `server`. */
  qtest?: string;
  /** `-`: standard output */
  stats?: string;
  /** seconds */
  timeout?: number;
}

export function newDraft(): RunDraft {
  return { config: {}, drives: [], files: [], screenshots: [] };
}
