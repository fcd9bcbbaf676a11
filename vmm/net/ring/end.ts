import { type Accepts, type CableUser, LEAST_FRAME, MOST_FRAME, MOST_SEGMENT, type NetBackend, type Offload, PLAIN } from '../cable/cable.ts';
import { accepted, cutFrames, finishedSize, isSound } from '../cable/offload.ts';
import {
  acceptsToWord,
  type Direction,
  readFinished,
  readOffload,
  RECORD_HEADER,
  recordBytes,
  RING_BYTES,
  viewDirection,
  Word,
  wordToAccepts,
  writeHeader,
} from './layout.ts';

const HALF = RING_BYTES / 2;

/**
 * One end of a cable that crosses threads. `wake` rings the other thread's bell; that thread then calls `drain` on its end. Sending wakes once until the
 * other end has looked, so that a burst of frames costs one wake-up.
 */
export class RingEnd implements NetBackend {
  readonly #out: Direction;
  readonly #in: Direction;
  readonly #wake: () => void;
  readonly #inPlace: boolean;
  readonly #header = new DataView(new ArrayBuffer(RECORD_HEADER));
  readonly #headerBytes = new Uint8Array(this.#header.buffer);
  readonly #frame = new Uint8Array(MOST_SEGMENT);
  #user: CableUser | undefined;
  #stopped = false;
  #receiving = false;
  #blocked = false;
  #link: boolean;
  /** Frames that were sent while the cable was unplugged, or that no cable carries. */
  lost = 0;

  constructor(memory: SharedArrayBuffer, side: 'nic' | 'net', wake: () => void) {
    this.#out = viewDirection(memory, side === 'nic' ? 0 : 1);
    this.#in = viewDirection(memory, side === 'nic' ? 1 : 0);
    this.#wake = wake;
    this.#inPlace = side === 'nic';
    this.#link = this.link;
  }

  get link(): boolean {
    return Atomics.load(this.#out.words, Word.unplugged) === 0 && Atomics.load(this.#in.words, Word.unplugged) === 0;
  }

  get peerAccepts(): Accepts {
    return wordToAccepts(Atomics.load(this.#in.words, Word.accepts));
  }

  attach(user: CableUser, accepts: Accepts = PLAIN): void {
    this.#user = user;
    this.#stopped = false;
    Atomics.store(this.#out.words, Word.accepts, acceptsToWord(accepts));
    this.#receive();
  }

  setLink(up: boolean): void {
    Atomics.store(this.#out.words, Word.unplugged, up ? 0 : 1);
    this.#linkChanged();
    this.#wake();
  }

  send(frame: Uint8Array, offload?: Offload): boolean {
    if (frame.length < LEAST_FRAME || !this.link || (offload !== undefined && !isSound(frame, offload))) return this.#lose();
    if (offload === undefined || accepted(offload, this.peerAccepts)) {
      if (frame.length > (offload?.cut === undefined ? MOST_FRAME : MOST_SEGMENT)) return this.#lose();
      if (!this.#reserve(recordBytes(frame.length))) return false;
      this.#put(frame, offload, false);
    } else {
      const size = finishedSize(frame, offload, recordBytes);
      if (size === undefined || size > HALF) return this.#lose();
      if (!this.#reserve(size)) return false;
      cutFrames(frame, offload, (one) => this.#put(one, undefined, offload.cut !== undefined));
    }
    if (Atomics.exchange(this.#out.words, Word.signalled, 1) === 0) this.#wake();
    return true;
  }

  ready(): void {
    this.#stopped = false;
    this.#receive();
  }

  /** Called on this end's thread when it was woken: delivers frames, tells of room and of the link. */
  drain(): void {
    this.#linkChanged();
    if (this.#blocked && Atomics.load(this.#out.words, Word.wantsRoom) === 0) {
      this.#blocked = false;
      this.#user?.room?.();
    }
    this.#receive();
  }

  #lose(): true {
    this.lost++;
    return true;
  }

  #linkChanged(): void {
    const up = this.link;
    if (up === this.#link) return;
    this.#link = up;
    this.#user?.link?.(up);
  }

  #free(): number {
    const { words } = this.#out;
    return RING_BYTES - ((words[Word.tail]! - Atomics.load(words, Word.head)) | 0);
  }

  /** Whether `bytes` fit; if not, the receiver will say when there is room. */
  #reserve(bytes: number): boolean {
    if (this.#free() >= bytes) return true;
    const { words } = this.#out;
    Atomics.store(words, Word.wantsRoom, 1);
    if (this.#free() >= bytes) {
      Atomics.store(words, Word.wantsRoom, 0); // it made room just now
      return true;
    }
    this.#blocked = true;
    return false;
  }

  /** There is room. */
  #put(frame: Uint8Array, offload: Offload | undefined, finished: boolean): void {
    const { words, bytes } = this.#out;
    const tail = words[Word.tail]!;
    writeHeader(this.#header, frame.length, offload, finished);
    copyIn(bytes, tail, this.#headerBytes);
    copyIn(bytes, tail + RECORD_HEADER, frame);
    Atomics.store(words, Word.tail, (tail + recordBytes(frame.length)) | 0);
  }

  /** Delivers what is on the ring now; what arrives meanwhile wakes this thread again. */
  #receive(): void {
    if (this.#user === undefined || this.#stopped || this.#receiving) return;
    const { words, bytes } = this.#in;
    Atomics.store(words, Word.signalled, 0);
    const end = Atomics.load(words, Word.tail);
    this.#receiving = true;
    try {
      for (let head = words[Word.head]!; head !== end;) {
        copyOut(bytes, head, this.#headerBytes);
        const length = this.#header.getUint32(0, true);
        if (this.#link && !this.#user.frame(this.#frameAt(head + RECORD_HEADER, length), readOffload(this.#header), readFinished(this.#header))) {
          this.#stopped = true;
          return;
        }
        head = (head + recordBytes(length)) | 0;
        Atomics.store(words, Word.head, head);
        this.#tellRoom();
      }
    } finally {
      this.#receiving = false;
    }
  }

  /** A NIC is given the frame where it lies: it copies it once, to the guest. Sockets and text on the net thread need memory that no other thread sees. */
  #frameAt(at: number, length: number): Uint8Array {
    const { bytes } = this.#in;
    const start = at & MASK;
    if (this.#inPlace && start + length <= RING_BYTES) return bytes.subarray(start, start + length);
    const frame = this.#frame.subarray(0, length);
    copyOut(bytes, start, frame);
    return frame;
  }

  #tellRoom(): void {
    const { words } = this.#in;
    if (Atomics.load(words, Word.wantsRoom) === 0) return;
    const used = (Atomics.load(words, Word.tail) - words[Word.head]!) | 0;
    if (used <= HALF && Atomics.exchange(words, Word.wantsRoom, 0) === 1) this.#wake();
  }
}

const MASK = RING_BYTES - 1;

function copyIn(ring: Uint8Array, at: number, from: Uint8Array): void {
  const start = at & MASK;
  const first = RING_BYTES - start;
  if (from.length <= first) return ring.set(from, start);
  ring.set(from.subarray(0, first), start);
  ring.set(from.subarray(first), 0);
}

function copyOut(ring: Uint8Array, at: number, into: Uint8Array): void {
  const start = at & MASK;
  const first = RING_BYTES - start;
  if (into.length <= first) return into.set(ring.subarray(start, start + into.length));
  into.set(ring.subarray(start));
  into.set(ring.subarray(0, into.length - first), first);
}
