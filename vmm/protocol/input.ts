/**
 * Keys by position. A key is named by `KeyboardEvent.code` (W3C UI Events KeyboardEvent code Values) and numbered by its scan code of set 1
 * (IBM PS/2 Technical Reference, Keyboard): E000h + code for extended keys, E11Dh for Pause. The keyboard device turns numbers into bytes.
 */
import { VmmError } from '../base/errors.ts';
import { layouts, type Stroke } from './layouts.ts';

const EXTENDED = 0xe000;
const PAUSE = 0xe11d;

/** `KeyboardEvent.code` -> key number. */
export const keyNumbers: Readonly<Record<string, number>> = {
  Escape: 0x01,
  ...row(0x02, 'Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace'),
  ...row(0x0f, 'Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter'),
  ...row(0x1d, 'ControlLeft KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote'),
  ...row(0x2a, 'ShiftLeft Backslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight'),
  ...row(0x37, 'NumpadMultiply AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock'),
  ...row(0x47, 'Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal'),
  IntlBackslash: 0x56,
  F11: 0x57,
  F12: 0x58,
  NumpadEqual: 0x59,
  ...row(0x64, 'F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23'),
  F24: 0x76,
  KanaMode: 0x70,
  IntlRo: 0x73,
  Convert: 0x79,
  NonConvert: 0x7b,
  IntlYen: 0x7d,
  NumpadComma: 0x7e,
  ...extended({
    NumpadEnter: 0x1c,
    ControlRight: 0x1d,
    AudioVolumeMute: 0x20,
    AudioVolumeDown: 0x2e,
    AudioVolumeUp: 0x30,
    NumpadDivide: 0x35,
    PrintScreen: 0x37,
    AltRight: 0x38,
    Home: 0x47,
    ArrowUp: 0x48,
    PageUp: 0x49,
    ArrowLeft: 0x4b,
    ArrowRight: 0x4d,
    End: 0x4f,
    ArrowDown: 0x50,
    PageDown: 0x51,
    Insert: 0x52,
    Delete: 0x53,
    MetaLeft: 0x5b,
    MetaRight: 0x5c,
    ContextMenu: 0x5d,
    Power: 0x5e,
    Sleep: 0x5f,
    WakeUp: 0x63,
  }),
  Pause: PAUSE,
};

function row(first: number, codes: string): Record<string, number> {
  return Object.fromEntries(codes.split(' ').map((code, index) => [code, first + index]));
}

function extended(codes: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(codes).map(([code, number]) => [code, EXTENDED | number]));
}

/** Short names for people, besides `a`..`z`, `0`..`9`, `f1`..`f24` and every `KeyboardEvent.code`. */
const names: Readonly<Record<string, string>> = {
  ctrl: 'ControlLeft',
  control: 'ControlLeft',
  rctrl: 'ControlRight',
  alt: 'AltLeft',
  altgr: 'AltRight',
  ralt: 'AltRight',
  shift: 'ShiftLeft',
  rshift: 'ShiftRight',
  win: 'MetaLeft',
  super: 'MetaLeft',
  meta: 'MetaLeft',
  cmd: 'MetaLeft',
  rwin: 'MetaRight',
  menu: 'ContextMenu',
  esc: 'Escape',
  ret: 'Enter',
  return: 'Enter',
  del: 'Delete',
  ins: 'Insert',
  bs: 'Backspace',
  pgup: 'PageUp',
  pgdn: 'PageDown',
  up: 'ArrowUp',
  down: 'ArrowDown',
  left: 'ArrowLeft',
  right: 'ArrowRight',
  caps: 'CapsLock',
  print: 'PrintScreen',
  sysrq: 'PrintScreen',
  prtsc: 'PrintScreen',
  scroll: 'ScrollLock',
  break: 'Pause',
  spc: 'Space',
  plus: 'Equal',
  minus: 'Minus',
};

const codesByLowerCase: ReadonlyMap<string, string> = new Map(Object.keys(keyNumbers).map((code) => [code.toLowerCase(), code]));

/** The `KeyboardEvent.code` a person means by a name, in any case; undefined: there is no such key. */
export function codeOfName(name: string): string | undefined {
  const key = name.trim().toLowerCase();
  if (/^[a-z]$/.test(key)) return `Key${key.toUpperCase()}`;
  if (/^[0-9]$/.test(key)) return `Digit${key}`;
  if (Object.hasOwn(names, key)) return names[key];
  return codesByLowerCase.get(key) ?? (key.length === 1 ? layouts['us']!.strokes.get(key)?.[0]?.code : undefined);
}

/** `ctrl+alt+delete` -> codes, in the order they go down. @throws VmmError `usage` naming the part that is no key. */
export function parseChord(chord: string): string[] {
  const parts = chord === '+' ? ['plus'] : chord.replace(/\+\+$/, '+plus').split('+');
  return parts.map((part) => {
    const code = codeOfName(part);
    if (code === undefined)
      throw new VmmError('usage', `${JSON.stringify(part)} in ${JSON.stringify(chord)} is not a key; write keys as ctrl+alt+delete, f2 or Enter`);
    return code;
  });
}

export interface TypedText {
  readonly strokes: readonly Stroke[];
  /** Characters that the layout has no key for. */
  readonly skipped: string;
}

const controls: Readonly<Record<string, Stroke>> = {
  '\n': { code: 'Enter' },
  '\t': { code: 'Tab' },
  '\b': { code: 'Backspace' },
  '\u001b': { code: 'Escape' },
};

/** The key strokes that write `text` on a keyboard of that layout. @throws VmmError `usage` for a layout that does not exist. */
export function strokesOf(text: string, layoutName = 'us'): TypedText {
  const layout = Object.hasOwn(layouts, layoutName) ? layouts[layoutName] : undefined;
  if (layout === undefined) throw new VmmError('usage', `there is no keyboard layout ${layoutName}; there are ${Object.keys(layouts).join(', ')}`);
  const strokes: Stroke[] = [];
  let skipped = '';
  for (const character of text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').normalize('NFC')) {
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
    const found = control !== undefined ? [control] : layout.strokes.get(character);
    if (found === undefined) skipped += character;
    else strokes.push(...found);
  }
  return { strokes, skipped };
}

/** Codes that a stroke holds down, in order: its modifiers, then the key. */
export function codesOfStroke(stroke: Stroke): string[] {
  return [...(stroke.shift ? ['ShiftLeft'] : []), ...(stroke.altGr ? ['AltRight'] : []), stroke.code];
}
