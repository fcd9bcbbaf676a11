/** What sits on a cable and passes on what it does not change. Filters compose: each is the cable of the next. */
import type { Accepts, CableUser, NetBackend, Offload } from '../cable/cable.ts';
import { PLAIN } from '../cable/cable.ts';

export class Filter implements NetBackend {
  protected readonly cable: NetBackend;
  protected user: CableUser | undefined;
  #accepts: Accepts = PLAIN;

  constructor(cable: NetBackend) {
    this.cable = cable;
  }

  get link(): boolean {
    return this.cable.link;
  }
  get peerAccepts(): Accepts {
    return this.cable.peerAccepts;
  }
  attach(user: CableUser, accepts: Accepts = PLAIN): void {
    this.user = user;
    this.#accepts = accepts;
    this.attachCable();
  }
  setLink(up: boolean): void {
    this.cable.setLink(up);
  }
  send(frame: Uint8Array, offload?: Offload): boolean {
    return this.cable.send(frame, offload);
  }
  ready(): void {
    this.cable.ready();
  }
  frame(bytes: Uint8Array, offload?: Offload): boolean {
    return this.user!.frame(bytes, offload);
  }
  room(): void {
    this.user?.room?.();
  }
  linkChanged(up: boolean): void {
    this.user?.link?.(up);
  }

  /** Says again who is here: a filter that needs whole frames accepts nothing else. */
  protected attachCable(accepts = this.#accepts): void {
    if (this.user === undefined) return;
    this.cable.attach(
      {
        frame: (bytes, offload) => this.frame(bytes, offload),
        room: () => this.room(),
        link: (up) => this.linkChanged(up),
      },
      accepts,
    );
  }
}
