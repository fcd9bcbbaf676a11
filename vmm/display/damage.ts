export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * What has changed on a surface: for each row one span of columns, from the first changed pixel to behind the last. Adding is cheap and never grows,
 * so a viewer that lags behind costs nothing.
 */
export class Damage {
  readonly width: number;
  readonly height: number;
  readonly #left: Uint16Array;
  readonly #right: Uint16Array;
  #top = 0;
  #bottom = 0;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.#left = new Uint16Array(height);
    this.#right = new Uint16Array(height);
  }

  get empty(): boolean {
    return this.#top === this.#bottom;
  }

  /** Columns `left` up to, not including, `right` of row `y`. Clipped to the surface. */
  addSpan(y: number, left: number, right: number): void {
    const from = Math.max(0, left);
    const to = Math.min(right, this.width);
    if (from >= to || y < 0 || y >= this.height) return;
    if (this.#left[y] === this.#right[y]) {
      this.#left[y] = from;
      this.#right[y] = to;
    } else {
      if (from < this.#left[y]!) this.#left[y] = from;
      if (to > this.#right[y]!) this.#right[y] = to;
    }
    if (this.empty) {
      this.#top = y;
      this.#bottom = y + 1;
    } else if (y < this.#top) {
      this.#top = y;
    } else if (y >= this.#bottom) {
      this.#bottom = y + 1;
    }
  }

  addRectangle({ x, y, width, height }: Rectangle): void {
    const bottom = Math.min(y + height, this.height);
    for (let row = Math.max(0, y); row < bottom; row++) this.addSpan(row, x, x + width);
  }

  addAll(): void {
    this.addRectangle({ x: 0, y: 0, width: this.width, height: this.height });
  }

  /** Takes over all of `other`, which is of the same size. */
  merge(other: Damage): void {
    for (let y = other.#top; y < other.#bottom; y++) this.addSpan(y, other.#left[y]!, other.#right[y]!);
  }

  clear(): void {
    this.#left.fill(0, this.#top, this.#bottom);
    this.#right.fill(0, this.#top, this.#bottom);
    this.#top = this.#bottom = 0;
  }

  /**
   * Rectangles that cover the damage and do not overlap, top to bottom, at most `limit`. Rows are put together while the waste (pixels covered that
   * did not change) stays small against a rectangle's own cost.
   */
  rectangles(limit = 64): Rectangle[] {
    const found: Rectangle[] = [];
    let open: Rectangle | undefined;
    for (let y = this.#top; y < this.#bottom; y++) {
      const row = { x: this.#left[y]!, y, width: this.#right[y]! - this.#left[y]!, height: 1 };
      if (row.width === 0) continue;
      if (open !== undefined) {
        const joined = join(open, row);
        if (found.length + 1 >= limit || area(joined) - area(open) - row.width <= RECTANGLE_COST) {
          open = joined;
          continue;
        }
        found.push(open);
      }
      open = row;
    }
    if (open !== undefined) found.push(open);
    return found;
  }
}

/** Pixels that a further rectangle costs in headers and calls, roughly. */
const RECTANGLE_COST = 256;

function area({ width, height }: Rectangle): number {
  return width * height;
}

function join(a: Rectangle, b: Rectangle): Rectangle {
  const x = Math.min(a.x, b.x);
  const right = Math.max(a.x + a.width, b.x + b.width);
  return { x, y: a.y, width: right - x, height: b.y + b.height - a.y };
}
