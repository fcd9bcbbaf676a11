import { CD_BLOCK, MSF_OFFSET } from './codes.ts';

/** Which parts of a 2352-byte frame READ CD asks for (MMC-5 table 350). */
export interface RawForm {
  readonly sync: boolean;
  readonly header: boolean;
  readonly user: boolean;
  readonly ecc: boolean;
}

export const FRAME_BYTES = 2352;
const SYNC_BYTES = 12;
const HEADER_BYTES = 4;
/** EDC, eight zero bytes, 276 bytes of P and Q parity. */
const ECC_BYTES = 288;

/**
 * What READ CD wants of each frame, by expected sector type (byte 1), main channel selection (byte 9) and sub-channel (byte 10). undefined: an
 * impossible field; `audio`: a type the track is not of.
 */
export function rawForm(typeByte: number, selection: number, subChannel: number): RawForm | 'data' | 'nothing' | 'audio' | undefined {
  const type = (typeByte >> 2) & 7; // 0 any, 1 CD-DA, 2 mode 1, 3 mode 2, 4 and 5 its forms
  if ((subChannel & 7) !== 0 || type > 5) return undefined;
  if (type === 1 || type >= 3) return 'audio';
  if ((selection & 0xf8) === 0) return 'nothing';
  const headers = (selection >> 5) & 3; // bit 0: header; bit 1: sub-header, which mode 1 does not have
  const form = { sync: (selection & 0x80) !== 0, header: (headers & 1) !== 0, user: (selection & 0x10) !== 0, ecc: (selection & 0x08) !== 0 };
  return form.user && !form.sync && !form.header && !form.ecc ? 'data' : form;
}

export function rawBytes(form: RawForm): number {
  return (form.sync ? SYNC_BYTES : 0) + (form.header ? HEADER_BYTES : 0) + (form.user ? CD_BLOCK : 0) + (form.ecc ? ECC_BYTES : 0);
}

/** Dresses a block of user data as a mode 1 frame (ECMA-130 clause 14), of which `into` gets the parts that are asked for. */
export function dressFrame(block: number, user: Uint8Array, form: RawForm, into: Uint8Array): void {
  const frame = new Uint8Array(FRAME_BYTES);
  frame.fill(0xff, 1, 11);
  const address = block + MSF_OFFSET;
  frame[12] = bcd(Math.floor(address / 4500) % 100);
  frame[13] = bcd(Math.floor(address / 75) % 60);
  frame[14] = bcd(address % 75);
  frame[15] = 1;
  frame.set(user, 16);
  if (form.ecc) {
    putEdc(frame);
    putParity(frame, 86, 24, 2, 86, 2076); // P
    putParity(frame, 52, 43, 86, 88, 2248); // Q
  }
  let at = 0;
  const take = (wanted: boolean, start: number, length: number) => {
    if (!wanted) return;
    into.set(frame.subarray(start, start + length), at);
    at += length;
  };
  take(form.sync, 0, SYNC_BYTES);
  take(form.header, SYNC_BYTES, HEADER_BYTES);
  take(form.user, 16, CD_BLOCK);
  take(form.ecc, 16 + CD_BLOCK, ECC_BYTES);
}

function bcd(value: number): number {
  return (Math.floor(value / 10) << 4) | (value % 10);
}

/** ECMA-130 14.3: CRC over (x^16+x^15+x^2+1)(x^16+x^2+x+1), least significant bit first. */
const EDC_POLYNOMIAL = 0xd8018001;
const edcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ EDC_POLYNOMIAL : value >>> 1;
  return value >>> 0;
});

function putEdc(frame: Uint8Array): void {
  let edc = 0;
  for (let at = 0; at < 16 + CD_BLOCK; at++) edc = (edc >>> 8) ^ edcTable[(edc ^ frame[at]!) & 0xff]!;
  new DataView(frame.buffer).setUint32(16 + CD_BLOCK, edc >>> 0, true);
}

/** GF(2^8) with x^8+x^4+x^3+x^2+1 (ECMA-130 annex A): times alpha, and the inverse of multiplying by alpha+1. */
const timesAlpha = Uint8Array.from({ length: 256 }, (_, value) => (value << 1) ^ ((value & 0x80) !== 0 ? 0x11d : 0));
const overAlphaPlusOne = (() => {
  const table = new Uint8Array(256);
  for (let value = 0; value < 256; value++) table[value ^ timesAlpha[value]!] = value;
  return table;
})();

/**
 * One of the two Reed-Solomon product codes: `majors` code words of `minors` bytes each; the header and data from byte 12 on are taken in
 * two interleaved halves, wrapping at the end.
 */
function putParity(frame: Uint8Array, majors: number, minors: number, majorStep: number, minorStep: number, to: number): void {
  const size = majors * minors;
  for (let major = 0; major < majors; major++) {
    let index = (major >> 1) * majorStep + (major & 1);
    let [a, b] = [0, 0];
    for (let minor = 0; minor < minors; minor++) {
      const byte = frame[12 + index]!;
      index += minorStep;
      if (index >= size) index -= size;
      a = timesAlpha[a ^ byte]!;
      b ^= byte;
    }
    a = overAlphaPlusOne[timesAlpha[a]! ^ b]!;
    frame[to + major] = a;
    frame[to + majors + major] = a ^ b;
  }
}
