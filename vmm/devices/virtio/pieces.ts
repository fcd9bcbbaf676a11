import type { Dma } from '../../bus/dma.ts';
import type { Piece } from './virtqueue.ts';

/** Bytes that `pieces` are together. */
export function bytesOf(pieces: readonly Piece[]): number {
  let sum = 0;
  for (const { length } of pieces) sum += length;
  return sum;
}

/** The first `length` bytes of `pieces`, and the rest. Drivers may cut a request anywhere (2.7.4). */
export function split(pieces: readonly Piece[], length: number): [Piece[], Piece[]] {
  const first: Piece[] = [];
  const rest: Piece[] = [];
  let left = length;
  for (const piece of pieces) {
    const part = Math.min(left, piece.length);
    left -= part;
    if (part > 0) first.push(part === piece.length ? piece : { address: piece.address, length: part });
    if (part < piece.length) rest.push(part === 0 ? piece : { address: piece.address + part, length: piece.length - part });
  }
  return [first, rest];
}

/** Copies guest memory into `into`, which is as long as all `pieces`, or shorter. */
export function readPieces(dma: Dma, pieces: readonly Piece[], into: Uint8Array): void {
  let at = 0;
  for (const { address, length } of pieces) {
    if (at >= into.length) return;
    const part = into.subarray(at, at + length);
    dma.read(address, part);
    at += part.length;
  }
}

/** Copies `from` into guest memory as far as both go. Returns how many bytes that were. */
export function writePieces(dma: Dma, pieces: readonly Piece[], from: Uint8Array): number {
  let at = 0;
  for (const { address, length } of pieces) {
    if (at >= from.length) break;
    const part = from.subarray(at, at + length);
    dma.write(address, part);
    at += part.length;
  }
  return at;
}
