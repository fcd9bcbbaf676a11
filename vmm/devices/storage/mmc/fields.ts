import { MSF_OFFSET } from './codes.ts';

/* Big-endian fields of command blocks and replies. */

export const be16 = (bytes: Uint8Array, at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
export const be24 = (bytes: Uint8Array, at: number) => (bytes[at]! << 16) | be16(bytes, at + 1);
export const be32 = (bytes: Uint8Array, at: number) => bytes[at]! * 0x100_0000 + be24(bytes, at + 1);

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}
export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}

/** Minutes, seconds, frames of a block address; beyond 99:59:74 a DVD's address counts as the end. */
export function putMsf(bytes: Uint8Array, at: number, block: number): void {
  const frames = Math.min(block + MSF_OFFSET, 100 * 60 * 75 - 1);
  bytes[at] = 0;
  bytes[at + 1] = Math.floor(frames / 4500);
  bytes[at + 2] = Math.floor(frames / 75) % 60;
  bytes[at + 3] = frames % 75;
}
