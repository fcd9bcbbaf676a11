/** A network cable with a neighbour at its other end that answers ARP and pings, and remembers nothing: what is under way on the cable is all its state. */
import { PLAIN, type CableUser, type NetBackend } from '../../vmm/net/cable/cable.ts';

const ARP = 0x0806;
const IPV4 = 0x0800;
const ICMP = 1;
const NEIGHBOUR = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);

export class EchoCable implements NetBackend {
  readonly link = true;
  readonly peerAccepts = PLAIN;
  readonly #ring: () => void;
  #user: CableUser | undefined;
  #underWay: Uint8Array[] = [];
  answered = 0;

  /** `ring`: there is something to drain. */
  constructor(ring: () => void) {
    this.#ring = ring;
  }

  get underWay(): readonly Uint8Array[] {
    return this.#underWay;
  }

  set underWay(frames: readonly Uint8Array[]) {
    this.#underWay = [...frames];
    if (frames.length > 0) this.#ring();
  }

  attach(user: CableUser): void {
    this.#user = user;
  }

  send(frame: Uint8Array): boolean {
    const answer = answerTo(frame);
    if (answer !== undefined) {
      this.#underWay.push(answer);
      this.#ring();
    }
    return true;
  }

  drain(): void {
    while (this.#underWay.length > 0 && this.#user?.frame(this.#underWay[0]!) === true) {
      this.#underWay.shift();
      this.answered++;
    }
  }

  ready(): void {
    this.#ring();
  }

  setLink(): void {
    // It is never pulled.
  }
}

function answerTo(frame: Uint8Array): Uint8Array | undefined {
  const answer = frame.slice();
  const view = new DataView(answer.buffer);
  answer.copyWithin(0, 6, 12);
  answer.set(NEIGHBOUR, 6);
  switch (view.getUint16(12)) {
    case ARP:
      if (view.getUint16(20) !== 1) return undefined;
      view.setUint16(20, 2);
      // Sender and target change places; the target's hardware address was what was asked for.
      answer.set(frame.subarray(22, 32), 32);
      answer.set(NEIGHBOUR, 22);
      answer.set(frame.subarray(38, 42), 28);
      return answer;
    case IPV4:
      if (frame[23] !== ICMP || frame[34] !== 8) return undefined;
      answer.set(frame.subarray(30, 34), 26);
      answer.set(frame.subarray(26, 30), 30);
      answer[34] = 0;
      view.setUint16(36, plus(view.getUint16(36), 0x0800));
      return answer;
    default:
      return undefined;
  }
}

/** One's complement, for a checksum over a field that became less by `less` (RFC 1624). */
function plus(checksum: number, less: number): number {
  const sum = checksum + less;
  return (sum & 0xffff) + (sum >>> 16);
}
