/** What the code of one handler is written into, and the ways out of it. */
import type { FunctionBody, Local } from '../../../wasm/function-body.ts';
import { Node } from '../../../wasm/expression.ts';
import type { Condition } from '../../isa/machine.ts';
import type { Bit } from '../../isa/value.ts';

/** Memories of the interpreter's module. */
export const CORE = 0;
export const RAM = 1;

export interface HandlerContext {
  readonly body: FunctionBody;
  /** The micro-op being executed. */
  readonly uop: Local<'i32'>;
  /** Index of a helper or of a function of the module, by name. */
  function(name: string): number;
  condition(condition: Condition): number;
  /** Stores what helpers look at: CURRENT_UOP and LEFT. Nothing where the caller did it. */
  spill(): void;
  /** Goes on with the next micro-op of the trace. */
  next(): void;
  /** The instruction is over, by a fault or with RIP set: it is counted, and RIP looked up. */
  leave(): void;
  /** A taken relative branch with RIP set: to the linked micro-op if there is one, otherwise as leave. Not linked if `wraps` is not zero. */
  branch(wraps: Bit): void;
  /** The instruction was not executed: RIP is looked up without counting it. */
  lookup(): void;
}

/** A node that is evaluated for free: using it twice costs nothing. */
export function isCheap(value: unknown): boolean {
  if (!(value instanceof Node)) return true;
  if (value.op === 'local' || value.op === 'const') return true;
  const conversion = value.op === 'i64.extend_i32_u' || value.op === 'i32.wrap_i64' || value.op === 'i64.extend_i32_s';
  return conversion && isCheap(value.args[0]);
}
