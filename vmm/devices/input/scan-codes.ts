/*
 * Scan codes of the enhanced keyboard (IBM PS/2 Technical Reference, "Keyboards (101- and 102-key)"; Microsoft Keyboard Scan Code
 * Specification 1.3a). Keys are numbered as protocol/input.ts does: the set 1 make code, E000h + code for extended keys, E11Dh for Pause.
 */

export const KEY_EXTENDED = 0xe000;
export const KEY_PAUSE = 0xe11d;
export const KEY_PRINT_SCREEN = 0xe037;

const LEFT_SHIFT = 0x2a;
const RIGHT_SHIFT = 0x36;
const LEFT_CONTROL = 0x1d;
const RIGHT_CONTROL = 0xe01d;
const LEFT_ALT = 0x38;
const RIGHT_ALT = 0xe038;

/** Prefix of a break code in sets 2 and 3. */
export const BREAK_PREFIX = 0xf0;

/** The controller's translation of set 2 into set 1, indices 00h-7Fh. Higher codes stay, but for 83h (F7) and 84h (SysRq). */
const TRANSLATION = Uint8Array.from(
  `ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59  65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b
   67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d  69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f
   6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61  6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76
   55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f  52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54`
    .split(/\s+/)
    .map((code) => parseInt(code, 16)),
);
const SET2_F7 = 0x83;
const SET1_F7 = 0x41;
const SET2_SYSRQ = 0x84;
const SET1_SYSRQ = 0x54;

/** A byte of set 2 as the controller translates it (without the effect of a break prefix before it). */
export function translate(code: number): number {
  if (code === SET2_F7) return SET1_F7;
  if (code === SET2_SYSRQ) return SET1_SYSRQ;
  return TRANSLATION[code] ?? code;
}

/** Set 2 by set 1: the other direction. */
const SET2_OF: ReadonlyMap<number, number> = new Map([
  ...[...TRANSLATION].map((set1, set2): [number, number] => [set1, set2]).reverse(),
  [SET1_F7, SET2_F7],
  [SET1_SYSRQ, SET2_SYSRQ],
]);

/** Set 3, where it differs from set 2 or where set 2 needs a prefix. Key number -> code. */
const SET3: Readonly<Record<number, number>> = {
  0x01: 0x08, // Esc
  0x1d: 0x11, // left Ctrl
  0x2b: 0x5c, // backslash
  0x38: 0x19, // left Alt
  0x3a: 0x14, // Caps Lock
  ...run(0x3b, [0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47, 0x4f]), // F1-F10
  0x45: 0x76, // Num Lock
  0x46: 0x5f, // Scroll Lock
  0x37: 0x7e, // keypad *
  0x4a: 0x84, // keypad -
  0x4e: 0x7c, // keypad +
  0x56: 0x13, // the 102nd key
  0x57: 0x56, // F11
  0x58: 0x5e, // F12
  0x70: 0x87, // Kana
  0x79: 0x86, // Convert
  0x7b: 0x85, // NonConvert
  0x7d: 0x5d, // Yen
  0x36: 0x59, // right Shift
  0xe01c: 0x79, // keypad Enter
  0xe01d: 0x58, // right Ctrl
  0xe035: 0x77, // keypad /
  0xe037: 0x57, // Print Screen
  0xe038: 0x39, // right Alt
  ...run(0xe047, [0x6e, 0x63, 0x6f]), // Home, Up, Page Up
  0xe04b: 0x61, // Left
  0xe04d: 0x6a, // Right
  ...run(0xe04f, [0x65, 0x60, 0x6d, 0x67, 0x64]), // End, Down, Page Down, Insert, Delete
  ...run(0xe05b, [0x8b, 0x8c, 0x8d]), // Windows keys, Menu
  [KEY_PAUSE]: 0x62,
};

function run(first: number, codes: readonly number[]): Record<number, number> {
  return Object.fromEntries(codes.map((code, index) => [first + index, code]));
}

/** How a key behaves in set 3. */
export const KEY_TYPEMATIC = 0;
export const KEY_MAKE_ONLY = 1;
export const KEY_MAKE_BREAK = 2;
export const KEY_TYPEMATIC_MAKE_BREAK = 3;

const SET3_DEFAULT_MAKE_BREAK = [LEFT_SHIFT, RIGHT_SHIFT, LEFT_CONTROL, LEFT_ALT, 0x3a];
const SET3_DEFAULT_MAKE_ONLY = [
  0x01, ...range(0x3b, 0x46), 0x57, 0x58, 0x45, 0x37, 0x4a, RIGHT_CONTROL, RIGHT_ALT, 0xe01c, 0xe035, KEY_PRINT_SCREEN, KEY_PAUSE,
  0xe047, 0xe049, 0xe04f, 0xe051, 0xe052, ...range(0x47, 0x49), ...range(0x4b, 0x4d), ...range(0x4f, 0x53),
]; // prettier-ignore

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The set 3 code of a key; undefined if it has none. */
export function set3CodeOf(key: number): number | undefined {
  return SET3[key] ?? (key < 0x80 ? SET2_OF.get(key) : undefined);
}

