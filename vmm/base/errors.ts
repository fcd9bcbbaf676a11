/**
 * The one error type that crosses a boundary inside the VMM. `kind` is a small, stable set that scripts may rely on; `message` is one line
 * that names the thing and what to do; `context` holds plain data for the log. What a guest does wrong is never an error: it is the
 * hardware's answer, a counter and a rate-limited log line.
 */
export type VmmErrorKind =
  | 'usage' // a value the caller gave cannot be used
  | 'not-found' // a file, VM or device that is named does not exist
  | 'unsupported' // known, but not available here or not available yet
  | 'invalid' // data (an image, a saved state, a message) is damaged or hostile
  | 'state' // legal, but not in the present state of the VM
  | 'busy' // locked or in use by somebody else
  | 'host' // the host failed: I/O error, disk full, no memory
  | 'internal'; // our own bug

export class VmmError extends Error {
  readonly kind: VmmErrorKind;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(kind: VmmErrorKind, message: string, context: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'VmmError';
    this.kind = kind;
    this.context = context;
  }
}

/** A programmer's error: never reached by anything a guest or a user does. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new VmmError('internal', `assertion failed: ${message}`);
}

/** One line for a person, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
