/** Between the guest's serial ports and whoever listens: the configured back end, and any number of clients. */

const BACKLOG = 65536;
/** Bytes on their way to the machine thread that the guest has not read: enough for a FIFO to stay full, little enough to be abandoned at reset. */
const WINDOW = 1024;
/** A client that sends more than the guest reads waits beyond this. */
const MAX_QUEUED = 1 << 20;

export type SerialListener = (data: Uint8Array, position: number) => void;

/** Output goes to every listener and into a ring that late listeners are shown; input is queued and passed on as the guest reads it. */
export class SerialPort {
  readonly #post: (data: Uint8Array) => void;
  readonly #listeners = new Set<SerialListener>();
  readonly #backlog = new Uint8Array(BACKLOG);
  #position = 0;
  readonly #queue: { data: Uint8Array; taken: () => void }[] = [];
  #queued = 0;
  #inFlight = 0;

  /** `post` sends input to the machine thread, which answers by `taken`. */
  constructor(post: (data: Uint8Array) => void) {
    this.#post = post;
  }

  /** The guest wrote. */
  output(data: Uint8Array): void {
    const kept = data.length > BACKLOG ? data.subarray(data.length - BACKLOG) : data;
    const at = (this.#position + data.length - kept.length) % BACKLOG;
    const first = Math.min(kept.length, BACKLOG - at);
    this.#backlog.set(kept.subarray(0, first), at);
    this.#backlog.set(kept.subarray(first), 0);
    const position = this.#position;
    this.#position += data.length;
    for (const listener of this.#listeners) listener(data, position);
  }

  /** Listens from now on, after the last `backlog` bytes (fewer if there are fewer). Returns what removes the listener. */
  listen(listener: SerialListener, backlog = 0): () => void {
    const count = Math.min(backlog, BACKLOG, this.#position);
    if (count > 0) listener(this.last(count), this.#position - count);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  private last(count: number): Uint8Array {
    const out = new Uint8Array(count);
    const from = (this.#position - count) % BACKLOG;
    const first = Math.min(count, BACKLOG - from);
    out.set(this.#backlog.subarray(from, from + first));
    out.set(this.#backlog.subarray(0, count - first), first);
    return out;
  }

  /** Room for more input: a back end stops reading from its peer while there is none. */
  get accepts(): boolean {
    return this.#queued < MAX_QUEUED;
  }

  /** Bytes for the guest. Resolves when they have left the queue for the machine thread. */
  input(data: Uint8Array): Promise<void> {
    if (data.length === 0) return Promise.resolve();
    this.#queued += data.length;
    return new Promise((taken) => {
      this.#queue.push({ data, taken });
      this.#feed();
    });
  }

  /** The guest has read (or a reset dropped) so many bytes. */
  taken(count: number): void {
    this.#inFlight = Math.max(0, this.#inFlight - count);
    this.#feed();
  }

  #feed(): void {
    while (this.#inFlight < WINDOW) {
      const next = this.#queue[0];
      if (next === undefined) return;
      const part = next.data.subarray(0, WINDOW - this.#inFlight);
      next.data = next.data.subarray(part.length);
      this.#inFlight += part.length;
      this.#queued -= part.length;
      this.#post(part.slice());
      if (next.data.length === 0) {
        this.#queue.shift();
        next.taken();
      }
    }
  }
}