/** The types of all set 3 codes after a reset. */
export function defaultSet3Types(): Uint8Array {
  const types = new Uint8Array(256);
  for (const key of SET3_DEFAULT_MAKE_ONLY) types[set3CodeOf(key) ?? 0] = KEY_MAKE_ONLY;
  for (const key of SET3_DEFAULT_MAKE_BREAK) types[set3CodeOf(key) ?? 0] = KEY_MAKE_BREAK;
  return types;
}

/** Whether any of the keys that change what Print Screen and Pause send is down. */
function holds(down: readonly number[], ...keys: readonly number[]): boolean {
  return keys.some((key) => down.includes(key));
}

/** The keys between the letters and the keypad: Home, Up, Page Up, Left, Right, End, Down, Page Down, Insert, Delete. */
const CURSOR_KEYS = new Set([0x47, 0x48, 0x49, 0x4b, 0x4d, 0x4f, 0x50, 0x51, 0x52, 0x53].map((code) => KEY_EXTENDED | code));
const KEYPAD_SLASH = 0xe035;

/**
 * The shifts a key fakes, for programs of the 83-key keyboard that know these keys from the keypad only: without Num Lock they must not look shifted, with it they must;
 * and `/` is on no shifted key. Numbers of extended Shift keys, and whether each goes down before the key goes down (Scan Code Specification 1.3a, appendix C).
 */
function fakeShifts(key: number, down: readonly number[], numLock: boolean): readonly { readonly shift: number; readonly pressed: boolean }[] {
  if (!CURSOR_KEYS.has(key) && key !== KEYPAD_SLASH) return [];
  const held = [LEFT_SHIFT, RIGHT_SHIFT].filter((shift) => down.includes(shift));
  if (key === KEYPAD_SLASH || !numLock) return held.map((shift) => ({ shift: KEY_EXTENDED | shift, pressed: false }));
  return held.length > 0 ? [] : [{ shift: KEY_EXTENDED | LEFT_SHIFT, pressed: true }];
}

/** The bytes a key sends in set 1 or 2 when it goes down or up. `down`: the keys that are held. */
export function sequenceOf(set: 1 | 2, key: number, pressed: boolean, down: readonly number[], numLock: boolean): number[] {
  const codesOf = (number: number) => (set === 2 ? set2Codes(set2Number(number)) : set1Codes(number));
  const codes = codesOf(key);
  const fakes = fakeShifts(key, down, numLock);
  const control = holds(down, LEFT_CONTROL, RIGHT_CONTROL);
  if (key === KEY_PAUSE) {
    // Pause has no break code and does not repeat; with Ctrl it is Break, which has its own.
    if (!pressed) return [];
    if (control) return set === 2 ? [0xe0, 0x7e, 0xe0, BREAK_PREFIX, 0x7e] : [0xe0, 0x46, 0xe0, 0xc6];
    return set === 2 ? [0xe1, 0x14, 0x77, 0xe1, BREAK_PREFIX, 0x14, BREAK_PREFIX, 0x77] : [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5];
  }
  if (key === KEY_PRINT_SCREEN) {
    if (holds(down, LEFT_ALT, RIGHT_ALT)) return (set === 2 ? set2Codes(SET2_SYSRQ) : set1Codes(SET1_SYSRQ))(pressed);
    if (!control && !holds(down, LEFT_SHIFT, RIGHT_SHIFT)) {
      const shift = codesOf(KEY_EXTENDED | LEFT_SHIFT)(pressed);
      return pressed ? [...shift, ...codes(true)] : [...codes(false), ...shift];
    }
  }
  if (pressed) return [...fakes.flatMap((fake) => codesOf(fake.shift)(fake.pressed)), ...codes(true)];
  return [...codes(false), ...fakes.toReversed().flatMap((fake) => codesOf(fake.shift)(!fake.pressed))];
}

function set2Number(key: number): number {
  return (key & 0xff00) | (SET2_OF.get(key & 0xff) ?? 0);
}

function set1Codes(key: number): (pressed: boolean) => number[] {
  const prefix = (key & 0xff00) === KEY_EXTENDED ? [0xe0] : [];
  return (pressed) => [...prefix, (key & 0x7f) | (pressed ? 0 : 0x80)];
}

function set2Codes(number: number): (pressed: boolean) => number[] {
  const prefix = (number & 0xff00) === KEY_EXTENDED ? [0xe0] : [];
  return (pressed) => [...prefix, ...(pressed ? [] : [BREAK_PREFIX]), number & 0xff];
}

/** Whether a number is that of a key this keyboard has. */
export function isKey(key: number): boolean {
  if (key === KEY_PAUSE) return true;
  const code = key & 0xff;
  return (key === code || key === (KEY_EXTENDED | code)) && code > 0 && code < 0x80 && SET2_OF.has(code);
}
