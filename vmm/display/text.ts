import { VmmError } from '../base/errors.ts';
import { decodeCodePage437 } from './code-page-437.ts';
import { cellAt, stripRows, stripsOf } from './draw-text.ts';
import type { TextScanout } from './scanout.ts';

/** A text-mode screen as characters. */
export interface TextScreen {
  readonly columns: number;
  readonly rows: number;
  /** One string of `columns` characters for each row, top to bottom; trailing blanks are kept, so that columns are indices. */
  readonly lines: readonly string[];
  /** Attribute bytes, row by row: bits 0-3 foreground, 4-6 background, 7 blinking or bright background. */
  readonly attributes: Uint8Array;
  /** Absent when the cursor is off or not on the screen. `visible`: not in the dark half of its blinking. */
  readonly cursor: { readonly column: number; readonly row: number; readonly visible: boolean } | undefined;
}

/** Reads the characters that a text mode shows, decoded as code page 437 whatever font the guest has loaded. */
export function readTextScreen(scanout: TextScanout, memory: Uint8Array): TextScreen {
  const { columns, pitch, cells } = scanout;
  const mask = cells.count - 1;
  const lines: string[] = [];
  const attributes: number[] = [];
  let cursor: TextScreen['cursor'];
  for (const strip of stripsOf(scanout)) {
    for (let row = 0; row < stripRows(scanout, strip); row++) {
      const characters: number[] = [];
      for (let column = 0; column < columns; column++) {
        const index = (strip.start + row * pitch + column) & mask;
        const at = cellAt(scanout, index);
        characters.push(memory[at]!);
        attributes.push(memory[at + 1]!);
        if (scanout.cursor !== undefined && index === (scanout.cursor.cell & mask)) {
          cursor ??= { column, row: lines.length, visible: scanout.cursor.lit };
        }
      }
      lines.push(decodeCodePage437(characters));
    }
  }
  return { columns, rows: lines.length, lines, attributes: Uint8Array.from(attributes), cursor };
}

export interface TextMatch {
  /** The whole line, without trailing blanks. */
  readonly line: string;
  readonly row: number;
  readonly column: number;
  /** What matched. */
  readonly text: string;
}

/** A string is searched for as it is; a regular expression is applied line by line. */
export type TextPattern = string | RegExp;

/**
 * A pattern from outside (a protocol request, the command line) as a regular expression.
 * @throws VmmError `usage` when it is not one.
 */
export function parsePattern(source: string, flags = ''): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new VmmError('usage', `not a regular expression: ${source} (${error instanceof Error ? error.message : String(error)})`, {}, error);
  }
}

/** All places where `pattern` is on the screen, in reading order. Matches do not reach across lines, and empty ones do not count. */
export function searchText(screen: TextScreen, pattern: TextPattern, options: { readonly ignoreCase?: boolean } = {}): TextMatch[] {
  const expression = globalExpression(pattern, options.ignoreCase ?? false);
  return screen.lines.flatMap((full, row) => {
    const line = full.trimEnd();
    return [...line.matchAll(expression)].filter(([text]) => text !== '').map((match) => ({ line, row, column: match.index, text: match[0] }));
  });
}

export function findText(screen: TextScreen, pattern: TextPattern): TextMatch | undefined {
  return searchText(screen, pattern)[0];
}

function globalExpression(pattern: TextPattern, ignoreCase: boolean): RegExp {
  const source = typeof pattern === 'string' ? pattern.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&') : pattern.source;
  const flags = new Set(typeof pattern === 'string' ? '' : pattern.flags.replace('y', ''));
  flags.add('g');
  if (ignoreCase) flags.add('i');
  return new RegExp(source, [...flags].join(''));
}

/** The text between two corners (inclusive, in reading order), as a selection is copied: one line each, trailing blanks dropped. */
export function selectText(
  screen: TextScreen,
  from: { readonly row: number; readonly column: number },
  to: { readonly row: number; readonly column: number },
): string {
  const [first, last] = from.row < to.row || (from.row === to.row && from.column <= to.column) ? [from, to] : [to, from];
  return screen.lines
    .slice(Math.max(0, first.row), last.row + 1)
    .map((line, index, chosen) => {
      const end = index === chosen.length - 1 && last.row < screen.rows ? last.column + 1 : line.length;
      return line.slice(index === 0 && first.row >= 0 ? first.column : 0, end).trimEnd();
    })
    .join('\n');
}
