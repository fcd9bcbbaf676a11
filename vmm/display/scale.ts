import type { Aspect } from './scanout.ts';
import { Surface } from './surface.ts';

/** The size at which a picture of that shape has square pixels: the larger direction is kept, the other grows. */
export function squareSize(width: number, height: number, [x, y]: Aspect): { width: number; height: number } {
  if (x === 0 || y === 0) return { width, height };
  const wide = Math.round((height * x) / y);
  return wide >= width ? { width: wide, height } : { width, height: Math.round((width * y) / x) };
}

/** A copy of at most `maxWidth` pixels' width in the shape that a monitor shows. Each pixel is the mean of those it stands for. */
export function thumbnail(picture: Surface, aspect: Aspect, maxWidth: number): Surface {
  const full = squareSize(picture.width, picture.height, aspect);
  const width = Math.max(1, Math.min(full.width, maxWidth));
  const height = Math.max(1, Math.round((full.height * width) / full.width));
  return scaleDown(picture, width, height);
}

/** Box filter; where the target is larger in one direction, the nearest pixel. */
export function scaleDown(picture: Surface, width: number, height: number): Surface {
  const target = new Surface(width, height);
  const { words } = picture;
  for (let y = 0; y < height; y++) {
    const top = Math.floor((y * picture.height) / height);
    const bottom = Math.max(top + 1, Math.floor(((y + 1) * picture.height) / height));
    for (let x = 0; x < width; x++) {
      const left = Math.floor((x * picture.width) / width);
      const right = Math.max(left + 1, Math.floor(((x + 1) * picture.width) / width));
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = top; row < bottom; row++) {
        for (let at = row * picture.width + left, end = at + right - left; at < end; at++) {
          const word = words[at]!;
          red += word & 0xff;
          green += (word >> 8) & 0xff;
          blue += (word >> 16) & 0xff;
        }
      }
      const count = (bottom - top) * (right - left);
      target.words[y * width + x] = (0xff << 24) | (Math.round(blue / count) << 16) | (Math.round(green / count) << 8) | Math.round(red / count);
    }
  }
  return target;
}
