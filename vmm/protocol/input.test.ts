import { codesOfStroke, keyNumbers, parseChord, strokesOf } from './input.ts';
import { layouts } from './layouts.ts';

it('numbers keys by their set 1 scan code', () => {
  expect([
    keyNumbers['KeyA'],
    keyNumbers['Enter'],
    keyNumbers['Slash'],
    keyNumbers['F10'],
    keyNumbers['ScrollLock'],
    keyNumbers['NumpadDecimal'],
  ]).toEqual([0x1e, 0x1c, 0x35, 0x44, 0x46, 0x53]);
  expect([keyNumbers['ControlRight'], keyNumbers['Delete'], keyNumbers['ArrowUp'], keyNumbers['NumpadEnter']]).toEqual([
    0xe01d, 0xe053, 0xe048, 0xe01c,
  ]);
});

it('gives each key its own number', () => {
  expect(new Set(Object.values(keyNumbers)).size).toBe(Object.keys(keyNumbers).length);
});

it.each([
  ['ctrl+alt+delete', ['ControlLeft', 'AltLeft', 'Delete']],
  ['Ctrl+Alt+Del', ['ControlLeft', 'AltLeft', 'Delete']],
  ['f12', ['F12']],
  ['KeyQ', ['KeyQ']],
  ['7', ['Digit7']],
  ['ctrl++', ['ControlLeft', 'Equal']],
  ['+', ['Equal']],
  ['alt+sysrq+b', ['AltLeft', 'PrintScreen', 'KeyB']],
  ['shift+/', ['ShiftLeft', 'Slash']],
])('reads the chord %s', (chord, codes) => {
  expect(parseChord(chord)).toEqual(codes);
});

it('names the part of a chord that is no key', () => {
  expect(() => parseChord('ctrl+altt')).toThrow('"altt" in "ctrl+altt" is not a key');
  expect(() => parseChord('constructor')).toThrow('not a key');
});

describe('typing', () => {
  const typed = (text: string, layout?: string) => strokesOf(text, layout).strokes.map((stroke) => codesOfStroke(stroke).join('+'));

  it('presses Shift where the layout wants it', () => {
    expect(typed('Dir *\n')).toEqual(['ShiftLeft+KeyD', 'KeyI', 'KeyR', 'Space', 'ShiftLeft+Digit8', 'Enter']);
  });

  it('follows the guest layout', () => {
    expect(typed('az', 'fr')).toEqual(['KeyQ', 'KeyW']);
    expect(typed('@{', 'de')).toEqual(['AltRight+KeyQ', 'AltRight+Digit7']);
  });

  it('uses dead keys', () => {
    expect(typed('ê', 'fr')).toEqual(['BracketLeft', 'KeyE']);
    expect(typed('Á', 'es')).toEqual(['Quote', 'ShiftLeft+KeyA']);
    expect(typed('^', 'de')).toEqual(['Backquote', 'Space']);
  });

  it('tells what cannot be typed', () => {
    expect(strokesOf('a€漢', 'us')).toEqual({ strokes: [{ code: 'KeyA' }], skipped: '€漢' });
    expect(() => strokesOf('a', 'xx')).toThrow('there is no keyboard layout xx; there are us,');
    expect(() => strokesOf('a', '__proto__')).toThrow('no keyboard layout');
  });

  it.each(Object.keys(layouts))('layout %s types printable ASCII with keys that exist', (name) => {
    const ascii = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index));
    const { strokes, skipped } = strokesOf(ascii, name);
    expect(skipped).toBe(name === 'it' ? '`{}~' : ''); // an Italian keyboard has none of these
    for (const stroke of strokes) expect(keyNumbers).toHaveProperty(stroke.code);
  });
});
