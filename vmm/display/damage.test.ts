import fc from 'fast-check';
import { Damage, type Rectangle } from './damage.ts';

const WIDTH = 40;
const HEIGHT = 30;

const rectangle = fc.record({
  x: fc.integer({ min: -5, max: WIDTH + 5 }),
  y: fc.integer({ min: -5, max: HEIGHT + 5 }),
  width: fc.integer({ min: 0, max: WIDTH }),
  height: fc.integer({ min: 0, max: HEIGHT }),
});

function pixels(rectangles: readonly Rectangle[]): Set<number> {
  const covered = new Set<number>();
  for (const { x, y, width, height } of rectangles) {
    for (let row = Math.max(0, y); row < Math.min(HEIGHT, y + height); row++) {
      for (let column = Math.max(0, x); column < Math.min(WIDTH, x + width); column++) covered.add(row * WIDTH + column);
    }
  }
  return covered;
}

test('rectangles cover all damage, lie on the surface, do not overlap and keep to the limit', () => {
  fc.assert(
    fc.property(fc.array(rectangle, { maxLength: 12 }), fc.integer({ min: 1, max: 8 }), (added, limit) => {
      const damage = new Damage(WIDTH, HEIGHT);
      for (const each of added) damage.addRectangle(each);
      const found = damage.rectangles(limit);
      expect(found.length).toBeLessThanOrEqual(limit);
      expect(damage.empty).toBe(pixels(added).size === 0);
      const covered = pixels(found);
      for (const pixel of pixels(added)) expect(covered.has(pixel)).toBe(true);
      expect(found.reduce((sum, { width, height }) => sum + width * height, 0)).toBe(covered.size);
      for (const { x, y, width, height } of found) {
        expect(x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= WIDTH && y + height <= HEIGHT).toBe(true);
      }
    }),
  );
});

test('merging is adding, clearing is forgetting', () => {
  const first = new Damage(WIDTH, HEIGHT);
  const second = new Damage(WIDTH, HEIGHT);
  first.addRectangle({ x: 3, y: 4, width: 5, height: 6 });
  second.addRectangle({ x: 10, y: 8, width: 2, height: 10 });
  second.merge(first);
  expect(pixels(second.rectangles()).has(4 * WIDTH + 3)).toBe(true);
  expect(pixels(second.rectangles()).has(17 * WIDTH + 11)).toBe(true);
  second.clear();
  expect(second.empty).toBe(true);
  expect(second.rectangles()).toEqual([]);
  second.addSpan(5, 1, 2);
  expect(second.rectangles()).toEqual([{ x: 1, y: 5, width: 1, height: 1 }]);
});

test('far rows stay apart, near ones are joined', () => {
  const damage = new Damage(1024, 768);
  damage.addRectangle({ x: 8, y: 16, width: 8, height: 16 });
  damage.addRectangle({ x: 900, y: 700, width: 100, height: 20 });
  expect(damage.rectangles()).toEqual([
    { x: 8, y: 16, width: 8, height: 16 },
    { x: 900, y: 700, width: 100, height: 20 },
  ]);
});
