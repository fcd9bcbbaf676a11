import { keysOfTerminal } from './terminal-keys.ts';
import { Drawer } from './terminal-display.node.ts';

it.each([
  ['dir\r', 'KeyD KeyI KeyR Enter'],
  ['A:\\', 'ShiftLeft+KeyA ShiftLeft+Semicolon Backslash'],
  ['\u001b[A\u001bOP\u001b[15~', 'ArrowUp F1 F5'],
  ['\u001b', 'Escape'],
  ['\u001b\u001b', 'Escape Escape'],
  ['\u001bx', 'AltLeft+KeyX'],
  ['\u0003', 'ControlLeft+KeyC'],
  ['\t\u007f\b', 'Tab Backspace Backspace'],
  ['\u001b[99~é', ''],
])('%j', (text, keys) => {
  expect(
    keysOfTerminal(text)
      .map((codes) => codes.join('+'))
      .join(' '),
  ).toBe(keys);
});

describe('drawing', () => {
  const screen = (lines: string[], attribute = 7, cursor = true) => ({
    columns: 4,
    rows: lines.length,
    lines,
    attributes: new Uint8Array(lines.length * 4).fill(attribute),
    cursor: cursor ? { column: 1, row: 0, visible: true } : undefined,
  });

  it('writes the rows that changed', () => {
    const out: string[] = [];
    const drawer = new Drawer((text) => out.push(text));
    drawer.draw(screen(['ab  ', 'cd  ']));
    drawer.draw(screen(['ab  ', 'cd  ']));
    drawer.draw(screen(['ab  ', 'xy  ']));
    expect(out).toHaveLength(2);
    expect(out[1]).toContain('\u001b[2;1H');
    expect(out[1]).not.toContain('\u001b[1;1H\u001b[0;37');
    expect(out[1]).toContain('xy');
  });

  it('turns attributes into colours, and a hostile screen into harmless text', () => {
    const out: string[] = [];
    new Drawer((text) => out.push(text)).draw(screen(['\u001b]0;'], 0x1e, false));
    expect(out[0]).toContain('\u001b[0;93;44m\ufffd]0;');
    expect(out[0]).toContain('\u001b[?25l');
  });
});
