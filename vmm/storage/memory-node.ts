import { VmmError } from '../base/errors.ts';
import type { BlockNode, Extent } from './node.ts';

/** A disk in memory: tests, and small media made on the fly. */
export class MemoryNode implements BlockNode {
  readonly name: string;
  readonly readOnly: boolean;
  readonly granularity = 512;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, options: { name?: string; readOnly?: boolean } = {}) {
    this.bytes = bytes;
    this.name = options.name ?? 'memory';
    this.readOnly = options.readOnly ?? false;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    into.set(this.bytes.subarray(offset, offset + into.length));
    return Promise.resolve();
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    if (this.readOnly) return Promise.reject(new VmmError('state', `${this.name} is read-only`));
    this.bytes.set(from, offset);
    return Promise.resolve();
  }

  zero(offset: number, length: number): Promise<void> {
    this.bytes.fill(0, offset, offset + length);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  extent(offset: number, length: number): Promise<Extent> {
    return Promise.resolve({ offset, length, kind: 'data' });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
