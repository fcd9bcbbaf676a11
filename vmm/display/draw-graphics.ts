import { CONVERTERS, PixelSource } from './convert-pixels.ts';
import type { Damage } from './damage.ts';
import { samePalette, sameScanout, type GraphicsScanout } from './scanout.ts';
import type { Surface } from './surface.ts';

const PAGE_SHIFT = 12;
/** Converters work in units of up to 8 pixels, and panning starts inside one. */
const SLACK = 16;
const NO_PALETTE = new Int32Array(0);

/**
 * Draws graphics modes line by line: lines whose memory was written to (all of them when the layout or the colours changed) are converted, compared
 * with what is on the surface, and only what differs is stored and reported.
 */
export class GraphicsDrawer {
  #last: GraphicsScanout | undefined;
  #memory: PixelSource = new PixelSource(new Uint8Array(4));
  /** A line that runs over the end of video memory, put together. */
  #wrapped = new PixelSource(new Uint8Array(4));
  #line = new Int32Array(SLACK);

  invalidate(): void {
    this.#last = undefined;
  }

  /** `written`: one byte per 4 KiB of memory; undefined: none was written to. */
  draw(scanout: GraphicsScanout, memory: Uint8Array, written: Uint8Array | undefined, surface: Surface, damage: Damage): void {
    const last = this.#last;
    const all = last === undefined || !sameScanout(scanout, last) || !samePalette(scanout.palette, last.palette);
    if (!all && written === undefined) return;
    this.#last = scanout;
    if (this.#memory.bytes !== memory) this.#memory = new PixelSource(memory);
    const { width, height, split, wrap } = scanout;
    if (this.#line.length < width + SLACK) this.#line = new Int32Array(width + SLACK);
    const { convert, bits } = CONVERTERS[scanout.format];
    const palette = scanout.palette ?? NO_PALETTE;
    for (let y = 0; y < height; y++) {
      const below = split !== undefined && y >= split.line;
      const pan = below && !split.panned ? 0 : scanout.panX;
      const at = lineAddress(scanout, below ? y - split.line : y, below ? 0 : scanout.start);
      const bytes = (((width + pan + 7) & ~7) * bits) >>> 3;
      if (!all && !anyWritten(written!, at, bytes, wrap)) continue;
      const source = at + bytes <= wrap + 1 ? this.#memory : this.#join(memory, at, bytes, wrap);
      convert(source, source === this.#memory ? at : 0, width + pan, palette, this.#line);
      this.#store(y, pan, surface, damage);
    }
  }

  /** Compares the converted line with row `y` and stores the part from the first to the last difference. */
  #store(y: number, pan: number, { words, width }: Surface, damage: Damage): void {
    const line = this.#line;
    const row = y * width;
    let left = 0;
    while (left < width && words[row + left] === line[pan + left]) left++;
    if (left === width) return;
    let right = width;
    while (words[row + right - 1] === line[pan + right - 1]) right--;
    for (let x = left; x < right; x++) words[row + x] = line[pan + x]!;
    damage.addSpan(y, left, right);
  }

  #join(memory: Uint8Array, at: number, bytes: number, wrap: number): PixelSource {
    const room = (bytes + SLACK) & ~3;
    if (this.#wrapped.bytes.length < room) this.#wrapped = new PixelSource(new Uint8Array(room));
    const into = this.#wrapped.bytes;
    for (let done = 0; done < bytes;) {
      const from = (at + done) & wrap;
      const length = Math.min(bytes - done, wrap + 1 - from);
      into.set(memory.subarray(from, from + length), done);
      done += length;
    }
    return this.#wrapped;
  }
}

/** Byte offset of the first pixel of the `line`th line from `start`, inside video memory. */
function lineAddress({ pitch, banks, wrap }: GraphicsScanout, line: number, start: number): number {
  if (banks === undefined) return (start + line * pitch) & wrap;
  const bank = line % banks.lines;
  let at = start + Math.floor(line / banks.lines) * pitch;
  for (const [number, bit] of banks.bits.entries()) if (bit !== 0) at = (at & ~bit) | ((bank >> number) & 1 ? bit : 0);
  return at & wrap;
}

function anyWritten(written: Uint8Array, at: number, length: number, wrap: number): boolean {
  for (let offset = at & -(1 << PAGE_SHIFT); offset < at + length; offset += 1 << PAGE_SHIFT) {
    if (written[(offset & wrap) >>> PAGE_SHIFT] !== 0) return true;
  }
  return false;
}
