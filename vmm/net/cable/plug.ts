import type { Accepts, CableUser, NetBackend, Offload } from './cable.ts';

/** A cable with a plug of its own: its link is up while both what is behind it and whoever holds the plug say so. */
export class Plug implements NetBackend {
  readonly #cable: NetBackend;
  #behind = true;
  #plugged = true;

  constructor(cable: NetBackend) {
    this.#cable = cable;
  }

  /** The user plugs the cable in or out. */
  plug(plugged: boolean): void {
    this.#plugged = plugged;
    this.#cable.setLink(this.#plugged && this.#behind);
  }

  setLink(up: boolean): void {
    this.#behind = up;
    this.#cable.setLink(this.#plugged && this.#behind);
  }

  send(frame: Uint8Array, offload?: Offload): boolean {
    return this.#cable.send(frame, offload);
  }

  ready(): void {
    this.#cable.ready();
  }

  attach(user: CableUser, accepts?: Accepts): void {
    this.#cable.attach(user, accepts);
  }

  get link(): boolean {
    return this.#cable.link;
  }

  get peerAccepts(): Accepts {
    return this.#cable.peerAccepts;
  }
}
