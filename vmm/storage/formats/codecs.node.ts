import { deflateRawSync, deflateSync, inflateRawSync, inflateSync, zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib';
import type { Codecs } from './format.ts';

/** zlib's and zstd's, as Node has them. Data may be followed by bytes that do not belong to it. */
export const codecs: Codecs = {
  inflateRaw: (data, size) => inflateRawSync(data, { maxOutputLength: size, finishFlush: constants.Z_SYNC_FLUSH }),
  inflate: (data, size) => inflateSync(data, { maxOutputLength: size, finishFlush: constants.Z_SYNC_FLUSH }),
  unzstd: (data, size) => zstdDecompressSync(data.subarray(0, zstdFrameEnd(data)), { maxOutputLength: size }),
  deflateRaw: (data) => deflateRawSync(data, { windowBits: 12 }),
  deflate: (data) => deflateSync(data),
  zstd: (data) => zstdCompressSync(data),
};

/** The end of the first zstd frame (RFC 8878 3.1.1): what follows in the last sector is no frame. */
function zstdFrameEnd(data: Uint8Array): number {
  const descriptor = data[4] ?? 0;
  const [contentSize, single, checksum, dictionary] = [descriptor >> 6, (descriptor >> 5) & 1, (descriptor >> 2) & 1, descriptor & 3];
  let at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][dictionary]! + (contentSize === 0 ? single : 1 << contentSize);
  for (;;) {
    if (at + 3 > data.length) return data.length;
    const header = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16);
    const [last, type, size] = [header & 1, (header >> 1) & 3, header >> 3];
    at += 3 + (type === 1 ? 1 : size);
    if (last) return Math.min(data.length, at + (checksum ? 4 : 0));
  }
}
