/** Shortcuts as text (`Mod+Shift+K`): matching key events against them, and showing them as key caps. */
export interface Chord {
  readonly code: string;
  readonly mod: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
}

const named: Readonly<Record<string, string>> = {
  ',': 'Comma',
  Enter: 'Enter',
  Left: 'ArrowLeft',
  Right: 'ArrowRight',
  F1: 'F1',
  F2: 'F2',
};

export function parseShortcut(text: string): Chord {
  const parts = text.split('+');
  const key = parts.pop() ?? '';
  const code = /^[A-Z]$/.test(key) ? `Key${key}` : /^[0-9]$/.test(key) ? `Digit${key}` : named[key];
  if (code === undefined) throw new Error(`unknown key in shortcut ${text}`);
  return { code, mod: parts.includes('Mod'), alt: parts.includes('Alt'), shift: parts.includes('Shift') };
}

type KeyLike = Pick<KeyboardEvent, 'code' | 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>;

/** Letters go by what the person's layout writes (Mod+K is where K is), everything else by position. */
export function matchesShortcut(event: KeyLike, chord: Chord, mac: boolean): boolean {
  const mod = mac ? event.metaKey : event.ctrlKey;
  const otherMod = mac ? event.ctrlKey : event.metaKey;
  if (mod !== chord.mod || otherMod || event.altKey !== chord.alt || event.shiftKey !== chord.shift) return false;
  const letter = /^Key([A-Z])$/.exec(chord.code)?.[1];
  if (letter !== undefined && /^[a-z]$/i.test(event.key)) return event.key.toUpperCase() === letter;
  return event.code === chord.code;
}

const macCaps: Readonly<Record<string, string>> = { Mod: '⌘', Alt: '⌥', Shift: '⇧', Enter: '↩' };
const arrows: Readonly<Record<string, string>> = { Left: '←', Right: '→' };

export function shortcutCaps(text: string, mac: boolean): string[] {
  return text.split('+').map((part) => arrows[part] ?? (mac ? macCaps[part] : part === 'Mod' ? 'Ctrl' : undefined) ?? part);
}

/** How Electron writes it. */
export function accelerator(text: string): string {
  return text.replace('Mod', 'CommandOrControl').replace('Enter', 'Return');
}

/** The cap of a KeyboardEvent.code: `KeyF` -> F, `Delete` -> Del. */
export function codeCap(code: string): string {
  const sign = { Delete: 'Del', Equal: '+', Minus: '−' }[code];
  return sign ?? code.replace(/^(Key|Digit)/, '');
}

const hostCaps: Readonly<Record<string, readonly [other: string, mac: string]>> = {
  ControlRight: ['Right Ctrl', 'Right ⌃'],
  AltRight: ['Right Alt', 'Right ⌥'],
  MetaRight: ['Right Super', 'Right ⌘'],
  ShiftRight: ['Right Shift', 'Right ⇧'],
  ScrollLock: ['Scroll Lock', 'Scroll Lock'],
  Pause: ['Pause', 'Pause'],
};

export function hostKeyCap(code: string, mac: boolean): string {
  return hostCaps[code]?.[mac ? 1 : 0] ?? code;
}
