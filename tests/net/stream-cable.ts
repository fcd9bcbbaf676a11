/** QEMU's stream network back end (a length of 32 bits before each frame) as one end of a cable. */
import type { Socket } from 'node:net';
import { type CableUser, MOST_SEGMENT, type NetBackend, type Offload, PLAIN } from '../../vmm/net/cable/cable.ts';
import { cutFrames } from '../../vmm/net/cable/offload.ts';

const MOST_WAITING = 1 << 20;

export class StreamCable implements NetBackend {
  readonly link = true;
  readonly peerAccepts = PLAIN;
  readonly #socket: Socket;
  #user: CableUser | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #stopped = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
      this.#deliver();
    });
    socket.on('drain', () => this.#user?.room?.());
  }

  attach(user: CableUser): void {
    this.#user = user;
    this.#deliver();
  }
  setLink(): void {
    // QEMU's stream has none
  }
  ready(): void {
    this.#stopped = false;
    this.#deliver();
  }

  send(frame: Uint8Array, offload?: Offload): boolean {
    if (this.#socket.writableLength > MOST_WAITING) return false;
    this.#socket.cork();
    const put = (one: Uint8Array) => {
      const copy = Buffer.allocUnsafe(4 + one.length);
      copy.writeUInt32BE(one.length);
      copy.set(one, 4);
      this.#socket.write(copy);
    };
    if (offload === undefined) put(frame);
    else cutFrames(frame, offload, put);
    process.nextTick(() => this.#socket.uncork());
    return true;
  }

  #deliver(): void {
    let at = 0;
    while (this.#user !== undefined && !this.#stopped && this.#rest.length - at >= 4) {
      const length = this.#rest.readUInt32BE(at);
      if (length > MOST_SEGMENT) throw new Error(`a frame of ${length} bytes`);
      if (this.#rest.length - at - 4 < length) break;
      // A plain array, as a cable's frames are: `slice` of a Buffer does not copy.
      if (!this.#user.frame(new Uint8Array(this.#rest.buffer, this.#rest.byteOffset + at + 4, length))) {
        this.#stopped = true;
        break;
      }
      at += 4 + length;
    }
    this.#rest = this.#rest.subarray(at);
  }
}
