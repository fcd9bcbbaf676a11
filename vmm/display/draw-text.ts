import type { Damage } from './damage.ts';
import { samePalette, sameScanout, type TextScanout } from './scanout.ts';
import type { Surface } from './surface.ts';

const GLYPH_LINES = 32;
const FONT_CHARACTERS = 256;
/** Bytes between lines of a glyph: the other planes lie between. */
const PLANE_STRIDE = 4;
/** What may change without all cells having to be drawn again. */
const DRAWN_BY_CELL: ReadonlySet<string> = new Set(['palette', 'cursor', 'blink', 'start']);
const ATTRIBUTE_BLINK = 0x80;
const NEVER_DRAWN = -1;
/** In a cell's key, above character and attribute. */
const KEY_CURSOR = 1 << 16;
const KEY_HIDDEN = 1 << 17;
const KEY_CURSOR_FIRST = 18;
const KEY_CURSOR_LAST = 23;

/** Offset in video memory of the `index`th cell: character there, attribute behind it. */
export function cellAt({ cells }: TextScanout, index: number): number {
  return cells.base + (index & (cells.count - 1)) * cells.stride;
}

/** A part of the screen with a start address of its own: the whole, or what is above and below the split. */
export interface Strip {
  readonly top: number;
  readonly bottom: number;
  readonly start: number;
  readonly panX: number;
  readonly panY: number;
}

/**
 * Draws text modes. It remembers what each cell of the screen showed and draws those that differ. Fonts lie in the same pages of video memory as the
 * characters, so their glyphs are compared, too.
 */
export class TextDrawer {
  #last: TextScanout | undefined;
  #keys = new Int32Array(0);
  readonly #glyphs = new Uint8Array(2 * FONT_CHARACTERS * GLYPH_LINES);
  readonly #changedGlyphs = new Uint8Array(2 * FONT_CHARACTERS);

  /** Forgets what was drawn: the surface shows something else. */
  invalidate(): void {
    this.#last = undefined;
  }

  /** `written`: video memory was written to since the last call. */
  draw(scanout: TextScanout, memory: Uint8Array, written: boolean, surface: Surface, damage: Damage): void {
    const last = this.#last;
    const sameLayout = last !== undefined && sameScanout(scanout, last, DRAWN_BY_CELL) && samePalette(scanout.palette, last.palette);
    if (sameLayout && !written && sameScanout(scanout, last)) return;
    this.#last = scanout;
    if (written || !sameLayout) this.#loadFonts(scanout, memory);
    const strips = stripsOf(scanout);
    if (!sameLayout) this.#keys = new Int32Array(strips.reduce((count, strip) => count + cellCount(scanout, strip), 0)).fill(NEVER_DRAWN);
    let key = 0;
    for (const strip of strips) {
      this.#drawStrip(scanout, strip, key, memory, surface, damage);
      key += cellCount(scanout, strip);
    }
    this.#changedGlyphs.fill(0);
  }

