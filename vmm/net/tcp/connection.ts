/**
 * One TCP connection (RFC 9293, window scale and timestamps of RFC 7323, SACK of RFC 2018 and 6675, the reset rules of RFC 5961) without a clock,
 * a socket or a cable of its own: segments go in with the time, `poll` says what goes out, `deadline` when to poll again at the latest.
 */
import { sackRoom, type SackBlock, tcpFlags, type TcpRepr } from '../wire/tcp.ts';
import type { ChunkQueue } from './chunk-queue.ts';
import { Receiver } from './receiver.ts';
import { type Piece, Sender } from './sender.ts';
import { advance, distance, later } from './sequence.ts';

export type TcpState =
  | 'held' // a SYN came; whether it is answered is being found out
  | 'syn-sent'
  | 'syn-received'
  | 'established'
  | 'fin-wait-1'
  | 'fin-wait-2'
  | 'close-wait'
  | 'closing'
  | 'last-ack'
  | 'time-wait'
  | 'closed';

export type TcpEnd = 'done' | 'refused' | 'reset' | 'timeout' | 'aborted';

export interface TcpOptions {
  readonly localPort: number;
  readonly remotePort: number;
  /** Random (RFC 9293 3.4.1). */
  readonly initialSequence: number;
  /** Payload that fits into a packet of the link, without TCP's options. */
  readonly linkMss: number;
  /** Payload of one segment where who carries it cuts it into packets; 0: nobody does. */
  readonly largeSegments: number;
  readonly receiveBuffer: number;
  readonly sendBuffer: number;
}

export interface TcpEvents {
  established(): void;
  /** In order. The bytes are the frame's: copy what is kept. Give back room with `consumed`. */
  data(bytes: Uint8Array): void;
  /** The peer sends no more. */
  end(): void;
  closed(how: TcpEnd): void;
}

/** Sends one segment: `length` bytes of `payload` from `offset` on. False: the cable is full, nothing was sent. */
export type TcpOutput = (header: TcpRepr, mss: number, payload: ChunkQueue | undefined, offset: number, length: number) => boolean;

const DELAYED_ACK = 20;
const TIME_WAIT = 10_000;
const KEEP_ALIVE_AFTER = 7_200_000;
const KEEP_ALIVE_EVERY = 75_000;
const KEEP_ALIVE_PROBES = 9;
const MAX_RETRANSMISSIONS = 12;
const MAX_SYN_RETRANSMISSIONS = 6;
const MAX_PROBE_INTERVAL = 60_000;
/** Duplicate acknowledgments that one poll sends at most. */
const MAX_DUPLICATES = 16;
/** RFC 5961 10: acknowledgments that answer suspicious segments, in a second. */
const CHALLENGES_PER_SECOND = 10;
const NEVER = Number.POSITIVE_INFINITY;
const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;

export class TcpConnection {
  readonly #options: TcpOptions;
  readonly #events: TcpEvents;
  readonly #output: TcpOutput;
  readonly #receiver: Receiver;
  #sender: Sender;
  #state: TcpState = 'closed';
  #peerScale = 0;
  #ownScale: number;
  #scaling = false;
  #sackOn = false;
  #timestamps = false;
  /** TS.Recent (RFC 7323 4.3): echoed in what is sent. */
  #recent = 0;
  #lastAckSent = 0;
  #windowSequence = 0;
  #windowAck = 0;
  #mss: number;
  #synAcked = false;
  #synSent = false;
  #synTime: number | undefined;
  /** Acknowledge now / that many times. */
  #acksOwed = 0;
  /** Bytes received since the last acknowledgment. */
  #unacked = 0;
  #retransmissions = 0;
  #probes = 0;
  #keepAlives = 0;
  #challenges = { second: -1, count: 0 };
  #resetOwed = false;
  #timers: { retransmit?: number; probe?: number; delayedAck?: number; keepAlive?: number; end?: number } = {};

