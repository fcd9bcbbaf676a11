import type { HostFile } from '../../host-file.ts';
import { getU64le, roundUp, viewOf } from '../bytes.ts';
import { crcWithout } from '../crc32c.ts';
import { damaged } from '../format.ts';
import { formatUuid } from '../uuid.ts';
import { MIB, NO_LOG, type VhdxHeader } from './structures.ts';

/*
 * The log of metadata updates that its last user did not finish (MS-VHDX 2.3). It is replayed before anything else is read. Strate itself writes
 * none: its updates are single entries that a sector holds whole, in an order that needs no log.
 */

const SECTOR = 4096;
const ENTRY_SIGNATURE = 0x6567_6f6c; // "loge"
const ZERO_SIGNATURE = 0x6f72_657a; // "zero"
const DATA_DESCRIPTOR = 0x6373_6564; // "desc"
const DATA_SECTOR = 0x6174_6164; // "data"
const ENTRY_HEADER = 64;
const DESCRIPTOR = 32;
const MOST_LOG = 256 * MIB;

interface LogEntry {
  readonly at: number;
  readonly length: number;
  readonly tail: number;
  readonly sequence: number;
  readonly descriptors: number;
  readonly flushedFileSize: number;
  readonly lastFileSize: number;
  readonly bytes: Uint8Array;
}

/** A change that has to be made to the file. */
export type LogUpdate = { readonly offset: number; readonly data: Uint8Array } | { readonly offset: number; readonly zeros: number };

export interface Replay {
  readonly updates: readonly LogUpdate[];
  /** The file has to be at least this long when they are made. */
  readonly fileSize: number;
}

/** What the log holds that may not be in the file; undefined: nothing. */
export async function readLog(file: HostFile, header: VhdxHeader): Promise<Replay | undefined> {
  if (header.logId === NO_LOG) return undefined;
  const { logOffset, logLength } = header;
  if (logLength === 0 || logLength % MIB !== 0 || logLength > MOST_LOG || logOffset % MIB !== 0 || logOffset < MIB)
    throw damaged(file, `the log is ${logLength} bytes at ${logOffset}`);
  const log = new Uint8Array(logLength);
  await file.read(logOffset, log);
  const sequence = activeSequence(log, header.logId);
  if (sequence === undefined) throw damaged(file, 'the log is in use and holds no valid entry');
  const { head, entries } = sequence;
  if ((await file.size()) < head.flushedFileSize)
    throw damaged(file, `the file was cut to less than the ${head.flushedFileSize} bytes its log speaks of`);
  return { updates: entries.flatMap((entry) => updatesOf(file, entry)), fileSize: head.lastFileSize };
}

interface Sequence {
  /** From the tail to the head. */
  readonly entries: readonly LogEntry[];
  readonly head: LogEntry;
}

/** The valid run of entries that ends with the highest sequence number, from its tail on (2.3.3). */
function activeSequence(log: Uint8Array, logId: string): Sequence | undefined {
  const entries = new Map<number, LogEntry>();
  for (let at = 0; at < log.length; at += SECTOR) {
    const entry = readEntry(log, at, logId);
    if (entry !== undefined) entries.set(at, entry);
  }
  let best: Sequence | undefined;
  for (const start of entries.values()) {
    const run = [start];
    let head = start;
    for (
      let next = follower(entries, start, log.length);
      next !== undefined && run.length <= entries.size;
      next = follower(entries, next, log.length)
    ) {
      run.push(next);
      head = next;
    }
    const tail = run.findIndex((entry) => entry.at === head.tail);
    if (tail < 0) continue;
    if (best === undefined || head.sequence > best.head.sequence) best = { entries: run.slice(tail), head };
  }
  return best;
}

function follower(entries: ReadonlyMap<number, LogEntry>, entry: LogEntry, logLength: number): LogEntry | undefined {
  const next = entries.get((entry.at + entry.length) % logLength);
  return next !== undefined && next.sequence === entry.sequence + 1 ? next : undefined;
}

