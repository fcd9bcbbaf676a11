import fc from 'fast-check';
import { VmmError } from '../base/errors.ts';
import { decodeFrame, decodeSerial, encodeFrame, encodeSerial, kindOf } from './frames.ts';

const surface = { width: 5, height: 4, stride: 24, pixels: Uint8Array.from({ length: 96 }, (_, index) => index) };
const header = { sequence: 7, whole: false, aspect: [4, 3] as const, guestTime: 1234 };

it('carries rectangles of a surface', () => {
  const message = encodeFrame(header, surface, [
    { x: 1, y: 2, width: 2, height: 2 },
    { x: 0, y: 0, width: 1, height: 1 },
  ]);
  expect(kindOf(message)).toBe('frame');
  const frame = decodeFrame(message);
  expect(frame).toMatchObject({ ...header, width: 5, height: 4 });
  expect(Array.from(frame.rectangles[0]!.pixels)).toEqual([52, 53, 54, 55, 56, 57, 58, 59, 76, 77, 78, 79, 80, 81, 82, 83]);
  expect(Array.from(frame.rectangles[1]!.pixels)).toEqual([0, 1, 2, 3]);
});

it('decodes a message that is a view at an odd place', () => {
  const message = encodeFrame(header, surface, [{ x: 0, y: 0, width: 5, height: 4 }]);
  const padded = new Uint8Array(message.length + 3);
  padded.set(message, 3);
  expect(decodeFrame(padded.subarray(3)).rectangles[0]!.pixels).toHaveLength(80);
});

it.each([
  ['cut short', (m: Uint8Array) => m.subarray(0, m.length - 1)],
  ['too long', (m: Uint8Array) => Uint8Array.from([...m, 0])],
  ['a rectangle outside', (m: Uint8Array) => m.with(24, 4)],
  ['many rectangles', (m: Uint8Array) => m.with(3, 0xff)],
  ['a huge screen', (m: Uint8Array) => m.with(9, 0xff)],
  ['another kind', (m: Uint8Array) => m.with(0, 9)],
])('refuses a frame that is damaged: %s', (_, damage) => {
  const message = encodeFrame(header, surface, [{ x: 1, y: 0, width: 4, height: 1 }]);
  expect(() => decodeFrame(damage(message))).toThrow(VmmError);
});

it('carries serial output', () => {
  const output = { port: 2, position: 0xffff_fff0, data: Uint8Array.of(0, 255, 10) };
  expect(decodeSerial(encodeSerial(output))).toEqual(output);
});

it('throws nothing but VmmError on noise', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 2 }), (noise, kind) => {
      const message = Uint8Array.of(kind, ...noise);
      try {
        if (kind === 1) decodeFrame(message);
        else decodeSerial(message);
      } catch (error) {
        expect(error).toBeInstanceOf(VmmError);
      }
    }),
  );
});