  private constructor(options: TcpOptions, events: TcpEvents, output: TcpOutput) {
    this.#options = options;
    this.#events = events;
    this.#output = output;
    this.#receiver = new Receiver(options.receiveBuffer, (bytes) => events.data(bytes));
    this.#ownScale = Math.min(14, Math.max(0, Math.ceil(Math.log2(options.receiveBuffer / 65535))));
    this.#mss = options.linkMss;
    this.#sender = this.#newSender();
  }

  /** Active open. */
  static connect(options: TcpOptions, events: TcpEvents, output: TcpOutput): TcpConnection {
    const connection = new TcpConnection(options, events, output);
    connection.#state = 'syn-sent';
    return connection;
  }

  /** A SYN has come. It is answered when `accept` or `refuse` is called. */
  static hold(options: TcpOptions, syn: TcpRepr, events: TcpEvents, output: TcpOutput): TcpConnection {
    const connection = new TcpConnection(options, events, output);
    connection.#state = 'held';
    connection.#learn(syn);
    return connection;
  }

  get state(): TcpState {
    return this.#state;
  }
  get isOpen(): boolean {
    return this.#state !== 'closed' && this.#state !== 'time-wait';
  }
  /** Bytes that `write` should still be given. */
  get space(): number {
    return this.#sender.space;
  }
  /** Bytes that wait here, both ways. */
  get bufferedBytes(): number {
    return this.#sender.queue.length + this.#receiver.waitingBytes;
  }
  get roundTrip(): number | undefined {
    return this.#sender.roundTrip.smoothed;
  }
  /** When `poll` must be called at the latest; undefined: nothing is waited for. */
  get deadline(): number | undefined {
    const { retransmit = NEVER, probe = NEVER, delayedAck = NEVER, keepAlive = NEVER, end = NEVER } = this.#timers;
    const first = Math.min(retransmit, probe, delayedAck, keepAlive, end);
    return first === NEVER ? undefined : first;
  }