  #drawStrip(scanout: TextScanout, strip: Strip, firstKey: number, memory: Uint8Array, surface: Surface, damage: Damage): void {
    const { cellWidth, cellHeight, pitch, cursor } = scanout;
    const rows = stripRows(scanout, strip);
    const columns = stripColumns(scanout, strip);
    const mask = scanout.cells.count - 1;
    const cursorCell = cursor?.lit ? cursor.cell & mask : -1;
    const cursorKey = cursor === undefined ? 0 : KEY_CURSOR | (cursor.first << KEY_CURSOR_FIRST) | (cursor.last << KEY_CURSOR_LAST);
    let keyIndex = firstKey;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, keyIndex++) {
        const index = (strip.start + row * pitch + column) & mask;
        const at = cellAt(scanout, index);
        const character = memory[at]!;
        const attribute = memory[at + 1]!;
        let key = character | (attribute << 8);
        if (index === cursorCell) key |= cursorKey;
        if (scanout.blink === 'hidden' && attribute & ATTRIBUTE_BLINK) key |= KEY_HIDDEN;
        const glyph = character + (attribute & 0x08 ? FONT_CHARACTERS : 0);
        if (key === this.#keys[keyIndex] && this.#changedGlyphs[glyph] === 0) continue;
        this.#keys[keyIndex] = key;
        const x = column * cellWidth - strip.panX;
        const y = strip.top + row * cellHeight - strip.panY;
        this.#drawCell(scanout, strip, key, glyph, x, y, surface);
        const top = Math.max(y, strip.top);
        damage.addRectangle({ x, y: top, width: cellWidth, height: Math.min(y + cellHeight, strip.bottom) - top });
      }
    }
  }

  #drawCell(scanout: TextScanout, strip: Strip, key: number, glyph: number, x: number, y: number, surface: Surface): void {
    const { palette, cellWidth, cellHeight, cursor, underline } = scanout;
    const character = key & 0xff;
    const attribute = (key >> 8) & 0xff;
    const background = palette[(attribute >> 4) & (scanout.blink === 'off' ? 0x0f : 0x07)]!;
    const foreground = key & KEY_HIDDEN ? background : palette[attribute & 0x0f]!;
    const ninth = cellWidth === 9 && scanout.lineGraphics && (character & 0xe0) === 0xc0;
    const underlined = (attribute & 0x07) === 1 && underline >= 0;
    const left = Math.max(0, -x);
    const right = Math.min(cellWidth, surface.width - x);
    const { words } = surface;
    for (let line = Math.max(0, strip.top - y), end = Math.min(cellHeight, strip.bottom - y); line < end; line++) {
      let bits = this.#glyphs[glyph * GLYPH_LINES + line]! << 1;
      if (ninth) bits |= (bits >> 1) & 1;
      if (underlined && line === underline) bits = 0x1ff;
      if (key & KEY_CURSOR && line >= cursor!.first && line <= cursor!.last) bits = 0x1ff;
      const base = (y + line) * surface.width + x;
      for (let dot = left; dot < right; dot++) words[base + dot] = bits & (0x100 >> dot) ? foreground : background;
    }
  }

  /** Takes a copy of both fonts and notes which glyphs differ from the last. */
  #loadFonts({ fonts, cellHeight, wrap }: TextScanout, memory: Uint8Array): void {
    for (const [font, base] of fonts.entries()) {
      for (let character = 0; character < FONT_CHARACTERS; character++) {
        const glyph = font * FONT_CHARACTERS + character;
        for (let line = 0; line < cellHeight; line++) {
          const bits = memory[(base + (character * GLYPH_LINES + line) * PLANE_STRIDE) & wrap]!;
          const at = glyph * GLYPH_LINES + line;
          if (this.#glyphs[at] === bits) continue;
          this.#glyphs[at] = bits;
          this.#changedGlyphs[glyph] = 1;
        }
      }
    }
  }
}

/** The parts of the screen, top to bottom. */
export function stripsOf({ height, start, panX, panY, split }: TextScanout): Strip[] {
  if (split === undefined || split.line >= height) return [{ top: 0, bottom: height, start, panX, panY }];
  return [
    { top: 0, bottom: split.line, start, panX, panY },
    { top: split.line, bottom: height, start: 0, panX: split.panned ? panX : 0, panY: 0 },
  ];
}

/** Rows of cells that are at least partly in a strip. */
export function stripRows({ cellHeight }: TextScanout, { top, bottom, panY }: Strip): number {
  return Math.ceil((bottom - top + panY) / cellHeight);
}

function stripColumns({ columns }: TextScanout, { panX }: Strip): number {
  return panX > 0 ? columns + 1 : columns;
}

function cellCount(scanout: TextScanout, strip: Strip): number {
  return stripRows(scanout, strip) * stripColumns(scanout, strip);
}
