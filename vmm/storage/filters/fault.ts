import { VmmError } from '../../base/errors.ts';
import type { BlockNode } from '../node.ts';
import { FilterNode, type BlockOperation } from './filter.ts';

/** Which operations fail, and how: to see what a machine does with a host that fails. */
export interface Fault {
  readonly operation: BlockOperation;
  readonly code: 'EIO' | 'ENOSPC';
  /** So many of these operations succeed first... */
  readonly after: number;
  /** ...then so many fail; after that all succeed. */
  readonly count: number;
}

const reasons = { EIO: 'the host reports an input/output error', ENOSPC: 'the host disk is full; free some space and go on' } as const;

/** A disk whose host fails now and then, as told. */
export class FaultNode extends FilterNode {
  readonly #faults: readonly Fault[];
  readonly #seen: number[];

  constructor(below: BlockNode, faults: readonly Fault[]) {
    super(below);
    this.#faults = faults;
    this.#seen = faults.map(() => 0);
  }

  protected async around<T>(operation: BlockOperation, _offset: number, _length: number, work: () => Promise<T>): Promise<T> {
    for (const [index, fault] of this.#faults.entries()) {
      if (fault.operation !== operation) continue;
      const before = this.#seen[index]!++;
      if (before < fault.after || before >= fault.after + fault.count) continue;
      throw new VmmError('host', `cannot ${operation} ${this.name}: ${reasons[fault.code]} (a fault that was asked for)`, {
        path: this.name,
        code: fault.code,
      });
    }
    return work();
  }
}

const FORM = /^(read|write|flush|zero|discard):(EIO|ENOSPC)(?:@(\d{1,9}))?(?:\+(\d{1,9}))?$/;

/** `write:ENOSPC@100+3`: the 101st to 103rd write fail. Undefined: not of that form. */
export function parseFault(text: string): Fault | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, operation, code, after = '0', count = '1'] = match;
  return { operation: operation as BlockOperation, code: code as Fault['code'], after: Number(after), count: Number(count) };
}
