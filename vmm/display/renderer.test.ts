import fc from 'fast-check';
import { Renderer } from './renderer.ts';
import type { DisplaySource, GraphicsScanout, PixelFormat, Scanout, TextScanout } from './scanout.ts';

const SIZE = 0x1_0000;
const MEMORY = SIZE + 0x8000;

/** An adapter that is only a description and memory. */
class FakeSource implements DisplaySource {
  readonly memory = new Uint8Array(MEMORY);
  readonly dirty = new Uint8Array(MEMORY >> 12);
  description: Scanout;

  constructor(description: Scanout) {
    this.description = description;
  }

  scanout(): Scanout {
    return structuredClone(this.description);
  }

  write(offset: number, ...bytes: number[]): void {
    for (const [index, byte] of bytes.entries()) {
      this.memory[offset + index] = byte;
      this.dirty[(offset + index) >> 12] = 1;
    }
  }
}

const gray = Int32Array.from({ length: 256 }, (_, value) => (0xff << 24) | (value * 0x010101));
const palette16 = gray.slice(0, 16);

function graphics(format: PixelFormat, changes: Partial<GraphicsScanout> = {}): GraphicsScanout {
  return {
    kind: 'graphics',
    width: 16,
    height: 4,
    aspect: [0, 0],
    format,
    start: 0,
    pitch: 64,
    wrap: SIZE - 1,
    palette: format === 'indexed8' ? gray : format === 'planar4' || format === 'cga2' ? palette16 : undefined,
    banks: undefined,
    panX: 0,
    split: undefined,
    ...changes,
  };
}

function text(changes: Partial<TextScanout> = {}): TextScanout {
  return {
    kind: 'text',
    width: 4 * 8,
    height: 2 * 16,
    aspect: [4, 3],
    columns: 4,
    rows: 2,
    cellWidth: 8,
    cellHeight: 16,
    cells: { base: 0, stride: 4, count: SIZE / 4 },
    start: 0,
    pitch: 4,
    fonts: [2, 2],
    wrap: SIZE - 1,
    palette: palette16,
    blink: 'off',
    lineGraphics: false,
    underline: -1,
    cursor: undefined,
    panX: 0,
    panY: 0,
    split: undefined,
    ...changes,
  };
}

function row(renderer: Renderer, y: number, from = 0, to = renderer.surface.width): number[] {
  const { words, width } = renderer.surface;
  return [...words.subarray(y * width + from, y * width + to)].map((word) => word & 0xff);
}

describe('pixel formats', () => {
  const cases: readonly (readonly [PixelFormat, readonly number[], readonly number[]])[] = [
    // 8 pixels, one bit of each in each byte: 1000... plane 0, 0100... plane 1, 1110... plane 2, 1111... plane 3
    ['planar4', [0x80, 0x40, 0xe0, 0xf0], [13, 14, 12, 8, 0, 0, 0, 0]],
    ['cga2', [0b00011011, 0b11100100, 0b00000001, 0], [0, 1, 2, 7, 3, 2, 1, 0]],
    ['indexed8', [1, 2, 3, 250], [1, 2, 3, 250]],
  ];
  test.each(cases)('%s', (format, bytes, expected) => {
    const source = new FakeSource(graphics(format));
    source.write(0, ...bytes);
    const renderer = new Renderer(source);
    renderer.render();
    expect(row(renderer, 0, 0, expected.length)).toEqual(expected);
  });

  test.each([
    ['rgb555', [0x00, 0x7c], 0xff0000ff],
    ['rgb555', [0xe0, 0x03], 0xff00ff00],
    ['rgb555', [0x10, 0x42], 0xff848484],
    ['rgb565', [0x1f, 0x00], 0xffff0000],
    ['rgb565', [0xe0, 0x07], 0xff00ff00],
    ['rgb565', [0x20, 0x00], 0xff000400],
    ['rgb888', [0x11, 0x22, 0x33], 0xff112233],
    ['rgb8888', [0x11, 0x22, 0x33, 0x99], 0xff112233],
  ] as const)('%s %j', (format, bytes, expected) => {
    const source = new FakeSource(graphics(format));
    source.write(0, ...bytes);
    const renderer = new Renderer(source);
    renderer.render();
    expect(renderer.surface.words[0]! >>> 0).toBe(expected);
  });
});

