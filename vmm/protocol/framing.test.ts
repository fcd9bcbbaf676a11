import fc from 'fast-check';
import { Deframer, frameBinaryHeader, frameJson } from './framing.ts';

const stream = (messages: readonly (object | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(
    messages.flatMap((message) => (message instanceof Uint8Array ? [...frameBinaryHeader(message.length), ...message] : [...frameJson(message)])),
  );

it('finds the messages however the stream is cut', () => {
  const message = fc.oneof(fc.uint8Array(), fc.record({ text: fc.string() }));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (messages, cuts) => {
      const bytes = stream(messages);
      const got: unknown[] = [];
      const deframer = new Deframer((found) => got.push(found));
      for (let at = 0, cut = 0; at < bytes.length; cut++) {
        const length = cuts[cut % cuts.length]!;
        deframer.push(bytes.slice(at, at + length));
        at += length;
      }
      expect(got).toEqual(messages);
    }),
  );
});

it('refuses what is neither JSON nor binary, and lengths that lie', () => {
  const deframer = () => new Deframer(() => undefined);
  expect(() => deframer().push(new TextEncoder().encode('GET / HTTP/1.1\n'))).toThrow('not JSON');
  expect(() => deframer().push(Uint8Array.of(0, 255, 255, 255, 255))).toThrow('too long');
  const endless = deframer();
  expect(() => {
    for (let i = 0; i < 20; i++) endless.push(new Uint8Array(1 << 20).fill(0x20));
  }).toThrow('too long');
});
