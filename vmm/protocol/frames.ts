/**
 * Binary messages from a machine to a client: pictures and serial output. Little-endian. The first byte is the kind.
 *
 * Frame (kind 1): what changed on the screen since the last frame that this client was sent.
 *
 *     0  u8   kind = 1
 *     1  u8   flags: bit 0 = the screen has a new size, or this is the first frame: everything is in it
 *     2  u16  number of rectangles
 *     4  u32  sequence, counts up per client
 *     8  u16  width, u16 height of the screen, pixels
 *    12  u16  aspect x, u16 aspect y: shape of the whole screen as a monitor shows it (4:3); 0:0 = square pixels
 *    16  u32  guest time, ms (wraps)
 *    20  u32  reserved, 0
 *    24  per rectangle: u16 x, u16 y, u16 width, u16 height
 *     .  per rectangle: width * height pixels, rows from the top, R G B A bytes with A = 255: what `ImageData` takes
 *
 * Serial output (kind 2):
 *
 *     0  u8   kind = 2
 *     1  u8   port, 0 = COM1
 *     2  u16  reserved, 0
 *     4  u32  position of the first byte in all that the port has ever sent (wraps)
 *     8  bytes
 */
import { VmmError } from '../base/errors.ts';

export const messageKind = { frame: 1, serial: 2 } as const;

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface FrameHeader {
  readonly sequence: number;
  readonly whole: boolean;
  readonly width: number;
  readonly height: number;
  readonly aspect: readonly [x: number, y: number];
  /** ms */
  readonly guestTime: number;
}

/** A picture in memory: RGBA rows, `stride` bytes apart. */
export interface Surface {
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly pixels: Uint8Array;
}

export interface DecodedFrame extends FrameHeader {
  /** `pixels` are views of the message. */
  readonly rectangles: readonly (Rectangle & { readonly pixels: Uint8ClampedArray })[];
}

const FRAME_HEADER = 24;
const RECTANGLE = 8;
const SERIAL_HEADER = 8;
const FLAG_WHOLE = 1;
export const MAX_RECTANGLES = 1024;
export const MAX_SCREEN_SIDE = 8192;

/** Rectangles must lie within the surface. */
export function encodeFrame(
  header: Omit<FrameHeader, 'width' | 'height'>,
  surface: Surface,
  rectangles: readonly Rectangle[],
): Uint8Array<ArrayBuffer> {
  const pixelBytes = rectangles.reduce((sum, { width, height }) => sum + width * height * 4, 0);
  const pixelsAt = FRAME_HEADER + rectangles.length * RECTANGLE;
  const message = new Uint8Array(pixelsAt + pixelBytes);
  const view = new DataView(message.buffer);
  view.setUint8(0, messageKind.frame);
  view.setUint8(1, header.whole ? FLAG_WHOLE : 0);
  view.setUint16(2, rectangles.length, true);
  view.setUint32(4, header.sequence, true);
  view.setUint16(8, surface.width, true);
  view.setUint16(10, surface.height, true);
  view.setUint16(12, header.aspect[0], true);
  view.setUint16(14, header.aspect[1], true);
  view.setUint32(16, header.guestTime, true);
  let at = FRAME_HEADER;
  let out = pixelsAt;
  for (const { x, y, width, height } of rectangles) {
    view.setUint16(at, x, true);
    view.setUint16(at + 2, y, true);
    view.setUint16(at + 4, width, true);
    view.setUint16(at + 6, height, true);
    at += RECTANGLE;
    for (let row = y; row < y + height; row++) {
      const from = row * surface.stride + x * 4;
      message.set(surface.pixels.subarray(from, from + width * 4), out);
      out += width * 4;
    }
  }
  return message;
}

export function kindOf(message: Uint8Array): keyof typeof messageKind | undefined {
  return message[0] === messageKind.frame ? 'frame' : message[0] === messageKind.serial ? 'serial' : undefined;
}

/** @throws VmmError `invalid` on a message that is damaged or lies about its size. */
export function decodeFrame(message: Uint8Array): DecodedFrame {
  if (message.length < FRAME_HEADER || message[0] !== messageKind.frame) throw damaged('no frame header');
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const width = view.getUint16(8, true);
  const height = view.getUint16(10, true);
  const count = view.getUint16(2, true);
  if (width > MAX_SCREEN_SIDE || height > MAX_SCREEN_SIDE) throw damaged(`a screen of ${width}x${height}`);
  if (count > MAX_RECTANGLES) throw damaged(`${count} rectangles`);
  let pixelsAt = FRAME_HEADER + count * RECTANGLE;
  if (pixelsAt > message.length) throw damaged('rectangles cut short');
  const rectangles: (Rectangle & { pixels: Uint8ClampedArray })[] = [];
  for (let at = FRAME_HEADER; at < FRAME_HEADER + count * RECTANGLE; at += RECTANGLE) {
    const x = view.getUint16(at, true);
    const y = view.getUint16(at + 2, true);
    const w = view.getUint16(at + 4, true);
    const h = view.getUint16(at + 6, true);
    if (x + w > width || y + h > height) throw damaged('a rectangle outside the screen');
    const bytes = w * h * 4;
    if (pixelsAt + bytes > message.length) throw damaged('pixels cut short');
    rectangles.push({ x, y, width: w, height: h, pixels: new Uint8ClampedArray(message.buffer, message.byteOffset + pixelsAt, bytes) });
    pixelsAt += bytes;
  }
  if (pixelsAt !== message.length) throw damaged('bytes after the last pixel');
  return {
    sequence: view.getUint32(4, true),
    whole: (view.getUint8(1) & FLAG_WHOLE) !== 0,
    width,
    height,
    aspect: [view.getUint16(12, true), view.getUint16(14, true)],
    guestTime: view.getUint32(16, true),
    rectangles,
  };
}

export interface SerialOutput {
  readonly port: number;
  readonly position: number;
  readonly data: Uint8Array;
}

export function encodeSerial({ port, position, data }: SerialOutput): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(SERIAL_HEADER + data.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, messageKind.serial);
  view.setUint8(1, port);
  view.setUint32(4, position, true);
  message.set(data, SERIAL_HEADER);
  return message;
}

/** @throws VmmError `invalid` on a damaged message. */
export function decodeSerial(message: Uint8Array): SerialOutput {
  if (message.length < SERIAL_HEADER || message[0] !== messageKind.serial) throw damaged('no serial header');
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  return { port: view.getUint8(1), position: view.getUint32(4, true), data: message.subarray(SERIAL_HEADER) };
}

function damaged(what: string): VmmError {
  return new VmmError('invalid', `damaged binary message: ${what}`);
}
