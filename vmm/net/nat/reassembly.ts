/** Puts fragments of datagrams together (RFC 791 3.2, RFC 8200 4.5), within bounds that a flood of fragments cannot pass. */
const MAX_DATAGRAMS = 16;
const MAX_PARTS = 64;
const TIMEOUT = 30_000;
const MAX_LENGTH = 65535;

interface Partial {
  readonly started: number;
  readonly parts: { readonly offset: number; readonly bytes: Uint8Array }[];
  total: number | undefined;
}

export class Reassembly {
  readonly #datagrams = new Map<string, Partial>();

  get count(): number {
    return this.#datagrams.size;
  }

  /** `key`: source, destination, protocol and identification. The whole payload when this was the missing piece. */
  add(key: string, offset: number, more: boolean, payload: Uint8Array, now: number): Uint8Array | undefined {
    if (offset + payload.length > MAX_LENGTH || (more && (payload.length === 0 || payload.length % 8 !== 0))) return undefined;
    this.#expire(now);
    let datagram = this.#datagrams.get(key);
    if (datagram === undefined) {
      if (this.#datagrams.size >= MAX_DATAGRAMS) this.#datagrams.delete(this.#datagrams.keys().next().value!);
      datagram = { started: now, parts: [], total: undefined };
      this.#datagrams.set(key, datagram);
    }
    const end = offset + payload.length;
    // Overlapping fragments are an attack or a retransmission; neither is worth keeping the datagram (RFC 5722).
    const overlaps = datagram.parts.some((part) => part.offset < end && offset < part.offset + part.bytes.length);
    if (overlaps || datagram.parts.length >= MAX_PARTS || (!more && datagram.total !== undefined && datagram.total !== end)) {
      this.#datagrams.delete(key);
      return undefined;
    }
    datagram.parts.push({ offset, bytes: payload.slice() });
    if (!more) datagram.total = end;
    const { total, parts } = datagram;
    if (total === undefined || parts.reduce((sum, { bytes }) => sum + bytes.length, 0) !== total) return undefined;
    this.#datagrams.delete(key);
    if (parts.some((part) => part.offset + part.bytes.length > total)) return undefined;
    const whole = new Uint8Array(total);
    for (const part of parts) whole.set(part.bytes, part.offset);
    return whole;
  }

  #expire(now: number): void {
    for (const [key, { started }] of this.#datagrams) if (now - started > TIMEOUT) this.#datagrams.delete(key);
  }
}
