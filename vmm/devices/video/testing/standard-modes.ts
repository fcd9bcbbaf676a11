/*
 * The register values of the standard video modes, as the IBM VGA BIOS's parameter tables give them (IBM PS/2 and PC BIOS Interface Technical
 * Reference; FreeVGA "VGA BIOS mode tables"). For tests: they program the adapter as a BIOS does.
 */

export interface StandardMode {
  readonly misc: number;
  /** SR1 to SR4 */
  readonly sequencer: readonly number[];
  /** CR0 to CR18 */
  readonly crtc: readonly number[];
  /** AR0 to AR13 */
  readonly attribute: readonly number[];
  /** GR0 to GR8 */
  readonly graphics: readonly number[];
  readonly palette: 'ega64' | 'cga16' | 'mono' | 'vga256';
}

function bytes(hex: string): number[] {
  return hex.split(' ').map((byte) => parseInt(byte, 16));
}

const COLOR_16 = '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f';
const CGA_16 = '00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17';

function mode(misc: number, sequencer: string, crtc: string, attribute: string, graphics: string, palette: StandardMode['palette']): StandardMode {
  return { misc, sequencer: bytes(sequencer), crtc: bytes(crtc), attribute: bytes(attribute), graphics: bytes(graphics), palette };
}

const TEXT_GRAPHICS = '00 00 00 00 00 10 0e 0f ff';
const PLANAR_GRAPHICS = '00 00 00 00 00 00 05 0f ff';

export const STANDARD_MODES = {
  /** 40x25 text, 9x16 */
  0x01: mode(
    0x67,
    '08 03 00 02',
    '2d 27 28 90 2b a0 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 14 1f 96 b9 a3 ff',
    `${COLOR_16} 0c 00 0f 08`,
    TEXT_GRAPHICS,
    'ega64',
  ),
  /** 80x25 text, 9x16 */
  0x03: mode(
    0x67,
    '00 03 00 02',
    '5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff',
    `${COLOR_16} 0c 00 0f 08`,
    TEXT_GRAPHICS,
    'ega64',
  ),
  /** CGA 320x200, 4 colours */
  0x04: mode(
    0x63,
    '09 03 00 02',
    '2d 27 28 90 2b 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 a2 ff',
    '00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17 01 00 03 00',
    '00 00 00 00 00 30 0f 0f ff',
    'cga16',
  ),
  /** CGA 640x200, 2 colours */
  0x06: mode(
    0x63,
    '01 01 00 06',
    '5f 4f 50 82 54 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 c2 ff',
    '00 17 17 17 17 17 17 17 17 17 17 17 17 17 17 17 01 00 01 00',
    '00 00 00 00 00 00 0d 0f ff',
    'cga16',
  ),
  /** 80x25 monochrome text, 9x16 */
  0x07: mode(
    0x66,
    '00 03 00 02',
    '5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 0f 96 b9 a3 ff',
    '00 08 08 08 08 08 08 08 10 18 18 18 18 18 18 18 0e 00 0f 08',
    '00 00 00 00 00 10 0a 0f ff',
    'mono',
  ),
  /** 320x200, 16 colours */
  0x0d: mode(
    0x63,
    '09 0f 00 06',
    '2d 27 28 90 2b 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 e3 ff',
    `${CGA_16} 01 00 0f 00`,
    PLANAR_GRAPHICS,
    'cga16',
  ),
  /** 640x200, 16 colours */
  0x0e: mode(
    0x63,
    '01 0f 00 06',
    '5f 4f 50 82 54 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 e3 ff',
    `${CGA_16} 01 00 0f 00`,
    PLANAR_GRAPHICS,
    'cga16',
  ),
  /** 640x350, monochrome */
  0x0f: mode(
    0xa2,
    '01 0f 00 06',
    '5f 4f 50 82 54 80 bf 1f 00 40 00 00 00 00 00 00 83 85 5d 28 0f 63 ba e3 ff',
    '00 08 00 00 18 18 00 00 00 08 00 00 00 18 00 00 01 00 05 00',
    '00 00 00 00 00 00 05 05 ff',
    'mono',
  ),
  /** 640x350, 16 colours */
  0x10: mode(
    0xa3,
    '01 0f 00 06',
    '5f 4f 50 82 54 80 bf 1f 00 40 00 00 00 00 00 00 83 85 5d 28 0f 63 ba e3 ff',
    `${COLOR_16} 01 00 0f 00`,
    PLANAR_GRAPHICS,
    'ega64',
  ),
  /** 640x480, 2 colours */
  0x11: mode(
    0xe3,
    '01 0f 00 06',
    '5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff',
    '00 3f 00 3f 00 3f 00 3f 00 3f 00 3f 00 3f 00 3f 01 00 0f 00',
    PLANAR_GRAPHICS,
    'ega64',
  ),
  /** 640x480, 16 colours */
  0x12: mode(
    0xe3,
    '01 0f 00 06',
    '5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff',
    `${COLOR_16} 01 00 0f 00`,
    PLANAR_GRAPHICS,
    'ega64',
  ),
  /** 320x200, 256 colours */
  0x13: mode(
    0x63,
    '01 0f 00 0e',
    '5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff',
    '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 41 00 0f 00',
    '00 00 00 00 00 40 05 0f ff',
    'vga256',
  ),
} as const satisfies Record<number, StandardMode>;

export type StandardModeNumber = keyof typeof STANDARD_MODES;

/** The first 64 (or 256) DAC colours, three six-bit components each. */
export function standardPalette(kind: StandardMode['palette']): readonly (readonly [number, number, number])[] {
  switch (kind) {
    case 'ega64': // rgbRGB: two intensity bits for each colour
      return Array.from({ length: 64 }, (_, color) => {
        const level = (high: number, low: number): number => (color & high ? 0x2a : 0) + (color & low ? 0x15 : 0);
        return [level(4, 32), level(2, 16), level(1, 8)];
      });
    case 'cga16': // IRGB on bits 4, 2, 1, 0; dark yellow is brown
      return Array.from({ length: 64 }, (_, color) => {
        const base = color & 0x10 ? 0x15 : 0;
        const level = (bit: number): number => (color & bit ? 0x2a : 0) + base;
        return (color & 0x17) === 6 ? [0x2a, 0x15, 0] : [level(4), level(2), level(1)];
      });
    case 'mono':
      return Array.from({ length: 64 }, (_, color) => {
        const gray = color & 0x10 ? (color & 0x08 ? 0x3f : 0x15) : color & 0x08 ? 0x2a : 0;
        return [gray, gray, gray];
      });
    case 'vga256': // not the BIOS's palette: any 256 different colours show the same
      return Array.from({ length: 256 }, (_, color) => [color >> 2, (color * 5) & 0x3f, (color * 11) & 0x3f]);
  }
}
