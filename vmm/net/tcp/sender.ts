import type { SackBlock } from '../wire/tcp.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { Congestion } from './congestion.ts';
import { Ranges } from './ranges.ts';
import { RoundTrip } from './round-trip.ts';
import { advance, distance, later } from './sequence.ts';

/** So many duplicate acknowledgments mean a loss (RFC 5681 3.2). */
const DUPLICATES = 3;

/** A piece of the stream to send: bytes from `offset` of the queue, and perhaps the FIN behind them. */
export interface Piece {
  readonly sequence: number;
  readonly offset: number;
  readonly length: number;
  readonly fin: boolean;
  /** Fills a hole in recovery; SND.NXT stays where it is. */
  readonly repair: boolean;
}

export interface SenderLimits {
  /** Payload of one segment, bytes. */
  readonly mss: number;
  /** Payload of one piece: a multiple of the MSS where the NIC cuts segments itself. */
  readonly piece: number;
  readonly buffer: number;
}

/** The sending half: what is unacknowledged, what is lost, what may go now. Sequence numbers are the data's; the SYN's is the connection's matter. */
export class Sender {
  readonly queue = new ChunkQueue();
  readonly roundTrip = new RoundTrip();
  readonly #limits: SenderLimits;
  readonly #congestion: Congestion;
  readonly #sacked = new Ranges();
  /** SND.UNA, SND.NXT and the highest SND.NXT there was. */
  #una = 0;
  #next = 0;
  #top = 0;
  #peerWindow = 0;
  #largestWindow = 0;
  #fin = false;
  #duplicates = 0;
  /** In fast recovery until this is acknowledged. */
  #recover: number | undefined;
  /** In recovery: holes before it were filled. */
  #repaired = 0;
  /** Without SACK: the first unacknowledged segment is to be sent again. */
  #resend = false;
  /** One segment measures the round trip where the peer has no timestamps; retransmission ends the measurement (Karn). */
  #timed: { readonly end: number; readonly at: number } | undefined;
  /** After a timeout, duplicates of what goes again say nothing of a loss until this is acknowledged (RFC 6582 4.1). */
  #quiet: number | undefined;
  #limited = false;

  constructor(limits: SenderLimits) {
    this.#limits = limits;
    this.#congestion = new Congestion(limits.mss, limits.buffer);
  }

  start(sequence: number, window: number): void {
    this.#una = this.#next = this.#top = this.#repaired = sequence;
    this.setWindow(window);
  }

