import type { BlockNode } from '../node.ts';
import { FilterNode, type BlockOperation } from './filter.ts';

const BLOCK = 65536;

/**
 * Keeps what was read lately in memory, in blocks of 64 KiB, the least recently used forgotten first: for media that are slow to read (compressed
 * images, network file systems). Writes go through at once: it never holds what the node below does not have.
 */
export class CacheNode extends FilterNode {
  readonly #most: number;
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Load>();
  /** Changes under way: what is read of them meanwhile is not kept. */
  readonly #changes = new Set<Range>();
  hits = 0;
  misses = 0;

  /** `bytes`: memory for it. */
  constructor(below: BlockNode, bytes: number) {
    super(below);
    this.#most = Math.max(1, Math.floor(bytes / BLOCK));
  }

  override async read(offset: number, into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length;) {
      const block = Math.floor((offset + at) / BLOCK);
      const within = (offset + at) % BLOCK;
      const length = Math.min(BLOCK - within, into.length - at);
      // While it is being changed a block is read as it is below: what is in memory may be the old or the new.
      if (this.#isChanging(block)) await this.below.read(offset + at, into.subarray(at, at + length));
      else into.set((await this.#get(block)).subarray(within, within + length), at);
      at += length;
    }
  }

  override async readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    let at = offset;
    for (const piece of into) {
      await this.read(at, piece);
      at += piece.length;
    }
  }

  #isChanging(block: number): boolean {
    for (const { first, last } of this.#changes) if (block >= first && block <= last) return true;
    return false;
  }

  #get(block: number): Uint8Array | Promise<Uint8Array> {
    const known = this.#blocks.get(block);
    if (known !== undefined) {
      this.hits++;
      this.#blocks.delete(block);
      this.#blocks.set(block, known);
      return known;
    }
    this.misses++;
    const loading = this.#loading.get(block);
    if (loading !== undefined) return loading.bytes;
    const bytes = new Uint8Array(Math.min(BLOCK, this.size - block * BLOCK));
    const load: Load = { bytes: this.below.read(block * BLOCK, bytes).then(() => bytes) };
    this.#loading.set(block, load);
    const ended = (keep: boolean) => {
      if (this.#loading.get(block) !== load) return; // a change has begun since: it may be the old content
      this.#loading.delete(block);
      if (keep) this.#keep(block, bytes);
    };
    void load.bytes.then(
      () => ended(true),
      () => ended(false),
    );
    return load.bytes;
  }

  #keep(block: number, bytes: Uint8Array): void {
    this.#blocks.set(block, bytes);
    if (this.#blocks.size > this.#most) this.#blocks.delete(this.#blocks.keys().next().value!);
  }

  protected async around<T>(operation: BlockOperation, offset: number, length: number, work: () => Promise<T>): Promise<T> {
    if (operation === 'read' || operation === 'flush' || length === 0) return work();
    const range = { first: Math.floor(offset / BLOCK), last: Math.floor((offset + length - 1) / BLOCK) };
    this.#changes.add(range);
    for (const map of [this.#blocks, this.#loading]) {
      for (const block of map.keys()) if (block >= range.first && block <= range.last) map.delete(block);
    }
    try {
      return await work();
    } finally {
      this.#changes.delete(range);
    }
  }
}

interface Load {
  readonly bytes: Promise<Uint8Array>;
}

/** Blocks, both included. */
interface Range {
  readonly first: number;
  readonly last: number;
}
