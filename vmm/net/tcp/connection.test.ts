import fc from 'fast-check';
import type { ChunkQueue } from './chunk-queue.ts';
import { TcpConnection, type TcpEnd, type TcpOptions } from './connection.ts';
import { tcpFlags, type TcpRepr } from '../wire/tcp.ts';

/** What happens to the n-th segment on the way, and how long it takes. */
interface Fate {
  readonly copies: number;
  readonly delay: number;
}
const perfect: Fate = { copies: 1, delay: 1 };

class Peer {
  readonly received: number[] = [];
  ended = false;
  how: TcpEnd | undefined;
  established = false;
  holding = 0;
  reads = true;
  readonly connection: TcpConnection;

  constructor(make: (peer: Peer) => TcpConnection) {
    this.connection = make(this);
  }
  get events() {
    return {
      established: () => void (this.established = true),
      data: (bytes: Uint8Array) => {
        for (const byte of bytes) this.received.push(byte);
        if (this.reads) this.connection.consumed(bytes.length);
        else this.holding += bytes.length;
      },
      end: () => void (this.ended = true),
      closed: (how: TcpEnd) => void (this.how = how),
    };
  }
  read(): void {
    this.reads = true;
    this.connection.consumed(this.holding);
    this.holding = 0;
  }
}

/** Two connections, a cable with `fates`, and a clock. */
class Link {
  now = 1000;
  readonly #fates: (from: 'a' | 'b', length: number) => Fate;
  readonly a: Peer;
  readonly b: Peer;
  readonly segments: { from: 'a' | 'b'; header: TcpRepr; length: number }[] = [];
  #wire: { at: number; order: number; to: Peer; header: TcpRepr; payload: Uint8Array }[] = [];
  #order = 0;
  cut = false;

  constructor(
    fates: (from: 'a' | 'b', length: number) => Fate = () => perfect,
    options: Partial<TcpOptions> = {},
    shape: (header: TcpRepr) => TcpRepr = (header) => header,
  ) {
    this.#fates = fates;
    const common = { linkMss: 1460, largeSegments: 0, receiveBuffer: 262144, sendBuffer: 262144, ...options };
    const other: { b?: Peer } = {};
    this.a = new Peer((peer) =>
      TcpConnection.connect({ ...common, localPort: 1, remotePort: 2, initialSequence: 0xffff_fff0 }, peer.events, (...args) =>
        this.#send('a', () => other.b!, shape, ...args),
      ),
    );
    const syn = () => this.segments[0]!.header;
    this.a.connection.poll(this.now);
    this.b = new Peer((peer) =>
      TcpConnection.hold({ ...common, localPort: 2, remotePort: 1, initialSequence: 77 }, syn(), peer.events, (...args) =>
        this.#send('b', () => this.a, shape, ...args),
      ),
    );
    other.b = this.b;
    this.#wire = [];
    this.b.connection.accept();
  }

  #send(
    from: 'a' | 'b',
    to: () => Peer,
    shape: (header: TcpRepr) => TcpRepr,
    header: TcpRepr,
    _mss: number,
    queue: ChunkQueue | undefined,
    offset: number,
    length: number,
  ): boolean {
    const payload = new Uint8Array(length);
    queue?.copy(offset, length, payload, 0);
    const shaped = shape(header);
    this.segments.push({ from, header: shaped, length });
    const { copies, delay } = this.#fates(from, length);
    for (let copy = 0; copy < copies && !this.cut; copy++)
      this.#wire.push({
        at: this.now + delay + copy * 3,
        order: this.#order++,
        to: this.segments.length === 1 ? this.a : to(),
        header: shaped,
        payload,
      });
    return true;
  }

  /** Runs until `done` or the time is over. */
  run(limit: number, done: () => boolean): void {
    const end = this.now + limit;
    for (let steps = 0; this.now <= end && steps < 200_000; steps++) {
      for (const peer of [this.a, this.b]) peer.connection.poll(this.now);
      if (done()) return;
      this.#wire.sort((x, y) => x.at - y.at || x.order - y.order);
      const next = Math.min(this.#wire[0]?.at ?? Infinity, this.a.connection.deadline ?? Infinity, this.b.connection.deadline ?? Infinity);
      if (next === Infinity || next > end) {
        this.now = next === Infinity ? end : Math.max(this.now, end);
        return;
      }
      this.now = Math.max(this.now, next);
      const due = this.#wire.filter(({ at }) => at <= this.now);
      this.#wire = this.#wire.filter(({ at }) => at > this.now);
      for (const { to, header, payload } of due) to.connection.input(header, payload, this.now);
    }
  }
}

function without(header: TcpRepr, ...names: readonly (keyof TcpRepr)[]): TcpRepr {
  return Object.fromEntries(Object.entries(header).filter(([name]) => !names.includes(name as keyof TcpRepr))) as unknown as TcpRepr;
}

const pattern = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7 + seed) & 0xff);

