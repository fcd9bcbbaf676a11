import fc from 'fast-check';
import type { CableUser, Offload } from '../cable/cable.ts';
import { internetChecksum } from '../cable/offload.ts';
import { RingEnd } from './end.ts';
import { createCableMemory, RING_BYTES } from './layout.ts';

/** Both ends in one thread; `woken` says which ends were rung. */
function cable() {
  const memory = createCableMemory();
  const woken = { nic: 0, net: 0 };
  const nic = new RingEnd(memory, 'nic', () => woken.net++);
  const net = new RingEnd(memory, 'net', () => woken.nic++);
  return { nic, net, woken };
}

/** Keeps what arrives; takes `takes` frames, then says that it is full. */
function receiver() {
  const frames: number[][] = [];
  const offloads: (Offload | undefined)[] = [];
  const heard: string[] = [];
  const user: CableUser & { takes: number } = {
    takes: Infinity,
    frame(bytes, offload) {
      if (this.takes-- <= 0) return false;
      frames.push([...bytes]);
      offloads.push(offload);
      return true;
    },
    room: () => heard.push('room'),
    link: (up) => heard.push(up ? 'up' : 'down'),
  };
  return { user, frames, offloads, heard };
}

const frameOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, at) => (at * 7 + seed) & 0xff);

test('frames of any length arrive whole and in order, over many turns of the ring', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 14, max: 9000 }), fc.boolean()), { maxLength: 200 }), (sends) => {
      const { nic, net } = cable();
      const { user, frames } = receiver();
      net.attach(user);
      const sent: number[][] = [];
      sends.forEach(([length, drain], index) => {
        const frame = frameOf(length, index);
        if (nic.send(frame)) sent.push([...frame]);
        if (drain) net.drain();
      });
      net.drain();
      expect(frames).toEqual(sent);
    }),
    { numRuns: 30 },
  );
});

test('a full ring refuses, and says when half of it is free', () => {
  const { nic, net, woken } = cable();
  const sender = receiver();
  nic.attach(sender.user);
  let sent = 0;
  while (nic.send(frameOf(1500, sent))) sent++;
  expect(sent).toBe(Math.floor(RING_BYTES / 1520));
  const { user, frames } = receiver();
  user.takes = 10;
  net.attach(user); // takes ten, then stops
  expect([frames.length, woken.nic]).toEqual([10, 0]);
  net.ready();
  expect(frames.length).toBe(10);
  user.takes = Infinity;
  net.ready();
  expect([frames.length, woken.nic]).toEqual([sent, 1]);
  nic.drain();
  expect(sender.heard).toEqual(['room']);
  expect(nic.send(frameOf(1500, 0))).toBe(true);
});

test('a burst wakes the other thread once', () => {
  const { nic, net, woken } = cable();
  const { user, frames } = receiver();
  net.attach(user);
  for (let index = 0; index < 50; index++) nic.send(frameOf(60, index));
  expect(woken.net).toBe(1);
  net.drain();
  nic.send(frameOf(60, 0));
  expect([woken.net, frames.length]).toEqual([2, 50]);
});

test('either end unplugs, both hear of it, and frames are lost meanwhile', () => {
  const { nic, net } = cable();
  const [a, b] = [receiver(), receiver()];
  nic.attach(a.user);
  net.attach(b.user);
  net.setLink(false);
  nic.drain();
  expect([nic.link, nic.send(frameOf(60, 0)), nic.lost]).toEqual([false, true, 1]);
  net.setLink(true);
  nic.drain();
  net.drain();
  expect([a.heard, b.heard, b.frames]).toEqual([['down', 'up'], ['down', 'up'], []]);
});

/** A TCP segment over IPv4 with the pseudo header's sum in its checksum field, as an operating system hands it to a NIC with offloads. */
function segment(payload: number): { frame: Uint8Array; offload: Offload } {
  const frame = new Uint8Array(54 + payload);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6], 14);
  view.setUint16(16, 40 + payload);
  frame.set([10, 0, 2, 15, 10, 0, 2, 2], 26);
  view.setUint32(38, 0xffff_ff00);
  frame[46] = 0x50;
  frame[47] = 0x99; // CWR, ACK, PSH, FIN
  for (let at = 54; at < frame.length; at++) frame[at] = at;
  view.setUint16(50, ~internetChecksum(frame, 26, 34, 6 + 20) & 0xffff);
  return { frame, offload: { checksumStart: 34, checksumOffset: 16, cut: { as: 'tcp4', segment: 1460, headers: 54 } } };
}

test('a long segment is passed on whole to who accepts it, and cut for who does not', () => {
  const { frame, offload } = segment(4000);
  const whole = cable();
  const accepting = receiver();
  whole.net.attach(accepting.user, { checksum: true, tcp4: true, tcp6: false });
  whole.nic.send(frame, offload);
  whole.net.drain();
  expect([accepting.frames, accepting.offloads]).toEqual([[[...frame]], [offload]]);

  const { nic, net } = cable();
  const { user, frames, offloads } = receiver();
  net.attach(user);
  nic.send(frame, offload);
  net.drain();
  expect(frames.map((one) => one.length)).toEqual([1514, 1514, 54 + 1080]);
  expect(offloads).toEqual([undefined, undefined, undefined]);
  expect(frames.flatMap((one) => one.slice(54))).toEqual([...frame.subarray(54)]);
  const views = frames.map((one) => new DataView(Uint8Array.from(one).buffer));
  expect(views.map((view) => view.getUint32(38))).toEqual([0xffff_ff00, 0x4b4, 0xa68]);
  expect(views.map((view) => view.getUint16(18))).toEqual([0x1234, 0x1235, 0x1236]);
  expect(views.map((view) => view.getUint8(47))).toEqual([0x90, 0x10, 0x19]); // CWR in the first only, PSH and FIN in the last only
  for (const one of frames) {
    const bytes = Uint8Array.from(one);
    expect(internetChecksum(bytes, 14, 34)).toBe(0);
    const addresses = [26, 28, 30, 32].reduce((sum, at) => sum + (bytes[at]! << 8) + bytes[at + 1]!, 0);
    expect(internetChecksum(bytes, 34, bytes.length, addresses + 6 + bytes.length - 34)).toBe(0);
  }
});

test('an offload that does not fit its frame is never sent on', () => {
  const { nic, net } = cable();
  const { user, frames } = receiver();
  net.attach(user, { checksum: true, tcp4: true, tcp6: true });
  const { frame, offload } = segment(100);
  const bad: Offload[] = [
    { checksumStart: 150, checksumOffset: 16 },
    { checksumStart: 0, checksumOffset: 2 },
    { ...offload, cut: { as: 'tcp4', segment: 0, headers: 54 } },
    { ...offload, cut: { as: 'tcp4', segment: 10, headers: 4000 } },
  ];
  for (const each of bad) expect(nic.send(frame, each)).toBe(true);
  net.attach(user);
  expect(nic.send(segment(60000).frame, { ...offload, cut: { as: 'tcp4', segment: 1, headers: 54 } })).toBe(true); // 60 000 frames
  net.drain();
  expect([frames.length, nic.lost]).toEqual([0, 5]);
});
