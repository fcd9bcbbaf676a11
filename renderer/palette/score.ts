/** Folds case and accents, so that `redemarrer` finds `Redémarrer`. */
export const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/**
 * How well `query` fits `text`: 0 not at all. Every word of the query must begin a word of the text (3 points), stand somewhere in it (2), or
 * have its letters there in order (1).
 */
export function score(text: string, query: string): number {
  const folded = fold(text);
  const words = folded.split(/[^\p{L}\p{N}]+/u);
  let total = 0;
  for (const word of fold(query).split(/\s+/)) {
    if (word === '') continue;
    const points = words.some((w) => w.startsWith(word)) ? 3 : folded.includes(word) ? 2 : inOrder(folded, word) ? 1 : 0;
    if (points === 0) return 0;
    total += points;
  }
  return total === 0 ? 1 : total;
}

function inOrder(text: string, letters: string): boolean {
  let at = 0;
  for (const letter of letters) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