function transfer(link: Link, fromA: Uint8Array, fromB: Uint8Array, limit = 3_600_000): void {
  link.a.connection.write(fromA);
  link.a.connection.end();
  link.b.connection.write(fromB);
  link.b.connection.end();
  link.run(limit, () => link.a.ended && link.b.ended && link.a.how !== undefined && link.b.how !== undefined);
  expect(Buffer.from(link.b.received).equals(Buffer.from(fromA))).toBe(true);
  expect(Buffer.from(link.a.received).equals(Buffer.from(fromB))).toBe(true);
  expect([link.a.ended, link.b.ended]).toEqual([true, true]);
}

test('a perfect cable: both ways, then closed at both ends', () => {
  const link = new Link();
  transfer(link, pattern(200_000, 1), pattern(100_000, 2));
  expect([link.a.how, link.b.how]).toEqual(['done', 'done']);
  expect(link.now).toBeLessThan(1200);
});

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(perfect) },
  { weight: 1, arbitrary: fc.constant({ copies: 0, delay: 0 }) },
  { weight: 1, arbitrary: fc.record({ copies: fc.constant(2), delay: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 2, arbitrary: fc.record({ copies: fc.constant(1), delay: fc.integer({ min: 1, max: 120 }) }) },
);

test.each([
  ['all options', (header: TcpRepr) => header],
  ['without SACK', (header: TcpRepr) => without(header, 'sackPermitted')],
  ['without timestamps', (header: TcpRepr) => without(header, 'timestamp')],
  ['without options', (header: TcpRepr) => without(header, 'timestamp', 'sackPermitted', 'windowScale')],
])('a cable that loses, reorders and duplicates: every byte once and in order (%s)', (_name, shape) => {
  fc.assert(
    fc.property(
      fc.array(fate, { minLength: 8, maxLength: 60 }),
      fc.nat(60_000),
      fc.nat(20_000),
      fc.constantFrom(0, 16384),
      (fates, up, down, largeSegments) => {
        if (fates.filter(({ copies }) => copies === 0).length > fates.length / 5) return;
        let sent = 0;
        let random = 1;
        const next = () => {
          random = (Math.imul(random, 1103515245) + 12345) >>> 0; // from the list in another order each time: no loss hits one segment for ever
          return ++sent <= 4 ? perfect : fates[(random >>> 8) % fates.length]!; // who finds nobody after six tries gives up, rightly
        };
        const link = new Link(next, { largeSegments }, shape);
        transfer(link, pattern(up, 3), pattern(down, 4), 36_000_000);
      },
    ),
    { numRuns: 60 },
  );
});

test('one lost segment is repaired within a round trip, with SACK and without', () => {
  for (const shape of [(header: TcpRepr) => header, (header: TcpRepr) => without(header, 'sackPermitted')]) {
    let data = 0;
    const lossy = new Link((from, length) => ({ copies: from === 'a' && length > 0 && data++ === 20 ? 0 : 1, delay: 5 }), {}, shape);
    transfer(lossy, pattern(120_000, 5), new Uint8Array(0));
    expect(lossy.now).toBeLessThan(1000 + 190); // below the least retransmission timeout
  }
});

test('a reader who does not read shuts the window; a probe finds it open', () => {
  const link = new Link(() => perfect, { receiveBuffer: 20_000 });
  link.b.reads = false;
  link.a.connection.write(pattern(50_000, 6));
  link.run(120_000, () => false);
  expect(link.b.holding).toBe(20_000);
  expect(link.a.how).toBeUndefined();
  const probes = link.segments.filter(({ from, length }) => from === 'a' && length === 1).length;
  expect(probes).toBeGreaterThan(3);
  expect(probes).toBeLessThan(15);
  link.cut = true; // the window update is lost
  link.b.read();
  link.b.connection.poll(link.now);
  link.cut = false;
  link.run(120_000, () => link.b.received.length === 50_000);
  expect(link.b.received).toHaveLength(50_000);
});

test('half-closed: the other direction goes on for hours', () => {
  const link = new Link();
  link.a.connection.end();
  link.run(1000, () => link.b.ended);
  link.run(3 * 3_600_000, () => false);
  link.b.connection.write(pattern(1000, 7));
  link.run(1000, () => link.a.received.length === 1000);
  expect(link.a.received).toHaveLength(1000);
  link.b.connection.end();
  link.run(20_000, () => false);
  expect([link.a.how, link.b.how, link.a.connection.state, link.b.connection.state]).toEqual(['done', 'done', 'closed', 'closed']);
});

test('idle for an hour costs no segment; a dead peer is found out by keep-alives', () => {
  const link = new Link();
  link.run(1000, () => link.a.established && link.b.established);
  link.run(200, () => false);
  const before = link.segments.length;
  link.run(3_600_000, () => false);
  expect(link.segments.length).toBe(before);
  link.a.connection.write(pattern(10, 1));
  link.run(1000, () => link.b.received.length === 10);
  expect(link.b.received).toHaveLength(10);
  link.run(12 * 3_600_000, () => false);
  expect(link.a.how).toBeUndefined();
  link.cut = true;
  link.run(12 * 3_600_000, () => link.a.how !== undefined && link.b.how !== undefined);
  expect([link.a.how, link.b.how]).toEqual(['timeout', 'timeout']);
});

test('nobody answers: the attempt ends', () => {
  const link = new Link();
  link.cut = true;
  link.run(3_600_000, () => link.a.how !== undefined);
  expect(link.a.how).toBe('timeout');
});

describe('resets (RFC 9293 3.10.7.4, RFC 5961 3)', () => {
  const open = () => {
    const link = new Link();
    link.run(1000, () => link.a.established && link.b.established);
    link.run(100, () => false);
    return link;
  };
  const rst = (link: Link, offset: number): TcpRepr => {
    const last = link.segments.findLast(({ from }) => from === 'a')!;
    return { ...last.header, flags: tcpFlags.rst, sequence: (last.header.sequence + offset) >>> 0 };
  };
  test('exactly at the expected sequence: the connection ends', () => {
    const link = open();
    link.b.connection.input(rst(link, 0), new Uint8Array(0), link.now);
    expect(link.b.how).toBe('reset');
  });
  test('elsewhere in the window: challenged, and a flood of them is answered ten times a second', () => {
    const link = open();
    const before = link.segments.length;
    for (let index = 0; index < 100; index++) {
      link.b.connection.input(rst(link, 1 + index), new Uint8Array(0), link.now);
      link.b.connection.poll(link.now);
    }
    expect(link.b.how).toBeUndefined();
    expect(link.segments.length - before).toBe(10);
  });
  test('outside: ignored', () => {
    const link = open();
    link.b.connection.input(rst(link, -5), new Uint8Array(0), link.now);
    link.b.connection.poll(link.now);
    expect(link.b.how).toBeUndefined();
  });
  test('a SYN in a connection is challenged', () => {
    const link = open();
    link.b.connection.input({ ...rst(link, 0), flags: tcpFlags.syn }, new Uint8Array(0), link.now);
    link.b.connection.poll(link.now);
    expect(link.b.how).toBeUndefined();
    expect(link.segments.at(-1)).toMatchObject({ from: 'b', header: { flags: tcpFlags.ack } });
  });
  test('abort sends one, refuse answers a SYN with one', () => {
    const link = open();
    link.a.connection.abort();
    link.run(100, () => link.b.how !== undefined);
    expect([link.a.how, link.b.how]).toEqual(['aborted', 'reset']);
    const sent: TcpRepr[] = [];
    const syn = open().segments[0]!.header;
    const held = TcpConnection.hold(
      { localPort: 2, remotePort: 1, initialSequence: 9, linkMss: 1460, largeSegments: 0, receiveBuffer: 65536, sendBuffer: 65536 },
      syn,
      { established() {}, data() {}, end() {}, closed() {} },
      (header) => sent.push(header) > 0,
    );
    held.refuse();
    held.poll(5);
    expect(sent).toMatchObject([{ flags: tcpFlags.rst | tcpFlags.ack, sequence: 0, acknowledgment: (syn.sequence + 1) >>> 0 }]);
  });
});

test('whatever is thrown at it: bounded memory, bounded answers, no exception', () => {
  const segment = fc.record({
    sequence: fc.integer({ min: -3000, max: 70_000 }),
    acknowledgment: fc.integer({ min: -3000, max: 70_000 }),
    flags: fc.nat(255),
    window: fc.nat(65535),
    length: fc.nat(1500),
    sack: fc.option(fc.array(fc.record({ start: fc.nat(70_000), end: fc.nat(70_000) }), { maxLength: 4 }), { nil: undefined }),
    timestamp: fc.option(fc.record({ value: fc.nat(0xffff_ffff), echo: fc.nat(0xffff_ffff) }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 150 }), (segments) => {
      const link = new Link(() => perfect, { receiveBuffer: 65535 });
      link.run(100, () => link.a.established && link.b.established);
      link.b.connection.write(pattern(60_000, 1));
      link.run(20, () => false);
      for (const { sequence, acknowledgment, flags, window, length, sack, timestamp } of segments) {
        const before = link.segments.length;
        const header = {
          sourcePort: 1,
          destinationPort: 2,
          urgent: 0,
          sequence: (0xffff_fff1 + sequence) >>> 0,
          acknowledgment: (78 + acknowledgment) >>> 0,
          flags,
          window,
          ...(sack && { sack: sack.map(({ start, end }) => ({ start: 78 + start, end: 78 + end })) }),
          ...(timestamp && { timestamp }),
        };
        link.b.connection.input(header, new Uint8Array(length), link.now);
        link.b.connection.poll(link.now);
        expect(link.segments.length - before).toBeLessThan(64);
        expect(link.b.connection.bufferedBytes).toBeLessThanOrEqual(60_000 + 65_535);
      }
    }),
    { numRuns: 100 },
  );
});
