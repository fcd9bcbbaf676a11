import fc from 'fast-check';
import { createFrequency } from './frequency.ts';

test.each([1193182, 3579545, 32768, 1e9, 1e8, 115200])('%d Hz: a deadline is the first nanosecond of its tick', (hz) => {
  const frequency = createFrequency(hz);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: hz * 3600 * 24 * 30 }), (ticks) => {
      const time = frequency.timeOf(ticks);
      expect(frequency.ticksAt(time)).toBe(ticks);
      expect(frequency.ticksAt(time - 1)).toBe(ticks - 1);
    }),
  );
});

test('a second is exactly hz ticks, also after a year', () => {
  const frequency = createFrequency(1193182);
  expect(frequency.ticksAt(1e9)).toBe(1193182);
  expect(frequency.ticksAt(365 * 86400 * 1e9)).toBe(365 * 86400 * 1193182);
});
