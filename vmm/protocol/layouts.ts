/**
 * Keyboard layouts as data: what each key writes alone, with Shift and with AltGr. A guest's own layout decides what a key means; these
 * tables only serve to type text into it. Adding a layout is adding an entry to `tables`.
 */
export interface Stroke {
  /** `KeyboardEvent.code` */
  readonly code: string;
  readonly shift?: boolean;
  readonly altGr?: boolean;
}

export interface Layout {
  readonly title: string;
  /** Character -> strokes: one, or a dead key and then a letter. */
  readonly strokes: ReadonlyMap<string, readonly Stroke[]>;
}

/** The four rows of writing keys, in the order of the strings below. */
const rows = [
  'Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal',
  'KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight',
  'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backslash',
  'IntlBackslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash',
].map((row) => row.split(' '));

interface Table {
  readonly title: string;
  /** Four rows each; a space: nothing there, or nothing worth typing. */
  readonly plain: readonly string[];
  readonly shift: readonly string[];
  readonly altGr?: readonly string[];
  /**
   * Characters in the rows whose key is dead, and the combining mark that it puts on the next letter. Keys that are dead on one system and
   * not on another (AltGr+2 of fr) count as live: a dead key gives its own character too when what follows takes no accent.
   */
  readonly dead?: Readonly<Record<string, string>>;
}

const GRAVE = '\u0300';
const ACUTE = '\u0301';
const CIRCUMFLEX = '\u0302';
const TILDE = '\u0303';
const DIAERESIS = '\u0308';

const tables: Readonly<Record<string, Table>> = {
  us: {
    title: 'English (US)',
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'\\", ' zxcvbnm,./'],
    shift: ['~!@#$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:"|', ' ZXCVBNM<>?'],
  },
  gb: {
    title: 'English (UK)',
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'#", '\\zxcvbnm,./'],
    shift: ['¬!"£$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:@~', '|ZXCVBNM<>?'],
    altGr: ['    €        ', '            ', '            ', '           '],
  },
  fr: {
    title: 'Français',
    plain: ['²&é"\'(-è_çà)=', 'azertyuiop^$', 'qsdfghjklmù*', '<wxcvbn,;:!'],
    shift: [' 1234567890°+', 'AZERTYUIOP¨£', 'QSDFGHJKLM%µ', '>WXCVBN?./§'],
    altGr: ['  ~#{[|`\\^@]}', '  €         ', '            ', '           '],
    dead: { '^': CIRCUMFLEX, '¨': DIAERESIS },
  },
  de: {
    title: 'Deutsch',
    plain: ['^1234567890ß´', 'qwertzuiopü+', 'asdfghjklöä#', '<yxcvbnm,.-'],
    shift: ['°!"§$%&/()=?`', 'QWERTZUIOPÜ*', "ASDFGHJKLÖÄ'", '>YXCVBNM;:_'],
    altGr: ['  ²³   {[]}\\ ', '@ €        ~', '            ', '|      µ   '],
    dead: { '^': CIRCUMFLEX, '´': ACUTE, '`': GRAVE },
  },
  es: {
    title: 'Español',
    plain: ["º1234567890'¡", 'qwertyuiop`+', 'asdfghjklñ´ç', '<zxcvbnm,.-'],
    shift: ['ª!"·$%&/()=?¿', 'QWERTYUIOP^*', 'ASDFGHJKLÑ¨Ç', '>ZXCVBNM;:_'],
    altGr: ['\\|@#~½¬      ', '  €       []', '          {}', '           '],
    dead: { '`': GRAVE, '^': CIRCUMFLEX, '´': ACUTE, '¨': DIAERESIS },
  },
  it: {
    title: 'Italiano',
    plain: ["\\1234567890'ì", 'qwertyuiopè+', 'asdfghjklòàù', '<zxcvbnm,.-'],
    shift: ['|!"£$%&/()=?^', 'QWERTYUIOPé*', 'ASDFGHJKLç°§', '>ZXCVBNM;:_'],
    altGr: ['             ', '  €       []', '         @# ', '           '],
  },
};

export const layouts: Readonly<Record<string, Layout>> = Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, build(table)]));

function build(table: Table): Layout {
  const strokes = new Map<string, readonly Stroke[]>([[' ', [{ code: 'Space' }]]]);
  const dead = new Map<string, Stroke>();
  const levels = [
    { rows: table.plain, modifiers: {} },
    { rows: table.shift, modifiers: { shift: true } },
    { rows: table.altGr ?? [], modifiers: { altGr: true } },
  ];
  for (const level of levels) {
    level.rows.forEach((text, row) => {
      Array.from(text).forEach((character, column) => {
        const code = rows[row]?.[column];
        if (character === ' ' || code === undefined) return;
        const stroke: Stroke = { code, ...level.modifiers };
        const mark = table.dead?.[character];
        if (mark !== undefined && !dead.has(mark)) dead.set(mark, stroke);
        else if (!strokes.has(character)) strokes.set(character, [stroke]);
      });
    });
  }
  addAccented(strokes, dead);
  return { title: table.title, strokes };
}

/** A dead key and a letter make the accented letter; a dead key and the space bar make the bare accent. */
function addAccented(strokes: Map<string, readonly Stroke[]>, dead: ReadonlyMap<string, Stroke>): void {
  const bare: Readonly<Record<string, string>> = { [GRAVE]: '`', [ACUTE]: '´', [CIRCUMFLEX]: '^', [TILDE]: '~', [DIAERESIS]: '¨' };
  for (const [mark, deadStroke] of dead) {
    for (const letter of 'aeiouyncAEIOUYNC') {
      const accented = `${letter}${mark}`.normalize('NFC');
      const plain = strokes.get(letter);
      if (accented.length === 1 && plain !== undefined && !strokes.has(accented)) strokes.set(accented, [deadStroke, ...plain]);
    }
    const accent = bare[mark];
    if (accent !== undefined && !strokes.has(accent)) strokes.set(accent, [deadStroke, { code: 'Space' }]);
  }
}
