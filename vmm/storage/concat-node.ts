import type { BlockNode, Extent, ExtentKind } from './node.ts';

/** A part of a disk that has no file: reads as zeros. Writes to it are lost, as on the format's own terms there is nowhere to put them. */
export class ZeroNode implements BlockNode {
  readonly name: string;
  readonly size: number;
  readonly readOnly = true;
  readonly granularity = 512;

  constructor(name: string, size: number) {
    this.name = name;
    this.size = size;
  }
  read(_offset: number, into: Uint8Array): Promise<void> {
    into.fill(0);
    return Promise.resolve();
  }
  write(): Promise<void> {
    return Promise.resolve();
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  extent(offset: number, length: number): Promise<Extent> {
    return Promise.resolve({ offset, length, kind: 'zero' });
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Part {
  readonly start: number;
  readonly node: BlockNode;
}

/** Nodes one behind the other as one disk: images in several files. */
export class ConcatNode {
  readonly #parts: readonly Part[];
  readonly size: number;

  constructor(nodes: readonly BlockNode[]) {
    let start = 0;
    this.#parts = nodes.map((node) => {
      const part = { start, node };
      start += node.size;
      return part;
    });
    this.size = start;
  }

  get granularity(): number {
    return this.#parts.reduce((most, { node }) => Math.max(most, node.granularity), 512);
  }

  /** The pieces of a range, by part. */
  async #each(offset: number, length: number, work: (node: BlockNode, within: number, at: number, length: number) => Promise<void>): Promise<void> {
    for (const { start, node } of this.#parts) {
      const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + node.size)];
      if (from < to) await work(node, from - start, from - offset, to - from);
    }
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#each(offset, into.length, (node, within, at, length) => node.read(within, into.subarray(at, at + length)));
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#each(offset, from.length, (node, within, at, length) => node.write(within, from.subarray(at, at + length)));
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#each(offset, length, async (node, within, _at, bytes) => {
      if (node.zero !== undefined) await node.zero(within, bytes);
      else await node.write(within, new Uint8Array(bytes));
    });
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#each(offset, length, async (node, within, _at, bytes) => node.discard?.(within, bytes));
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const part = this.#parts.find(({ start, node }) => offset >= start && offset < start + node.size)!;
    let kind: ExtentKind | undefined;
    let at = 0;
    for (let index = this.#parts.indexOf(part); index < this.#parts.length && at < length; index++) {
      const { start, node } = this.#parts[index]!;
      const within = offset + at - start;
      const next = await node.extent(within, Math.min(length - at, node.size - within));
      kind ??= next.kind;
      if (next.kind !== kind) break;
      at += next.length;
      if (within + next.length < node.size) break;
    }
    return { offset, length: at, kind: kind! };
  }

  async flush(): Promise<void> {
    for (const { node } of this.#parts) await node.flush();
  }

  async close(): Promise<void> {
    for (const { node } of this.#parts) await node.close();
  }
}
