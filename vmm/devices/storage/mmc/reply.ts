import type { RawForm } from './raw-sector.ts';

/** What a command leads to. Data lie in the buffer the command was given. */
export type CdReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'check' }
  | { readonly kind: 'data'; readonly length: number }
  /** Blocks of 2048 bytes from the medium; `raw`: each dressed as a 2352-byte frame or part of one. */
  | { readonly kind: 'read'; readonly start: number; readonly blocks: number; readonly raw?: RawForm }
  /** A parameter list comes from the host; then call `parameters`. */
  | { readonly kind: 'receive'; readonly length: number };

export const done: CdReply = { kind: 'done' };

/** Reply data of `length`, of which the host takes no more than it allocated. */
export function data(length: number, allocated: number): CdReply {
  return { kind: 'data', length: Math.min(length, allocated) };
}
