import { type Accepts, type CableUser, MOST_FRAME, MOST_SEGMENT, type NetBackend, type Offload, PLAIN } from '../../../net/cable/cable.ts';
import { accepted, cutFrames, isSound } from '../../../net/cable/offload.ts';

/** A cable whose other end is a test: what the NIC sends is kept, and frames are put to it by hand. */
export class TestCable implements NetBackend {
  readonly sent: Uint8Array[] = [];
  readonly offloads: (Offload | undefined)[] = [];
  readonly waiting: Uint8Array[] = [];
  peerAccepts: Accepts;
  link = true;
  full = false;
  accepts: Accepts = PLAIN;
  #user: CableUser | undefined;

  constructor(peerAccepts: Accepts = PLAIN) {
    this.peerAccepts = peerAccepts;
  }

  send(frame: Uint8Array, offload?: Offload): boolean {
    if (this.full) return false;
    if (offload !== undefined && !isSound(frame, offload)) return true;
    if (offload === undefined || accepted(offload, this.peerAccepts)) {
      if (frame.length > (offload?.cut === undefined ? MOST_FRAME : MOST_SEGMENT)) return true;
      this.sent.push(frame.slice());
      this.offloads.push(offload);
    } else {
      cutFrames(frame, offload, (one) => {
        this.sent.push(one.slice());
        this.offloads.push(undefined);
      });
    }
    return true;
  }

  ready(): void {
    while (this.waiting.length > 0 && this.#user?.frame(this.waiting[0]!) === true) this.waiting.shift();
  }

  attach(user: CableUser, accepts: Accepts = PLAIN): void {
    this.#user = user;
    this.accepts = accepts;
  }

  setLink(up: boolean): void {
    this.plug(up);
  }

  /** The other end is plugged in or out. */
  plug(up: boolean): void {
    if (up === this.link) return;
    this.link = up;
    this.#user?.link?.(up);
  }

  /** There is room again. */
  drained(): void {
    this.full = false;
    this.#user?.room?.();
  }

  /** As `receive`, but a frame that is not taken is gone: for the conformance suite, whose devices have nothing beside their state. */
  offer(frame: Uint8Array): void {
    this.#user?.frame(frame);
  }

  /** Is full while `work` is done, then has room again. */
  squeeze(work: () => void): void {
    this.full = true;
    work();
    this.drained();
  }

  /** Puts a frame to the NIC. Whether it took it; otherwise it waits for `ready`. */
  receive(frame: Uint8Array, offload?: Offload, finished = false): boolean {
    if (this.#user?.frame(frame, offload, finished) === true) return true;
    if (this.waiting.length < 16) this.waiting.push(frame.slice());
    return false;
  }
}

/** A frame to `to` of `length` bytes, its payload counting up from `seed`. */
export function testFrame(to: readonly number[], length = 60, seed = 0): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, at) => (at + seed) & 0xff);
  frame.set(to);
  frame.set([2, 0, 0, 0, 0, 1], 6);
  frame.set([0x12, 0x34], 12);
  return frame;
}
