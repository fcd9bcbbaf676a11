/** The name server's end of a TCP connection: messages with their length in front (RFC 1035 4.2.2, RFC 7766). */
import type { HostTcp, HostTcpEvents, NetTime } from '../nat/host.ts';
import { concat, get16 } from '../wire/bytes.ts';
import { type DnsProxy, framed } from './dns-proxy.ts';

/** A client that asks nothing for so long is hung up on (RFC 7766 6.2.3), ms. */
const IDLE = 30_000;

export class DnsStream implements HostTcp {
  readonly #proxy: DnsProxy;
  readonly #time: NetTime;
  readonly #events: HostTcpEvents;
  #buffer: Uint8Array = new Uint8Array(0);
  #asked = 0;
  #ended = false;
  #over = false;
  #cancel: () => void = () => undefined;

  constructor(proxy: DnsProxy, time: NetTime, events: HostTcpEvents) {
    this.#proxy = proxy;
    this.#time = time;
    this.#events = events;
    time.soon(() => {
      if (!this.#over) events.connected();
    });
    this.#wait();
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#buffer = concat(this.#buffer, bytes);
    this.#wait();
    for (;;) {
      const length = this.#buffer.length < 2 ? undefined : get16(this.#buffer, 0);
      if (length === undefined || this.#buffer.length < 2 + length) break;
      const message = this.#buffer.slice(2, 2 + length);
      this.#buffer = this.#buffer.slice(2 + length);
      this.#asked++;
      this.#proxy.ask(message, true, (answer) => {
        this.#asked--;
        if (this.#over) return;
        this.#events.data(framed(answer));
        this.#endWhenIdle();
      });
    }
    done();
  }

  end(): void {
    this.#ended = true;
    this.#endWhenIdle();
  }

  destroy(): void {
    this.#over = true;
    this.#cancel();
  }
  pause(): void {
    // answers are small; who does not read them asks no more
  }
  resume(): void {
    // see pause
  }

  #endWhenIdle(): void {
    if (this.#ended && this.#asked === 0) this.#hangUp();
  }

  #wait(): void {
    this.#cancel();
    this.#cancel = this.#time.after(IDLE, () => this.#hangUp());
  }

  #hangUp(): void {
    if (this.#over) return;
    this.destroy();
    this.#events.end();
    this.#events.closed();
  }
}
