/** What travels in a JSON message: `hello` first, from the server; then requests, responses, notifications and events. */
import { z } from 'zod';
import { VmmError, type VmmErrorKind } from '../base/errors.ts';

export const helloSchema = z.looseObject({
  product: z.string(),
  version: z.string(),
  protocol: z.number(),
  role: z.enum(['library', 'machine']),
  /** Names of methods that this server can serve now, and of optional features. */
  capabilities: z.array(z.string()),
});
export type Hello = z.output<typeof helloSchema>;

export type WireErrorKind = VmmErrorKind | 'unknown-method' | 'timeout' | 'cancelled' | 'closed';

/** `code` and `kind` are contract; `message` is one line for people. */
export interface WireError {
  readonly code: number;
  readonly kind: WireErrorKind;
  readonly message: string;
  readonly data?: unknown;
}

const codes: Readonly<Record<WireErrorKind, number>> = {
  usage: 1,
  'not-found': 2,
  unsupported: 3,
  invalid: 4,
  state: 5,
  busy: 6,
  host: 7,
  internal: 8,
  'unknown-method': 9,
  timeout: 10,
  cancelled: 11,
  closed: 12,
};

/** An error that came over the wire, or that is to go over it with a kind that `VmmError` does not have. */
export class ProtocolError extends Error {
  readonly code: number;
  readonly kind: WireErrorKind;
  readonly data: unknown;
  constructor(kind: WireErrorKind, message: string, data?: unknown) {
    super(message);
    this.name = 'ProtocolError';
    this.kind = kind;
    this.code = codes[kind];
    this.data = data;
  }
}

/** Never more than the message: stacks and causes stay in the server's log. */
export function toWireError(error: unknown): WireError {
  if (error instanceof ProtocolError)
    return { code: error.code, kind: error.kind, message: error.message, ...(error.data !== undefined && { data: error.data }) };
  if (error instanceof VmmError) {
    const issues = error.context['issues'];
    return { code: codes[error.kind], kind: error.kind, message: error.message, ...(issues !== undefined && { data: { issues } }) };
  }
  return { code: codes.internal, kind: 'internal', message: error instanceof Error ? error.message : String(error) };
}

export function fromWireError(error: { kind: string; message: string; data?: unknown }): ProtocolError {
  return new ProtocolError(Object.hasOwn(codes, error.kind) ? (error.kind as WireErrorKind) : 'internal', error.message, error.data);
}

const id = z.int().min(0);
export const requestSchema = z.strictObject({ id: id.optional(), method: z.string().max(64), params: z.record(z.string(), z.unknown()).optional() });
export type Request = z.output<typeof requestSchema>;

/** What a client may receive. */
export const fromServerSchema = z.union([
  z.strictObject({ hello: helloSchema }),
  z.strictObject({ id, result: z.record(z.string(), z.unknown()) }),
  z.strictObject({
    id: id.nullable(),
    error: z.looseObject({ code: z.number(), kind: z.string(), message: z.string(), data: z.unknown().optional() }),
  }),
  z.strictObject({ event: z.string(), data: z.record(z.string(), z.unknown()) }),
]);
