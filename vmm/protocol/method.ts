import { z } from 'zod';
import type { VmState } from './states.ts';

/**
 * One method of a server, as data: from this come the server's checks, the typed client, the command line's help, the reference in docs/
 * and the interface's greyed-out buttons. Parameters are strict, results are tolerant (a later server may add fields).
 */
export interface Method<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  /** States of the VM in which the call is legal. Absent: always. */
  readonly when?: readonly VmState[];
  /** Sent without waiting for an answer (many a second): no response, errors are only logged by the server. */
  readonly notification?: true;
}

export type MethodTable = Readonly<Record<string, Method>>;
export type ParamsOf<M> = M extends { readonly params: infer P extends z.ZodType } ? z.input<P> : never;
/** What the server's handler is given: checked, with defaults. */
export type CheckedParamsOf<M> = M extends { readonly params: infer P extends z.ZodType } ? z.output<P> : never;
export type ResultOf<M> = M extends { readonly result: infer R extends z.ZodType } ? z.output<R> : never;

type Shape = Record<string, z.ZodType>;
interface Definition<P extends Shape, R extends Shape> {
  readonly summary: string;
  readonly params?: P;
  readonly result?: R;
  readonly when?: readonly VmState[];
  readonly notification?: true;
}

export function method<P extends Shape = Record<string, never>, R extends Shape = Record<string, never>>(
  definition: Definition<P, R>,
): Method<z.ZodObject<P, z.core.$strict>, z.ZodObject<R, z.core.$loose>> {
  return {
    summary: definition.summary,
    params: z.strictObject(definition.params ?? ({} as P)),
    result: z.looseObject(definition.result ?? ({} as R)),
    ...(definition.when && { when: definition.when }),
    ...(definition.notification && { notification: true }),
  };
}

export interface EventType<D extends z.ZodType = z.ZodType> {
  readonly summary: string;
  readonly data: D;
}
export type EventTable = Readonly<Record<string, EventType>>;
export type EventDataOf<E> = E extends { readonly data: infer D extends z.ZodType } ? z.output<D> : never;

export function event<D extends Shape>(summary: string, data: D): EventType<z.ZodObject<D, z.core.$loose>> {
  return { summary, data: z.looseObject(data) };
}