describe('damage', () => {
  test('everything at first, nothing when nothing changed', () => {
    const renderer = new Renderer(new FakeSource(graphics('indexed8')));
    expect(renderer.render().rectangles()).toEqual([{ x: 0, y: 0, width: 16, height: 4 }]);
    expect(renderer.render().empty).toBe(true);
  });

  test('only pixels that changed, and only where a page was marked', () => {
    const source = new FakeSource(graphics('indexed8', { pitch: 0x1000 }));
    const renderer = new Renderer(source);
    renderer.render();
    source.write(0x2005, 7, 0, 9);
    expect(renderer.render().rectangles()).toEqual([{ x: 5, y: 2, width: 3, height: 1 }]);
    expect(source.dirty.every((mark) => mark === 0)).toBe(true);
    source.write(0x2005, 7); // the same again
    expect(renderer.render().empty).toBe(true);
    source.memory[0x1003] = 1; // behind the log's back: not looked for
    expect(renderer.render().empty).toBe(true);
  });

  test('a colour that changes damages the pixels that have it', () => {
    const source = new FakeSource(graphics('indexed8'));
    source.write(64 + 3, 5);
    const renderer = new Renderer(source);
    renderer.render();
    const colors = gray.slice();
    colors[5] = 0x00123456 | (0xff << 24);
    source.description = graphics('indexed8', { palette: colors });
    expect(renderer.render().rectangles()).toEqual([{ x: 3, y: 1, width: 1, height: 1 }]);
  });

  test('blank: black once, and drawn again after it', () => {
    const source = new FakeSource(graphics('indexed8'));
    source.write(0, 1, 2, 3);
    const renderer = new Renderer(source);
    renderer.render();
    source.description = { kind: 'blank', width: 16, height: 4, aspect: [0, 0] };
    expect(renderer.render().rectangles()).toHaveLength(1);
    expect(row(renderer, 0, 0, 3)).toEqual([0, 0, 0]);
    expect(renderer.render().empty).toBe(true);
    source.description = graphics('indexed8');
    renderer.render();
    expect(row(renderer, 0, 0, 3)).toEqual([1, 2, 3]);
  });
});

