/** Chords that the host's desktop keeps for itself, or that a keyboard may lack; `keys` as `input.keys` takes them. */
export interface Chord {
  readonly id: string;
  readonly title: string;
  readonly keys: readonly string[];
}

const chord = (title: string, keys: string): Chord => ({ id: keys, title, keys: [keys] });

export const chords: readonly (readonly Chord[])[] = [
  [chord('Ctrl + Alt + Del', 'ctrl+alt+delete'), chord('Ctrl + Alt + Backspace', 'ctrl+alt+backspace'), chord('Ctrl + Break', 'ctrl+pause')],
  [chord('Alt + Tab', 'alt+tab'), chord('Alt + F4', 'alt+f4'), chord('Ctrl + Esc', 'ctrl+escape'), chord('Super', 'meta')],
  [chord('Esc', 'escape'), chord('Print Screen', 'printscreen'), chord('Scroll Lock', 'scrolllock'), chord('Num Lock', 'numlock')],
  [
    chord('F1', 'f1'),
    chord('F2', 'f2'),
    chord('F8', 'f8'),
    chord('F10', 'f10'),
    chord('F11', 'f11'),
    chord('F12', 'f12'),
    chord('Ctrl + Alt + F1', 'ctrl+alt+f1'),
    chord('Ctrl + Alt + F2', 'ctrl+alt+f2'),
    chord('Ctrl + Alt + F7', 'ctrl+alt+f7'),
  ],
];
