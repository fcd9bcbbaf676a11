import type { Dma } from '../../../bus/dma.ts';

/** One buffer of a ring, in whatever style software has its descriptors. */
export interface RingDescriptor {
  readonly at: number;
  readonly address: number;
  /** Bytes of the buffer. */
  readonly length: number;
  /** Bits 31..16 of the word that holds OWN. */
  readonly status: number;
}

const LANCE = 0;
const REORDERED = 3;

/** A ring of descriptors in the styles of BCR20 (data sheet, "Software Style"): LANCE has 8 bytes, the others 16; style 3 swaps address and status. */
export class DescriptorRing {
  readonly #dma: Dma;
  readonly #base: number;
  readonly #style: number;
  readonly #wide: boolean;
  readonly #receive: boolean;

  constructor(dma: Dma, base: number, style: number, wide: boolean, receive: boolean) {
    this.#dma = dma;
    this.#base = base;
    this.#style = wide ? style : LANCE;
    this.#wide = wide;
    this.#receive = receive;
  }

  read(index: number): RingDescriptor {
    const bytes = new Uint8Array(this.#wide ? 16 : 8);
    const view = new DataView(bytes.buffer);
    const at = this.#base + index * bytes.length;
    this.#dma.read(at, bytes);
    if (!this.#wide) {
      const address = view.getUint32(0, true);
      // The upper bits of LANCE addresses are those of the ring's own (CSR2).
      const upper = Math.floor(this.#base / 0x100_0000) * 0x100_0000;
      return { at, address: (address & 0xff_ffff) + upper, length: lengthOf(view.getUint16(4, true)), status: (address >>> 16) & 0xff00 };
    }
    const address = view.getUint32(this.#style === REORDERED ? 8 : 0, true);
    const word = view.getUint32(4, true);
    return { at, address, length: lengthOf(word & 0xffff), status: word >>> 16 };
  }

  /** Gives a descriptor back to software; the message's length is told in the last one of a received frame. */
  give({ at }: RingDescriptor, status: number, messageLength?: number): void {
    if (!this.#wide) {
      this.#dma.write(at + 3, Uint8Array.of(status >>> 8));
      if (this.#receive && messageLength !== undefined) this.#dma.write(at + 6, Uint8Array.of(messageLength, messageLength >>> 8));
      return;
    }
    if (this.#receive && messageLength !== undefined) {
      this.#dma.write(at + (this.#style === REORDERED ? 0 : 8), Uint8Array.of(messageLength, (messageLength >>> 8) & 0x0f, 0, 0));
    }
    this.#dma.write(at + 6, Uint8Array.of(status, status >>> 8)); // last: OWN
  }
}

/** A buffer's length is kept as its two's complement in twelve bits. */
function lengthOf(word: number): number {
  return (0x1000 - (word & 0x0fff)) & 0x0fff || 0x1000;
}