  accept(): void {
    if (this.#state === 'held') this.#state = 'syn-received';
  }

  /** Answers the held SYN with a reset. */
  refuse(): void {
    if (this.#state !== 'held') return;
    this.#resetOwed = true;
    this.#close('aborted');
  }

  /** Keeps the array. Before the connection is established it waits. */
  write(chunk: Uint8Array): void {
    if (this.#sender.finQueued || !this.isOpen) return;
    this.#sender.write(chunk);
  }

  /** No more will be written: FIN follows what was. */
  end(): void {
    if (this.#sender.finQueued) return;
    this.#sender.end();
    if (this.#state === 'established') this.#state = 'fin-wait-1';
    else if (this.#state === 'close-wait') this.#state = 'last-ack';
  }

  consumed(count: number): void {
    this.#receiver.consumed(count);
  }

  /** Resets the connection. */
  abort(): void {
    if (!this.isOpen) return;
    if (this.#state === 'held') return this.refuse();
    this.#resetOwed = this.#state !== 'syn-sent';
    this.#close('aborted');
  }

  // What comes in (RFC 9293 3.10.7)

  input(segment: TcpRepr, payload: Uint8Array, now: number): void {
    if (this.#state === 'closed' || this.#state === 'held') {
      if (this.#state === 'held' && segment.flags & tcpFlags.rst) this.#close('reset');
      return;
    }
    if (this.#state === 'syn-sent') return this.#inputSynSent(segment, payload, now);
    const { flags, sequence } = segment;
    const isSyn = (flags & tcpFlags.syn) !== 0;
    if (this.#state === 'syn-received' && isSyn && advance(sequence, 1) === this.#receiver.next) {
      // The peer has not seen our SYN-ACK. In a simultaneous open, this acknowledges ours as well.
      if (!(flags & tcpFlags.ack)) {
        this.#synSent = false;
        return;
      }
    }
    const { timestamp } = segment;
    if (this.#timestamps && timestamp && !(flags & tcpFlags.rst) && distance(this.#recent, timestamp.value) < 0) {
      this.#oweAck();
      return; // PAWS (RFC 7323 5.3)
    }
    const length = payload.length + (flags & tcpFlags.fin ? 1 : 0) + (isSyn ? 1 : 0);
    if (!this.#receiver.accepts(sequence, length)) {
      // An old duplicate or a probe past the window: say what is expected. What it acknowledges still holds.
      if (flags & tcpFlags.rst) return;
      if (this.#state === 'time-wait') this.#timers.end = now + TIME_WAIT;
      this.#oweAck();
      if (flags & tcpFlags.ack && !isSyn) this.#acknowledge(segment, payload, now);
      return;
    }
    if (flags & tcpFlags.rst) {
      if (sequence === this.#receiver.next) this.#close(this.#state === 'syn-received' ? 'refused' : 'reset');
      else this.#challenge(now);
      return;
    }
    if (isSyn) {
      if (this.#state === 'syn-received' && flags & tcpFlags.ack) this.#acknowledge(segment, payload, now);
      else this.#challenge(now);
      return;
    }
    if (!(flags & tcpFlags.ack)) return;
    if (timestamp && this.#timestamps && !later(sequence, this.#lastAckSent)) this.#recent = timestamp.value;
    this.#keepAlives = 0;
    this.#armKeepAlive(now);
    if (!this.#acknowledge(segment, payload, now)) return;
    this.#takeData(segment, payload, now);
  }

  #inputSynSent(segment: TcpRepr, payload: Uint8Array, now: number): void {
    const { flags, acknowledgment } = segment;
    const acks = (flags & tcpFlags.ack) !== 0;
    const own = advance(this.#options.initialSequence, 1);
    if (acks && acknowledgment !== own) return; // of another connection; the owner answers with a reset where it matters
    if (flags & tcpFlags.rst) {
      if (acks) this.#close('refused');
      return;
    }
    if (!(flags & tcpFlags.syn)) return;
    this.#learn(segment);
    if (acks) {
      this.#synAcked = true;
      this.#established(segment, now);
      this.#oweAck();
      if (payload.length > 0 || flags & tcpFlags.fin) this.#takeData({ ...segment, sequence: advance(segment.sequence, 1) }, payload, now);
    } else {
      this.#state = 'syn-received'; // simultaneous open
      this.#synSent = false;
    }
  }

  /** What a SYN says of its sender. */
  #learn(syn: TcpRepr): void {
    this.#receiver.start(advance(syn.sequence, 1));
    this.#scaling = syn.windowScale !== undefined;
    this.#peerScale = this.#scaling ? Math.min(14, syn.windowScale!) : 0;
    this.#sackOn = syn.sackPermitted === true;
    this.#timestamps = syn.timestamp !== undefined;
    this.#recent = syn.timestamp?.value ?? 0;
    if (!this.#scaling) this.#ownScale = 0;
    const peer = syn.mss ?? DEFAULT_MSS[4];
    this.#mss = Math.max(64, Math.min(this.#options.linkMss, peer)) - (this.#timestamps ? 12 : 0);
    const old = this.#sender;
    this.#sender = this.#newSender();
    // What was written before the handshake is kept.
    if (old.queue.length > 0) {
      const kept = new Uint8Array(old.queue.length);
      old.queue.copy(0, kept.length, kept, 0);
      this.#sender.write(kept);
    }
    if (old.finQueued) this.#sender.end();
    this.#sender.start(advance(this.#options.initialSequence, 1), syn.window);
    this.#windowSequence = syn.sequence;
  }

  #newSender(): Sender {
    const large = Math.floor(this.#options.largeSegments / this.#mss) * this.#mss;
    return new Sender({ mss: this.#mss, piece: Math.max(this.#mss, large), buffer: this.#options.sendBuffer });
  }

  #established(segment: TcpRepr, now: number): void {
    this.#state = this.#sender.finQueued ? 'fin-wait-1' : 'established';
    if (this.#synTime !== undefined) this.#sender.roundTrip.sample(now - this.#synTime);
    this.#retransmissions = 0;
    delete this.#timers.retransmit;
    // The window of a SYN is never scaled (RFC 7323 2.2).
    const scale = segment.flags & tcpFlags.syn ? 0 : this.#peerScale;
    this.#sender.setWindow(segment.window << scale);
    this.#windowSequence = segment.sequence;
    this.#windowAck = segment.acknowledgment;
    this.#armKeepAlive(now);
    this.#events.established();
  }

  /** False: the segment is to be dropped. */
  #acknowledge(segment: TcpRepr, payload: Uint8Array, now: number): boolean {
    const { acknowledgment: ack } = segment;
    if (!this.#synAcked) {
      if (ack !== advance(this.#options.initialSequence, 1)) return false;
      this.#synAcked = true;
      if (this.#state === 'syn-received') this.#established(segment, now);
    }
    if (later(ack, this.#sender.top)) {
      this.#challenge(now);
      return false;
    }
    if (later(this.#sender.unacknowledged, ack)) return true; // old
    const window = segment.window << this.#peerScale;
    const pure = payload.length === 0 && !(segment.flags & (tcpFlags.fin | tcpFlags.syn));
    const changed = window !== this.#sender.peerWindow;
    const { timestamp } = segment;
    const count = this.#sender.acknowledge(ack, this.#sackOn ? segment.sack : undefined, pure, changed, now);
    if (count > 0) {
      if (this.#timestamps && timestamp && timestamp.echo !== 0) this.#sampleRoundTrip(timestamp.echo, now);
      this.#retransmissions = 0;
      delete this.#timers.retransmit;
    }
    if (later(segment.sequence, this.#windowSequence) || (segment.sequence === this.#windowSequence && !later(this.#windowAck, ack))) {
      this.#sender.setWindow(window);
      this.#windowSequence = segment.sequence;
      this.#windowAck = ack;
      if (window > 0) {
        this.#probes = 0;
        delete this.#timers.probe;
      }
    }
    if (this.#sender.finished) this.#finAcknowledged(now);
    return this.isOpen;
  }

  #sampleRoundTrip(echo: number, now: number): void {
    const rtt = distance(echo, this.#clock(now));
    if (rtt >= 0 && rtt < 300_000) this.#sender.roundTrip.sample(rtt);
  }

  #finAcknowledged(now: number): void {
    if (this.#state === 'fin-wait-1') {
      this.#state = 'fin-wait-2'; // for as long as the peer sends: a half-closed connection is a legal one
    } else if (this.#state === 'closing') this.#timeWait(now);
    else if (this.#state === 'last-ack') this.#close('done');
  }

  #takeData(segment: TcpRepr, payload: Uint8Array, now: number): void {
    const fin = (segment.flags & tcpFlags.fin) !== 0;
    if (payload.length === 0 && !fin) return;
    const hadGap = this.#receiver.hasGap;
    const wasFinished = this.#receiver.finished;
    if (this.#receiver.take(segment.sequence, payload, fin)) {
      this.#unacked += payload.length;
      if (hadGap) this.#acksOwed = Math.max(1, this.#acksOwed);
      else if (this.#unacked >= 2 * this.#mss) this.#oweAckOnce();
      else this.#timers.delayedAck ??= now + DELAYED_ACK;
    } else this.#oweAck();
    if (this.#receiver.finished && !wasFinished) this.#peerEnded(now);
  }

  #peerEnded(now: number): void {
    this.#oweAckOnce();
    if (this.#state === 'established') this.#state = 'close-wait';
    else if (this.#state === 'fin-wait-1') this.#state = 'closing';
    else if (this.#state === 'fin-wait-2') this.#timeWait(now);
    this.#events.end();
  }

  #timeWait(now: number): void {
    this.#state = 'time-wait';
    this.#timers = { end: now + TIME_WAIT };
    this.#events.closed('done');
  }

  #close(how: TcpEnd): void {
    const told = this.#state === 'time-wait' || this.#state === 'closed';
    this.#state = 'closed';
    this.#timers = {};
    this.#acksOwed = 0;
    if (!told) this.#events.closed(how);
  }

  /** Each is sent: a peer counts them. */
  #oweAck(): void {
    this.#acksOwed = Math.min(MAX_DUPLICATES, this.#acksOwed + 1);
  }
  #oweAckOnce(): void {
    this.#acksOwed = Math.max(1, this.#acksOwed);
  }

  #challenge(now: number): void {
    const second = Math.floor(now / 1000);
    if (this.#challenges.second !== second) this.#challenges = { second, count: 0 };
    if (++this.#challenges.count <= CHALLENGES_PER_SECOND) this.#oweAckOnce();
  }

  #armKeepAlive(now: number): void {
    this.#timers.keepAlive = now + KEEP_ALIVE_AFTER;
  }

  // What goes out

  /** Sends what is due. False: the cable is full; call again when it has room. */
  poll(now: number): boolean {
    if (this.#resetOwed && !this.#sendReset(now)) return false;
    this.#resetOwed = false;
    this.#runTimers(now);
    switch (this.#state) {
      case 'closed':
      case 'held':
        return true;
      case 'syn-sent':
      case 'syn-received':
        return this.#sendSyn(now);
      default:
        return this.#sendData(now) && this.#sendAcks(now);
    }
  }

  #runTimers(now: number): void {
    const due = (time: number | undefined): boolean => time !== undefined && time <= now;
    const timers = this.#timers;
    if (due(timers.end)) return this.#close('done');
    if (due(timers.delayedAck)) this.#oweAckOnce();
    if (due(timers.retransmit)) {
      delete timers.retransmit;
      const limit = this.#synAcked ? MAX_RETRANSMISSIONS : MAX_SYN_RETRANSMISSIONS;
      if (++this.#retransmissions > limit) {
        this.#resetOwed = this.#synAcked;
        return this.#close('timeout');
      }
      if (this.#synAcked) this.#sender.timedOut();
      else {
        this.#sender.roundTrip.backOff();
        this.#synSent = false;
      }
    }
    if (due(timers.keepAlive)) {
      if (this.#keepAlives++ >= KEEP_ALIVE_PROBES) {
        this.#resetOwed = true;
        return this.#close('timeout');
      }
      timers.keepAlive = now + KEEP_ALIVE_EVERY;
      this.#emit(now, { sequence: advance(this.#sender.unacknowledged, -1), flags: tcpFlags.ack });
    }
  }

  #sendSyn(now: number): boolean {
    if (this.#synSent) return true;
    const answers = this.#state === 'syn-received';
    const { initialSequence, linkMss, receiveBuffer } = this.#options;
    const sent = this.#output(
      {
        sourcePort: this.#options.localPort,
        destinationPort: this.#options.remotePort,
        sequence: initialSequence,
        acknowledgment: answers ? this.#receiver.next : 0,
        flags: tcpFlags.syn | (answers ? tcpFlags.ack : 0),
        window: answers ? this.#receiver.advertise(1, 65535) : Math.min(65535, receiveBuffer),
        urgent: 0,
        mss: linkMss,
        ...((!answers || this.#scaling) && { windowScale: this.#ownScale }),
        ...((!answers || this.#sackOn) && { sackPermitted: true }),
        ...((!answers || this.#timestamps) && { timestamp: { value: this.#clock(now), echo: this.#recent } }),
      },
      this.#mss,
      undefined,
      0,
      0,
    );
    if (!sent) return false;
    this.#synSent = true;
    this.#synTime = this.#retransmissions === 0 ? now : undefined;
    this.#lastAckSent = this.#receiver.next;
    this.#timers.retransmit = now + this.#sender.roundTrip.timeout;
    return true;
  }

  #sendData(now: number): boolean {
    for (;;) {
      const piece = this.#sender.piece;
      if (piece === undefined) break;
      if (!this.#sendPiece(piece, now)) return false;
      this.#sender.sent(piece, now);
    }
    if (this.#sender.hasInFlight) this.#timers.retransmit ??= now + this.#sender.roundTrip.timeout;
    else delete this.#timers.retransmit;
    return this.#probe(now);
  }

  /** Asks a peer with a shut window whether it is still shut (RFC 9293 3.8.6.1). */
  #probe(now: number): boolean {
    const interval = () => Math.min(MAX_PROBE_INTERVAL, this.#sender.roundTrip.timeout * 2 ** Math.min(this.#probes, 10));
    if (!this.#sender.needsProbe) {
      this.#probes = 0;
      delete this.#timers.probe;
      return true;
    }
    if (this.#timers.probe === undefined) this.#timers.probe = now + interval();
    else if (this.#timers.probe <= now) {
      const piece = this.#sender.probe();
      if (!this.#sendPiece(piece, now)) return false;
      this.#sender.probed(piece);
      this.#probes++;
      this.#timers.probe = now + interval();
    }
    return true;
  }

  #sendPiece(piece: Piece, now: number): boolean {
    const last = piece.offset + piece.length === this.#sender.queue.length;
    const flags = tcpFlags.ack | (piece.fin ? tcpFlags.fin : 0) | (last && piece.length > 0 ? tcpFlags.psh : 0);
    return this.#emit(now, { sequence: piece.sequence, flags }, piece);
  }

  #sendAcks(now: number): boolean {
    if (this.#acksOwed === 0 && this.#windowOpened()) this.#acksOwed = 1;
    while (this.#acksOwed > 0) if (!this.#emit(now, { sequence: this.#sender.top, flags: tcpFlags.ack }, undefined, 1)) return false;
    return true;
  }

  /** Worth an acknowledgment of its own (RFC 9293 3.8.6.2.2). */
  #windowOpened(): boolean {
    const most = Math.min(this.#options.receiveBuffer, 65535 << this.#ownScale);
    const gain = Math.min(this.#receiver.space, most) - this.#receiver.window;
    return gain >= most / 2 || (gain >= 2 * this.#mss && this.#receiver.window < most / 4);
  }

  #emit(now: number, fields: { sequence: number; flags: number }, piece?: Piece, owed = this.#acksOwed): boolean {
    let sack: SackBlock[] = this.#sackOn && this.#receiver.hasGap ? this.#receiver.sack(sackRoom(this.#timestamps)) : [];
    // A full segment has no room for it: an acknowledgment of its own follows.
    const squeezed = piece !== undefined && sack.length > 0 && piece.length + 4 + 8 * sack.length > this.#mss;
    if (squeezed) sack = [];
    const window = this.#receiver.advertise(1 << this.#ownScale, 65535 << this.#ownScale);
    const sent = this.#output(
      {
        sourcePort: this.#options.localPort,
        destinationPort: this.#options.remotePort,
        acknowledgment: this.#receiver.next,
        window: Math.min(65535, window >>> this.#ownScale),
        urgent: 0,
        ...fields,
        ...(this.#timestamps && { timestamp: { value: this.#clock(now), echo: this.#recent } }),
        ...(sack.length > 0 && { sack }),
      },
      this.#mss,
      this.#sender.queue,
      piece?.offset ?? 0,
      piece?.length ?? 0,
    );
    if (!sent) return false;
    if (!squeezed) this.#acksOwed = Math.max(0, this.#acksOwed - owed);
    this.#unacked = 0;
    this.#lastAckSent = this.#receiver.next;
    delete this.#timers.delayedAck;
    return true;
  }

  #sendReset(now: number): boolean {
    const held = !this.#synAcked && !this.#synSent;
    return this.#output(
      {
        sourcePort: this.#options.localPort,
        destinationPort: this.#options.remotePort,
        sequence: held ? 0 : this.#sender.top,
        acknowledgment: this.#receiver.next,
        flags: tcpFlags.rst | tcpFlags.ack,
        window: 0,
        urgent: 0,
        ...(this.#timestamps && !held && { timestamp: { value: this.#clock(now), echo: this.#recent } }),
      },
      this.#mss,
      undefined,
      0,
      0,
    );
  }

  /** The timestamp clock: ms, never 0 (an echo of 0 means none). */
  #clock(now: number): number {
    return (Math.floor(now) + 1) >>> 0;
  }
}
