import { PNG } from 'pngjs';
import type { Surface } from './surface.ts';

const COLOR_TYPE_RGB = 2;
/** Rows of a screen resemble the rows above them; trying all filters takes four times as long and packs worse. */
const FILTER_UP = 2;

/** The picture as a PNG file of 24 bits a pixel, exactly as it is. */
export function encodePng({ width, height, pixels }: Surface): Uint8Array {
  const png = new PNG({ width, height });
  png.data.set(pixels);
  return PNG.sync.write(png, { colorType: COLOR_TYPE_RGB, inputHasAlpha: true, filterType: FILTER_UP, deflateLevel: 6, deflateStrategy: 0 });
}
