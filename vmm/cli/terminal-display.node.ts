/** `--display terminal`: the guest's text screen drawn in this terminal, its keyboard typed on. */
import type { Readable } from 'node:stream';
import type { TextScreen } from '../display/text.ts';
import { keyNumbers } from '../protocol/input.ts';
import type { Session } from '../process/session.ts';
import { printable } from './output.node.ts';
import { keysOfTerminal } from './terminal-keys.ts';

const INTERVAL = 66;
/** VGA's colours by attribute number -> SGR's. */
const SGR_COLOURS = [0, 4, 2, 6, 1, 5, 3, 7];
const ALTERNATE_SCREEN = '\u001b[?1049h\u001b[2J';
const NORMAL_SCREEN = '\u001b[0m\u001b[?25h\u001b[?1049l';

/** Draws until the machine ends. `stdin` is in raw mode. */
export function showInTerminal(session: Session, stdin: Readable, stdout: NodeJS.WriteStream): void {
  const drawer = new Drawer((text) => stdout.write(text));
  stdout.write(ALTERNATE_SCREEN);
  const leave = () => stdout.write(NORMAL_SCREEN);
  process.once('exit', leave);
  const draw = async () => {
    if (!session.hasDisplay || session.state !== 'running') return;
    const screen = await session.frames.look();
    const text = screen.text();
    const { width, height } = screen.mode.surface;
    if (text !== undefined) drawer.draw(text);
    else drawer.say(`The guest shows graphics (${width} x ${height}); a terminal can draw text only. Ctrl-A X quits.`);
  };
  const timer = setInterval(() => void draw().catch(() => undefined), INTERVAL);
  session.on('ended', () => {
    clearInterval(timer);
    process.off('exit', leave);
    leave();
  });
  stdin.on('data', (chunk: Buffer) => {
    for (const codes of keysOfTerminal(chunk.toString('utf8'))) press(session, codes);
  });
}

function press(session: Session, codes: readonly string[]): void {
  for (const code of codes) session.post({ type: 'key', key: keyNumbers[code]!, down: true });
  for (const code of codes.toReversed()) session.post({ type: 'key', key: keyNumbers[code]!, down: false });
}

/** Writes the rows that differ from what was written last. */
export class Drawer {
  readonly #write: (text: string) => void;
  #rows: string[] = [];
  #cursor = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  draw(screen: TextScreen): void {
    const rows = screen.lines.map((line, row) => sgrRow(line, screen.attributes.subarray(row * screen.columns, (row + 1) * screen.columns)));
    this.#show(rows, screen.cursor === undefined ? '\u001b[?25l' : `\u001b[${screen.cursor.row + 1};${screen.cursor.column + 1}H\u001b[?25h`);
  }

  say(message: string): void {
    this.#show([message], '\u001b[?25l');
  }

  #show(rows: string[], cursor: string): void {
    let out = rows.length < this.#rows.length ? '\u001b[0m\u001b[2J' : '';
    rows.forEach((row, index) => {
      if (out !== '' || row !== this.#rows[index]) out += `\u001b[${index + 1};1H${row}\u001b[0m\u001b[K`;
    });
    if (out === '' && cursor === this.#cursor) return;
    this.#rows = rows;
    this.#cursor = cursor;
    this.#write(out + cursor);
  }
}

/** A row with its colours; the guest's control characters were drawn as glyphs and stay glyphs. */
function sgrRow(line: string, attributes: Uint8Array): string {
  let out = '';
  let last = -1;
  Array.from(line).forEach((character, column) => {
    const attribute = attributes[column] ?? 7;
    if (attribute !== last) out += sgr(attribute);
    last = attribute;
    out += printable(character);
  });
  return out;
}

function sgr(attribute: number): string {
  const foreground = (attribute & 8 ? 90 : 30) + SGR_COLOURS[attribute & 7]!;
  return `\u001b[0;${foreground};${40 + SGR_COLOURS[(attribute >> 4) & 7]!}m`;
}
