import type { BlockNode, Extent } from '../node.ts';
import { lengthOf, readSegments, writeSegments } from '../node.ts';

export type BlockOperation = 'read' | 'write' | 'flush' | 'zero' | 'discard';

/** A node that hands everything on to the one below; filters override what they are about. Calls in pieces stay in pieces. */
export abstract class FilterNode implements BlockNode {
  readonly below: BlockNode;

  constructor(below: BlockNode) {
    this.below = below;
  }

  get name(): string {
    return this.below.name;
  }
  get size(): number {
    return this.below.size;
  }
  get readOnly(): boolean {
    return this.below.readOnly;
  }
  get granularity(): number {
    return this.below.granularity;
  }

  /** Around every operation that reaches the node below. `length` is 0 for a flush. */
  protected abstract around<T>(operation: BlockOperation, offset: number, length: number, work: () => Promise<T>): Promise<T>;

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.around('read', offset, into.length, () => this.below.read(offset, into));
  }
  write(offset: number, from: Uint8Array): Promise<void> {
    return this.around('write', offset, from.length, () => this.below.write(offset, from));
  }
  readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    return this.around('read', offset, lengthOf(into), () => readSegments(this.below, offset, into));
  }
  writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    return this.around('write', offset, lengthOf(from), () => writeSegments(this.below, offset, from));
  }
  flush(): Promise<void> {
    return this.around('flush', 0, 0, () => this.below.flush());
  }
  extent(offset: number, length: number): Promise<Extent> {
    return this.below.extent(offset, length);
  }
  zero(offset: number, length: number): Promise<void> {
    return this.around('zero', offset, length, async () => {
      if (this.below.zero !== undefined) return this.below.zero(offset, length);
      const zeros = new Uint8Array(Math.min(length, ZEROS));
      for (let at = 0; at < length; at += zeros.length) await this.below.write(offset + at, zeros.subarray(0, Math.min(zeros.length, length - at)));
    });
  }
  discard(offset: number, length: number): Promise<void> {
    return this.around('discard', offset, length, async () => this.below.discard?.(offset, length));
  }
  close(): Promise<void> {
    return this.below.close();
  }
}

const ZEROS = 1 << 20;
