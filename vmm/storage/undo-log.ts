import { readSegments, writeSegments, type BlockNode, type Extent } from './node.ts';

/** What is kept of an overwritten disk is kept in pieces of this size. */
export const UNDO_BLOCK = 4096;
/** More than this at once (a whole disk that is trimmed) is not kept: what was before cannot be reached any more. Bytes */
const MOST_AT_ONCE = 64 << 20;

interface Epoch {
  readonly number: number;
  readonly kept: Map<number, Uint8Array>;
  /** Blocks whose old contents are being read. */
  readonly pending: Map<number, Promise<void>>;
}

/**
 * Remembers what a disk held at points in the past, in memory: before a block is changed for the first time after a point, its old contents are read. Rewind goes back to
 * what was there; the disk below is written as if nobody remembered. Passes everything on while no point has been made.
 */
export class UndoLog implements BlockNode {
  readonly #node: BlockNode;
  /** Most bytes in one epoch. */
  readonly #limit: number;
  #epochs: Epoch[] = [];
  #bytes = 0;

  constructor(node: BlockNode, limit: number) {
    this.#node = node;
    this.#limit = limit;
  }

  get name(): string {
    return this.#node.name;
  }
  get size(): number {
    return this.#node.size;
  }
  get readOnly(): boolean {
    return this.#node.readOnly;
  }
  get granularity(): number {
    return this.#node.granularity;
  }
  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }
  /** The first point that can be gone back to. */
  get since(): number {
    return this.#epochs[0]?.number ?? Infinity;
  }

  /** A point: with nothing in flight. Numbers rise. */
  mark(number: number): void {
    if (!this.readOnly) this.#epochs.push({ number, kept: new Map(), pending: new Map() });
  }

  /** Points before `number` are not needed any more. */
  forgetBefore(number: number): void {
    while (this.#epochs.length > 0 && this.#epochs[0]!.number < number) this.#drop(this.#epochs.shift()!);
  }

  /** The disk holds again what it held at `number`: what came after did not happen. */
  wentBack(number: number): void {
    while (this.#epochs.length > 0 && this.#epochs[this.#epochs.length - 1]!.number >= number) this.#drop(this.#epochs.pop()!);
  }

  stop(): void {
    this.wentBack(-Infinity);
  }

  /** What differs from now in the disk as it was at a point, by offset. @throws RangeError when that is not known */
  at(number: number): Map<number, Uint8Array> {
    if (number < this.since) throw new RangeError(`point ${number} is not kept`);
    const blocks = new Map<number, Uint8Array>();
    for (const { number: of, kept } of this.#epochs)
      if (of >= number) for (const [block, bytes] of kept) if (!blocks.has(block)) blocks.set(block, bytes);
    return new Map([...blocks].map(([block, bytes]) => [block * UNDO_BLOCK, bytes]));
  }

  #drop({ kept }: Epoch): void {
    for (const bytes of kept.values()) this.#bytes -= bytes.length;
    kept.clear();
  }

  /** Before the range is changed. */
  async #keep(offset: number, length: number): Promise<void> {
    const epoch = this.#epochs[this.#epochs.length - 1];
    if (epoch === undefined) return;
    if (length > MOST_AT_ONCE) {
      this.#giveUp(epoch);
      return;
    }
    const last = Math.floor((offset + length - 1) / UNDO_BLOCK);
    const waits = new Set<Promise<void>>();
    for (let block = Math.floor(offset / UNDO_BLOCK); block <= last; block++) {
      if (epoch.kept.has(block)) continue;
      const pending = epoch.pending.get(block);
      if (pending !== undefined) {
        waits.add(pending);
        continue;
      }
      let end = block + 1;
      while (end <= last && !epoch.kept.has(end) && !epoch.pending.has(end)) end++;
      const run = this.#readRun(epoch, block, end);
      for (; block < end; block++) epoch.pending.set(block, run);
      block--;
      waits.add(run);
    }
    await Promise.all(waits);
  }

  async #readRun(epoch: Epoch, from: number, to: number): Promise<void> {
    const start = from * UNDO_BLOCK;
    const bytes = new Uint8Array(Math.min(to * UNDO_BLOCK, this.size) - start);
    await this.#node.read(start, bytes).finally(() => {
      for (let block = from; block < to; block++) epoch.pending.delete(block);
    });
    if (!this.#epochs.includes(epoch)) return; // given up meanwhile
    for (let block = from; block < to; block++) epoch.kept.set(block, bytes.subarray((block - from) * UNDO_BLOCK, (block + 1 - from) * UNDO_BLOCK));
    this.#bytes += bytes.length;
    if (epoch.kept.size * UNDO_BLOCK > this.#limit) this.#giveUp(epoch);
  }

  /** Too much to be kept: nothing up to this epoch's end can be gone back to. */
  #giveUp(epoch: Epoch): void {
    this.forgetBefore(epoch.number + 1);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#node.read(offset, into);
  }
  readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    return readSegments(this.#node, offset, into);
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    if (this.#epochs.length > 0) await this.#keep(offset, from.length);
    return this.#node.write(offset, from);
  }
  async writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    if (this.#epochs.length > 0)
      await this.#keep(
        offset,
        from.reduce((sum, { length }) => sum + length, 0),
      );
    return writeSegments(this.#node, offset, from);
  }
  flush(): Promise<void> {
    return this.#node.flush();
  }
  extent(offset: number, length: number): Promise<Extent> {
    return this.#node.extent(offset, length);
  }
  async zero(offset: number, length: number): Promise<void> {
    if (this.#epochs.length > 0) await this.#keep(offset, length);
    if (this.#node.zero !== undefined) return this.#node.zero(offset, length);
    return this.#node.write(offset, new Uint8Array(length));
  }
  async discard(offset: number, length: number): Promise<void> {
    if (this.#epochs.length > 0) await this.#keep(offset, length);
    await this.#node.discard?.(offset, length);
  }
  close(): Promise<void> {
    return this.#node.close();
  }
}
