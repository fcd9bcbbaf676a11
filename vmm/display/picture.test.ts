import { PNG } from 'pngjs';
import { encodePng } from './png.node.ts';
import { scaleDown, squareSize, thumbnail } from './scale.ts';
import { Surface } from './surface.ts';

const rgba = (red: number, green: number, blue: number): number => red | (green << 8) | (blue << 16) | (0xff << 24);

test('a screenshot has exactly the pixels of the screen', () => {
  const surface = new Surface(3, 2);
  surface.words.set([rgba(1, 2, 3), rgba(255, 0, 128), rgba(0, 0, 0), rgba(9, 8, 7), rgba(6, 5, 4), rgba(255, 255, 255)]);
  const png = PNG.sync.read(Buffer.from(encodePng(surface)));
  expect([png.width, png.height]).toEqual([3, 2]);
  expect([...png.data]).toEqual([...surface.pixels]);
});

test('shapes: 4:3 pictures of any size, and square pixels', () => {
  expect(squareSize(320, 200, [4, 3])).toEqual({ width: 320, height: 240 });
  expect(squareSize(640, 200, [4, 3])).toEqual({ width: 640, height: 480 });
  expect(squareSize(720, 400, [4, 3])).toEqual({ width: 720, height: 540 });
  expect(squareSize(360, 400, [4, 3])).toEqual({ width: 533, height: 400 });
  expect(squareSize(1024, 768, [0, 0])).toEqual({ width: 1024, height: 768 });
});

test('scaling down takes the mean', () => {
  const surface = new Surface(4, 2);
  surface.words.set([rgba(0, 10, 0), rgba(100, 20, 0), 0, 0, rgba(100, 30, 0), rgba(200, 40, 4), 0, 0].map((word) => word | (0xff << 24)));
  const small = scaleDown(surface, 2, 1);
  expect([...small.pixels]).toEqual([100, 25, 1, 255, 0, 0, 0, 255]);
});

test('a thumbnail keeps the shape and never grows', () => {
  const { width, height } = thumbnail(new Surface(720, 400), [4, 3], 160);
  expect([width, height]).toEqual([160, 120]);
  const small = thumbnail(new Surface(32, 16), [0, 0], 160);
  expect([small.width, small.height]).toEqual([32, 16]);
});