  get unacknowledged(): number {
    return this.#una;
  }
  /** SND.NXT as the peer may have seen it. */
  get top(): number {
    return this.#top;
  }
  get hasOutstanding(): boolean {
    return this.#una !== this.#top;
  }
  /** Something is on its way, and its acknowledgment is waited for. */
  get hasInFlight(): boolean {
    return this.#una !== this.#next;
  }
  get finQueued(): boolean {
    return this.#fin;
  }
  /** All, FIN included, is acknowledged. */
  get finished(): boolean {
    return this.#fin && this.queue.length === 0 && this.#una === this.#top && this.#finAcked;
  }
  #finAcked = false;
  get peerWindow(): number {
    return this.#peerWindow;
  }
  get inFlight(): number {
    return distance(this.#una, this.#next) - this.#sacked.within(this.#una, this.#next);
  }
  get congestionWindow(): number {
    return this.#congestion.window;
  }
  /** Bytes that `write` should still be given. */
  get space(): number {
    return Math.max(0, this.#limits.buffer - this.queue.length);
  }
  /** The window is shut and something waits behind it: a probe must find out when it opens. */
  get needsProbe(): boolean {
    return this.#peerWindow === 0 && this.#next === this.#una && this.#unsentEnd !== this.#una;
  }

  write(chunk: Uint8Array): void {
    this.queue.push(chunk);
  }
  end(): void {
    this.#fin = true;
  }

  setWindow(window: number): void {
    this.#peerWindow = window;
    this.#largestWindow = Math.max(this.#largestWindow, window);
  }

  /** An acknowledgment that is in range (SND.UNA <= ack <= SND.MAX). Returns the bytes it newly acknowledges. */
  acknowledge(ack: number, sack: readonly SackBlock[] | undefined, pure: boolean, windowChanged: boolean, now: number): number {
    let news = false;
    for (const { start, end } of sack ?? []) if (later(start, ack) && !later(end, this.#top) && this.#sacked.add({ start, end })) news = true;
    const count = distance(this.#una, ack);
    if (count > 0) this.#advance(ack, count, now);
    else if (this.hasOutstanding && ((pure && !windowChanged) || news)) this.#duplicate();
    return count;
  }

  #advance(ack: number, count: number, now: number): void {
    const bytes = Math.min(count, this.queue.length);
    this.queue.drop(bytes);
    if (count > bytes) this.#finAcked = true;
    this.#una = ack;
    if (later(ack, this.#next)) this.#next = ack;
    this.#sacked.dropBefore(ack);
    this.#duplicates = 0;
    this.roundTrip.progress();
    if (this.#timed !== undefined && !later(this.#timed.end, ack)) {
      this.roundTrip.sample(now - this.#timed.at);
      this.#timed = undefined;
    }
    if (this.#recover !== undefined) {
      if (!later(this.#recover, ack)) this.#recover = undefined;
      else if (this.#sacked.top === undefined) this.#resend = true; // a partial acknowledgment: the next hole begins here (RFC 6582 3.2)
      return;
    }
    if (this.#limited) this.#congestion.acknowledged(count);
  }

  #duplicate(): void {
    this.#duplicates++;
    if (this.#recover !== undefined || (this.#quiet !== undefined && later(this.#quiet, this.#una))) return;
    const { top } = this.#sacked;
    const manySacked = top !== undefined && this.#sacked.bytes > (DUPLICATES - 1) * this.#limits.mss;
    if (this.#duplicates < DUPLICATES && !manySacked) return;
    this.#congestion.lost(this.inFlight);
    this.#recover = this.#top;
    this.#repaired = this.#una;
    this.#resend = top === undefined;
    this.#timed = undefined;
  }

  /** The retransmission timer went off: everything is sent again from the first unacknowledged byte (RFC 5681 3.1, 6298 5.4). */
  timedOut(): void {
    this.#congestion.timedOut(this.inFlight);
    this.roundTrip.backOff();
    this.#sacked.clear();
    this.#quiet = this.#top;
    this.#next = this.#una;
    this.#recover = undefined;
    this.#resend = false;
    this.#duplicates = 0;
    this.#timed = undefined;
  }

  /** One byte past a shut window (RFC 9293 3.8.6.1). It counts as sent once the peer acknowledges it. */
  probe(): Piece {
    return { sequence: this.#una, offset: 0, length: Math.min(1, this.queue.length), fin: this.queue.length === 0, repair: false };
  }

  /** What may be sent now; undefined: nothing. `sent` confirms it. */
  get piece(): Piece | undefined {
    return this.#repair() ?? this.#fresh();
  }

  sent(piece: Piece, now: number): void {
    const end = advance(piece.sequence, piece.length + (piece.fin ? 1 : 0));
    if (piece.repair) {
      this.#resend = false;
      if (later(end, this.#repaired)) this.#repaired = end;
      return;
    }
    if (this.#timed === undefined && !later(this.#top, piece.sequence)) this.#timed = { end, at: now };
    if (later(end, this.#next)) this.#next = end;
    if (later(end, this.#top)) this.#top = end;
  }

  probed(piece: Piece): void {
    const end = advance(piece.sequence, piece.length + (piece.fin ? 1 : 0));
    if (later(end, this.#top)) this.#top = end;
  }

  get #unsentEnd(): number {
    return advance(this.#una, this.queue.length + (this.#fin && !this.#finAcked ? 1 : 0));
  }

  /** In recovery: the next hole. What is beyond the highest SACK is taken to be on its way. */
  #repair(): Piece | undefined {
    if (this.#recover === undefined) return undefined;
    const { mss } = this.#limits;
    if (this.#resend) return this.#cut(this.#una, Math.min(mss, distance(this.#una, this.#top)), true);
    const from = later(this.#una, this.#repaired) ? this.#una : this.#repaired;
    const hole = this.#sacked.hole(from);
    if (hole === undefined) return undefined;
    // The first hole goes at once: without it nothing would ever be acknowledged (RFC 6675 5, 4.3).
    if (from !== this.#una && this.#pipe() + mss > this.#congestion.window) return undefined;
    return this.#cut(hole.start, Math.min(mss, distance(hole.start, hole.end)), true);
  }

  #fresh(): Piece | undefined {
    const unsent = distance(this.#next, this.#unsentEnd);
    if (unsent <= 0) {
      this.#limited = false;
      return undefined;
    }
    // Limited transmit (RFC 3042): two segments more on the first duplicates keep the acknowledgments coming.
    const extra = this.#recover === undefined ? Math.min(this.#duplicates, DUPLICATES - 1) * this.#limits.mss : 0;
    const flight = this.#recover !== undefined && this.#sacked.top !== undefined ? this.#pipe() : this.inFlight;
    const allowed = Math.min(this.#peerWindow - distance(this.#una, this.#next), this.#congestion.window + extra - flight);
    this.#limited = allowed < unsent;
    let length = Math.min(unsent, allowed, this.#limits.piece);
    if (length <= 0) return undefined;
    // Silly window syndrome (RFC 9293 3.8.6.2.1): a small segment goes only when nothing else would make it larger.
    const { mss } = this.#limits;
    if (length > mss && length < unsent) length -= length % mss;
    if (length < mss && length < unsent && this.#una !== this.#next && length < this.#largestWindow / 2) return undefined;
    return this.#cut(this.#next, length, false);
  }

  #pipe(): number {
    const top = this.#sacked.top!;
    const repaired = later(this.#una, this.#repaired) ? this.#una : this.#repaired;
    return Math.max(0, distance(top, this.#next)) + distance(this.#una, repaired) - this.#sacked.within(this.#una, repaired);
  }

  /** `length` counts the FIN. */
  #cut(sequence: number, length: number, repair: boolean): Piece {
    const offset = distance(this.#una, sequence);
    const bytes = Math.min(length, Math.max(0, this.queue.length - offset));
    return { sequence, offset, length: bytes, fin: this.#fin && offset + bytes === this.queue.length && bytes < length, repair };
  }
}
