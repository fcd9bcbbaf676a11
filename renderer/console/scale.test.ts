import fc from 'fast-check';
import { type Mode, pixelAspect, place, stepZoom } from './scale.ts';

const square = (width: number, height: number): Mode => ({ width, height, aspect: [0, 0] });
const vga = (width: number, height: number): Mode => ({ width, height, aspect: [4, 3] });

describe('screen placement', () => {
  it('takes the largest whole factor that fits', () => {
    expect(place(square(640, 480), { width: 1400, height: 1000 }, 'integer')).toEqual({ width: 1280, height: 960, factor: 2, sharp: true });
  });

  it('counts in device pixels', () => {
    expect(place(square(640, 480), { width: 1000, height: 800 }, 'integer', 2)).toEqual({ width: 960, height: 720, factor: 3, sharp: true });
  });

  it('shrinks smoothly what does not fit', () => {
    const placed = place(square(1024, 768), { width: 512, height: 512 }, 'integer');
    expect(placed).toMatchObject({ width: 512, height: 384, sharp: false });
  });

  it('gives old modes their 4:3 shape when smooth, and square pixels when sharp', () => {
    const smooth = place(vga(320, 200), { width: 800, height: 600 }, 'smooth');
    expect(smooth.width).toBeCloseTo(800);
    expect(smooth.height).toBeCloseTo(600);
    expect(place(vga(320, 200), { width: 800, height: 600 }, 'integer')).toEqual({ width: 640, height: 400, factor: 2, sharp: true });
  });

  it('zooms by whole numbers where pixels are whole, and by steps that end', () => {
    const room = { width: 700, height: 500 };
    expect(place(square(640, 480), room, 'integer', 1, 2)).toEqual({ width: 1280, height: 960, factor: 2, sharp: true });
    expect(place(square(320, 240), room, 'integer', 1, 1.5)).toMatchObject({ factor: 3, sharp: true });
    expect(place(square(640, 480), { width: 320, height: 240 }, 'integer', 1, 2)).toMatchObject({ factor: 1 });
    expect([stepZoom(1, 1), stepZoom(4, 1), stepZoom(1.5, -1), stepZoom(1, -1)]).toEqual([1.5, 4, 1, 1]);
  });

  it('knows the shape of pixels', () => {
    expect(pixelAspect(square(1920, 1080))).toBe(1);
    expect(pixelAspect(vga(640, 480))).toBeCloseTo(1);
    expect(pixelAspect(vga(320, 200))).toBeCloseTo(5 / 6);
  });

  it('places nothing where there is no room or no screen', () => {
    expect(place(square(0, 0), { width: 100, height: 100 }, 'smooth').width).toBe(0);
    expect(place(square(10, 10), { width: 0, height: 100 }, 'smooth').width).toBe(0);
  });

  it('never exceeds the room', () => {
    const side = fc.integer({ min: 1, max: 4000 });
    fc.assert(
      fc.property(side, side, side, side, fc.constantFrom('integer', 'smooth'), fc.constantFrom(1, 1.25, 1.5, 2), (w, h, rw, rh, scaling, ratio) => {
        const { width, height } = place(vga(w, h), { width: rw, height: rh }, scaling, ratio);
        expect(width).toBeLessThanOrEqual(rw + 1e-6);
        expect(height).toBeLessThanOrEqual(rh + 1e-6);
      }),
    );
  });
});
