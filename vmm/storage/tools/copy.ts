import { VmmError } from '../../base/errors.ts';
import { isZero, type BlockNode } from '../node.ts';

/** Called now and then with bytes done of bytes in all. */
export type Progress = (done: number, total: number) => void;

export interface CopyOptions {
  readonly onProgress?: Progress;
  readonly signal?: AbortSignal | undefined;
  /** Writes one unit of the target that holds something; `write` by default. */
  readonly write?: (offset: number, bytes: Uint8Array) => Promise<void>;
  /** The target reads as zeros already: zeros need not be written. Default. */
  readonly blank?: boolean;
}

const PIECE = 2 << 20;
/** Pieces under way. */
const AT_ONCE = 4;
/** Zeros within data are left out in multiples of this. */
const GRAIN = 65536;

export function checkCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new VmmError('state', 'cancelled');
}

/** Copies the contents of one disk to another, leaving out what reads as zeros. The target may be longer. */
export async function copyDisk(source: BlockNode, target: BlockNode, options: CopyOptions = {}): Promise<void> {
  const { onProgress, signal, blank = true } = options;
  const write = options.write ?? ((offset: number, bytes: Uint8Array) => target.write(offset, bytes));
  const grain = Math.max(GRAIN, target.granularity);
  const most = Math.max(PIECE, grain);
  const buffers = Array.from({ length: AT_ONCE }, () => new Uint8Array(most));
  const running = new Set<Promise<void>>();
  let [done, failure] = [0, undefined as unknown];

  const copyPiece = async (offset: number, length: number, buffer: Uint8Array) => {
    const bytes = buffer.subarray(0, length);
    await source.read(offset, bytes);
    // Runs of grains that hold something, each in one write.
    for (let at = 0; at < length;) {
      let end = at;
      while (end < length && !isZero(bytes.subarray(end, Math.min(length, end + grain)))) end = Math.min(length, end + grain);
      if (end > at) await write(offset + at, bytes.subarray(at, end));
      else {
        end = Math.min(length, at + grain);
        if (!blank) await writeZeros(target, offset + at, end - at);
      }
      at = end;
    }
    done += length;
    onProgress?.(done, source.size);
  };

  try {
    for (let offset = 0; offset < source.size;) {
      checkCancelled(signal);
      if (failure !== undefined) break;
      const { length, kind } = await source.extent(offset, source.size - offset);
      if (kind !== 'data') {
        // Only whole grains can be left out: a grain with data in a part of it is read as a whole.
        const end = offset + length === source.size ? source.size : offset + length - ((offset + length) % grain);
        if (end > offset) {
          if (!blank) await writeZeros(target, offset, end - offset);
          done += end - offset;
          onProgress?.(done, source.size);
          offset = end;
          continue;
        }
      }
      const piece = Math.min(most, source.size - offset, kind === 'data' ? Math.ceil(length / grain) * grain : grain);
      if (running.size >= AT_ONCE) await Promise.race(running);
      const buffer = buffers.pop()!;
      const work = copyPiece(offset, piece, buffer)
        .catch((error: unknown) => (failure ??= error))
        .then(() => {
          running.delete(work);
          buffers.push(buffer);
        });
      running.add(work);
      offset += piece;
    }
  } finally {
    await Promise.all(running);
  }
  checkCancelled(signal);
  if (failure !== undefined) throw failure instanceof Error ? failure : new VmmError('internal', 'copying failed');
}

export async function writeZeros(target: BlockNode, offset: number, length: number): Promise<void> {
  if (target.zero !== undefined) return target.zero(offset, length);
  const zeros = new Uint8Array(Math.min(length, PIECE));
  for (let at = 0; at < length; at += zeros.length) await target.write(offset + at, zeros.subarray(0, Math.min(zeros.length, length - at)));
}

/** The offset of the first byte in which two disks differ; undefined: none. What one has beyond the other's end has to be zeros. */
export async function firstDifference(
  a: BlockNode,
  b: BlockNode,
  options: Pick<CopyOptions, 'onProgress' | 'signal'> = {},
): Promise<number | undefined> {
  const total = Math.max(a.size, b.size);
  const [left, right] = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  for (let offset = 0; offset < total;) {
    checkCancelled(options.signal);
    const [x, y] = [await extentOf(a, offset, total), await extentOf(b, offset, total)];
    const both = Math.min(x.length, y.length);
    if (x.kind !== 'data' && y.kind !== 'data') {
      offset += both;
      options.onProgress?.(offset, total);
      continue;
    }
    const length = Math.min(both, PIECE);
    const [one, other] = [left.subarray(0, length), right.subarray(0, length)];
    await readPadded(a, offset, one);
    await readPadded(b, offset, other);
    const at = firstDifferentByte(one, other);
    if (at !== undefined) return offset + at;
    offset += length;
    options.onProgress?.(offset, total);
  }
  return undefined;
}

async function extentOf(node: BlockNode, offset: number, total: number): Promise<{ kind: string; length: number }> {
  if (offset >= node.size) return { kind: 'zero', length: total - offset };
  return node.extent(offset, node.size - offset);
}

async function readPadded(node: BlockNode, offset: number, into: Uint8Array): Promise<void> {
  const length = Math.max(0, Math.min(into.length, node.size - offset));
  if (length > 0) await node.read(offset, into.subarray(0, length));
  into.fill(0, length);
}

function firstDifferentByte(a: Uint8Array, b: Uint8Array): number | undefined {
  const words = a.length >> 2;
  const [x, y] = [new Int32Array(a.buffer, a.byteOffset, words), new Int32Array(b.buffer, b.byteOffset, words)];
  for (let word = 0; word < words; word++) {
    if (x[word] === y[word]) continue;
    for (let at = word * 4; ; at++) if (a[at] !== b[at]) return at;
  }
  for (let at = words * 4; at < a.length; at++) if (a[at] !== b[at]) return at;
  return undefined;
}
