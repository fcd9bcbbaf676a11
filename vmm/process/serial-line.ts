/** The machine thread's end of a serial port: gathers what the guest writes, doles out what is sent to it at the pace it reads. */
import type { SerialPeer, Uart16550 } from '../devices/char/uart-16550.ts';

/** Bytes that are passed on together. */
const BATCH = 4096;

export interface SerialLineHost {
  output(data: Uint8Array): void;
  taken(count: number): void;
  /** Something waits: `flush` is to be called within a few ms. */
  flushSoon(): void;
}

export class SerialLine implements SerialPeer {
  uart: Uart16550 | undefined;
  readonly #host: SerialLineHost;
  readonly #out = new Uint8Array(BATCH);
  #outLength = 0;
  #input: Uint8Array[] = [];

  constructor(host: SerialLineHost) {
    this.#host = host;
  }

  transmit(byte: number): void {
    if (this.#outLength === 0) this.#host.flushSoon();
    this.#out[this.#outLength++] = byte;
    if (this.#outLength === BATCH) this.flush();
  }

  flush(): void {
    if (this.#outLength === 0) return;
    this.#host.output(this.#out.slice(0, this.#outLength));
    this.#outLength = 0;
  }

  input(data: Uint8Array): void {
    this.#input.push(data);
    this.ready();
  }

  /** Gives the UART what it takes. Called by it when it takes bytes again after it refused one. */
  ready(): void {
    let taken = 0;
    for (;;) {
      const [first] = this.#input;
      if (first === undefined) break;
      let at = 0;
      while (at < first.length && this.uart?.receive(first[at]!) === true) at++;
      taken += at;
      if (at < first.length) {
        this.#input[0] = first.subarray(at);
        break;
      }
      this.#input.shift();
    }
    if (taken > 0) this.#host.taken(taken);
  }
}
