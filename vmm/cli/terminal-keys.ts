/** What a terminal sends (ECMA-48, xterm's control sequences) as keys of a PC keyboard. */
import { codesOfStroke, strokesOf } from '../protocol/input.ts';

const ESC = '\u001b';

/** Behind `ESC [` or `ESC O`. */
const sequences: Readonly<Record<string, string>> = {
  A: 'ArrowUp',
  B: 'ArrowDown',
  C: 'ArrowRight',
  D: 'ArrowLeft',
  H: 'Home',
  F: 'End',
  P: 'F1',
  Q: 'F2',
  R: 'F3',
  S: 'F4',
  '2~': 'Insert',
  '3~': 'Delete',
  '5~': 'PageUp',
  '6~': 'PageDown',
  '1~': 'Home',
  '4~': 'End',
  '11~': 'F1',
  '12~': 'F2',
  '13~': 'F3',
  '14~': 'F4',
  '15~': 'F5',
  '17~': 'F6',
  '18~': 'F7',
  '19~': 'F8',
  '20~': 'F9',
  '21~': 'F10',
  '23~': 'F11',
  '24~': 'F12',
};

/** Each key as the codes that go down together, in order. What no key writes is left out. */
export function keysOfTerminal(text: string): string[][] {
  const keys: string[][] = [];
  let at = 0;
  while (at < text.length) {
    const sequence = new RegExp(`^${ESC}[[O]([0-9]*[A-Z~])`).exec(text.slice(at));
    const code = sequence === null ? undefined : sequences[sequence[1]!];
    if (sequence !== null) {
      if (code !== undefined) keys.push([code]);
      at += sequence[0].length;
    } else if (text[at] === ESC && at + 1 < text.length && text[at + 1] !== ESC) {
      keys.push(...keysOf(text[at + 1]!).map((key) => ['AltLeft', ...key]));
      at += 2;
    } else {
      const character = String.fromCodePoint(text.codePointAt(at)!);
      keys.push(...keysOf(character));
      at += character.length;
    }
  }
  return keys;
}

function keysOf(character: string): string[][] {
  const number = character.charCodeAt(0);
  if (character === ESC) return [['Escape']];
  if (character === '\r') return [['Enter']];
  if (number === 0x7f) return [['Backspace']];
  if (number >= 1 && number <= 26 && !'\t\n\b'.includes(character)) return [['ControlLeft', `Key${String.fromCharCode(number + 64)}`]];
  return strokesOf(character).strokes.map(codesOfStroke);
}