describe('addressing', () => {
  test('panning begins inside a unit, also of planar pixels', () => {
    const source = new FakeSource(graphics('planar4', { panX: 3 }));
    source.write(0, 0b00010000, 0, 0, 0);
    source.write(8, 0b00100000, 0, 0, 0);
    const renderer = new Renderer(source);
    renderer.render();
    expect(row(renderer, 0)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  test('a line over the end of memory goes on at its start', () => {
    const source = new FakeSource(graphics('indexed8', { start: SIZE - 4 }));
    source.write(SIZE - 1, 9);
    source.write(0, 8);
    const renderer = new Renderer(source);
    renderer.render();
    expect(row(renderer, 0, 3, 5)).toEqual([9, 8]);
    source.write(1, 7);
    expect(renderer.render().rectangles()).toEqual([{ x: 5, y: 0, width: 1, height: 1 }]);
  });

  test('below the split memory begins at 0, panned or not', () => {
    const source = new FakeSource(graphics('indexed8', { start: 0x800, panX: 1, split: { line: 2, panned: false } }));
    source.write(0, 10, 11);
    source.write(64, 12, 13);
    source.write(0x800, 20, 21);
    const renderer = new Renderer(source);
    renderer.render();
    expect([row(renderer, 0, 0, 1), row(renderer, 2, 0, 2), row(renderer, 3, 0, 2)]).toEqual([[21], [10, 11], [12, 13]]);
    source.description = graphics('indexed8', { start: 0x800, panX: 1, split: { line: 2, panned: true } });
    renderer.render();
    expect(row(renderer, 2, 0, 1)).toEqual([11]);
  });

  test('banks: each line of a row from another part of memory', () => {
    const source = new FakeSource(graphics('indexed8', { height: 8, pitch: 16, banks: { lines: 4, bits: [0x2000, 0x4000] } }));
    for (const [line, at] of [0, 0x2000, 0x4000, 0x6000, 16, 0x2010, 0x4010, 0x6010].entries()) source.write(at, 100 + line);
    const renderer = new Renderer(source);
    renderer.render();
    expect(Array.from({ length: 8 }, (_, y) => row(renderer, y, 0, 1)[0])).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
  });
});

describe('text', () => {
  /** Character 1: solid; 2: left half; 3: eighth dot only. */
  function withFont(source: FakeSource): void {
    for (let line = 0; line < 16; line++) {
      source.write((1 * 32 + line) * 4 + 2, 0xff);
      source.write((2 * 32 + line) * 4 + 2, 0xf0);
      source.write((3 * 32 + line) * 4 + 2, 0x01);
      source.write((0xc4 * 32 + line) * 4 + 2, 0x01);
    }
  }
  function cell(source: FakeSource, index: number, character: number, attribute: number): void {
    source.write(index * 4, character, attribute);
  }
  function started(changes: Partial<TextScanout> = {}): { source: FakeSource; renderer: Renderer } {
    const source = new FakeSource(text(changes));
    withFont(source);
    return { source, renderer: new Renderer(source) };
  }

  test('glyphs in their colours; only cells that changed are drawn', () => {
    const { source, renderer } = started();
    cell(source, 5, 2, 0x5a);
    renderer.render();
    expect(row(renderer, 16, 8, 16)).toEqual([10, 10, 10, 10, 5, 5, 5, 5]);
    cell(source, 6, 1, 0x07);
    expect(renderer.render().rectangles()).toEqual([{ x: 16, y: 16, width: 8, height: 16 }]);
    source.write(0x5000, 1); // elsewhere
    expect(renderer.render().empty).toBe(true);
  });

  test('a glyph that changes is redrawn wherever it is', () => {
    const { source, renderer } = started();
    cell(source, 0, 2, 0x07);
    cell(source, 7, 2, 0x07);
    renderer.render();
    source.write((2 * 32 + 3) * 4 + 2, 0x0f);
    const damage = renderer.render().rectangles();
    expect(damage).toHaveLength(2);
    expect(row(renderer, 3, 0, 8)).toEqual([0, 0, 0, 0, 7, 7, 7, 7]);
    expect(row(renderer, 19, 24, 32)).toEqual([0, 0, 0, 0, 7, 7, 7, 7]);
  });

  test('attribute bit 3 chooses the second font', () => {
    const { source, renderer } = started({ fonts: [2, 2 + 0x8000] });
    for (let line = 0; line < 16; line++) source.write(0x8000 + (2 * 32 + line) * 4 + 2, 0x0f);
    cell(source, 0, 2, 0x07);
    cell(source, 1, 2, 0x0f);
    renderer.render();
    expect(row(renderer, 0, 0, 16)).toEqual([7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 15, 15, 15, 15]);
  });

  test('nine dots: the ninth is background, but repeats the eighth of line graphics', () => {
    const { source, renderer } = started({ cellWidth: 9, width: 36, lineGraphics: true });
    cell(source, 0, 3, 0x17);
    cell(source, 1, 0xc4, 0x17);
    renderer.render();
    expect(row(renderer, 0, 6, 9)).toEqual([1, 7, 1]);
    expect(row(renderer, 0, 15, 18)).toEqual([1, 7, 7]);
  });

  test('blinking characters go and come, and their backgrounds have eight colours', () => {
    const { source, renderer } = started({ blink: 'shown' });
    cell(source, 0, 2, 0x97);
    renderer.render();
    expect(row(renderer, 0, 0, 8)).toEqual([7, 7, 7, 7, 1, 1, 1, 1]);
    source.description = text({ blink: 'hidden' });
    expect(renderer.render().rectangles()).toEqual([{ x: 0, y: 0, width: 8, height: 16 }]);
    expect(row(renderer, 0, 0, 8)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    source.description = text({ blink: 'off' });
    renderer.render();
    expect(row(renderer, 0, 0, 8)).toEqual([7, 7, 7, 7, 9, 9, 9, 9]);
  });

  test('the cursor covers its lines in the foreground colour, blinks, moves and costs nothing in between', () => {
    const { source, renderer } = started();
    for (let index = 0; index < 8; index++) cell(source, index, 0, 0x07);
    renderer.render();
    source.description = text({ cursor: { cell: 1, first: 13, last: 14, lit: true } });
    expect(renderer.render().rectangles()).toEqual([{ x: 8, y: 0, width: 8, height: 16 }]);
    expect([12, 13, 14, 15].map((y) => row(renderer, y, 8, 9)[0])).toEqual([0, 7, 7, 0]);
    source.dirty[0] = 1;
    expect(renderer.render().empty).toBe(true);
    source.description = text({ cursor: { cell: 1, first: 0, last: 15, lit: true } });
    renderer.render();
    expect(row(renderer, 0, 8, 9)).toEqual([7]);
    source.description = text({ cursor: { cell: 1, first: 0, last: 15, lit: false } });
    expect(renderer.render().rectangles()).toEqual([{ x: 8, y: 0, width: 8, height: 16 }]);
    expect(row(renderer, 0, 8, 9)).toEqual([0]);
  });

  test('underlining', () => {
    const { source, renderer } = started({ underline: 15 });
    cell(source, 0, 0, 0x01);
    cell(source, 1, 0, 0x07);
    renderer.render();
    expect([row(renderer, 15, 7, 9), row(renderer, 14, 7, 8)]).toEqual([[1, 0], [0]]);
  });

  test('smooth scrolling: lines and dots are shifted, the split is not', () => {
    const { source, renderer } = started({ panX: 3, panY: 5, split: { line: 20, panned: false }, start: 0x100 });
    cell(source, 0x100, 2, 0x07);
    cell(source, 0, 2, 0x70);
    renderer.render();
    expect(row(renderer, 0, 0, 5)).toEqual([7, 0, 0, 0, 0]);
    expect(row(renderer, 11, 0, 1)).toEqual([0]); // the next row of cells
    expect(row(renderer, 20, 0, 8)).toEqual([0, 0, 0, 0, 7, 7, 7, 7]);
  });

  test('cells of two bytes, as the adapter keeps them for direct access', () => {
    const source = new FakeSource(text({ cells: { base: SIZE, stride: 2, count: 0x4000 } }));
    withFont(source);
    source.write(SIZE, 1, 0x04, 2, 0x03);
    const renderer = new Renderer(source);
    renderer.render();
    expect(row(renderer, 0, 7, 16)).toEqual([4, 3, 3, 3, 3, 0, 0, 0, 0]);
  });
});

test('whatever the description says, nothing outside memory is read and drawing by parts equals drawing anew', () => {
  const format = fc.constantFrom<PixelFormat>('planar4', 'cga2', 'indexed8', 'rgb555', 'rgb565', 'rgb888', 'rgb8888');
  const anyGraphics = fc
    .record({
      format,
      width: fc.integer({ min: 1, max: 300 }),
      height: fc.integer({ min: 1, max: 40 }),
      start: fc.nat(SIZE * 2).map((value) => value & ~3),
      pitch: fc.nat(0x3000).map((value) => value & ~3),
      panX: fc.nat(7),
      split: fc.option(fc.record({ line: fc.nat(60), panned: fc.boolean() }), { nil: undefined }),
      banks: fc.option(fc.record({ lines: fc.integer({ min: 1, max: 32 }), bits: fc.constant([0x2000, 0x4000] as const) }), { nil: undefined }),
    })
    .map(({ format: chosen, ...changes }) => graphics(chosen, changes));
  const anyText = fc
    .record({
      columns: fc.integer({ min: 1, max: 90 }),
      height: fc.integer({ min: 1, max: 100 }),
      cellWidth: fc.constantFrom<8 | 9>(8, 9),
      cellHeight: fc.integer({ min: 1, max: 32 }),
      start: fc.nat(0x10003),
      pitch: fc.nat(510),
      panX: fc.nat(8),
      panY: fc.nat(31),
      blink: fc.constantFrom<'off' | 'shown' | 'hidden'>('off', 'shown', 'hidden'),
      fonts: fc.tuple(fc.nat(7), fc.nat(7)).map(([a, b]) => [a * 0x8000 + 2, b * 0x8000 + 2] as const),
      cursor: fc.option(fc.record({ cell: fc.nat(0xffff), first: fc.nat(31), last: fc.nat(31), lit: fc.boolean() }), { nil: undefined }),
      split: fc.option(fc.record({ line: fc.nat(120), panned: fc.boolean() }), { nil: undefined }),
    })
    .map((changes) => text({ ...changes, width: changes.columns * changes.cellWidth, panY: changes.panY % changes.cellHeight }));
  const step = fc.record({
    scanout: fc.oneof(anyGraphics, anyText),
    again: fc.boolean(),
    writes: fc.array(fc.tuple(fc.nat(MEMORY - 1), fc.nat(255))),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      const source = new FakeSource(steps[0]!.scanout);
      for (let at = 0; at < MEMORY; at++) source.memory[at] = (at * 31) & 0xff;
      const renderer = new Renderer(source);
      for (const { scanout, again, writes } of steps) {
        if (!again) source.description = scanout;
        for (const [at, value] of writes) source.write(at, value);
        renderer.render();
        const fresh = new FakeSource(source.description);
        fresh.memory.set(source.memory);
        const other = new Renderer(fresh);
        other.render();
        expect(Buffer.compare(renderer.surface.pixels, other.surface.pixels)).toBe(0);
      }
    }),
    { numRuns: 60 },
  );
});
