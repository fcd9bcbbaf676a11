/**
 * How messages lie in a byte stream (Unix socket, named pipe): a JSON message is one line, so that a person can speak the protocol with
 * `nc -U`; a binary message is a zero byte, its length (u32, little-endian) and its bytes. JSON never begins with a zero byte.
 */
import { VmmError } from '../base/errors.ts';
import { MAX_BINARY_LENGTH, MAX_JSON_LENGTH } from './transport.ts';

const BINARY_HEADER = 5;
const NEWLINE = 10;

export function frameJson(message: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(message)}\n`);
}

export function frameBinaryHeader(length: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(BINARY_HEADER);
  new DataView(header.buffer).setUint32(1, length, true);
  return header;
}

/** Takes the stream's chunks as they come, hands out whole messages. @throws VmmError `invalid` when the stream is not of this form. */
export class Deframer {
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** No message can be complete before this many bytes are there. */
  #needed = 1;
  /** A JSON line's bytes that were searched for its end. */
  #searched = 0;
  readonly #message: (message: unknown) => void;

  constructor(message: (message: unknown) => void) {
    this.#message = message;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#needed && this.#step());
  }

  #step(): boolean {
    const first = this.#chunks[0]?.[0];
    if (first === undefined) return false;
    return first === 0 ? this.#binary() : this.#json();
  }

  #binary(): boolean {
    if (this.#length < BINARY_HEADER) return this.#wait(BINARY_HEADER);
    const all = this.#joined();
    const length = new DataView(all.buffer, all.byteOffset).getUint32(1, true);
    if (length > MAX_BINARY_LENGTH) throw new VmmError('invalid', `a binary message of ${length} bytes is too long`);
    if (this.#length < BINARY_HEADER + length) return this.#wait(BINARY_HEADER + length);
    this.#consume(all, BINARY_HEADER + length);
    this.#message(all.subarray(BINARY_HEADER, BINARY_HEADER + length));
    return this.#length > 0;
  }

  #json(): boolean {
    const all = this.#joined();
    const end = all.indexOf(NEWLINE, this.#searched);
    if (end < 0) {
      if (this.#length > MAX_JSON_LENGTH) throw new VmmError('invalid', 'a JSON message is too long');
      this.#searched = this.#length;
      return this.#wait(this.#length + 1);
    }
    this.#consume(all, end + 1);
    const text = new TextDecoder().decode(all.subarray(0, end)).trim();
    if (text !== '') {
      let message: unknown;
      try {
        message = JSON.parse(text);
      } catch {
        throw new VmmError('invalid', 'a message is not JSON');
      }
      this.#message(message);
    }
    return this.#length > 0;
  }

  #wait(needed: number): false {
    this.#needed = needed;
    return false;
  }

  #consume(all: Uint8Array, count: number): void {
    const rest = all.subarray(count);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    this.#needed = 1;
    this.#searched = 0;
  }

  #joined(): Uint8Array {
    if (this.#chunks.length > 1) {
      const all = new Uint8Array(this.#length);
      let at = 0;
      for (const chunk of this.#chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      this.#chunks = [all];
    }
    return this.#chunks[0] ?? new Uint8Array(0);
  }
}
