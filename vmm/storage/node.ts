/** What is known about a range without reading it. `absent`: this node holds nothing there, and an overlay reads through to its parent. */
export type ExtentKind = 'data' | 'zero' | 'absent';

export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly kind: ExtentKind;
}

/**
 * A disk's contents on the io thread: an image format, a file, an overlay or a filter on top of another node. Offsets and lengths are
 * bytes within [0, size), in multiples of 512; any number of calls may be in flight, and overlapping ones are done in some order, each
 * sector as a whole. A write is complete when later reads see it; it survives power loss once a `flush` that was called after it is done.
 */
export interface BlockNode {
  /** For messages: the file, or what the node does. */
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  /** Bytes per allocation unit: writes that cover whole units need nothing of what was there before. 512 if there is no such unit. */
  readonly granularity: number;
  read(offset: number, into: Uint8Array): Promise<void>;
  write(offset: number, from: Uint8Array): Promise<void>;
  /** The same for memory in several pieces, where the node can do better than one piece at a time. */
  readv?(offset: number, into: readonly Uint8Array[]): Promise<void>;
  writev?(offset: number, from: readonly Uint8Array[]): Promise<void>;
  flush(): Promise<void>;
  /** The longest range from `offset`, at most `length`, that is of one kind. */
  extent(offset: number, length: number): Promise<Extent>;
  /** Makes the range read as zeros, giving space back where the format can. */
  zero?(offset: number, length: number): Promise<void>;
  /** The contents do not matter any more: they read as zeros or as before. */
  discard?(offset: number, length: number): Promise<void>;
  close(): Promise<void>;
}

/** Whether all bytes are zero. Word by word: this runs over everything that convert and compact copy. */
export function isZero(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return bytes.every((byte) => byte === 0);
  const head = -bytes.byteOffset & 3;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + head, (bytes.length - head) >> 2);
  for (let i = 0; i < head; i++) if (bytes[i] !== 0) return false;
  const unrolled = words.length & ~7;
  for (let i = 0; i < unrolled; i += 8) {
    const any = words[i]! | words[i + 1]! | words[i + 2]! | words[i + 3]! | words[i + 4]! | words[i + 5]! | words[i + 6]! | words[i + 7]!;
    if (any !== 0) return false;
  }
  for (let i = unrolled; i < words.length; i++) if (words[i] !== 0) return false;
  for (let i = head + words.length * 4; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Reads into memory in several pieces, whatever the node offers. */
export async function readSegments(node: BlockNode, offset: number, into: readonly Uint8Array[]): Promise<void> {
  if (into.length === 1) return node.read(offset, into[0]!);
  if (node.readv !== undefined) return node.readv(offset, into);
  const bounce = new Uint8Array(into.reduce((sum, piece) => sum + piece.length, 0));
  await node.read(offset, bounce);
  let at = 0;
  for (const piece of into) {
    piece.set(bounce.subarray(at, at + piece.length));
    at += piece.length;
  }
}

/** Writes from memory in several pieces, whatever the node offers. */
export async function writeSegments(node: BlockNode, offset: number, from: readonly Uint8Array[]): Promise<void> {
  if (from.length === 1) return node.write(offset, from[0]!);
  if (node.writev !== undefined) return node.writev(offset, from);
  const bounce = new Uint8Array(from.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of from) {
    bounce.set(piece, at);
    at += piece.length;
  }
  return node.write(offset, bounce);
}

/** Bytes [start, start + length) of memory in several pieces. */
export function cutSegments(pieces: readonly Uint8Array[], start: number, length: number): readonly Uint8Array[] {
  const cut: Uint8Array[] = [];
  let at = -start;
  for (const piece of pieces) {
    const [from, to] = [Math.max(0, -at), Math.min(piece.length, length - at)];
    if (from < to) cut.push(from === 0 && to === piece.length ? piece : piece.subarray(from, to));
    at += piece.length;
    if (at >= length) break;
  }
  return cut;
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  let sum = 0;
  for (const piece of pieces) sum += piece.length;
  return sum;
}
