/** How large a guest's screen is drawn. Lengths without a unit are CSS pixels; `ratio` is device pixels per CSS pixel. */
export type Scaling = 'integer' | 'smooth';

/** Steps of the zoom; 1 fits. */
const zooms = [1, 1.5, 2, 3, 4] as const;
export const MOST_ZOOM = 4;

export function stepZoom(zoom: number, by: 1 | -1): number {
  const at = zooms.findIndex((one) => one >= zoom);
  return zooms[Math.max(0, Math.min(zooms.length - 1, at + by))]!;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Placement extends Size {
  /** Device pixels per guest pixel, for people: 2 means every guest pixel is a 2 x 2 block. */
  readonly factor: number;
  /** True where guest pixels are whole blocks, so nothing needs to be smoothed. */
  readonly sharp: boolean;
}

/** A guest's screen: pixels, and the shape that a monitor gives the whole of it (4:3 for VGA's old modes; 0:0 for square pixels). */
export interface Mode extends Size {
  readonly aspect: readonly [x: number, y: number];
}

/** Width of a guest pixel when its height is 1. */
export function pixelAspect({ width, height, aspect: [x, y] }: Mode): number {
  return x > 0 && y > 0 ? (x / y) * (height / width) : 1;
}

/**
 * Integer scaling takes the largest whole number of device pixels per guest pixel that fits; only a screen that does not fit at 1:1 is shrunk,
 * smoothly. Smooth scaling fills the room and gives old modes the 4:3 shape that they had.
 * `zoom` makes the result larger than the room, which then scrolls; whole numbers stay whole.
 */
export function place(mode: Mode, room: Size, scaling: Scaling, ratio = 1, zoom = 1): Placement {
  if (mode.width <= 0 || mode.height <= 0 || room.width <= 0 || room.height <= 0) return { width: 0, height: 0, factor: 1, sharp: true };
  const aspect = scaling === 'smooth' ? pixelAspect(mode) : 1;
  const natural = { width: mode.width * aspect, height: mode.height };
  const fit = Math.min((room.width * ratio) / natural.width, (room.height * ratio) / natural.height);
  const factor = scaling === 'integer' && fit >= 1 ? Math.round(Math.floor(fit) * zoom) : fit * zoom;
  return {
    width: (natural.width * factor) / ratio,
    height: (natural.height * factor) / ratio,
    factor,
    sharp: aspect === 1 && Number.isInteger(factor),
  };
}
