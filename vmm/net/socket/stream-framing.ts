/** Frames on a byte stream as QEMU's socket and stream back ends write them: a 32-bit length, big-endian, then the frame. */

/** QEMU's NET_BUFSIZE: a longer length means that the stream is not what it should be. */
export const MOST_STREAM_FRAME = 4096 + 65536;
const PREFIX = 4;

export function framed(frame: Uint8Array): Uint8Array {
  const record = new Uint8Array(PREFIX + frame.length);
  new DataView(record.buffer).setUint32(0, frame.length);
  record.set(frame, PREFIX);
  return record;
}

/** Cuts a stream into frames. Memory is bounded by one chunk and one frame. */
export class FrameReader {
  #pending = new Uint8Array(0);

  /** Adds what arrived. */
  push(chunk: Uint8Array): void {
    if (this.#pending.length === 0) this.#pending = chunk.slice();
    else {
      const joined = new Uint8Array(this.#pending.length + chunk.length);
      joined.set(this.#pending);
      joined.set(chunk, this.#pending.length);
      this.#pending = joined;
    }
  }

  /** Hands over complete frames until there are no more or one is not taken (it is offered again). False: the stream is no stream of frames. */
  take(frame: (bytes: Uint8Array) => boolean): boolean {
    let at = 0;
    const pending = this.#pending;
    const view = new DataView(pending.buffer, pending.byteOffset, pending.length);
    while (pending.length - at >= PREFIX) {
      const length = view.getUint32(at);
      if (length > MOST_STREAM_FRAME) return false;
      if (pending.length - at - PREFIX < length || !frame(pending.subarray(at + PREFIX, at + PREFIX + length))) break;
      at += PREFIX + length;
    }
    if (at > 0) this.#pending = pending.slice(at);
    return true;
  }
}
