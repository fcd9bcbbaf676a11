/**
 * A way for messages to travel between two processes, in order and whole. JSON values and binary messages share it; binary never hides
 * inside JSON. A transport is started by setting its handlers: nothing that arrived before is lost.
 */
export interface Transport {
  send(message: object | Uint8Array): void;
  /** Bytes that were sent but have not left this process, where that is known. Senders of bulk data wait while it is high. */
  readonly buffered: number;
  /** `message` is a Uint8Array, or whatever JSON value the other side sent: it is not to be trusted. */
  start(handlers: TransportHandlers): void;
  close(reason?: string): void;
}

export interface TransportHandlers {
  message(message: unknown): void;
  /** Called once, whoever closed it. */
  closed(reason?: string): void;
}

/** Longest JSON message, in characters, that a receiver accepts. */
export const MAX_JSON_LENGTH = 8 << 20;
/** Longest binary message: a frame of 4096x4096 and its header. */
export const MAX_BINARY_LENGTH = (64 << 20) + 65536;

/** Two transports that speak to each other inside one process, asynchronously as real ones do. JSON is copied, as on a wire. */
export function transportPair(): [Transport, Transport] {
  const a = new LocalTransport();
  const b = new LocalTransport();
  a.other = b;
  b.other = a;
  return [a, b];
}

class LocalTransport implements Transport {
  other: LocalTransport | undefined;
  readonly buffered = 0;
  #handlers: TransportHandlers | undefined;
  #waiting: unknown[] = [];
  #open = true;

  send(message: object | Uint8Array): void {
    if (!this.#open) return;
    const copy: unknown = message instanceof Uint8Array ? message.slice() : JSON.parse(JSON.stringify(message));
    const { other } = this;
    queueMicrotask(() => other?.deliver(copy));
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    for (const message of this.#waiting.splice(0)) handlers.message(message);
  }

  close(reason?: string): void {
    if (!this.#open) return;
    this.end(reason);
    const { other } = this;
    queueMicrotask(() => other?.end(reason));
  }

  private deliver(message: unknown): void {
    if (!this.#open) return;
    if (this.#handlers === undefined) this.#waiting.push(message);
    else this.#handlers.message(message);
  }

  private end(reason?: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handlers?.closed(reason);
  }
}
