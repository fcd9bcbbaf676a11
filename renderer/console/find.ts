/** A place on a text-mode screen, in cells. */
export interface Hit {
  readonly row: number;
  readonly column: number;
  readonly length: number;
}

/** Where `query` stands on the screen, upper and lower case alike, in reading order. A word that is broken at the right edge is not found. */
export function findText(lines: readonly string[], query: string): Hit[] {
  const wanted = Array.from(query.toLowerCase());
  if (wanted.length === 0) return [];
  return lines.flatMap((line, row) => {
    const cells = Array.from(line).map((character) => character.toLowerCase());
    const hits: Hit[] = [];
    for (let column = 0; column + wanted.length <= cells.length;) {
      const found = wanted.every((character, at) => cells[column + at] === character);
      if (found) hits.push({ row, column, length: wanted.length });
      column += found ? wanted.length : 1;
    }
    return hits;
  });
}
