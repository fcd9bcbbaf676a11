import type { CableUser, NetBackend } from '../cable/cable.ts';
import { PLAIN } from '../cable/cable.ts';
import { Capture } from './capture.ts';
import { Faults, noFaults } from './faults.ts';

/** The other end of a cable, and a clock. */
class Bench {
  now = 0;
  #timers: { at: number; call: () => void }[] = [];
  user!: CableUser;
  full = false;
  readonly sent: { at: number; frame: Uint8Array }[] = [];
  readonly received: { at: number; frame: Uint8Array }[] = [];
  takes = true;
  rooms = 0;
  readied = 0;
  readonly cable: NetBackend = {
    link: true,
    peerAccepts: PLAIN,
    send: (frame) => {
      if (this.full) return false;
      this.sent.push({ at: this.now, frame: frame.slice() });
      return true;
    },
    ready: () => {
      this.readied++;
    },
    attach: (user) => void (this.user = user),
    setLink: () => undefined,
  };
  readonly host = {
    now: () => this.now,
    after: (ms: number, call: () => void) => {
      const timer = { at: this.now + ms, call };
      this.#timers.push(timer);
      return () => void (this.#timers = this.#timers.filter((one) => one !== timer));
    },
    chance: () => this.chances.shift() ?? 1,
  };
  chances: number[] = [];
  readonly end: CableUser = {
    frame: (frame) => {
      if (this.takes) this.received.push({ at: this.now, frame: frame.slice() });
      return this.takes;
    },
    room: () => {
      this.rooms++;
    },
  };
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at);
      if (this.#timers.length === 0 || this.#timers[0]!.at > end) break;
      const timer = this.#timers.shift()!;
      this.now = Math.max(this.now, timer.at);
      timer.call();
    }
    this.now = end;
  }
}
const frame = (tag: number, length = 100) => new Uint8Array(length).fill(tag);

test('a healthy cable passes frames at once; a capture sees those that were taken', () => {
  const bench = new Bench();
  const written: Uint8Array[] = [];
  const capture = new Capture(bench.cable, () => 1_700_000_000_123.5);
  const faults = new Faults(capture, bench.host);
  faults.attach(bench.end);
  capture.start({ write: (bytes) => void written.push(bytes) });
  bench.full = true;
  expect(faults.send(frame(1))).toBe(false);
  bench.full = false;
  expect(faults.send(frame(1))).toBe(true);
  expect(bench.user.frame(frame(2))).toBe(true);
  expect([bench.sent.length, bench.received.length, capture.frames]).toEqual([1, 1, 2]);
  const pcap = Buffer.concat(written);
  // magic of nanoseconds, version 2.4, Ethernet; then time and length of the first record
  expect([pcap.readUInt32LE(0), pcap.readUInt16LE(4), pcap.readUInt16LE(6), pcap.readUInt32LE(20)]).toEqual([0xa1b23c4d, 2, 4, 1]);
  expect([pcap.readUInt32LE(24), pcap.readUInt32LE(28), pcap.readUInt32LE(32), pcap.readUInt32LE(36)]).toEqual([
    1_700_000_000, 123_500_000, 100, 100,
  ]);
  expect(pcap.length).toBe(24 + 2 * 116);
});

test('delay, in order; loss; a rate', () => {
  const bench = new Bench();
  const faults = new Faults(bench.cable, bench.host);
  faults.attach(bench.end);
  faults.settings = { delay: 50, loss: 0.5, rate: 80_000 }; // 100 bytes take 10 ms
  bench.chances = [0.9, 0.1, 0.9, 0.9];
  for (const tag of [1, 2, 3, 4]) expect(faults.send(frame(tag))).toBe(true);
  expect(bench.user.frame(frame(9))).toBe(true);
  bench.run(1000);
  expect(bench.sent.map(({ at, frame: bytes }) => [at, bytes[0]])).toEqual([
    [60, 1],
    [80, 3],
    [90, 4],
  ]);
  expect(bench.received.map(({ at }) => at)).toEqual([60]);
  expect(faults.lost).toBe(1);
  faults.settings = noFaults;
  faults.send(frame(5));
  expect(bench.sent[bench.sent.length - 1]?.at).toBe(1000);
});

test('back-pressure both ways: a megabyte is on its way, then the sender waits', () => {
  const bench = new Bench();
  const faults = new Faults(bench.cable, bench.host);
  faults.attach(bench.end);
  faults.settings = { delay: 10, loss: 0, rate: 0 };
  let sent = 0;
  while (faults.send(frame(1, 1500))) sent++;
  expect(sent).toBe(Math.ceil((1 << 20) / 1500));
  bench.full = true;
  bench.run(100);
  expect(bench.sent).toHaveLength(0);
  bench.full = false;
  bench.user.room?.();
  expect([bench.sent.length, bench.rooms > 0]).toEqual([sent, true]);
  bench.takes = false;
  let received = 0;
  while (bench.user.frame(frame(2, 1500))) received++;
  bench.run(100);
  expect(bench.received).toHaveLength(0);
  bench.takes = true;
  faults.ready();
  expect(bench.received).toHaveLength(received);
  expect(bench.readied).toBeGreaterThan(0);
});
