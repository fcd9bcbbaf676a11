import fc from 'fast-check';
import { VmmError } from '../base/errors.ts';
import { decodeContainer, encodeContainer, type SavedState } from './container.node.ts';
import { decodePlain, encodePlain } from './plain-data.ts';

const state: SavedState = {
  meta: { release: '1.0', vm: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11', taken: 1e12, guestTime: 5e9, blocks: [{ name: 'ram', length: 1 << 24 }] },
  machine: {
    time: 123,
    devices: { com1: { version: 1, state: { lcr: 3, fifo: Uint8Array.of(1, 2, 3), deep: [{ a: true }, null] } } },
    vcpus: [{ version: 1, rip: 0xffff_ffff_ffff_fff0n, x87: new Uint8Array(128) } as never],
    random: 7,
  },
  roots: new Uint8Array(64).fill(9),
};

test('what was saved comes back', () => {
  expect(decodeContainer(encodeContainer(state), 'a.state')).toEqual(state);
});

test('damage is refused, named, and nothing else happens', () => {
  const good = encodeContainer(state);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: good.length * 8 - 1 }), (bit) => {
      const bad = Buffer.from(good);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeContainer(bad, 'a.state')).toThrow(VmmError);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: good.length - 1 }), (length) => {
      expect(() => decodeContainer(good.subarray(0, length), 'a.state')).toThrow(VmmError);
    }),
  );
  expect(() => decodeContainer(Buffer.concat([good, Buffer.of(0)]), 'a.state')).toThrow('something follows');
});

test('any bytes are refused in order', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (junk) => {
      const bytes = Buffer.concat([Buffer.from('STRATEST'), Buffer.from(junk)]);
      expect(() => decodeContainer(bytes, 'a.state')).toThrow(VmmError);
    }),
  );
});

test('a later container version is refused as such', () => {
  const later = Buffer.from(encodeContainer(state));
  later.writeUInt32LE(2, 8);
  expect(() => decodeContainer(later, 'a.state')).toThrow('later release');
});

test('plain data survives as text', () => {
  const value = { a: [1, -2.5, 'x', true, null], b: Uint8Array.from({ length: 70_000 }, (_, i) => i & 255), c: { d: -12n, e: {} } };
  expect(decodePlain(encodePlain(value))).toEqual(value);
  expect(() => decodePlain('{"$big":"x"}')).toThrow('damaged');
  expect(() => decodePlain('['.repeat(100) + ']'.repeat(100))).toThrow('nested');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  decodePlain('{"__proto__":{"polluted":1}}');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});
