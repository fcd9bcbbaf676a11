import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { VmmError } from '../base/errors.ts';

/** How the file that an image is a difference to is recognised: a difference to something that has changed is worth nothing (promises.md, D6). */
export interface BaseIdentity {
  /** The host's number of the file: another one is a copy, whose time says nothing. */
  readonly file: string;
  readonly size: number;
  /** Unix ms. */
  readonly modified: number;
  /** Of 64 samples. */
  readonly sample: string;
}

const SAMPLES = 64;
const SAMPLE = 4096;

export function identityOf(path: string): BaseIdentity {
  const descriptor = fs.openSync(path, 'r');
  try {
    const { ino, size, mtimeMs } = fs.fstatSync(descriptor);
    const hash = createHash('sha256');
    const bytes = new Uint8Array(SAMPLE);
    // The start (headers, tables), the end (footers), and evenly between.
    for (let index = 0; index < SAMPLES; index++) {
      const offset = Math.floor((Math.max(0, size - SAMPLE) * index) / (SAMPLES - 1));
      hash.update(bytes.subarray(0, fs.readSync(descriptor, bytes, 0, SAMPLE, offset)));
    }
    return { file: String(ino), size, modified: Math.floor(mtimeMs), sample: hash.digest('hex').slice(0, 32) };
  } finally {
    fs.closeSync(descriptor);
  }
}

/** @throws VmmError `invalid` when the file is not what it was when the difference was made. */
export function checkBase(image: string, base: string, recorded: BaseIdentity): void {
  const now = identityOf(base);
  const touched = now.file === recorded.file && now.modified !== recorded.modified;
  if (now.size === recorded.size && now.sample === recorded.sample && !touched) return;
  throw new VmmError(
    'invalid',
    `${image}: ${base} was changed since this difference to it was made; put the old one back, or say "strate img rebase --trust ${image}" if what a guest sees in it is the same`,
    { path: image, parent: base },
  );
}

/** As an image may say it; undefined where it says no such thing. */
export function readIdentity(text: string): BaseIdentity | undefined {
  try {
    const { file, size, modified, sample } = JSON.parse(text) as Partial<BaseIdentity>;
    if (typeof file !== 'string' || typeof size !== 'number' || typeof modified !== 'number' || typeof sample !== 'string') return undefined;
    return { file, size, modified, sample };
  } catch {
    return undefined;
  }
}
