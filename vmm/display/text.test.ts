import { VmmError } from '../base/errors.ts';
import { CODE_PAGE_437, decodeCodePage437 } from './code-page-437.ts';
import type { TextScanout } from './scanout.ts';
import { findText, parsePattern, readTextScreen, searchText, selectText, type TextScreen } from './text.ts';

function scanout(changes: Partial<TextScanout> = {}): TextScanout {
  return {
    kind: 'text',
    width: 80 * 9,
    height: 400,
    aspect: [4, 3],
    columns: 80,
    rows: 25,
    cellWidth: 9,
    cellHeight: 16,
    cells: { base: 0, stride: 2, count: 0x4000 },
    start: 0,
    pitch: 80,
    fonts: [2, 2],
    wrap: 0xffff,
    palette: new Int32Array(16),
    blink: 'off',
    lineGraphics: true,
    underline: -1,
    cursor: undefined,
    panX: 0,
    panY: 0,
    split: undefined,
    ...changes,
  };
}

function put(memory: Uint8Array, cell: number, text: string, attribute = 7): void {
  for (const [index, character] of Array.from(text).entries()) {
    memory[(cell + index) * 2] = CODE_PAGE_437.indexOf(character);
    memory[(cell + index) * 2 + 1] = attribute;
  }
}

function screenOf(...lines: string[]): TextScreen {
  const memory = new Uint8Array(0x8000);
  for (const [row, line] of lines.entries()) put(memory, row * 80, line);
  return readTextScreen(scanout(), memory);
}

test('code page 437 has 256 different looks, blanks aside', () => {
  expect(CODE_PAGE_437).toHaveLength(256);
  expect(new Set(CODE_PAGE_437).size).toBe(255); // 00h and 20h
  expect(decodeCodePage437([0x41, 0xc9, 0xcd, 0xbb, 0xb0, 0xe1, 0x01, 0x00, 0xfb])).toBe('A╔═╗░ß☺ √');
});

test('characters, attributes and the cursor of the visible part', () => {
  const memory = new Uint8Array(0x8000);
  put(memory, 160, 'C:\\>dir', 0x1e);
  const screen = readTextScreen(scanout({ start: 160, cursor: { cell: 160 + 83, first: 13, last: 14, lit: false } }), memory);
  expect([screen.columns, screen.rows, screen.lines.length]).toEqual([80, 25, 25]);
  expect(screen.lines[0]).toBe('C:\\>dir'.padEnd(80));
  expect(screen.attributes[0]).toBe(0x1e);
  expect(screen.cursor).toEqual({ column: 3, row: 1, visible: false });
});

test('the screen wraps with its memory, and a split begins at 0', () => {
  const memory = new Uint8Array(0x8000);
  put(memory, 0x3fff, 'a');
  put(memory, 0, 'bc');
  expect(readTextScreen(scanout({ start: 0x3fff }), memory).lines[0]!.slice(0, 3)).toBe('abc');
  const split = readTextScreen(scanout({ start: 800, split: { line: 384, panned: true } }), memory);
  expect(split.lines[24]!.slice(0, 2)).toBe('bc');
  expect(split.rows).toBe(25);
});

test('searching', () => {
  const screen = screenOf('Debian GNU/Linux', 'login: ROOT (a.b)', 'aaa');
  expect(findText(screen, 'login:')).toEqual({ line: 'login: ROOT (a.b)', row: 1, column: 0, text: 'login:' });
  expect(findText(screen, '(a.b)')?.column).toBe(12); // taken literally
  expect(findText(screen, 'axb')).toBeUndefined();
  expect(findText(screen, /root/i)?.text).toBe('ROOT');
  expect(searchText(screen, 'root', { ignoreCase: true })).toHaveLength(1);
  expect(searchText(screen, 'a').map(({ row, column }) => [row, column])).toEqual([
    [0, 4],
    [1, 13],
    [2, 0],
    [2, 1],
    [2, 2],
  ]);
  expect(searchText(screen, /z*/)).toEqual([]);
  expect(findText(screen, /ROOT \(a\.b\)$/)).toBeDefined(); // trailing blanks are not part of a line
  expect(() => parsePattern('(')).toThrow(VmmError);
});

test('selecting', () => {
  const screen = screenOf('one two', 'three', 'four five');
  expect(selectText(screen, { row: 0, column: 4 }, { row: 2, column: 3 })).toBe('two\nthree\nfour');
  expect(selectText(screen, { row: 2, column: 3 }, { row: 0, column: 4 })).toBe('two\nthree\nfour');
  expect(selectText(screen, { row: 1, column: 1 }, { row: 1, column: 2 })).toBe('hr');
  expect(selectText(screen, { row: -3, column: 5 }, { row: 99, column: 0 }).split('\n').slice(0, 3)).toEqual(['one two', 'three', 'four five']);
});
