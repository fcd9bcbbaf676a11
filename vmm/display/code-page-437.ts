/*
 * Code page 437: the character set in the ROM of the PC's display adapters, control characters as the glyphs they show (IBM PC Technical Reference,
 * appendix C; Unicode mapping CP437 with its "graphics" rows).
 */
const GLYPHS =
  ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼' +
  ' !"#$%&\'()*+,-./0123456789:;<=>?' +
  '@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_' +
  '`abcdefghijklmnopqrstuvwxyz{|}~⌂' +
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ' +
  'áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

/** What byte `code` looks like on the screen, as one UTF-16 unit. NUL and FFh are blank. */
export const CODE_PAGE_437: readonly string[] = GLYPHS.split('');

export function decodeCodePage437(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += CODE_PAGE_437[byte & 0xff]!;
  return text;
}
