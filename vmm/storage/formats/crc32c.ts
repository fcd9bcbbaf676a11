/** CRC-32C (Castagnoli, reflected polynomial 82F63B78h), as VHDX and iSCSI use it. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/** The checksum of a structure that holds it at `at`, taken with that field as zeros. */
export function crcWithout(bytes: Uint8Array, at: number): number {
  const copy = bytes.slice();
  copy.fill(0, at, at + 4);
  return crc32c(copy);
}
