/** A learning switch (IEEE 802.1D without spanning tree): frames go where their destination was last seen, or to all. */
import { addressKey } from '../wire/address.ts';
import { LEAST_FRAME } from '../cable/cable.ts';

export interface SwitchPort {
  /** False: it has no room; the frame is lost to it, as on any switch. */
  send(frame: Uint8Array): boolean;
}

/** A guest that makes up addresses fills the table with its own. */
const MAX_ADDRESSES = 1024;
/** ms (802.1D 7.9.2) */
const AGE = 300_000;

export class Switch {
  readonly #ports = new Set<SwitchPort>();
  readonly #addresses = new Map<string, { readonly port: SwitchPort; seen: number }>();
  readonly #now: () => number;
  dropped = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get portCount(): number {
    return this.#ports.size;
  }
  get addressCount(): number {
    return this.#addresses.size;
  }

  add(port: SwitchPort): void {
    this.#ports.add(port);
  }
  remove(port: SwitchPort): void {
    this.#ports.delete(port);
    for (const [key, entry] of this.#addresses) if (entry.port === port) this.#addresses.delete(key);
  }

  /** A frame came in at that port. */
  receive(from: SwitchPort, frame: Uint8Array): void {
    if (frame.length < LEAST_FRAME) return;
    const now = this.#now();
    if ((frame[6]! & 1) === 0) this.#learn(addressKey(frame.subarray(6, 12)), from, now);
    if ((frame[0]! & 1) === 0) {
      const known = this.#addresses.get(addressKey(frame.subarray(0, 6)));
      if (known !== undefined && now - known.seen < AGE) {
        if (known.port !== from) this.#send(known.port, frame);
        return;
      }
    }
    for (const port of this.#ports) if (port !== from) this.#send(port, frame);
  }

  #learn(key: string, port: SwitchPort, now: number): void {
    const known = this.#addresses.get(key);
    if (known?.port === port) {
      known.seen = now;
      return;
    }
    if (known === undefined && this.#addresses.size >= MAX_ADDRESSES) this.#addresses.delete(this.#addresses.keys().next().value!);
    this.#addresses.delete(key);
    this.#addresses.set(key, { port, seen: now });
  }

  #send(port: SwitchPort, frame: Uint8Array): void {
    if (!port.send(frame)) this.dropped++;
  }
}
