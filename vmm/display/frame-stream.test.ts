import { decodeFrame } from '../protocol/frames.ts';
import { Damage } from './damage.ts';
import { FrameStream } from './frame-stream.ts';
import type { ScreenMode } from './screen.ts';
import { Surface } from './surface.ts';

function started(credits = 1, maxRate = 60): { stream: FrameStream; sent: ReturnType<typeof decodeFrame>[]; mode: ScreenMode; damage: Damage } {
  const sent: ReturnType<typeof decodeFrame>[] = [];
  const stream = new FrameStream({ credits, maxRate, send: (message) => sent.push(decodeFrame(message)) });
  const mode = { surface: new Surface(64, 32), aspect: [4, 3] as const, text: false };
  stream.mode(mode);
  return { stream, sent, mode, damage: new Damage(64, 32) };
}

test('the whole screen first, then what changed', () => {
  const { stream, sent, mode, damage } = started();
  expect(stream.poll({ now: 0, guestTime: 5 })).toBe(true);
  expect(sent[0]).toMatchObject({ sequence: 0, whole: true, width: 64, height: 32, aspect: [4, 3], guestTime: 5 });
  expect(sent[0]!.rectangles).toHaveLength(1);
  mode.surface.words[2 * 64 + 3] = 0x11223344;
  damage.addSpan(2, 3, 4);
  stream.damage(damage);
  stream.credit(1);
  stream.poll({ now: 100, guestTime: 6 });
  expect(sent[1]).toMatchObject({ sequence: 1, whole: false });
  expect(sent[1]!.rectangles).toMatchObject([{ x: 3, y: 2, width: 1, height: 1 }]);
  expect([...sent[1]!.rectangles[0]!.pixels]).toEqual([0x44, 0x33, 0x22, 0x11]);
});

test('nothing is sent without change, without credit, or too soon', () => {
  const { stream, sent, damage } = started(1, 50);
  stream.poll({ now: 0, guestTime: 0 });
  stream.credit(1);
  expect(stream.poll({ now: 1000, guestTime: 0 })).toBe(false); // no change
  damage.addAll();
  stream.damage(damage);
  stream.poll({ now: 1000, guestTime: 0 });
  stream.damage(damage);
  expect(stream.poll({ now: 2000, guestTime: 0 })).toBe(false); // no credit
  stream.credit(1);
  stream.poll({ now: 2000, guestTime: 0 });
  stream.damage(damage);
  stream.credit(1);
  expect(stream.poll({ now: 2019, guestTime: 0 })).toBe(false); // 50 a second
  expect(stream.poll({ now: 2020, guestTime: 0 })).toBe(true);
  expect(sent).toHaveLength(4);
});

test('damage gathers while the viewer is behind, and pixels are sent as they are then', () => {
  const { stream, sent, mode, damage } = started();
  stream.poll({ now: 0, guestTime: 0 });
  for (const [y, x, color] of [
    [1, 0, 1],
    [1, 0, 2],
    [20, 60, 3],
  ] as const) {
    mode.surface.words[y * 64 + x] = color;
    damage.clear();
    damage.addSpan(y, x, x + 1);
    stream.damage(damage);
    expect(stream.poll({ now: 1000 * y, guestTime: 0 })).toBe(false);
  }
  stream.credit(1);
  stream.poll({ now: 99999, guestTime: 0 });
  expect(sent[1]!.rectangles.map(({ y, pixels }) => [y, pixels[0]])).toEqual([
    [1, 2],
    [20, 3],
  ]);
});

test('a client cannot run up credit', () => {
  const { stream, sent, damage } = started(2);
  stream.credit(1000);
  damage.addAll();
  for (let now = 0; now < 100_000; now += 1000) {
    stream.damage(damage);
    stream.poll({ now, guestTime: 0 });
  }
  expect(sent).toHaveLength(2);
});

test('a new size is a whole frame again, at once', () => {
  const { stream, sent } = started(2, 1);
  stream.poll({ now: 0, guestTime: 0 });
  stream.mode({ surface: new Surface(8, 8), aspect: [0, 0], text: true });
  stream.poll({ now: 1, guestTime: 0 });
  expect(sent[1]).toMatchObject({ whole: true, width: 8, height: 8, aspect: [0, 0] });
});