/** An entry may wrap around the end of the log. */
function readEntry(log: Uint8Array, at: number, logId: string): LogEntry | undefined {
  const head = viewOf(log.subarray(at, at + ENTRY_HEADER));
  if (head.getUint32(0, true) !== ENTRY_SIGNATURE) return undefined;
  const length = head.getUint32(8, true);
  if (length === 0 || length % SECTOR !== 0 || length > log.length) return undefined;
  const bytes = new Uint8Array(length);
  const first = Math.min(length, log.length - at);
  bytes.set(log.subarray(at, at + first));
  bytes.set(log.subarray(0, length - first), first);
  const view = viewOf(bytes);
  if (view.getUint32(4, true) !== crcWithout(bytes, 4)) return undefined;
  if (formatUuid(bytes.subarray(32, 48), 'mixed') !== logId) return undefined;
  const descriptors = view.getUint32(24, true);
  if (ENTRY_HEADER + descriptors * DESCRIPTOR > length) return undefined;
  return {
    at,
    length,
    tail: view.getUint32(12, true),
    sequence: getU64le(view, 16),
    descriptors,
    flushedFileSize: getU64le(view, 48),
    lastFileSize: getU64le(view, 56),
    bytes,
  };
}

function updatesOf(file: HostFile, entry: LogEntry): LogUpdate[] {
  const { bytes } = entry;
  const view = viewOf(bytes);
  const updates: LogUpdate[] = [];
  let data = roundUp(ENTRY_HEADER + entry.descriptors * DESCRIPTOR, SECTOR);
  for (let index = 0; index < entry.descriptors; index++) {
    const at = ENTRY_HEADER + index * DESCRIPTOR;
    const [signature, offset] = [view.getUint32(at, true), getU64le(view, at + 16)];
    if (getU64le(view, at + 24) !== entry.sequence || offset % SECTOR !== 0 || offset > 2 ** 52)
      throw damaged(file, 'an entry of the log is not consistent');
    if (signature === ZERO_SIGNATURE) {
      const zeros = getU64le(view, at + 8);
      if (zeros % SECTOR !== 0 || zeros > 2 ** 40) throw damaged(file, 'an entry of the log is not consistent');
      updates.push({ offset, zeros });
      continue;
    }
    if (signature !== DATA_DESCRIPTOR || data + SECTOR > entry.length || view.getUint32(data, true) !== DATA_SECTOR)
      throw damaged(file, 'an entry of the log is not consistent');
    const sector = new Uint8Array(SECTOR);
    sector.set(bytes.subarray(at + 8, at + 16)); // leading bytes, where the sector has its signature and sequence
    sector.set(bytes.subarray(data + 8, data + 4092), 8);
    sector.set(bytes.subarray(at + 4, at + 8), 4092); // trailing bytes
    updates.push({ offset, data: sector });
    data += SECTOR;
  }
  return updates;
}

/** Brings the file up to date with its log. Doing it again, after a crash, does no harm. */
export async function applyLog(file: HostFile, replay: Replay): Promise<void> {
  if ((await file.size()) < replay.fileSize) await file.truncate(replay.fileSize);
  for (const update of replay.updates) {
    if ('data' in update) await file.write(update.offset, update.data);
    else await writeZeros(file, update.offset, update.zeros);
  }
  await file.flush();
}

async function writeZeros(file: HostFile, offset: number, length: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(length, MIB));
  for (let at = 0; at < length; at += zeros.length) await file.write(offset + at, zeros.subarray(0, Math.min(zeros.length, length - at)));
}

/** The file as it would be after its log was replayed: for reading images that are not to be changed. */
export class ReplayedFile implements HostFile {
  readonly readOnly = true;
  readonly #file: HostFile;
  readonly #replay: Replay;

  constructor(file: HostFile, replay: Replay) {
    this.#file = file;
    this.#replay = replay;
  }
  get path(): string {
    return this.#file.path;
  }
  async size(): Promise<number> {
    return Math.max(await this.#file.size(), this.#replay.fileSize);
  }
  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#file.read(offset, into);
    for (const update of this.#replay.updates) {
      const length = 'data' in update ? update.data.length : update.zeros;
      const [from, to] = [Math.max(offset, update.offset), Math.min(offset + into.length, update.offset + length)];
      if (from >= to) continue;
      if ('data' in update) into.set(update.data.subarray(from - update.offset, to - update.offset), from - offset);
      else into.fill(0, from - offset, to - offset);
    }
  }
  write(): Promise<void> {
    return Promise.reject(damaged(this.#file, 'is open for reading only'));
  }
  truncate(): Promise<void> {
    return this.write();
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  punch(): Promise<boolean> {
    return Promise.resolve(false);
  }
  nextData(offset: number): Promise<{ readonly start: number; readonly end: number } | undefined> {
    return this.#file.nextData(offset);
  }
  close(): Promise<void> {
    return this.#file.close();
  }
}
