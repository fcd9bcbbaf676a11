import { messageOf } from '../../base/errors.ts';
import type { BlockNode } from '../node.ts';
import { FilterNode, type BlockOperation } from './filter.ts';

/** One operation that has ended. */
export interface TraceRecord {
  readonly operation: BlockOperation;
  readonly offset: number;
  readonly length: number;
  /** ms on the clock that was given: when it began, and how long it took. */
  readonly at: number;
  readonly took: number;
  readonly error?: string;
}

/** Tells of every operation when it has ended. */
export class TraceNode extends FilterNode {
  readonly #now: () => number;
  readonly #tell: (record: TraceRecord) => void;

  constructor(below: BlockNode, now: () => number, tell: (record: TraceRecord) => void) {
    super(below);
    this.#now = now;
    this.#tell = tell;
  }

  protected async around<T>(operation: BlockOperation, offset: number, length: number, work: () => Promise<T>): Promise<T> {
    const at = this.#now();
    try {
      const result = await work();
      this.#tell({ operation, offset, length, at, took: this.#now() - at });
      return result;
    } catch (error) {
      this.#tell({ operation, offset, length, at, took: this.#now() - at, error: messageOf(error) });
      throw error;
    }
  }
}
